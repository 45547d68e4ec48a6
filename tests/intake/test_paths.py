"""What a folder or a manifest lists, whatever its files are called and wherever they lie."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from contextlib import contextmanager
from pathlib import Path

import boto3
import duckdb
import pytest
from PIL import Image
from test_catalogue import artwork_rows, scan

from featurize.errors import RefusedInput, RunFailed
from featurize.intake import catalogue
from featurize.storage.store import Store
from jobs import cli
from jobs.featurize import featurize


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def picture(path, colour=(40, 90, 200)):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        Image.new("RGB", (8, 6), colour).save(file, "PNG")
    return path


def manifest(folder, *uris, name="m.csv"):
    lines = ["artwork_id,title_id,uri", *(f'{number},t,"{uri}"' for number, uri in enumerate(uris))]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def ids(store):
    return [name for (name,) in artwork_rows(store, "artwork_id")]


def quarantine(store):
    if not store.parts("quarantine"):
        return []
    rows = f"SELECT uri, reason, detail, retryable FROM '{store.glob('quarantine')}' ORDER BY uri, attempts"
    return duckdb.sql(rows).fetchall()


# Names


def test_a_name_that_is_no_utf_8_is_quarantined_and_the_others_go_on(tmp_path, store):
    folder = tmp_path / "pictures"
    picture(folder / "good.png")
    picture(os.fsencode(folder) + b"/caf\xe9.png")
    picture(os.fsencode(folder) + b"/\xff/inside.png")
    for _ in range(2):
        result, found = scan(store, folder)
        assert (result.found, len(found)) == (3, 1)
        assert result.quarantined == {"unreadable": 2}
    assert ids(store) == ["good.png"]
    assert [(uri.removeprefix(f"{folder}/"), detail) for uri, _, detail, _ in quarantine(store)] == [
        (r"\xff/inside.png", "its name is no UTF-8; rename it"),
        (r"caf\xe9.png", "its name is no UTF-8; rename it"),
    ]


def test_a_manifest_may_name_such_a_file_too(tmp_path, store):
    picture(os.fsencode(tmp_path) + b"/caf\xe9.png")
    good = picture(tmp_path / "good.png")
    result, found = scan(store, manifest(tmp_path, f"file://{tmp_path}/caf%E9.png", good))
    assert list(found) == [str(good)]
    assert result.quarantined == {"unreadable": 1}
    assert quarantine(store)[0][0] == rf"{tmp_path}/caf\xe9.png"


NAMES = ["a b.png", "100%.png", "%41.png", "A.png", "#1.png", "é?.png", 'it\'s "q", $x;.png', "back\\slash.png"]


def test_names_mean_themselves_in_a_folder_however_it_is_spelled(tmp_path, store):
    folder = tmp_path / "my pictures #1"
    for number, name in enumerate(NAMES):
        picture(folder / name, (number, 0, 0))
    for spelling in (folder, f"file://{tmp_path}/my%20pictures%20%231", f"file://localhost{folder}", f"file:{folder}/"):
        result, found = scan(store, spelling)
        assert {os.path.basename(uri) for uri in found} == set(NAMES), "A and %41 are two files"
        assert not result.quarantined
    assert len(artwork_rows(store, "1")) == len(NAMES), "to another spelling of the folder nothing is new"


def test_a_manifest_spells_one_file_in_many_ways(tmp_path, store):
    folder = tmp_path / "my pictures"
    file = picture(folder / "é #1%.png")
    quoted = f"{tmp_path}/my%20pictures/%C3%A9%20%231%25.png"
    spellings = [f"file://{quoted}", f"file://localhost{quoted}", f"file:{quoted}", f"file://{file}", str(file)]
    relative = ["my pictures/é #1%.png", "./my pictures/../my pictures//é #1%.png"]
    result, found = scan(store, manifest(tmp_path, *spellings, *relative))
    assert (list(found), result.read, len(ids(store))) == ([str(file)], 1, 7)


@pytest.mark.parametrize(
    ("there", "named", "told"),
    [
        ("a.png", r"C:\art\a.png", "looks like a path of Windows"),
        ("a.png", "C:/art/a.png", "looks like a path of Windows"),
        ("art/a.png", r"art\a.png", "looks like a path of Windows"),
        ("caf\u00e9/a.png", "cafe\u0301/a.png", "composed otherwise"),
        ("cafe\u0301.png", "caf\u00e9.png", "composed otherwise"),
        ("a.png", "a.png ", "there is 'a.png' in {folder}, without the blanks at its ends"),
        ("a.png ", "a.png", "there is 'a.png ' in {folder}, with blanks at its ends"),
        ("Art/A.png", "art/a.png", "there is 'Art' in {folder}, with other capitals"),
        ("a.png", "b.png", "there is no such file"),
    ],
)
def test_a_file_that_is_called_a_little_otherwise_is_not_found_with_a_hint(tmp_path, store, there, named, told):
    picture(tmp_path / there)
    picture(tmp_path / "good.png")
    _, found = scan(store, manifest(tmp_path, named, "good.png"))
    assert len(found) == 1
    [(_, reason, detail, retryable)] = quarantine(store)
    assert (reason, retryable) == ("not_found", True)
    assert told.format(folder=tmp_path) in detail
    assert unicodedata.is_normalized("NFC", told)


@pytest.mark.parametrize("uri", ["https://example.com/a.jpg", "gs://b/k", "az://b/k", "file://server/a.jpg"])
def test_an_address_that_is_not_reached_refuses_the_manifest(tmp_path, store, uri):
    picture(tmp_path / "a.png")
    with pytest.raises(RefusedInput, match=r"m\.csv:3: .*(only local paths|another one)"):
        scan(store, manifest(tmp_path, "a.png", uri))
    assert store.parts("artwork") == []


# Folders


def test_each_directory_is_listed_once_whatever_links_there_are(tmp_path, store):
    folder = tmp_path / "pictures"
    picture(folder / "t" / "a.png")
    picture(tmp_path / "elsewhere" / "u" / "b.png")
    for name, target in {"x": ".", "y": ".", "t/up": "..", "a-link": "t", "far": "../elsewhere", "far2": "far"}.items():
        os.symlink(target, folder / name)
    os.symlink("..", tmp_path / "elsewhere" / "u" / "back")
    result, _ = scan(store, folder)
    assert ids(store) == ["far/u/b.png", "t/a.png"], "a directory keeps its own name, and a link elsewhere is followed"
    assert not result.quarantined
    assert result.notes == [f"links to folders that are listed already are left out: 6, such as {folder}/a-link"]


def test_hidden_folders_and_stores_are_left_out_and_dangling_links_count_as_missing(tmp_path):
    folder = tmp_path / "pictures"
    picture(folder / "a.png")
    picture(folder / ".cache" / "thumbnail.png")
    picture(folder / "b" / ".trash" / "c" / "d.png")
    os.symlink("nowhere.png", folder / "dangling.png")
    os.symlink("loop.png", folder / "loop.png")
    os.mkfifo(folder / "pipe.png")
    store = Store(str(folder / "deep" / "store"))
    for name in ("catalog.sql", "artwork/x.parquet", "run/x.parquet"):
        (folder / "old/store" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "old/store" / name).write_bytes(b"of another store")
    for _ in range(2):
        result, found = scan(store, folder)
        assert (result.found, len(found)) == (4, 1)
        assert result.quarantined == {"not_found": 1, "unreadable": 2}
    assert ids(store) == ["a.png"]


def test_a_store_that_is_reached_through_a_link_is_left_out_too(tmp_path):
    picture(tmp_path / "real" / "a.png")
    os.symlink("real", tmp_path / "link")
    store = Store(str(tmp_path / "link" / "store"))
    for _ in range(2):
        assert scan(store, tmp_path / "real")[0].found == 1


def test_the_store_itself_is_no_catalogue(tmp_path, capsys):
    """And nothing is written between the pictures."""
    picture(tmp_path / "store" / "a.png")
    given = {"input.artwork": (tmp_path / "store").as_uri(), "store": tmp_path / "store"}
    given |= {"embed": "null", "describe": "null"}
    flags = [f"--set={key}={value}" for key, value in given.items()]
    assert cli.main("featurize", "-", featurize, flags) == 2
    assert "is the store" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a.png"]


def test_the_demo_world_is_no_part_of_the_folder_it_was_drawn_in(tmp_path, monkeypatch, capsys):
    """With its store: `make featurize`, and then on one's own pictures in the same folder."""
    picture(tmp_path / "mine.png")
    picture(tmp_path / "demo" / "small" / "artwork" / "t" / "0.png")
    (tmp_path / "demo" / "small" / "world.json").write_text("{}")
    picture(tmp_path / "demo" / "notes" / "also mine.png")
    monkeypatch.chdir(tmp_path)
    assert cli.main("featurize", "doc", featurize, ["--dry-run", "--set", "input.artwork=."]) == 0
    assert "artworks found 2," in capsys.readouterr().out


def test_a_folder_that_cannot_be_listed_fails_the_run(tmp_path, store):
    picture(tmp_path / "pictures" / "a.png")
    deep = tmp_path / "pictures"
    for _ in range(30):  # longer than any path may be
        there = os.open(deep, os.O_RDONLY)
        os.mkdir("d" * 200, dir_fd=there)
        deep = Path(f"/proc/self/fd/{os.open('d' * 200, os.O_RDONLY, dir_fd=there)}")
    with pytest.raises(RunFailed, match="cannot be listed"):
        scan(store, tmp_path / "pictures")


@pytest.mark.parametrize("what", ["empty", "hidden", "header"])
def test_a_catalogue_of_nothing_is_refused(tmp_path, store, what):
    folder = tmp_path / "pictures"
    folder.mkdir()
    if what == "hidden":
        (folder / ".DS_Store").write_text("x")
    source = manifest(folder) if what == "header" else folder
    with pytest.raises(RefusedInput, match=r"is it mounted\?|has no rows"):
        scan(store, source)


# Losses


@pytest.fixture
def hundred(tmp_path):
    folder = tmp_path / "pictures"
    for number in range(100):
        picture(folder / f"{number:03}.png")
    return folder


def remove(folder, count):
    for number in range(count):
        (folder / f"{number:03}.png").unlink(missing_ok=True)


def test_a_catalogue_that_lost_too_much_is_refused_before_anything_is_marked_removed(tmp_path, store, hundred):
    scan(store, hundred)
    remove(hundred, 21)
    picture(hundred / "new.png", "red")
    for spelling in (hundred, f"{hundred}/", f"file://{hundred}", f"{hundred}/../pictures"):
        with pytest.raises(RefusedInput, match=r"no longer lists 21 of the 100.*000\.png.*input\.max_removed = 0\.2"):
            scan(store, spelling)
    assert len(artwork_rows(store, "1")) == 100, "nothing is written"
    result, _ = scan(store, hundred, max_removed=1)
    assert (result.removed, result.changed) == (21, 1)


def test_a_catalogue_may_lose_a_fifth(store, hundred):
    scan(store, hundred)
    remove(hundred, 20)
    assert scan(store, hundred)[0].removed == 20
    remove(hundred, 36)
    assert scan(store, hundred)[0].removed == 16, "16 of 80 is a fifth again"
    remove(hundred, 55)
    assert scan(store, hundred, max_removed=0.1)[0].removed == 19, "below 20 it is no loss"


def test_a_source_that_an_earlier_version_spelled_otherwise_is_the_same(store, hundred, tmp_path):
    scan(store, hundred)
    old = Store(str(tmp_path / "old"))
    source = f"file://{hundred}"
    rows = duckdb.sql(f"SELECT * REPLACE ('{source}' AS source) FROM '{store.glob('artwork')}'").to_arrow_table()
    old.commit("artwork", "", "p", rows)
    remove(hundred, 30)
    with pytest.raises(RefusedInput, match="no longer lists 30 of the 100"):
        scan(old, hundred)


def test_manifests_lose_too(tmp_path, store, hundred):
    names = sorted(os.listdir(hundred))
    scan(store, manifest(hundred, *names))
    with pytest.raises(RefusedInput, match="no longer lists 60 of the 100"):
        scan(store, manifest(hundred, *names[:40]))


# The root


def test_a_root_confines_paths_and_links(tmp_path, store):
    inside = picture(tmp_path / "allowed" / "t" / "a.png")
    secret = picture(tmp_path / "secret" / "s.png", "red")
    picture(tmp_path / "allowed too" / "b.png", "green")
    os.symlink(secret, tmp_path / "allowed" / "link.png")
    os.symlink(tmp_path / "secret", tmp_path / "allowed" / "folder")
    os.symlink(inside, tmp_path / "allowed" / "fine.png")
    uris = ["t/a.png", "fine.png", "link.png", "folder/s.png", "../secret/s.png", "../allowed too/b.png", str(secret)]
    uris += [f"file://{secret}", "t/../../secret/s.png", "s3://bucket/key"]
    result, found = scan(store, manifest(tmp_path / "allowed", *uris), root=str(tmp_path / "allowed"))
    assert list(found) == [f"{tmp_path}/allowed/fine.png"], "and t/a.png, the same picture"
    assert result.quarantined == {"unreadable": 5}, "four of the ten spell one file"
    assert {detail for *_, detail, _ in quarantine(store)} == {f"it lies outside input.root = {tmp_path}/allowed"}
    result, found = scan(Store(f"{store.uri}2"), tmp_path / "allowed", root=f"file://{tmp_path}/allowed")
    assert (result.found, result.quarantined) == (5, {"unreadable": 2}), "with m.csv, which is no picture"


def test_a_root_that_is_no_folder_is_refused(tmp_path, store):
    picture(tmp_path / "a.png")
    with pytest.raises(RefusedInput, match=r"input\.root 'nowhere' is not a folder"):
        scan(store, tmp_path, root="nowhere")


# S3


@pytest.fixture
def s3(s3_bucket):
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")

    def put(key, colour):
        path = f"/tmp/{s3_bucket}.png"
        client.put_object(Bucket=s3_bucket, Key=key, Body=Path(picture(path, colour)).read_bytes())
        os.unlink(path)

    return put


KEYS = {
    "cat/a.png": "red",
    "cat//b.png": "green",
    "/lead.png": "blue",
    "cat/%41 #é.png": "white",
    "cat/t/c.png": "gray",
}


def test_odd_keys_of_a_bucket_are_found_and_others_quarantined(tmp_path, store, s3, s3_bucket):
    for key, colour in KEYS.items():
        s3(key, colour)
    at = f"s3://{s3_bucket}"
    good = [f"{at}/{key}" for key in KEYS]
    bad = [f"{at}/cat//gone.png", f"{at}//", f"{at}/cat/", at, "s3://no-such-bucket/a"]
    result, found = scan(store, manifest(tmp_path, *good, f"{at}/cat/a.png/", *bad))
    assert sorted(found) == sorted(good)
    assert result.quarantined.total() == len(set(map(str.rstrip, bad))) - 1, "// at the end is the bucket again"
    assert {reason for _, reason, *_ in quarantine(store)} <= {"not_found", "unreadable"}
    assert scan(store, tmp_path / "m.csv")[0].read == 0, "an unchanged object is not read again"


def test_a_folder_of_a_bucket_with_odd_keys_and_a_store_in_it(s3, s3_bucket):
    for key, colour in KEYS.items():
        s3(key, colour)
    s3("cat/.hidden/x.png", "black")
    for name in ("catalog.sql", "run/x.png"):
        s3(f"cat/old/{name}", "black")
    store = Store(f"s3://{s3_bucket}/cat/store")
    for spelling in ("cat", "cat/", "cat//"):
        result, found = scan(store, f"s3://{s3_bucket}/{spelling}")
        assert (result.found, result.quarantined) == (4, {})
        assert sorted(found) == sorted(f"s3://{s3_bucket}/{key}" for key in KEYS if key.startswith("cat/"))
    rows = store.dataset("artwork").to_table(["artwork_id", "title_id"]).to_pylist()
    assert sorted((row["artwork_id"], row["title_id"]) for row in rows) == [
        ("%41 #é.png", "%41 #é"),
        ("/b.png", "b"),
        ("a.png", "a"),
        ("t/c.png", "t"),
    ]


def test_a_manifest_in_a_bucket_names_keys_relative_to_itself(tmp_path, store, s3, s3_bucket):
    for key, colour in KEYS.items():
        s3(key, colour)
    here = picture(tmp_path / "here.png", "yellow")
    text = manifest(tmp_path, "../a.png", "./c.png", "../../cat/%41 #é.png", here).read_bytes()
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")
    client.put_object(Bucket=s3_bucket, Key="cat/t/m.csv", Body=text)
    result, found = scan(store, f"s3://{s3_bucket}/cat/t/m.csv")
    assert not result.quarantined
    assert {uri.removeprefix(f"s3://{s3_bucket}/") for uri in found} == {
        "cat/a.png",
        "cat/t/c.png",
        "cat/%41 #é.png",
        str(here),
    }


# Reads that never return


@contextmanager
def stuck(path):
    """While it lasts, whoever opens the file waits, as on a network disk that hangs."""
    handler = signal.signal(signal.SIGIO, signal.SIG_IGN)
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(file)
        signal.signal(signal.SIGIO, handler)


needs_leases = pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux has leases of files")


@needs_leases
def test_a_file_that_never_answers_is_a_timeout_and_tried_again(tmp_path, store, hundred):
    with stuck(hundred / "050.png"):
        begun = time.monotonic()
        result, _ = scan(store, hundred, read_seconds=0.3)
        assert time.monotonic() - begun < 10
    assert (result.quarantined, len(ids(store))) == ({"timeout": 1}, 99)
    [(uri, reason, detail, retryable)] = quarantine(store)
    assert (uri, reason, retryable) == (f"{hundred}/050.png", "timeout", True)
    assert detail == "no answer within input.read_seconds = 0.3"
    result, _ = scan(store, hundred, read_seconds=0.3)
    assert (result.read, result.changed, result.quarantined) == (1, 1, {})


@needs_leases
def test_a_storage_that_hangs_ends_the_run(tmp_path, store, hundred, monkeypatch):
    monkeypatch.setattr(catalogue.waiting, "STUCK", 3)
    with (
        stuck(hundred / "001.png"),
        stuck(hundred / "002.png"),
        stuck(hundred / "003.png"),
        pytest.raises(RunFailed, match=r"the storage hangs: 3 files .*input\.read_seconds = 0\.2"),
    ):
        scan(store, hundred, read_seconds=0.2)


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
JOB = [sys.executable, "-m", "jobs.featurize", "--set", "run.executor=local"]


def interrupted(folder, number, artwork, **environment):
    """Exit code, seconds it took to end, and stderr of a run that gets a signal when it waits for its files."""
    run = subprocess.Popen(
        [*JOB, "--set", f"input.artwork={artwork}"],
        cwd=folder,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and not (folder / "store" / "_lease").exists():
        time.sleep(0.05)
    time.sleep(1.5)  # by now it has read all that can be read
    run.send_signal(number)
    begun = time.monotonic()
    _, errors = run.communicate(timeout=200)
    return run.returncode, time.monotonic() - begun, errors


@needs_leases
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_run_that_waits_for_such_a_file_can_be_interrupted(tmp_path, hundred, number):
    with stuck(hundred / "050.png"):
        code, seconds, errors = interrupted(tmp_path, number, "pictures")
    assert (code, errors.count("\n")) == (1, 1), errors
    assert "interrupted" in errors
    assert seconds < 10
    rows = duckdb.sql(f"SELECT outcome FROM '{tmp_path}/store/run/**/*.parquet' WHERE outcome <> 'started'").fetchall()
    assert rows == [("interrupted",)]


@pytest.mark.slow
def test_a_run_that_waits_for_a_server_that_never_answers_can_be_interrupted(tmp_path):
    source = manifest(tmp_path, "s3://bucket/a.png", "s3://bucket//b.png")
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        code, seconds, errors = interrupted(tmp_path, signal.SIGTERM, source, **environment)
    assert (code, errors.count("\n")) == (1, 1), errors
    assert seconds < 10


# Manifests in parts


@pytest.mark.parametrize("source", ["parts", "parts/*.csv", "file://{folder}/parts/"])
def test_a_manifest_in_parts_names_files_relative_to_each(tmp_path, store, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = picture(tmp_path / "a.png")
    for number in range(2):
        manifest(tmp_path / "parts", "../a.png", name=f"{number}.csv")
        file = tmp_path / "parts" / f"{number}.csv"
        file.write_text(file.read_text().replace("0,t", f"{number},t"))
    (tmp_path / "parts" / "_SUCCESS").write_text("")
    result, found = scan(store, source.format(folder=tmp_path))
    assert (result.found, list(found), ids(store)) == (2, [str(good)], ["0", "1"])
