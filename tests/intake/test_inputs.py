"""A manifest is taken whole or refused with file and line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurize.errors import RefusedInput
from featurize.intake import inputs

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
    with pytest.raises(RefusedInput, match=r"m\.csv:3: not valid UTF-8"):
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
