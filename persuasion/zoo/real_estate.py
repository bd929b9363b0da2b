"""An agent advises a home buyer whose prior is her own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import choice

__all__ = ["ENTRY"]

_BUYERS = {
    "1": (("21/200", "41/200", "13/50", "43/100"), Fraction(4737, 13760)),
    "2": (("49/200", "93/200", "29/200", "29/200"), Fraction(2133, 4640)),
}


def build(buyer: Any = "1") -> PersuasionGame:
    """Build the game with the subjective prior of buyer "1" or "2"."""
    return PersuasionGame(
        ["1/10", "7/20", "3/10", "1/4"],
        [[0, "-1/4"], [0, 1], [0, "-1/2"], [0, "3/4"]],
        [[-1, "3/4"], [0, "-1/4"], [0, "1/4"], [0, -3]],
        receiver_prior=_BUYERS[choice(str(buyer), "buyer", tuple(_BUYERS))][0],
        states=["good, cheap", "good, expensive", "bad, cheap", "bad, expensive"],
        actions=["pass", "buy"],
    )


def value(buyer: Any) -> Fraction:
    """Value by linear programming in rationals."""
    return _BUYERS[str(buyer)][1]


ENTRY = ZooEntry(
    name="real_estate",
    build=build,
    value=value,
    source=(
        "derived from an instance of contextual persuasion with subjective priors; value by "
        "linear programming in rationals"
    ),
    note="the Receiver's prior differs from the Sender's: obedience uses hers, value his",
)
