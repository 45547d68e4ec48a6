"""The page as a person meets it, in a real headless Chromium."""

import json
import resource

import numpy as np
import pytest
from PIL import Image

from featurize.config import Settings
from featurize.reporting import find, find_page, miniatures
from featurize.storage.store import Store
from tests.reporting import browser, stores

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium here (Debian: apt-get install chromium)"),
]
SHOWN = "document.querySelectorAll('#titles .title').length"
FOUND = "document.querySelector('#found').textContent"
PHONE = 390


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    store, _ = stores.full(folder)
    assert stores.run(store, folder / "report.html") == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def page():
    with browser.Browser() as opened:
        yield opened


def colour(page, query):
    """Brightness of an element's background, 0 to 255."""
    found = page.ask(f"getComputedStyle(document.querySelector('{query}')).backgroundColor")
    return sum(map(int, found.removeprefix("rgb(").rstrip(")").split(","))) / 3


def test_search_title_phone_and_dark(page, report):
    page.size(1280, 900)
    page.scheme("light")
    page.open(report)
    assert page.ask(SHOWN) == 5
    assert page.ask(FOUND) == "5 titles, 15 artworks"
    page.wait("[...document.querySelectorAll('#titles img')].every((each) => each.naturalWidth > 0)")

    # What stands over the lines of coverage is a line of text, and no box.
    label = "document.querySelector('.chart .y')"
    assert page.ask(f"getComputedStyle({label}).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert page.ask(f"{label}.getBoundingClientRect().height") < 30

    # Typing: into the field that / goes to; by caption, by words read off a picture, by who is on it, by title.
    page.type("/")
    for words, found in (
        ("umbrella", "1 of 5 titles, 1 of 15 artworks"),
        ("reunion", "1 of 5 titles, 1 of 15 artworks"),
        ("dog lonely", "1 of 5 titles, 3 of 15 artworks"),
        ("midnight", "1 of 5 titles, 3 of 15 artworks"),
        ("zeppelin", "Nothing matches. Try fewer words, or another filter."),
        ("", "5 titles, 15 artworks"),
    ):
        page.ask("document.querySelector('#search').value = ''")
        page.type(words) if words else page.ask("document.querySelector('#search').dispatchEvent(new Event('input'))")
        page.wait(f"{FOUND} === {json.dumps(found)}")

    # Filtering and sorting.
    page.ask("{ const kind = document.querySelector('#filters select'); kind.value = 'poster'; kind.oninput() }")
    assert page.ask(FOUND) == "5 of 5 titles, 5 of 15 artworks"
    page.ask("{ const kind = document.querySelector('#filters select'); kind.value = ''; kind.oninput() }")

    # A title, by a click of the mouse; closed by Escape.
    page.click(".title[data-title=t1] h3 button")
    page.wait("document.querySelector('#title').open")
    told = page.ask("document.querySelector('#title').innerText")
    for words in ("The Last Heart", "Actor 1", "Two people at sunset, number 3.", "50 %", "6 of 12", "on television"):
        assert words in told
    assert page.ask("location.hash") == "#title=t1"
    page.press("ArrowLeft", 37)
    assert "Rain" in page.ask("document.querySelector('#title').innerText")
    page.press("Escape", 27)
    page.wait("!document.querySelector('#title').open")

    # The map tells what the mouse points at, and a click opens its title.
    page.ask("document.querySelector('#canvas').scrollIntoView({block: 'center', behavior: 'instant'})")
    page.drawn()
    box = "document.querySelector('#canvas').getBoundingClientRect()"
    left, top, width, height = page.ask(f"(({{x, y, width, height}}) => [x, y, width, height])({box})")
    across, up = page.ask("JSON.parse(document.querySelector('#data').textContent).map['t0-0']")
    page.point(left + 16 + across * (width - 32), top + 16 + (1 - up) * (height - 32))
    assert page.ask("document.querySelector('#tip.on').innerText") == "Rain\nTwo people at sunset, number 0."
    assert page.ask("document.querySelector('#tip.on img').naturalWidth") > 0

    # A phone: nothing is wider than the screen, also not the title.
    page.size(PHONE, 844, phone=True)
    page.open(report)
    assert page.ask("[document.documentElement.scrollWidth, innerWidth]") == [PHONE, PHONE]
    cells = "[...document.querySelectorAll('.runs tr:not(.more) td')].map((each) => [each.innerText.trim(), each])"
    boxes = page.ask(f"{cells}.map(([text, {{offsetWidth, offsetHeight}}]) => [text, offsetWidth, offsetHeight])")
    edges = page.ask(f"{cells}.map(([, each]) => each.getBoundingClientRect()).map(({{left, right}}) => [left, right])")
    assert len(boxes) == 8 * 6
    assert any("half a file" in text for text, _, _ in boxes)
    assert all(width > 0 and height > 0 for text, width, height in boxes if text)
    assert all(left >= 0 and right <= PHONE for left, right in edges)  # no message lies beside the screen
    page.click(".title[data-title=t4] h3 button")
    page.wait("document.querySelector('#title').open")
    assert page.ask("document.querySelector('#title').scrollWidth") <= PHONE
    assert "onerror" in page.ask("document.querySelector('#title').innerText")  # a stranger's words, as words

    # Dark where the system is, and where a person says so.
    page.size(1280, 900)
    page.scheme("dark")
    page.open(report)
    assert colour(page, "body") < 40
    page.click("#theme")
    assert colour(page, "body") > 220
    page.click("#theme")
    assert colour(page, "body") < 40

    assert page.ask("[typeof window.pwned, document.querySelectorAll('img[src=x]').length]") == ["undefined", 0]
    assert page.problems == []


def test_a_title_from_right_to_left_leaves_its_rank_in_place(page, tmp_path):
    artwork = find.Artwork("a1", "t1", str(tmp_path / "gone.png"), "0" * 64, None, None, "פרק ראשון", None, [])
    answer = find.Answer("words", "text", None, "clip-1", 1, (find.Found(artwork, 0.5),))
    (tmp_path / "page.html").write_text(find_page.page(answer, Settings()), encoding="utf-8")
    page.size(1280, 900)
    page.open(tmp_path / "page.html")
    of = "const range = document.createRange(); range.selectNodeContents(document.querySelector('.title').firstChild);"
    rank = page.ask(f"(() => {{ {of} return range.getBoundingClientRect().right }})()")
    name = page.ask("document.querySelector('.title bdi').getBoundingClientRect().left")
    assert page.ask("document.querySelector('.title').innerText") == "1. פרק ראשון"
    assert rank <= name + 1


def many(folder, titles=1250, each=8):
    """A store of 10,000 artworks, each a file of its own with the detail of a photograph; 64 of them look different."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    looks = []
    for number in range(64):
        coarse = Image.fromarray(rng.integers(0, 256, (36, 24, 3), np.uint8)).resize(
            (400, 600), Image.Resampling.BICUBIC
        )
        grain = rng.normal(0, 12, (600, 400, 1))
        path = folder / f"{number}.jpg"
        Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=88)
        looks.append(path.read_bytes())
    rows = []
    for number in range(titles * each):
        # What follows the end of a JPEG is no part of the picture, and makes it another file.
        data = looks[number % 64] + str(number).encode()
        path = folder / "pictures" / f"{number}.jpg"
        path.write_bytes(data)
        rows.append(
            {
                "artwork_id": f"a{number}",
                "title_id": f"t{number // each}",
                "uri": str(path),
                "image_sha256": stores.hashed(data),
                "size": len(data),
                "format": "JPEG",
                "width": 400,
                "height": 600,
                "source": "catalogue",
                "present": True,
                "seen_at": stores.night(1),
            }
        )
    store = Store(str(folder / "store"))
    stores.commit(store, "artwork", rows)
    stores.commit(store, "description", stores.described(rows, stores.WORDS, stores.night(1)), stores.WORDS)
    stores.commit(store, "image_tag", stores.tags(rows, stores.TAGS, stores.MOODS, stores.night(1)), stores.TAGS)
    vectors = rng.normal(size=(len(rows), 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embedded = [
        {"image_sha256": row["image_sha256"], "model_key": stores.CLIP, "embedding": vector.tolist()}
        for row, vector in zip(rows, vectors, strict=True)
    ]
    stores.commit(store, "image_embedding", embedded, stores.CLIP)
    return store


def test_ten_thousand_artworks(page, tmp_path, monkeypatch):
    monkeypatch.setattr(miniatures, "MOST_SECONDS", 600)  # so that it is full, however busy this machine is
    store, path = many(tmp_path), tmp_path / "report.html"
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert stores.run(store, path) == 0
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 60  # of all threads; on two cores it is less of the clock
    assert 10e6 < path.stat().st_size < 20e6
    page.size(1280, 900)
    page.problems.clear()
    took = min(page.open(path) for _ in range(5))
    assert took < 2
    told = page.ask("document.querySelector('#sheet .lead').textContent")
    assert told.startswith("A sample: ")
    assert "because the page is full" in told
    shown = page.ask("JSON.parse(document.querySelector('#data').textContent).titles.length")
    assert 250 < shown < 375
    page.type("/")
    page.type("number 9")
    page.wait(f"{FOUND}.includes(' of {shown} titles')")
    assert page.problems == []
    print(f"{seconds:.1f} s of CPU, {path.stat().st_size / 1e6:.1f} MB, opened in {took:.2f} s, {shown} titles")
