"""A lobbyist pays for a study that a politician will act on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import count, fraction, probability

__all__ = ["ENTRY"]


def build(alpha: Any = Fraction(3, 4), target: Any = 2, n_actions: Any = 5) -> PersuasionGame:
    """Build the game on an even grid of actions in [0, 1], with states 0 and 1.

    Parameters
    ----------
    alpha : number in [0, 1]
        The lobbyist wants action ``alpha * state + (1 - alpha) * target``.
    target : number
        Where she pulls; above 1 in the published example.
    n_actions : int, >= 2
        Points of the grid.

    Notes
    -----
    With a continuum of actions full disclosure is optimal for alpha > 1/2. On a grid it is not:
    an action is a best response on an interval of beliefs, and the Sender gains from pooling up
    to its end. The default is worth -29/224, full disclosure only -5/32.
    """
    weight, pull = probability(alpha, "alpha"), fraction(target, "target")
    size = count(n_actions, "n_actions", at_least=2)
    states = (Fraction(0), Fraction(1))
    actions = [Fraction(i, size - 1) for i in range(size)]
    wanted = [weight * w + (1 - weight) * pull for w in states]
    return PersuasionGame(
        ["1/2", "1/2"],
        [[-((a - best) ** 2) for a in actions] for best in wanted],
        [[-((a - w) ** 2) for a in actions] for w in states],
        states=[f"state {w}" for w in states],
        actions=[f"action {a}" for a in actions],
    )


ENTRY = ZooEntry(
    name="lobbying",
    build=build,
    value=Fraction(-29, 224),
    source=(
        "Kamenica & Gentzkow, Bayesian Persuasion, AER 101(6), 2011, lobbying example; "
        "on a grid of actions, value derived there by linear programming in rationals"
    ),
    note="quadratic losses on a grid: the grid itself makes partial disclosure optimal",
)
