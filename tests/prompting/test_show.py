"""`prompts.show` prints the prompts of one member whole, with the pictures of their letters, and writes nothing."""

import pytest

from featurize.inference.letters import LETTERS
from featurize.prompting import template

from . import worlds


def shown(folder, capsys, given, code=0, **settings):
    """What is printed; the store stays as it is, file by file."""
    before = {path: path.stat().st_mtime_ns for path in (folder / "store").rglob("*") if path.is_file()}
    capsys.readouterr()
    nothing = dict.fromkeys(("input__titles", "input__history", "input__impressions"))
    assert worlds.run(folder, **nothing, prompts__show=given, **settings) == code
    assert {path: path.stat().st_mtime_ns for path in (folder / "store").rglob("*") if path.is_file()} == before
    printed = capsys.readouterr()
    return printed.err if code else printed.out


@pytest.fixture
def world(tmp_path):
    made = worlds.plain(impressions=60)
    for row in made.impression:
        row["propensities"] = [0.25, 0.7, 0.05]
    for row in made.artwork:
        row["uri"] = f"/pictures/{row['artwork_id']}.jpg"
    made.artwork.append(made.artwork[0] | {"uri": "/pictures/moved\x1b[2J.jpg", "seen_at": worlds.START})
    made.artwork[0]["seen_at"] = worlds.LATER
    made.write(tmp_path)
    return made


def test_a_member_with_the_pictures_beside_the_letters(tmp_path, capsys, world):
    assert worlds.run(tmp_path) == 0
    world.impression[0] |= {"reward": 0.25, "minutes": 7.5}
    world.write(tmp_path)
    assert worlds.run(tmp_path) == 0  # a late outcome
    rows = sorted(
        (r for r in worlds.rows(tmp_path) if r["member_id"] == "m0"), key=lambda r: r["asked_at"], reverse=True
    )
    out = shown(tmp_path, capsys, "m0")
    assert len(rows) == 12
    parts = out.split("\n-- prompt ")
    assert [part.removeprefix("-- prompt ")[:32] for part in parts] == [row["prompt_id"] for row in rows[:10]]
    assert "\n2 older ones are not shown; SHOW=<the id of a prompt or impression> shows any of them\n" in out
    for part, row in zip(parts, rows, strict=False):
        assert f"\n{row['prompt']}\n" in part
        for letter, name, share in zip(LETTERS, row["artwork_ids"], row["propensities"], strict=False):
            file = "moved?[2J" if name == "t0-0" else name
            assert f"\n{letter}. /pictures/{file}.jpg (propensity {share:g})\n" in part
        assert f"\nShown: {row['answer']}, with propensity 0.25; reward 1\n" in part
    oldest = rows[-1]
    for given in (oldest["impression_id"], oldest["prompt_id"]):
        out = shown(tmp_path, capsys, given)
        assert out.startswith(
            f"-- prompt {oldest['prompt_id']}, logged, impression i0, member m0, title t0 (Title 0), "
        )
        assert out.endswith("; reward 0.25, 7.5 minutes\n")


@pytest.mark.slow
def test_an_id_that_is_not_there_is_told_in_a_sentence(tmp_path, capsys, world):
    told = shown(tmp_path, capsys, "m0", code=2)
    assert told == f"error: {tmp_path}/store has no prompts: run `make prompts` first\n"
    assert worlds.run(tmp_path) == 0
    sentence = f"error: prompts.show: {tmp_path}/store has no prompt of a member, impression or prompt 'm\\u200b'"
    told = shown(tmp_path, capsys, "m\u200b", code=2)
    assert told == sentence.replace("\\u200b", "?") + "; there are member 'm0' and impression 'i0', for example\n"


@pytest.mark.slow
def test_members_are_found_under_their_pseudonyms(tmp_path, capsys, world, monkeypatch):
    monkeypatch.setenv("MEMBER_KEY", "secret")
    assert worlds.run(tmp_path, prompts__member_key_env="MEMBER_KEY") == 0
    out = shown(tmp_path, capsys, "m3", prompts__member_key_env="MEMBER_KEY")
    pseudonym = next(row["member_id"] for row in worlds.rows(tmp_path) if row["impression_id"] == "i3")
    assert f"impression i3, member {pseudonym}, " in shown(tmp_path, capsys, "i3")
    assert f"member {pseudonym}, " in out
    assert "member m3" not in out
    assert shown(tmp_path, capsys, pseudonym) == out
    told = shown(tmp_path, capsys, "m3", code=2)
    assert "; members there are keyed hashes: set prompts.member_key_env, or give the hash ('" in told


@pytest.mark.slow
def test_of_several_templates_the_one_that_is_asked_for(tmp_path, capsys, world):
    words = (template._FOLDER / "multiple-choice-v1.toml").read_text(encoding="utf-8")
    (tmp_path / "other.toml").write_text(words.replace("## Question", "## The question"), encoding="utf-8")
    assert worlds.run(tmp_path) == worlds.run(tmp_path, prompts__template=tmp_path / "other.toml") == 0
    assert shown(tmp_path, capsys, "i3").count("-- prompt") == 2
    out = shown(tmp_path, capsys, "i3", prompts__template=tmp_path / "other.toml")
    assert out.count("-- prompt") == out.count("## The question") == 1


@pytest.mark.slow
def test_nightly_prompts_have_no_answer(tmp_path, capsys, world):
    world.pair = [{"member_id": "m0", "title_id": "t0"}]
    world.write(tmp_path)
    given = {"prompts__kind": "nightly", "input__pairs": tmp_path / "pair.parquet", "input__impressions": None}
    assert worlds.run(tmp_path, **given) == 0
    out = shown(tmp_path, capsys, "m0")
    assert ", nightly, member m0, title t0 (Title 0), " in out
    assert "\nA. /pictures/" in out
    assert "Shown" not in out
