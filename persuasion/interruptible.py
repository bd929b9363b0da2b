"""Ctrl-C while compiled code runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["interruptible"]


def interruptible(compiled: Callable[..., Any], *arguments: Any) -> Any:
    """Call a compiled function; an interruption meanwhile comes out as what it is.

    Python notices Ctrl-C only when the function wraps up its result, and then complains of a
    result that comes with an exception.

    Examples
    --------
    >>> interruptible(max, 1, 2)
    2
    """
    try:
        return compiled(*arguments)
    except SystemError as failure:
        cause: BaseException | None = failure
        while isinstance(cause, SystemError):  # one for each part of the result
            cause = cause.__cause__
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
