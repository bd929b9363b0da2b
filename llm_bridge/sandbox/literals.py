"""Reading literals that a hostile program wrote, and comparing them with what was expected.

`ast.literal_eval` runs no code, but a hostile text can exhaust its stack or provoke warnings. So
a text is first read token by token, in linear time: only what `encode` writes gets through.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from .errors import LiteralError
from .inside.encode import MAX_DEPTH, MAX_DIGITS

__all__ = ["equal", "parse"]

_ESCAPE = r"\\(?:[\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"
_TOKEN = re.compile(
    r" *(?:"
    r"(?P<atom>set\(\)|None|True|False"
    rf"|b?'(?:[^'\\\n\r\0]|{_ESCAPE})*'|b?\"(?:[^\"\\\n\r\0]|{_ESCAPE})*\""
    rf"|-?[0-9]{{1,{MAX_DIGITS}}}(?:\.[0-9]{{1,400}})?(?:e[+-]?[0-9]{{1,4}})?)"
    r"|(?P<opening>[\[({])|(?P<closing>[\])}])|(?P<between>[,:])"
    r")"
)


def parse(text: str) -> Any:
    """Build the value of a literal.

    Parameters
    ----------
    text : str
        Numbers, strings, bytes, booleans, None, and lists, tuples, sets and dicts of those.

    Raises
    ------
    LiteralError
        When `text` is no such literal or is nested too deeply.

    Examples
    --------
    >>> parse("{'a': [1, (2.5, None)]}")
    {'a': [1, (2.5, None)]}
    >>> parse("print(1)")
    Traceback (most recent call last):
        ...
    llm_bridge.sandbox.errors.LiteralError: no literal: 'print(1)'
    """
    shown = repr(text if len(text) <= 60 else text[:57] + "...")
    place, depth, after_value = 0, 0, False
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise LiteralError(f"no literal: {shown}")
        kind, place = token.lastgroup, token.end()
        depth += (kind == "opening") - (kind == "closing")
        if depth > MAX_DEPTH + 1 or depth < 0:
            raise LiteralError(f"nested deeper than {MAX_DEPTH}, or not closed: {shown}")
        if after_value and kind in ("atom", "opening"):
            raise LiteralError(f"no literal: {shown}")
        after_value = kind in ("atom", "closing")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise LiteralError(f"no literal: {shown}") from None


def equal(given: object, expected: object, tolerance: float | None = None) -> bool:
    """Compare two literals type by type: ``True`` is not 1, a list is no tuple.

    Parameters
    ----------
    given, expected : object
        Built from the types that `parse` knows; anything else equals nothing.
    tolerance : float, optional
        Relative and absolute tolerance between numbers. With it an int may stand for a float;
        without it numbers are the same only in type and value. Members of sets and keys of dicts
        are always compared exactly.

    Examples
    --------
    >>> equal(True, 1), equal([1], (1,)), equal(0.1 + 0.2, 0.3)
    (False, False, False)
    >>> equal(0.1 + 0.2, 0.3, tolerance=1e-9), equal(True, 1.0, tolerance=1e-9)
    (True, False)
    """
    if tolerance is not None and type(given) in (int, float) and type(expected) in (int, float):
        try:
            return math.isclose(given, expected, rel_tol=tolerance, abs_tol=tolerance)  # type: ignore[arg-type]
        except OverflowError:  # an int beyond every float
            return given == expected
    if type(given) is not type(expected):
        return False
    if isinstance(given, list | tuple) and isinstance(expected, list | tuple):
        return len(given) == len(expected) and all(
            equal(one, other, tolerance) for one, other in zip(given, expected, strict=True)
        )
    if isinstance(given, dict) and isinstance(expected, dict):
        theirs = {_typed(key): value for key, value in expected.items()}
        mine = {_typed(key): value for key, value in given.items()}
        return mine.keys() == theirs.keys() and all(
            equal(value, theirs[key], tolerance) for key, value in mine.items()
        )
    if isinstance(given, set) and isinstance(expected, set):
        return {_typed(one) for one in given} == {_typed(other) for other in expected}
    if type(given) in (int, float, str, bytes, bool, type(None)):
        return given == expected
    return False


def _typed(value: object) -> tuple[object, ...]:
    """Make a hashable that tells True from 1 and 1 from 1.0, however deep in tuples."""
    if isinstance(value, tuple):
        return (tuple, *(_typed(item) for item in value))
    return (type(value), value)
