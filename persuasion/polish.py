"""Recomputing a basic solution from its basis, to full floating-point accuracy.

A general solver reports masses that satisfy its rows to an absolute tolerance. Its basis is usually
right all the same. Solving for it directly, with one *key* cell per state that carries what the
state's other basic cells leave over, needs only a small system, one equation per tight row; its
residuals are computed in extended precision, which makes rounding errors relative to each row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persuasion.problem import Candidate, Problem
from persuasion.rationals import FloatArray

__all__ = ["polish"]

_REFINEMENTS = 3


def polish(problem: Problem, candidate: Candidate) -> Candidate | None:
    """Solve for masses and prices at the candidate's basis.

    Returns None where there is no basis, it is singular, or it is not feasible after all.
    """
    vertex = candidate.vertex
    if vertex is None or len(vertex.cells) != problem.n_states + len(vertex.rows):
        return None
    states, actions = vertex.cells.T
    masses = candidate.masses[states, actions]
    # the key of a state is its heaviest basic cell
    order = np.lexsort((-masses, states))
    first = np.unique(states[order], return_index=True)[1]
    if len(first) != problem.n_states:
        return None
    keys = actions[order[first]]
    others = np.delete(order, first)
    w, c = states[others], actions[others]
    a, b = vertex.rows.T
    row = (problem.payoffs[:, a] - problem.payoffs[:, b]).T  # tight row, state
    if problem.slack is not None:
        row = row - problem.slack
    size = np.abs(row).max(axis=1)
    if not size.all():
        return None
    row = row / size[:, None]
    at_key = np.where(keys == a[:, None], row, 0.0)
    matrix = np.where(c == a[:, None], row[:, w], 0.0) - at_key[:, w]
    try:
        extra = _solve(matrix, -(at_key.astype(np.longdouble) @ problem.weights))
        gain = problem.gains[w, keys[w]] - problem.gains[w, c]
        prices = _solve(matrix.T, gain.astype(np.longdouble))
    except np.linalg.LinAlgError:
        return None
    full = np.zeros_like(problem.gains)
    full[w, c] = extra
    left = problem.weights - full.sum(axis=1)
    full[np.arange(problem.n_states), keys] = left
    if not np.isfinite(full).all() or (full < -1e-9 * problem.weights[:, None]).any():
        return None
    prices = np.maximum(prices / size, 0.0)
    return replace(candidate, masses=full, price_rows=vertex.rows, prices=prices)


def _solve(matrix: FloatArray, right: np.ndarray) -> FloatArray:
    """Solve a square system by iterative refinement with residuals in extended precision."""
    if len(matrix) == 0:
        return np.zeros(0)
    wide = matrix.astype(np.longdouble)
    solution = np.linalg.solve(matrix, right.astype(np.float64)).astype(np.longdouble)
    for _ in range(_REFINEMENTS):
        residual = right - wide @ solution
        solution += np.linalg.solve(matrix, residual.astype(np.float64))
    out: FloatArray = solution.astype(np.float64)
    return out
