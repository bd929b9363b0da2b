"""Theorem 2: sqrt(T log T) is needed on one of two priors, in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from persuasion.rationals import FloatArray
from theory.statements._pair import PairBound, PairConstants

__all__ = ["THEOREM", "ClosedForm"]


class ClosedForm(PairBound):
    """Lower bound by a likelihood ratio, Markov's inequality and a chi-squared divergence."""

    id: ClassVar[str] = "theorem_2"
    title: ClassVar[str] = "Lower bound of order sqrt(T log T)"
    statement: ClassVar[str] = (
        "Let P(good) be p- or p- + Delta, a = B Delta / (1 - p-), c0 = p- (1 + B) and "
        "kl = Delta^2 / (p- (1 - p-)). Every learner that sees nothing but earlier states has "
        "expected regret at least (T a / 2) (1 - ((T - 1) kl / 2 + 1/e) / ln(c0 / a)) on one of "
        "the two games."
    )
    latex: ClassVar[str] = (
        r"\max(\mathbb{E}_{p_-} R_T, \mathbb{E}_{p_+} R_T) \ge \frac{T a}{2} \Bigl[1 - "
        r"\frac{(T-1)\,\mathrm{kl}/2 + 1/e}{\ln(c_0 / a)}\Bigr]"
    )

    def at(
        self, constants: PairConstants, rounds: NDArray[np.int64], parameters: Mapping[str, Any]
    ) -> FloatArray:
        """The closed form, or 0 where it is negative."""
        a, c0 = constants.loss_second, constants.loss_first
        t = rounds.astype(np.float64)
        if not 0 < a < c0:
            return np.zeros(t.shape)
        doubt = ((t - 1) * constants.divergence / 2 + 1 / math.e) / math.log(c0 / a)
        return np.asarray(np.maximum(0.0, t * a / 2 * (1 - doubt)))


THEOREM = ClosedForm()
