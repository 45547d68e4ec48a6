"""From a folder or manifest to rows of `artwork`: what is read, what is not, and what changed."""

import hashlib
import os
import shutil
from datetime import timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featurize.config import Input, Run
from featurize.errors import RefusedInput, RunFailed
from featurize.execution import plan
from featurize.images.decode import Limits
from featurize.inference.extractor import model_key
from featurize.intake import catalogue, files
from featurize.storage import tables, views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin

LIMITS = Limits(max_bytes=100_000)
DECODER = model_key(plan.decoder(LIMITS))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "some title").mkdir(parents=True)
    for number, name in enumerate(["top.png", "some title/ä b.jpg", "some title/c.webp"]):
        Image.new("RGB", (8 + number, 6), (40 * number, 90, 200)).save(folder / name)
    return folder


def scan(store, artwork, **wanted):
    told = []
    with tables.connect() as db, Lease(store, "test", "r") as lease:
        result = catalogue.scan(
            db,
            store,
            str(artwork),
            limits=LIMITS,
            decode_key=DECODER,
            origin=Origin("r", "v"),
            fence=lease.fence,
            run=Run(),
            wanted=Input(**wanted),
            leave_out=[store.uri],
            tell=told.append,
        )
        result.told = told
        return result, dict(db.execute("SELECT uri, image_sha256 FROM picture").fetchall())


def artwork_rows(store, columns):
    return duckdb.sql(f"SELECT {columns} FROM '{store.glob('artwork')}' ORDER BY seen_at, artwork_id").fetchall()


def test_ids_titles_and_hashes_of_a_folder(tmp_path, pictures):
    (pictures / ".hidden").write_text("not seen")
    store = Store(str(tmp_path / "store"))
    result, found = scan(store, pictures)
    assert artwork_rows(store, "artwork_id, title_id, format, width, height") == [
        ("some title/c.webp", "some title", "WEBP", 10, 6),
        ("some title/ä b.jpg", "some title", "JPEG", 9, 6),
        ("top.png", "top", "PNG", 8, 6),
    ]
    assert (result.found, result.read, result.changed, result.pictures) == (3, 3, 3, 3)
    digest = hashlib.sha256((pictures / "top.png").read_bytes()).hexdigest()
    assert found[str(pictures / "top.png")] == digest


def test_a_second_look_reads_nothing_and_writes_nothing(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    scan(store, pictures)
    result, found = scan(store, pictures)
    assert (result.read, result.changed, result.removed, len(found)) == (0, 0, 0, 3)
    assert len(artwork_rows(store, "1")) == 3


def test_changes_cost_their_own_work_only(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    scan(store, pictures)
    shutil.copy2(pictures / "top.png", pictures / "copy.png")
    (pictures / "some title" / "c.webp").unlink()
    Image.new("RGB", (30, 30), "red").save(pictures / "some title" / "ä b.jpg")
    result, found = scan(store, pictures)
    assert (result.found, result.read, result.changed, result.removed) == (3, 2, 2, 1)
    assert len(found) == 2, "a copy is no new picture"
    assert sorted(artwork_rows(store, "artwork_id, present")[3:]) == [
        ("copy.png", True),
        ("some title/c.webp", False),
        ("some title/ä b.jpg", True),
    ]


def test_a_file_that_comes_back_is_present_again(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    scan(store, pictures)
    os.rename(pictures / "top.png", tmp_path / "away.png")
    assert scan(store, pictures)[0].removed == 1
    os.rename(tmp_path / "away.png", pictures / "top.png")
    result, _ = scan(store, pictures)
    assert (result.read, result.changed) == (0, 1), "its bytes are known"
    assert artwork_rows(store, "artwork_id, present")[-1] == ("top.png", True)


def test_another_source_does_not_drop_what_this_one_lists(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    scan(store, pictures)
    assert scan(store, pictures / "some title")[0].removed == 0


def test_a_state_written_by_a_fast_clock_is_followed_by_the_next(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    result, _ = scan(store, pictures)
    assert not any("clock" in note for note in result.notes)
    (part,) = store.parts("artwork")
    path = f"{store.path}/{part}"
    rows = pq.read_table(path)
    fast = [moment + timedelta(days=1) for moment in rows["seen_at"].to_pylist()]
    place = rows.schema.get_field_index("seen_at")
    pq.write_table(rows.set_column(place, "seen_at", pa.array(fast, pa.timestamp("us", "UTC"))), path)

    Image.new("RGB", (9, 9), "red").save(pictures / "top.png")
    (pictures / "some title" / "c.webp").unlink()
    result, found = scan(store, pictures)
    assert (result.read, result.changed, result.removed, len(found)) == (1, 1, 1, 2)
    assert any("is in the future: the clock of this machine or of the one that wrote it" in n for n in result.notes)
    newest = (
        "SELECT artwork_id, present, width FROM rows QUALIFY row_number() OVER (PARTITION BY artwork_id ORDER BY {})"
    )
    rows = duckdb.sql(f"FROM '{store.glob('artwork')}'")
    assert sorted(duckdb.sql(newest.format("seen_at DESC") + " = 1").fetchall()) == [
        ("some title/c.webp", False, 10),
        ("some title/ä b.jpg", True, 9),
        ("top.png", True, 9),
    ]
    for _ in range(2):
        result, _ = scan(store, pictures)
        assert (result.read, result.changed, result.removed) == (0, 0, 0)
        assert len(artwork_rows(store, "1")) == 5


def test_verify_reads_everything_again(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    scan(store, pictures)
    path = pictures / "top.png"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert scan(store, pictures)[0].read == 0
    result, _ = scan(store, pictures, verify=True)
    assert (result.read, result.changed) == (3, 1)


def test_a_manifest_with_relative_absolute_and_missing_files(tmp_path, pictures):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "artwork_id,title_id,uri,kind\n"
        "1,t,pictures/top.png,poster\n"
        f"2,t,{pictures}/some title/c.webp,still\n"
        "3,t,pictures/top.png,thumbnail\n"
        "4,t,pictures/gone.png,poster\n"
        "5,t,pictures/some title,poster\n"
        "6,t,pictures/gone.png,still\n",
        encoding="utf-8",
    )
    store = Store(str(tmp_path / "store"))
    result, found = scan(store, manifest)
    assert len(found) == 2
    assert result.quarantined == {"not_found": 1, "unreadable": 1}
    assert artwork_rows(store, "artwork_id, kind") == [("1", "poster"), ("2", "still"), ("3", "thumbnail")]
    quarantine = duckdb.sql(
        f"SELECT reason, stage, attempts, uri FROM '{store.glob('quarantine')}' ORDER BY 1"
    ).fetchall()
    assert [row[:3] for row in quarantine] == [("not_found", "read", 1), ("unreadable", "read", 1)]
    assert quarantine[0][3] == str(pictures / "gone.png")
    with views.connect(store) as db:
        whose = db.execute("SELECT reason, artwork_ids FROM quarantine_open ORDER BY reason").fetchall()
    assert whose == [("not_found", ["4", "6"]), ("unreadable", ["5"])]
    for _ in range(4):
        scan(store, manifest)
    attempts = duckdb.sql(f"SELECT max(attempts), count(*) FROM '{store.glob('quarantine')}'").fetchall()
    assert attempts == [(3, 6)], "attempts stop at run.max_attempts"


def test_a_file_too_large_is_never_read(tmp_path, pictures):
    with (pictures / "huge.png").open("wb") as file:
        file.truncate(LIMITS.max_bytes + 1)
    store = Store(str(tmp_path / "store"))
    for _ in range(2):
        assert scan(store, pictures)[0].quarantined == {"too_many_bytes": 1}
    assert duckdb.sql(f"SELECT count(*) FROM '{store.glob('quarantine')}'").fetchall() == [(1,)]


def test_a_share_that_is_not_there_stops_the_run(tmp_path):
    manifest = tmp_path / "manifest.csv"
    lines = [f"{n},t,mount/{n}.jpg" for n in range(40)]
    manifest.write_text("\n".join(["artwork_id,title_id,uri", *lines]), encoding="utf-8")
    store = Store(str(tmp_path / "store"))
    with pytest.raises(RunFailed, match=r"40 of 40 files cannot be read.*mount/0\.jpg"):
        scan(store, manifest)
    assert store.parts("quarantine") == []


def test_what_is_neither_folder_nor_manifest_is_refused(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    with pytest.raises(RefusedInput, match=r"artwork '.*no\.csv': there is no such file$"):
        scan(Store(str(tmp_path / "store")), tmp_path / "no.csv")
    with pytest.raises(RefusedInput, match="neither a folder nor a manifest"):
        scan(store, tmp_path / "nowhere")
    with pytest.raises(RefusedInput, match=r"ends in \.csv, \.jsonl"):
        scan(store, pictures / "top.png")


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("uri", ["s3://me:c4n4ry@bucket/a.jpg", "s3://bucket/a.jpg?X-Amz-Signature=c4n4ry"])
def test_an_address_with_a_secret_is_refused_by_its_line_and_without_its_words(tmp_path, form, uri):
    path = tmp_path / f"list.{form}"
    rows = [("a", "t", "pictures/what?.jpg"), ("b", "t", "s3://bucket/me@home/1.jpg"), ("c", "t", uri)]
    with tables.connect() as db:
        db.execute("CREATE TABLE list (artwork_id VARCHAR, title_id VARCHAR, uri VARCHAR)")
        db.executemany("INSERT INTO list VALUES (?, ?, ?)", rows)
        db.execute(f"COPY list TO '{path}'")
    line = f"{path}:4" if form == "csv" else f"{path}, row 3"
    with pytest.raises(RefusedInput, match=f"{line}: uri is an address with a (user or password|query); ") as told:
        files.listed(str(path))
    assert "c4n4ry" not in str(told.value)


def test_titles_are_checked(tmp_path, pictures):
    (tmp_path / "titles.csv").write_text("title_id,name\nsome title,Some Title\n", encoding="utf-8")
    result, _ = scan(Store(str(tmp_path / "store")), pictures, titles=str(tmp_path / "titles.csv"))
    assert result.told == result.notes
    assert result.told == [f"1 artwork is of 1 title that {tmp_path}/titles.csv does not have: top"]


def test_a_catalogue_of_which_nothing_can_be_read_stops_the_run_however_small(tmp_path, pictures):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("artwork_id,title_id,uri\n1,t,gone.png\n2,t,away.png\n")
    store = Store(str(tmp_path / "store"))
    with pytest.raises(RunFailed, match=r"2 of 2 files cannot be read; for example .*away\.png: not_found"):
        scan(store, manifest)
    assert store.parts("quarantine") == []
