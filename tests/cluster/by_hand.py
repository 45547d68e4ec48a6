"""Phases of the fake model put together by hand, for what a whole job does not show."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurize import config
from featurize.execution import phases, plan
from featurize.execution.plan import Shard
from featurize.execution.run import Phase
from featurize.images.decode import Limits
from featurize.inference.extractor import model_key
from featurize.storage.lease import Fence
from featurize.storage.store import Store
from featurize.storage.tables import Origin


def phase(store: Store, fence: Fence, artwork: Path, cpus: int = 1, **embed: Any) -> tuple[Phase, list[Shard]]:
    """A phase over all pictures of a folder, and its shards of eight."""
    settings = config.load("local", ["embed={backend = 'fake'}", "describe=null"]).embed
    assert settings is not None
    settings = settings.model_copy(update=embed)
    files = sorted(artwork.rglob("*.png"))
    items = [{"key": hashlib.sha256(f.read_bytes()).hexdigest(), "source": str(f), "attempts": 0} for f in files]
    limits = Limits()
    key, decode_key = model_key(phases.fingerprint_of(settings)), model_key(plan.decoder(limits))
    origin = Origin("run", "test")
    made = Phase(
        "embed", settings, "image_embedding", key, decode_key, limits, 1, cpus, 0.5, store, fence, origin
    )  # fmt: skip
    return made, list(plan.shards(pa.Table.from_pylist(items), key, 8))
