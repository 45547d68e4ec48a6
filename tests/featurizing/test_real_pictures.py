"""The whole job on real paintings, posters and stills, where a folder of them lies beside the checkout."""

import hashlib
from pathlib import Path

import duckdb
import pytest

from jobs import cli, featurize

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "data" / "artwork"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PICTURES.is_dir(), reason="the folder of real pictures is not there"),
]


def test_every_file_is_listed_and_each_picture_is_featurized_or_in_quarantine_once(tmp_path):
    arguments = [f"input.artwork={PICTURES}", f"store={tmp_path}", "describe.max_new_tokens=8"]
    flags = [part for argument in arguments for part in ("--set", argument)]
    assert cli.main("featurize", featurize.__doc__, featurize.featurize, flags) == 0

    def column(table, name):
        return [value for (value,) in duckdb.sql(f"SELECT {name} FROM '{tmp_path}/{table}/**/*.parquet'").fetchall()]

    files = {str(path.relative_to(PICTURES)): path for path in PICTURES.rglob("*") if path.is_file()}
    assert sorted(column("artwork", "artwork_id")) == sorted(files)
    contents = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values()}
    embedded, described = column("image_embedding", "image_sha256"), column("description", "image_sha256")
    quarantined = column("quarantine", "image_sha256")
    assert sorted(embedded) == sorted(described)
    assert sorted(embedded + quarantined) == sorted(contents)
    tables = [path for name, path in files.items() if name.endswith(".csv")]
    assert set(quarantined) == {hashlib.sha256(path.read_bytes()).hexdigest() for path in tables}
    tagged = duckdb.sql(f"SELECT count(DISTINCT image_sha256) FROM '{tmp_path}/image_tag/**/*.parquet'").fetchall()
    assert tagged == [(len(embedded),)]
