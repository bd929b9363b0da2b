"""One way to call `scipy.optimize.linprog`, for all the reference programs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from persuasion.errors import InfeasibleError, NotSolvedError
from persuasion.rationals import FloatArray

__all__ = ["Answer", "maximise"]

_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Answer(NamedTuple):
    """Optimal point, optimal value, and the price of each row of `upper`."""

    x: FloatArray
    best: float
    prices: FloatArray


def maximise(
    gain: FloatArray,
    *,
    upper: tuple[FloatArray, FloatArray],
    equal: tuple[FloatArray, FloatArray],
    bounds: Any = (0, None),
) -> Answer:
    """Call `linprog` (dual simplex, hence a vertex); try again without presolve."""
    from scipy.optimize import linprog

    A_ub, b_ub = upper if len(upper[1]) else (None, None)
    messages = []
    for presolve in (True, False):
        answer = linprog(
            -gain,
            A_ub=A_ub,
            b_ub=b_ub,
            A_eq=equal[0],
            b_eq=equal[1],
            bounds=bounds,
            method="highs-ds",
            options={**_OPTIONS, "presolve": presolve},
        )
        if answer.status == 0:
            prices = np.maximum(-np.asarray(answer.ineqlin.marginals), 0.0)
            return Answer(np.asarray(answer.x), -float(answer.fun), prices)
        messages.append(("linprog", str(answer.message)))
        if answer.status == 2 and not presolve:
            raise InfeasibleError(
                "no scheme satisfies these rows; allow more or ask for less margin"
            )
    raise NotSolvedError("the reference program was not solved", tuple(messages))
