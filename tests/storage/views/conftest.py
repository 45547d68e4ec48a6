import pytest

from featurize.storage.store import Store

from . import stores


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / "it's a [store]*"))
    stores.fill(made)
    return made
