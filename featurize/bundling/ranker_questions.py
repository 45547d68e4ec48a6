"""What the bundled ranker is asked about a page: reading comprehension, whose answers stand in the text.

A question is of a kind, has one right answer (a letter, a number, a name or a few words), and never asks what a member
would choose.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from featurize.bundling.ranker_pages import Page, Shown, unique
from featurize.demo.vocabulary import MOODS, ROLES, SETTINGS, SHOTS, THEMES

Asked = tuple[str, str]
"""A question and its answer."""
_THINGS = (*ROLES, *(prop for theme in THEMES.values() for prop in theme.props))
_CLOSENESS = ("close-up", "medium shot", "full shot", "wide shot")

_WHICH = {
    "genre": ("Which artwork is of the genre {}?", "Which one looks like {}?", "The letter of the {} artwork:"),
    "mood": ("Which artwork is {}?", "Which artwork has the mood {}?", "Which one looks {}?"),
    "setting": ("Which artwork is set in: {}?", "Which one shows this place: {}?", "Where is {}? Letter:"),
    "shot": ("Which artwork is the {}?", "Which one is a {}?", "Letter of the {}:"),
    "people": ("Which artwork has people: {}?", "On which one is the number of people {}?"),
    "arrangement": ("On which artwork are people arranged: {}?", "Which one has the arrangement {}?"),
    "subject": ("Which artwork shows a {}?", "On which one is a {}?", "Find the {}. Letter:", "Where is the {}?"),
    "colours": ("Which artwork is {}?", "Which one has the colours {}?"),
    "words": ('Which artwork says "{}"?', 'On which one is written "{}"?'),
    "depicts": ("Which artwork shows {}?", "On which one is {}?", "Find {}. Letter:", "{} is on artwork"),
    "caption": ('Which artwork is this: "{}"?', 'Letter of "{}":'),
}
_WHAT = {
    "genre": ("What genre is {}?", "Genre of {}:"),
    "mood": ("What is the mood of {}?", "Mood of {}:"),
    "setting": ("Where is {} set?", "Setting of {}:"),
    "shot": ("What kind of shot is {}?", "Shot of {}:"),
    "people": ("How many people are on {}?", "People on {}:"),
    "arrangement": ("How are the people on {} arranged?", "Arrangement of {}:"),
    "subjects": ("What is on {}?", "Subjects of {}:"),
    "colours": ("What colours has {}?", "Colours of {}:"),
    "words": ("What is written on {}?", "Words on {}:"),
    "depicts": ("Who is on {}?", "Names on {}:"),
    "caption": ("What does {} look like?", "Describe {}:"),
}


def subjects(shown: Shown) -> set[str]:
    return {*shown.scene.people, *shown.scene.props}


def which(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """By trait: the one candidate that has a value of it, or none."""
    made = {}
    all_traits = [shown.traits for shown in page.candidates]
    for trait in (*sorted(told & set(_WHICH)), *(("subject",) if told & {"subjects", "caption"} else ())):
        if trait == "subject":
            sets = [subjects(shown) for shown in page.candidates]
            alone = unique([subject for each in sets for subject in each])
            absent = [each for each in _THINGS if not any(each in one for one in sets)]
        elif trait == "depicts":
            sets = [set(shown.depicts) for shown in page.candidates]
            alone = unique([name for each in sets for name in each])
            absent = [name for name in page.cast if not any(name in one for one in sets)]
        else:
            sets = [{each[trait]} if trait in each else set() for each in all_traits]
            alone = unique([value for each in sets for value in each])
            known = {"mood": MOODS, "setting": SETTINGS, "shot": SHOTS, "genre": tuple(THEMES)}.get(trait, ())
            absent = [value for value in known if not any(value in one for one in sets)]
        if absent and dice.random() < 0.08:
            made[f"which {trait}"] = dice.choice(_WHICH[trait]).format(dice.choice(absent)), "none"
        elif alone:
            value = dice.choice(sorted(alone))
            letter = next(shown.letter for shown, one in zip(page.candidates, sets, strict=True) if value in one)
            made[f"which {trait}"] = dice.choice(_WHICH[trait]).format(value), letter
    return made


def what(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """By trait: what a candidate has of it, and whether it has."""
    made = {}
    for trait in sorted(told & set(_WHAT)):
        shown = dice.choice(page.candidates)
        value = shown.traits.get(trait)
        value = value or {"words": "nothing", "depicts": "nobody known"}.get(trait)
        if value is None:  # not told of this one
            continue
        made[f"what {trait}"] = dice.choice(_WHAT[trait]).format(shown.letter), value
    if told & {"subjects", "caption"}:
        shown = dice.choice(page.candidates)
        there = dice.random() < 0.5
        thing = dice.choice(sorted(subjects(shown)) if there else _THINGS)
        said = dice.choice(("Does {} show a {}?", "Is there a {1} on {0}?")).format(shown.letter, thing)
        made["has subject"] = said, "yes" if thing in subjects(shown) else "no"
        thing = dice.choice(sorted({each for shown in page.candidates for each in subjects(shown)}))
        count = sum(thing in subjects(shown) for shown in page.candidates)
        made["count subject"] = f"How many artworks show a {thing}?", str(count)
    if "titled" in told or "words" in told:
        with_words = [shown.letter for shown in page.candidates if "words" in shown.traits]
        bare = [shown.letter for shown in page.candidates if "words" not in shown.traits]
        if len(with_words) == 1:
            made["which titled"] = "Which artwork has words on it?", with_words[0]
        if len(bare) == 1:
            made["which bare"] = dice.choice(("Which artwork has no words?", "Which one has no title on it?")), bare[0]
    letters = [shown.letter for shown in page.candidates]
    if dice.random() < 0.3:  # soon learnt
        made["count artworks"] = "How many artworks are there?", str(len(letters))
        made["last letter"] = dice.choice(("Which letter is the last?", "Letter of the last artwork:")), letters[-1]
    return made


def compare(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """What takes a look at two artworks or more."""
    made = {}
    if "people" in told or "caption" in told:
        counts = {shown.letter: shown.scene.people_count for shown in page.candidates}
        most, fewest = max(counts.values()), min(counts.values())
        for kind, extreme, words in (
            ("most people", most, ("Which artwork shows the most people?", "On which one are most people?")),
            ("fewest people", fewest, ("Which artwork shows the fewest people?",)),
        ):
            at = [letter for letter, count in counts.items() if count == extreme]
            if len(at) == 1:
                made[kind] = dice.choice(words), at[0]
    if "shot" in told or "caption" in told:
        near = {s.letter: _CLOSENESS.index(s.scene.shot) for s in page.candidates if s.scene.shot in _CLOSENESS}
        for kind, pick, word in (("closest shot", min, "closest"), ("widest shot", max, "widest")):
            if near:
                at = [letter for letter, place in near.items() if place == pick(near.values())]
                if len(at) == 1:
                    made[kind] = f"Which artwork is the {word} shot?", at[0]
    if "earlier" in told:
        before = [shown for shown in page.candidates if shown.before]
        if len(before) == 1:
            made["shown before"] = "Which artwork was shown to this member before?", before[0].letter
        fresh = [shown for shown in page.candidates if not shown.before]
        if len(fresh) == 1:
            made["never shown"] = "Which artwork was never shown to this member?", fresh[0].letter
        shown = dice.choice(page.candidates)
        made["times shown"] = f"How often was {shown.letter} shown?", str(shown.before)
        often = max(page.candidates, key=lambda shown: shown.before)
        if sum(shown.before == often.before for shown in page.candidates) == 1:
            made["most shown"] = "Which artwork was shown most often?", often.letter
        played = [shown for shown in page.candidates if shown.played]
        if len(played) == 1:
            made["shown and played"] = "Which artwork was played when it was shown?", played[0].letter
    return made


def member(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """About what the member did."""
    made: dict[str, Asked] = {}
    if "plays" in told and page.plays:
        made |= _most("genre", page.plays, dice)
    if "members_people" in told and page.people:
        made |= _most("person", page.people, dice)
    if "recent" in told and page.watched:
        last = page.watched[0]
        made["last title"] = "What did this member come across last?", last.name
        one = dice.choice(page.watched[:6])
        if [each.name for each in page.watched].count(one.name) == 1:
            if "genres of watched" in told:
                made["genres of watched"] = f'Of what genres is "{one.name}"?', ", ".join(one.genres)
            done = {
                "play": "watched it",
                "thumbs_up": "gave a thumbs up",
                "thumbs_down": "gave a thumbs down",
                "list_add": "added it to the list",
            }[one.event]
            made["what was done"] = f'What did this member do with "{one.name}"?', done
    if not page.watched:
        made["no history"] = "Has this member any history?", "no"
    return made


def tastes(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """Which candidate goes with what the member watched: two steps each, told one by one or taken at once."""
    made: dict[str, Asked] = {}
    if "plays" in told and told & {"genre", "caption"} and page.plays:
        counts = page.played if "played" in told else dict(page.plays)
        named = {shown.letter: {shown.scene.theme} for shown in page.candidates}
        made |= _matches("genre", counts, named, dice)
        made |= _of_each("genre", counts, named)
    if {"members_people", "depicts"} <= told and page.people:
        counts = page.seen if "seen" in told else dict(page.people)
        named = {shown.letter: set(shown.depicts) for shown in page.candidates}
        made |= _matches("person", counts, named, dice)
        made |= _of_each("person", counts, named)
    return made


def _of_each(kind: str, counts: dict[str, int], named: dict[str, set[str]]) -> dict[str, Asked]:
    steps, plays = {}, {}
    for letter, names in named.items():
        best = max(sorted(names), key=lambda name: counts.get(name, 0), default="nobody")
        plays[letter] = counts.get(best, 0)
        steps[letter] = f"{letter} {best} {plays[letter]}"
    made = {
        f"{kind} and plays of each": (f"Each artwork, its {kind} and the plays of that:", ", ".join(steps.values())),
        f"plays of {kind} of each": (
            f"Plays of the {'genres' if kind == 'genre' else 'people'} of {', '.join(named)}:",
            ", ".join(map(str, plays.values())),
        ),
    }
    if len(set(plays.values())) == len(plays):
        ordered = sorted(plays, key=lambda letter: -plays[letter])
        made[f"by plays of {kind}"] = f"The artworks by plays of their {kind}, most first:", ", ".join(ordered)
    return made


def _most(kind: str, counts: tuple[tuple[str, int], ...], dice: Random) -> dict[str, Asked]:
    asked = {
        "genre": ("What genre did this member watch most?", "Which genre do they watch most?", "Favourite genre:"),
        "person": ("Which person do they watch most?", "Whom did this member watch most?", "Most watched person:"),
    }[kind]
    made = {}
    if len(counts) == 1 or counts[0][1] > counts[1][1]:
        made[f"most watched {kind}"] = dice.choice(asked), counts[0][0]
    name, count = dice.choice(counts)
    made[f"plays of {kind}"] = f"How many plays of {name}?", str(count)
    if len(counts) > 1:
        (one, first), (other, second) = dice.sample(counts, 2)
        if first != second:
            more = one if first > second else other
            made[f"more of {kind}"] = f"Which of these did they watch more: {one} or {other}?", more
    return made


def _matches(kind: str, counts: dict[str, int], named: dict[str, set[str]], dice: Random) -> dict[str, Asked]:
    """`named` says by letter which genres or people are on an artwork."""
    made = {}
    watched = {letter: max((counts.get(name, 0) for name in names), default=0) for letter, names in named.items()}
    top = max(counts.values())
    tops = [name for name, count in counts.items() if count == top]
    if len(tops) == 1:
        at = [letter for letter, names in named.items() if tops[0] in names]
        if len(at) == 1 or (named and not at and dice.random() < 0.1):
            word = {"genre": "is of the genre", "person": "shows the person"}[kind]
            said = f"Which artwork {word} that this member watched most?"
            made[f"artwork of most watched {kind}"] = said, at[0] if at else "none"
    at = [letter for letter, count in watched.items() if count and count == max(watched.values())]
    if len(at) == 1:
        plural = {"genre": "Of the genres of these artworks, which", "person": "Of the people on these, whom"}[kind]
        made[f"artwork of more watched {kind}"] = f"{plural} did they watch most? Letter of that artwork:", at[0]
    if len(watched) > 1:
        one, other = dice.sample(sorted(watched), 2)
        if watched[one] != watched[other]:
            more = one if watched[one] > watched[other] else other
            said = {"genre": "Whose genre", "person": "Whose person"}[kind]
            made[f"more watched {kind} of two"] = f"{said} did they watch more: {one} or {other}?", more
    plain = [letter for letter, names in named.items() if len(names) == 1 and names <= set(counts)]
    if plain:
        letter = dice.choice(plain)
        said = {"genre": "How many plays of the genre of {}?", "person": "How many plays of the person on {}?"}[kind]
        made[f"plays of {kind} of artwork"] = said.format(letter), str(watched[letter])
    return made


def title(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """About the title, the member's device and the day."""
    made: dict[str, Asked] = {}
    if "name" in told:
        made["name of title"] = "What is the title called?", page.name
    if "year" in told:
        made["year of title"] = "From what year is the title?", str(page.year)
    if "genres" in told:
        made["genres of title"] = "What genres has the title?", ", ".join(page.genres)
        theme = dice.choice(list(THEMES))
        made["title is of genre"] = f"Is the title of the genre {theme}?", "yes" if theme in page.genres else "no"
    if "cast" in told:
        made["cast of title"] = "Who plays in the title?", ", ".join(page.cast)
        made["first of cast"] = "Who comes first in the cast?", page.cast[0]
        if "members_people" in told and page.people:
            seen = [name for name in page.cast if name in dict(page.people)]
            if len(seen) == 1:
                made["known in cast"] = "Who of the cast is among those they watch most?", seen[0]
    if "now" in told:
        thing = dice.choice(sorted(page.now))
        words = {"day": "What day is it?", "time": "What time is it?", "device": "What is the device?"}
        words |= {"country": "In what country is this member?", "language": "In what language?"}
        made[f"now {thing}"] = words[thing], page.now[thing]
    return made


def lists(page: Page, told: set[str], dice: Random) -> dict[str, Asked]:
    """Many short look-ups in one answer, in the order of the question: the densest lesson in where things stand."""
    made = {}
    letters = [shown.letter for shown in page.candidates]
    owners: dict[str, set[str]] = {}
    for shown in page.candidates:
        for trait in told & set(_WHAT) - {"caption", "words"}:
            value = shown.traits.get(trait)
            for one in value.split(", ") if value and trait in ("depicts", "subjects") else [value] if value else []:
                owners.setdefault(one, set()).add(shown.letter)
    alone = sorted(value for value, at in owners.items() if len(at) == 1 and not value.isdecimal())
    if len(alone) > 1:
        some = dice.sample(alone, min(len(alone), dice.randint(2, 12)))
        made["letters of"] = f"Letters of: {'; '.join(some)}", ", ".join(next(iter(owners[value])) for value in some)
    for trait in sorted(told & {"genre", "mood", "setting", "shot"}):
        if all(trait in shown.traits for shown in page.candidates):
            order = dice.sample(page.candidates, len(letters))
            asked = f"The {trait} of {', '.join(shown.letter for shown in order)}:"
            made[f"{trait} of each"] = asked, ", ".join(shown.traits[trait] for shown in order)
    watched = [("genre", page.plays)] if "plays" in told else []
    if "members_people" in told:
        watched.append(("person", page.people))
    for kind, counts in watched:
        if len(counts) > 1:
            known = dice.sample(counts, min(len(counts), 6))
            asked = f"Plays of {', '.join(name for name, _ in known)}:"
            made[f"plays of each {kind}"] = asked, ", ".join(str(count) for _, count in known)
    return made


_ASKING: tuple[tuple[Callable[[Page, set[str], Random], dict[str, Asked]], int, int], ...] = (
    (which, 4, 4),
    (what, 3, 2),
    (compare, 2, 3),
    (member, 2, 4),
    (tastes, 2, 6),
    (title, 1, 1),
    (lists, 3, 2),
)
"""Who asks, and how many questions at most of a round about an easy page and about another."""
_ROUNDS = 4


def questions(page: Page, told: set[str], dice: Random, easy: bool, count: int) -> list[tuple[str, str, str]]:
    """About `count` different questions about a page as (kind, question, answer); `told` is what its text says."""
    made: dict[str, tuple[str, str, str]] = {}
    for _ in range(_ROUNDS):
        some = []
        for ask, when_easy, else_ in _ASKING:
            asked = sorted(ask(page, told, dice).items())
            some += dice.sample(asked, min(len(asked), when_easy if easy else else_))
        dice.shuffle(some)
        for kind, (question, answer) in some:
            made.setdefault(question, (kind, question, answer))
        if len(made) >= count:
            break
    return list(made.values())[:count]
