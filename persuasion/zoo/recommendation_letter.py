"""A professor writes recommendation letters for students."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import probability

__all__ = ["ENTRY"]


def build(p: Any = Fraction(1, 3)) -> PersuasionGame:
    """Build the game in which a student is good with probability `p`."""
    good = probability(p, "p")
    return PersuasionGame(
        [1 - good, good],
        [[0, 1], [0, 1]],
        [[0, -1], [0, 1]],
        states=["bad", "good"],
        actions=["reject", "hire"],
    )


def value(p: Any) -> Fraction:
    """Recommend every good student and as many bad ones: min(1, 2 p)."""
    return min(Fraction(1), 2 * probability(p, "p"))


ENTRY = ZooEntry(
    name="recommendation_letter",
    build=build,
    value=value,
    source="Dughmi, Algorithmic Information Structure Design: A Survey, 2017, Example 2.1",
    note="every good student and as many bad ones are recommended; value min(1, 2p)",
)
