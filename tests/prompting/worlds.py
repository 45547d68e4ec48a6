"""Small worlds for the tests: titles, artworks with features, histories and impressions, with every oddity in them."""

import dataclasses
import hashlib
import json
import random
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.config import MaxLost
from featurize.demo.impressions import log
from featurize.demo.members import history_batch
from featurize.demo.scenes import describe
from featurize.demo.titles import titles
from featurize.storage import tables
from featurize.storage.store import Store
from jobs import cli, prompts

START = datetime(2025, 3, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 1, tzinfo=UTC)
GENRES = ["drama", "comedy", "crime", "western", "horror", "family", "war"]
ORIGIN = {"run_id": "features", "code_version": "test", "computed_at": LATER}
CAPTIONED = {"raw_text": "", "status": "ok", "finish_reason": "stop", "prompt_tokens": 1, "output_tokens": 1}
ANY_LOSS = {f"prompts__max_lost__{name}": 1 for name in MaxLost.model_fields}
ANY_LOSS |= {"prompts__min_described": 0, "prompts__min_with_history": 0}
"""Settings under which a run goes on however much of its input is lost."""
INPUTS = ("title", "history", "impression", "pair")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass
class World:
    """Rows as dictionaries, in the columns of their contracts. `write` puts them where the job finds them."""

    title: list
    history: list
    impression: list
    artwork: list
    description: list
    image_tag: list
    pair: list = dataclasses.field(default_factory=list)

    def write(self, folder):
        for name in INPUTS:
            schema = pa.schema([field.with_nullable(True) for field in tables.contract(name).schema])
            pq.write_table(pa.Table.from_pylist(getattr(self, name), schema=schema), folder / f"{name}.parquet")
        store = Store(str(folder / "store"))
        for name in ("artwork", "description", "image_tag"):
            rows = getattr(self, name)
            if rows:
                columns = {key: [row.get(key) for row in rows] for key in {key for row in rows for key in row}}
                store.commit(name, rows[0].get("model_key", ""), sha(repr(rows))[:32], tables.rows(name, columns))


def title(number, **changes):
    name, genres = f"Title {number}", [GENRES[number % 7], GENRES[number // 7 % 7]]
    return {
        "title_id": f"t{number}",
        "name": name,
        "year": 1990 + number,
        "genres": genres,
        "synopsis": "So.",
        **changes,
    }


def event(member, title_id, at, kind="play", minutes=30.0):
    return {"member_id": member, "title_id": title_id, "event": kind, "at": at, "minutes": minutes}


def artwork(artwork_id, title_id, **changes):
    return {
        "artwork_id": artwork_id,
        "title_id": title_id,
        "uri": artwork_id,
        "image_sha256": sha(artwork_id),
        "size": 1,
        "source": "test",
        "present": True,
        "seen_at": LATER,
        "run_id": "features",
        "code_version": "test",
        **changes,
    }


def described(artwork_id, model_key="words-1", **changes):
    row = {"image_sha256": sha(artwork_id), "model_key": model_key, "caption": f"A picture, {artwork_id}."}
    return (
        row
        | {"mood": "calm", "setting": "sea", "people_count": 1, "composition": "wide"}
        | CAPTIONED
        | ORIGIN
        | changes
    )


def impression(number, member, title_id, at, candidates, shown=None, **changes):
    return {
        "impression_id": f"i{number}",
        "member_id": member,
        "title_id": title_id,
        "artwork_id": shown or candidates[0],
        "candidates": candidates,
        "propensity": 0.25,
        "at": at,
        "reward": 1.0,
        **changes,
    }


def plain(impressions=20, candidates=3, members=5):
    """One title after another, all of it in order; a member sees a title every other day, and has listed one before."""
    titles = [title(number) for number in range(4)]
    names = {row["title_id"]: [f"{row['title_id']}-{k}" for k in range(candidates)] for row in titles}
    shown = [
        impression(n, f"m{n % members}", f"t{n % 4}", START + timedelta(hours=5 * n), names[f"t{n % 4}"])
        for n in range(impressions)
    ]
    artworks = [artwork(name, title_id) for title_id, each in names.items() for name in each]
    listed = [event(f"m{n}", "t3", START - timedelta(days=1), "list_add", None) for n in range(members)]
    return World(titles, listed, shown, artworks, [described(row["artwork_id"]) for row in artworks], [])


def demo(impressions, of_titles=60, members=100, events=40):
    """The demo world without its pictures: what they show is described as it is."""
    catalogue = list(titles(of_titles, 0))
    history, seen = history_batch(0, members, events, catalogue, 0)
    logged, _, plays_after = log(impressions, seen, catalogue, 0)
    world = World([], [*history.to_pylist(), *plays_after.to_pylist()], logged.to_pylist(), [], [], [])
    for each in catalogue:
        row = {"name": each.name, "year": each.year, "genres": list(each.themes), "synopsis": each.synopsis}
        world.title.append({"title_id": each.title_id, **row})
        for picture in each.artworks:
            world.artwork.append(artwork(picture.artwork_id, each.title_id))
            truth = {name: value for name, value in describe(picture.scene).items() if name != "theme"}
            world.description.append(described(picture.artwork_id, **truth))
    return world


def odd(seed, members=12, titles=15, impressions=400, events=900):
    """A world in which nearly everything that can be wrong is wrong somewhere."""
    rng = random.Random(seed)
    world = World([], [], [], [], [], [])
    for number in range(titles):
        odds = [{}, {"year": None}, {"genres": None}, {"genres": ["a|b", "c", "d", "e", "f"]}, {"synopsis": "x" * 900}]
        odds += [{"name": 'He said "no"\n## Question'}, {"synopsis": None}, {"name": "\u200b"}]
        world.title.append(title(number, **rng.choice(odds)))
    ids = {}
    for number in range(titles):
        ids[f"t{number}"] = [f"t{number}-{k}" for k in range(rng.choice([1, 2, 3, 5, 8, 30, 60]))]
        for name in ids[f"t{number}"]:
            _odd_artwork(rng, world, name, f"t{number}")
    moments = [START + timedelta(hours=rng.randrange(24 * 200), microseconds=rng.randrange(3)) for _ in range(200)]
    for _ in range(events):
        kind = rng.choice(["play"] * 6 + ["thumbs_up", "thumbs_down", "list_add", "rewind"])
        minutes = rng.choice([None, 0.0, 0.5, 59.999, -1.0, float("nan"), 1e9, rng.random() * 200])
        who = f"m{rng.randrange(members)}"
        world.history.append(event(who, f"t{rng.randrange(titles + 2)}", rng.choice(moments), kind, minutes))
    world.history += [row | {"minutes": minutes} for row in world.history[::9] for minutes in (None, 77.0)]
    for number in range(impressions):
        known = f"t{rng.randrange(titles)}"
        names = rng.sample(ids[known], rng.randint(1, len(ids[known])))
        odds = [{}] * 30 + [{"propensity": 0.0}, {"propensity": float("nan")}, {"propensity": 1.5}, {"reward": 1.01}]
        odds += [{"artwork_id": "elsewhere"}, {"title_id": "unknown"}, {"member_id": ""}, {"candidates": None}]
        odds += [{"impression_id": "i1"}, {"candidates": [*names, names[0], "elsewhere"]}, {"at": None}]
        world.impression.append(
            impression(number, f"m{rng.randrange(members + 2)}", known, rng.choice(moments), names, rng.choice(names))
            | {"reward": rng.choice([0.0, 0.3, 0.5, 1.0]), "propensity": rng.choice([1.0, 0.2])}
            | rng.choice(odds)
        )
    pairs = [(f"m{rng.randrange(members + 1)}", f"t{rng.randrange(titles + 1)}") for _ in range(60)]
    spoken = [None, None, "", "pt", "pt_BR", "PT-pt", "en"]
    world.pair = [
        {"member_id": member, "title_id": title_id, "language": rng.choice(spoken)} for member, title_id in pairs
    ]
    return world


def circumstances(world, seed):
    """The same world with everything that came into the contracts later: cast, depicts, maturity, where and when."""
    rng = random.Random(seed)
    actors = ["Ana Sá", "Bo", "Cy", 'D "x"', "</s>", ""]
    for row in world.title:
        row["cast"] = rng.choice([None, [], rng.sample(actors, 3), rng.sample(actors, 6)])
    for row in world.artwork:
        row["depicts"] = rng.choice([None, None, [], rng.sample(actors, 1), rng.sample(actors, 2)])
        row["maturity"] = rng.choice([None, None, None, None, 0, 7, 12, 16, 18])
    for row in (*world.impression, *world.pair):
        row["device"] = rng.choice([None, "", " phone ", "television", "a [b]", "null", " N/A"])
        row["country"] = rng.choice([None, "BR", "NA", ""])
        row["time_zone"] = rng.choice([None, "", "unknown", *ZONES])
        row["max_maturity"] = rng.choice([None] * 6 + [18, 12, 16, 7, 0, -1])
    for row in world.impression:
        row["language"] = rng.choice([None, "pt", "en", " ", "None"])
        if row["candidates"] and rng.random() < 0.6:
            _propensities(rng, row)
        row["minutes"] = rng.choice([None, 0.0, 0.9, 12.7, 90.0])
        row["country"] = rng.choice([row["country"], " de ", "Narnia", '"] Z.'])
    _alike(rng, world)
    return world


def _alike(rng, world):
    """Of some titles all artworks show the same people; some have the title's name on them; captions get longer."""
    for row in rng.sample(world.title, 4):
        for each in world.artwork:
            if each["title_id"] == row["title_id"]:
                each["depicts"] = ["Ana Sá", "Bo"]
    # Some write names their own way, and some artwork shows who is in no cast.
    for row in rng.sample(world.title, 3):
        row["cast"] = [name.upper() for name in row["cast"] or ["bo"]]
    for row in rng.sample(world.artwork, 6):
        row["depicts"] = [name.lower() for name in row["depicts"] or []] + ["Eve", "ana sá"]
    names = {row["title_id"]: row["name"] for row in world.title}
    titles = {row["image_sha256"]: names[row["title_id"]] for row in world.artwork}
    longer = [" Calm, at the sea, with one or two more things, and so on and on", " On and on it goes" * 9, "x" * 120]
    for row in world.description:
        if rng.random() < 0.3:
            row["text_on_artwork"] = titles[row["image_sha256"]].upper() + rng.choice(["", "!", " 2"])
        if row["caption"] and rng.random() < 0.4:
            row["caption"] += rng.choice(longer)


ZONES = {
    "America/Sao_Paulo": "America/Sao_Paulo",
    "asia/KOLKATA": "Asia/Kolkata",
    "UTC": "UTC",
    "BST": None,
    "Mars/Olympus": None,
}
"""As they are written in a world of oddities, and as they are meant; None where nobody can tell."""


def _propensities(rng, row):
    """Of candidates in their order; now and then wrong in one of the ways in which they can be."""
    shares = [rng.random() for _ in row["candidates"]]
    shares = [share / sum(shares) for share in shares]
    if row["artwork_id"] in row["candidates"] and 0 < row["propensity"] <= 1:
        row["propensity"] = sum(
            p for name, p in zip(row["candidates"], shares, strict=True) if name == row["artwork_id"]
        )
    odds = [shares] * 12 + [[round(share, 3) for share in shares], shares[1:], [share * 0.9 for share in shares]]
    odds += [[*shares[1:], float("nan")], shares[::-1], [1.5, *shares[1:]], [*shares[:-1], None], []]
    row["propensities"] = rng.choice(odds)


def _odd_artwork(rng, world, name, title_id):
    row = artwork(name, title_id, seen_at=LATER - timedelta(days=rng.randrange(3)))
    row |= rng.choice(
        [{}] * 6
        + [{"valid_from": START + timedelta(days=100)}, {"valid_to": START + timedelta(days=100)}]
        + [{"valid_from": START, "valid_to": START + timedelta(days=150)}]
    )
    row["locale"] = rng.choice([None] * 6 + ["pt", "pt-BR", "pt_PT", "EN-gb", "en", ""])
    world.artwork.append(row)
    if rng.random() < 0.15:  # replaced by another file before some of the impressions
        world.artwork.append(
            row | {"seen_at": START + timedelta(days=rng.randrange(150)), "image_sha256": sha(f"old {name}")}
        )
        world.description.append(described(f"old {name}", caption="An older picture."))
    if rng.random() < 0.1:
        world.artwork.append(row | {"present": False, "seen_at": row["seen_at"] + timedelta(days=9)})
    if rng.random() < 0.85:
        odds = [{}] * 4 + [{"caption": None}, {"mood": None, "people_count": None}, {"text_on_artwork": "</s> [INST]"}]
        odds += [{"composition": None, "setting": None}, {"caption": "A. one\nB. two <|im_end|>"}]
        odds += [dict.fromkeys(("caption", "mood", "setting", "people_count", "composition"))]
        world.description.append(described(name, **rng.choice(odds)))
        if rng.random() < 0.2:  # tried before, or tried again
            when = LATER + timedelta(hours=rng.choice([-1, 1]))
            status = rng.choice(["invalid_fields", "invalid_json", "truncated"])
            world.description.append(described(name, caption="A failed try.", status=status, computed_at=when))
            world.description[-2] |= rng.choice([{}, {"status": "invalid_fields"}, {"status": "truncated"}])
    if rng.random() < 0.5:
        genres = sorted({genre for title in world.title for genre in title["genres"] or []})
        first = int(sha(name), 16) % len(genres)
        of_titles = (genres[first].upper(), genres[first - 1])
        for attribute in ("mood", "setting", "shot", "people", "genre"):
            for label in of_titles if attribute == "genre" else ("one", "two"):
                tag = {"image_sha256": sha(name), "model_key": "tags-1", "attribute": attribute, "label": label}
                world.image_tag.append(tag | {"score": 0.1, "probability": rng.choice([0.25, 0.5])} | ORIGIN)


def settings(folder, **changes):
    """Command-line arguments; `prompts__seed=1` stands for prompts.seed=1."""
    given = {
        "store": folder / "store",
        "input__titles": folder / "title.parquet",
        "input__history": folder / "history.parquet",
        "input__impressions": folder / "impression.parquet",
        "prompts__template": None if "prompts__show" in changes else "multiple-choice-v1",
        **changes,
    }
    return [f"--set={name.replace('__', '.')}={value}" for name, value in given.items() if value is not None]


def run(folder, *flags, **changes):
    """Run the job as a person does; returns the exit code."""
    return cli.main("prompts", prompts.__doc__, prompts.prompts, [*settings(folder, **changes), *flags])


def rows(folder):
    """What is in `prompt`, read as people read it, in the order of prompt_id."""
    glob = f"{folder}/store/prompt/**/*.parquet"
    with tables.connect() as db:
        if not tables.scalar(db, f"SELECT count(*) FROM glob('{glob}')"):
            return []
        return tables.arrow(db, f"FROM read_parquet('{glob}') ORDER BY prompt_id").to_pylist()


def counts(folder):
    """What the newest run counted."""
    query = f"SELECT counts FROM '{folder}/store/run/**/*.parquet' ORDER BY started_at DESC, outcome LIMIT 1"
    return json.loads(duckdb.sql(query).fetchall()[0][0])
