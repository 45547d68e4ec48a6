"""Runs in a row with changes between them: each computes what is new, and nothing else."""

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from catalogues import OF_CLIPS, add_broken, catalogue, paint, rows, run, runs
from clips import cut, films, needs_ffmpeg

from featurize.storage import tables
from featurize.storage.store import Store


def counts(store: Path) -> tuple[dict[str, int], int]:
    """What the newest run says it found, and how many pictures it computed."""
    told = runs(store)[-1]["counts"]
    found = {name: told[name] for name in ("artworks found", "files read", "new or changed", "removed")}
    # `compare` opens no picture: it reads the vectors.
    return found, sum(phase["done"] for phase in told["phases"] if phase["name"] != "compare")


def found(artworks: int, read: int, changed: int, removed: int) -> dict[str, int]:
    return {"artworks found": artworks, "files read": read, "new or changed": changed, "removed": removed}


def stamps(store: Path, table: str = "image_embedding") -> dict[tuple[str, str], tuple[Any, str]]:
    """(picture or clip, model) -> when and in which run it was computed."""
    sha = tables.contract(table).key[0]
    made = Store(str(store)).dataset(table).to_table().to_pylist()
    assert len({(row[sha], row["model_key"]) for row in made}) == len(made)
    return {(row[sha], row["model_key"]): (row["computed_at"], row["run_id"]) for row in made}


def present(store: Path, table: str = "artwork", name: str = "artwork_id", sha: str = "image_sha256") -> dict[str, str]:
    """artwork_id -> picture, or clip_id -> clip, as the newest rows say."""
    newest = f"""SELECT {name}, {sha} FROM {table}
                QUALIFY row_number() OVER (PARTITION BY {name} ORDER BY seen_at DESC) = 1 AND present"""
    with tables.connect() as db:
        Store(str(store)).register(db, table)
        return dict(db.execute(newest).fetchall())


@needs_ffmpeg
@pytest.mark.slow
def test_each_run_does_only_what_is_new_of_clips(tmp_path: Path) -> None:
    """As with pictures: new, replaced, renamed, copied, removed and touched files, broken ones, and another model."""
    artwork, store = films(tmp_path / "artwork", 5), tmp_path / "store"
    (artwork / "empty.mp4").write_bytes(b"")
    (artwork / "words.mp4").write_bytes(b"these are words and no clip")
    cut(artwork / "0.mp4", artwork / "half.mp4")

    def clips() -> dict[str, str]:
        return present(store, "clip", "clip_id", "clip_sha256")

    run(store, artwork, OF_CLIPS)
    assert counts(store) == (found(8, 8, 8, 0), 5)
    first, before = stamps(store, "clip_description"), clips()

    whole = (artwork / "0.mp4").read_bytes()
    (artwork / "new.mp4").write_bytes(whole + b"\0\0\0\x08free" * 70)
    (artwork / "0.mp4").write_bytes(whole + b"\0\0\0\x08free" * 71)  # replaced
    (artwork / "1.mp4").rename(artwork / "renamed.mp4")
    shutil.copy(artwork / "2.mp4", artwork / "copy.mp4")
    (artwork / "3.mp4").unlink()
    os.utime(artwork / "4.mp4", (1, 1))  # touched: read again, and found to be the same
    run(store, artwork, OF_CLIPS)
    assert counts(store) == (found(9, 5, 5, 2), 2)
    second, after = stamps(store, "clip_description"), clips()
    assert {key: second[key] for key in first} == first
    assert after["renamed.mp4"] == before["1.mp4"]
    assert after["copy.mp4"] == after["2.mp4"] == before["2.mp4"]
    assert after["4.mp4"] == before["4.mp4"]
    assert after["0.mp4"] != before["0.mp4"]
    assert before.keys() - after.keys() == {"1.mp4", "3.mp4"}

    other = OF_CLIPS | {"describe_clips": '{backend = "fake_clip", frames = 3}'}
    run(store, artwork, other)
    assert counts(store) == (found(9, 0, 0, 0), 5)  # of what the catalogue has now
    third = stamps(store, "clip_description")
    assert {key: third[key] for key in second} == second
    assert sorted(row[4] for row in rows(store)["quarantine"]) == ["empty", "not_a_clip", "truncated"]


@pytest.mark.slow
def test_each_run_does_only_what_is_new(tmp_path: Path) -> None:
    artwork, store = add_broken(catalogue(tmp_path / "artwork", 12)), tmp_path / "store"
    first_title = artwork / "title 0"
    run(store, artwork)
    assert counts(store) == (found(15, 15, 15, 0), 12)
    first = stamps(store)

    run(store, artwork)
    assert counts(store) == (found(15, 0, 0, 0), 0)
    assert stamps(store) == first

    before = present(store)
    paint(artwork / "new.png", (1, 1, 99))
    paint(first_title / "0.png", (2, 2, 99), size=(9, 9))  # replaced
    (first_title / "1.png").rename(artwork / "renamed.png")
    shutil.copy(first_title / "2.png", artwork / "copy.png")
    (first_title / "3.png").unlink()
    os.utime(first_title / "4.png", (1, 1))  # touched: read again, and found to be the same
    run(store, artwork)
    # Read: new, replaced, renamed, copy, touched. All but the removed one, and the old name, have a new state.
    assert counts(store) == (found(16, 5, 5, 2), 2)
    second = stamps(store)
    assert {key: second[key] for key in first} == first
    assert Counter(run_id for _, run_id in second.values()) == {
        runs(store)[0]["run_id"]: 12,
        runs(store)[2]["run_id"]: 2,
    }
    after = present(store)
    assert after["renamed.png"] == before["title 0/1.png"]
    assert after["copy.png"] == after["title 0/2.png"] == before["title 0/2.png"]
    assert after["title 0/4.png"] == before["title 0/4.png"]
    assert after["title 0/0.png"] != before["title 0/0.png"]
    assert before.keys() - after.keys() == {"title 0/1.png", "title 0/3.png"}

    run(store, artwork, {"embed.seed": 1})
    assert counts(store) == (found(16, 0, 0, 0), 12)  # of what the catalogue has now
    third = stamps(store)
    assert {key: third[key] for key in second} == second
    assert len({model for _, model in third}) == 2

    run(store, artwork)
    assert counts(store) == (found(16, 0, 0, 0), 0)
    assert stamps(store) == third


@pytest.mark.slow
def test_a_file_changed_behind_its_back_is_found_when_asked_for(tmp_path: Path) -> None:
    """Same size and time, other bytes: only `input.verify` can tell."""
    artwork, store = catalogue(tmp_path / "artwork", 6), tmp_path / "store"
    run(store, artwork)
    file = artwork / "title 0" / "1.png"
    at, size = file.stat().st_mtime_ns, file.stat().st_size
    paint(file, (9, 0, 77))
    assert file.stat().st_size == size
    os.utime(file, ns=(at, at))
    run(store, artwork)
    assert counts(store) == (found(6, 0, 0, 0), 0)
    run(store, artwork, {"input.verify": True})
    assert counts(store) == (found(6, 6, 1, 0), 1)
    run(store, artwork)
    assert counts(store)[1] == 0


@pytest.mark.slow
def test_other_limits_try_again_what_was_too_big(tmp_path: Path) -> None:
    artwork, store = catalogue(tmp_path / "artwork", 5), tmp_path / "store"
    paint(artwork / "big.png", (3, 3, 99), size=(50, 50))
    run(store, artwork, {"limits.max_pixels": 100})
    assert counts(store)[1] == 5
    assert [row[4] for row in rows(store)["quarantine"]] == ["too_many_pixels"]
    run(store, artwork, {"limits.max_pixels": 100})
    assert counts(store)[1] == 0
    assert len(rows(store)["quarantine"]) == 1
    run(store, artwork)
    assert counts(store)[1] == 1
    assert len(rows(store)["image_embedding"]) == 6


@pytest.mark.slow
def test_a_missing_file_is_tried_a_few_times_and_found_when_it_comes(tmp_path: Path) -> None:
    artwork, store = catalogue(tmp_path / "artwork", 5), tmp_path / "store"
    manifest = tmp_path / "artwork" / "list.csv"
    ids = [*(f"title 0/{i}.png" for i in range(5)), "late.png"]
    manifest.write_text("artwork_id,title_id,uri\n" + "".join(f"{i},t,{uri}\n" for i, uri in enumerate(ids)))
    for tries in (1, 2, 2):
        run(store, manifest, {"run.max_attempts": 2})
        assert [row[4] for row in rows(store)["quarantine"]] == ["not_found"] * tries
    paint(artwork / "late.png", (4, 4, 99))
    run(store, manifest)
    assert counts(store)[1] == 1


LABELS = """
[mood]
calm = ["a calm picture"]
tense = ["a tense picture", {phrasing}]
"""


@pytest.mark.slow
def test_other_labels_tag_again_and_read_no_picture(tmp_path: Path) -> None:
    artwork, store, labels = catalogue(tmp_path / "artwork", 5), tmp_path / "store", tmp_path / "labels.toml"
    real = {"embed": '{backend = "open_clip_image", model = "bundled:clip"}', "labels": labels}
    labels.write_text(LABELS.format(phrasing='"a thriller"'))
    run(store, artwork, real)
    embeddings, tags = stamps(store), rows(store)["image_tag"]
    assert len(tags) == 5 * 2
    labels.write_text(LABELS.format(phrasing='"a chase"'))
    run(store, artwork, real)
    told = {phase["name"]: phase["done"] for phase in runs(store)[-1]["counts"]["phases"]}
    assert told == {"embed": 0, "labels": 1, "tag": 5, "compare": 0}
    assert stamps(store) == embeddings
    assert len(rows(store)["image_tag"]) == 2 * len(tags)
    assert set(tags) < set(rows(store)["image_tag"])
