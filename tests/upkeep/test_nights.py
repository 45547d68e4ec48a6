"""Nights with compaction and vacuum between them: the tables are those of nights without, and few files are added."""

import os
from datetime import timedelta

import pytest
from PIL import Image

from jobs import cli, compact, featurize, vacuum
from tests.cluster import catalogues
from tests.prompting import worlds
from tests.ranking import stores


def upkeep(job, store):
    name = job.__name__.removeprefix("jobs.")
    assert cli.main(name, "doc", getattr(job, name), [f"--set=store={store}"]) == 0


def a_week_later(store):
    for path in store.rglob("*"):
        then = path.lstat().st_mtime - timedelta(days=8).total_seconds()
        os.utime(path, (then, then), follow_symlinks=False)


def files(store):
    return {path for path in store.rglob("*.parquet") if "_superseded" not in path.parts}


@pytest.mark.slow
def test_the_catalogue_changes_from_night_to_night(tmp_path):
    pictures, kept, plain = tmp_path / "pictures", tmp_path / "kept", tmp_path / "plain"
    pictures.mkdir()

    def draw(number, red):
        Image.new("RGB", (300, 200 + number), (red, 99, 200)).save(pictures / f"{number}.jpg")

    def night():
        for store in (kept, plain):
            flags = [f"store={store}", f"input.artwork={pictures}", "run.executor=local", "embed.backend=fake"]
            flags += ["describe=null"]
            assert cli.main("featurize", "doc", featurize.featurize, [f"--set={flag}" for flag in flags]) == 0

    for number in range(5):
        draw(number, 50 * number)
    whole = (pictures / "0.jpg").read_bytes()
    (pictures / "broken.jpg").write_bytes(whole[:600])
    (pictures / "damaged.jpg").write_bytes(whole[:-2])
    night()
    with catalogues.Reader(kept):
        for change in range(3):
            if change == 0:  # added, replaced, withdrawn
                draw(5, 7)
                draw(1, 8)
                (pictures / "2.jpg").unlink()
            if change == 2:  # after a night without changes, one is mended
                draw(6, 9)
                (pictures / "broken.jpg").write_bytes(whole)
            upkeep(compact, kept)
            night()
        upkeep(compact, kept)
    a_week_later(kept)
    upkeep(vacuum, kept)
    assert not (kept / "_superseded").exists()
    assert catalogues.rows(kept) == catalogues.rows(plain)
    folders = [path.parent for path in files(kept) if "run" not in path.parts]
    assert len(folders) == len(set(folders))
    assert len(files(plain)) > len(files(kept))


@pytest.mark.slow
def test_a_night_adds_a_handful_of_files_and_compaction_keeps_its_choices(tmp_path):
    world = worlds.plain(impressions=20, candidates=4, members=20)
    world.pair = [{"member_id": f"m{m}", "title_id": f"t{t}"} for m in range(20) for t in range(3)]
    world.write(tmp_path)
    store = tmp_path / "store"
    nightly = {"prompts__kind": "nightly", "input__pairs": tmp_path / "pair.parquet", **worlds.ANY_LOSS}
    for number in range(1, 4):
        before = files(store)
        assert worlds.run(tmp_path, prompts__at=f"2026-11-0{number}T03:00:00Z", **nightly) == 0
        assert stores.run(store, prompts__kind="nightly", rank__rankers='["random"]') == 0
        if number > 1:
            added = files(store) - before
            assert len(added) <= 7, added  # prompts, rankings, choices, and each run's row at its start and end
        upkeep(compact, store)
        a_week_later(store)
        upkeep(vacuum, store)
        for query in ("FROM choice", "SELECT DISTINCT prompt_id FROM ranking", "FROM prompt"):
            assert len(stores.rows(store, query)) == 60 * number
        assert len(list((store / "choice").rglob("*.parquet"))) == 1
    assert len(stores.rows(store, "SELECT DISTINCT ON (prompt_id) prompt_id FROM choice")) == 180
