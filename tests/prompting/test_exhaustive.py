"""Every prompt of a world full of oddities, byte for byte as a slow and plain implementation says it must be."""

from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from featurize.prompting import history

from . import slow, worlds

COLUMNS = ("artwork_ids", "answer", "messages", "prompt", "tokens", "device", "country", "language", "time_zone")
LOGGED = (*COLUMNS, "reward", "propensity", "propensities")


V1, V2 = "multiple-choice-v1", "multiple-choice-v2"
SHORT, GENRES = "multiple-choice-short-v1", "multiple-choice-short-v2"
FAST = {(2, "placeholder", "drop", GENRES)}
EVERY = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for template in (V1, V2, SHORT, GENRES)
    for missing in ("placeholder", "drop", "skip")
    for case in [(seed, unknown, missing, template) for seed in (1, 2, 3) for unknown in ("skip", "placeholder")]
]
NIGHTS = [(5, True, V2)]
SLOW = [(4, False, SHORT), (4, False, V1), (5, True, V1), (4, False, V2), (5, True, SHORT), (4, True, GENRES)]
NIGHTS += [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW]


@pytest.mark.parametrize(("seed", "unknown", "missing", "template"), EVERY)
def test_logged_prompts_are_those_of_the_slow_implementation(tmp_path, monkeypatch, seed, unknown, missing, template):
    if seed == 2:  # as the history of a large world is worked on: many stretches, and few counts at a time
        monkeypatch.setattr(history, "ROWS", 60)
        monkeypatch.setattr(history, "CELLS", 40)
    world = worlds.circumstances(worlds.odd(seed, impressions=500), seed)
    world.write(tmp_path)
    chosen = {"prompts__missing_description": missing, "prompts__unknown_candidate": unknown, "prompts__seed": seed}
    chosen["prompts__template"] = template
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **chosen) == 0
    expected, reasons = slow.logged(world, missing, seed, unknown, template=template)
    made = {row["impression_id"]: row for row in worlds.rows(tmp_path)}
    assert len(expected) > 20
    assert {key: {c: row[c] for c in LOGGED} for key, row in made.items()} == expected
    assert sum(row["propensities"] is not None for row in made.values()) > 5
    counted = worlds.counts(tmp_path)
    assert {k.removeprefix("no prompt: "): n for k, n in counted.items() if k.startswith("no prompt: ")} == reasons
    assert counted["impressions"] == len(world.impression) == counted["new prompts"] + sum(reasons.values())


@pytest.mark.parametrize(("seed", "with_log", "template"), NIGHTS)
def test_nightly_prompts_are_those_of_the_slow_implementation(tmp_path, seed, with_log, template):
    """They tell of the impressions that the store keeps, and of those of a log that is given."""
    world = worlds.circumstances(worlds.odd(seed), seed)
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__template=template) == 0
    prompts = slow.logged(world, template=template)[0]
    kept = [row for row in sorted(world.impression, key=slow._order, reverse=True) if row["impression_id"] in prompts]
    moment = worlds.START + timedelta(days=120, microseconds=1)
    log = tmp_path / "impression.parquet" if with_log else None
    nightly = {"prompts__kind": "nightly", "prompts__at": moment.isoformat(), "input__impressions": log}
    nightly["prompts__template"] = template
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **nightly, input__pairs=tmp_path / "pair.parquet") == 0
    expected, reasons = slow.nightly(
        world, moment, "placeholder", 0, world.impression if with_log else (), kept, template
    )
    made = {(row["member_id"], row["title_id"]): row for row in worlds.rows(tmp_path) if row["kind"] == "nightly"}
    assert len(expected) > 10
    assert {key: {c: row[c] for c in COLUMNS} for key, row in made.items()} == expected
    assert all(row[c] is None for row in made.values() for c in ("impression_id", "reward", "propensity", "split"))
    assert worlds.counts(tmp_path)["pairs"] == len(expected) + sum(reasons.values())


@pytest.mark.slow
def test_the_order_and_the_files_of_the_inputs_do_not_matter(tmp_path):
    world = worlds.odd(6)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        world.write(tmp_path / name)
    other = tmp_path / "other"
    for name in ("history", "impression"):
        rows = pq.read_table(other / f"{name}.parquet")
        (other / name).mkdir()
        for part in range(3):
            pq.write_table(rows.take(list(range(rows.num_rows))[part::3][::-1]), other / name / f"{part}.parquet")
    files = {"input__history": other / "history", "input__impressions": f"{other}/impression/*.parquet"}
    assert worlds.run(tmp_path / "one", **worlds.ANY_LOSS) == 0
    assert worlds.run(other, **files, **worlds.ANY_LOSS, prompts__memory="100MB") == 0
    one, two = (worlds.rows(tmp_path / name) for name in ("one", "other"))
    for row in one + two:
        del row["run_id"], row["computed_at"]
    assert one == two
