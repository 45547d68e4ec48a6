"""Train the bundled models on the demo world, and score them on what they have never seen of it.

Training goes on from its last checkpoint when it was stopped. The scores are computed by the code that runs any model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from featurize import config
from featurize.bundling import score
from featurize.errors import RefusedInput, RunFailed

MODELS = {"captioner": "describe", "clip": "embed"}
"""Those of the models that a profile's section of this name uses on pictures."""
SAMPLES = {"captioner": 500_000, "clip": 500_000, "ranker": 18_000}
"""Names of all models, and how many samples each learns from: pictures, or batches of conversations."""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when all is done, whether or not the scores reach their targets: the table says."""
    from featurize.bundling import ranker_score

    asked = parser().parse_args(argv)
    try:
        if not asked.score_only:
            for name in asked.only or SAMPLES:
                train(name, asked)
        folders = [f"{section}.model={asked.out / name}" for name, section in MODELS.items()]
        found = score.score(config.load("local", [*folders, "describe.batch_size=64"]), asked.held_out)
        found["ranker"] = ranker_score.score(asked.out / "ranker", asked.held_out)
    except (RefusedInput, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RefusedInput) else 1
    except KeyboardInterrupt:
        print(f"error: interrupted; the next run goes on from the last checkpoint in {asked.work}", file=sys.stderr)
        return 1
    asked.scores.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{table(found)}\n\nthe same as JSON: {asked.scores}")
    return 0


def train(name: str, asked: argparse.Namespace) -> None:
    """Train one model and write it to its folder. Errors: RunFailed."""
    import torch

    from featurize.bundling.captioner import Captioner
    from featurize.bundling.clip import Clip
    from featurize.bundling.ranker import Ranker
    from featurize.bundling.scenes import Scenes
    from featurize.bundling.trainer import fit

    if asked.threads:
        torch.set_num_threads(asked.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    samples = SAMPLES[name] if asked.samples is None else asked.samples
    asked.work.mkdir(parents=True, exist_ok=True)
    if name == "ranker":
        with closing(Ranker(asked.seed, begin=asked.begin)) as ranker:
            fit(ranker, asked.work / "ranker.pt", samples, name, device)
            ranker.export(asked.out / name)
        return
    scenes = Scenes(asked.work / "scenes", asked.scenes)
    task = (Captioner if name == "captioner" else Clip)(scenes, asked.seed)
    fit(task, asked.work / f"{name}.pt", samples, name, device)
    task.export(asked.out / name)


def table(found: dict[str, Any]) -> str:
    """The scores beside their targets."""
    lines = [f"{found['held_out_scenes']} held-out scenes{'':27}share   target"]
    for model in [name for name in SAMPLES if name in found]:
        figures = {**found[model], **{f"  {key}": value for key, value in found[model].get("fields", {}).items()}}
        for key, value in figures.items():
            if not isinstance(value, dict):
                target = score.TARGETS[model].get(key)
                verdict = "" if target is None else f">= {target:.2f}  {'ok' if value >= target else 'short'}"
                lines.append(f"{model:10} {key.replace('_', ' '):36} {value:6.3f}   {verdict}".rstrip())
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m jobs.bundle", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--score-only", action="store_true", help="train nothing")
    made.add_argument("--only", action="append", choices=sorted(SAMPLES), help="train this model only")
    made.add_argument(
        "--samples",
        type=int,
        help="pictures to learn from in all, or batches of conversations, per model; default: 500,000, or 18,000",
    )
    made.add_argument(
        "--from", dest="begin", type=Path, metavar="FOLDER", help="a ranker to go on from, with pages; default: anew"
    )
    made.add_argument("--scenes", type=int, default=150_000, help="different scenes among them")
    made.add_argument("--held-out", type=int, default=1024, help="scenes to score on, or questions")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--threads", type=int, help="CPU threads of torch; default: its own choice")
    made.add_argument("--work", type=Path, default=Path("bundle"), help="folder of rendered scenes and checkpoints")
    made.add_argument(
        "--out", type=Path, default=Path("featurize/bundled"), help="folder the finished models are written below"
    )
    made.add_argument("--scores", type=Path, default=Path("bundle-scores.json"), help="where the scores go")
    return made


if __name__ == "__main__":
    sys.exit(main())
