"""Contracts are enforced as the DDL says, on rows of every kind."""

import numpy as np
import pyarrow as pa
import pytest

from featurize.errors import RunFailed
from featurize.storage import tables

SHA = "ab" * 32
ORIGIN = {"run_id": ["r"], "code_version": ["v"], "computed_at": [0]}


def embedding(vector, **columns):
    rows = {"image_sha256": [SHA], "model_key": ["m"], "embedding": np.array([vector], np.float32), **ORIGIN}
    return tables.rows("image_embedding", rows | columns)


def test_a_unit_vector_becomes_a_fixed_size_list_of_float32():
    rows = embedding([0.6, 0.8])
    assert rows.schema.field("embedding").type == pa.list_(pa.float32(), 2)
    assert rows["embedding"].to_pylist() == [pytest.approx([0.6, 0.8])]
    assert rows.schema.field("computed_at").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"image_sha256": ["short"]}, "length"),
        ({"model_key": [None]}, "model_key"),
        ({"embedding": np.array([[3.0, 4.0]], np.float32)}, "list_dot_product"),
        ({"embedding": np.array([[np.nan, 1.0]], np.float32)}, "list_dot_product"),
        ({"colour": ["red"]}, "colour"),
        ({"computed_at": ["yesterday"]}, "computed_at"),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused(columns, told):
    with pytest.raises(RunFailed, match=told):
        embedding([0.6, 0.8], **columns)


def test_a_key_cannot_stand_twice():
    row = embedding([1.0, 0.0])
    with pytest.raises(RunFailed, match="duplicate key"):
        tables.check("image_embedding", pa.concat_tables([row, row]))


def test_columns_not_given_are_null_of_the_declared_type():
    rows = tables.rows(
        "description",
        {
            "image_sha256": [SHA],
            "model_key": ["m"],
            "raw_text": ["no json"],
            "status": ["invalid_json"],
            "finish_reason": ["stop"],
            "prompt_tokens": [3],
            "output_tokens": [2],
            **ORIGIN,
        },
    )
    assert rows.schema.field("subjects").type == pa.list_(pa.string())
    assert rows["subjects"].to_pylist() == [None]


def test_key_and_required_columns_come_from_the_ddl():
    contract = tables.contract("manifest")
    assert contract.key == ("artwork_id",)
    assert contract.required == {"artwork_id", "title_id", "uri"}
