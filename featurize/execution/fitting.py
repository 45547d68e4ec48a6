"""How many workers of a model the nodes of a cluster hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurize.errors import RefusedInput
from featurize.inference.extractor import Placement

CPUS_OF_A_WORKER = 8
"""Default upper bound; decoding and small models gain little from more."""


def fit(settings: Placement, nodes: Sequence[Mapping[str, float]]) -> tuple[int, int]:
    """(workers, CPUs of each) for nodes that offer `CPU` and `GPU`. Errors: RefusedInput naming what is missing."""
    usable = [node for node in nodes if node.get("GPU", 0) >= settings.gpus and node.get("CPU", 0) >= 1]
    if not usable:
        most = max((node.get("GPU", 0) for node in nodes), default=0)
        raise RefusedInput(
            f"a worker of {named(settings)} needs {settings.gpus:g} GPU and no node has that many "
            f"(the most is {most:g}); use the profile 'local' to run on CPUs"
        )

    def share(node: Mapping[str, float]) -> int:
        replicas = node["GPU"] // settings.gpus if settings.gpus else 1
        return max(1, int(min(CPUS_OF_A_WORKER, node["CPU"] // max(1, replicas))))

    cpus = settings.cpus or min(share(node) for node in usable)
    room = sum(
        int(min(node["CPU"] // cpus, node["GPU"] // settings.gpus if settings.gpus else node["CPU"])) for node in usable
    )
    if room == 0:
        most = max(node["CPU"] for node in usable)
        raise RefusedInput(f"a worker of {named(settings)} needs {cpus} CPUs and no node has more than {most:g}")
    return min(settings.workers or room, room), cpus


def named(settings: Placement) -> str:
    """Of whom a message speaks."""
    backend = getattr(settings, "backend", None)
    return f"backend '{backend}'" if backend else "the ranker"
