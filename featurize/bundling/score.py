"""How well the bundled models do, on held-out scenes, through the code that runs any model.

A held-out picture is rendered at full size and saved as a JPEG, as published artwork is, and read back from that. The
scenes are of a stream that training never sees. The same weights give the same figures on every run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np

from featurize.bundling import texts
from featurize.bundling.clip import ATTRIBUTES
from featurize.bundling.scenes import HELD_OUT, published, scene
from featurize.config import Settings
from featurize.demo.scenes import Scene, describe
from featurize.demo.vocabulary import ARRANGEMENTS, MOODS, NUMBERS, PLURALS, ROLES, SHOTS
from featurize.execution.phases import text_settings
from featurize.featurizing import tags
from featurize.images.decode import Limits, decode
from featurize.models import load_backend

GROUP = 256
"""Pictures among which a description is to find its own."""
TARGETS = {
    "captioner": {"valid_json": 0.99, "mean": 0.95, "lowest": 0.85},
    "clip": {
        "description_first_of_256": 0.70,
        "genre": 0.95,
        "mood": 0.90,
        "setting": 0.90,
        "people": 0.90,
    },
    "ranker": {"letter": 0.95, "mean": 0.90},
}


def score(settings: Settings, count: int = 1024) -> dict[str, Any]:
    """The figures of the profile's two models on the first `count` held-out scenes. Errors: RefusedInput."""
    scenes = [scene(HELD_OUT, index) for index in range(count)]
    files = published(scenes)
    found: dict[str, Any] = {"held_out_scenes": count}
    if settings.describe is not None:
        found["captioner"] = _captioner(settings.describe, scenes, files)
    if settings.embed is not None:
        found["clip"] = _clip(settings, scenes, files)
    return found


def _extract(model: Any, inputs: list[Any]) -> list[dict[str, Any]]:
    """One row of columns per input, whatever the batches."""
    extractor = load_backend(model.backend).Extractor(model)
    rows: list[dict[str, Any]] = [{} for _ in inputs]
    groups: dict[Any, list[tuple[int, Any]]] = defaultdict(list)
    for at, each in enumerate(inputs):
        picture = decode(each, Limits(), extractor.at_least) if isinstance(each, bytes) else each
        prepared = extractor.prepare(picture)
        groups[extractor.group(prepared)].append((at, prepared))
    for group in groups.values():
        for first in range(0, len(group), extractor.batch_size):
            part = group[first : first + extractor.batch_size]
            columns = extractor.extract([prepared for _, prepared in part])
            for offset, (at, _) in enumerate(part):
                rows[at] = {name: values[offset] for name, values in columns.items()}
    extractor.close()
    return rows


def _captioner(model: Any, scenes: list[Scene], files: list[bytes]) -> dict[str, Any]:
    rows = _extract(model, list(files))
    right: dict[str, list[bool]] = defaultdict(list)
    for drawn, row in zip(scenes, rows, strict=True):
        for name, hit in compare(describe(drawn), row).items():
            right[name].append(hit)
    fields = {name: float(np.mean(hits)) for name, hits in right.items()}
    return {
        "valid_json": float(np.mean([row["status"] == "ok" for row in rows])),
        "mean": float(np.mean(list(fields.values()))),
        "lowest": min(fields.values()),
        "fields": fields,
        "caption_agrees_with_fields": float(np.mean([consistent(row) for row in rows])),
    }


def compare(truth: dict[str, Any], row: dict[str, Any]) -> dict[str, bool]:
    """Which typed fields of a description are wholly right; the order of subjects is not held against it."""
    right = {"subjects": set(row["subjects"] or ()) == set(truth["subjects"])}
    for name in ("people_count", "mood", "setting", "composition", "text_on_artwork", "palette"):
        right[name] = row[name] == truth[name]
    return right


def consistent(row: dict[str, Any]) -> bool:
    """Whether the sentence says of mood, place, shot, people and things what the fields say."""
    if row["status"] != "ok":
        return False
    caption = row["caption"].lower()
    shot, _, arrangement = row["composition"].partition(", ")
    counted = {
        role: NUMBERS.index(number)
        for role in ROLES
        for number in re.findall(rf"\b({'|'.join(NUMBERS[1:])}) (?:{role}|{PLURALS.get(role, role + 's')})\b", caption)
    }
    said = [row["mood"], row["setting"], shot, *(s for s in row["subjects"] if s not in ROLES)]
    said += [arrangement] if arrangement not in ARRANGEMENTS[:2] else []
    return (
        all(part in caption for part in said)
        and sum(counted.values()) == row["people_count"]
        and set(counted) == {subject for subject in row["subjects"] if subject in ROLES}
        and row["mood"] in MOODS
        and shot in SHOTS
    )


def _clip(settings: Settings, scenes: list[Scene], files: list[bytes]) -> dict[str, Any]:
    assert settings.embed is not None
    text_model = text_settings(settings.embed)
    pictures = np.stack([row["embedding"] for row in _extract(settings.embed, list(files))])
    sentences = np.stack([row["embedding"] for row in _extract(text_model, [texts.description(s) for s in scenes])])
    ranks = []
    for first in range(0, len(scenes) - GROUP + 1, GROUP):
        part = slice(first, first + GROUP)
        ranks.append((pictures[part] @ sentences[part].T).argmax(1) == np.arange(GROUP))
    found: dict[str, Any] = {"description_first_of_256": float(np.mean(ranks))} if ranks else {}
    labels = tags.load_labels(settings.labels)
    for attribute, of in ATTRIBUTES.items():
        names = labels.attributes[attribute]
        rows = _extract(text_model, [phrasing for phrasings in names.values() for phrasing in phrasings])
        vectors = iter(row["embedding"] for row in rows)
        means = np.stack([np.mean([next(vectors) for _ in phrasings], axis=0) for phrasings in names.values()])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        best = (pictures @ means.T).argmax(1)
        found[attribute] = float(np.mean([list(names)[b] == of(s) for b, s in zip(best, scenes, strict=True)]))
    return found
