"""The views work from wherever they are opened: the two files, S3, the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from featurize.storage import views
from featurize.storage.store import Store
from jobs import sql

from .stores import artwork, commit, describe, embed, fill, model, night, run


def everything(db):
    db.execute("SET TimeZone = 'UTC'")
    names = (*views.TABLES, "artwork_features", "coverage", "runs", "quarantine_open")
    return {name: sorted(db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {name}").fetchall(), key=str) for name in names}


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_refresh_leaves_an_open_reader_alone_and_writes_only_what_changed(store):
    views.refresh(store)
    path = f"{store.uri}/catalog.duckdb"
    with duckdb.connect(path) as reader:
        reader.execute("CREATE TABLE mine AS SELECT 1 AS x")  # now there is a log next to the file
        before = os.stat(path).st_ino
        views.refresh(store)
        assert os.stat(path).st_ino == before
        embed(store, "clip-next", {sha: [1, 0, 0, 0] for sha in "1458"})
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


def test_the_database_reads_the_store_that_it_lies_in(store, tmp_path):
    """Copied or moved, as it was opened; also through a link, and where the name has characters of patterns."""
    views.refresh(store)
    shutil.copytree(store.uri, tmp_path / "co[p]y")
    shutil.rmtree(tmp_path / "co[p]y" / "description")
    describe(Store(str(tmp_path / "co[p]y")), "words-1", {"1": "of the copy"})
    captions = "SELECT DISTINCT caption FROM artwork_features WHERE caption IS NOT NULL ORDER BY ALL"
    here = [("eight",), ("five",), ("four",), ("one",)]
    (tmp_path / "link").symlink_to(tmp_path / "co[p]y")
    for place in ("co[p]y", "link"):
        with duckdb.connect(str(tmp_path / place / "catalog.duckdb"), read_only=True) as db:
            assert db.execute(captions).fetchall() == [("of the copy",)]
    with duckdb.connect(f"{store.uri}/catalog.duckdb", read_only=True) as db:
        assert db.execute(captions).fetchall() == here
    with duckdb.connect() as db:
        db.execute("ATTACH '" + store.uri.replace("'", "''") + "/catalog.duckdb' AS it (READ_ONLY)")
        assert db.execute(captions.replace("FROM ", "FROM it.")).fetchall() == here
    os.rename(store.uri, tmp_path / "moved")
    with duckdb.connect(str(tmp_path / "moved" / "catalog.duckdb"), read_only=True) as db:
        assert db.execute(captions).fetchall() == here


@pytest.mark.slow
def test_a_database_that_cannot_tell_its_store_says_so_until_make_sql_writes_it_again(store, tmp_path):
    views.refresh(store)
    shutil.copytree(store.uri, tmp_path / "copy")
    captions = "SELECT count(caption) FROM {}artwork_features"

    def asked(statements, prefix, opened=":memory:"):
        with duckdb.connect(opened) as db:
            db.execute(statements)
            return db.execute(captions.format(prefix)).fetchall()

    copy, own = str(tmp_path / "copy" / "catalog.duckdb"), store.uri.replace("'", "''") + "/catalog.duckdb"
    unsure = r"written for the store at .*open its catalog.duckdb by itself, or run `make sql`"
    for statements, prefix, opened in (
        (f"ATTACH '{copy}' AS copy", "copy.", ":memory:"),
        (f"ATTACH '{own}' AS own", "own.", copy),
        ("SET temp_directory = '/nowhere'", "", copy),
    ):
        with pytest.raises(duckdb.InvalidInputException, match=unsure):
            asked(statements, prefix, opened)
    assert sql.main(["--set", f"store={tmp_path / 'copy'}", "-c", "SELECT 1"]) == 0
    assert asked(f"ATTACH '{copy}' AS copy", "copy.") == [(5,)]
    assert asked("SET temp_directory = '/nowhere'", "", copy) == [(5,)]


@pytest.mark.slow
def test_a_store_that_cannot_be_written_is_asked_all_the_same(store, capsys):
    (Path(store.uri) / "catalog.sql").mkdir()  # root writes into any folder, and nobody a file in the place of a folder
    place = ["--set", f"store={json.dumps(store.uri)}"]
    assert sql.main([*place, "-c", "SELECT caption FROM artwork_features WHERE artwork_id = 'a1'"]) == 0
    assert "eight" in capsys.readouterr().out


def test_parts_from_before_a_column_have_null_in_it(store):
    prompt = {
        "prompt_id": "0" * 32,
        "kind": "logged",
        "impression_id": "i1",
        "member_id": "m1",
        "title_id": "t1",
        "asked_at": night(1),
        "artwork_ids": ["a3", "a1"],
        "messages": [{"role": "user", "content": "?"}],
        "prompt": "?",
        "answer": "B",
        "reward": 1.0,
        "propensity": 0.5,
        "split": "train",
        "template_key": "x",
        "model_key": "words-1",
        "recipe_key": "y",
        "tokens": 1,
        "tokens_by": "characters",
    }
    model(store, "y", 3, kind="logged")
    commit(store, "prompt", [prompt], "y", "older")
    (older,) = Path(store.uri, "prompt", "y").rglob("older.parquet")
    pq.write_table(pq.read_table(older).drop_columns("same_as"), older)
    for parts in ("older", "both"):
        if parts == "both":
            commit(store, "prompt", [prompt | {"prompt_id": "1" * 32, "same_as": [1, 1]}], "y", "newer")
        views.refresh(store)
        with duckdb.connect(f"{store.uri}/catalog.duckdb", read_only=True) as db:
            known = db.execute("SELECT same_as FROM prompt ORDER BY prompt_id").fetchall()
            assert known == [(None,), ([1, 1],)][: len(known)]
            assert len(known) == (1 if parts == "older" else 2)
            assert db.execute("SELECT prompt_id[1] FROM sft").fetchall() == [("0",)]


@pytest.mark.slow
def test_a_store_on_s3_gives_the_same_answers(tmp_path, s3_bucket, capsys):
    here, there = Store(str(tmp_path)), Store(f"s3://{s3_bucket}/store")
    for store in (here, there):
        fill(store)
        views.refresh(store)
    with views.connect(here) as local, views.connect(there) as remote:
        assert everything(local) == everything(remote)
        similar = "FROM similar_artwork('a0', 3)"
        assert local.execute(similar).fetchall() == remote.execute(similar).fetchall()
    text = there.read("catalog.sql").decode()
    assert f"read_parquet('s3://{s3_bucket}/store/artwork/**/*.parquet'" in text
    assert sql.main(["--set", f"store={there.uri}", "-c", "SELECT count(*) AS artworks FROM artwork_present"]) == 0
    assert "7" in capsys.readouterr().out


@pytest.mark.slow
def test_a_question_from_the_command_line(store, capsys):
    place = ["--set", f"store={json.dumps(store.uri)}"]
    assert sql.main([*place, "-c", "SELECT caption FROM artwork_features WHERE artwork_id = 'a1'"]) == 0
    assert "eight" in capsys.readouterr().out
    assert sql.main([*place, "-c", "SELECT nothing"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert sql.main([*place, "-c", "SELECT 'first' AS a", "-c", "SELECT 'second' AS b; SELECT 'third' AS c"]) == 0
    told = capsys.readouterr().out
    assert told.index("first") < told.index("second") < told.index("third")
    assert sql.main([*place, "-c", "SELECT 'first' AS a", "-c", "SELECT nothing", "-c", "SELECT 'third' AS c"]) == 1
    told = capsys.readouterr()
    assert ("first" in told.out, "third" in told.out) == (True, False)
    assert sql.main(["--set", "store=nowhere", "-c", "SELECT 1"]) == 2
    assert "there is no store" in capsys.readouterr().err


@pytest.mark.slow
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


@pytest.mark.slow
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
