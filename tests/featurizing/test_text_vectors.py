"""Vectors of what is said of titles and their artworks, as a person gets them: what is new, refused, counted."""

import hashlib
import json
from datetime import UTC, datetime

import duckdb
import pytest
from PIL import Image
from stand_in_endpoint import Reply, answering

from featurize.storage import current, tables
from featurize.storage.store import Store, part_name
from jobs import cli, featurize

WORDS = "captioner-1"


def vectors(seen):
    """Refuses what is longer than 90 letters."""
    texts = json.loads(seen.body)["input"]
    if any(len(text) > 90 for text in texts):
        return Reply(400, "too long")
    data = [{"index": i, "embedding": [1 + text.count("e"), 1 + text.count("a")]} for i, text in enumerate(texts)]
    return Reply(body=json.dumps({"data": data}))


@pytest.fixture
def job(tmp_path, monkeypatch, capsys):
    """Runs the job on three pictures of two titles; returns its exit code, what it asked for, and what it told."""
    monkeypatch.chdir(tmp_path)
    for number, title in enumerate(("a", "a", "b")):
        (tmp_path / "art" / title).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (number, 2, 3)).save(tmp_path / "art" / title / f"{number}.png")
    (tmp_path / "titles.csv").write_text("title_id,name,synopsis\na,The Sea,Waves.\nb,The Wood,\n")
    with answering(vectors) as server:

        def run(*settings, titles="titles.csv", flags=()):
            server.seen.clear()
            text = f'text={{backend="text_endpoint", address="{server.address}", model="m", revision="r"}}'
            given = ["embed=null", "describe=null", "run.executor=local", "input.artwork=art", text, *settings]
            given += [f"input.titles={titles}"] if titles else []
            code = cli.main("featurize", "-", featurize.featurize, [*flags, *(f"--set={each}" for each in given)])
            asked = [text for each in server.seen for text in json.loads(each.body)["input"]]
            told = capsys.readouterr()
            return code, sorted(set(asked) - {"word"}), " ".join((told.out + told.err).split())

        yield run


def say(captions):
    """Table description of the pictures by their numbers."""
    store = Store("store")
    shas = dict(duckdb.sql("SELECT parse_filename(uri), image_sha256 FROM 'store/artwork/**/*.parquet'").fetchall())
    rows = tables.rows(
        "description",
        {
            "image_sha256": [shas[f"{number}.png"] for number in captions],
            "model_key": [WORDS] * len(captions),
            "caption": list(captions.values()),
            **{name: [each] * len(captions) for name, each in _REST.items()},
        },
    )
    store.commit("description", WORDS, part_name([repr(captions)]), rows)


_REST = {
    "raw_text": "{}",
    "status": "ok",
    "finish_reason": "stop",
    "prompt_tokens": 1,
    "output_tokens": 1,
    "run_id": "before",
    "code_version": "test",
    "computed_at": datetime(2026, 1, 1, tzinfo=UTC),
}


def embedded():
    return duckdb.sql("SELECT text, text_sha256, model_key FROM 'store/text_embedding/**/*.parquet'").fetchall()


def test_names_synopses_and_descriptions_get_vectors_and_a_rerun_only_those_that_are_new(job):
    code, asked, told = job()
    assert code == 0, told
    assert asked == ["The Sea", "The Sea. Waves.", "The Wood", "Waves."]
    assert "text 4 4 0" in told.replace("  ", " ")
    say({0: "A ship.", 1: "A ship.", 2: "A tree."})
    assert job()[:2] == (0, ["A ship.", "A tree.", "The Sea. Waves. A ship.", "The Wood. A tree."])
    assert job()[:2] == (0, [])
    rows = embedded()
    assert len(rows) == 8
    assert all(sha == hashlib.sha256(text.encode()).hexdigest() for text, sha, _ in rows)
    (key,) = {key for *_, key in rows}
    assert current.models(Store("store"))["text_embedding"].model_key == key
    code, _, told = job("text.revision=other")
    (other,) = {key for *_, key in embedded()} - {key}
    assert code == 0
    assert f"the current text embeddings are now those of {other}" in told, "it says so in the run that made them"
    assert current.models(Store("store"))["text_embedding"].model_key == other


@pytest.mark.slow
def test_a_text_that_is_refused_is_in_quarantine_and_is_not_asked_for_again(job, tmp_path):
    (tmp_path / "titles.csv").write_text(f"title_id,name,synopsis\na,The Sea,{'Waves. ' * 20}\n")
    code, asked, told = job()
    assert code == 0, told
    assert "model_error 2" in told  # the synopsis, and all that is said as one text
    assert len(asked) == 3
    assert [text for text, *_ in embedded()] == ["The Sea"]
    assert job()[:2] == (0, [])


@pytest.mark.slow
def test_without_titles_and_descriptions_there_is_nothing_to_do_and_a_dry_run_writes_nothing(job, tmp_path):
    assert job(flags=["--dry-run"])[:2] == (0, [])
    assert not (tmp_path / "store").exists()
    code, asked, told = job(titles=None)
    assert (code, asked) == (0, [])
    assert "text" not in told
