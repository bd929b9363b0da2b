"""Obedience rows, scaled so that absolute tolerances of general solvers mean something.

Rows are over conditional probabilities, not joint masses, so that a state of tiny prior keeps a
distribution of its own, and each is divided by its largest coefficient: with utilities of size
1e-9 a solver would otherwise accept a disobedient scheme.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from persuasion.problem import IntArray, Problem
from persuasion.rationals import FloatArray

__all__ = ["obedience_matrix", "obedience_rows"]


def obedience_rows(problem: Problem, action: int) -> tuple[FloatArray, FloatArray]:
    """Obedience rows of one action: normalised coefficients, and their sizes.

    Parameters
    ----------
    problem : Problem
    action : int

    Returns
    -------
    coefficients : ndarray (n_states, n_actions)
        Column b holds the row against deviation b, on conditional probabilities and divided by
        its size; its own column is zero.
    sizes : ndarray (n_actions,)
        Largest absolute coefficient of each row before; zero for an empty row.
    """
    table = problem.payoffs[:, [action]] - problem.payoffs
    if problem.slack is not None:
        table -= problem.slack[:, None]
        table[:, action] = 0.0
    table *= problem.weights[:, None]
    sizes = np.abs(table).max(axis=0)
    np.divide(table, sizes, out=table, where=sizes > 0)
    return table, sizes


def obedience_matrix(problem: Problem) -> tuple[Any, IntArray, FloatArray]:
    """All nonempty obedience rows of the recommendable actions, over the kernel in C order.

    Returns
    -------
    matrix : scipy.sparse.csr_matrix (n_rows, n_support * n_actions)
    pairs : ndarray of int (n_rows, 2)
        (recommended action, deviation).
    sizes : ndarray (n_rows,)
        What each row was divided by.
    """
    from scipy import sparse

    m, n = problem.gains.shape
    pairs: list[tuple[int, int]] = []
    values, columns, all_sizes = [], [], []
    for a in problem.recommendable():
        table, sizes = obedience_rows(problem, a)
        for b in np.flatnonzero(sizes).tolist():
            pairs.append((a, b))
            values.append(table[:, b])
            columns.append(np.arange(m) * n + a)
            all_sizes.append(float(sizes[b]))
    if not pairs:
        return sparse.csr_matrix((0, m * n)), np.zeros((0, 2), dtype=np.intp), np.zeros(0)
    starts = np.arange(len(pairs) + 1) * m
    matrix = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns), starts), shape=(len(pairs), m * n)
    )
    return matrix, np.array(pairs, dtype=np.intp), np.array(all_sizes)
