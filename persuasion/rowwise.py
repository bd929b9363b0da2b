"""Reductions over the actions of each state, fast for tall tables."""

from __future__ import annotations

from functools import reduce

import numpy as np

from persuasion.rationals import FloatArray

__all__ = ["across"]


def across(ufunc: np.ufunc, table: FloatArray) -> FloatArray:
    """``ufunc.reduce(table, axis=1)``, column by column where rows are short.

    NumPy's own reduction runs over the last axis row by row, which costs twenty times more on a
    table of a thousand rows and two columns.

    Examples
    --------
    >>> across(np.maximum, np.array([[1.0, 3.0], [5.0, 2.0]])).tolist()
    [3.0, 5.0]
    """
    if 1 < table.shape[1] <= 16 and table.shape[0] > 16:
        columns: FloatArray = reduce(ufunc, table.T)
        return columns
    rows: FloatArray = ufunc.reduce(table, axis=1)
    return rows
