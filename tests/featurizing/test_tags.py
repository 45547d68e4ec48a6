"""Tags follow from stored vectors and the label file, and from nothing else."""

import hashlib

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from featurize.errors import RefusedInput
from featurize.execution import plan
from featurize.featurizing import tags
from featurize.storage import tables
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin

LABELS = """
[mood]
bright = ["a bright picture", "much light"]
dark = ["a dark picture"]
[people]
none = ["nobody"]
some = ["people"]
"""
VECTORS = {
    "a bright picture": [1, 0, 0],
    "much light": [0.6, 0.8, 0],
    "a dark picture": [0, 1, 0],
    "nobody": [0, 0, 1],
    "people": [-1, 0, 0],
}
ORIGIN = Origin("r", "v")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def commit(store, table, key, column, vectors):
    names = list(vectors)
    rows = {
        key: [sha(name) for name in names],
        "model_key": ["m"] * len(names),
        "embedding": np.array(list(vectors.values()), np.float32),
        **ORIGIN.columns(len(names)),
        "computed_at": [0] * len(names),
    }
    store.commit(table, "m", "p", tables.rows(table, rows | ({column: names} if column else {})))


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels.toml").write_text(LABELS)
    return tags.load_labels(str(tmp_path / "labels.toml"))


def tagged(store, labels, tag_key="t"):
    with tables.connect() as db, Lease(store, "test", "r") as lease:
        db.execute("CREATE TABLE picture AS SELECT unnest(?) AS image_sha256", [[sha("one"), sha("two"), sha("none")]])
        found = tags.missing(db, store, "m", tag_key)
        if found:
            keys = {"image_key": "m", "text_key": "m", "tag_key": tag_key}
            done = tags.compute(
                db, store, labels, **keys, logit_scale=10.0, origin=ORIGIN, fence=lease.fence, advance=lambda n: None
            )
            assert done == found
        return found


def test_scores_are_cosines_and_probabilities_sum_to_one_per_attribute(tmp_path, labels):
    store = Store(str(tmp_path / "store"))
    commit(store, "text_embedding", "text_sha256", "text", VECTORS)
    commit(store, "image_embedding", "image_sha256", None, {"one": [1, 0, 0], "two": [0, 0.6, 0.8]})
    assert tagged(store, labels) == 2
    glob = store.glob("image_tag")
    found = duckdb.sql(f"SELECT label, score, probability FROM '{glob}' WHERE image_sha256 = '{sha('one')}'").fetchall()
    rows = {label: (score, probability) for label, score, probability in found}
    bright = np.array([0.8, 0.4, 0]) / np.linalg.norm([0.8, 0.4, 0])
    assert rows["bright"][0] == pytest.approx(bright[0], abs=1e-6)
    assert rows["dark"][0] == pytest.approx(0, abs=1e-6)
    assert rows["bright"][1] == pytest.approx(1 / (1 + np.exp(-10 * bright[0])), abs=1e-5)
    sums = duckdb.sql(f"SELECT sum(probability) FROM '{glob}' GROUP BY image_sha256, attribute").fetchall()
    assert len(sums) == 4
    assert all(total == pytest.approx(1, abs=1e-5) for (total,) in sums)


def test_a_changed_label_file_is_another_tagger_and_a_rerun_does_nothing(tmp_path, labels):
    store = Store(str(tmp_path / "store"))
    commit(store, "text_embedding", "text_sha256", "text", VECTORS)
    commit(store, "image_embedding", "image_sha256", None, {"one": [1, 0, 0]})
    assert tagged(store, labels) == 1
    assert tagged(store, labels) == 0
    (tmp_path / "other.toml").write_text(LABELS.replace('"much light"', '"people"'))
    other = tags.load_labels(str(tmp_path / "other.toml"))
    assert tags.fingerprint(labels, "m", "m") != tags.fingerprint(other, "m", "m")
    with tables.connect() as db:
        db.register("asked_for", pa.table({"text": [*other.texts, "new words"]}))
        missing = plan.missing_texts(db, store, "FROM asked_for", "m", max_attempts=None)
        assert missing["source"].to_pylist() == ["new words"]


def test_the_label_file_of_the_package_has_the_promised_attributes():
    labels = tags.load_labels("artwork-v1")
    assert list(labels.attributes) == ["genre", "mood", "setting", "shot", "people", "maturity"]
    assert all(len(texts) > 1 for found in labels.attributes.values() for texts in found.values())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mood]\nonly = ['one']", r"\[mood\] needs two labels"),
        ("[mood]\na = ['x']\nb = []", r"\[mood\] b must be a list"),
        ("temperature = 0\n[mood]\na = ['x']\nb = ['y']", "temperature"),
        ("[mood", "Expected"),
        ("temperature = 1.0", "no attributes"),
    ],
)
def test_a_wrong_label_file_is_refused_by_file_and_key(tmp_path, text, told):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RefusedInput, match=told) as refused:
        tags.load_labels(str(tmp_path / "mine.toml"))
    assert "mine.toml" in str(refused.value)
