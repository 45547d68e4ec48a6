"""A shard of prompts: what cannot be ranked is quarantined, and what a dead worker left is found."""

from statistics import median

import pytest

from featurize.errors import BadImage
from featurize.execution.plan import Item, Shard
from featurize.inference import letters
from featurize.inference.exploration import Explore
from featurize.inference.extractor import model_key
from featurize.inference.ranker import Given, RankerSettings
from featurize.ranking import phase
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin
from tests.rankers import tiny_lms
from tests.ranking import stores


@pytest.mark.slow
def test_prompts_too_long_are_told_and_not_tried_again(tmp_path, capsys):
    store = stores.with_prompts(tmp_path, impressions=40)
    tokenizer = tiny_lms.tokenizer()
    prompts = stores.rows(store, "SELECT prompt_id, messages FROM prompt WHERE split = 'held_out'")
    lengths = {
        row["prompt_id"]: len(letters.encode(tokenizer, letters.text(tokenizer, row["messages"]))) for row in prompts
    }
    most = int(median(lengths.values()))
    model = tiny_lms.save(tmp_path / "model", positions=most)
    given = {"rank__rankers": '["llm"]', "rank__models": f'["{model}"]'}
    for _ in range(2):
        assert stores.run(store, **given) == 0
        long = {f"prompt:{key}" for key, length in lengths.items() if length > most}
        found = stores.rows(store, "SELECT uri, detail, reason, attempts, image_sha256 FROM quarantine")
        assert {row["uri"] for row in found} == long != set()
        assert {(row["reason"], row["attempts"], row["image_sha256"]) for row in found} == {("model_error", 1, "")}
        assert all(f"and the model reads {most:,}" in row["detail"] for row in found)
    assert f"quarantined: model_error {len(long)}" not in capsys.readouterr().out.rpartition("run ")[2]
    ranked = {row["prompt_id"] for row in stores.rows(store, "SELECT DISTINCT prompt_id FROM ranking")}
    assert ranked == {key for key, length in lengths.items() if length <= most}


@pytest.mark.slow
def test_what_is_committed_of_a_shard_is_found_and_one_alone_is_blamed(tmp_path):
    store = Store(str(stores.with_prompts(tmp_path, impressions=20)))
    (part, *_) = store.parts("prompt")
    keys = [row["prompt_id"] for row in stores.rows(tmp_path / "store", f"FROM '{store.uri}/{part}'")]
    given = Given()
    key = model_key(phase.fingerprint("random", RankerSettings(), given, Explore()))
    with Lease(store, "rank", "r") as lease:
        work = phase.Phase(
            "random", "random", RankerSettings(), given, Explore(), key, 1, 0.5, store, lease.fence, Origin("r", "v")
        )
        shard = Shard(key, tuple(Item(each, part) for each in keys))
        outcome, rest = work.committed(shard)
        assert (outcome.done, rest) == (0, shard)
        ranker, finished = work.load(), []
        assert work.run(shard, ranker, finished.append).done == len(keys) == sum(finished)
        outcome, rest = work.committed(shard)
        assert (outcome.done, rest.items) == (len(keys), ())
        alone = Shard(key, (Item(keys[0], part, 2),))
        work.blame(alone, BadImage("worker_crashed", "the worker died with this prompt"))
        assert work.committed(alone)[1].items == ()
    (row,) = stores.rows(tmp_path / "store", "FROM quarantine")
    assert (row["uri"], row["reason"], row["attempts"]) == (f"prompt:{keys[0]}", "worker_crashed", 3)
