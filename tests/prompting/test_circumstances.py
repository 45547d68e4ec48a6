"""Propensities stay with their artworks, unknown time zones are told, and nobody is offered what is above their age."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize.storage import tables

from . import worlds
from .test_accounting import refused

DEEP = {"t1-0": 0.125, "t1-1": 0.0004, "t1-2": 0.8746}


def shown(**changes):
    """A world with one impression."""
    world = worlds.plain(impressions=2)
    world.impression = [world.impression[1] | changes]
    return world


def test_propensities_are_in_the_order_of_the_letters(tmp_path):
    world = shown(propensity=0.125, propensities=list(DEEP.values()))
    world.impression += [
        world.impression[0]
        | {"impression_id": f"i{n}", "candidates": list(names), "propensities": [DEEP[each] for each in names]}
        for n, names in enumerate([("t1-2", "t1-0", "t1-1"), ("t1-1", "t1-2", "t1-0")], 10)
    ]
    world.impression.append(
        world.impression[0]
        | {"impression_id": "twice", "candidates": [*DEEP, "t1-0"], "propensities": [0.1, 0.0004, 0.8746, 0.025]}
    )
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    rows = worlds.rows(tmp_path)
    assert len(rows) == 4
    assert len({tuple(row["artwork_ids"]) for row in rows}) > 1
    for row in rows:
        assert row["propensities"] == pytest.approx([DEEP[name] for name in row["artwork_ids"]])


def test_of_a_candidate_that_is_left_out_its_propensity_is_too(tmp_path):
    world = shown(propensity=0.125, propensities=list(DEEP.values()))
    world.description = [row for row in world.description if row["image_sha256"] != worlds.sha("t1-2")]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, prompts__missing_description="drop") == 0
    (row,) = worlds.rows(tmp_path)
    assert row["propensities"] == [DEEP[name] for name in row["artwork_ids"]]
    assert len(row["propensities"]) == 2


def test_propensities_may_be_rounded_to_three_decimals(tmp_path):
    rounded = [[0.125, 0.001, 0.874], [0.1246, 0.0004, 0.875], [0.1259, 0.0001, 0.8752]]
    world = shown(propensity=0.125)
    world.impression = [
        world.impression[0] | {"impression_id": f"i{n}", "propensities": shares} for n, shares in enumerate(rounded)
    ]
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0
    assert len(worlds.rows(tmp_path)) == 3


def test_wrong_propensities_are_told_and_too_many_of_them_end_the_run(tmp_path, capsys):
    shown(propensity=0.125, propensities=[0.5, 0.125, 0.375]).write(tmp_path)
    told = refused(capsys, tmp_path)
    assert "1 of 1 impressions become no prompt: bad_propensities (such as impression 'i1', title 't1', " in told
    assert "propensities [0.5, 0.125, 0.375] of [t1-0, t1-1, t1-2], propensity 0.125)" in told
    assert "they sum to 1" in told


def test_a_time_zone_is_known_by_its_iana_name_or_left_out_and_told(tmp_path, capsys):
    world = worlds.plain(impressions=5)
    zones = ["America/Sao_Paulo", "asia/tokyo ", None, "", "BST"]
    for row, zone in zip(world.impression, zones, strict=True):
        row["time_zone"] = zone
    world.write(tmp_path)
    assert (
        "time zones of impressions are unknown (such as impression 'i4', time_zone 'BST'): a time zone is an IANA"
        in (refused(capsys, tmp_path))
    )
    assert worlds.run(tmp_path, prompts__max_lost__other=0.5) == 0
    assert "time zones left out 1" in " ".join(capsys.readouterr().out.split())
    found = {row["impression_id"]: row["time_zone"] for row in worlds.rows(tmp_path)}
    assert [found[f"i{n}"] for n in range(5)] == ["America/Sao_Paulo", "Asia/Tokyo", None, None, None]
    with tables.connect() as db:
        local = "SELECT timezone(time_zone, asked_at) - timezone('UTC', asked_at)"
        query = f"{local} FROM '{tmp_path}/store/prompt/**/*.parquet' WHERE impression_id = 'i1'"
        assert tables.scalar(db, query) == timedelta(hours=9)


@pytest.mark.parametrize("unknown", ["skip", "placeholder"])
def test_a_logged_candidate_above_the_limit_is_counted_and_never_described(tmp_path, capsys, unknown):
    world = worlds.plain(impressions=8)
    for row in world.artwork:
        row["maturity"] = 16 if row["artwork_id"] == "t1-2" else 12
    for row in world.impression:
        row |= {"max_maturity": 12, "propensities": [0.25, 0.25, 0.5]}
    world.impression[1]["max_maturity"] = 16
    world.impression.append(world.impression[5] | {"impression_id": "shown", "artwork_id": "t1-2", "propensity": 0.5})
    world.write(tmp_path)
    assert worlds.run(tmp_path, prompts__unknown_candidate=unknown) == 0
    counted = worlds.counts(tmp_path)
    assert (counted["no prompt: unsuitable_shown"], counted["candidates above max_maturity"]) == (1, 2)
    assert counted.get("no prompt: unsuitable_candidate", 0) == (unknown == "skip")
    told = " ".join(capsys.readouterr().out.split())
    assert "impression 'shown', title 't1', shown 't1-2' of maturity 16, max_maturity 12" in told
    prompts = {row["impression_id"]: row for row in worlds.rows(tmp_path)}
    assert "A picture, t1-2." in prompts["i1"]["prompt"]
    if unknown == "skip":
        assert "i5" not in prompts
    else:
        place = prompts["i5"]["artwork_ids"].index("t1-2")
        assert f"{'ABC'[place]}. (not described)" in prompts["i5"]["prompt"]
        assert prompts["i5"]["propensities"][place] == 0.5


def tonight(folder, world, **settings):
    world.write(folder)
    given = {"input__pairs": folder / "pair.parquet", "prompts__kind": "nightly", **settings}
    assert worlds.run(folder, **worlds.ANY_LOSS, **given) == 0
    return {(row["member_id"], row["title_id"]): row for row in worlds.rows(folder) if row["kind"] == "nightly"}


def test_artwork_above_the_limit_is_no_candidate_tonight(tmp_path):
    offered = {None: 4, 99: 4, 18: 4, 12: 3, 11: 2, 0: 2}
    world = worlds.plain(impressions=0, candidates=2)
    world.artwork += [worlds.artwork("t0-12", "t0", maturity=12), worlds.artwork("t0-18", "t0", maturity=18)]
    world.artwork[0]["maturity"] = 0
    world.pair = [{"member_id": f"{age}", "title_id": "t0", "max_maturity": age} for age in offered]
    found = tonight(tmp_path, world, input__impressions=None)
    assert {member: len(row["artwork_ids"]) for (member, _), row in found.items()} == {
        f"{age}": count for age, count in offered.items()
    }


def test_tonight_what_a_pair_does_not_say_is_that_of_the_newest_impression_that_says_it_but_for_the_device(tmp_path):
    world = worlds.plain(impressions=4, members=1)
    moment = worlds.LATER + timedelta(days=1)
    said = [
        {"country": "AR", "time_zone": "America/Buenos_Aires", "max_maturity": 7, "language": "es", "device": "phone"},
        {"country": "BR", "time_zone": "America/Sao_Paulo", "max_maturity": -1},
        {"country": " ", "language": ""},
        {"country": "JP", "max_maturity": 18},
    ]
    for row, changes, at in zip(world.impression, said, (-3, -2, -1, 0), strict=True):
        row |= {**changes, "at": moment + at * timedelta(microseconds=1)}
    world.artwork += [worlds.artwork(f"{t}-12", t, maturity=12) for t in ("t0", "t1")]
    own = {"country": "PT", "time_zone": "Europe/Lisbon", "max_maturity": 16, "language": "pt", "device": "television"}
    world.pair = [{"member_id": "m0", "title_id": "t0"}, {"member_id": "m0", "title_id": "t1"} | own]
    log = {"input__impressions": tmp_path / "impression.parquet", "prompts__at": moment.isoformat()}
    found = tonight(tmp_path, world, **log)
    inherited, given = found["m0", "t0"], found["m0", "t1"]
    names = ("country", "time_zone", "language", "device")
    assert [inherited[name] for name in names] == ["BR", "America/Sao_Paulo", "es", None]
    assert [given[name] for name in names] == [own[name] for name in names]
    assert "t0-12" not in inherited["artwork_ids"]
    assert "t1-12" in given["artwork_ids"]


def test_pairs_of_members_who_were_active_know_the_limit_of_their_newest_impression(tmp_path):
    world = worlds.plain(impressions=5, candidates=2)
    world.impression[0]["max_maturity"] = 12
    world.artwork.append(worlds.artwork("adult", "t0", maturity=18))
    world.history = [worlds.event(f"m{n}", "t1", worlds.LATER - timedelta(days=1)) for n in range(2)]
    active = {"prompts__active_days": 30, "prompts__rank": '["t0"]', "prompts__at": worlds.LATER.isoformat()}
    world.write(tmp_path)
    given = {"prompts__kind": "nightly", **active}
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **given) == 0
    found = {row["member_id"]: sorted(row["artwork_ids"]) for row in worlds.rows(tmp_path)}
    assert found == {"m0": ["t0-0", "t0-1"], "m1": ["adult", "t0-0", "t0-1"]}


def test_a_limit_of_a_pair_that_cannot_be_read_leaves_the_pair_out(tmp_path):
    world = worlds.plain(impressions=0)
    world.write(tmp_path)
    pairs = tmp_path / "pair.csv"
    pairs.write_text("member_id,title_id,max_maturity\nm0,t0,PG\nm1,t0,12\nm2,t0,\nm3,t0,-3\n", encoding="utf-8")
    given = {"prompts__kind": "nightly", "input__pairs": pairs, "input__impressions": None}
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **given) == 0
    assert sorted(row["member_id"] for row in worlds.rows(tmp_path)) == ["m1", "m2"]
    assert worlds.counts(tmp_path)["no prompt: bad_max_maturity"] == 2


@pytest.mark.slow
def test_tonight_the_impressions_that_the_store_keeps_say_what_a_pair_does_not(tmp_path, monkeypatch):
    """Without the log they alone do, under whatever names they are kept; with one, whichever is newer."""
    monkeypatch.setenv("MEMBER_KEY", "a key of at least sixteen characters")
    named = {"prompts__member_key_env": "MEMBER_KEY"}
    world = worlds.plain(impressions=5, members=2)
    said = {"country": "BR", "language": "pt", "time_zone": "America/Sao_Paulo", "device": "phone", "max_maturity": 7}
    for row in world.impression:
        row |= said
    world.artwork += [worlds.artwork(f"t0-{age}", "t0", maturity=age) for age in (7, 12, 18)]
    world.pair = [{"member_id": "m0", "title_id": "t0"}]
    world.write(tmp_path)
    assert worlds.run(tmp_path, **named) == 0
    names = ("country", "language", "time_zone", "device")

    def asked(at, **given):
        tonight(tmp_path, world, prompts__at=at.isoformat(), **named, **given)
        (row,) = [row for row in worlds.rows(tmp_path) if row["kind"] == "nightly" and row["asked_at"] == at]
        return len(row["artwork_ids"]), [row[name] for name in names]

    newest = world.impression[-1]["at"]
    kept = (4, ["BR", "pt", "America/Sao_Paulo", None])
    assert asked(newest + timedelta(days=1), input__impressions=None) == kept
    assert worlds.counts(tmp_path)["candidates above max_maturity"] == 2
    log = world.impression[4]
    world.impression = [log | {"impression_id": "older", "at": newest - timedelta(days=9), "max_maturity": 18}]
    assert asked(newest + timedelta(days=2)) == kept
    world.impression = [
        log | {"impression_id": "newer", "at": newest + timedelta(days=1), "max_maturity": 12, "country": "PT"}
    ]
    assert asked(newest + timedelta(days=3)) == (5, ["PT", *kept[1][1:]])


def test_of_limits_at_one_instant_the_lowest_counts_and_one_that_is_none_is_not_no_limit(tmp_path, capsys):
    now, before = {"at": worlds.LATER}, {"at": worlds.START}
    cases = [
        ([now | {"max_maturity": 18}, now | {"max_maturity": 7}], 3),
        ([now | {"max_maturity": 7}, now | {"max_maturity": 18}], 3),
        ([now | {"impression_id": "a", "max_maturity": 7}, now | {"impression_id": "a", "max_maturity": 18}], 3),
        ([now | {"max_maturity": 12}, before | {"max_maturity": 7}], 4),
        ([now | {"max_maturity": -1}, before | {"max_maturity": 12}], 4),
        ([now | {"max_maturity": None}], 5),
        ([now | {"max_maturity": -1}], None),
        ([before | {"max_maturity": -1}, now | {"max_maturity": None}], None),
    ]
    world = worlds.plain(impressions=0)
    world.artwork += [worlds.artwork(f"t0-{age}", "t0", maturity=age) for age in (12, 18)]
    for number, (said, _) in enumerate(cases):
        world.pair.append({"member_id": f"m{number}", "title_id": "t0"})
        for place, row in enumerate(said):
            key = f"{number}-{place}"
            world.impression.append(worlds.impression(key, f"m{number}", "t1", None, ["t1-0", "t1-1"]) | row)
    found = tonight(tmp_path, world, prompts__at=(worlds.LATER + timedelta(days=1)).isoformat())
    assert [len(found[f"m{n}", "t0"]["artwork_ids"]) for n in range(6)] == [offered for _, offered in cases[:6]]
    assert len(found) == 6
    assert worlds.counts(tmp_path)["no prompt: bad_max_maturity"] == 2
    assert "bad_max_maturity, such as impression 'i6-0', max_maturity -1" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_limit_that_cannot_be_read_in_the_log_leaves_the_pair_out_and_is_told(tmp_path, capsys, form):
    """Whatever else of its impression cannot be used. What the pair says itself counts."""
    said = {
        "m0": ("0.5", "7.5"),
        "m1": ("nan", "3000000000"),
        "m2": ("nan", "-3"),
        "m3": ("nan", "7"),
        "m4": ("nan", ""),
    }
    world = worlds.plain(impressions=0)
    world.pair = [{"member_id": member, "title_id": "t0"} for member in said]
    world.pair.append({"member_id": "m0", "title_id": "t1", "max_maturity": 9})
    head = "impression_id,member_id,title_id,artwork_id,candidates,propensity,at,reward,max_maturity\n"
    log = tmp_path / f"log.{form}"
    rows = [f"{m}-1,{m},t0,t0-0,t0-0|t0-1,{p},2026-01-01T00:00:00Z,0,{limit}\n" for m, (p, limit) in said.items()]
    if form == "csv":
        log.write_text(head + "".join(rows), encoding="utf-8")
    else:  # of whole numbers, so that it is read where it lies
        said |= {"m0": ("0.5", "-7")}
        table = [
            worlds.impression(1, member, "t0", worlds.LATER, ["t0-0", "t0-1"])
            | {"impression_id": f"{member}-1", "propensity": float(p), "max_maturity": int(limit) if limit else None}
            for member, (p, limit) in said.items()
        ]
        pq.write_table(pa.Table.from_pylist(table), log)
    moment = worlds.LATER + timedelta(days=1)
    found = tonight(tmp_path, world, input__impressions=log, prompts__at=moment.isoformat())
    assert set(found) == {("m0", "t1"), ("m3", "t0"), ("m4", "t0")}
    assert worlds.counts(tmp_path)["no prompt: bad_max_maturity"] == 3
    why = {"csv": "log.csv:2: max_maturity '7.5'", "parquet": "impression 'm0-1', max_maturity -7"}
    assert why[form] in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_that_only_a_limit_leaves_too_few_is_said_of_the_limit(tmp_path, capsys):
    world = worlds.plain(impressions=0)
    for row in world.artwork:
        row["maturity"] = 16
    world.pair = [{"member_id": "m0", "title_id": "t0", "max_maturity": 7}]
    world.write(tmp_path)
    given = {"input__pairs": tmp_path / "pair.parquet", "prompts__kind": "nightly", "input__impressions": None}
    told = refused(capsys, tmp_path, **given)
    assert (
        "few_candidates (such as member 'm0', title 't0', 3 above max_maturity 7): "
        "a title of which only one artwork may be shown leaves nothing to choose" in told
    )
    assert worlds.run(tmp_path, **worlds.ANY_LOSS, **given) == 0
    assert worlds.counts(tmp_path)["candidates above max_maturity"] == 3
    assert "member 'm0', title 't0', candidate 't0-0'" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_zone_of_an_impression_that_is_unknown_is_told_as_its_and_takes_no_known_ones_place(tmp_path, capsys):
    world = worlds.plain(impressions=3, members=2)
    for row, zone in zip(world.impression, ["Asia/Tokyo", "BST", "Mars/Olympus"], strict=True):
        row["time_zone"] = zone
    world.pair = [{"member_id": f"m{n}", "title_id": "t0"} for n in range(2)]
    found = tonight(tmp_path, world)
    assert [found[f"m{n}", "t0"]["time_zone"] for n in range(2)] == ["Asia/Tokyo", None]
    world.pair = [{"member_id": f"m{n}", "title_id": "t1"} for n in range(2)]
    world.write(tmp_path)
    told = refused(capsys, tmp_path, input__pairs=tmp_path / "pair.parquet", prompts__kind="nightly")
    assert "1 of 2 time zones of pairs and of their members' impressions are unknown" in told
    assert "(such as member 'm1', title 't1', time_zone 'BST' of impression 'i1')" in told
