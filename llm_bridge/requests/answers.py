"""Answers of a server, read and checked: what is not as agreed is malformed."""

from __future__ import annotations

import json
from typing import Any

from llm_bridge.requests.budget import Usage

__all__ = ["MalformedError", "checked", "shortened", "used_by"]

_SHOWN = 120


class MalformedError(Exception):
    """An answer that is not what was agreed."""


def checked(raw: bytes, endpoint: str) -> dict[str, Any]:
    """Read an answer, or say what is wrong with it.

    Parameters
    ----------
    raw : bytes
    endpoint : {"completions", "chat"}

    Returns
    -------
    dict
        ``choices`` (text, finish), ``usage`` (prompt, completion) or None, ``id``. A message whose
        content is null, as models send who refuse or think until the limit, is an empty text.

    Raises
    ------
    MalformedError
    """
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        shown = shortened(raw.decode("utf-8", "replace")) or "empty"
        raise MalformedError(f"no JSON, or cut short: {shown}") from None
    if not isinstance(found, dict) or not isinstance(found.get("choices"), list):
        raise MalformedError(f"no choices: {shortened(json.dumps(found))}")
    choices = []
    for choice in found["choices"]:
        try:
            text = choice["message"]["content"] if endpoint == "chat" else choice["text"]
            finish = choice.get("finish_reason")
        except (KeyError, TypeError, AttributeError):
            raise _without_text(choice) from None
        if text is None and endpoint == "chat":
            text = ""
        if not isinstance(text, str):
            raise _without_text(choice)
        choices.append({"text": _writable(text), "finish": finish})
    if not choices:
        raise MalformedError("no choices came back")
    return {"choices": choices, "usage": _usage(found.get("usage")), "id": found.get("id")}


def used_by(answer: dict[str, Any], most: Usage) -> Usage:
    """What an answer used: as the server says, or the most it can be."""
    usage = answer["usage"]
    return most if usage is None else Usage(usage["prompt"], usage["completion"])


def shortened(text: str) -> str:
    r"""Return the beginning of a text, on one line.

    Examples
    --------
    >>> shortened("two  lines\nof text")
    'two lines of text'
    """
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"


def _without_text(choice: Any) -> MalformedError:
    return MalformedError(f"a choice without text: {shortened(json.dumps(choice))}")


def _writable(text: str) -> str:
    """Half a character, as a limit may cut it, cannot be written to a file; it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _usage(found: Any) -> dict[str, int] | None:
    """Tokens read and written, where the server says both."""
    try:
        numbers = {"prompt": found["prompt_tokens"], "completion": found["completion_tokens"]}
    except (KeyError, TypeError):
        return None
    whole = all(type(n) is int and n >= 0 for n in numbers.values())
    return numbers if whole else None
