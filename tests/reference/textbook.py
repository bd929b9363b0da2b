"""The textbook linear programs, written with nothing but numpy and `linprog`.

An independent route to what the package computes: dense, slow, and without a line of its code.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

from persuasion import PersuasionGame

__all__ = ["price_slack", "textbook_value"]


def textbook_value(game: PersuasionGame) -> float:
    """Maximise over conditional probabilities of recommendations, one row per deviation."""
    prior, own = game.prior, game.receiver_prior
    sender, receiver = game.sender_utility, game.receiver_utility
    n_states, n_actions = sender.shape
    rows = []
    for action in range(n_actions):
        for deviation in range(n_actions):
            row = np.zeros((n_states, n_actions))
            row[:, action] = own * (receiver[:, deviation] - receiver[:, action])
            if row.any():
                rows.append(row.ravel() / np.abs(row).max())
    result = linprog(
        -(prior[:, None] * sender).ravel(),
        A_ub=np.array(rows) if rows else None,
        b_ub=np.zeros(len(rows)) if rows else None,
        A_eq=np.kron(np.eye(n_states), np.ones(n_actions)),
        b_eq=np.ones(n_states),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert result.success, result.message
    return float(-result.fun)


def price_slack(game: PersuasionGame, prices: ArrayLike) -> float:
    """Smallest ``prices @ q - v-hat(q)`` over all beliefs q: not negative iff dual feasible.

    One linear program per action, over the beliefs at which the Receiver takes it.
    """
    theta = np.asarray(prices, dtype=float)
    receiver = game.receiver_utility
    slacks = [
        _smallest(theta - game.sender_utility[:, a], receiver - receiver[:, [a]])
        for a in range(game.n_actions)
    ]
    return min(slacks)


def _smallest(cost: NDArray[np.float64], regret: NDArray[np.float64]) -> float:
    largest = np.abs(regret).max(axis=0)
    regret = (regret / np.where(largest > 0, largest, 1.0)).T
    result = linprog(
        cost, A_ub=regret, b_ub=np.zeros(len(regret)), A_eq=np.ones((1, len(cost))), b_eq=[1.0]
    )
    if result.status == 2:  # the Receiver never takes this action
        return np.inf
    assert result.success, result.message
    return float(result.fun)
