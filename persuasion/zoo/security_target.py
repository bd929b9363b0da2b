"""A defender tells an attacker whether a target may be guarded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import probability

__all__ = ["ENTRY"]


def build(coverage: Any = Fraction(1, 4)) -> PersuasionGame:
    """Build the game in which the target is covered with probability `coverage`."""
    covered = probability(coverage, "coverage")
    return PersuasionGame(
        [covered, 1 - covered],
        [[0, 1], [0, -2]],
        [[0, -2], [0, 1]],
        states=["covered", "uncovered"],
        actions=["refrain", "attack"],
    )


def value(coverage: Any) -> Fraction:
    """Deter at belief 1/3, as often as the coverage allows: min(0, 6 coverage - 2)."""
    return min(Fraction(0), 6 * probability(coverage, "coverage") - 2)


ENTRY = ZooEntry(
    name="security_target",
    build=build,
    value=value,
    source=(
        "after Xu, Rabinovich, Dughmi & Tambe, Exploring Information Asymmetry in Two-Stage "
        "Security Games, AAAI 2015; one target, numbers chosen here"
    ),
    note="a target that is always attacked in silence is sometimes spared; min(0, 6c - 2)",
)
