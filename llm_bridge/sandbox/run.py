"""What came of one program: a `Run` with one `Output` per call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .errors import LiteralError
from .literals import parse

__all__ = ["STATUSES", "Output", "Run", "Status"]

Status = Literal["ok", "error", "timeout", "memory", "output", "killed"]
STATUSES: dict[Status, str] = {
    "ok": "the program ran and every call was tried",
    "error": "the program raised, left early, or its report was malformed",
    "timeout": "time ran out",
    "memory": "memory ran out",
    "output": "it wrote more than allowed",
    "killed": "it died by a signal, or the caller stopped it",
}
"""What each status says. Only under "ok" and "memory" do calls have answers."""


@dataclass(frozen=True)
class Output:
    """What one call gave.

    Attributes
    ----------
    kind : {"value", "error"}
        Whether the expression had a value or raised.
    literal : str or None
        The value as a Python literal; None for an error and for a value that has no literal.
    message : str
        The exception, or why the value has no literal. A program can choose these words.
    """

    kind: Literal["value", "error"]
    literal: str | None = None
    message: str = ""

    @property
    def value(self) -> Any:
        """The value behind `literal`, built anew at each call.

        Raises
        ------
        LiteralError
            When there is none.

        Examples
        --------
        >>> Output("value", "[1, 2]").value
        [1, 2]
        """
        if self.literal is None:
            raise LiteralError(f"this output has no literal: {self.message or self.kind}")
        return parse(self.literal)


@dataclass(frozen=True)
class Run:
    """What came of one program.

    Attributes
    ----------
    status : str
        A key of `STATUSES`.
    outputs : tuple of Output
        One per call, in order, whatever happened.
    stderr : str
        The end of what the program wrote on standard output and standard error.
    seconds : float
        Wall time from start to end of the child; of the first run, when it comes from the cache.
    layers : tuple of str
        Protections that were active.
    message : str
        Why the status is not "ok". A program can choose these words.
    weaker : bool
        True when the verdict was formed inside the child, where a program can forge it.
    """

    status: Status
    outputs: tuple[Output, ...]
    stderr: str
    seconds: float
    layers: tuple[str, ...]
    message: str = ""
    weaker: bool = False

    @property
    def ok(self) -> bool:
        """Whether the program ran and every call was tried."""
        return self.status == "ok"
