"""Text from outside (names, synopses, captions, words read off artwork) made safe to put between double quotes.

Invariant: what `clean` returns is one line without double quotes, brackets, control or invisible characters. So it can
neither end its quotation nor its line, and holds no special token of any chat format, as those are all bracketed:
<|im_start|>, </s>, [INST], <start_of_turn>, <｜User｜>. Synopses often come as HTML: its tags are left out and its
character references become characters; what only looks like it (`a < b`, `I <3 you`, `AT&T`) stays.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.entities import html5

_BRACKETS = str.maketrans('<>[]{}|`"\\', "‹›()()¦''/")
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»❝❞〝〞〟＂", "'"))
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:'!?()&/-]*")
_SPACES = re.compile(r"\s+")
_NOT_A_WORD = re.compile(r"[^\w &'/+-]+")
_INLINE = "a|abbr|b|big|cite|code|del|em|font|i|ins|mark|q|s|small|span|strike|strong|sub|sup|tt|u|wbr"
_BLOCK = (
    "blockquote|body|br|center|dd|div|dl|dt|h[1-6]|hr|html|img|li|ol|p|pre|section|table|t[dhr]|t(?:head|body|foot)|ul"
)
_ATTRIBUTES = r"""(?:\s+[a-z_:@][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=`]+))*"""
# Neither may hold another beginning of its kind, or a text of beginnings would take for ever.
_UNSEEN = re.compile(
    rf"<!--(?:(?!<!--).)*?-->|<(script|style|template|iframe|noscript){_ATTRIBUTES}\s*>(?:(?!<\1).)*?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
_WITHIN_WORDS = re.compile(rf"</?(?:{_INLINE}){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(rf"</?(?:{_BLOCK}){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LOOKED_AT = 20_000
"""Characters of a text, or so; what comes after them is not said anyway."""
_LAYERS = 8
"""How often text may be escaped over and over; what is nested deeper is so on purpose."""
CUT = "..."


def clean(text: str | None, limit: int) -> str:
    """At most `limit` characters of `text`, NFKC, on one line; empty where nothing can be read."""
    if not text:
        return ""
    if not _PLAIN.fullmatch(text) or ("&" in text and ";" in text):
        for _ in range(_LAYERS):
            # Compatibility forms first: a full-width bracket must not become a bracket afterwards.
            text = _SPACES.sub(" ", unicodedata.normalize("NFKC", text))
            text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
            text = text[: max(_LOOKED_AT, 4 * limit)]
            words = _without_markup(text)
            if words == text:
                break
            text = words
        else:
            text = text.replace("&", " ")
        text = unicodedata.normalize("NFKC", text.translate(_BRACKETS).translate(_QUOTES))
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - len(CUT)].rstrip() + CUT


def _without_markup(text: str) -> str:
    """One layer less of HTML: no tags, and each character reference its character."""
    if "<" in text:
        for pattern, left in ((_UNSEEN, " "), (_WITHIN_WORDS, ""), (_BETWEEN_WORDS, " ")):
            text = pattern.sub(left, text)
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    name = reference[0][1:]
    # Of a name that is unknown, `unescape` would take the first letters.
    return unescape(reference[0]) if name.startswith("#") else html5.get(name, reference[0])


def word(text: str | None, limit: int) -> str:
    """The same for what stands without quotes, such as a genre: letters, digits, spaces and -&'/+ only."""
    return _SPACES.sub(" ", _NOT_A_WORD.sub(" ", clean(text, limit))).strip()
