"""What is learnt from: split train alone, its weights, who is kept back, in which order and under which letters."""

import random
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from featurize.config import Posttrain
from featurize.errors import RefusedInput
from featurize.inference import letters
from featurize.posttraining import reading, rows, stream
from featurize.posttraining.examples import Examples
from tests.posttraining import planted

METHODS = ("weighted", "direct", "reward_model", "sft", "sft_reasoning", "dpo")


def read(store, method="weighted", **wanted):
    return rows.read(store, Posttrain(method=method, **wanted))


@pytest.mark.parametrize("method", METHODS)
def test_no_held_out_pair_and_no_later_moment_gets_in(tmp_path, method):
    """Held-out prompts and those of a later moment differ from the others in their split alone."""
    made = planted.some(40)
    moment = planted.DAY + timedelta(hours=30)
    for number, row in enumerate(made):
        later = row["asked_at"] >= moment
        row |= {"split": "held_out" if later or number % 7 == 0 else "train", "reward": 1 - number % 2 / 4}
    nightly = made[1] | {"prompt_id": "f" * 32, "kind": "nightly", "split": None, "answer": None, "reward": None}
    nightly |= {"impression_id": None, "propensity": None}
    store = planted.write(tmp_path / "store", [*made, nightly])
    found = read(store, method)
    allowed = {row["prompt_id"] for row in made if row["split"] == "train"}
    assert set(found.table["prompt_id"].to_pylist()) == allowed
    by_id = {row["prompt_id"]: row for row in made}
    assert all(by_id[each]["asked_at"] < moment for each in found.table["prompt_id"].to_pylist())


def test_a_weight_is_reward_over_propensity_clipped_and_1_in_the_mean(tmp_path):
    made = planted.some(60)
    for number, row in enumerate(made):
        row |= {"reward": [0.0, 0.25, 1.0][number % 3], "propensity": [0.5, 0.01][number % 2]}
    store = planted.write(tmp_path / "store", made)
    found = read(store, clip=20, validation=0)
    given = {row["prompt_id"]: row["reward"] * min(1 / row["propensity"], 20) for row in made if row["reward"]}
    ids = found.table["prompt_id"].to_pylist()
    assert set(ids) == set(given)
    mean = sum(given.values()) / len(given)
    assert found.weight.tolist() == pytest.approx([given[each] / mean for each in ids])
    assert found.counts["weights clipped"] == sum(1 for row in made if row["reward"] and row["propensity"] == 0.01)
    corrected = read(store, method="reward_model", clip=20, validation=0)
    assert corrected.counts["weights clipped"] == sum(1 for row in made if row["propensity"] == 0.01)
    assert "weights clipped" not in read(store, method="reward_model", validation=0).counts
    values = np.array(list(given.values()))
    assert found.effective == pytest.approx(values.sum() ** 2 / (values**2).sum())
    kept = read(store, validation=0.3)
    assert 0 < len(kept.kept_back) < len(kept.weight)
    assert kept.weight[kept.learnt].mean() == pytest.approx(1)
    members = np.array(kept.table["member_id"].to_pylist())
    assert not set(members[kept.kept_back]) & set(members[kept.learnt])


@pytest.mark.slow
def test_what_words_cannot_tell_apart_is_left_out_and_counted(tmp_path):
    made = [row | {"reward": 1 - number % 2 / 4} for number, row in enumerate(planted.some(30))]
    alike = made[:5]
    for row in alike:
        place = "ABC".index(row["answer"])
        other = (place + 1) % 3
        row["same_as"] = [min(place, other) + 1 if each in (place, other) else each + 1 for each in range(3)]
    made[5]["same_as"] = None  # of an older version: nothing is known to be alike
    store = planted.write(tmp_path / "store", made)
    for method in METHODS:
        found = read(store, method, validation=0)
        assert found.counts["left out, same words"] == 5
        left = {row["prompt_id"] for row in alike} - set(found.table["prompt_id"].to_pylist())
        assert len(left) == (0 if method == "dpo" else 5)
        assert found.counts["examples"] == (2 * 25 + 5 if method == "dpo" else 25)


def test_other_rows_have_another_digest(tmp_path):
    made = planted.some(20)
    one = read(planted.write(tmp_path / "one", made))
    assert one.digest() == read(planted.write(tmp_path / "same", made)).digest()
    made[3] |= {"reward": 1 - made[3]["reward"]}
    assert one.digest() != read(planted.write(tmp_path / "other", made)).digest()


def test_every_epoch_has_every_row_once_and_steps_have_prompts_of_one_length():
    lengths = np.random.default_rng(0).integers(50, 300, 1000)
    turns, places = stream.order(lengths, 3, 16, 0)
    assert Counter(zip(turns.tolist(), places.tolist(), strict=True)) == Counter(
        (turn, row) for turn in range(3) for row in range(1000)
    )
    again = stream.order(lengths, 3, 16, 0)
    assert (turns.tolist(), places.tolist()) == tuple(each.tolist() for each in again)
    assert places.tolist() != stream.order(lengths, 3, 16, 1)[1].tolist()
    batches = [lengths[places[at : at + 16]] for at in range(0, len(places), 16)]
    real, padded = sum(each.sum() for each in batches), sum(each.max() * len(each) for each in batches)
    assert real / padded > 0.97


@pytest.mark.slow
def test_the_candidates_of_each_turn_stand_under_other_letters(tmp_path):
    made = [row | {"reward": 1.0} for row in planted.some(60)]
    store = planted.write(tmp_path / "store", made)
    tokenizer = letters.tokenizer(planted.checkpoint(tmp_path / "base"))
    table = read(store, validation=0).table
    examples = Examples(table, tokenizer, 0)
    seen = Counter()
    for row in range(len(examples)):
        chosen = set()
        for turn in range(6):
            example = examples.drawn(row, turn)
            text = tokenizer.decode(example.prompt, skip_special_tokens=True)
            letter = tokenizer.decode(example.answer[:1])
            (line,) = (each for each in text.splitlines() if each.startswith(f"{letter}. "))
            chosen.add(line.removeprefix(f"{letter}. "))
            seen[letter] += turn > 0
            assert example.answer[1:] == [tokenizer.eos_token_id]
        assert len(chosen) == 1  # the artwork stays the same, whatever its letter
    assert min(seen.values()) > 0.8 * seen.total() / 3
    old = Examples(table.drop_columns("slots").append_column("slots", [[None] * len(table)]), tokenizer, 0)
    assert old.in_order
    assert old.drawn(0, 3) == old.plain(0)


def test_figures_of_letters_with_and_without_their_prior():
    dice = random.Random(0)
    choices = np.array([2 + number % 3 for number in range(600)])
    answers = np.array([dice.randrange(count) for count in choices])
    knows = np.full((600, 4), -30.0)
    for row, (count, answer) in enumerate(zip(choices, answers, strict=True)):
        knows[row, :count] = -3.0
        knows[row, answer] += 1.0
    says_a = knows.copy()
    says_a[:, 0] += 5
    clean, biased = (reading.figures(each, choices, answers, np.ones(600)) for each in (knows, says_a))
    assert clean["accuracy"] == clean["accuracy_raw"] == 1
    assert biased["accuracy_raw"] < 0.5
    assert biased["accuracy"] == 1
    assert biased["log_loss"] == pytest.approx(clean["log_loss"], abs=0.02)
    assert biased["log_loss_raw"] > clean["uniform"] > clean["log_loss"]
    assert clean["uniform"] == pytest.approx(np.mean(np.log(choices)))
    assert clean["share"] == pytest.approx(np.mean(np.exp(-3) * (choices - 1) + np.exp(-2)))


def test_the_direct_method_reads_what_came_to_nothing_too_and_wants_a_difference(tmp_path):
    made = planted.some(40)
    found = read(planted.write(tmp_path / "store", made), "direct")
    assert found.reward.tolist() == [row["reward"] for row in sorted(made, key=lambda row: row["prompt_id"])]
    assert set(found.weight) == {1.0}
    other = [*made[:-1], made[-1] | {"reward": 0.5}]
    assert read(planted.write(tmp_path / "other", other), "direct").digest() != found.digest()
    store = planted.write(tmp_path / "same", [row | {"reward": 0.0} for row in made])
    with pytest.raises(RefusedInput, match="answers to learn from have the reward 0: there is no difference"):
        read(store, "direct")


def test_figures_of_the_values_of_choices():
    nan = np.nan
    values = np.array([[0.1, 0.5, nan], [0.3, 0.0, 0.6]])
    choices, temperature = np.array([2, 3]), 0.25
    best = values / temperature
    sharp = reading.of_values(np.where(np.isnan(best), -9, best), choices, values, temperature)
    assert sharp["policy_value"] == pytest.approx((0.5 + 0.6) / 2)
    assert sharp["policy_uniform"] == pytest.approx((0.3 + 0.3) / 2)
    # The softmax of values / temperature is the best that can be: there the loss is that of its normaliser alone.
    normaliser = [np.log(np.exp(row[:count]).sum()) for row, count in zip(best, choices, strict=True)]
    assert sharp["policy_loss"] == pytest.approx(-np.mean(normaliser))
    dice = np.random.default_rng(0)
    for _ in range(20):
        moved = np.nan_to_num(best) + 0.3 * dice.normal(size=best.shape)
        assert reading.of_values(moved, choices, values, temperature)["policy_loss"] > sharp["policy_loss"]


def test_figures_of_rewards():
    reward = np.array([1.0, 0.0, 0.25, 0.0])
    right = np.log(np.array([0.8, 0.1, 0.25, 0.5]) / np.array([0.2, 0.9, 0.75, 0.5]))
    found = reading.of_rewards(right, reward)
    by_hand = -np.mean([np.log(0.8), np.log(0.9), 0.25 * np.log(0.25) + 0.75 * np.log(0.75), np.log(0.5)])
    assert found["reward_loss"] == pytest.approx(by_hand)
    mean = 1.25 / 4
    assert found["reward_uniform"] == pytest.approx(-mean * np.log(mean) - (1 - mean) * np.log(1 - mean))
    assert reading.of_rewards(np.array([800.0, -800.0]), np.array([1.0, 0.0]))["reward_loss"] == 0


def test_of_many_that_are_kept_back_some_are_read(tmp_path, monkeypatch):
    store = planted.write(tmp_path / "store", planted.some(120))
    found = read(store, validation=0.5)
    assert found.read.tolist() == found.kept_back.tolist()
    monkeypatch.setattr(rows, "MOST_READ", 10)
    assert 5 <= len(found.read) <= 10
    assert set(found.read) < set(found.kept_back)
    assert not read(store, validation=0).read.size
