"""Names of titles: two or three common words that fit a theme. Few words, so that a small model can read them."""

from __future__ import annotations

import numpy as np

FIRST = [
    "last",
    "first",
    "silent",
    "broken",
    "golden",
    "hidden",
    "lost",
    "wild",
    "burning",
    "frozen",
    "crimson",
    "distant",
    "endless",
    "secret",
    "lonely",
    "brave",
    "dark",
    "bright",
    "hollow",
    "velvet",
    "iron",
    "silver",
    "paper",
    "northern",
    "midnight",
    "summer",
    "winter",
    "sudden",
    "gentle",
    "ninth",
]

_SECOND = {
    "romance": "kiss promise heart letters dance summer vow waltz garden tide",
    "action": "strike chase impact storm pursuit fuse ambush convoy velocity target",
    "horror": "grave whisper hollow scream cellar ritual bones coven crypt curse",
    "comedy": "party cousin holiday wedding mishap roommate circus diet neighbour prank",
    "science fiction": "orbit signal planet colony horizon comet android gravity station eclipse",
    "drama": "river house daughter silence winter verdict bridge harbour season mother",
    "family": "adventure puppy picnic treehouse cookie journey parade island birthday lantern",
    "western": "canyon saddle outlaw sheriff dust frontier mustang prairie bounty railroad",
    "fantasy": "dragon throne kingdom sorcerer sword realm prophecy tower crown quest",
    "mystery": "alibi witness clue stranger key manor shadow case suspect ledger",
}
NOUNS: dict[str, tuple[str, ...]] = {theme: tuple(words.split()) for theme, words in _SECOND.items()}
PATTERNS = (
    "the {first} {noun}",
    "{first} {noun}",
    "{noun} of the {other}",
    "the {noun}",
    "{first} {noun}",
    "the {noun} and the {other}",
)


def poster_name(rng: np.random.Generator, *themes: str) -> str:
    """A name such as 'The Last Orbit'. With several themes the nouns come from the first and the last."""
    noun = NOUNS[themes[0]][int(rng.integers(10))]
    other = NOUNS[themes[-1]][int(rng.integers(10))]
    if other == noun:
        other = "night"
    first = FIRST[int(rng.integers(len(FIRST)))]
    words = PATTERNS[int(rng.integers(len(PATTERNS)))].format(first=first, noun=noun, other=other).split()
    return " ".join(word if at and word in ("of", "the", "and") else word.capitalize() for at, word in enumerate(words))
