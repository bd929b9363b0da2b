"""A planner sends a crowd to an arm of unknown reward."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import count, uniform

__all__ = ["ENTRY"]


def build(grid: Any = 60) -> PersuasionGame:
    """Build the game with `grid` states.

    The reward of the first arm is uniform on [-1, 5], cut into `grid` equal cells of which the
    midpoints are the states; the second arm pays 0 on average. The planner knows the first
    reward and wants the second arm explored.
    """
    rewards = _rewards(count(grid, "grid"))
    return PersuasionGame(
        uniform(len(rewards)),
        [[0, 1]] * len(rewards),
        [[reward, 0] for reward in rewards],
        states=[f"reward {reward}" for reward in rewards],
        actions=["stay", "explore"],
    )


def value(grid: Any) -> Fraction:
    """Explore up to the reward at which the mean of what is given up is 0.

    The k lowest rewards sum to k (3 k / grid - 1), so k = grid / 3 of them, the rewards below 1,
    can be given up. Where that is no whole number a share of the next cell is.
    """
    cells = count(grid, "grid")
    low = cells // 3
    slack = low * (1 - Fraction(3 * low, cells))
    return (low + slack / _rewards(cells)[low]) / cells


def _rewards(cells: int) -> list[Fraction]:
    return [-1 + Fraction(3 * (2 * i + 1), cells) for i in range(cells)]


ENTRY = ZooEntry(
    name="kremer_mansour_perry",
    build=build,
    value=value,
    source=(
        "Kremer, Mansour & Perry, Implementing the Wisdom of the Crowd, JPE 122(5), 2014, "
        "example with R1 ~ U[-1, 5] and R2 ~ U[-5, 5]"
    ),
    note="explore exactly when the first reward is below 1: a third of the time",
)
