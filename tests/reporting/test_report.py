"""The page of a store: everything it holds is there, strangers' texts are text, and what is missing is said."""

import json
import re
from html.parser import HTMLParser

import pytest

from jobs import find, sql
from tests.reporting import stores

SECTIONS = ("nights", "coverage", "time", "sheet", "quarantine", "words", "near", "map", "prompts", "values")


class Page(HTMLParser):
    """Elements with their attributes, the text of each section, and the JSON of the page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.section, self.scripts, self._in, self._script = [], {}, [], "top", None
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.data, self.thumbs = (json.loads(words) for kind, words in self.scripts if kind == "application/json")
        self.section = {name: " ".join("".join(words).split()) for name, words in self.section.items()}

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._in = dict(attrs)["id"]
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))
            self._script = True

    def handle_endtag(self, tag):
        if tag == "section":
            self._in = "after"
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script:
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.section.setdefault(self._in, []).append(data + " ")

    def artworks(self):
        return {art["id"]: art for title in self.data["titles"] for art in title["art"]}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    store, rows = stores.full(folder)
    before = sorted(path for path in (folder / "store").rglob("*"))
    assert stores.run(store, folder / "report.html") == 0
    assert sorted(path for path in (folder / "store").rglob("*")) == before  # to look at a store changes nothing in it
    return Page(folder / "report.html"), rows, folder


def test_what_ran_and_how_it_ended(everything):
    page, _, _ = everything
    told = [attrs["data-tip"] for tag, attrs in page.tags if tag == "a" and "cell" in attrs.get("class", "")]
    assert len(told) == 7
    assert any(f"{stores.night(4):%a %d %b}, featurize: 1 killed" in each for each in told)
    assert f"{stores.night(3):%a %d %b}, featurize: 1 done, 1 min 0 s" in told
    assert any(f"{stores.night(2):%a %d %b}, featurize: 1 failed" in each and stores.HOSTILE in each for each in told)
    assert any("rank: 1 interrupted" in each for each in told)
    of_nights = [each for each in told if "nightly" in each]  # under the date that it was for, not when it ran
    assert of_nights == [
        f"{stores.night(3):%a %d %b}, nightly: 1 failed, 1 done, 2 min 0 s; the last one is done\nhalf a file"
    ]
    assert f"nightly of {stores.night(3).strftime('%d %b').lstrip('0')} done" in page.section["nights"]
    assert any(f"{stores.night(1):%a %d %b}, featurize: 2 done" in each for each in told)
    assert "featurize done 1 min 0 s 29" in page.section["nights"]
    assert "found 15" in page.section["nights"]


def test_what_was_lost_or_left_over_is_told_first(tmp_path):
    store, _ = stores.bare(tmp_path, titles=1)
    late = "left for the next run, for 00:00 to 00:30 UTC has passed: rank"
    counts = {"evaluate": {"members": 4}, "featurize": {"new or changed": 2, "removed": 13}}
    counts |= {"prompts_nightly": {"no prompt: few_candidates": 20, "pairs": 40}, "a": 1, "b": 1}
    half = {**stores.phase("embed", stores.CLIP, 7), "new": 10, "quarantined": {"truncated": 1}}
    runs = [
        stores.run_row("whole", 4, "nightly", **counts),
        stores.run_row("nothing", 3, "nightly", message=late),
        stores.run_row("half", 2, "nightly", phases=[half]),
        stores.run_row("rest", 1.9, "nightly", removed=0, of=stores.night(2)),
    ]
    for row in runs:
        stores.commit(store, "run", [row])
    stores.ended(store, stores.run_row("bad", 1, "nightly", "failed", "history.csv:41: 4 values"), "refused")
    stores.ended(store, stores.run_row("odd", 0, "nightly", "failed", "nobody knows"), "unheard-of")
    assert stores.run(store, tmp_path / "report.html") == 0
    page = Page(tmp_path / "report.html")
    cells = [attrs for tag, attrs in page.tags if tag == "a" and "cell" in attrs.get("class", "")]
    looks = [(each["class"], each["data-tip"].split(": ", 1)[1]) for each in cells]
    assert looks == [
        ("cell done", "1 done, 1 min 0 s"),
        ("cell partly", f"1 done with work left, 1 min 0 s\n{late}"),
        ("cell partly mended", "1 done with work left, 1 done, 2 min 0 s; the last one is done"),
        ("cell refused", "1 refused, 1 min 0 s\nhistory.csv:41: 4 values"),
        ("cell unheard-of", "1 unheard-of, 1 min 0 s\nnobody knows"),
    ]
    told = page.section["nights"]
    lost = "featurize.removed 13 , prompts_nightly.no prompt: few_candidates 20 , featurize.new or changed 2 , a 1 …"
    assert lost in told
    assert told.index(lost) < told.index("evaluate.members 4")
    assert "done with work left 1 min 0 s 7 left over 2" in told
    assert f"done with work left 1 min 0 s – {late}" in told
    assert "refused 1 min 0 s – history.csv:41: 4 values" in told
    for words in ("◐ done with work left", "! refused", "two colours: mended, the last run is done"):
        assert words in told


def test_the_choices_at_its_head_are_those_of_today(tmp_path):
    store, rows = stores.bare(tmp_path, titles=2)
    asked = [prompt for prompt in stores.prompts(rows) if prompt["kind"] == "nightly"]
    for night in (2, 1, 0):
        chosen = [row | {"valid_from": stores.night(night)} for row in stores.choices(asked, "llm-1")]
        stores.commit(store, "choice", chosen)
    assert stores.run(store, tmp_path / "report.html") == 0
    page = Page(tmp_path / "report.html")
    assert f"current choices {len(asked)} " in page.section["top"]
    assert sum(title["chosen"] for title in page.data["titles"]) == len(asked)


def test_coverage_now_and_over_time(everything):
    page, _, _ = everything
    tips = [attrs["data-tip"] for _, attrs in page.tags if "data-tip" in attrs]
    assert "done 14, failed 0, quarantined 1, pending 0" in tips
    assert "done 9, failed 0, quarantined 0, pending 6" in tips
    (first, *_), last = (each := [tip for tip in tips if " UTC: " in tip]), each[-1]
    assert "15 artworks" in first
    assert "words-1: 0" in first
    assert "words-0: 9" in first
    assert "words-1: 14" in last
    assert "tags-1: 15" in last


def test_where_time_went(everything):
    page, _, _ = everything
    tips = [attrs["data-tip"] for _, attrs in page.tags if "data-tip" in attrs]
    assert {"embed: start-up, 4.0 s", "embed: work, 20 s", "describe: work, 20 s", "all else, 12 s"} <= set(tips)
    assert "describe featurize 0.7 a second" in page.section["time"]
    assert "model cpu worker" in page.section["time"]
    assert "18.5" in page.section["time"]


def test_the_sheet_says_what_is_known_of_an_artwork(everything):
    page, rows, _ = everything
    assert page.section["sheet"].startswith("Artworks The bar below an artwork is its share of the choices")
    assert len(page.thumbs) == len(rows)
    first = page.artworks()["t1-0"]
    assert first["caption"] == "Two people at sunset, number 3."
    assert first["who"] == ["Actor 1"]
    assert ["mood", "calm", 0.8] in first["tags"]
    assert (first["chosen"], first["shown"], first["played"]) == (6, 4, 2)
    assert ["on", "television", 6, 6] in first["whom"]
    assert first["members"] == ["m1", "m11", "m3"]
    assert page.artworks()["t1-2"].get("chosen") is None
    (title,) = (each for each in page.data["titles"] if each["id"] == "t1")
    assert (title["name"], title["genres"], title["chosen"]) == ("The Last Heart", ["comedy"], 12)


def test_quarantine_with_reasons_and_pictures(everything):
    page, _, _ = everything
    assert "model_error 1" in page.section["quarantine"]
    assert "not_found 1" in page.section["quarantine"]
    assert "2 attempts, tried again" in page.section["quarantine"]
    assert "artwork t4-2 " in page.section["quarantine"]
    assert page.section["quarantine"].count("no picture") == 1  # of the file that is gone


def test_tags_and_their_drift(everything):
    page, _, _ = everything
    # 5 of 15 each of three moods against 8 and 7 of two: a third has moved.
    assert re.search(r"mood tags drift 0\.33 · \d+ % changed", page.section["words"])
    assert "mood descriptions drift 0.0" in page.section["words"]


def test_what_looks_alike_across_titles(everything):
    page, _, _ = everything
    assert "2 pairs of artworks of different titles look nearly the same" in page.section["near"]
    assert "cosine 0.980 t0-0 t1-0 t2-1" in page.section["near"]
    assert len(page.data["map"]) == 15


def test_prompts_with_the_rankers_probabilities(everything):
    page, _, _ = everything
    assert page.section["prompts"].count("the prompt") == 8
    assert "llm 70 % 15 % 15 %" in page.section["prompts"] or "llm 15 % 70 % 15 %" in page.section["prompts"]
    assert page.section["prompts"].index("llm") < page.section["prompts"].index("random")
    assert ", tonight" in page.section["prompts"]
    assert "shown, watched" in page.section["prompts"]


def test_policies_with_intervals(everything):
    page, _, _ = everything
    assert "+12.0 % +2.0 % … +22.0 %" in page.section["values"]
    assert page.section["values"].index("llm") < page.section["values"].index("random")
    assert "doubly robust estimation (DR) on 480 held-out prompts" in page.section["values"]


def test_a_strangers_text_is_text(everything):
    page, _, _ = everything
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert [kind for kind, _ in page.scripts] == ["application/json", "application/json", None]
    assert "49" not in page.section["quarantine"].replace("{{7*7}}", "")
    told = {tag for tag, attrs in page.tags if tag in ("img", "iframe", "object", "link", "base", "form")}
    assert told == {"img", "link"}
    assert all("src" not in attrs for tag, attrs in page.tags if tag == "img")
    assert page.artworks()["t4-0"]["caption"] == stores.HOSTILE
    assert page.artworks()["t4-0"]["file"].endswith("/" + stores.FILE)
    assert stores.HOSTILE in [each["name"] for each in page.data["titles"]]
    assert " ".join(stores.HOSTILE.split()) in page.section["prompts"]


def test_nothing_is_asked_of_another_machine(everything):
    page, _, folder = everything
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "href", "srcset", "poster") if name in attrs]
    assert {each[:1] if each.startswith("#") else each for each in addresses} == {"#", "data:,"}
    assert "default-src 'none'" in page.text
    assert (folder / "report.html").stat().st_size < 200_000


def test_what_is_missing_is_said(tmp_path, capsys):
    store, rows = stores.bare(tmp_path, titles=3)
    with open(rows[0]["uri"], "ab") as file:  # no longer the content that the rows are about
        file.write(b"more")
    assert stores.run(store, tmp_path / "report.html") == 0
    assert "9 of 9 artworks" in capsys.readouterr().out
    page = Page(tmp_path / "report.html")
    for name in set(SECTIONS) - {"sheet"}:
        (sentence,) = re.findall(r"[A-Z][^.]+\.", page.section[name].split("ended.")[-1])[-1:]
        assert sentence, name
    assert "Nothing has been ranked yet ( make rank ), so no artwork is chosen." in page.section["sheet"]
    assert page.artworks()["t0-0"]["why"] == "the file has changed since"
    assert len(page.thumbs) == 8


def test_a_page_that_cannot_show_all_says_so(tmp_path):
    store, _ = stores.bare(tmp_path, titles=5)
    assert stores.run(store, tmp_path / "report.html", report__artworks=7) == 0
    page = Page(tmp_path / "report.html")
    assert "A sample: 2 of 5 titles with 6 of 15 artworks, because it shows at most 7" in page.section["sheet"]
    assert len(page.thumbs) == 6


def test_what_cannot_be_done_is_one_sentence(tmp_path, capsys):
    store, _ = stores.bare(tmp_path, titles=1)
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    for page, code, words in (
        ("titles.csv", 2, "does not end in .html"),
        ("folder.html", 2, "is a folder"),
        ("file/report.html", 1, "cannot be written"),
    ):
        assert stores.run(store, tmp_path / page) == code
        told = capsys.readouterr().err
        assert words in told
        assert told.startswith("error: report.html: ")
        assert told.count("\n") == 1
    assert stores.run(store, "s3://bucket/report.html") == 2
    assert "no file of this machine" in capsys.readouterr().err
    assert stores.run(store, tmp_path / "report.html", "--dry-run") == 0
    assert "1 of 1 titles, 3 of 3 artworks" in capsys.readouterr().out
    store.uri = str(tmp_path / "nowhere")
    assert stores.run(store, tmp_path / "report.html") == 2
    assert "there is no store at" in capsys.readouterr().err
    store.uri = str(tmp_path / "file")
    assert stores.run(store, tmp_path / "report.html") == 2
    assert "/file is a file, and a store is a folder" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_part_is_named(tmp_path, capsys):
    store, rows = stores.bare(tmp_path, titles=1)
    vector = {"image_sha256": rows[0]["image_sha256"], "model_key": stores.CLIP, "embedding": [0.6, 0.8]}
    stores.commit(store, "image_embedding", [vector], stores.CLIP)
    stores.commit(store, "model", [stores.model(stores.CLIP, "fake")])
    place = [f"--set=store={json.dumps(store.uri)}"]
    for table in ("artwork", "image_embedding", "model"):
        (name,) = store.parts(table)
        part = tmp_path / "store" / name
        whole = part.read_bytes()
        part.write_bytes(whole[:100])
        assert stores.run(store, tmp_path / "report.html") == 1
        assert find.main([*place, "--like", "t0-0"]) == 1
        assert sql.main([*place, "-c", "FROM artwork"]) == 1
        told = capsys.readouterr().err.splitlines()
        assert [each.startswith("error: ") and name in each for each in told] == [True] * 3
        if table == "artwork":  # damaged inside: what is in it is said at its end, and there as it was
            end = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8
            part.write_bytes(whole[:4] + b"Z" * (end - 4) + whole[end:])
            assert stores.run(store, tmp_path / "report.html") == 1
            assert capsys.readouterr().err.startswith(f"error: a table of {store.uri} cannot be read: ")
        part.write_bytes(whole)
    assert not (tmp_path / "report.html").exists()
