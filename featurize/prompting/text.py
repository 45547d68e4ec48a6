"""Text from outside (names, synopses, captions, words read off artwork) made safe to put between double quotes.

Invariant: what `clean` returns is one line without double quotes, brackets, control or invisible characters. So it can
neither end its quotation nor its line, and holds no special token of any chat format, as those are all bracketed:
<|im_start|>, </s>, [INST], <start_of_turn>, <｜User｜>.
"""

from __future__ import annotations

import re
import unicodedata

_BRACKETS = str.maketrans('<>[]{}|`"\\', "‹›()()¦''/")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»❝❞〝〞〟＂", "'"))
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:'!?()&/-]*")
_SPACES = re.compile(r"\s+")
_NOT_A_WORD = re.compile(r"[^\w &'/+-]+")
CUT = "..."


def clean(text: str | None, limit: int) -> str:
    """At most `limit` characters of `text`, NFKC, on one line; empty where nothing can be read."""
    if not text:
        return ""
    if not _PLAIN.fullmatch(text):
        # Compatibility forms first: a full-width bracket must not become a bracket afterwards.
        text = _SPACES.sub(" ", unicodedata.normalize("NFKC", text))
        text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
        text = unicodedata.normalize("NFKC", text.translate(_BRACKETS).translate(_QUOTES))
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - len(CUT)].rstrip() + CUT


def word(text: str | None, limit: int) -> str:
    """The same for what stands without quotes, such as a genre: letters, digits, spaces and -&'/+ only."""
    return _SPACES.sub(" ", _NOT_A_WORD.sub(" ", clean(text, limit))).strip()
