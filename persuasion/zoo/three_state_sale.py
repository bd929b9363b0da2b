"""A seller describes a product whose worth to the buyer is 1, 2 or 3."""

from __future__ import annotations

from fractions import Fraction

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry

__all__ = ["ENTRY"]


def build() -> PersuasionGame:
    """Build the game: the buyer keeps 3/2 or takes the product; the seller wants the sale."""
    return PersuasionGame(
        ["7/10", "1/5", "1/10"],
        [[0, 1]] * 3,
        [["3/2", 1], ["3/2", 2], ["3/2", 3]],
        states=["worth 1", "worth 2", "worth 3"],
        actions=["keep", "buy"],
    )


ENTRY = ZooEntry(
    name="three_state_sale",
    build=build,
    value=Fraction(4, 5),
    source="derived by the fractional knapsack of the two-action case",
    note="two good states subsidise part of the bad one; the price of obedience is 2",
)
