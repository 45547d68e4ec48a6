"""How well the letters of prompts are told: figures of log-probabilities, raw and with the letters' prior removed.

An untrained small LLM answers "A" to everything, and early training only moves that; what is learnt of the members
shows when the prior, which is the same whatever the question, is taken out. Pure functions of arrays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SHRINK = 10
"""The prior of a number of candidates counts n / (n + SHRINK) where n prompts have so many."""


def figures(scores: Floats, choices: Ints, answers: Ints, weight: Floats) -> dict[str, float]:
    """Accuracy and log-loss (nats) of the answers among the candidates' letters, weighted.

    `scores` (prompts, most candidates): log-probability of each letter out of all tokens; what is beyond `choices` is
    not looked at. `answers` are places from 0. `uniform` is the log-loss of a model that knows nothing; `share` how
    much of the probability the letters have.
    """
    known = np.arange(scores.shape[1]) < choices[:, None]
    raw = np.where(known, scores, -np.inf)
    share = np.exp(raw).sum(1)
    raw = _normal(raw)
    calm = without_prior(raw, choices)
    picked = np.arange(len(raw)), answers
    total = weight.sum()
    return {
        "log_loss_raw": float(-(weight * raw[picked]).sum() / total),
        "log_loss": float(-(weight * calm[picked]).sum() / total),
        "uniform": float((weight * np.log(choices)).sum() / total),
        "accuracy_raw": float((weight * (raw.argmax(1) == answers)).sum() / total),
        "accuracy": float((weight * (calm.argmax(1) == answers)).sum() / total),
        "share": float((weight * share).sum() / total),
    }


def of_rewards(log_odds: Floats, reward: Floats) -> dict[str, float]:
    """Log-loss (nats) of rewards from 0 to 1 by the log-odds told of them, and that of telling their mean of each."""
    mean = np.clip(reward.mean(), 1e-12, 1 - 1e-12)
    return {
        "reward_loss": float((np.logaddexp(0, log_odds) - reward * log_odds).mean()),
        "reward_uniform": float(-(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))),
    }


def of_values(scores: Floats, choices: Ints, values: Floats, temperature: float) -> dict[str, float]:
    """Of `values` (prompts, most candidates), the rewards of the candidates, nan beyond them: the mean of those with
    the best letters, and of all; and what method `reward_model` makes smaller, in units of the temperature.
    """
    known = np.arange(scores.shape[1]) < choices[:, None]
    told = _normal(np.where(known, scores, -np.inf))
    share, gain = np.exp(told), np.where(known, values, 0.0)
    best = gain[np.arange(len(gain)), told.argmax(1)]
    loss = share * (np.where(known, told, 0.0) - gain / temperature)
    return {
        "policy_loss": float(loss.sum(1).mean()),
        "policy_value": float(best.mean()),
        "policy_uniform": float((gain.sum(1) / choices).mean()),
    }


def judged_by(method: str) -> str:
    """The figure of those kept back that says when to stop."""
    return {"direct": "reward_loss", "reward_model": "policy_loss"}.get(method, "log_loss")


def without_prior(scores: Floats, choices: Ints) -> Floats:
    """Log-probabilities of the letters (rows of 1 in sum) without what prompts of as many candidates have in common."""
    found = scores.copy()
    for number in np.unique(choices):
        rows = choices == number
        prior = scores[rows, :number].mean(0)
        prior = (prior - prior.mean()) * rows.sum() / (rows.sum() + SHRINK)
        found[np.ix_(rows, np.arange(number))] -= prior
    return _normal(found)


def _normal(scores: Floats) -> Floats:
    most = scores.max(1, keepdims=True)
    found: Floats = scores - most - np.log(np.exp(scores - most).sum(1, keepdims=True))
    return found
