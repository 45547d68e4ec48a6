"""An answer in free words, as descriptions of clips and sound are.

Invariant: every answer becomes a row: `raw_text` keeps it, `status` says what it was worth.
"""

from __future__ import annotations

from typing import Any


def columns(raw_text: str, finish_reason: str) -> dict[str, Any]:
    """One answer to description, status, raw_text and finish_reason.

    An answer that the token limit cut off ends with its last whole sentence, if it has one.
    """
    text = " ".join(raw_text.split())
    status = "ok"
    if finish_reason == "length":
        status = "truncated"
        end = max(text.rfind(f"{mark} ") for mark in ".!?")
        text = text[: end + 1] if end > 0 else text
    return {
        "description": text or None,
        "status": status if text else "empty",
        "raw_text": raw_text.encode("utf-8", "replace").decode("utf-8"),
        "finish_reason": finish_reason,
    }
