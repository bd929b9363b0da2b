"""Reading numbers that may be floats, integers, fractions or rational strings.

A float stands for its exact binary value. Everything else keeps its exact value beside the
nearest float, so that a game written in fractions can be solved in fractions.
"""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST_EXACT_INT",
    "Numbers",
    "as_fractions",
    "frozen",
    "normalised",
    "read_numbers",
    "to_jsonable",
]

FloatArray = NDArray[np.float64]

LARGEST_EXACT_INT = 2**53
_LARGEST_EXPONENT = 400  # beyond it a decimal string is no float, and expanding it may never end


@dataclass(frozen=True)
class Numbers:
    """An array as read: nearest floats, and the exact values where they differ.

    Attributes
    ----------
    floats : ndarray
        Nearest float64 of each entry, read-only.
    exact : tuple or None
        Flat tuple of `fractions.Fraction` in C order; None when every entry *is* its float.
    has_floats : bool
        Whether any entry was given as a float, so that rounding in the input is to be expected.
    """

    floats: FloatArray
    exact: tuple[Fraction, ...] | None
    has_floats: bool


def frozen(array: FloatArray) -> FloatArray:
    """Return `array` after marking it read-only."""
    array.flags.writeable = False
    return array


def read_numbers(values: Any, name: str, ndim: int, error: type[Exception]) -> Numbers:
    """Read an array-like of numbers and check that it is finite and has `ndim` axes.

    Parameters
    ----------
    values : array-like
        Floats, integers, booleans, `Fraction`, `Decimal` or strings such as ``"7/10"``.
    name : str
        What to call the array in messages.
    ndim : int
        Required number of axes.
    error : type
        Exception class to raise.
    """
    try:
        array = np.asarray(values)
    except ValueError as cause:
        raise error(f"`{name}` is ragged: every row must have the same length") from cause
    if array.dtype.kind in "UO":
        try:
            array = np.array(values, dtype=object)
        except ValueError as cause:
            raise error(f"`{name}` is ragged: every row must have the same length") from cause
    if array.ndim != ndim:
        axes = {1: "a vector", 2: "a matrix, one row per state"}.get(ndim, f"of {ndim} axes")
        raise error(f"`{name}` must be {axes}; got shape {array.shape}")
    kind = array.dtype.kind
    exact: tuple[Fraction, ...] | None = None
    has_floats = kind == "f"
    if kind == "f":
        if array.dtype.itemsize > 8:
            raise error(f"`{name}` has type {array.dtype}; pass float64 or fractions")
        floats = np.array(array, dtype=np.float64, order="C")
    elif kind in "iub":
        floats = np.array(array, dtype=np.float64, order="C")
        if kind != "b" and floats.size and np.abs(floats).max() > LARGEST_EXACT_INT:
            exact = tuple(Fraction(int(x)) for x in array.ravel())
    elif kind == "O":
        entries = [_number(x, name, error) for x in array.ravel()]
        has_floats = any(isinstance(x, float) for x in entries)
        try:
            floats = np.array([float(x) for x in entries]).reshape(array.shape)
        except OverflowError as cause:
            raise error(f"`{name}` has an entry too large for a float; rescale it") from cause
        exact = tuple(Fraction(x) if math.isfinite(x) else Fraction(0) for x in entries)
        if all(
            Fraction(x) == q
            for x, q in zip(floats.ravel().tolist(), exact, strict=True)
            if math.isfinite(x)
        ):
            exact = None
    else:
        raise error(f"`{name}` must hold real numbers; got an array of type {array.dtype}")
    if not np.isfinite(floats).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(floats))[0])
        raise error(
            f"`{name}` must be finite; got {floats[where]} at {where}. "
            "A payoff that forbids an action can be a large finite number instead"
        )
    return Numbers(frozen(floats), exact, has_floats)


def _number(entry: Any, name: str, error: type[Exception]) -> Fraction | float:
    if isinstance(entry, (float, np.floating)):
        return float(entry)
    if isinstance(entry, (str, Decimal)):
        exponent = re.search(r"[eE]([+-]?\d+)", str(entry))
        if exponent and abs(int(exponent[1])) > _LARGEST_EXPONENT:
            raise error(f"`{name}` holds {entry!r}, which is out of a float's range; rescale it")
    try:
        if isinstance(entry, (str, Decimal)):
            return Fraction(entry)
        if isinstance(entry, numbers.Rational):  # int, bool, Fraction
            return Fraction(entry)
        if isinstance(entry, (np.integer, np.bool_)):
            return Fraction(int(entry))
        if hasattr(entry, "p") and hasattr(entry, "q"):  # flint.fmpq, sympy.Rational
            return Fraction(int(entry.p), int(entry.q))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        pass
    raise error(
        f"`{name}` holds {entry!r}, which is not a number; "
        'legal are floats, integers, fractions.Fraction and strings like "7/10"'
    )


def as_fractions(floats: FloatArray, exact: tuple[Fraction, ...] | None) -> tuple[Fraction, ...]:
    """Exact values in C order: `exact` where it was kept, else the floats' binary values."""
    return exact if exact is not None else tuple(map(Fraction, floats.ravel().tolist()))


def normalised(weights: FloatArray) -> tuple[FloatArray, bool]:
    """Divide by the exact sum, rounding each quotient once; say whether anything changed.

    Examples
    --------
    >>> normalised(np.array([0.1, 0.2, 0.7]))[0].tolist()
    [0.1, 0.2, 0.7]
    """
    ratios = [x.as_integer_ratio() for x in weights.tolist()]
    common = max(q for _, q in ratios)  # denominators are powers of two
    scaled = [p * (common // q) for p, q in ratios]
    total = sum(scaled)
    if total == common:
        return weights, False
    return frozen(np.array([x / total for x in scaled])), True


def to_jsonable(table: Numbers) -> Any:
    """Nested lists for JSON: floats where given as such, else integers or rational strings."""
    if table.has_floats and table.exact is None:
        return table.floats.tolist()
    entries: list[float | int | str] = []
    for value, number in zip(
        as_fractions(table.floats, table.exact), table.floats.ravel().tolist(), strict=True
    ):
        if table.has_floats and value == Fraction(number):
            entries.append(number)
        else:
            entries.append(int(value) if value.denominator == 1 else str(value))
    return np.array(entries, dtype=object).reshape(table.floats.shape).tolist()
