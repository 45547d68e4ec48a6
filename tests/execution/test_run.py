"""One shard: every item ends as a row or in quarantine, whatever its batch did."""

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pytest
from PIL import Image

from featurize.errors import RunFailed
from featurize.execution import plan
from featurize.execution.plan import Item, Shard
from featurize.execution.run import Phase, _as_completed, run_local
from featurize.images.decode import Limits
from featurize.inference.extractor import model_key
from featurize.models import fake
from featurize.storage import views
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin

LIMITS = Limits()


def item(path):
    return Item(hashlib.sha256(path.read_bytes()).hexdigest(), str(path))


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of different colours, one of them cut short, and one text file."""
    made = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        noise = np.random.default_rng(number).integers(0, 255, (20, 20, 3), np.uint8)
        noise[10, 10] = (number, 0, 0)
        Image.fromarray(noise).save(path)
        made.append(path)
    made[5].write_bytes(made[5].read_bytes()[:300])
    made.append(tmp_path / "notes.txt")
    made[-1].write_text("no picture")
    return made


def run(store, pictures, **settings):
    settings = fake.Settings(**settings)
    decoder = plan.decoder(LIMITS)
    finished = []
    with Lease(store, "test", "r") as lease:
        phase = Phase(
            name="embed",
            settings=settings,
            table="image_embedding",
            model_key=model_key(fake.Extractor.fingerprint(settings)),
            decode_key=model_key(decoder),
            limits=LIMITS,
            threads=2,
            cpus=1,
            max_failed=0.5,
            store=store,
            fence=lease.fence,
            origin=Origin("r", "v"),
        )
        shard = Shard(phase.model_key, tuple(item(path) for path in pictures))
        outcomes = list(run_local(phase, [shard], finished.append))
    assert sum(finished) == len(pictures)
    return outcomes[0], phase


def embeddings(store):
    query = f"SELECT image_sha256, embedding FROM '{store.glob('image_embedding')}'"
    return {key: tuple(vector) for key, vector in duckdb.sql(query).fetchall()}


def test_every_item_ends_once_and_vectors_belong_to_their_pictures(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    outcome, phase = run(store, pictures, batch_size=5)
    assert (outcome.done, outcome.quarantined) == (11, Counter(truncated=1, not_an_image=1))
    found = embeddings(store)
    for number in {*range(12)} - {5}:
        pixels = np.asarray(Image.open(pictures[number]).convert("RGB"), np.float32).reshape(-1, 3)
        expected = np.array([*pixels.mean(0), 20, 20, 1], np.float32)
        assert found[item(pictures[number]).key] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    quarantine = duckdb.sql(f"SELECT stage, reason, model_key, retryable FROM '{store.glob('quarantine')}' ORDER BY 2")
    assert quarantine.fetchall() == [
        ("decode", "not_an_image", phase.decode_key, False),
        ("decode", "truncated", phase.decode_key, False),
    ]


def test_out_of_memory_halves_the_batch_and_loses_nothing(tmp_path, pictures):
    plain, small = Store(str(tmp_path / "plain")), Store(str(tmp_path / "small"))
    run(plain, pictures)
    outcome, _ = run(small, pictures, most_at_once=3)
    assert outcome.batch_size in (1, 2, 3)
    assert embeddings(small) == embeddings(plain)


def test_one_picture_the_model_refuses_does_not_take_its_batch_along(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    outcome, phase = run(store, pictures, error_on=(7, 0, 0))
    assert outcome.quarantined["model_error"] == 1
    assert outcome.done == 10
    assert item(pictures[7]).key not in embeddings(store)
    query = f"SELECT model_key FROM '{store.glob('quarantine')}' WHERE reason = 'model_error'"
    assert duckdb.sql(query).fetchall() == [(phase.model_key,)]


def test_a_file_that_changed_or_went_away_is_tried_again_later(tmp_path, pictures):
    store = Store(str(tmp_path / "store"))
    shard_items = [item(path) for path in pictures[:4]]
    pictures[0].unlink()
    Image.new("RGB", (9, 9)).save(pictures[1])
    with Lease(store, "test", "r") as lease:
        settings = fake.Settings()
        key = model_key(fake.Extractor.fingerprint(settings))
        phase = Phase("embed", settings, "image_embedding", key, "decode-0", LIMITS, 2, 1, 0.5, store,
                      lease.fence, Origin("r", "v"))  # fmt: skip
        outcome = next(iter(run_local(phase, [Shard(phase.model_key, tuple(shard_items))], lambda n: None)))
    assert outcome.quarantined == {"not_found": 1, "changed": 1}
    rows = duckdb.sql(f"SELECT DISTINCT stage, retryable FROM '{store.glob('quarantine')}'").fetchall()
    assert rows == [("read", True)]


def test_when_most_pictures_fail_the_model_is_to_blame_and_nothing_is_quarantined(tmp_path):
    paths = []
    for number in range(30):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (4, 4), (number, 1, 1)).save(paths[-1])
    store = Store(str(tmp_path / "store"))
    with pytest.raises(RunFailed, match=r"30 of 30 pictures failed in phase 'embed'.*does not like"):
        run(store, paths, always_fails=True)
    assert store.parts("quarantine") == []


def test_shards_have_nearly_equal_length_and_ids_of_their_content():
    import pyarrow as pa

    missing = pa.table({"key": [f"{n:064}" for n in range(10)], "source": ["u"] * 10, "attempts": [0] * 10})
    cut = list(plan.shards(missing, "m", 4))
    assert [len(shard.items) for shard in cut] == [3, 3, 4]
    assert [shard.id for shard in cut] == [shard.id for shard in plan.shards(missing, "m", 4)]
    assert len({shard.id for shard in cut}) == 3
    assert [i for piece in cut[2].split() for i in piece.items] == list(cut[2].items)


def test_a_slow_call_holds_up_no_other():
    the_rest_is_done = threading.Event()

    def call(number):
        if number == 0:
            assert the_rest_is_done.wait(30)
        if number == 9:
            the_rest_is_done.set()
        return number

    with ThreadPoolExecutor(2) as pool:
        assert sorted(_as_completed(pool, call, range(10), 3)) == list(range(10))


def test_a_damaged_file_whose_pixels_are_there_has_its_row_and_a_note(tmp_path, pictures):
    cut = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (24, 24, 3), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-2])
    store = Store(str(tmp_path / "store"))
    outcome, phase = run(store, [*pictures[:3], cut])
    assert (outcome.done, outcome.quarantined) == (4, Counter())
    assert item(cut).key in embeddings(store)
    query = f"SELECT image_sha256, model_key, uri, note, run_id FROM '{store.glob('damage')}'"
    expected = [(item(cut).key, phase.model_key, str(cut), "no end marker", "r")]
    assert duckdb.sql(query).fetchall() == expected
    # A run that died between the two parts: the next one, whose shards are others, repeats no note.
    for part in store.parts("image_embedding"):
        store.delete(part)
    run(store, [*pictures[6:8], cut])
    assert duckdb.sql(query).fetchall() == expected
    assert item(cut).key in embeddings(store)
    with views.connect(store) as db:
        assert db.execute("SELECT note FROM damage").fetchall() == [("no end marker",)]
        assert db.execute("SELECT damage FROM artwork_features").fetchall() == []
