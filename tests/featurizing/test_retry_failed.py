"""A description that failed is kept, shows in coverage as what it is, and is asked for again where that is wanted."""

import base64
import io
import json
import re
import threading

import duckdb
import pytest
from PIL import Image
from stand_in_endpoint import Reply, answering

from jobs import cli, featurize

FIELDS = {
    "caption": "A sea.",
    "subjects": ["sea"],
    "people_count": 0,
    "mood": "calm",
    "setting": "sea",
    "composition": "wide",
    "text_on_artwork": None,
    "palette": ["blue"],
}
OK, CUT, PROSE = (json.dumps(FIELDS), "stop"), ('{"caption": "A s', "length"), ("A sea, I think.", "stop")
HALF = ('{"caption": "A sea."}', "stop")
ANSWERS = [[OK, PROSE], [PROSE, OK], [CUT, CUT, CUT, OK], [HALF, PROSE, PROSE, OK]]
"""What each picture gets each time it is asked about."""
SIZE = (200, 100)


class Captioner:
    """Answers by the number of the picture, which is in its colour; what it has seen once gets the next answer."""

    def __init__(self):
        self.answers, self.lock = [iter(each) for each in ANSWERS], threading.Lock()

    def __call__(self, seen):
        data = base64.b64decode(re.search(r"base64,([^\"]+)", seen.body)[1])
        picture = Image.open(io.BytesIO(data))
        text, reason = OK
        if picture.size == SIZE:  # the backend tries the endpoint with a picture of its own
            with self.lock:
                text, reason = next(self.answers[round(picture.getpixel((9, 9))[0] / 60)])
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return Reply(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}))


@pytest.fixture
def describe(tmp_path, monkeypatch, capsys):
    """Runs the job against such a captioner; keyword arguments are settings of `describe`.

    `told` has of each run what failed by the row of `run`, and what was printed.
    """
    told = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for number in range(len(ANSWERS)):
        Image.new("RGB", SIZE, (60 * number, 99, 200)).save(tmp_path / "pictures" / f"{number}.png")
    with answering(Captioner()) as server:

        def job(**settings):
            words = {"backend": "openai_endpoint", "address": server.address, "model": "m", "revision": "r", **settings}
            table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in words.items())
            sets = [
                "run.executor=local",
                "text=null",
                "input.artwork=pictures",
                'embed={backend = "fake"}',
                f"describe={{{table}}}",
            ]
            arguments = [flag for setting in sets for flag in ("--set", setting)]
            assert cli.main("featurize", featurize.__doc__, featurize.featurize, arguments) == 0
            run = "SELECT counts FROM 'store/run/**/*.parquet' ORDER BY started_at DESC, outcome = 'started' LIMIT 1"
            ((counts,),) = duckdb.sql(run).fetchall()
            told.append((json.loads(counts)["phases"][-1]["failed"], " ".join(capsys.readouterr().out.split())))
            return ask("SELECT done, failed, failed_as, pending FROM coverage WHERE feature = 'description'")

        job.told = told
        yield job


def ask(query):
    with duckdb.connect("store/catalog.duckdb", read_only=True) as db:
        return db.execute(query).fetchall()


@pytest.mark.slow
def test_failed_descriptions_are_tried_again_until_they_work_or_were_tried_often_enough(describe):
    assert describe() == [(1, 3, {"invalid_fields": 1, "invalid_json": 1, "truncated": 1}, 0)]
    assert describe() == [(1, 3, {"invalid_fields": 1, "invalid_json": 1, "truncated": 1}, 0)]
    assert ask("SELECT count(*) FROM description") == [(4,)]
    for rows in (7, 9, 9):  # the ones that failed, the two that failed again, and then it is enough
        assert describe(retry_failed=True) == [(2, 2, {"invalid_fields": 1, "truncated": 1}, 0)]
        assert ask("SELECT count(*), count(DISTINCT model_key) FROM description") == [(rows, 1)]
        assert ask("SELECT count(*), count(DISTINCT image_sha256) FROM described") == [(4, 4)]
        assert ask("SELECT count(*), count(caption) FROM artwork_features") == [(4, 3)]
    tries = "SELECT list(status ORDER BY computed_at) AS tries FROM description GROUP BY image_sha256 ORDER BY tries"
    assert [found for (found,) in ask(tries)] == [
        ["invalid_fields", "invalid_json", "invalid_json"],
        ["invalid_json", "ok"],
        ["ok"],
        ["truncated", "truncated", "truncated"],
    ]
    assert ask("SELECT status, caption FROM described WHERE status = 'invalid_fields'") == [
        ("invalid_fields", "A sea.")
    ]


@pytest.mark.slow
def test_a_run_tells_which_of_its_descriptions_failed_and_how_to_ask_again(describe):
    describe()
    describe()
    describe(retry_failed=True)
    (first, line), (second, silent), (third, again) = describe.told
    assert first == {"invalid_fields": 1, "invalid_json": 1, "truncated": 1}
    assert "note: describe: 3 of 4 failed: invalid_fields 1, invalid_json 1, truncated 1; " in line
    assert "; SET=describe.retry_failed=true asks again" in line
    assert (second, third) == ({}, {"invalid_json": 1, "truncated": 1})
    assert "failed:" not in silent
    assert "note: describe: 2 of 3 failed: invalid_json 1, truncated 1" in again
    assert "asks again" not in again
