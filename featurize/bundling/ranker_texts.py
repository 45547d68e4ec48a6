"""The documents the bundled ranker learns from: conversations about a page, written out as the chat template does.

A page is written in the words of the prompt templates or in free variations of them: other headings, other orders,
other marks between things, some of the traits. Invariant: document `n` is a function of (stream, n, easy) alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from featurize.bundling import ranker_questions
from featurize.bundling.ranker_pages import Page, Watched, Written, dice_of, page
from featurize.bundling.ranker_templates import COUNTED, FIRST, LONG, SHORT, templated
from featurize.bundling.texts import END, START, turn

STYLES = {"free": 8, SHORT: 6, COUNTED: 6, LONG: 1, FIRST: 1}
"""How often a page is written in which way: the long ones take the most time by far."""
_SYSTEMS = (
    "",
    "Answer in a few words.",
    "You read about a member of a streaming service and about artworks, and answer questions.",
    "Read, then answer.",
)


@dataclass(frozen=True)
class Document:
    """`asked` is (kind, question, answer) in order; in `text` they follow each other. `candidates` is their number."""

    written: Written
    candidates: int
    asked: tuple[tuple[str, str, str], ...]
    text: str


def document(stream: int, number: int, easy: bool, style: str | None, characters: int) -> Document:
    """A conversation of at least so many characters."""
    dice = dice_of(stream, number)
    read = page(stream, number, dice, easy)
    style = style or ("free" if easy else dice.choices(list(STYLES), list(STYLES.values()))[0])
    written = free(read, dice, easy) if style == "free" else templated(style, read, dice)
    left = max(characters - len(written.text) - len(written.system), 200)
    asked = tuple(ranker_questions.questions(written.read, set(written.told), dice, easy, left // 100))
    _, question, answer = asked[0]
    # A question that is known while reading is easier to answer, and teaches to read.
    place = dice.choices(("after", "before", "system"), (2, 2, 1) if easy else (6, 2, 2))[0]
    first = {
        "after": f"{written.text}\n\n{question}",
        "before": f"{question}\n\n{written.text}",
        "system": written.text,
    }
    system = f"{written.system} {question}".strip() if place == "system" else written.system
    head = f"{START}system\n{system}{END}\n" if system else ""
    turns = [turn(first[place], answer)] + [turn(question, answer) for _, question, answer in asked[1:]]
    return Document(written, len(read.candidates), asked, head + "".join(turns))


def free(read: Page, dice: Random, easy: bool) -> Written:
    """A page in words of its own."""
    sections: list[tuple[str, str]] = []
    told: set[str] = set()
    for name, write in _SECTIONS.items():
        if dice.random() < (_EASY_SHARE if easy else _SHARE)[name]:
            said = write(read, dice, told)
            if said:
                sections.append((name, said))
    candidates = _candidates(read, dice, easy, told)
    if dice.random() < 0.25:
        dice.shuffle(sections)
    sections.insert(dice.randint(0, len(sections)) if dice.random() < 0.3 else len(sections), ("artworks", candidates))
    gap = dice.choice(("\n", "\n\n"))
    return Written("free", read, dice.choice(_SYSTEMS), gap.join(said for _, said in sections), frozenset(told))


def _heading(dice: Random, *words: str) -> str:
    word = dice.choice(words)
    return dice.choice((f"## {word}\n", f"{word}:\n", f"{word}\n", f"# {word}\n"))


def _counts(counts: tuple[tuple[str, int], ...], dice: Random) -> str:
    pattern = dice.choice(("{} {}", "{} {}", "{} ({})", "{}: {}", "{} {} times", "{} x{}"))
    return dice.choice((", ", "; ")).join(pattern.format(*each) for each in counts)


def _plays(read: Page, dice: Random, told: set[str]) -> str:
    told.add("plays")
    if not read.plays:
        return "Nothing yet: this member has no history."
    words = ("Plays by genre: {}", "Watched, by genre: {}.", "They watch: {}", "Genres watched: {}")
    return dice.choice(words).format(_counts(read.plays, dice))


def _people(read: Page, dice: Random, told: set[str]) -> str:
    if not read.people:
        return ""
    told.add("members_people")
    words = ("People they watch most: {}", "Most watched people: {}.", "Whom they watch: {}")
    return dice.choice(words).format(_counts(read.people, dice))


def _recent(read: Page, dice: Random, told: set[str]) -> str:
    if not read.watched:
        return ""
    told |= {"recent", "genres of watched"}
    with_cast, mark = dice.random() < 0.3, dice.choice(("- ", "", "* "))
    lines = [mark + _watched(each, with_cast, dice) for each in read.watched[:6]]
    return _heading(dice, "Most recent first", "What the member did, most recent first", "Lately") + "\n".join(lines)


def _watched(each: Watched, with_cast: bool, dice: Random) -> str:
    told = f'"{each.name}" ({", ".join((*each.genres, *(each.cast[:2] if with_cast else ())))})'
    did = {
        "play": f"watched {each.minutes} min",
        "thumbs_up": "thumbs up",
        "thumbs_down": "thumbs down",
        "list_add": "added to the list",
    }[each.event]
    if each.times > 1:
        did += f", {each.times} times"
    ago = f"{each.hours} h" if each.hours < 48 else f"{each.hours // 24} days"
    return f"{told}: {did}, {ago} ago"


def _title(read: Page, dice: Random, told: set[str]) -> str:
    told |= {"name", "year", "genres", "cast"}
    facts = [f"Year: {read.year}", f"Genres: {', '.join(read.genres)}", f"With: {', '.join(read.cast)}"]
    if dice.random() < 0.3:
        facts.append(f'Synopsis: "{read.synopsis}"')
    gap = dice.choice(("\n", "; "))
    return _heading(dice, "The title", "Title", "To be shown") + gap.join([f'Name: "{read.name}"', *facts])


def _now(read: Page, dice: Random, told: set[str]) -> str:
    if not read.now:
        return ""
    told.add("now")
    now = read.now
    said = f"{now['day']} {now['time']}, {now['device']}, {now['country']}, {now['language']}"
    return dice.choice(("Now: ", "It is ", "Moment: ")) + said


def _earlier(read: Page, dice: Random, told: set[str]) -> str:
    told.add("earlier")
    lines = [
        f"{shown.letter} was shown {shown.before} time{'s' if shown.before > 1 else ''}, "
        f"last {shown.days} day{'s' if shown.days > 1 else ''} ago, {'played' if shown.played else 'not played'}"
        for shown in read.candidates
        if shown.before
    ]
    gap = dice.choice(("\n", "; "))
    return _heading(dice, "Earlier with this title", "Shown before") + (gap.join(lines) or "never shown")


_SECTIONS = {
    "now": _now,
    "plays": _plays,
    "people": _people,
    "recent": _recent,
    "title": _title,
    "earlier": _earlier,
}
_SHARE = {"now": 0.5, "plays": 0.9, "people": 0.8, "recent": 0.4, "title": 0.6, "earlier": 0.4}
_EASY_SHARE = {"now": 0.2, "plays": 0.4, "people": 0.3, "recent": 0.1, "title": 0.1, "earlier": 0.1}
_TRAITS = ("genre", "mood", "setting", "shot", "people", "arrangement", "subjects", "colours", "words", "depicts")
_IN_CAPTION = {"genre", "mood", "setting", "shot"}
_NAMED = {"people": "people", "colours": "colours", "words": "words", "depicts": "with", "subjects": "shows"}


def _candidates(read: Page, dice: Random, easy: bool, told: set[str]) -> str:
    chosen = dice.sample(_TRAITS, dice.randint(1, 2) if easy else dice.randint(3, 8))
    if not easy and dice.random() < 0.7:
        chosen += [trait for trait in ("genre", "depicts") if trait not in chosen]
    if dice.random() < 0.2:
        chosen.append("caption")
        told |= _IN_CAPTION
    told |= set(chosen)
    gap, mark = dice.choice((", ", "; ", ", ")), dice.choice(("{}. {}", "{}: {}", "{}) {}", "{}. {}", "- {}: {}"))
    named = dice.random()
    lines = []
    for shown in read.candidates:
        values = shown.traits
        said = [_said(trait, values[trait], named) for trait in chosen if trait in values]
        lines.append(mark.format(shown.letter, gap.join(said) or "nothing known"))
    return _heading(dice, "Its artworks", "Artworks", "The artworks of the title") + "\n".join(lines)


def _said(trait: str, value: str, named: float) -> str:
    if trait in ("words", "caption"):
        value = f'"{value}"'
    if named < 0.3:
        return f"{trait}: {value}"
    return f"{_NAMED[trait]} {value}" if trait in _NAMED else value
