"""Sender and Receiver with opposed interests: silence is best."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry

__all__ = ["ENTRY"]


def build() -> PersuasionGame:
    """Build the game in which the Sender loses what the Receiver gains."""
    receiver = np.array([[2, 0, 1], [0, 3, 1], [1, 1, 2]])
    return PersuasionGame(["1/2", "1/3", "1/6"], -receiver, receiver)


ENTRY = ZooEntry(
    name="opposed_interests",
    build=build,
    value=Fraction(-7, 6),
    source="derived: the Sender's indirect utility is concave, so no disclosure is optimal",
    note="any information helps the Receiver and so hurts the Sender",
)
