"""The linear program over kernels to which inequalities are added while it is being solved.

    maximise    sum_w,a kernel[w, a] gains[w, a]
    subject to  sum_a kernel[w, a] = 1                                 every state w
                sum_w kernel[w, actions[k]] coefficients[k, w] >= 0    every inequality k so far

The compiled simplex and HiGHS continue from their last basis; SciPy starts afresh.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from persuasion.errors import NotSolvedError
from persuasion.kernel_highs import highs_over_kernels
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray

__all__ = ["HighsProgram", "KernelProgram", "ScipyProgram", "programs"]

_TOLERANCE = 1e-10
"""What HiGHS may violate a row by: the least that it accepts, below the tolerance of callers."""
_PENALTIES = (1e2, 1e4, 1e6)
"""Bounds on the price of an inequality tried in turn after a failure, in units of the program."""


class KernelProgram(Protocol):
    """What callers see of either implementation.

    Attributes
    ----------
    name : str
    kernel : ndarray (n_states, n_actions)
        Optimal kernel of the last `run`, rounding included.
    prices : ndarray (k,)
        Multipliers >= 0 of the inequalities in the order of `add`, in gains per unit of an
        inequality as it was given; those added since the last `run` have price 0.
    """

    name: str
    kernel: FloatArray
    prices: FloatArray

    def add(self, actions: IntArray, coefficients: FloatArray) -> None:
        """Add inequalities on the columns `actions` (k,), `coefficients` (k, n_states)."""
        ...

    def run(self, deadline: float | None) -> bool:
        """Solve; False when `deadline`, a time of `perf_counter`, came first."""
        ...

    def restart(self) -> bool:
        """Prepare to solve the same inequalities in another way; False when there is none."""
        ...


Build = Callable[[FloatArray, FloatArray], KernelProgram]


def programs() -> list[tuple[str, Build]]:
    """Return the implementations at hand by name, the fastest first.

    Each is built from the gains and the weights that
    `persuasion.kernel_structured.StructuredProgram` asks for.
    """
    from persuasion.kernel_structured import StructuredProgram
    from persuasion.solvers.structured import switched_off

    found: list[tuple[str, Build]] = []
    if switched_off() is None:
        found.append((StructuredProgram.name, StructuredProgram))
    if importlib.util.find_spec("highspy") is not None:
        found.append((HighsProgram.name, lambda gains, weights: HighsProgram(gains)))
    found.append((ScipyProgram.name, lambda gains, weights: ScipyProgram(gains)))
    return found


class HighsProgram:
    """`highspy`, warm-started.

    Parameters
    ----------
    gains : ndarray (n_states, n_actions)
    """

    name = "highs"

    def __init__(self, gains: FloatArray) -> None:
        highspy = self._highspy = importlib.import_module("highspy")
        self._shape = gains.shape
        loss, self._unit = _losses(gains)
        self._sizes = np.zeros(0)
        self._penalties = list(_PENALTIES)
        self._penalty = 0.0
        self.kernel: FloatArray = np.zeros(gains.shape)
        self.prices: FloatArray = np.zeros(0)
        self._highs = highs_over_kernels(highspy, loss, _TOLERANCE)

    def add(self, actions: IntArray, coefficients: FloatArray) -> None:
        """See `KernelProgram`."""
        k, m = coefficients.shape
        sizes = _sizes(coefficients)
        columns = (np.arange(m) * self._shape[1] + actions[:, None]).astype(np.int32)
        self._highs.addRows(
            k,
            np.zeros(k),
            np.full(k, self._highspy.kHighsInf),
            k * m,
            np.arange(k, dtype=np.int32) * m,
            columns.ravel(),
            (coefficients / sizes[:, None]).ravel(),
        )
        if self._penalty:
            self._relax(k)
        self._sizes = np.concatenate([self._sizes, sizes])
        self.prices = np.concatenate([self.prices, np.zeros(k)])

    def run(self, deadline: float | None) -> bool:
        """See `KernelProgram`."""
        highs, status = self._highs, self._highspy.HighsModelStatus
        m, n = self._shape
        outcome = self._run(deadline)
        while outcome not in (status.kOptimal, status.kTimeLimit) and self.restart():
            outcome = self._run(deadline)
        if outcome == status.kTimeLimit:
            return False
        if outcome != status.kOptimal:
            raise NotSolvedError(f"HiGHS stopped with status {outcome.name}")
        solution = highs.getSolution()
        self.kernel = np.array(solution.col_value)[: m * n].reshape(m, n)
        duals = np.array(solution.row_dual)[m:]
        self.prices = np.maximum(duals, 0.0) * (self._unit / self._sizes)
        return True

    def _run(self, deadline: float | None) -> Any:
        if deadline is not None:
            left = max(deadline - perf_counter(), 0.0)
            self._highs.setOptionValue("time_limit", self._highs.getRunTime() + left)
        self._highs.run()
        return self._highs.getModelStatus()

    def restart(self) -> bool:
        """Forget basis and scaling, chosen before most rows were known; presolve; bound prices.

        Sets that nearly are the simplex give rows with coefficients of 1 and of 1e-10. Their
        optimal prices are then far from unique, and large ones ruin the certificate. Letting an
        inequality be violated at a penalty bounds its price; where the penalty is too small the
        kernel is disobeyed, and callers restart again.
        """
        if not self._penalties:
            return False
        first = self._penalty == 0
        self._penalty = self._penalties.pop(0)
        self._highs.setOptionValue("presolve", "on")
        self._highs.passModel(self._highs.getLp())
        k, n_kernel = len(self._sizes), self._shape[0] * self._shape[1]
        if first:
            self._relax(k, n_known=0)
        else:
            slacks = np.arange(n_kernel, n_kernel + k, dtype=np.int32)
            self._highs.changeColsCost(k, slacks, np.full(k, self._penalty))
        return True

    def _relax(self, k: int, n_known: int | None = None) -> None:
        """Let k rows after the first `n_known` inequalities be violated at the penalty."""
        first = self._shape[0] + (len(self._sizes) if n_known is None else n_known)
        self._highs.addCols(
            k,
            np.full(k, self._penalty),
            np.zeros(k),
            np.full(k, self._highspy.kHighsInf),
            k,
            np.arange(k, dtype=np.int32),
            np.arange(first, first + k, dtype=np.int32),
            np.ones(k),
        )


class ScipyProgram:
    """`scipy.optimize.linprog`, from scratch each time.

    Parameters
    ----------
    gains : ndarray (n_states, n_actions)
    """

    name = "scipy"

    def __init__(self, gains: FloatArray) -> None:
        self._loss, self._unit = _losses(gains)
        self._actions = np.zeros(0, dtype=np.intp)
        self._rows = np.zeros((0, len(gains)))
        self._sizes = np.zeros(0)
        self.kernel: FloatArray = np.zeros(gains.shape)
        self.prices: FloatArray = np.zeros(0)

    def add(self, actions: IntArray, coefficients: FloatArray) -> None:
        """See `KernelProgram`."""
        sizes = _sizes(coefficients)
        self._actions = np.concatenate([self._actions, actions])
        self._rows = np.concatenate([self._rows, coefficients / sizes[:, None]])
        self._sizes = np.concatenate([self._sizes, sizes])
        self.prices = np.concatenate([self.prices, np.zeros(len(sizes))])

    def run(self, deadline: float | None) -> bool:
        """See `KernelProgram`."""
        from scipy import sparse
        from scipy.optimize import linprog

        left = None if deadline is None else deadline - perf_counter()
        if left is not None and left <= 0:
            return False
        m, n = self._loss.shape
        k = len(self._rows)
        columns = (np.arange(m) * n + self._actions[:, None]).ravel()
        negated = sparse.csr_matrix(
            (-self._rows.ravel(), columns, np.arange(k + 1) * m), shape=(k, m * n)
        )
        result = linprog(
            self._loss.ravel(),
            A_ub=negated if k else None,
            b_ub=np.zeros(k) if k else None,
            A_eq=sparse.kron(sparse.eye(m), np.ones((1, n)), format="csr"),
            b_eq=np.ones(m),
            method="highs-ds",
            options={
                "primal_feasibility_tolerance": _TOLERANCE,
                "dual_feasibility_tolerance": _TOLERANCE,
                "time_limit": left,
            },
        )
        if result.status == 1:
            return False
        if result.status != 0:
            raise NotSolvedError(f"scipy.optimize.linprog stopped: {result.message}")
        self.kernel = result.x.reshape(m, n)
        if k:
            self.prices = np.maximum(-result.ineqlin.marginals, 0.0) * (self._unit / self._sizes)
        return True

    def restart(self) -> bool:
        """Return False: every run is a fresh start already."""
        return False


def _losses(gains: FloatArray) -> tuple[FloatArray, float]:
    """What each action loses against the state's best, in units of the largest loss; the unit."""
    loss = gains.max(axis=1, keepdims=True) - gains
    unit = float(loss.max()) or 1.0
    return loss / unit, unit


def _sizes(coefficients: FloatArray) -> FloatArray:
    """Largest coefficient of each inequality: the tolerances of HiGHS are absolute."""
    sizes: FloatArray = np.abs(coefficients).max(axis=1)
    return np.where(sizes > 0, sizes, 1.0)
