"""What the reward model of the doubly robust estimator knows, and when."""

import json
from datetime import timedelta

import numpy as np
import pytest

from featurize.evaluating import rewards, rounds
from featurize.storage import tables, views
from tests.evaluating import stores

LABELS = ("calm", "tense")


def opened(store):
    db = views.connect(store)
    tables.make(db, "history")
    return db, rounds.read(db, store.uri)


def tagged(store, rows):
    """Every artwork is calm or tense, by its place."""
    artworks = sorted({artwork for row in rows for artwork in row["artwork_ids"]})
    shas = {artwork: stores.hexed(artwork) * 2 for artwork in artworks}
    seen = {"size": 1, "source": "test", "present": True, "seen_at": stores.START}
    pictures = [
        {"artwork_id": each, "title_id": each.partition("-")[0], "uri": each, "image_sha256": shas[each], **seen}
        for each in artworks
    ]
    tags = [
        {"image_sha256": shas[each], "model_key": "tags-1", "attribute": "mood", "label": label, "score": 0.0}
        | {"probability": 0.9 if label == LABELS[int(each[-1]) % 2] else 0.1}
        for each in artworks
        for label in LABELS
    ]
    for row in pictures:
        row["run_id"], row["code_version"] = "before", "test"
    columns = {name: [row[name] for row in pictures] for name in pictures[0]}
    store.commit("artwork", "", "p", tables.rows("artwork", columns))
    stores.commit(store, "image_tag", tags, "tags-1")
    fingerprint = json.dumps({"image": "clip-1"})
    stores.commit(store, "model", [{"model_key": "tags-1", "backend": "tags", "fingerprint": fingerprint}])


def test_what_it_reads_is_from_before_each_moment(tmp_path):
    rows = stores.prompts(members=60)
    store = stores.write(tmp_path / "store", rows)
    tagged(store, rows)
    db, log = opened(store)
    told, before = rewards.known_before(db)
    assert told.num_rows == len(rows) + log.candidates.sum()
    moment = stores.START + timedelta(hours=2)
    early = np.array([each <= moment for each in told["asked_at"].to_pylist()])
    assert 0 < early.sum() < len(early)
    # What came of the later half is turned round among itself, so that its mean stays.
    later = [row for row in rows if row["asked_at"] >= moment]
    turned = [row["reward"] for row in later[7:] + later[:7]]
    labels = [
        {"impression_id": row["impression_id"], "revision": 2, "reward": reward}
        for row, reward in zip(later, turned, strict=True)
    ]
    stores.commit(store, "label", labels)
    db, _ = opened(store)
    _, after = rewards.known_before(db)
    assert after[early] == pytest.approx(before[early], abs=1e-12)
    assert not np.allclose(after[~early], before[~early])


def test_it_finds_out_what_members_like(tmp_path):
    """Members of an even number like the calm ones, and those of an odd number the tense ones."""
    rows = [row for row in stores.prompts(members=500, each=8, held_out=2) if len(row["artwork_ids"]) != 3]
    store = stores.write(tmp_path / "store", rows, {})
    tagged(store, rows)
    db, log = opened(store)
    found = rewards.expected(db, log, 0)
    assert found.shape == log.real.shape
    assert (found[~log.real] == 0).all()
    liked = np.array([stores.liked(row) for row in log.table.to_pylist()])
    mine = found[np.arange(len(log)), liked]
    others = np.where(log.real, found, np.nan)
    others[np.arange(len(log)), liked] = np.nan
    assert mine.mean() > np.nanmean(others) + 0.05
