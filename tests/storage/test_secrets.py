"""What counts as a secret, and that nothing else is blotted out."""

import base64
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurize import config
from featurize.errors import RefusedInput
from featurize.storage import secrets
from featurize.storage.secrets import in_address, redact

CANARY = 'wJalr/XUtn+FE"MI é'


@pytest.mark.parametrize(
    "name",
    [
        *(
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "HF_TOKEN",
            "OPENAI_API_KEY",
            "APIKEY",
            "PGPASSWORD",
            "DB_PASS",
        ),
        *("MY_CREDENTIALS", "SIGNING_KEY", "api_key", "MYSQL_PWD", "MEMBER_KEY_2"),
    ],
)
def test_the_value_of_a_variable_named_like_a_secret_is_hidden_in_every_spelling(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, CANARY)
    spellings = [
        CANARY,
        json.dumps(CANARY),
        json.dumps(CANARY, ensure_ascii=False),
        json.dumps(CANARY).replace("/", "\\/"),
    ]
    spellings.append(base64.b64encode(CANARY.encode()).decode().rstrip("="))
    spellings += [json.dumps(repr([CANARY])), repr(repr(CANARY))]
    for text in (*spellings, quote(CANARY), quote(CANARY, safe=""), repr(CANARY)):
        assert re.sub(r"[\"'\\\[\]]", "", redact(f"before{text}after")) == "before***after"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=secrets.SHORTEST), st.text(), st.text())
def test_no_text_gives_a_known_secret_away(value: str, before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANARY_TOKEN", value)
        left = redact(f"{before}{value}{after}")
        assert value not in left or value in secrets.HIDDEN * 9


def test_a_key_of_many_lines_is_hidden_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["-----BEGIN KEY-----", "MIIEvQIBADANBgkqhkiG9w0", "zTf38kqXo1Gx0aVtY7Jp2Lw"]
    monkeypatch.setenv("SIGNING_KEY", "\n".join(lines))
    for line in lines:
        assert redact(f"2026 INFO {line} read") == "2026 INFO *** read"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("vllm serve m --api-key X --port 1", "vllm serve m --api-key *** --port 1"),
        ("vllm serve m --api-key=X --port 1", "vllm serve m --api-key=*** --port 1"),
        ("serve --api-key 'two words' --port 1", "serve --api-key *** --port 1"),
        ("env HF_TOKEN=X vllm serve m", "env HF_TOKEN=*** vllm serve m"),
        ("args: ['--api-key', 'X', '--port']", "args: ['--api-key', ***, '--port']"),
        ("non-default args: {'api_key': ['X'], 'port': 1}", "non-default args: {'api_key': [***], 'port': 1}"),
        ('{"password": "X", "user": "me"}', '{"password": ***, "user": "me"}'),
        ("Authorization: Bearer X", "Authorization: Bearer ***"),
        ("x-api-key: X", "x-api-key: ***"),
        ("got bearer X, refused", "got bearer ***, refused"),
        ("https://me:X@host/v1", "https://***@host/v1"),
        ("GET https://host/a.jpg?sig=X&t=1 failed", "GET https://host/a.jpg?*** failed"),
    ],
)
def test_what_its_surroundings_call_a_secret_is_hidden(text: str, left: str) -> None:
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve m --max-num-batched-tokens 4096 --tokenizer t --port 1",
        "no answer after max_new_tokens=96, output_tokens=97",
        "the key 'backend' is missing",
        "line 3: unexpected token: <",
        "prompts.member_key_env: the environment variable MEMBERS is not set",
        "s3://bucket/part-?.parquet has no column",
        "a low-key film; mail me@host.org",
        "model_key open_clip_image-8ce308cf4a039c52",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_secret_that_is_no_utf8_is_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", b"abc\xffdef".decode("utf-8", "surrogateescape"))
    assert redact(b"<abc\xffdef>".decode("utf-8", "surrogateescape")) == "<***>"


def test_settings_and_a_list_of_names_say_which_variables_hold_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(secrets.NAMES, "PEPPER")
    monkeypatch.setenv("PEPPER", "black-pepper")
    monkeypatch.setenv("SALT", "sea-salt")
    assert redact("black-pepper and sea-salt") == "*** and sea-salt"
    secrets.learn({"prompts": {"member_key_env": "SALT"}, "describe": {"serve": "vllm --api-key chives --port 1"}})
    assert redact("black-pepper, sea-salt and chives") == "***, *** and ***"


def test_where_a_secret_lies_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/aws/token")
    monkeypatch.setenv("USE_TOKEN", "1")
    assert redact("cannot read /run/aws/token in 1 s") == "cannot read /run/aws/token in 1 s"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://me:word@bucket/store", "a user or password"),
        ("s3://me@bucket/store", "a user or password"),
        ("file://me@/store", "a user or password"),
        ("s3://bucket/store?endpoint_override=host", "a query"),
        ("https://host/v1?key", "a query"),
        ("s3://bucket/a@b/part-?.parquet", None),
        ("https://host:8000/v1", None),
        ("me@host/folder?x=1", None),
        ("file:///a/b", None),
    ],
)
def test_an_address_with_a_user_password_or_query_is_found(address: str, found: str | None) -> None:
    assert in_address(address) == found


ADDRESSES = ["store", "labels", "embed.model", "input.artwork", "input.titles", "input.history", "input.impressions"]


@pytest.mark.parametrize(
    "setting", [*ADDRESSES, "input.pairs", "prompts.template", "prompts.tokenizer", "prompts.export"]
)
@pytest.mark.parametrize("address", ["s3://me:{}@bucket/x", "https://host/x?token={}"])
def test_a_setting_with_one_is_refused_by_its_name_and_without_its_words(setting: str, address: str) -> None:
    with pytest.raises(
        RefusedInput, match=rf"{setting}: an address with a (user or password|query) is refused"
    ) as told:
        config.load("local", [f"{setting}={address.format('c4n4ry')}"])
    assert "c4n4ry" not in str(told.value)


@pytest.mark.parametrize("address", ["http://me:c4n4ry@host/v1", "http://host/v1?key=c4n4ry"])
def test_so_is_the_address_of_an_endpoint(address: str) -> None:
    endpoint = f'{{backend = "openai_endpoint", address = "{address}", model = "m", revision = "r"}}'
    with pytest.raises(RefusedInput, match=r"describe\.address: an address with a") as told:
        config.load("local", [f"describe={endpoint}"])
    assert "c4n4ry" not in str(told.value)
