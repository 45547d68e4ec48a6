"""What a simple model expects of every candidate of the held-out rounds, for the doubly robust estimator.

It reads what the store knew before each moment: how often artwork and title were played of the times they were shown,
how the member took artworks so far, the tags of the picture and how they match those the member played, the number of
candidates and the device. Fitted on all logged prompts of other members (`featurize/ope/reward_model.py`).
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from featurize.evaluating.rounds import Log
from featurize.inference.features import MOST_DEVICES
from featurize.ope import reward_model
from featurize.storage import tables
from featurize.storage.tables import sql

Array = np.ndarray
AS_MUCH_AS = 10.0
"""Impressions that the mean reward of all counts for, where few of one thing are known."""


def expected(db: duckdb.DuckDBPyConnection, log: Log, seed: int) -> Array:
    """(n, K) from 0 to 1; 0 where there is no candidate. Reads views `logged` and `held_out` of `rounds.read`."""
    rows, features = known_before(db)
    asked = rows["number"].is_valid().to_numpy()
    fold = reward_model.folds(_members(rows), seed)
    numbers = rows["number"].drop_null().to_numpy().astype(int)
    places = rows["place"].filter(pa.array(asked)).to_numpy().astype(int)
    block = np.zeros((*log.real.shape, features.shape[1]))
    block[numbers, places] = features[asked]
    fold_of_round = np.zeros(len(log), int)
    fold_of_round[numbers] = fold[asked]
    reward = rows["reward"].filter(pa.array(~asked)).to_numpy()
    found = reward_model.cross_fit(features[~asked], reward, fold[~asked], block, fold_of_round)
    return np.where(log.real, found, 0.0)


def known_before(db: duckdb.DuckDBPyConnection) -> tuple[pa.Table, Array]:
    """Rows of sql/rewards.sql, of what was shown and of what could be, and their features (rows, f).

    But for the mean reward of all, they are of what came before the moment of the row.
    """
    rows = tables.arrow(db, sql("evaluating", "rewards"))
    shown = rows["number"].is_null().to_numpy()
    usual = float(rows["reward"].drop_null().to_numpy().mean())

    def rate(of: str) -> Array:
        rewards, times = rows[f"{of}_rewards"].to_numpy(), rows[f"{of}_times"].to_numpy()
        return np.asarray((rewards + AS_MUCH_AS * usual) / (times + AS_MUCH_AS))

    columns = [rate("artwork"), rate("title"), rate("member"), 1 / rows["candidates"].to_numpy()]
    devices = rows["device"].combine_chunks().dictionary_encode()
    common = np.bincount(devices.indices.drop_null().to_numpy(), minlength=len(devices.dictionary)).argsort()
    at = devices.indices.fill_null(-1).to_numpy()
    columns += [at == each for each in common[::-1][:MOST_DEVICES]]
    tags, attributes = _tags(db, rows["artwork_id"])
    taste = _taste(rows, _members(rows), shown, tags) / (1 + rows["member_rewards"].to_numpy())[:, None]
    alike = [(taste * tags)[:, attributes == each].sum(axis=1) for each in np.unique(attributes)]
    return rows, np.column_stack([*columns, tags, *alike]).astype(float)


def _members(rows: pa.Table) -> Array:
    return np.asarray(rows["member_id"].combine_chunks().dictionary_encode().indices.to_numpy())


def _tags(db: duckdb.DuckDBPyConnection, artwork_ids: pa.ChunkedArray) -> tuple[Array, Array]:
    """(rows, labels) probabilities of the current tags, 0 where there are none, and the attribute of each label."""
    query = """SELECT artwork_id, attribute, label, max(probability) AS probability FROM artwork_present
        JOIN image_tag USING (image_sha256) JOIN current_model USING (model_key)
        WHERE feature = 'image_tag' GROUP BY ALL ORDER BY ALL"""
    found = tables.arrow(db, query)
    ids = found["artwork_id"].combine_chunks().dictionary_encode()
    pairs = list(zip(found["attribute"].to_pylist(), found["label"].to_pylist(), strict=True))
    labels = sorted(set(pairs))
    matrix = np.zeros((len(ids.dictionary) + 1, len(labels)))  # the last row: no tags
    column = {pair: number for number, pair in enumerate(labels)}
    matrix[ids.indices.to_numpy(), [column[pair] for pair in pairs]] = found["probability"].to_numpy()
    at = pa.compute.index_in(artwork_ids, ids.dictionary).fill_null(len(ids.dictionary)).to_numpy()
    return matrix[at], np.array([attribute for attribute, _ in labels])


def _taste(rows: pa.Table, members: Array, shown: Array, tags: Array) -> Array:
    """(rows, labels) sum of the tags of what the member was shown before that moment, by what came of it."""
    moments = np.unique(rows["asked_at"].to_numpy(), return_inverse=True)[1]
    key = members.astype(np.int64) * (moments.max() + 1) + moments
    order = np.flatnonzero(shown)[np.argsort(key[shown], kind="stable")]
    earned = tags[order] * rows["reward"].to_numpy()[order][:, None]
    until = np.concatenate([np.zeros((1, tags.shape[1])), earned.cumsum(axis=0)])
    begin = np.searchsorted(key[order], members.astype(np.int64) * (moments.max() + 1))
    return np.asarray(until[np.searchsorted(key[order], key)] - until[begin])
