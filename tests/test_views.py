"""The views show what is committed, by the models in use, wherever they are opened from."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

from featurize import tables, views
from featurize.store import Store
from jobs import sql

DAY = datetime(2026, 11, 1, tzinfo=UTC)
LABELS = {"mood": ["bright", "dark"], "people": ["none", "some"]}


def night(number, minutes=0):
    return DAY + timedelta(days=number, minutes=minutes)


def commit(store, table, rows, folder="", part="p"):
    """Rows are dicts; what every row carries is filled in."""
    columns = tables.contract(table).schema.names
    filled = [{"run_id": "r1", "code_version": "v", "computed_at": night(1)} | row for row in rows]
    given = [name for name in columns if name in filled[0]]
    values = {name: [row[name] for row in filled] for name in given}
    if "embedding" in values:
        values["embedding"] = np.array(values["embedding"], np.float32)
    store.commit(table, folder, part, tables.rows(table, values))


def artwork(artwork_id, title_id, sha, on, present=True):
    return {
        "artwork_id": artwork_id,
        "title_id": title_id,
        "uri": f"/pictures/{artwork_id}.jpg",
        "image_sha256": sha * 64,
        "size": 1,
        "source": "/pictures",
        "present": present,
        "seen_at": night(on),
    }


def embed(store, key, vectors, part="p"):
    rows = [{"image_sha256": sha * 64, "model_key": key, "embedding": vector} for sha, vector in vectors.items()]
    commit(store, "image_embedding", rows, key, part)


def describe(store, key, captions):
    fields = {"raw_text": "{}", "status": "ok", "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
    rows = [{"image_sha256": s * 64, "model_key": key, "caption": text, **fields} for s, text in captions.items()]
    commit(store, "description", rows, key)


def tag(store, key, best):
    rows = [
        {
            "image_sha256": sha * 64,
            "model_key": key,
            "attribute": attribute,
            "label": label,
            "score": 0.0,
            "probability": 0.75 if label in chosen else 0.25,
        }
        for sha, chosen in best.items()
        for attribute, labels in LABELS.items()
        for label in labels
    ]
    commit(store, "image_tag", rows, key)


def refuse(store, sha, key, attempt, on, *, stage="model", retryable=True, uri=None):
    failure = {
        "image_sha256": sha * 64,
        "uri": uri or f"/pictures/of-{sha}.jpg",
        "stage": stage,
        "model_key": key,
        "reason": "model_error" if stage == "model" else "truncated" if stage == "decode" else "unreadable",
        "detail": "x",
        "retryable": retryable,
        "attempts": attempt,
        "computed_at": night(on, 1),
    }
    commit(store, "quarantine", [failure], key, f"{sha or 'unread'}-{stage}-{attempt}-{on}")


def run(store, run_id, on, phases, outcome="done"):
    counts = {"artworks found": 7, "removed": on, "quarantined": {"truncated": 1, "model_error": 2}}
    counts["phases"] = [
        {"name": name, "model_key": key, "new": 5, "done": 4, "quarantined": {"truncated": 1}}
        | {"startup_s": 1.0, "work_s": 2.0, "batch_size": 1}
        for name, key in phases.items()
    ]
    row = {"run_id": run_id, "job": "featurize", "outcome": outcome, "message": "", "started_at": night(on)}
    settings = {"input": {"artwork": "/pictures"}, "run": {"max_attempts": 3}}
    commit(
        store,
        "run",
        [row | {"settings": json.dumps(settings), "seconds": 9.0, "counts": json.dumps(counts)}],
        "",
        run_id,
    )


def model(store, key, on, **fingerprint):
    row = {"model_key": key, "backend": key.split("-")[0], "fingerprint": json.dumps(fingerprint)}
    commit(store, "model", [row | {"computed_at": night(on)}], "", key)


def fill(store):
    """Seven pictures under eight artworks, three image models, and every way to fail."""
    first = [artwork(f"a{n}", f"t{n % 2}", sha, 1) for n, sha in enumerate("1234567")]
    commit(store, "artwork", [*first, artwork("copy", "t9", "1", 1)], part="night1")
    commit(store, "artwork", [artwork("a1", "t1", "8", 2), artwork("a2", "t0", "3", 2, present=False)], part="night2")
    for key, on in {"clip-old": 1, "clip-new": 2, "words-1": 1, "clip-broken": 3}.items():
        model(store, key, on)
    model(store, "tags-1", 2, image="clip-new")
    embed(store, "clip-old", {sha: [0.6, 0.8] for sha in "123456"})
    embed(store, "clip-new", {"1": [1, 0, 0], "2": [0, 0, 1], "3": [0.96, 0.28, 0], "4": [0.8, 0.6, 0]})
    embed(store, "clip-new", {"8": [0.6, 0.8, 0], "5": [0, 0.6, 0.8]}, "retried")
    embed(store, "clip-broken", {"1": [1]})
    tag(store, "tags-1", {"1": ("bright", "none"), "8": ("dark", "some")})
    describe(store, "words-1", {"1": "one", "8": "eight", "4": "four", "5": "five"})
    refuse(store, "5", "clip-new", 1, 1)  # the next attempt, of night 2, went well
    refuse(store, "6", "clip-new", 1, 1)
    refuse(store, "6", "clip-new", 2, 2)
    refuse(store, "7", "decode-1", 1, 1, stage="decode", retryable=False)
    refuse(store, "3", "words-1", 1, 1)  # of an artwork that was removed
    run(store, "r1", 1, {"embed": "clip-old", "describe": "words-1"})
    run(store, "r2", 2, {"embed": "clip-new", "tag": "tags-1", "describe": "words-1"})
    run(store, "r3", 3, {"embed": "clip-broken"}, outcome="failed")


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path / "it's a [store]*"))
    fill(made)
    return made


def ask(store, question):
    with views.connect(store) as db:
        return db.execute(question).fetchall()


def test_current_models_are_those_of_the_newest_finished_run(store):
    current = [("description", "words-1"), ("image_embedding", "clip-new"), ("image_tag", "tags-1")]
    assert ask(store, "FROM current_model ORDER BY feature") == current


def test_before_a_run_has_finished_the_newest_model_is_current(tmp_path):
    store = Store(str(tmp_path))
    for key, on in {"clip-b": 1, "clip-a": 2}.items():
        model(store, key, on)
        embed(store, key, {"1": [1, 0]})
    assert ask(store, "SELECT model_key FROM current_model") == [("clip-a",)]


def test_one_row_per_present_artwork_with_what_the_current_models_say(store):
    found = ask(
        store,
        "SELECT artwork_id, caption, tags['mood'].label, tags['people'].probability, embedding, typeof(embedding) "
        "FROM artwork_features ORDER BY ALL",
    )
    kind = "FLOAT[3]"
    near = pytest.approx
    assert found == [
        ("a0", "one", "bright", 0.75, near((1, 0, 0)), kind),
        ("a1", "eight", "dark", 0.75, near((0.6, 0.8, 0)), kind),
        ("a3", "four", None, None, near((0.8, 0.6, 0)), kind),
        ("a4", "five", None, None, near((0, 0.6, 0.8)), kind),
        ("a5", None, None, None, None, kind),
        ("a6", None, None, None, None, kind),
        ("copy", "one", "bright", 0.75, near((1, 0, 0)), kind),
    ]


def test_a_picture_with_two_rows_of_one_model_stays_one_artwork(store):
    embed(store, "clip-new", {"1": [1, 0, 0]}, "again")
    assert ask(store, "SELECT count(*), count(DISTINCT artwork_id) FROM artwork_features") == [(7, 7)]


def test_coverage_adds_up_to_the_pictures_of_today(store):
    found = ask(store, "SELECT feature, model_key, current, pictures, done, quarantined, pending FROM coverage")
    assert found == [
        ("description", "words-1", True, 6, 4, 1, 1),
        ("image_embedding", "clip-new", True, 6, 4, 2, 0),
        ("image_embedding", "clip-broken", False, 6, 1, 1, 4),
        ("image_embedding", "clip-old", False, 6, 4, 1, 1),
        ("image_tag", "tags-1", True, 6, 2, 2, 2),
    ]


def test_quarantine_is_open_only_where_a_present_picture_still_lacks_a_row(store):
    found = ask(store, "SELECT artwork_ids, reason, attempts, lacks FROM quarantine_open ORDER BY ALL")
    assert found == [
        (["a5"], "model_error", 2, ["image_embedding", "image_tag"]),
        (["a6"], "truncated", 1, ["description", "image_embedding", "image_tag"]),
    ]
    embed(store, "clip-new", {"6": [1, 0, 0]}, "third attempt")
    assert ask(store, "SELECT artwork_ids FROM quarantine_open") == [(["a6"],)]


def test_a_file_that_could_not_be_read_is_settled_by_a_later_look_at_it(store):
    refuse(store, "", "decode-1", 1, 2, stage="read", uri="/pictures/new.jpg")
    unread = "SELECT uri, lacks FROM quarantine_open WHERE image_sha256 = ''"
    assert ask(store, unread) == [("/pictures/new.jpg", None)]
    run(store, "r4", 4, {}, outcome="failed")
    assert len(ask(store, unread)) == 1
    run(store, "r5", 5, {})  # would have tried again: it was read, or is no longer listed
    assert ask(store, unread) == []
    refuse(store, "", "decode-1", 3, 5, stage="read", uri="/pictures/new.jpg")
    run(store, "r6", 6, {})  # did not try again, after three attempts
    assert len(ask(store, unread)) == 1
    commit(store, "artwork", [artwork("new", "t1", "9", 7)], part="night7")
    assert ask(store, unread) == []


def test_runs_have_their_counts_unpacked(store):
    assert ask(
        store,
        "SELECT run_id, outcome, counts['artworks found'], counts['removed'], counts['quarantined.truncated'], to_do "
        "FROM runs",
    ) == [("r1", "done", 7, 1, 1, 10), ("r2", "done", 7, 2, 1, 15), ("r3", "failed", 7, 3, 1, 5)]
    phases = ask(store, "SELECT phase, done, quarantined, per_second FROM run_phase WHERE run_id = 'r2' ORDER BY 1")
    assert phases == [("describe", 4, 1, 2.5), ("embed", 4, 1, 2.5), ("tag", 4, 1, 2.5)]


def test_similar_artwork_is_the_cosine_of_present_artworks_without_the_one_asked_for(store):
    found = ask(store, "SELECT artwork_id, cosine FROM similar_artwork('a0', 3)")
    assert found == [("copy", pytest.approx(1)), ("a3", pytest.approx(0.8)), ("a1", pytest.approx(0.6))]
    assert len(ask(store, "FROM similar_artwork('a0', 100)")) == 4
    assert ask(store, "FROM similar_artwork('a5', 3)") == []  # has no vector
    assert ask(store, "FROM similar_artwork('nobody', 3)") == []


def test_a_prompt_leads_back_to_the_picture_as_it_was(store):
    prompt = {
        "prompt_id": "0" * 32,
        "kind": "logged",
        "impression_id": "i1",
        "member_id": "m1",
        "title_id": "t1",
        "asked_at": night(1, 5),
        "artwork_ids": ["a3", "a1"],
        "messages": [{"role": "user", "content": "?"}],
        "prompt": "?",
        "answer": "B",
        "reward": 1.0,
        "propensity": 0.5,
        "split": "train",
        "as_of": night(1, 30),
        "template_key": "x",
        "model_key": "words-1",
        "recipe_key": "y",
        "tokens": 1,
        "tokens_by": "characters",
        "run_id": "r2",
        "computed_at": night(3),
    }
    commit(store, "prompt", [prompt])
    lineage = "SELECT letter, artwork_id, shown, image_sha256[1], caption, backend, prompt_run_id FROM prompt_lineage"
    assert ask(store, f"{lineage} ORDER BY place") == [
        ("A", "a3", False, "4", "four", "words", "r2"),
        ("B", "a1", True, "2", None, "words", "r2"),  # replaced after as_of
    ]
    commit(store, "prompt", [prompt | {"prompt_id": "1" * 32, "as_of": None}], part="later")
    assert ask(store, f"{lineage} WHERE prompt_id[1] = '1' AND shown")[0][3:5] == ("8", "eight")


def test_a_store_without_any_part_has_every_view(tmp_path):
    store = Store(str(tmp_path))
    with views.connect(store) as db:
        for name in (*views.TABLES, *views.READABLE[:-1], "current_model"):
            assert db.execute(f"FROM {name}").fetchall() == []
        assert db.execute("FROM similar_artwork('a', 5)").fetchall() == []
        empty = {name: db.table(name).types for name in views.TABLES}
    fill(store)
    with views.connect(store) as db:
        assert {name: db.table(name).types for name in views.TABLES} == empty


def everything(db):
    db.execute("SET TimeZone = 'UTC'")
    names = (*views.TABLES, "artwork_features", "coverage", "runs", "quarantine_open")
    return {name: sorted(db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {name}").fetchall(), key=str) for name in names}


def test_both_files_hold_the_views_and_work_from_any_folder(store, tmp_path, monkeypatch):
    monkeypatch.chdir(store.uri)
    views.refresh(Store("."))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with views.connect(store) as db, duckdb.connect(f"{store.uri}/catalog.duckdb", read_only=True) as file:
        with duckdb.connect() as text:
            text.execute((tmp_path / store.uri / "catalog.sql").read_text())
            assert everything(file) == everything(text) == everything(db)
            listed = "SELECT view_name, sql, comment FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
            assert file.execute(listed).fetchall() == text.execute(listed).fetchall()
        bare = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL"
        assert {name for (name,) in file.execute(bare).fetchall()} <= set(views.TABLES)


def test_a_refresh_leaves_an_open_reader_alone_and_writes_only_what_changed(store):
    views.refresh(store)
    path = f"{store.uri}/catalog.duckdb"
    with duckdb.connect(path) as reader:
        reader.execute("CREATE TABLE mine AS SELECT 1 AS x")  # now there is a log next to the file
        before = os.stat(path).st_ino
        views.refresh(store)
        assert os.stat(path).st_ino == before
        embed(store, "clip-next", {"1": [1, 0, 0, 0]})
        run(store, "r9", 9, {"embed": "clip-next"})
        views.refresh(store)
        assert os.stat(path).st_ino != before
        program = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute('FROM current_model').fetchall())"
        other = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
        assert "clip-next" in other.stdout
        kept = reader.execute("SELECT typeof(embedding) FROM artwork_features, mine LIMIT 1").fetchall()
        assert kept == [("FLOAT[3]",)]
    files = {name for name in os.listdir(store.uri) if os.path.isfile(f"{store.uri}/{name}")}
    assert files == {"catalog.duckdb", "catalog.sql"}


def test_rows_committed_after_a_refresh_are_seen(store):
    views.refresh(store)
    with duckdb.connect(f"{store.uri}/catalog.duckdb", read_only=True) as db:
        before = db.execute("SELECT done FROM coverage WHERE model_key = 'words-1'").fetchall()
        commit(store, "artwork", [artwork("a9", "t1", "9", 2)], part="more")
        assert db.execute("SELECT count(*) FROM artwork_features").fetchall() == [(8,)]
        assert db.execute("SELECT done FROM coverage WHERE model_key = 'words-1'").fetchall() == before


def test_a_store_on_s3_gives_the_same_answers(tmp_path, monkeypatch, capsys):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        pafs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True).create_dir("bucket")
        here, there = Store(str(tmp_path)), Store("s3://bucket/store")
        for store in (here, there):
            fill(store)
            views.refresh(store)
        with views.connect(here) as local, views.connect(there) as remote:
            assert everything(local) == everything(remote)
            similar = "FROM similar_artwork('a0', 3)"
            assert local.execute(similar).fetchall() == remote.execute(similar).fetchall()
        text = there.read("catalog.sql").decode()
        assert "read_parquet('s3://bucket/store/artwork/**/*.parquet'" in text
        assert sql.main(["--set", f"store={there.uri}", "-c", "SELECT count(*) AS artworks FROM artwork_present"]) == 0
        assert "7" in capsys.readouterr().out
    finally:
        server.stop()


def test_a_question_from_the_command_line(store, capsys):
    place = ["--set", f"store={json.dumps(store.uri)}"]
    assert sql.main([*place, "-c", "SELECT caption FROM artwork_features WHERE artwork_id = 'a1'"]) == 0
    assert "eight" in capsys.readouterr().out
    assert sql.main([*place, "-c", "SELECT nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert sql.main(["--set", "store=nowhere", "-c", "SELECT 1"]) == 2
    assert "there is no store" in capsys.readouterr().err


def test_the_shell_is_opened_with_every_view_where_there_is_one(store, tmp_path):
    """Somebody's shell, called as DuckDB's is: it runs the file of `-init` and asks one question."""
    shell = tmp_path / "bin" / "duckdb"
    shell.parent.mkdir()
    asks = "db.execute(open(sys.argv[2]).read()); print(sys.argv[1], db.execute('FROM artwork_present').fetchall())"
    shell.write_text(f"#!{sys.executable}\nimport duckdb, sys\ndb = duckdb.connect()\n{asks}\n")
    shell.chmod(0o755)
    command = [sys.executable, "-m", "jobs.sql", "--set", f"store={json.dumps(store.uri)}"]
    environment = {**os.environ, "PATH": str(shell.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("-init ")
    assert "'/pictures/a1.jpg'" in done.stdout


def test_a_conversation_without_the_shell(store):
    asked = "SELECT count(*) AS n\nFROM artwork_present;\nSELECT nonsense;\nFROM current_model;\n"
    environment = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "jobs.sql", "--set", f"store={json.dumps(store.uri)}"],
        input=asked,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "similar_artwork" in done.stdout
    assert "clip-new" in done.stdout
    assert "nonsense" in done.stderr
