"""Values as Python literals: exact built-in types only, within a budget of characters and depth."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` and `collections.abc` would double the start-up time
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "NotALiteralError", "encode"]

MAX_DEPTH = 64
MAX_DIGITS = 4300
"""What `int` reads back without a change of the interpreter's limit."""
_MAX_BITS = int(MAX_DIGITS / 0.30103) - 1
_NAME = type.__dict__["__name__"]


class NotALiteralError(Exception):
    """The value has no literal, or one that is too long or too deep."""


def encode(value: object, budget: int) -> str:
    """Write `value` as a literal, without calling any method that a program could define.

    Parameters
    ----------
    value : object
        Built from int, float, str, bytes, bool, None, list, tuple, set and dict, by exact type:
        an instance of a subclass is no literal, whatever its `__repr__` says.
    budget : int
        Most characters.

    Raises
    ------
    NotALiteralError
        With the reason.

    Examples
    --------
    >>> encode([1, (2.5, True), {"a": None}], 100)
    "[1, (2.5, True), {'a': None}]"
    >>> encode(float("inf"), 100)
    '1e999'
    """
    parts: list[str] = []
    _write(value, parts, [budget], 0)
    return "".join(parts)


def _write(value: Any, parts: list[str], left: list[int], depth: int) -> None:
    def put(text: str) -> None:
        left[0] -= len(text)
        if left[0] < 0:
            raise NotALiteralError("the literal is too long")
        parts.append(text)

    if depth > MAX_DEPTH:
        raise NotALiteralError(f"nested deeper than {MAX_DEPTH}")
    kind: Any = type(value)
    if value is None or kind is bool:
        put("None" if value is None else "True" if value else "False")
    elif kind is int:
        if int.bit_length(value) > _MAX_BITS:
            raise NotALiteralError(f"an int of more than {MAX_DIGITS} digits")
        put(int.__repr__(value))
    elif kind is float:
        if value != value:
            raise NotALiteralError("nan has no literal")
        endless = {float("inf"): "1e999", float("-inf"): "-1e999"}
        put(endless.get(value) or float.__repr__(value))
    elif kind is str or kind is bytes:
        if len(value) > left[0]:
            raise NotALiteralError("the literal is too long")
        put(kind.__repr__(value))
    elif kind is list or kind is tuple or kind is set:
        if kind is set and not value:
            put("set()")
            return
        opening, closing = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}")}[kind]
        put(opening)
        for place, item in enumerate(value):
            if place:
                put(", ")
            _write(item, parts, left, depth + 1)
        put(",)" if kind is tuple and len(value) == 1 else closing)
    elif kind is dict:
        put("{")
        for place, (key, item) in enumerate(dict.items(value)):
            if place:
                put(", ")
            _write(key, parts, left, depth + 1)
            put(": ")
            _write(item, parts, left, depth + 1)
        put("}")
    else:
        raise NotALiteralError(f"a {_NAME.__get__(kind)} is no literal")
