"""A think tank advises a lawmaker who may keep the law or adopt one of two reforms."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import probability

__all__ = ["ENTRY"]


def build(p: Any = Fraction(1, 2)) -> PersuasionGame:
    """Build the game in which the second reform is the right one with probability `p`.

    The lawmaker adopts a reform when she believes at 3/4 or more that it is right; the think
    tank earns 0 from the old law, 1 from the first reform and 2 from the second.
    """
    second = probability(p, "p")
    return PersuasionGame(
        [1 - second, second],
        [[0, 1, 2], [0, 1, 2]],
        [[0, 1, -3], [0, -3, 1]],
        states=["first is right", "second is right"],
        actions=["old law", "first reform", "second reform"],
    )


def value(p: Any) -> Fraction:
    """Concave closure through belief 0, worth 1, and belief 3/4, worth 2: min(2, 1 + 4 p / 3)."""
    return min(Fraction(2), 1 + 4 * probability(p, "p") / 3)


ENTRY = ZooEntry(
    name="think_tank",
    build=build,
    value=value,
    source=(
        "after Lipnowski & Ravid, Cheap Talk with Transparent Motives, Econometrica 88(4), 2020; "
        "numbers chosen here, value by concavification"
    ),
    note="worth min(2, 1 + 4p/3) with commitment; cheap talk reaches only 1 at p = 1/2",
)
