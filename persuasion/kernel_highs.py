"""HiGHS set up for a program over signaling kernels, before any obedience row.

One column per pair of a state and a recommendation, one row per state that makes its conditional
probabilities sum to 1. The basis that recommends the cheapest action in every state is optimal as
long as nothing else is asked, and is handed over as the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from persuasion.rationals import FloatArray

__all__ = ["highs_over_kernels"]


def highs_over_kernels(highspy: Any, costs: FloatArray, tolerance: float) -> Any:
    """Return a `highspy.Highs` that holds the program and its starting basis.

    Parameters
    ----------
    highspy : module
    costs : ndarray (n_states, n_actions)
        Objective to minimise, of order one. Column ``w * n_actions + a`` is the pair (w, a).
    tolerance : float
        Feasibility tolerance, primal and dual; HiGHS accepts 1e-10 and more.
    """
    m, n = costs.shape
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = m * n, m
    lp.col_cost_ = costs.ravel()
    lp.col_lower_ = np.zeros(m * n)
    lp.col_upper_ = np.full(m * n, highspy.kHighsInf)
    lp.row_lower_ = lp.row_upper_ = np.ones(m)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.arange(m * n + 1, dtype=np.int32)
    lp.a_matrix_.index_ = np.repeat(np.arange(m, dtype=np.int32), n)
    lp.a_matrix_.value_ = np.ones(m * n)
    highs = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("presolve", "off"),
        ("solver", "simplex"),
        ("threads", 1),
        ("primal_feasibility_tolerance", tolerance),
        ("dual_feasibility_tolerance", tolerance),
        ("small_matrix_value", 1e-12),
    ):
        highs.setOptionValue(option, value)
    highs.passModel(lp)
    at_bound, basic = highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic
    columns = [at_bound] * (m * n)
    for column in (np.arange(m) * n + costs.argmin(axis=1)).tolist():
        columns[column] = basic
    basis = highspy.HighsBasis()
    basis.col_status, basis.row_status, basis.valid = columns, [at_bound] * m, True
    highs.setBasis(basis)
    return highs
