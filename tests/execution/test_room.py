"""Memory of a worker follows the pixels in flight, not its threads."""

import hashlib
import os
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from featurize.execution.plan import Item, Shard
from featurize.execution.room import Room
from featurize.execution.run import Phase, run_shard
from featurize.images.decode import Limits
from featurize.inference.extractor import model_key
from featurize.models import fake
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin


def test_what_is_held_at_once_stays_within_the_room_and_all_get_their_turn():
    room, lock, held, most = Room(100), threading.Lock(), [0], [0]

    def use(pixels):
        with room.held(pixels):
            with lock:
                held[0] += min(pixels, 100)
                most[0] = max(most[0], held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= min(pixels, 100)
        return pixels

    sizes = [1, 40, 60, 99, 1000, 7] * 20
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(use, sizes)) == sizes
    assert 0 < most[0] <= 100
    assert held == [0]


def test_a_large_picture_is_not_passed_over_by_small_ones():
    room, order = Room(10), []
    first = room.held(6)
    first.__enter__()

    def use(pixels):
        with room.held(pixels):
            order.append(pixels)

    threads = []
    for pixels in (10, 1, 2):
        threads.append(threading.Thread(target=use, args=(pixels,)))
        threads[-1].start()
        time.sleep(0.05)
    assert order == []
    first.__exit__(None, None, None)
    for thread in threads:
        thread.join(10)
    assert order[0] == 10


def test_room_is_given_back_when_decoding_fails():
    room = Room(5)
    for _ in range(3):
        try:
            with room.held(5):
                raise ValueError
        except ValueError:
            pass
    with room.held(5):
        pass


class Counting(fake.Extractor):
    """Knows how many pixels were in its hands at once."""

    def __init__(self, settings):
        super().__init__(settings)
        self.lock, self.held, self.most = threading.Lock(), 0, 0

    def prepare(self, image):
        with self.lock:
            self.held += image.width * image.height
            self.most = max(self.most, self.held)
        time.sleep(0.01)
        with self.lock:
            self.held -= image.width * image.height
        return super().prepare(image.crop((0, 0, 8, 8)))


def most_held(folder, side, count, pixels):
    """What a worker with twelve threads holds at once of so many square pictures."""
    folder.mkdir()
    items = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("L", (side, side), number).save(path)  # a few KB of file
        items.append(Item(hashlib.sha256(path.read_bytes()).hexdigest(), str(path)))
    store, extractor = Store(str(folder / "store")), Counting(fake.Settings())
    key = model_key(fake.Extractor.fingerprint(fake.Settings()))
    with Lease(store, "test", "r") as lease:
        phase = Phase("embed", fake.Settings(), "image_embedding", key, "decode-0", Limits(), 12, 1, 0.5, store,
                      lease.fence, Origin("r", "v"), pixels)  # fmt: skip
        assert run_shard(Shard(key, tuple(items)), extractor, phase, lambda n: None).done == count
    return extractor.most


def test_a_worker_holds_no_more_pixels_than_it_was_given_room_for(tmp_path):
    assert most_held(tmp_path / "narrow", 100, 40, 25_000) == 20_000
    assert most_held(tmp_path / "one at a time", 100, 20, 5_000) == 10_000
    assert most_held(tmp_path / "wide", 100, 40, 1_000_000) > 50_000


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 2**20


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_the_default_keeps_a_worker_of_twelve_threads_near_a_gigabyte(tmp_path):
    before, peak, done = resident(), [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert most_held(tmp_path / "default", 7000, 12, Limits.max_pixels) <= Limits.max_pixels
    finally:
        done.set()
        watcher.join()
    print(peak)
    assert peak[0] < 1200
