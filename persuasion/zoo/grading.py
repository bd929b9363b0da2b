"""A school grades students of three abilities for three jobs."""

from __future__ import annotations

from fractions import Fraction

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry

__all__ = ["ENTRY"]


def build() -> PersuasionGame:
    """Build the game: the employer assigns jobs by belief, the school earns 0, 1 or 3 by job."""
    return PersuasionGame(
        ["1/2", "3/10", "1/5"],
        [[0, 1, 3]] * 3,
        [[0, -1, -4], [0, 1, -1], [0, 1, 2]],
        states=["low", "middle", "high"],
        actions=["no job", "clerk", "manager"],
    )


ENTRY = ZooEntry(
    name="grading",
    build=build,
    value=Fraction(7, 5),
    source="derived by linear programming in rationals",
    note="two grades, each pooling two abilities, beat both full and no disclosure",
)
