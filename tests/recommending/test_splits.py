"""Splits, by looking at every row again the slow way."""

import numpy as np

from featurize.recommending import plays as splits
from featurize.recommending.plays import DAY, Plays


def some_plays(members=30, titles=15, days=60, seed=1):
    random = np.random.default_rng(seed)
    rows = sorted(
        (member, int(random.integers(0, days * DAY)), int(random.integers(0, titles)))
        for member in range(members)
        for _ in range(random.integers(0, 25))
    )
    member, at, title = (np.array(each) for each in zip(*rows, strict=True))
    return Plays(member, title, at, titles)


def told(cases, plays):
    """Each case as (member, title, history, masked titles)."""
    for number in range(len(cases)):
        history = range(cases.begin[number], cases.end[number])
        masked = set(plays.title[cases.begin[number] : cases.masked[number]])
        yield cases.member[number], cases.title[number], history, masked, cases.at[number]


def test_rolling_days_ask_each_first_play_from_what_is_before_its_day():
    plays = some_plays()
    split = splits.rolling_days(plays, 7)
    last = plays.at.max() // DAY
    found = {}
    for member, title, history, masked, at in told(split.test, split.plays):
        day = at // DAY
        before = (plays.member == member) & (plays.at < day * DAY)
        assert [plays.at[row] for row in history] == plays.at[before].tolist()
        assert masked == set(plays.title[(plays.member == member) & (plays.at < (day + 1) * DAY)])
        found[member, title] = day
    expected = {}
    for member, title, at in zip(plays.member, plays.title, plays.at, strict=True):
        expected.setdefault((member, title), at // DAY)
    first_day = {member: plays.at[plays.member == member].min() // DAY for member in set(plays.member)}
    assert found == {k: day for k, day in expected.items() if day > last - 7 and first_day[k[0]] < day}
    assert split.learn.at.max() // DAY <= last - 14
    assert set((split.valid.at // DAY).tolist()) <= set(range(last - 13, last - 6))


def test_nobody_has_played_a_new_title_before_it_is_asked():
    plays = some_plays()
    new = np.arange(plays.titles) % 3 == 0
    split, whole = splits.new_titles(plays, 7, new), splits.rolling_days(plays, 7)
    assert not new[split.plays.title].any()
    assert new[split.test.title].all()
    assert (split.test.absent == ~new).all()
    assert not new[split.valid.title].any()
    of_whole = {
        (m, t): [plays.title[row] for row in history if not new[plays.title[row]]]
        for m, t, history, *_ in told(whole.test, plays)
        if new[t]
    }
    assert {
        (m, t): [split.plays.title[row] for row in history] for m, t, history, *_ in told(split.test, split.plays)
    } == of_whole
    assert (whole.test.member[split.which] == split.test.member).all()


def test_leave_one_out_is_that_of_microlens():
    plays = some_plays()
    split = splits.leave_one_out(plays)
    asked = {m: (t, [split.plays.title[row] for row in history]) for m, t, history, *_ in told(split.test, split.plays)}
    valid = {
        m: (t, [split.plays.title[row] for row in history]) for m, t, history, *_ in told(split.valid, split.plays)
    }
    for member in set(plays.member):
        titles = list(dict.fromkeys(plays.title[plays.member == member].tolist()))[-13:]
        if len(titles) < 3:
            assert member not in asked
            continue
        assert asked[member] == (titles[-1], titles[:-1])
        assert valid[member] == (titles[-2], titles[:-2])
        assert split.learn.title[split.learn.member == member].tolist() == titles[:-2]


def test_training_pieces_hold_every_first_play_once_and_never_what_comes_later():
    plays = some_plays()
    chunks = plays.chunks(5)
    inputs, (at, place) = plays.inputs(chunks), plays.targets(chunks)
    rows = chunks[at, 0] + place + 1
    wanted = [row for row in np.flatnonzero(plays.first) if row > plays.begin[row]]
    assert sorted(rows.tolist()) == wanted
    for chunk, column, row in zip(at, place, rows, strict=True):
        assert inputs[chunk, column] == plays.title[row - 1]
        assert plays.member[chunks[chunk, 0]] == plays.member[row]
    case, title = plays.played_before(rows)
    for number, row in enumerate(rows):
        assert title[case == number].tolist() == plays.title[plays.begin[row] : row].tolist()
