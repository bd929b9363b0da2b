"""A prosecutor chooses what an investigation will show to a judge."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import probability

__all__ = ["ENTRY"]


def build(p: Any = Fraction(3, 10)) -> PersuasionGame:
    """Build the game in which the defendant is guilty with probability `p`."""
    guilty = probability(p, "p")
    return PersuasionGame(
        [1 - guilty, guilty],
        [[0, 1], [0, 1]],
        [[1, 0], [0, 1]],
        states=["innocent", "guilty"],
        actions=["acquit", "convict"],
    )


def value(p: Any) -> Fraction:
    """Convict at posterior 1/2, as often as the prior allows: min(1, 2 p)."""
    return min(Fraction(1), 2 * probability(p, "p"))


ENTRY = ZooEntry(
    name="prosecutor",
    build=build,
    value=value,
    source="Kamenica & Gentzkow, Bayesian Persuasion, AER 101(6), 2011, section 1",
    note="the judge convicts twice as often as the defendant is guilty; value min(1, 2p)",
)
