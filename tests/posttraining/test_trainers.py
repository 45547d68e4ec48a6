"""TRL's own objects on a tiny real checkpoint: the weighted loss, the reference of pairs, what has a label."""

import random
import re

import numpy as np
import pytest
import torch
from trl import SFTConfig, SFTTrainer

from featurize.config import Posttrain
from featurize.inference import causal_lm, letters
from featurize.posttraining import batches, head, kept, line, rows, stream, trainers
from featurize.posttraining.examples import Examples
from tests.posttraining import planted


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return planted.write(folder / "store", planted.some(60)), planted.checkpoint(folder / "base")


def made(world, folder, weight=None, values=None, **wanted):
    store, base = world
    settings = Posttrain(base=str(base), validation=0, dtype="float32", batch_size=8, at_once=4, **wanted)
    found = rows.read(store, settings)
    tokenizer = letters.tokenizer(base)
    examples = Examples(found.table, tokenizer, 0)
    turns, places = stream.order(examples.lengths(), 1, 8, 0)
    back = kept.Kept(examples, found.kept_back, found.weight, 4, found.reward)
    given = list(found.weight if weight is None else weight(found.weight))
    model = trainers.load(causal_lm.resolve(str(base)), settings, bfloat16=False)
    stream_of = (turns, places)
    told = {"reward": found.reward, "values": values, "temperature": 0.1}
    trainer = trainers.make(
        model, tokenizer, examples, back, given, stream_of, settings, folder, bfloat16=False, **told
    )
    trainer.model.train()
    return trainer


def batch_of(trainer):
    return next(iter(trainer.get_train_dataloader()))


def test_a_weight_of_1_everywhere_is_stock_supervised_fine_tuning(world, tmp_path):
    ours = made(world, tmp_path / "ours", weight=np.ones_like)
    batch = batch_of(ours)
    assert batch["weight"].tolist() == [1.0] * 4
    stock_model = trainers.load(causal_lm.resolve(str(world[1])), Posttrain(), bfloat16=False)
    config = SFTConfig(
        str(tmp_path / "stock"),
        use_cpu=True,
        bf16=False,
        report_to="none",
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    stock = SFTTrainer(stock_model, config, train_dataset=ours.train_dataset, processing_class=ours.processing_class)
    inputs = {name: values for name, values in batch.items() if name != "weight"}
    for items in (None, torch.tensor(64)):
        wanted = stock.compute_loss(stock.model, dict(inputs), num_items_in_batch=items)
        found = ours.compute_loss(ours.model, dict(batch), num_items_in_batch=items)
        assert found.item() == pytest.approx(wanted.item(), abs=1e-6)
    wanted.backward()
    found.backward()
    pairs = zip(stock.model.parameters(), ours.model.parameters(), strict=True)
    assert max((a.grad - b.grad).abs().max().item() for a, b in pairs) < 1e-6


def test_weights_multiply_the_loss_of_their_example(world, tmp_path):
    trainer = made(world, tmp_path)
    batch = batch_of(trainer)
    alone = []
    for number in range(4):
        weight = torch.zeros(4)
        weight[number] = 1
        alone.append(trainer.compute_loss(trainer.model, {**batch, "weight": weight}).item())
    whole = trainer.compute_loss(trainer.model, dict(batch)).item()
    assert whole == pytest.approx(sum(w * a for w, a in zip(batch["weight"].tolist(), alone, strict=True)), abs=1e-6)


def test_only_the_letter_and_the_end_of_the_turn_are_learnt(world, tmp_path):
    trainer = made(world, tmp_path)
    batch = batch_of(trainer)
    learnt = batch["labels"] != head.IGNORED
    assert learnt.sum(1).tolist() == [2] * 4
    said = [
        trainer.processing_class.convert_ids_to_tokens(row[mask].tolist())
        for row, mask in zip(batch["input_ids"], learnt, strict=True)
    ]
    assert all(letter in "ABC" and end == "<|im_end|>" for letter, end in said)


def test_the_odds_of_a_letter_against_the_end_of_the_turn_are_those_of_its_reward(world, tmp_path):
    trainer = made(world, tmp_path, method="direct")
    batch = batch_of(trainer)
    assert set(batch["reward"].tolist()) == {0.0, 1.0}  # what came to nothing is learnt from, too
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")}
    with torch.no_grad():
        said = trainer.model(**inputs).logits[:, -1].log_softmax(-1)
    letters_of = batch["labels"][:, -1]
    assert all(token in "ABC" for token in trainer.processing_class.convert_ids_to_tokens(letters_of.tolist()))
    end = trainer.processing_class.convert_tokens_to_ids("<|im_end|>")
    slope, level = trainer.line
    odds = (slope * (said[range(4), letters_of] - said[:, end]) + level).exp()
    likely = torch.where(batch["reward"] > 0, odds / (1 + odds), 1 / (1 + odds))
    loss = trainer.compute_loss(trainer.model, dict(batch))
    assert loss.item() == pytest.approx(-likely.log().mean().item(), abs=1e-5)
    of_eight = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(8))
    assert of_eight.item() == pytest.approx(loss.item() / 2, abs=1e-6)


def test_what_the_letters_choose_earns_the_values_and_is_held_to_them(world, tmp_path):
    values = np.random.default_rng(0).random((60, 3))
    values[np.arange(60) % 4 < 2, 2] = np.nan  # as of a prompt of fewer candidates
    trainer = made(world, tmp_path, values=values, method="reward_model")
    assert trainer.temperature == trainer.kept.temperature == 0.1
    batch = batch_of(trainer)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")}
    letters_of = [trainer.processing_class.convert_tokens_to_ids(each) for each in "ABC"]
    assert batch["letters"].tolist() == [letters_of] * 4
    with torch.no_grad():
        logits = trainer.model(**inputs).logits[:, -1, letters_of]
    wanted, sizes = [], set()
    for said, value in zip(logits, batch["values"], strict=True):
        known = ~value.isnan()
        share = said[known].softmax(-1)
        wanted.append((share * (share.log() - value[known] / trainer.temperature)).sum())
        sizes.add(int(known.sum()))
    assert sizes == {2, 3}
    wanted = torch.stack(wanted).mean()
    loss = trainer.compute_loss(trainer.model, dict(batch))
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    of_eight = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(8))
    assert of_eight.item() == pytest.approx(loss.item() / 2, abs=1e-6)
    loss.backward()
    assert all(each.grad.isfinite().all() for each in trainer.model.parameters())


def test_a_value_goes_where_its_candidate_goes(world, tmp_path):
    """In every turn, the value of a letter is that of the artwork which stands there; beside prompts of more, too."""
    dice = random.Random(3)
    some = [planted.prompt(number, dice, choices=2 + number % 3) for number in range(30)]
    store = planted.write(tmp_path / "mixed", some)
    found = rows.read(store, Posttrain(base=str(world[1]), validation=0, method="reward_model"))
    tokenizer = letters.tokenizer(world[1])
    examples = Examples(found.table, tokenizer, 0)
    names = [[each.partition("-")[2] for each in ids] for ids in found.table["artwork_ids"].to_pylist()]
    values = np.full((30, 4), np.nan)
    for row, each in enumerate(names):
        values[row, : len(each)] = [planted.GENRES.index(name) for name in each]
    collate = batches.Collator(examples, [1.0] * 30, found.reward, values)
    moved = 0
    for turn in (0, 1, 2):
        batch = collate([{"turn": turn, "row": row} for row in range(30)])
        for number, stored in enumerate(names):
            words = tokenizer.decode(batch["input_ids"][number])
            lines = re.findall(r"^([A-D])\. a (\w+) picture", words, re.MULTILINE)
            known = ~batch["values"][number].isnan()
            told = zip(
                tokenizer.convert_ids_to_tokens(batch["letters"][number][known].tolist()),
                [planted.GENRES[int(value)] for value in batch["values"][number][known]],
                strict=True,
            )
            assert list(told) == lines
            moved += [name for _, name in lines] != stored
    assert moved > 10


def test_the_direct_method_begins_with_what_its_base_is_worth(world, tmp_path):
    """A base that knows nothing of the rewards begins with about their mean."""
    store, base = world
    found = rows.read(store, Posttrain(base=str(base), validation=0, method="direct"))
    examples = Examples(found.table, letters.tokenizer(base), 0)
    trainer = made(world, tmp_path, method="direct")
    trainer.model.eval()
    slope, level = trainer.line
    odds = []
    with torch.no_grad():
        for row in found.learnt:
            example = examples.plain(int(row))
            said = trainer.model(input_ids=torch.tensor([example.prompt])).logits[0, -1]
            odds.append(slope * (said[example.answer[0]] - said[example.answer[1]]).item() + level)
    told = 1 / (1 + np.exp(-np.array(odds)))
    assert told.mean() == pytest.approx(found.reward.mean(), abs=1e-3)
    assert slope >= 0.1
    assert told.std() < 0.1


def test_the_line_from_what_a_base_says_to_the_odds_of_a_reward():
    dice = np.random.default_rng(0)
    above = dice.normal(14, 3, 40_000)
    for slope, level in ((0.4, -6.0), (0.02, -1.0), (3.0, -42.0), (-0.5, 7.0)):
        reward = (dice.random(len(above)) < 1 / (1 + np.exp(-(slope * above + level)))).astype(float)
        found, there = line.fit(above, reward, 0.1)
        assert found == pytest.approx(min(max(slope, 0.1), 1), abs=0.02)
        # The mean of what it tells is that of the rewards, whatever the slope is.
        assert (1 / (1 + np.exp(-(found * above + there)))).mean() == pytest.approx(reward.mean(), abs=1e-3)
    assert line.fit(np.full(10, 5.0), np.ones(10), 0.1)[1] > 5  # no way to differ, and nothing but plays


@pytest.mark.parametrize("lora", [None, 4])
def test_the_reference_of_pairs_is_the_base(world, tmp_path, lora):
    trainer = made(world, tmp_path, method="dpo", lora=lora)
    batch = batch_of(trainer)
    loss = trainer.compute_loss(trainer.model, dict(batch))
    assert loss.item() == pytest.approx(np.log(2), abs=1e-6)
    assert trainer._metrics["train"]["rewards/margins"] == [pytest.approx(0, abs=1e-6)]
    loss.backward()  # and then the policy moves, not the reference
    optimizer = torch.optim.SGD([p for p in trainer.model.parameters() if p.requires_grad], lr=0.5)
    optimizer.step()
    trainer.compute_loss(trainer.model, dict(batch))
    assert trainer._metrics["train"]["rewards/margins"][-1] > 1e-4
