"""The bundled ranker's first lesson: a short list, and all look-ups in it.

What stands beside what is all there is to learn here, so it is learnt in minutes; in full pages it would stay hidden
under all that is easier to guess. Invariant: list `n` is a function of (stream, n) alone.
"""

from __future__ import annotations

from random import Random

from featurize.bundling.ranker_pages import LETTERS, dice_of, person
from featurize.bundling.texts import turn
from featurize.demo.vocabulary import MOODS, ROLES, SETTINGS, SHOTS, THEMES

_WORDS = (
    tuple(THEMES),
    MOODS,
    SETTINGS,
    SHOTS,
    ROLES,
    tuple(sorted({prop for theme in THEMES.values() for prop in theme.props})),
)
_NAMES = 0.3
"""Share of lists of people."""
_LETTERED = 0.65
"""Share of lists whose entries have letters; those of the others have counts."""
_MARKS = ("{}. {}", "{}: {}", "{}) {}", "{}. {}", "- {}: {}")
_COUNTED = ("{} {}", "{} {}", "{} ({})", "{}: {}", "{} x{}", "{} {} times")
_QUESTIONS = 3
_MOST = 7


def conversation(stream: int, number: int) -> str:
    """A list and three questions about it, as the chat template writes them."""
    dice = dice_of(stream, number)
    words = [person(dice) for _ in range(_MOST)] if dice.random() < _NAMES else dice.choice(_WORDS)
    entries = dice.sample(words, dice.randint(2, min(_MOST, len(words))))
    lettered = dice.random() < _LETTERED
    if lettered:
        pairs = list(zip(LETTERS, entries, strict=False))
        pattern = dice.choice(_MARKS)
    else:
        pairs = [(entry, str(dice.randint(1, 40))) for entry in entries]
        pattern = dice.choice(_COUNTED)
    text = dice.choice(("\n", "\n", "; ", ", ")).join(pattern.format(*pair) for pair in pairs)
    asked = [_asked(pairs, lettered, dice) for _ in range(_QUESTIONS)]
    first, answer = asked[0]
    return turn(f"{text}\n{first}", answer) + "".join(turn(*each) for each in asked[1:])


def _asked(pairs: list[tuple[str, str]], lettered: bool, dice: Random) -> tuple[str, str]:
    """Both sides of each pair, in either order, or one side where the question says the other."""
    pairs = dice.sample(pairs, len(pairs))
    # An entry is asked for by its letter or the letter by its entry; a count only by its entry.
    key, value = (1, 0) if lettered else (0, 1)
    what = "letter" if lettered else "count"
    form = dice.choices(("by entry", "by other", "named", "one", "bare"), (35, 20, 15, 15, 15))[0]
    if form == "by entry":
        return f"Each with its {what}:", ", ".join(f"{pair[key]} {pair[value]}" for pair in pairs)
    if form == "by other":
        return f"By {what}:", ", ".join(f"{pair[value]} {pair[key]}" for pair in pairs)
    if form == "named":
        named = "; ".join(pair[key] for pair in pairs)
        return f"{what.capitalize()} of each of {named}:", ", ".join(f"{pair[key]} {pair[value]}" for pair in pairs)
    if form == "one":
        (left, right), *_ = pairs
        if not lettered:
            return f"How many of {left}?", right
        return (f"Which one is {right}?", left) if dice.random() < 0.5 else (f"What is {left}?", right)
    if lettered:
        return f"Letters of: {'; '.join(pair[1] for pair in pairs)}", ", ".join(pair[0] for pair in pairs)
    return f"Counts of {', '.join(pair[0] for pair in pairs)}:", ", ".join(pair[1] for pair in pairs)
