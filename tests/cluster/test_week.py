"""A week of nights on a small demo world, with all that happens in one: the tables are then those of one clean night.

Artwork is added, replaced and withdrawn, more is logged every day, deliveries are bad, models are upgraded, a night is
killed, two meet, one works on a storage that fails; parts are made few and removed in between. A reader that never
stops sees each row once.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from catalogues import Reader, environment, parts, wait_until
from PIL import Image, ImageOps
from unreliable_s3 import UnreliableS3, never, now_and_then, serve

from featurize.demo.titles import titles
from featurize.demo.world import Size, draw, write_tables
from featurize.storage import views
from featurize.storage.store import Store, filesystem
from jobs import cli, compact, nightly, report, vacuum
from tests.stand_in_endpoint import Reply, Seen, answering

SUNDAY = datetime.now(UTC).date() - timedelta(days=1)
DAYS = {
    day: SUNDAY - timedelta(days=6 - number)
    for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}
LOG_COMES = ("mon", "sun")
LOGGED_UNTIL = dict(zip(DAYS, ("05-12", "05-20", "05-28", "06-05", "06-15", "06-23", "12-31"), strict=True))
"""The log of each day, and what members did, go until then, in 2025."""
REPLACED, WITHDRAWN, BROKEN, LATE = "t0001-1", "t0002-3", "t0003-2", ("t0008",)
CHANGED = ("t0001", "t0002")
"""Titles that the log does not ask about: of earlier moments a week knows the pictures that one night cannot know."""
BUCKET = "week"
OF_THE_RUN = "run_id, code_version, computed_at"
OF_TODAY = "SEMI JOIN artwork_present USING (image_sha256)"
OF_SUNDAY = "SEMI JOIN (FROM run_phase WHERE run_id IN ('sun', 'clean')) USING (model_key)"
ASKED = "FROM current_prompt WHERE kind = 'logged' OR asked_at >= getvariable('sunday')"
SAME = {
    "artwork": "SELECT * EXCLUDE (run_id, code_version, seen_at) FROM artwork_present",
    **{
        table: f"SELECT * EXCLUDE ({OF_THE_RUN}) FROM {table} {OF_TODAY} {OF_SUNDAY}"
        for table in ("image_embedding", "description")
    },
    "near_picture": "FROM near_duplicate",
    "quarantine": "SELECT * EXCLUDE (computed_at) FROM quarantine_open",
    "title_state": "SELECT * EXCLUDE (read_at) FROM title",
    "impression_state": "FROM impression",
    "prompt": f"SELECT * EXCLUDE ({OF_THE_RUN}, labelled_at) {ASKED}",
    "ranking": f"SELECT * EXCLUDE ({OF_THE_RUN}) FROM ranking SEMI JOIN ({ASKED}) USING (prompt_id) {OF_SUNDAY}",
    "choice": f"SELECT * EXCLUDE ({OF_THE_RUN}) FROM current_choice",
    "policy_value": "SELECT * EXCLUDE (computed_at) FROM latest_policy_value",
    "model": f"SELECT model_key, backend, fingerprint FROM model {OF_SUNDAY}",
    "production": "FROM current_model",
}
"""By table, what it holds of today's catalogue by today's models."""


def words(seen: Seen) -> Reply:
    """What the captioner that is asked for says of a picture."""
    asked = json.loads(seen.body)
    digest = hashlib.sha256(json.dumps(asked["messages"]).encode()).hexdigest()
    said = {
        "caption": f"{asked['model']} sees {digest[:8]}.",
        "subjects": ["somebody"],
        "people_count": int(digest[8], 16) % 4,
        "mood": ("calm", "tense", "tender")[int(digest[9], 16) % 3],
        "setting": "sea",
        "composition": "wide",
        "text_on_artwork": None,
        "palette": ["blue"],
    }
    choice = {"message": {"role": "assistant", "content": json.dumps(said)}, "finish_reason": "stop"}
    return Reply(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}))


class Week:
    """The world in `folder`, and nights of its days."""

    def __init__(self, folder: Path, captioner: str) -> None:
        self.folder, self.captioner = folder, captioner
        self.model = 1
        catalogue = list(titles(11, 0))
        draw(folder, [artwork for title in catalogue for artwork in title.artworks])
        for path in folder.glob("artwork/*/*"):
            Image.open(path).reduce(4).save(path)
        write_tables(folder, catalogue, Size(titles=11, members=12, history_rows=15, impressions=250), 0)
        self.given = {name: pq.read_table(folder / f"{name}.parquet") for name in ("manifest", "history", "impression")}
        members = duckdb.sql(
            f"SELECT DISTINCT member_id FROM '{folder}/impression.parquet' ORDER BY 1 LIMIT 6"
        ).fetchall()
        pairs = [{"member_id": member, "title_id": title.title_id} for (member,) in members for title in catalogue]
        pq.write_table(pa.Table.from_pylist(pairs), folder / "pair.parquet")
        self.file(BROKEN).write_bytes(self.file(BROKEN).read_bytes()[:600])

    def file(self, artwork_id: str) -> Path:
        (uri,) = [row["uri"] for row in self.given["manifest"].to_pylist() if row["artwork_id"] == artwork_id]
        return self.folder / uri

    def deliver(self, day: str, without: Collection[str] = ()) -> None:
        """The manifest without some artworks, or those of some titles, and what was logged and done until that day."""
        until = datetime.fromisoformat(f"2025-{LOGGED_UNTIL[day]}T00:00:00Z")
        artwork = pc.is_in(self.given["manifest"]["artwork_id"], pa.array(without, pa.string()))
        title = pc.is_in(self.given["manifest"]["title_id"], pa.array(without, pa.string()))
        log = self.given["impression"].filter(pc.invert(pc.is_in(pc.field("title_id"), pa.array(CHANGED))))
        tables = {
            "manifest": self.given["manifest"].filter(pc.invert(pc.or_(artwork, title))),
            "history": self.given["history"].filter(pc.field("at") < until),
            "impression": log.filter(pc.field("at") < until),
        }
        for name, rows in tables.items():
            pq.write_table(rows, self.folder / f"{name}.parquet")

    def settings(self, store: Path | str, day: str) -> list[str]:
        """The log comes twice."""
        model = f'backend = "openai_endpoint", address = "{self.captioner}", model = "words-{self.model}"'
        given = {
            "store": store,
            "nightly.date": DAYS[day],
            "input.artwork": self.folder / "manifest.parquet",
            "input.titles": self.folder / "title.parquet",
            "input.history": self.folder / "history.parquet",
            **({"input.impressions": self.folder / "impression.parquet"} if day in LOG_COMES else {}),
            "input.pairs": self.folder / "pair.parquet",
            "embed": f'{{backend = "fake", seed = {self.model}}}',
            "describe": f'{{{model}, revision = "1"}}',
            "run.executor": "local",
            "run.shard_images": 8,
            # Of the time, so that it does not depend on what was known on the first night which prompts are held out.
            "prompts.held_out_from": "2025-06-01T00:00:00Z",
            "rank.rankers": '["random"]'
            if day == "sat"
            else '["random", "popular"]',  # few requests to the slow server
            "evaluate.draws": 100,
            "evaluate.plot": "null",
        }
        return [f"--set={name}={value}" for name, value in given.items()]

    def night(self, store: Path | str, day: str, run_id: str = "") -> int:
        """In this process; the exit code."""
        flags = [*self.settings(store, day), "--run-id", run_id or day]
        return cli.main("nightly", nightly.__doc__, nightly.nightly, flags)

    def start(self, store: Path, day: str, run_id: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "jobs.nightly", *self.settings(store, day), "--run-id", run_id]
        return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def upkeep(job: ModuleType, store: Path | str) -> None:
    name = job.__name__.removeprefix("jobs.")
    assert cli.main(name, "doc", getattr(job, name), [f"--set=store={store}"]) == 0


def today(store: Path | str) -> dict[str, list[str]]:
    """The rows of `SAME`, as JSON in order, each with how often it is there."""
    with views.connect(Store(str(store))) as db:
        db.execute(f"SET VARIABLE sunday = TIMESTAMPTZ '{DAYS['sun']} 00:00:00Z'")
        found = {table: db.sql(query).to_arrow_table().to_pylist() for table, query in SAME.items()}
    return {table: sorted(json.dumps(row, default=str) for row in rows) for table, rows in found.items()}


def compacted(store: Path) -> None:
    """Few parts are made, and the old ones removed, beside a reader that sees each row once."""
    with Reader(store) as reader:
        upkeep(compact, store)
        reader.finish()
        for path in store.rglob("*"):  # a week later
            then = path.lstat().st_mtime - timedelta(days=8).total_seconds()
            os.utime(path, (then, then), follow_symlinks=False)
        upkeep(vacuum, store)


def to_s3(store: Path) -> str:
    """The address of a copy of its files."""
    uri = f"s3://{BUCKET}/store"
    fs, _ = filesystem(uri)
    for path in store.rglob("*"):
        if path.is_file() and "_superseded" not in path.parts:
            with fs.open_output_stream(f"{BUCKET}/store/{path.relative_to(store)}") as stream:
                stream.write(path.read_bytes())
    return uri


def from_s3(uri: str, folder: Path) -> Path:
    fs, place = filesystem(uri)
    pafs.copy_files(place, str(folder), source_filesystem=fs, destination_filesystem=pafs.LocalFileSystem())
    return folder


def tells_the_story(store: Path, page: Path) -> None:
    """The report says how each night ended and why, and shows what the catalogue has come to."""
    with views.connect(Store(str(store))) as db:
        ended = dict(db.execute("SELECT run_id, outcome FROM runs WHERE job = 'nightly'").fetchall())
    assert ended.pop("tue-1", "") + ended.pop("tue-2", "") == "done"
    expected = dict.fromkeys(DAYS, "done") | {"thu": "killed", "half-a-file": "refused", "half-the-rows": "refused"}
    del expected["tue"]
    assert ended == expected
    assert cli.main("report", "doc", report.report, [f"--set=store={store}", f"--set=report.html={page}"]) == 0
    html = page.read_text()
    nights = dict(re.findall(r'data-tip="([^",]*), nightly: ([^";]*)', html))
    how = {day: ["1 done"] for day in DAYS} | {"wed": ["2 refused", "1 done"], "thu": ["1 killed"]}
    assert {night: re.findall(r"\d+ [a-z]{4,}", said) for night, said in nights.items()} == {
        f"{DAYS[day]:%a %d %b}": expected for day, expected in how.items()
    }
    (data, *_) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', html, flags=re.DOTALL)
    shown = {art["id"] for title in json.loads(data)["titles"] for art in title["art"]}
    assert WITHDRAWN not in shown
    assert {REPLACED, BROKEN, f"{LATE[0]}-1"} <= shown
    text = " ".join(re.sub(r"<[^>]*>", " ", html).split())
    for told in (
        "no longer lists 24 of the 48 artworks it had",
        "manifest.parquet: cannot be read",
        f"nightly of {DAYS['thu'].strftime('%d %b').lstrip('0')} killed",
        "featurize.removed 1 , prompts_nightly.no prompt: few_candidates 6 , featurize.new or changed 5",
        "openai_endpoint",
        "truncated",
    ):
        assert told in text


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreliableS3]:
    (tmp_path / "server").mkdir()
    with serve(tmp_path / "server") as proxy:
        for name, value in (("ACCESS_KEY_ID", "testing"), ("SECRET_ACCESS_KEY", "testing")):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        pafs.S3FileSystem(endpoint_override=proxy.address, allow_bucket_creation=True).create_dir(BUCKET)
        yield proxy


@pytest.mark.slow
def test_a_week(tmp_path: Path, s3: UnreliableS3) -> None:
    store, world = tmp_path / "store", tmp_path / "world"
    world.mkdir()
    with answering(words) as captioner:
        week = Week(world, captioner.address)
        week.deliver("mon", without=LATE)
        assert week.night(store, "mon") == 0
        compacted(store)

        # Tuesday: artwork is added, replaced and withdrawn, and two schedulers start the night.
        ImageOps.mirror(Image.open(week.file(REPLACED))).save(week.file(REPLACED))
        week.deliver("tue", without=[WITHDRAWN])
        both = [week.start(store, "tue", run_id) for run_id in ("tue-1", "tue-2")]
        said = [night.communicate()[0] for night in both]
        assert sorted(night.returncode for night in both) == [0, 3], said

        # Wednesday: half a file, then a manifest that lost half of its rows, at last the right one.
        week.deliver("wed", without=[WITHDRAWN])
        whole = (world / "manifest.parquet").read_bytes()
        (world / "manifest.parquet").write_bytes(whole[: len(whole) // 2])
        assert week.night(store, "wed", "half-a-file") == 2
        week.deliver("wed", without=[row["artwork_id"] for row in week.given["manifest"].to_pylist()][::2])
        assert week.night(store, "wed", "half-the-rows") == 2
        week.deliver("wed", without=[WITHDRAWN])
        assert week.night(store, "wed") == 0
        compacted(store)

        # Thursday: both models are upgraded, and the night is killed as it describes.
        week.model = 2
        week.deliver("thu", without=[WITHDRAWN])
        described = parts(store, "description")
        captioner.reply = lambda seen: words(seen)._replace(after_s=0.3)
        killed = week.start(store, "thu", "thu")
        wait_until(lambda: killed.poll() is not None or parts(store, "description") > described)
        killed.kill()
        assert "Traceback" not in killed.communicate()[0]
        assert killed.returncode == -9
        captioner.reply = words

        week.deliver("fri", without=[WITHDRAWN])
        assert week.night(store, "fri") == 0
        compacted(store)

        # Saturday: the store has moved to S3, which fails now and then; then it moves back.
        on_s3 = to_s3(store)
        week.deliver("sat", without=[WITHDRAWN])
        s3.fault = now_and_then(0.02, seed=6)
        assert week.night(on_s3, "sat") == 0
        s3.fault = never
        assert s3.failed
        store = from_s3(on_s3, tmp_path / "moved")

        week.deliver("sun", without=[WITHDRAWN])
        assert week.night(store, "sun") == 0
        compacted(store)
        clean = tmp_path / "clean"
        assert week.night(clean, "sun", "clean") == 0
    found, expected = today(store), today(clean)
    assert all(expected.values()), {table: len(rows) for table, rows in expected.items()}
    for table, rows in expected.items():
        assert found[table] == rows, table
    tells_the_story(store, tmp_path / "report.html")
