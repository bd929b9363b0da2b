"""A buyer acts when her mean exceeds a threshold: upper censorship."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import count, probability, uniform

__all__ = ["ENTRY"]


def build(grid: Any = 8, threshold: Any = Fraction(3, 4)) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    grid : int, >= 1
        Quality is uniform on the midpoints of this many equal cells of [0, 1].
    threshold : number in [0, 1]
        The buyer buys when mean quality is at least this.
    """
    cells, bar = count(grid, "grid"), probability(threshold, "threshold")
    qualities = [Fraction(2 * i + 1, 2 * cells) for i in range(cells)]
    return PersuasionGame(
        uniform(cells),
        [[0, 1]] * cells,
        [[bar, quality] for quality in qualities],
        states=[f"quality {quality}" for quality in qualities],
        actions=["pass", "buy"],
    )


def value(grid: Any, threshold: Any) -> Fraction:
    """Pool the best states down to mean `threshold`: 2 (1 - threshold) on a fitting grid.

    The k best midpoints have mean 1 - k / (2 grid). Where the best k is no whole number a share
    of the next cell is pooled.
    """
    cells, bar = count(grid, "grid"), probability(threshold, "threshold")
    top = min(cells, math.floor(2 * cells * (1 - bar)))
    if top == cells:
        return Fraction(1)
    slack = top * (1 - bar - Fraction(top, 2 * cells))
    missing = bar - (1 - Fraction(2 * top + 1, 2 * cells))
    return (top + slack / missing) / cells


ENTRY = ZooEntry(
    name="posterior_mean_threshold",
    build=build,
    value=value,
    source=(
        "Dworczak & Martini, The Simple Economics of Optimal Persuasion, JPE 127(5), 2019, "
        "threshold on the posterior mean; on a grid of midpoints"
    ),
    note="upper censorship: pool the best states down to the threshold",
)
