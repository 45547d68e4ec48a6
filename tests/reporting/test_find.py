"""The search as a person starts it, with the bundled CLIP on drawn scenes: the table, the page, and what is refused."""

import hashlib
import html.parser
import re
import shutil

import numpy as np
import pytest

from featurize.demo.render import render
from featurize.demo.scenes import sample_scene
from featurize.storage import views
from featurize.storage.store import Store
from jobs import cli, featurize, find
from tests.storage.views import stores

TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "div", "p", "h1", "ol", "li", "figure"}
TAGS |= {"figcaption", "img", "span", "i", "bdi"}
SCENES = {"forest": 0, "spaceship": 1, "castle": 2, "snow": 4, "home": 7}
EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m\u202e {{ 7*7 }} \"quoted\" & 'so'"
EVIL_NAME = "<img src=x onerror='alert(3)'>.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of drawn scenes, of which one has an evil name, one an evil caption, and one is no picture."""
    folder = tmp_path_factory.mktemp("find")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "art").mkdir()
        for name, seed in SCENES.items():
            scene = sample_scene(np.random.Generator(np.random.PCG64(seed)))
            render(scene, 320).save(folder / "art" / f"{name}.png")
        shutil.copy(folder / "art" / "castle.png", folder / "art" / EVIL_NAME)
        (folder / "art" / "broken.png").write_bytes(b"no picture")
        sets = ["input.artwork=art", "describe=null", "run.executor=local", "embed.cpus=1"]
        assert (
            cli.main("featurize", "doc", featurize.featurize, [flag for each in sets for flag in ("--set", each)]) == 0
        )
        castle = hashlib.sha256((folder / "art" / "castle.png").read_bytes()).hexdigest()
        stores.model(Store("store"), "words", 1)
        stores.describe(Store("store"), "words", {castle: EVIL})
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "120")
    return made


def found(capsys, *words):
    """(rank, cosine, artwork_id) of every line of the table that has one, and all that was said."""
    assert find.main(words) == 0
    told = capsys.readouterr().out
    return [(int(r), float(c), name) for r, c, name in re.findall(r"^ *(\d+)  (.\d\.\d{3})  (.*?)  ", told, re.M)], told


def test_words_find_the_pictures_that_show_them(here, capsys):
    for text, name in (("a snowfield", "snow.png"), ("inside a spaceship", "spaceship.png")):
        rows, told = found(capsys, "--text", text, "--top", "3")
        assert [rank for rank, _, _ in rows] == [1, 2, 3]
        assert rows[0][2] == name
        assert rows == sorted(rows, key=lambda row: -row[1])
        assert f'"{text}": the nearest 3 of 7 artworks in store' in told
        heading, first = (next(line for line in told.splitlines() if word in line) for word in ("picture  ", name))
        assert heading.split() == ["picture", "artwork", "title"]
        assert heading.index("picture") + len("picture") == first.index(f"  {name}")  # the word ends where figures do
        assert heading.index("artwork") == first.index(name)


@pytest.mark.slow
def test_a_picture_is_found_by_artwork_and_by_file_alike(here, capsys, tmp_path):
    by_artwork, _ = found(capsys, "--like", "castle.png")
    assert by_artwork[0][:2] == (1, 1.0)  # the copy of it with the evil name
    assert len(by_artwork) == 5  # not itself, and not what has no vector
    with views.connect(Store("store")) as db:
        macro = db.execute("SELECT artwork_id, cosine FROM similar_artwork('castle.png', 12)").fetchall()
    assert [(name, round(cosine, 3)) for name, cosine in macro] == [(name, cosine) for _, cosine, name in by_artwork]

    copy = shutil.copy("art/castle.png", tmp_path / "stored.png")  # whose vector is known, so no model is loaded
    by_file, _ = found(capsys, "--like", str(copy), "--set", "embed=null")
    assert [name for *_, name in by_file[:2]] == sorted([EVIL_NAME, "castle.png"])
    assert [row[1:] for row in by_file[2:]] == [row[1:] for row in by_artwork[1:]]
    copy.write_bytes(copy.read_bytes() + b"\0")  # the same pixels in another file: the model says the same
    computed, _ = found(capsys, "--like", str(copy))
    assert [name for *_, name in computed] == [name for *_, name in by_file]
    assert [cosine for _, cosine, _ in computed] == pytest.approx([cosine for _, cosine, _ in by_file], abs=0.002)


class Elements(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words += data


def test_the_page_has_its_pictures_in_it_and_obeys_nobody(here, capsys, tmp_path):
    page = tmp_path / "page.html"
    _, told = found(capsys, "--like", "castle.png", "--html", str(page))
    assert f"the same with thumbnails: {page}" in told
    _, told = found(capsys, "--text", EVIL, "--html", str(page))
    assert "\x1b" not in told  # nor does it upset a terminal
    assert "\u202e" not in told
    elements = Elements(page.read_text(encoding="utf-8"))
    assert {tag for tag, _ in elements.found} <= TAGS
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") or name in ("href", "srcset") for name in attributes), tag
        assert attributes.get("src", "data:image/webp;base64,").startswith("data:image/webp;base64,")
    assert sum(tag == "img" for tag, _ in elements.found) == 6
    for words in (EVIL, EVIL_NAME, "{{ 7*7 }}"):
        assert words in elements.words
    policy = next(each["content"] for _, each in elements.found if "http-equiv" in each)
    assert policy.startswith("default-src 'none'; img-src data:")
    assert list(tmp_path.iterdir()) == [page]


def test_a_picture_that_is_gone_or_replaced_says_so_on_the_page(here, capsys, tmp_path):
    page, home, snow = tmp_path / "page.html", here / "art" / "home.png", here / "art" / "snow.png"
    was, kept = home.read_bytes(), snow.read_bytes()
    try:
        home.unlink()
        snow.write_bytes(kept + b"\0")
        found(capsys, "--like", EVIL_NAME, "--html", str(page))
    finally:
        home.write_bytes(was)
        snow.write_bytes(kept)
    told = Elements(page.read_text(encoding="utf-8")).words
    assert told.count("there is no such file") == 1
    assert told.count("the file has changed since") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--text", "x", "--set", "store=nowhere"],
            r"there is no store with artworks at \S+/nowhere; run `make featur",
        ),
        (
            ["--like", "castle.pn"],
            "'castle.pn' is neither an artwork of the catalogue nor a picture file; did you mean ca",
        ),
        (["--like", "broken.png"], "artwork 'broken.png' has no embedding by open_clip_image-.*quarantine_open"),
        (["--like", "art/broken.png"], "art/broken.png cannot be used: not_an_image, the bytes start like no"),
        pytest.param(["--like", "art"], "art cannot be read: .*Is a directory", marks=pytest.mark.slow),
        (["--like", "https://host/a.jpg"], "'https://host/a.jpg': only local paths.*hosts that input.hosts names"),
        pytest.param(
            ["--text", "x", "--set", "embed=null"],
            "the embeddings of .* are by open_clip_image-.*names no model",
            marks=pytest.mark.slow,
        ),
        (["--text", "x", "--set", "embed.model=no/such/folder"], "model 'no/such/folder' is neither"),
        (
            ["--text", "x", "--set", "embed.backend=fake"],
            r"section embed is fake-\w+ \(backend differs\): find with the",
        ),
        pytest.param(
            ["--text", "x", "--set", "embed.device=cuda"],
            "ask for device 'cuda' and torch finds no GPU",
            marks=pytest.mark.slow,
        ),
        (["--text", "x", "--html", "nowhere/page.html"], r"HTML=nowhere/page.html: there is no folder \S+/nowhere$"),
        (["--text", "x", "--html", "art"], "HTML=art is a folder; name a file in it"),
        (["--text", "x\udce9"], "the text to find is no UTF-8"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_sentence(here, capsys, words, told):
    assert find.main(words) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert re.search(f"^error: .*{told}", errors[0]), errors[0]


def test_a_store_without_embeddings_is_refused(tmp_path, capsys):
    store = Store(str(tmp_path))
    stores.commit(store, "artwork", [stores.artwork("a", "t", "1", 1)])
    for words in (["--text", "x"], ["--like", "a"]):
        assert find.main([*words, "--set", f"store={tmp_path}"]) == 2
        assert "has no embeddings: run `make featurize` with a model in section embed" in capsys.readouterr().err


@pytest.mark.slow
def test_the_same_weights_in_another_number_type_may_ask(here, capsys):
    with views.connect(Store("store")) as db:
        asked = "SELECT fingerprint->>'dtype' FROM model WHERE backend = 'open_clip_image'"
        ((stored,),) = db.execute(asked).fetchall()
    other = "float32" if stored == "bfloat16" else "bfloat16"
    rows, _ = found(capsys, "--text", "a snowfield", "--set", f"embed.dtype={other}", "--top", "1")
    assert rows[0][2] == "snow.png"
