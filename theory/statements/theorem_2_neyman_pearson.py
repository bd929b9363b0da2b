"""Theorem 2 before its last inequality: the lower bound computed from binomial laws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from persuasion.rationals import FloatArray
from theory.statements._pair import PairBound, PairConstants

__all__ = ["THEOREM", "NeymanPearson"]

IntArray = NDArray[np.int64]

_EXACT = 512
"""Up to this many samples every term is computed."""
_GRID = 400
"""Points of the grid over larger sample sizes; terms decrease, so each gap takes its last one."""


class NeymanPearson(PairBound):
    """Lower bound by the best test between the two priors."""

    id: ClassVar[str] = "theorem_2_neyman_pearson"
    title: ClassVar[str] = "Lower bound of order sqrt(T log T), computed"
    statement: ClassVar[str] = (
        "With a = B Delta / (1 - p-) and c0 = p- (1 + B), every learner that sees nothing but "
        "earlier states has expected regret at least half the sum over n < T and j <= n of "
        "min(a Bin(j; n, p+), c0 Bin(j; n, p-)) on one of the two games."
    )
    latex: ClassVar[str] = (
        r"\max(\mathbb{E}_{p_-} R_T, \mathbb{E}_{p_+} R_T) \ge \frac12 \sum_{n=0}^{T-1} "
        r"\sum_{j=0}^{n} \min\{a\,\mathrm{Bin}(j; n, p_+), c_0\,\mathrm{Bin}(j; n, p_-)\}"
    )
    _n_gaps: ClassVar[int] = 120

    def at(
        self, constants: PairConstants, rounds: IntArray, parameters: Mapping[str, Any]
    ) -> FloatArray:
        """The sum, from below: exact for small n, by a grid of 400 sizes beyond."""
        last = int(np.max(rounds)) - 1
        sizes = np.arange(min(last, _EXACT) + 1)
        if last > _EXACT:
            grid = np.geomspace(_EXACT, last, _GRID).astype(np.int64)
            own = rounds[rounds > _EXACT] - 1
            sizes = np.unique(np.concatenate([sizes, grid, own, [last]]))
        terms = _terms(constants, sizes)
        weights = np.diff(sizes, prepend=-1)
        total = 0.5 * np.cumsum(weights * terms)
        return np.asarray(total[np.searchsorted(sizes, rounds - 1)])


def _terms(constants: PairConstants, n: IntArray) -> FloatArray:
    """``sum_j min(a Bin(j; n, p+), c0 Bin(j; n, p-))`` for each n.

    The likelihood ratio grows in j: the second prior gives the smaller term up to a threshold.
    """
    from scipy.special import bdtr, bdtrc

    a, c0 = constants.loss_second, constants.loss_first
    low, high = constants.good, constants.good + constants.gap
    if a <= 0 or not low < high < 1:
        return np.zeros(len(n))
    per_bad = math.log((1 - low) / (1 - high))
    threshold = np.floor((math.log(c0 / a) + n * per_bad) / (math.log(high / low) + per_bad))
    k = np.clip(threshold, -1, n)
    below = np.where(k >= 0, bdtr(np.maximum(k, 0), n, high), 0.0)
    above = np.where(k < 0, 1.0, np.where(k >= n, 0.0, bdtrc(np.clip(k, 0, n), n, low)))
    return np.asarray(a * below + c0 * above)


THEOREM = NeymanPearson()
