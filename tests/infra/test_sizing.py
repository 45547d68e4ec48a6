"""The arithmetic of docs/sizing.md adds up."""

import math
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "sizing.md").read_text(encoding="utf-8")
ARTWORKS = 10_000_000


def rows(head):
    """The cells of the table that begins so, as numbers where they are."""
    lines = PAGE.partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    return [[each.strip() for each in line.strip("|").split("|")] for line in lines]


def number(text):
    return float(re.search(r"[\d,]+(?:\.\d+)?", text)[0].replace(",", ""))


def test_gpu_hours_and_money_follow_from_speed_and_price():
    table = rows("| GPU | precision |")
    assert len(table) == 4
    for gpu, _, rate, price, hours, money in table:
        assert number(hours) == round(ARTWORKS / number(rate) / 3600), gpu
        assert number(money) == pytest.approx(ARTWORKS / number(rate) / 3600 * number(price), abs=1), gpu


def test_bytes_and_requests_add_up():
    *tables, total = rows("| table | bytes an artwork |")
    for name, each, whole in [*tables, total]:
        assert number(whole) == pytest.approx(number(each) * ARTWORKS / 1e9, rel=0.02), name
    assert number(total[1]) == sum(number(each) for _, each, _ in tables)
    for what, requests, dollars in rows("| | requests | dollars |"):
        price = 0.0004 if re.search("GET|HEAD", requests) else 0.005
        assert number(dollars) == pytest.approx(number(requests) / 1000 * price, rel=0.25), what


def test_gpus_of_a_backfill_and_of_a_night():
    for what, pictures, hours, _ in rows("| | pictures | at 3 a second and GPU |")[:2]:
        assert number(hours) == pytest.approx(number(pictures) / 3 / 3600, rel=0.05), what
    whole, half, all_of_it = (
        number(each) for each in re.search(r"([\d,]+) shards .*?, ([\d,]+) .*? ([\d,]+) to", PAGE).groups()
    )
    assert (half, all_of_it) == (math.ceil(ARTWORKS / 2 / 2048), math.ceil(ARTWORKS / 2048))
    assert whole == half + all_of_it
    assert "116 hours" in PAGE
    assert round(926 / 8) == 116
