"""The place of a model: what cannot be written there is told in a sentence."""

import resource

import pytest
import torch
from safetensors.torch import save_file

from featurize.errors import RunFailed
from featurize.posttraining.folder import Folder


@pytest.mark.parametrize("write", [torch.save, lambda tensor, path: save_file({"weight": tensor}, path)])
def test_weights_and_optimizer_state_that_do_not_fit_are_told(tmp_path, write):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        told = f"cannot be written beside {tmp_path}/model, is the disk full"
        with pytest.raises(RunFailed, match=told), Folder(str(tmp_path / "model")).written():
            write(torch.zeros(1_000_000), tmp_path / "state.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_error_of_something_else_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="shapes differ"), Folder(str(tmp_path / "model")).written():
        raise RuntimeError("shapes differ")
