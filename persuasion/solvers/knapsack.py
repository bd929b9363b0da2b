"""Two actions: a fractional knapsack, O(m log m).

Let g(w) = u(w, 1) - u(w, 0) and d(w) = v(w, 1) - v(w, 0). Obedience of both recommendations
follows from that of the action which the Receiver would *not* take at the prior, one inequality.
Relaxing it with a price y >= 0 recommends that action exactly where ``d + y g >= 0``; the best y
is the smallest at which the action is obeyed, and the states with ``d + y g = 0`` are mixed.
"""

from __future__ import annotations

import numpy as np

from persuasion.problem import Candidate, IntArray, Problem, Vertex
from persuasion.rationals import FloatArray

__all__ = ["SOLVER", "Knapsack"]


class Knapsack:
    """Exact up to rounding, for games with two actions.

    Source: theory of fractional knapsack duality; Dughmi & Xu, *Algorithmic Bayesian
    Persuasion*, SIAM J. Comput. 50(3), 2021, discuss the two-action case.
    """

    name = "knapsack"

    def supports(self, problem: Problem) -> str | None:
        """Two actions, no margin, both recommendable."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        if problem.n_actions != 2:
            return f"it needs two actions, the game has {problem.n_actions}; use method='lp'"
        if problem.slack is not None:
            return "with a margin both recommendations can bind; use method='lp'"
        if problem.actions is not None and set(problem.actions) != {0, 1}:
            return "it recommends both actions; use method='lp'"
        return None

    def solve(self, problem: Problem) -> Candidate:
        """Sort states by the price at which they change sides, then fill."""
        weights = problem.weights
        good = problem.payoffs[:, 1] - problem.payoffs[:, 0]
        gain = problem.gains[:, 1] - problem.gains[:, 0]
        # `one` is the action that needs persuasion: not the Receiver's choice at the prior
        one = 1
        if weights @ good > 0:
            one, good, gain = 0, -good, -gain
        share, price, pivot = _fill(gain, good, weights * good)
        masses = np.empty((len(share), 2))
        masses[:, one] = weights * share
        masses[:, 1 - one] = weights - masses[:, one]
        rows = np.array([[one, 1 - one]], dtype=np.intp)
        return Candidate(masses, rows, np.array([price]), _vertex(share, one, rows, pivot))


def _fill(gain: FloatArray, good: FloatArray, pull: FloatArray) -> tuple[FloatArray, float, int]:
    """Return each state's share sent to the action, the price of obedience, the mixed state.

    A state is wanted when ``gain + price * good > 0``. As the price rises from 0, states with
    ``gain > 0 > good`` leave and states with ``gain <= 0 < good`` join, at -gain / good; either
    raises the total pull, which must reach zero for the action to be obeyed.
    """
    wanted = gain > 0
    share = wanted.astype(np.float64)
    missing = -float(pull @ share)
    if missing <= 0:
        return share, 0.0, -1
    movable = ((wanted != (good > 0)) & (good != 0)).nonzero()[0]
    at = gain[movable] / -good[movable]
    order = at.argsort()
    movable = movable[order]
    reached = np.abs(pull[movable]).cumsum()
    last = min(int(reached.searchsorted(missing)), len(movable) - 1)
    crossed, pivot = movable[:last], int(movable[last])
    share[crossed] = 1.0 - share[crossed]
    # the mixed state turns the inequality into an equality
    share[pivot] = 0.0
    share[pivot] = min(max(-float(pull @ share) / float(pull[pivot]), 0.0), 1.0)
    return share, float(at[order[last]]), pivot


def _vertex(share: FloatArray, one: int, rows: IntArray, pivot: int) -> Vertex:
    """Return the basis: one cell per state, a second one where the state is mixed."""
    m = len(share)
    cells = np.empty((m + (pivot >= 0), 2), dtype=np.intp)
    cells[:m, 0] = np.arange(m)
    cells[:m, 1] = (share > 0.5) if one == 1 else (share <= 0.5)
    if pivot < 0:
        return Vertex(cells, rows[:0])
    cells[m] = pivot, 1 - cells[pivot, 1]
    return Vertex(cells, rows)


SOLVER = Knapsack()
