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
        weights, gains, payoffs = problem.weights, problem.gains, problem.payoffs
        difference = payoffs[:, 1] - payoffs[:, 0]
        pull = weights * difference
        # `one` is the action that needs persuasion: not the Receiver's choice at the prior
        one = 1 if pull.sum() <= 0 else 0
        sign = 1.0 if one == 1 else -1.0
        share, price, pivot = _fill(
            sign * (gains[:, 1] - gains[:, 0]), sign * difference, sign * pull
        )
        masses = np.empty_like(gains)
        masses[:, one] = weights * share
        masses[:, 1 - one] = weights - masses[:, one]
        rows = np.array([[one, 1 - one]], dtype=np.intp)
        return Candidate(
            masses=masses,
            price_rows=rows,
            prices=np.array([price]),
            vertex=_vertex(share, one, rows, pivot),
        )


def _fill(gain: FloatArray, good: FloatArray, pull: FloatArray) -> tuple[FloatArray, float, int]:
    """Return each state's share sent to the action, the price of obedience, the mixed state.

    A state is wanted when ``gain + price * good >= 0``. As the price rises from 0 states with
    ``gain >= 0 > good`` leave and states with ``gain < 0 < good`` join, at price -gain / good.
    """
    wanted = (gain > 0) | ((gain == 0) & (good >= 0))
    total = float(pull[wanted].sum())
    share = wanted.astype(np.float64)
    if total >= 0:
        return share, 0.0, -1
    movable = np.flatnonzero((wanted & (good < 0)) | (~wanted & (good > 0)))
    at = -gain[movable] / good[movable]
    order = np.argsort(at, kind="stable")
    movable, at = movable[order], at[order]
    # each crossing raises the total by |pull|: a bad state leaves or a good state joins
    reached = np.cumsum(np.abs(pull[movable]))
    last = min(int(np.searchsorted(reached, -total)), len(movable) - 1)
    crossed, pivot = movable[:last], int(movable[last])
    share[crossed] = 1.0 - share[crossed]
    # the mixed state makes the inequality an equality; recompute what it must carry
    share[pivot] = 0.0
    rest = float(np.dot(pull, share))
    share[pivot] = min(max(-rest / pull[pivot], 0.0), 1.0)
    return share, float(at[last]), pivot


def _vertex(share: FloatArray, one: int, rows: IntArray, pivot: int) -> Vertex:
    states = np.arange(len(share), dtype=np.intp)
    cells = np.stack([states, np.where(share > 0.5, one, 1 - one)], axis=1)
    if pivot < 0:
        return Vertex(cells, rows[:0])
    other = np.array([[pivot, 1 - cells[pivot, 1]]], dtype=np.intp)
    return Vertex(np.concatenate([cells, other]), rows)


SOLVER = Knapsack()
