"""Reading the parameters of zoo games: exact numbers, written by hand or on a command line."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.errors import GameError
from persuasion.rationals import as_fractions, read_numbers

__all__ = ["choice", "count", "fraction", "fractions", "probability", "uniform"]


def fractions(values: Any, name: str) -> tuple[Fraction, ...]:
    """Read a sequence of numbers, or a string of numbers separated by commas.

    Examples
    --------
    >>> fractions("1/2, 1/2", "prior")
    (Fraction(1, 2), Fraction(1, 2))
    """
    parts = values.split(",") if isinstance(values, str) else values
    numbers = read_numbers(parts, name, 1, GameError)
    return as_fractions(numbers.floats, numbers.exact)


def fraction(value: Any, name: str) -> Fraction:
    """Read one number exactly (a float means its binary value)."""
    return fractions([value], name)[0]


def probability(value: Any, name: str) -> Fraction:
    """Read a number between 0 and 1."""
    number = fraction(value, name)
    if not 0 <= number <= 1:
        raise GameError(f"`{name}` must be between 0 and 1; got {value}")
    return number


def count(value: Any, name: str, at_least: int = 1) -> int:
    """Read a whole number that is at least `at_least`."""
    number = fraction(value, name)
    if number.denominator != 1 or number < at_least:
        raise GameError(f"`{name}` must be a whole number >= {at_least}; got {value}")
    return int(number)


def choice(value: Any, name: str, legal: tuple[str, ...]) -> str:
    """Check that `value` is one of the strings `legal`."""
    if value not in legal:
        raise GameError(f"`{name}` must be one of {', '.join(legal)}; got {value!r}")
    return str(value)


def uniform(n_states: int) -> tuple[Fraction, ...]:
    """Uniform prior, exact."""
    return (Fraction(1, n_states),) * n_states
