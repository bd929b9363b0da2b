"""Family F1: one good state, m - 1 bad ones, two actions; every constant in closed form."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import count, fraction, uniform

__all__ = ["ENTRY"]


def build(m: Any = 4, beta: Any = 2) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    m : int, >= 2
        Number of states; the prior is uniform.
    beta : number in (0, m - 1]
        What the Receiver loses by acting is ``beta / (m - 1)`` in each bad state; she gains 1 in
        the good one. Below 1 she acts without being told anything.
    """
    n_states, total = _read(m, beta)
    loss = total / (n_states - 1)
    return PersuasionGame(
        uniform(n_states),
        [[0, 1]] * n_states,
        [[0, 1]] + [[loss, 0]] * (n_states - 1),
        states=["good", *(f"bad {i}" for i in range(1, n_states))],
        actions=["wait", "act"],
    )


def value(m: Any, beta: Any) -> Fraction:
    """Act whenever good and pool bad states until she is indifferent."""
    n_states, total = _read(m, beta)
    good = Fraction(1, n_states)
    return min(Fraction(1), good + (1 - good) / total)


def _read(m: Any, beta: Any) -> tuple[int, Fraction]:
    n_states, total = count(m, "m", at_least=2), fraction(beta, "beta")
    if not 0 < total <= n_states - 1:
        raise GameError(f"`beta` must be in (0, m - 1] = (0, {n_states - 1}]; got {beta}")
    return n_states, total


ENTRY = ZooEntry(
    name="f1",
    build=build,
    value=value,
    source="derived: lower-bound family for online persuasion, value by the fractional knapsack",
    note="scaling in the number of states; value min(1, 1/m + (1 - 1/m) / beta)",
)
