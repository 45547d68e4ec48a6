"""Every table a user gives is read right, or refused with file and line, or has its faults counted row by row."""

import csv
import gzip
import io
import json
import os
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize.errors import RefusedInput
from featurize.intake import inputs
from featurize.storage import tables

GOOD = [
    {"artwork_id": "a", "title_id": "t", "uri": "a.jpg", "priority": 2, "valid_from": "2026-01-01T00:00:00Z"},
    {"artwork_id": "b", "title_id": "t", "uri": "b ö.jpg", "priority": 1.5, "valid_from": "2026-01-01T02:00:00+02:00"},
]


def write(folder, suffix, rows):
    path = folder / f"manifest.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "csv":
        names = list(rows[0])
        lines = [",".join(names)] + [",".join(str(row.get(name) or "") for name in names) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_all_formats_give_the_same_rows(tmp_path, suffix):
    rows = inputs.read("manifest", write(tmp_path, suffix, GOOD))
    assert rows["uri"].to_pylist() == ["a.jpg", "b ö.jpg"]
    assert rows["priority"].to_pylist() == [2.0, 1.5]
    assert len(set(rows["valid_from"].to_pylist())) == 1
    assert rows["kind"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("suffix", "place"),
    [("csv", "manifest.csv:3"), ("jsonl", "manifest.jsonl:2"), ("parquet", "manifest.parquet, row 2")],
)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"artwork_id": "a"}, "artwork_id 'a' is there already"),
        ({"title_id": None}, "title_id is empty"),
        ({"uri": ""}, "uri is empty"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(tmp_path, suffix, place, change, told):
    path = write(tmp_path, suffix, [GOOD[0], GOOD[1] | change])
    with pytest.raises(RefusedInput, match=told) as refused:
        inputs.read("manifest", path)
    assert place in str(refused.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_missing_column_is_named(tmp_path, suffix):
    path = write(tmp_path, suffix, [{"artwork_id": "a", "uri": "a.jpg"}])
    with pytest.raises(RefusedInput, match=r"column title_id is missing; it has artwork_id, uri"):
        inputs.read("manifest", path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("m.csv", "artwork_id,title_id,uri\na,t,x\nb,t\n", r"m\.csv:3: 2 values where the header has 3"),
        ("m.csv", 'artwork_id,title_id,uri\na,"t\nu",x\nb,t,y,z\n', r"m\.csv:4: 4 values"),
        ("m.csv", "", "the file is empty"),
        (
            "m.csv",
            "artwork_id,title_id,uri,valid_to\na,t,x,2026-01-01\n",
            r"m\.csv:2: valid_to '2026-01-01' is not a time",
        ),
        (
            "m.csv",
            "artwork_id,title_id,uri,priority\na,t,x,high\n",
            r"m\.csv:2: priority 'high' is not a finite number",
        ),
        ("m.jsonl", '{"artwork_id":"a","title_id":"t","uri":"x"}\n\n{"artwork_id": \n', r"m\.jsonl:3: not valid JSON"),
        ("m.jsonl", '{"artwork_id":"a","title_id":"t","uri":"x"}\n[1]\n', r"m\.jsonl:2: not a JSON object"),
        ("m.parquet", "PAR1 but not really", "not a readable Parquet file"),
    ],
)
def test_an_unreadable_line_is_named(tmp_path, name, text, told):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RefusedInput, match=told):
        inputs.read("manifest", str(tmp_path / name))


def test_bytes_that_are_no_text_are_refused_with_the_line(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"artwork_id,title_id,uri\na,t,x\nb,t,\xff\n")
    with pytest.raises(RefusedInput, match=r"m\.csv:3: not valid UTF-8; save it as UTF-8$"):
        inputs.read("manifest", str(tmp_path / "m.csv"))


def test_a_byte_order_mark_and_other_columns_do_no_harm(tmp_path):
    (tmp_path / "m.csv").write_text("\ufeffartwork_id,title_id,uri,note\na,t,x,hello\n", encoding="utf-8")
    rows = inputs.read("manifest", str(tmp_path / "m.csv"))
    assert rows["artwork_id"].to_pylist() == ["a"]
    assert "note" not in rows.schema.names


def test_times_without_a_zone_are_refused(tmp_path):
    naive = pa.table(
        {"artwork_id": ["a"], "title_id": ["t"], "uri": ["x"], "valid_to": pa.array([0], pa.timestamp("us"))}
    )
    pq.write_table(naive, tmp_path / "m.parquet")
    with pytest.raises(RefusedInput, match="valid_to has times without a zone"):
        inputs.read("manifest", str(tmp_path / "m.parquet"))


def test_a_title_table_with_genres(tmp_path):
    path = tmp_path / "titles.jsonl"
    path.write_text('{"title_id": "t", "name": "T", "genres": ["drama", "western"], "year": 1999}\n', encoding="utf-8")
    assert inputs.read("title", str(path))["genres"].to_pylist() == [["drama", "western"]]


def title(tmp_path, name, data):
    """The rows of a file of titles."""
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return inputs.read("title", str(tmp_path / name)).to_pylist()


def csv_row(*values):
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


@pytest.mark.parametrize(
    ("spelled", "genres"),
    [
        ('["com\\u00e9die", "a, b"]', ["comédie", "a, b"]),
        ("mystery|crime drama", ["mystery", "crime drama"]),
        ("mystery, drama", ["mystery", "drama"]),
        ("mystery;drama", ["mystery", "drama"]),
        ("{mystery,drama}", ["mystery", "drama"]),
        ('{"a b",c,NULL}', ["a b", "c"]),
        ("[mystery, ocean's]", ["mystery", "ocean's"]),
        ("['a', \"b's\"]", ["a", "b's"]),
        ("('a', 'b')", ["a", "b"]),
        ('"a, b", c', ["a, b", "c"]),
        ("science fiction", ["science fiction"]),
        ('[{"id": 28, "name": "Mystery"}]', ["Mystery"]),
        ("[{'id': 28, 'name': 'Mystery'}]", ["Mystery"]),
        ("[1984, 7]", ["1984", "7"]),
        ("[]", []),
        ("{}", []),
        ("", None),
        ("  ", None),
    ],
)
def test_a_list_in_csv_in_every_spelling(tmp_path, spelled, genres):
    text = "title_id,name,genres\n" + csv_row("1", "A", spelled)
    assert title(tmp_path, "t.csv", text)[0]["genres"] == genres


@pytest.mark.parametrize(
    "spelled",
    [
        "['a' 'b']",
        "[28 35]",
        "[a",
        'a"]',
        '"half',
        "'80s, drama",
        '["a", ["b"]]',
        '[{"id": 28}]',
        '{"id": 28}',
        "{{a}}",
        "[a|b]",
        "{a;b}",
        "array(['a', 'b'], dtype=object)",
    ],
)
def test_a_list_that_cannot_be_read_is_refused_with_line_and_text(tmp_path, spelled):
    text = "title_id,name,genres\n1,A,x\n" + csv_row("2", "B", spelled)
    with pytest.raises(RefusedInput) as refused:
        title(tmp_path, "t.csv", text)
    assert f"t.csv:3: genres '{spelled}' can't be read as a list (" in str(refused.value)


@pytest.mark.parametrize("written", ["007", "1e5", "NaN", "NULL", "true", "01.0", "1.50", " 7", "N/A"])
def test_ids_of_csv_stay_as_they_are_written(tmp_path, written):
    assert title(tmp_path, "t.csv", f"title_id,name\n{written},A\n")[0]["title_id"] == written


@pytest.mark.parametrize(
    ("written", "title_id"),
    [
        ("9007199254740993", "9007199254740993"),
        ("81234567.0", "81234567"),
        ("1e5", "100000"),
        ('"007"', "007"),
        ('"81234567.0"', "81234567.0"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_ids_of_json_digit_by_digit(tmp_path, written, title_id):
    assert title(tmp_path, "t.json", f'{{"title_id": {written}, "name": 1984.0}}')[0] == {
        "title_id": title_id,
        "name": "1984",
        "year": None,
        "genres": None,
        "synopsis": None,
        "cast": None,
    }


@pytest.mark.parametrize("written", ["true", "1.5", "NaN", "Infinity", "[1]", "{}", "1e300", "1e-3"])
def test_what_cannot_be_an_id_is_refused_in_json(tmp_path, written):
    with pytest.raises(RefusedInput, match=r"t\.json:2: title_id '.*' can't be an id"):
        title(tmp_path, "t.json", f'{{"title_id": 1, "name": "A"}}\n{{"title_id": {written}, "name": "A"}}\n')


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"title_id": 1, "name": "A"}\n\n{"title_id": 2, "name": "B", "year": 1999}',
        '[{"title_id": 1, "name": "A"}, {"title_id": 2, "name": "B", "year": 1999}]',
        '[\n{"title_id": 1,\n"name": "A"},\n{"title_id": 2, "name": "B", "year": 1999.0}\n]\n',
        '{\n"title_id": 1,\r\n"name": "A"\n}\n{"title_id": 2, "name": "B", "year": "1999"}',
        '{"title_id": 1, "name": "A"}\n'
        + '{"title_id": 2, "name": "B", "year": 1999, "x": "'
        + "y" * 3_000_000
        + '"}\n',
    ],
)
def test_json_lines_and_arrays(tmp_path, text):
    rows = title(tmp_path, "t.json", text)
    assert [(row["title_id"], row["name"], row["year"]) for row in rows] == [("1", "A", None), ("2", "B", 1999)]


@pytest.mark.parametrize(
    "text",
    [
        "title_id,name\n1,A\n2,B\n",
        "\ufefftitle_id,name\r\n1,A\r\n\r\n2,B",
        "title_id,name\r1,A\r2,B\r",
        'title_id;name;x,y\n1;A;"a,b"\n2;B;,,,\n',
        "title_id\tname\tsome|thing\n1\tA\ta|b,c\n2\tB\t\n",
        'title_id|name|note\n1|A|"a\nb"\n2|B|;;;\n',
        "name,row_number,title_id,file,line\nA,9,1,x,y\nB,9,2,x,y\n",
    ],
)
def test_csv_of_every_kind(tmp_path, text):
    rows = title(tmp_path, "T.CSV", text)
    assert [(row["title_id"], row["name"]) for row in rows] == [("1", "A"), ("2", "B")]


def test_fields_of_megabytes_with_line_breaks_in_them(tmp_path):
    long = "a line\n" * 500_000
    rows = title(tmp_path, "t.csv", f'title_id,name,synopsis\n1,A,"{long}"\n2,B,\n')
    assert rows[0]["synopsis"] == long
    with pytest.raises(RefusedInput, match=r"t\.csv:500003: 2 values where the header has 3"):
        title(tmp_path, "t.csv", f'title_id,name,synopsis\n1,A,"{long}"\n2,B\n')


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("t.csv", "title_id,name\n1,A\n2,Café\n".encode("latin-1"), r"t\.csv:3: not valid UTF-8"),
        ("t.jsonl", b'{"title_id": 1, "name": "A"}\n{"title_id": 2, "name": "\xe9"}', r"t\.jsonl:2: not valid UTF-8"),
        ("t.csv", "title_id,name\n1,A\n".encode("utf-16"), r"t\.csv:1: not valid UTF-8"),
        ("t.csv", 'title_id,name\n1,A\n2,"B\n3,C\n', r"t\.csv:3: not readable as CSV"),
        ("t.csv", 'title_id,name\n1,A\n2,"B"x\n', r"t\.csv:3: not readable as CSV"),
        ("t.csv", 'title_id,name\n1,"The \\"B\\""\n', r"t\.csv:2: not readable as CSV .*a quote is written twice"),
        ("t.csv", "title_id,name,year\n1,A,1999\n2,B", r"t\.csv:3: 2 values where the header has 3"),
        ("t.csv", "title_id\n1\n", r"t\.csv: column name is missing; it has title_id"),
        ("t.csv", "title_id,name,Name\n1,A,B\n", r"t\.csv: there are two columns of one name: name, Name"),
        ("t.csv", "title_id,name,name\n1,A,B\n", r"t\.csv: there are two columns of one name: name, name"),
        ("t.csv", "title_id,name,Year\n1,A,1999\n", r"t\.csv: column 'Year' must be written year"),
        ("t.csv", "title_id,name,genre\n1,A,drama\n", r"t\.csv: column 'genre' is not known; is it genres\?"),
        ("t.csv", "title_id,name,Synopsys\n1,A,x\n", r"t\.csv: column 'Synopsys' is not known; is it synopsis\?"),
        ("t.csv", "title_id,name,syonpsis\n1,A,x\n", r"t\.csv: column 'syonpsis' is not known; is it synopsis\?"),
        ("t.csv", "title_id,name,synnopsis\n1,A,x\n", r"t\.csv: column 'synnopsis' is not known; is it synopsis\?"),
        ("t.jsonl", b'{"title_id": 1, "name": "A", "genre": ["x"]}', r"t\.jsonl:1: column 'genre' is not known"),
        ("t.csv", "title_id,name,year\n1,A,1999.5\n", r"t\.csv:2: year '1999.5' is not a whole number"),
        ("t.json", '{"title_id": 1, "name": "A", "name": "B"}', r"t\.json:1: there are two columns of one name"),
        ("t.json", '{"title_id": 1, "name": "A"}\n{"title_id": 2, "na', r"t\.json:2: not valid JSON"),
        ("t.json", '[{"title_id": 1, "name": "A"},\n', r"t\.json:2: the array has no end"),
        ("t.json", '[{"title_id": 1, "name": "A"}\n{}]', r"t\.json:2: not valid JSON \(a comma is missing"),
        ("t.json", '[{"title_id": 1, "name": "A"}]\n{}', r"t\.json:1: there is more after the end of the array"),
        ("t.json", '{"title_id": 1, "name": "\\ud800"}', r"t\.json:1: name '\\ud800' holds half a character"),
        ("t.json", '{"title_id": 1, "name": ' + "[" * 100_000, r"t\.json:1: nested too deeply"),
        ("t.json", '{"title_id": 1, "name": {"en": "A"}}', r"t\.json:1: name .* can't be read"),
        ("t.csv.gz", gzip.compress(b"title_id,name\n1,A\n" * 999, mtime=0)[:-9], r"t\.csv\.gz: cannot be read"),
        ("t.csv.zst", b"no", r"t\.csv\.zst: cannot be read"),
        ("t.json.gz", gzip.compress(b"", mtime=0), r"t\.json\.gz: the file is empty"),
        ("t.csv.bz2", b"no", r"t\.csv\.bz2: a file must end in \.csv"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_line(tmp_path, name, data, told):
    with pytest.raises(RefusedInput, match=told) as refused:
        title(tmp_path, name, data)
    assert "\n" not in str(refused.value)


# Tables that are streamed

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def viewed(tmp_path):
    """A function that makes the view of a table and returns its rows."""

    def rows(name, uri, time_zone=None):
        with tables.connect() as db:
            (tmp_path / "scratch").mkdir(exist_ok=True)
            inputs.view(db, name, str(uri), scratch=tmp_path / "scratch", time_zone=time_zone)
            return tables.arrow(db, f"FROM {name}").to_pylist()

    return rows


def history(**changes):
    """A table of one row."""
    columns = {"member_id": pa.array(["m"]), "title_id": pa.array(["t"]), "event": pa.array(["PLAY"])}
    columns |= {"at": pa.array([AT], pa.timestamp("us", "UTC")), "minutes": pa.array([1.5])} | changes
    return pa.table({name: values for name, values in columns.items() if values is not None})


ID = uuid.UUID("6f2c0f5e-5a1c-4f57-9d8e-6a6a2f0d7b11")


@pytest.mark.parametrize(
    ("values", "member_id"),
    [
        (pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
        (pa.array([9007199254740993]), "9007199254740993"),
        (pa.array([81234567.0]), "81234567"),
        (pa.array([7.0], pa.float16()), "7"),
        (pa.array([ID.bytes], pa.uuid()), str(ID)),
        (pa.array([b"abc"]), "abc"),
        (pa.array([b"ab"], pa.binary(2)), "ab"),
        (pa.array(["007"]).dictionary_encode(), "007"),
        (pa.array(["é"], pa.large_string()), "é"),
        (pa.array(["x"], pa.string_view()), "x"),
        (pa.array([Decimal("7.00")]), "7"),
        (pa.array([Decimal(7)], pa.decimal256(60, 0)), "7"),
        (pa.nulls(1), None),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_ids_of_every_type(tmp_path, viewed, values, member_id):
    pq.write_table(history(member_id=values), tmp_path / "h.parquet")
    (row,) = viewed("history", tmp_path / "h.parquet")
    assert row["member_id"] == member_id
    assert row["fault"] is None


@pytest.mark.parametrize(
    "values",
    [[1.5], [float("nan")], [float("inf")], [1e16], [True], [b"\xff"], [{"a": 1}], [["a"]], [Decimal("7.5")]],
    ids=str,
)
def test_what_cannot_be_an_id_is_refused_in_parquet(tmp_path, viewed, values):
    pq.write_table(history(member_id=pa.array(values)), tmp_path / "h.parquet")
    with pytest.raises(RefusedInput, match=r"h\.parquet(, row 1)?: (column )?member_id.*(can't be an id|UTF-8)"):
        viewed("history", tmp_path / "h.parquet")


@pytest.mark.parametrize(
    "at",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00z",
        "2026-01-31 13:00:00+01",
        "2026-01-31 13:00:00 +0100",
        "2026-01-31 12:00:00 UTC",
        "2026-01-31T17:30:00.000000000+05:30",
        "2026-01-31 13:00:00 Europe/Paris",
    ],
)
def test_times_of_any_zone_in_text(tmp_path, viewed, at):
    (tmp_path / "h.csv").write_text(f"member_id,title_id,event,at\nm,t,play,{at}\n")
    assert viewed("history", tmp_path / "h.csv")[0]["at"] == AT


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "+05:30", None])
def test_times_of_any_unit_and_zone(tmp_path, viewed, unit, zone):
    at = pa.array([AT if zone else AT.replace(tzinfo=None)], pa.timestamp(unit, zone))
    pq.write_table(history(at=at), tmp_path / "h.parquet")
    if zone is None:
        with pytest.raises(RefusedInput, match=r"h\.parquet: column at has times without a zone.*input\.time_zone"):
            viewed("history", tmp_path / "h.parquet")
    assert viewed("history", tmp_path / "h.parquet", "UTC")[0]["at"] == AT


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (pa.array([1769860800]), "column at of type int64 is a number and not a time"),
        (pa.array([1769860800.5]), "column at of type double is a number and not a time"),
        (pa.array(["1769860800"]), "row 1: at '1769860800' is a number and not a time"),
        (pa.array(["20260131"]), "row 1: at '20260131' is a number and not a time"),
    ],
)
def test_numbers_are_no_times(tmp_path, viewed, at, told):
    pq.write_table(history(at=at), tmp_path / "h.parquet")
    with pytest.raises(RefusedInput, match=told):
        viewed("history", tmp_path / "h.parquet", "UTC")


def test_a_zone_for_times_that_do_not_say_theirs(tmp_path, viewed):
    pq.write_table(history(at=pa.array([AT.date()])), tmp_path / "h.parquet")
    (tmp_path / "h.jsonl").write_text('{"member_id":"m","title_id":"t","event":"play","at":"2026-07-01 12:00:00"}')
    midnight, noon = (viewed("history", tmp_path / f"h.{form}", "Europe/Paris")[0] for form in ("parquet", "jsonl"))
    assert midnight["at"] == datetime(2026, 1, 30, 23, tzinfo=UTC)
    assert noon["at"] == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_years_at_the_ends_do_no_harm(tmp_path, viewed, year):
    (tmp_path / "h.csv").write_text(f"member_id,title_id,event,at\nm,t,play,{year}-12-31T23:59:59Z\n")
    assert viewed("history", tmp_path / "h.csv")[0]["at"].year == int(year)


@pytest.mark.parametrize(
    ("changes", "fault", "told"),
    [
        ({"minutes": pa.array(["long"])}, "bad_minutes", "row 1: minutes 'long' is not a finite number"),
        ({"minutes": pa.array([float("nan")])}, "bad_minutes", "row 1: minutes is not a finite number"),
        ({"minutes": pa.array([float("-inf")])}, "bad_minutes", "row 1: minutes is not a finite number"),
        ({"at": pa.array(["yesterday"])}, "bad_at", "row 1: at 'yesterday' is not a time with a zone"),
        ({"at": pa.array([2**62], pa.timestamp("ms", "UTC"))}, "bad_at", "is not a time with a zone"),
        ({"event": pa.array(["Rewind"])}, "unknown_event", "row 1: event 'Rewind' is none of play, thumbs_up"),
        ({"event": pa.array([1])}, "unknown_event", "row 1: event '1' is none of play"),
    ],
)
def test_a_value_that_cannot_be_read_is_a_fault_with_an_example(tmp_path, viewed, changes, fault, told):
    pq.write_table(history(**changes), tmp_path / "h.parquet")
    (row,) = viewed("history", tmp_path / "h.parquet")
    assert row["fault"] == fault
    assert told in row["fault_example"]
    assert "h.parquet, row 1" in row["fault_example"]


def test_faults_of_text_are_counted_and_the_others_go_on(tmp_path, viewed):
    rows = ["m,t,PLAY,2026-01-31T12:00:00Z,1", "m,t,Rewind,2026-01-31T12:00:00Z,1"]
    rows += ["m,t,play,soon,1", 'm,t,play,2026-01-31T12:00:00Z,"1,5"', "m,t,play,2026-01-31T12:00:00Z,"]
    (tmp_path / "h.csv").write_text("\n".join(["member_id,title_id,event,at,minutes", *rows]))
    found = viewed("history", tmp_path / "h.csv")
    assert [row["fault"] for row in found] == [None, "unknown_event", "bad_at", "bad_minutes", None]
    why = "is not a finite number; decimals are written with a point, 0.5"
    assert found[3]["fault_example"].endswith(f"h.csv:5: minutes '1,5' {why}")
    assert [row["event"] for row in found] == ["play", "rewind", "play", "play", "play"]


@pytest.mark.parametrize(
    ("written", "number"),
    [("1", 1.0), ("true", 1.0), ("FALSE", 0.0), (" 0.5 ", 0.5), ("1e-1", 0.1), (".5", 0.5), ("", None)]
    + [(bad, None) for bad in ("NaN", "inf", "1e999", "0,5", "1_000", "0x1", "one")],
)
def test_numbers_and_booleans_as_text(tmp_path, viewed, written, number):
    head = "impression_id,member_id,title_id,artwork_id,candidates,propensity,at,reward\n"
    text = head + csv_row("i", "m", "t", "a", "a|b", "0.5", AT.isoformat(), written)
    (tmp_path / "i.csv").write_text(text)
    (row,) = viewed("impression", tmp_path / "i.csv")
    assert row["reward"] == number
    assert row["fault"] == ("bad_reward" if number is None and written else None)
    assert row["candidates"] == ["a", "b"]


@pytest.mark.parametrize("reward", [pa.array([True]), pa.array(["true"]), pa.array([1]), pa.array([Decimal("1.0")])])
def test_rewards_of_any_type(tmp_path, viewed, reward):
    columns = {name: ["x"] for name in ("impression_id", "member_id", "title_id", "artwork_id")}
    table = pa.table({**columns, "candidates": [["x"]], "propensity": [1], "at": pa.array([AT]), "reward": reward})
    pq.write_table(table, tmp_path / "i.parquet")
    assert viewed("impression", tmp_path / "i.parquet")[0]["reward"] == 1.0


@pytest.mark.parametrize("candidates", ["a||b", "a|b|", "{a,NULL}", '["a", null]', '["a", ""]'])
def test_an_empty_candidate_is_refused(tmp_path, viewed, candidates):
    head = "impression_id,member_id,title_id,artwork_id,candidates,propensity,at,reward\n"
    text = head + csv_row("i", "m", "t", "a", candidates, "0.5", AT.isoformat(), "1")
    (tmp_path / "i.csv").write_text(text)
    with pytest.raises(RefusedInput, match=r"i\.csv:2: candidates '.*' can't be read as a list of ids"):
        viewed("impression", tmp_path / "i.csv")


def test_columns_that_are_none_of_ours_cost_nothing(tmp_path, viewed):
    odd = {
        "row_number": pa.array([1.5], pa.float16()),
        "filename": pa.array([Decimal(1)], pa.decimal256(70, 0)),
        "file_row_number": pa.array([{"a": 1}]),
        "line": pa.array([b"\xff"]),
        "fault": pa.array([["x"]]),
        "at_": pa.array(["2026"]),
    }
    for name, changes in (("as-it-is", {}), ("converted", {"member_id": pa.array([1.0])})):
        pq.write_table(history(**changes, **odd), tmp_path / f"{name}.parquet")
        (row,) = viewed("history", tmp_path / f"{name}.parquet")
        assert (row["event"], row["minutes"], row["at"], row["fault"]) == ("play", 1.5, AT, None)


def test_files_of_one_folder_may_differ(tmp_path, viewed):
    folder = tmp_path / "history"
    (folder / "dt=1" / "_temporary").mkdir(parents=True)
    parts = {
        "a": history(),
        "b": history(member_id=pa.array([12])),
        "c": history(member_id=pa.array([13], pa.int8()), minutes=pa.array([2])),
        "d": history(minutes=None),
        "e": history(minutes=pa.nulls(1)),
        "f": history(minutes=pa.array(["3"]), other=pa.array([1])),
        "dt=1/g": history(member_id=pa.array([2**40])),
        "dt=1/_temporary/h": history(),
        ".i": history(),
    }
    for name, table in parts.items():
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "j.csv").write_text("at;member_id;title_id;event\n2026-01-31T12:00:00Z;007;t;play\n")
    (folder / "k.JSONL").write_text('{"member_id":9,"title_id":"t","event":"play","at":"2026-01-31T12:00:00Z"}\n')
    (folder / "_SUCCESS").touch()
    (folder / "link.parquet").symlink_to(folder / "a.parquet")
    (folder / "loop").symlink_to(folder)
    expected = [("007", None), ("12", 1.5), ("13", 2.0), (str(2**40), 1.5), ("9", None)]
    expected += [("m", 1.5), ("m", 3.0), ("m", None), ("m", None)]
    for uri in (folder, f"{folder}/", f"{folder}/**/*", f"file://{folder}"):
        found = viewed("history", uri)
        assert sorted(((row["member_id"], row["minutes"]) for row in found), key=str) == sorted(expected, key=str), uri
    assert len(viewed("history", f"{folder}/[ab].parquet")) == 2
    assert len(viewed("history", f"{folder}/dt=*")) == 1


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (history(title_id=None), r"b\.parquet: column title_id is missing; it has member_id, event, at, minutes"),
        (history(at=pa.array([AT.replace(tzinfo=None)])), r"b\.parquet: column at has times without a zone"),
        (history(Minutes=pa.array([1.0]), minutes=None), r"b\.parquet: column 'Minutes' must be written minutes"),
        (b"", r"b\.parquet: cannot be read"),
        (b"PAR1" + b"x" * 200 + b"PAR1", r"b\.parquet: cannot be read"),
    ],
)
def test_each_file_of_a_folder_is_checked(tmp_path, viewed, second, told):
    folder = tmp_path / "history"
    folder.mkdir()
    pq.write_table(history(), folder / "a.parquet")
    if isinstance(second, bytes):
        (folder / "b.parquet").write_bytes(second)
    else:
        pq.write_table(second, folder / "b.parquet")
    with pytest.raises(RefusedInput, match=told) as refused:
        viewed("history", folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["b.txt", "b.parquet.bak", os.fsdecode(b"\xff.csv")])
def test_a_file_of_a_folder_that_is_no_table_is_refused(tmp_path, viewed, name):
    folder = tmp_path / "history"
    folder.mkdir()
    pq.write_table(history(), folder / "a.parquet")
    (folder / name).write_text("hello")
    with pytest.raises(RefusedInput, match=r"a file must end in|its name is no UTF-8"):
        viewed("history", folder)


@pytest.mark.timeout(60)
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path, viewed):
    folder = tmp_path / "history"
    folder.mkdir()
    os.mkfifo(folder / "a.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for given in (folder, folder / "a.csv", folder / "*.csv", tmp_path / "zero.csv"):
        with pytest.raises(RefusedInput, match=r"\.csv: a pipe or a device is no file"):
            viewed("history", given)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path, viewed):
    pq.write_table(history(), tmp_path / "a[1]*.parquet")
    pq.write_table(history(), tmp_path / "a1.parquet")
    assert len(viewed("history", tmp_path / "a[1]*.parquet")) == 1


@pytest.mark.parametrize("address", ["http://host/h.csv", "https://host/h.csv", "gs://b/h.csv", "az://b/h.csv"])
def test_an_address_that_cannot_be_read_is_refused(viewed, address):
    with pytest.raises(RefusedInput, match="only local paths"):
        viewed("history", address)


def test_a_manifest_in_parts(tmp_path):
    for number, row in enumerate(GOOD):
        (tmp_path / f"{number}.csv").write_text(f"artwork_id,title_id,uri\n{row['artwork_id']},t,x\n")
    rows = inputs.placed("manifest", f"{tmp_path}/*.csv")
    assert [inputs.place(row["file"], row["line"]) for row in rows.to_pylist()] == [
        f"{tmp_path}/0.csv:2",
        f"{tmp_path}/1.csv:2",
    ]
    (tmp_path / "2.jsonl").write_text('{"artwork_id": "a", "title_id": "t", "uri": "x"}')
    with pytest.raises(RefusedInput, match=r"2\.jsonl:1: artwork_id 'a' is there already, at .*0\.csv:2"):
        inputs.read("manifest", str(tmp_path))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([16777217.0], pa.float32()),
        pa.array([2049.0], pa.float16()),
        pa.array([1], pa.timestamp("us", "UTC")),
        pa.array([1], pa.date32()),
        pa.array([1], pa.duration("s")),
    ],
    ids=str,
)
def test_a_rounded_number_or_a_moment_is_no_id_of_parquet(tmp_path, array):
    """From 2**24 on a 32-bit float skips whole numbers, so two ids would be one."""
    pq.write_table(pa.table({"title_id": array, "name": ["A"]}), tmp_path / "t.parquet")
    with pytest.raises(RefusedInput, match=r"t\.parquet.*title_id.* can't be an id"):
        inputs.read("title", str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("written", ["1.23457E+11", "1.2345678901234567e+17", "9007199254740993.0"])
def test_a_number_that_lost_digits_is_no_id_of_csv(tmp_path, written):
    """Excel and pandas write long ids so, and then several of them are one."""
    with pytest.raises(RefusedInput, match=r"t\.csv:3: title_id '.*' can't be an id \(.*may have lost digits"):
        title(tmp_path, "t.csv", f"title_id,name\n1,A\n{written},A\n")


@pytest.mark.parametrize("written", ["9007199254740993.0", "9.007199254740993e17"])
def test_a_number_that_lost_digits_is_no_id_of_json(tmp_path, written):
    with pytest.raises(RefusedInput, match=r"t\.json:1: title_id '.*' can't be an id \(.*may have lost digits"):
        title(tmp_path, "t.json", f'{{"title_id": {written}, "name": "A"}}')


@pytest.mark.parametrize(
    "candidates",
    [
        pa.array([[16777217.0]], pa.list_(pa.float32())),
        pa.array([{"artwork_id": "x"}]),
        pa.array([{"artwork_id": "x", "shown": True}]),
        pa.array([[{"artwork_id": "x"}]]),
        pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int8())),
    ],
    ids=["rounded numbers", "a struct", "a struct of two", "structs", "a map"],
)
def test_candidates_that_cannot_be_ids_are_refused(tmp_path, viewed, candidates):
    columns = {name: ["x"] for name in ("impression_id", "member_id", "title_id", "artwork_id")}
    columns |= {"propensity": [1], "at": pa.array([AT]), "reward": [1]}
    pq.write_table(pa.table({**columns, "candidates": candidates}), tmp_path / "i.parquet")
    with pytest.raises(RefusedInput, match=r"row 1: candidates .* can't be read as a list of ids"):
        viewed("impression", tmp_path / "i.parquet")


@pytest.mark.parametrize("written", ["NaN", "Infinity", '["a", NaN]', "true", "[true]"])
def test_what_is_no_text_is_no_genre(tmp_path, written):
    with pytest.raises(RefusedInput, match=r"t\.json:1: genres '.*' can't be read as a list \("):
        title(tmp_path, "t.json", f'{{"title_id": 1, "name": "A", "genres": {written}}}')


def test_not_a_number_is_no_name(tmp_path):
    with pytest.raises(RefusedInput, match=r"t\.json:1: name 'NaN' can't be read"):
        title(tmp_path, "t.json", '{"title_id": 1, "name": NaN}')
    pq.write_table(pa.table({"title_id": ["1"], "name": [float("nan")]}), tmp_path / "t.parquet")
    with pytest.raises(RefusedInput, match=r"t\.parquet, row 1: name nan can't be read"):
        inputs.read("title", str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("written", ["null", "NULL", "None"])
def test_a_list_that_is_none(tmp_path, written):
    assert title(tmp_path, "t.csv", f"title_id,name,genres\n1,A,{written}\n")[0]["genres"] is None


def test_other_columns_are_left_alone_also_those_that_are_like_ours(tmp_path):
    rows = title(tmp_path, "t.csv", "title_id,name,years,casting,genres,genre,synopsis_2\n1,A,9,x,drama,y,z\n")
    assert (rows[0]["genres"], rows[0]["year"], rows[0]["synopsis"]) == (["drama"], None, None)
    pq.write_table(pa.table({"title_id": ["1"], "name": ["A"], "genre": [["x"]]}), tmp_path / "t.parquet")
    with pytest.raises(RefusedInput, match=r"t\.parquet: column 'genre' is not known; is it genres"):
        inputs.read("title", str(tmp_path / "t.parquet"))


def test_a_column_with_a_blank_in_its_name_is_named(tmp_path):
    with pytest.raises(RefusedInput, match=r"t\.csv: column ' name' must be written name"):
        title(tmp_path, "t.csv", "title_id, name\n1,A\n")


@pytest.mark.parametrize("time_zone", [None, "UTC"])
@pytest.mark.parametrize("offset", ["+99:00", "+24:00", "-16:00", "+05:75"])
def test_an_offset_that_is_none_is_a_fault(tmp_path, viewed, offset, time_zone):
    (tmp_path / "h.csv").write_text(f"member_id,title_id,event,at\nm,t,play,2026-01-31T12:00:00{offset}\n")
    (row,) = viewed("history", tmp_path / "h.csv", time_zone)
    assert (row["at"], row["fault"]) == (None, "bad_at")
