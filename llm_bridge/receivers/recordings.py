"""Files of recorded answers: written as such, or the log of requests that were paid for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_bridge.reply import Reply
from llm_bridge.requests.log import kind_of
from llm_bridge.requests.request import prompt_of
from persuasion.errors import PersuasionError

__all__ = ["line_of", "recorded_in", "shown"]

_SHOWN = 80


def recorded_in(
    path: Path, count_tokens: Callable[[str], int] | None = None
) -> Iterator[tuple[str, str, Reply]]:
    """Yield where each answer stands, its prompt and the answer.

    Parameters
    ----------
    path : Path
        The first line tells which kind of file it is.
    count_tokens : callable, optional
        For answers of servers that gave no number.

    Raises
    ------
    PersuasionError
        When it cannot be read, or a line is not of that kind.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as cause:
        raise PersuasionError(f"{path} cannot be read: {cause}") from cause
    of_requests: bool | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as cause:
            if of_requests and number == len(lines):
                return  # a kill left it unfinished
            raise _unknown(where) from cause
        if of_requests is None:
            of_requests = kind_of(row) is not None
        elif of_requests is not (kind_of(row) is not None):
            kinds = ("a recorded answer", "a logged request")
            raise PersuasionError(
                f"{where} is {kinds[not of_requests]}, but the file begins with "
                f"{kinds[of_requests]}; keep them in two files"
            )
        if not of_requests:
            yield (where, *_recorded(row, where))
        elif kind_of(row) == "answer" and (found := _paid(row, where, count_tokens)) is not None:
            yield (where, *found)


def line_of(prompt: str, reply: Reply) -> str:
    """Return a recorded answer as a line of its file."""
    return json.dumps(
        {"prompt": prompt, "text": reply.text, "n_tokens": reply.n_tokens,
         "finished": reply.finished}
    )  # fmt: skip


def shown(text: str) -> str:
    """Return the beginning of a text in quotes."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _recorded(row: Any, where: str) -> tuple[str, Reply]:
    try:
        prompt, text, n_tokens = row["prompt"], row["text"], row["n_tokens"]
        finished = row.get("finished", True)
    except (KeyError, TypeError, AttributeError) as cause:
        raise _unknown(where) from cause
    texts = isinstance(prompt, str) and isinstance(text, str)
    whole = isinstance(n_tokens, int) and not isinstance(n_tokens, bool) and n_tokens >= 0
    if not (texts and whole and isinstance(finished, bool)):
        raise PersuasionError(
            f"{where}: prompt and text must be texts, n_tokens a whole number >= 0, finished true "
            f"or false; got {json.dumps(row)[:_SHOWN]}"
        )
    return prompt, Reply(text, n_tokens, finished)


def _paid(
    row: Mapping[str, Any], where: str, count_tokens: Callable[[str], int] | None
) -> tuple[str, Reply] | None:
    """A prompt's first and only answer, or None: a sample among several."""
    try:
        body, answer = row["request"]["body"], row["answer"]
        choices, usage = answer["choices"], answer["usage"]
        if row.get("turn", 0) != 0 or body.get("n", 1) != 1 or len(choices) != 1:
            return None
        prompt, (choice,) = prompt_of(body), choices
        text, finished = choice["text"], choice["finish"] == "stop"
        n_tokens = None if usage is None else usage["completion"]
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise PersuasionError(f"{where} is no answer of a server to one prompt") from cause
    if n_tokens is None and count_tokens is not None:
        n_tokens = count_tokens(text)
    if n_tokens is None:
        raise PersuasionError(
            f"{where}: the server did not say how many tokens its answer has, and answers may be "
            "paid by the token; pass `count_tokens`, or give the answers as lines with prompt, "
            "text and n_tokens"
        )
    return prompt, Reply(text, n_tokens, finished)


def _unknown(where: str) -> PersuasionError:
    return PersuasionError(
        f"{where} is no recorded answer; it must be a JSON object with prompt, text, n_tokens and, "
        "unless true, finished, or a line of a log of requests"
    )
