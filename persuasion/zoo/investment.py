"""A government informs a firm that thinks about an investment."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import fraction

__all__ = ["ENTRY"]


def build(x: Any = Fraction(11, 20)) -> PersuasionGame:
    """Build the game in which investment earns `x` >= 0 in the good state and -1 in the bad."""
    return PersuasionGame(
        ["1/2", "1/2"],
        [[0, 1], [0, 1]],
        [[0, -1], [0, _gain(x)]],
        states=["bad", "good"],
        actions=["stay out", "invest"],
    )


def value(x: Any) -> Fraction:
    """Invest always when good, with probability x when bad: min(1, (1 + x) / 2)."""
    return min(Fraction(1), (1 + _gain(x)) / 2)


def _gain(x: Any) -> Fraction:
    gain = fraction(x, "x")
    if gain < 0:
        raise GameError(f"`x` must not be negative; got {x}. The firm would never invest")
    return gain


ENTRY = ZooEntry(
    name="investment",
    build=build,
    value=value,
    source=(
        "Bergemann & Morris, Information Design: A Unified Perspective, JEL 57(1), 2019, "
        "one firm with equally likely states"
    ),
    note="the firm invests in the bad state with probability x; value min(1, (1 + x) / 2)",
)
