"""Whatever a run has to tell, its lines fit 60 columns: on a narrow terminal, in a mail, on a phone."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections import Counter

import pytest

from featurize import report
from featurize.report import WIDTH, PhaseReport, Progress, Report, ask
from featurize.storage.store import Store

BUSY = """
import time
from featurize.report import Progress
with Progress("describe", 10_000_000, "image") as progress:
    progress.advance(0)
    for _ in range(8):
        time.sleep(0.15)
        progress.advance(1_234_567)
"""


def big_report() -> Report:
    found = Report("featurize", "20261128T141512-a9d1c2")
    found.counts = {f"{name} of the catalogue": 10_000_000 for name in ("artworks found", "new or changed", "removed")}
    for name, key in (("embed", "open_clip_image"), ("describe", "transformers_captioner")):
        phase = PhaseReport(name, f"{key}-21d84489a0d676b5", new=10_000_000, done=9_000_000, startup_s=1234.5)
        phase.work_s, phase.quarantined = 80.0, Counter(truncated=999_999, worker_crashed=1, too_many_pixels=1_000)
        found.phases.append(phase)
    found.notes = ["a note of many words " * 9]
    return found


def test_the_last_lines_fit() -> None:
    example = ask(Store("s3://bucket/store"), "SELECT artwork_id, caption FROM artwork_features")
    told = big_report().text("s3://bucket/store", example.replace(sys.executable, ".venv/bin/python"))
    assert max(map(len, told.splitlines())) <= WIDTH
    assert "truncated 1,999,998" in told
    assert re.search(r"describe +10,000,000 +9,000,000 +1,001,000 +1234.5 s +125012\n", told)
    assert "  describe transformers_captioner-21d84489a0d676b5\n" in told


def test_a_long_name_is_not_broken() -> None:
    place = "/a folder/" + "x" * 80
    assert place in big_report().text(place, "")


def test_progress_lines_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "LINE_SECONDS", 0)
    with Progress("describe", 10_000_000, "image") as progress:
        progress.advance(0)
        progress.begun = progress.ready = progress.begun - 300_000
        for _ in range(8):
            progress.advance(1_200_000)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert max(map(len, lines)) <= WIDTH


def test_what_is_waited_for_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("embed", 1_200, "image", loading="open_clip_image"):
        assert capsys.readouterr().out == "embed: 1,200 images to do; loading open_clip_image ...\n"


def test_a_progress_bar_fits_a_narrow_terminal() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TQDM_NCOLS")}
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=slave, stderr=slave, env=environment) as busy:
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 4096):
                shown += data
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(master)
    assert busy.returncode == 0
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;]*\w", "", shown.decode()))
    assert any(line.startswith("describe:") for line in lines)
    assert max(map(len, lines)) <= WIDTH
