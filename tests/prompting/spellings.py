"""One small world in every form in which a user may have it: the prompts must be the same bytes from each."""

import csv
import dataclasses
import gzip
import io
import json
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from featurize.storage import tables

from . import worlds

DELIMITERS = {"comma.csv": ",", "semicolon.csv": ";", "tab.tsv": "\t", "bar.CSV": "|"}
JSON = ("lines.jsonl", "lines.NDJSON", "lines.json", "array.json", "pretty.json")
FORMS = (*DELIMITERS, *JSON, "rows.parquet")
IDS = ("text", "whole", "float", "decimal", "dictionary", "binary", "view")
LISTS = ("json", "bar", "comma", "braces", "bare", "python", "structs", "native")
COMPRESSIONS = ("", ".gz", ".zst")
PLACES = ("file", "folder", "pattern", "file://", "s3")
TIMES = ("utc", "offset", "naive", "s", "ms", "us", "ns")


@dataclasses.dataclass(frozen=True)
class Spelling:
    """How a world is written."""

    form: str = "rows.parquet"
    ids: str = "text"
    lists: str = "native"
    compression: str = ""
    place: str = "file"
    times: str = "us"

    @property
    def possible(self) -> bool:
        """Whether the form has this spelling at all; of those that are the same bytes, one counts."""
        parquet = self.form.endswith("parquet")
        if self.form in DELIMITERS:
            lists = self.lists not in ("native", "structs")
            return lists and self.ids in ("text", "float") and self.times in TIMES[:3]
        if not parquet:
            lists = self.lists in ("native", "structs", "json", "bar")
            return lists and self.ids in ("text", "whole", "float") and self.times in TIMES[:3]
        return self.compression != ".zst" and self.lists != "python"


def world():
    """Ids are digits, since all forms of ids can hold those, and words are all that a delimiter or quote can break."""
    made = worlds.plain(impressions=12)
    made.history = [
        worlds.event(f"m{n % 5}", f"t{n % 4}", worlds.START + timedelta(hours=n % 9), kind, 30.5 if n % 3 else None)
        for n, kind in enumerate(["play", "thumbs_up", "thumbs_down", "list_add", "play"] * 8)
    ]
    words = ['He said "no", twice', "Two\nlines; a | bar\tand a tab", "comédie \\u00e9 {x}", "7"]
    for row, text in zip(made.title, words, strict=True):
        row |= {"name": text, "synopsis": text, "genres": ["comédie", "crime drama"], "cast": ["Ana", "Bo Ek"]}
    for number, row in enumerate(made.impression):
        row |= {"propensity": 0.25, "propensities": [0.25, 0.7, 0.05], "max_maturity": 16, "device": "television"}
        row |= {"country": ["BR", "Perú"][number % 2], "language": "pt", "time_zone": "America/Sao_Paulo"}
    numbers: dict[str, str] = {}
    for rows in (made.title, made.history, made.impression, made.artwork):
        for row in rows:
            for name, value in row.items():
                if name.endswith("_id") and name != "run_id":
                    row[name] = numbers.setdefault(value, str(81234567 + len(numbers)))
                elif name == "candidates":
                    row[name] = [numbers.setdefault(each, str(81234567 + len(numbers))) for each in value]
    return made


def write(made, folder: Path, spelling: Spelling, s3=None) -> dict[str, str]:
    """Write the tables in a spelling; returns the settings with which the job finds them."""
    settings = {"input__time_zone": "UTC"} if spelling.times == "naive" else {}
    for name, setting in (("title", "titles"), ("history", "history"), ("impression", "impressions")):
        rows = getattr(made, name)
        parts = [rows] if spelling.place in ("file", "file://") else [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
        place = folder / spelling.form.partition(".")[0] / name
        place.mkdir(parents=True)
        (place / "_SUCCESS").write_bytes(b"")
        (place / ".part.crc").write_bytes(b"junk")
        for number, part in enumerate(parts):
            file = place / f"part-{number}.{spelling.form.partition('.')[2]}{spelling.compression}"
            data = as_bytes(name, part, spelling)
            compress = {"": bytes, ".gz": gzip.compress, ".zst": lambda raw: pa.compress(raw, "zstd", asbytes=True)}
            file.write_bytes(compress[spelling.compression](data))
        settings[f"input__{setting}"] = _address(place, file, spelling.place, s3)
    return settings


def _address(place, file, kind, s3):
    if kind == "s3":
        bucket, fs = s3
        pa.fs.copy_files(str(place), f"{bucket}/{place.name}", destination_filesystem=fs)
        return f"s3://{bucket}/{place.name}"
    pattern = place / f"part-*.{file.name.partition('.')[2]}"
    return {"file": str(file), "file://": f"file://{file}", "folder": str(place), "pattern": str(pattern)}[kind]


def as_bytes(name, rows, spelling):
    if spelling.form.endswith("parquet"):
        sink = io.BytesIO()
        pq.write_table(_arrow(name, rows, spelling), sink)
        return sink.getvalue()
    rows = [{key: _plain(key, value, spelling) for key, value in row.items()} for row in rows]
    if spelling.form in DELIMITERS:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), delimiter=DELIMITERS[spelling.form])
        writer.writeheader()
        writer.writerows(rows)
        return ("\ufeff" + text.getvalue()).encode()
    if spelling.form == "array.json":
        return json.dumps(rows, indent=1).encode()
    indent = 1 if spelling.form == "pretty.json" else None
    return "".join(json.dumps(row, indent=indent, ensure_ascii=bool(indent)) + "\n" for row in rows).encode()


def _plain(key, value, spelling):
    """A value of CSV or JSON."""
    if value is None:
        return None
    if key == "at":
        return _time(value, spelling.times)
    if key.endswith("_id"):
        if spelling.ids == "text":
            return value
        number = int(value) if spelling.ids == "whole" else float(value)
        return str(number) if spelling.form in DELIMITERS else number
    if isinstance(value, list):
        return _list(value, spelling)
    return value.upper() if key == "event" else value


def _time(value, spelled):
    if spelled == "naive":
        return value.replace(tzinfo=None).isoformat(" ")
    zone = timezone(timedelta(hours=5, minutes=30)) if spelled == "offset" else UTC
    return value.astimezone(zone).isoformat()


def _list(values, spelling):
    if values is None or spelling.lists == "native":
        return values
    if spelling.lists == "structs":
        are_numbers = any(isinstance(value, float) for value in values)  # which have no names
        return values if are_numbers else [{"id": number, "name": value} for number, value in enumerate(values)]
    as_json, as_python = json.dumps(values), str(values)
    values = [str(value) for value in values]
    return {
        "json": as_json,
        "bar": "|".join(values),
        "comma": ", ".join(values),
        "braces": "{" + ",".join(f'"{value}"' if " " in value else value for value in values) + "}",
        "bare": f"[{', '.join(values)}]",
        "python": as_python,
    }[spelling.lists]


def _arrow(name, rows, spelling):
    columns = {}
    for field in tables.contract(name).schema:
        values = [row.get(field.name) for row in rows]
        if field.name == "at":
            columns["at"] = _times(values, spelling.times)
        elif field.name.endswith("_id"):
            columns[field.name] = _ids(values, spelling.ids)
        elif pa.types.is_list(field.type):
            columns[field.name] = pa.array([_list(each, spelling) for each in values])
        else:
            columns[field.name] = pa.array(values, field.type)
    # Columns that are none of ours, some of types that are hard to read.
    columns["row_number"] = pa.array([1.5] * len(rows), pa.float16())
    columns["filename"] = pa.array([Decimal(1)] * len(rows), pa.decimal256(60, 0))
    columns["fault"] = pa.array([{"line": 1}] * len(rows))
    return pa.table(columns)


def _times(values, spelled):
    if spelled in ("utc", "offset"):
        return pa.array([_time(value, spelled) for value in values])
    if spelled == "naive":
        return pa.array([value.replace(tzinfo=None) for value in values], pa.timestamp("us"))
    return pa.array(values, pa.timestamp(spelled, "America/New_York"))


def _ids(values, spelled):
    if spelled == "text":
        return pa.array(values)
    if spelled == "dictionary":
        return pa.array(values).dictionary_encode()
    if spelled == "binary":
        return pa.array([value.encode() for value in values])
    if spelled == "view":
        return pa.array(values, pa.string_view())
    number, kind = {
        "whole": (int, pa.int32()),
        "float": (float, pa.float64()),
        "decimal": (Decimal, pa.decimal128(12, 2)),
    }[spelled]
    return pa.array([number(value) for value in values], kind)
