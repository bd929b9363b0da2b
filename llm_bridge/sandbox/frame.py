"""Reading the child's report. Its writer is hostile: everything is checked, nothing executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from .errors import FrameError, LiteralError
from .literals import parse
from .run import Output

__all__ = ["Frame", "read_frame"]


@dataclass(frozen=True)
class Frame:
    """A well-formed report; see `inside.runner` for how it looks on the pipe."""

    status: Literal["k", "x", "m"]
    message: str
    outputs: tuple[Output, ...]


def read_frame(content: bytes, n_outputs: int) -> Frame:
    """Take a report apart.

    Parameters
    ----------
    content : bytes
        All that came through the pipe after the first ``R``.
    n_outputs : int
        How many calls there were.

    Raises
    ------
    FrameError
        When anything is missing, malformed or too many; a second frame is too many.

    Examples
    --------
    >>> read_frame(b"k0:3:v422:e!.", 2).outputs[0]
    Output(kind='value', literal='42', message='')
    >>> read_frame(b"k0:3:v42.k0:3:v43.", 1)
    Traceback (most recent call last):
        ...
    llm_bridge.sandbox.errors.FrameError: 9 bytes after the end of the report
    """
    status, place = content[:1].decode("latin-1"), 1
    if status not in ("k", "x", "m"):
        raise FrameError("no report" if not content else "the report has no known beginning")
    message, place = _string(content, place)
    outputs = []
    while content[place : place + 1] != b".":
        text, place = _string(content, place)
        outputs.append(_output(text))
    if place + 1 != len(content):
        raise FrameError(f"{len(content) - place - 1} bytes after the end of the report")
    if len(outputs) != (n_outputs if status == "k" else len(outputs) and n_outputs):
        raise FrameError(f"{len(outputs)} outputs for {n_outputs} calls")
    return Frame(cast("Literal['k', 'x', 'm']", status), message, tuple(outputs))


def _string(content: bytes, place: int) -> tuple[str, int]:
    colon = content.find(b":", place, place + 12)
    digits = content[place:colon] if colon >= 0 else b""
    if not digits.isdigit():
        raise FrameError("a length is missing")
    end = colon + 1 + int(digits)
    if end > len(content):
        raise FrameError("the report is cut off")
    try:
        return content[colon + 1 : end].decode("utf-8"), end
    except UnicodeDecodeError:
        raise FrameError("the report is not UTF-8") from None


def _output(text: str) -> Output:
    kind, rest = text[:1], text[1:]
    if kind == "e":
        return Output("error", None, rest)
    if kind == "o":
        return Output("value", None, rest)
    if kind != "v":
        raise FrameError(f"an output of unknown kind {kind!r}")
    try:
        parse(rest)
    except LiteralError as error:
        return Output("value", None, str(error))
    return Output("value", rest)
