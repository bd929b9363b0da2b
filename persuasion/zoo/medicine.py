"""A company designs the trial of a medicine for a regulator."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import probability

__all__ = ["ENTRY"]


def build(p: Any = Fraction(1, 3), threshold: Any = Fraction(1, 2)) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    p : number in [0, 1]
        Prior probability that the medicine works.
    threshold : number in (0, 1]
        The regulator approves from this belief on: she earns ``2 * threshold`` for a right
        rejection and ``2 * (1 - threshold)`` for a right approval.
    """
    works, bar = _read(p, threshold)
    return PersuasionGame(
        [1 - works, works],
        [[0, 1], [0, 1]],
        [[2 * bar, 0], [0, 2 * (1 - bar)]],
        states=["useless", "works"],
        actions=["reject", "approve"],
    )


def value(p: Any, threshold: Any) -> Fraction:
    """Approve at the threshold, as often as the prior allows: min(1, p / threshold)."""
    works, bar = _read(p, threshold)
    return min(Fraction(1), works / bar)


def _read(p: Any, threshold: Any) -> tuple[Fraction, Fraction]:
    bar = probability(threshold, "threshold")
    if bar == 0:
        raise GameError("`threshold` must be positive; at 0 the regulator approves everything")
    return probability(p, "p"), bar


ENTRY = ZooEntry(
    name="medicine",
    build=build,
    value=value,
    source="textbook example of drug approval; value by concavification of a step function",
    note="approval needs a belief of `threshold`; value min(1, p / threshold)",
)
