"""Letters read over HTTP: the endpoints compute with a real LM, and scores are those that ranker `llm` reads itself."""

import json
import math
import random
import shlex
import sys
from pathlib import Path
from threading import Barrier, Lock

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from stand_in_endpoint import Reply, answering
from transformers import AutoModelForCausalLM

from featurize import config
from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.inference import asking, letters
from featurize.inference.ranker import Given, Prior
from featurize.rankers import openai
from tests.rankers import letters_server, tiny_lms
from tests.rankers.test_llm import PROMPTS, prompt
from tests.rankers.test_llm import ranked as read_here
from tests.ranking import stores

THERE = {"address": "http://host:8000/v1", "model": "m", "revision": "one", "tokenizer": "t"}
SERVER = Path(letters_server.__file__)


class Engine:
    """What an inference engine makes of a request, with a real LM and no batches."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.tokenizer = letters.tokenizer(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.lock = Lock()

    def sure(self, ids):
        with self.lock, torch.inference_mode():
            return self.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1).double()

    def spelled(self, token):
        return self.tokenizer.decode([token])

    def reply(self, seen):
        body = json.loads(seen.body)
        if body["model"] != "lm":
            return Reply(404, json.dumps({"error": f"the model {body['model']} does not exist"}))
        answer = {"/v1/completions": self.vllm, "/v1/score": self.sglang, "/v1/chat/completions": self.chat}
        return Reply(body=json.dumps(answer[seen.path](body)), after_s=random.random() / 100)

    def vllm(self, body):
        assert (body["max_tokens"], body["logprobs"]) == (1, 1)
        by_id = body["return_tokens_as_token_ids"]
        sure = self.sure(body["prompt"])
        drawn = int(sure.argmax())
        top = {
            f"token_id:{token}" if by_id else self.spelled(token): float(sure[token])
            for token in [drawn, *body["logprob_token_ids"]]
        }
        said = {"tokens": [next(iter(top))], "token_logprobs": [float(sure[drawn])], "top_logprobs": [top]}
        return {"choices": [{"text": "?", "logprobs": said, "finish_reason": "length"}]}

    def sglang(self, body):
        assert body["apply_softmax"] is False
        sure = (self.sure([*body["query"], *item]) for item in body["items"])
        return {"scores": [[math.exp(each[token]) for token in body["label_token_ids"]] for each in sure]}

    def chat(self, body):
        assert (body["max_tokens"], body["logprobs"]) == (1, True)
        sure = self.sure(letters.encode(self.tokenizer, letters.text(self.tokenizer, body["messages"])))
        top = [
            {"token": self.spelled(token), "logprob": float(sure[token])}
            for token in sure.argsort(descending=True)[: body["top_logprobs"]].tolist()
        ]
        said = {"content": [{"token": top[0]["token"], "logprob": top[0]["logprob"], "top_logprobs": top}]}
        return {"choices": [{"message": {"content": "?"}, "logprobs": said}]}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Of a model that likes to say letters: the first five are its likeliest words."""
    return Engine(tiny_lms.save(tmp_path_factory.mktemp("lm") / "lm", "phi", leaning=dict.fromkeys("ABCDE", 12)))


@pytest.fixture
def server(engine):
    with answering(engine.reply) as server:
        yield server


def settings(server, engine, **changes):
    given = {"address": server.address, "model": "lm", "revision": "one", "backoff_s": 0.05, "attempts": 3, **changes}
    return openai.Settings(**given if given.get("api") == "chat" else {"tokenizer": engine.folder, **given})


def as_toml(wanted):
    given = json.loads(wanted.model_dump_json(exclude_unset=True))
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in given.items()) + "}"


def ranked(wanted, prompts=PROMPTS, given=Given()):  # noqa: B008
    ranker = openai.Ranker(wanted, given)
    try:
        found = dict(ranker.rank(prompts))
    finally:
        ranker.close()
    assert sorted(found) == list(range(len(prompts)))
    return [found[place] for place in range(len(prompts))]


PRIOR = Prior("t", {count: np.linspace(-0.2, -3, count).tolist() for count in range(2, 6)})


@pytest.mark.parametrize("api", ["vllm", "sglang", "chat"])
@pytest.mark.parametrize("given", [{}, {"orders": 3}, {"known": PRIOR}], ids=["plain", "orders", "prior"])
def test_scores_are_those_that_llm_reads_itself(api, given, server, engine):
    here = read_here(engine.folder, **given)
    there = ranked(settings(server, engine, api=api), given=Given(None, given.get("orders", 1), given.get("known")))
    for one, other in zip(here, there, strict=True):
        assert other.scores == pytest.approx(one.scores, abs=1e-4)
        assert other.by_letter == pytest.approx(one.by_letter, abs=1e-4)
        assert other.letter_share == pytest.approx(one.letter_share, abs=1e-4)
    assert len({tuple(np.argsort(each.scores)) for each in there}) > 3


def test_a_service_that_tells_of_a_letter_in_two_spellings_means_the_same(server, engine):
    top = [{"token": " A", "logprob": -1.0}, {"token": "B", "logprob": -1.5}, {"token": "A", "logprob": -2.0}]
    top += [{"token": "a", "logprob": -3.0}, {"token": "AB", "logprob": -3.5}]
    server.reply = lambda seen: Reply(
        body=json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})
    )
    (found,) = ranked(settings(server, engine, api="chat"), [prompt(1, candidates=2)])
    assert found.scores == pytest.approx([np.logaddexp(-1, -2), -1.5])


def test_a_letter_that_is_not_among_the_likeliest_fails_its_prompt_alone(server, engine):
    prompts = [prompt(n, candidates=2 + 4 * (n == 3)) for n in range(6)]
    found = ranked(settings(server, engine, api="chat", top_logprobs=5), prompts)
    assert isinstance(found[3], BadImage)
    assert (found[3].reason, found[3].retryable) == ("model_error", False)
    told = "no log-probability of F came back: they are not among the 5 likeliest tokens (rank.openai.top_logprobs)"
    assert found[3].detail == told
    assert sum(isinstance(each, BadImage) for each in found) == 1


def test_a_vllm_that_leaves_letters_out_is_found_out_before_any_prompt(server, engine):
    def older(seen):
        body = json.loads(seen.body)
        return engine.reply(seen._replace(body=json.dumps(body | {"logprob_token_ids": body["logprob_token_ids"][:1]})))

    server.reply = older
    told = (
        r"no log-probability of B came back: a vLLM of July 2026 or newer is needed, whose /completions knows logprob_"
    )
    with pytest.raises(RunFailed, match=told):
        openai.Ranker(settings(server, engine), Given())
    assert len(server.seen) == 1


def test_a_tokenizer_that_is_not_the_servers_is_found_out_before_any_prompt(server, engine, monkeypatch):
    monkeypatch.setattr(engine, "spelled", lambda token: engine.tokenizer.decode([token + 1]))
    with pytest.raises(RunFailed, match=r"no log-probability of A came back: .* the tokenizer must be that"):
        openai.Ranker(settings(server, engine), Given())
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("reply", "changes", "told"),
    [
        (Reply(401, "wrong key"), {}, "answered 401: wrong key; check the endpoint's address, model and key"),
        (None, {"model": "other"}, "answered 404: .*the model other does not exist.*; check the endpoint's address"),
        (Reply(400, "too long"), {}, "the endpoint does not answer a small prompt: .* answered 400: too long"),
        (Reply(body='{"scores": [[0.5]]}'), {}, "does not answer a small prompt: .* answered with no log-prob"),
        (Reply(body='{"scores": [[0.5]]}'), {"api": "sglang"}, "no log-probability of A, B came back"),
        (Reply(body='{"scores": [[0.5, 0]]}'), {"api": "sglang"}, "no log-probability of B came back: a probability"),
        (Reply(body='{"choices": [{"logprobs": null}]}'), {"api": "chat"}, "answered with no log-probabilities"),
    ],
)
def test_an_endpoint_that_cannot_work_ends_the_run_before_any_prompt(reply, changes, told, server, engine):
    if reply is not None:
        server.reply = lambda seen: reply
    with pytest.raises(RunFailed, match=told):
        openai.Ranker(settings(server, engine, **changes), Given())
    assert len(server.seen) == 1


def test_a_key_that_is_taken_back_in_the_middle_ends_the_run(server, engine):
    def reply(seen):
        if len(server.seen) > 8:
            return Reply(403, "no more")
        return letters_server.completion(json.loads(seen.body))

    server.reply = reply
    with pytest.raises(RunFailed, match="answered 403: no more; check the endpoint's address, model and key"):
        ranked(settings(server, engine, concurrency=2))
    assert len(server.seen) < 15  # those that had not been sent are not


def test_a_key_is_sent_and_one_that_is_not_set_is_refused(server, engine, monkeypatch):
    monkeypatch.setenv("LETTERS_KEY", "s3cret-of-letters")
    ranked(settings(server, engine, api_key_env="LETTERS_KEY"), PROMPTS[:2])
    assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer s3cret-of-letters"}
    with pytest.raises(RefusedInput, match="environment variable NO_SUCH_KEY, named by 'api_key_env', is not set"):
        openai.Ranker(settings(server, engine, api_key_env="NO_SUCH_KEY"), Given())


def test_failures_that_pass_are_tried_again_and_others_cost_their_prompt_alone(server, engine):
    failed = set()

    def moody(seen):
        ids = json.loads(seen.body)["prompt"]
        if len(ids) == max(lengths):
            return Reply(400, "this model's maximum context length is 200 tokens")
        if seen.body in failed:
            return engine.reply(seen)
        failed.add(seen.body)
        return Reply(503, "busy")

    prompts = [*PROMPTS[:5], prompt(99, history=90), *PROMPTS[5:8]]
    reader = asking.Reader(engine.tokenizer)
    lengths = [len(reader.question(each.messages, len(each.artwork_ids)).ids) for each in prompts]
    server.reply = moody
    found = ranked(settings(server, engine, concurrency=4), prompts, Given(orders=2))
    assert isinstance(found[5], BadImage)
    assert "answered 400: this model's maximum context length" in found[5].detail
    expected = read_here(engine.folder, prompts[:5] + prompts[6:], orders=2)
    for one, other in zip(expected, found[:5] + found[6:], strict=True):
        assert other.scores == pytest.approx(one.scores, abs=1e-4)


def test_as_many_requests_as_concurrency_says_are_under_way_at_once(server, engine):
    barrier = Barrier(10, timeout=10)  # opens only when 10 requests are inside the server

    def reply(seen):
        if len(server.seen) > 1:
            barrier.wait()
        return letters_server.completion(json.loads(seen.body))

    server.reply = reply
    ranked(settings(server, engine, concurrency=10), PROMPTS)
    assert len(server.seen) == 1 + len(PROMPTS)


def serve(*more):
    return " ".join([*map(shlex.quote, [sys.executable, str(SERVER)]), "{port}", "{weights}", *map(str, more)])


def test_a_server_of_its_own_that_dies_costs_no_prompt(engine, tmp_path):
    wanted = openai.Settings(
        serve=serve(tmp_path / "died"), model=engine.folder, log_dir=tmp_path / "logs", backoff_s=0.2, concurrency=8
    )
    found = ranked(wanted, given=Given(orders=3))
    assert (tmp_path / "died").exists()
    assert len(list((tmp_path / "logs").iterdir())) == 2
    reader = asking.Reader(engine.tokenizer)

    def made_up(questions):
        for place, each in enumerate(questions):
            yield place, np.array([letters_server.made_up(each.ids, token) for token in each.wanted])

    for place, expected in asking.ranked(PROMPTS, Given(orders=3), reader.question, made_up):
        assert found[place].scores == pytest.approx(expected.scores)


def test_a_fingerprint_is_the_operators_word_or_that_of_the_weights(engine, tmp_path):
    tokenizer = tmp_path / "t"
    engine.tokenizer.save_pretrained(tokenizer)
    at = {**THERE, "tokenizer": str(tokenizer)}

    def key(given=Given(), **changes):  # noqa: B008
        return json.dumps(openai.Ranker.fingerprint(openai.Settings(**{**at, **changes}), given), sort_keys=True)

    there = key()
    assert there == key(address="http://elsewhere/v1") == key(concurrency=7) == key(timeout_s=1, workers=3)
    others = [key(revision="two"), key(model="n"), key(api="sglang"), key(Given(orders=2)), key(Given(prior=PRIOR))]
    others += [key(api="chat", tokenizer=None), key(api="chat", tokenizer=None, top_logprobs=5)]
    (tokenizer / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert len({there, key(), *others}) == len(others) + 2
    own = {"address": None, "revision": None, "tokenizer": None, "serve": serve(), "model": engine.folder}
    (tmp_path / "moved").symlink_to(engine.folder)
    assert key(**own) == key(**own | {"serve": serve("--quick"), "model": str(tmp_path / "moved")})
    with pytest.raises(RefusedInput, match=r"tokenizer '/nowhere' is neither a folder with tokenizer_config\.json"):
        key(tokenizer="/nowhere")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"serve": "s {weights} {port}"}, "exactly one of 'address' and 'serve'"),
        ({"revision": None}, "'address' needs a 'revision'"),
        ({"tokenizer": None}, "'address' with api = vllm needs a 'tokenizer': that of the model there"),
        ({"api": "chat"}, "'tokenizer' goes with 'address' and api = vllm or sglang"),
        ({"address": None, "revision": None, "serve": "s {weights} {port}"}, "'tokenizer' goes with 'address'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, told):
    with pytest.raises(ValidationError, match=told):
        openai.Settings(**{**THERE, **changes})


def test_its_section_is_asked_for_and_its_settings_are_known_by_name():
    with pytest.raises(RefusedInput, match=r"rank: ranker 'openai' needs settings of its own: rank.openai.model"):
        config.load("local", ['rank.rankers=["openai"]'])
    with pytest.raises(RefusedInput, match=r"rank.openai.adress: no such setting; did you mean rank.openai.address\?"):
        config.load("local", ["rank.openai.model=m", "rank.openai.adress=http://host/v1"])
    with pytest.raises(RefusedInput, match=r'rank.openai.api: "vlm" is refused; wanted: vllm, .*; did you mean vllm\?'):
        config.load("local", ["rank.openai={model='m', api='vlm'}"])


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    return stores.with_prompts(tmp_path_factory.mktemp("world"), impressions=40, prompts__held_out=4)


@pytest.mark.slow
def test_it_ranks_a_store_as_llm_does_and_with_the_same_prior(prompted, server, engine, tmp_path, capsys):
    store = stores.copied(prompted, tmp_path)
    given = {"rank__openai": as_toml(settings(server, engine)), "rank__models": json.dumps([engine.folder])}
    given |= {"rank__llm__dtype": "float32", "rank__min_letter_share": 0, "rank__prior": "pride"}
    assert stores.run(store, rank__rankers='["llm", "openai"]', **given) == 0
    by_backend = {"llm": {}, "openai": {}}
    for row in stores.rows(store):
        by_backend[row["model_key"].partition("-")[0]][row["prompt_id"], row["artwork_id"]] = row
    here, there = by_backend.values()
    assert here.keys() == there.keys() != set()
    for key, row in here.items():
        assert there[key]["score"] == pytest.approx(row["score"], abs=1e-4)
        assert there[key]["letter_share"] == pytest.approx(row["letter_share"], abs=1e-4)
    known = {}
    for row in stores.rows(store, "FROM model WHERE backend IN ('llm', 'openai')"):
        known[row["backend"]] = json.loads(row["fingerprint"])["ranker"]["prior"]["by_count"]
    for count, prior in known["llm"].items():
        assert known["openai"][count] == pytest.approx(prior, abs=1e-4)


def test_a_prompt_with_a_letter_that_is_not_told_of_goes_to_quarantine(prompted, server, engine, tmp_path):
    def reply(seen):
        said = json.loads(seen.body)["messages"][-1]["content"]
        top = [{"token": letter, "logprob": -1 - number} for number, letter in enumerate(letters.LETTERS[:20])]
        lacks = sum(map(ord, said)) % 4 == 0  # of the same prompts each time
        return Reply(body=json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top[lacks:]}]}}]}))

    server.reply = reply
    store = stores.copied(prompted, tmp_path)
    given = {"rank__rankers": '["openai"]', "rank__openai": as_toml(settings(server, engine, api="chat"))}
    given |= {"rank__split": "all"}
    assert stores.run(store, **given) == 0
    failed = {row["uri"]: row for row in stores.rows(store, "FROM quarantine WHERE starts_with(uri, 'prompt:')")}
    done = {f"prompt:{row['prompt_id']}" for row in stores.rows(store)}
    assert failed.keys() | done == {f"prompt:{row['prompt_id']}" for row in stores.rows(store, "FROM prompt")}
    assert failed
    assert done.isdisjoint(failed)
    for row in failed.values():
        assert (row["stage"], row["reason"], row["retryable"]) == ("model", "model_error", False)
        assert row["detail"].startswith("no log-probability of A came back: they are not among the 20 likeliest")
    seen = len(server.seen)
    assert stores.run(store, **given) == 0
    assert len(server.seen) == seen


def test_more_candidates_than_likeliest_tokens_are_refused_before_any_request(prompted, server, engine, capsys):
    wanted = as_toml(settings(server, engine, api="chat", top_logprobs=2))
    assert stores.run(prompted, rank__rankers='["random", "openai"]', rank__openai=wanted) == 2
    assert "ranker 'openai' reads 2 letters at most, and a prompt has" in capsys.readouterr().err
    assert server.seen == []
    assert not (prompted / "ranking").exists()


@pytest.mark.slow
def test_servers_of_its_own_are_placed_by_the_executor(prompted, engine, tmp_path):
    store = stores.copied(prompted, tmp_path)
    wanted = {"serve": serve(), "model": engine.folder, "log_dir": tmp_path / "logs", "workers": 2, "cpus": 1}
    given = {"rank__openai": as_toml(openai.Settings(**wanted)), "run__executor": "ray", "rank__split": "all"}
    assert stores.run(store, rank__rankers='["openai"]', rank__shard_prompts=16, **given) == 0
    assert len(list((tmp_path / "logs").iterdir())) == 2
    assert {row["prompt_id"] for row in stores.rows(store)} == {
        row["prompt_id"] for row in stores.rows(store, "FROM prompt")
    }
