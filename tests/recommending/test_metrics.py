"""Ranks and what they are worth, against trec_eval and by hand."""

import numpy as np
import pytest
import pytrec_eval

from featurize.recommending import metrics
from featurize.recommending.plays import DAY, Cases, Plays


def asked(members=40, titles=30, seed=0):
    """Cases of some plays, and scores with many equal ones."""
    random = np.random.default_rng(seed)
    history = [np.sort(random.choice(titles, 8, replace=False)) for _ in range(members)]
    plays = Plays(
        np.repeat(np.arange(members), 8), np.concatenate(history), np.tile(np.arange(8), members) * DAY, titles
    )
    row = np.arange(members) * 8 + 5
    cases = Cases(
        plays.member[row], plays.title[row], plays.begin[row], row, row + random.integers(0, 3, members), plays.at[row]
    )
    return cases, plays, random.integers(0, 6, (members, titles)).astype(float)


def test_trec_eval_comes_to_the_same_figures():
    cases, plays, scores = asked()
    ranks = metrics.ranks(scores, cases, plays)
    wanted, run = {}, {}
    for case in range(len(cases)):
        seen = set(plays.title[cases.begin[case] : cases.masked[case]]) - {cases.title[case]}
        right = cases.title[case]
        # trec_eval breaks ties by name; a title that is no answer and scores alike is put first here.
        order = sorted(set(range(plays.titles)) - seen, key=lambda title: (-scores[case, title], title == right))
        run[str(case)] = {str(title): float(-place) for place, title in enumerate(order)}
        wanted[str(case)] = {str(right): 1}
    told = pytrec_eval.RelevanceEvaluator(wanted, {"success_10", "ndcg_cut_10"}).evaluate(run)
    theirs = np.array([[told[str(case)][name] for name in ("success_10", "ndcg_cut_10")] for case in range(len(cases))])
    np.testing.assert_allclose(metrics.hits(ranks), theirs[:, 0])
    np.testing.assert_allclose(metrics.gains(ranks), theirs[:, 1])
    assert 0 < theirs[:, 0].mean() < 1


def test_equal_scores_and_scores_that_are_none_count_against():
    plays = Plays(np.array([0, 0]), np.array([0, 1]), np.array([0, DAY]), 5)
    case = Cases(*(np.array([each]) for each in (0, 1, 0, 1, 1, DAY)))
    assert metrics.ranks(np.ones((1, 5)), case, plays) == [4]  # title 0 was played, three others score alike
    assert metrics.ranks(np.array([[9, 2, 1, 1, np.nan]]), case, plays) == [2]
    assert metrics.ranks(np.full((1, 5), np.nan), case, plays) == [4]
    assert metrics.ranks(np.array([[9.0, 2, 1, 1, 1]]), case, plays) == [1]


@pytest.mark.parametrize(("days", "expected"), [(None, [2, 1, 0]), (7, [0, 1, 0])])
def test_popular_are_the_plays_from_before_and_of_the_week_before(days, expected):
    at = np.array([0, 1, 20, 22]) * DAY
    plays = Plays(np.arange(4), np.array([0, 0, 1, 2]), at, 3)
    case = Cases(*(np.array([each]) for each in (3, 2, 3, 3, 3, 22 * DAY)))
    assert metrics.popularity(case, plays, days).tolist() == [expected]
