"""The program over kernels by the compiled simplex of `persuasion.structured_kernel`.

Every inequality is one of the method's further rows. A new one leaves the prices of the last basis
feasible, so the method goes on from there; nothing of the game's own obedience takes part.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from persuasion.errors import NotSolvedError
from persuasion.interruptible import interruptible
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray
from persuasion.solvers import structured

__all__ = ["StructuredProgram"]

_SLICE = 200
"""Changes of basis between two looks at the clock."""


class StructuredProgram:
    """`persuasion.kernel_program.KernelProgram`, compiled.

    Parameters
    ----------
    gains : ndarray (n_states, n_actions)
    weights : ndarray (n_states,), optional
        Units in which the states are measured, > 0: about the most that gains and inequalities
        weigh them with. Rounding is relative to them. Default 1.
    """

    name = "structured"

    def __init__(self, gains: FloatArray, weights: FloatArray | None = None) -> None:
        m, n = gains.shape
        self._weights = np.ones(m) if weights is None else weights.copy()
        loss = (gains - gains.max(axis=1, keepdims=True)) / self._weights[:, None]
        self._unit = -float(loss.min()) or 1.0
        self._gains = np.ascontiguousarray((loss / self._unit).T)
        self._payoffs, self._slack = np.zeros((n, m)), np.zeros(m)
        self._allowed = np.ones(n, dtype=np.bool_)
        self._actions = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros((0, m))
        self._key = np.full(m, -1)
        self._cells = self._tight = np.zeros((0, 2), dtype=np.int64)
        self.kernel: FloatArray = np.zeros((m, n))
        self.prices: FloatArray = np.zeros(0)

    def add(self, actions: IntArray, coefficients: FloatArray) -> None:
        """See `KernelProgram`."""
        self._actions = np.concatenate([self._actions, actions])
        self._rows = np.concatenate([self._rows, coefficients / self._weights])
        self.prices = np.concatenate([self.prices, np.zeros(len(actions))])

    def run(self, deadline: float | None) -> bool:
        """See `KernelProgram`."""
        code = structured.kernel()
        n, m = self._gains.shape
        limit = structured.pivot_budget(m, n) + 20 * len(self._actions)
        done = 0
        while True:
            if deadline is not None and perf_counter() > deadline:
                return False
            status, self._cells, self._tight, x, y, counts = interruptible(
                code.solve_structured,
                self._weights,
                self._gains,
                self._payoffs,
                self._slack,
                self._allowed,
                self._actions,
                self._rows,
                self._key,
                self._cells,
                self._tight,
                limit if deadline is None else _SLICE,
            )
            done += int(counts[0])
            if status != code.BUDGET or done > limit:
                break
        if status != code.OPTIMAL:
            raise NotSolvedError(f"the structured simplex stopped with status {status}")
        left = self._weights.copy()
        np.subtract.at(left, self._cells[:, 0], x)
        masses = np.zeros((m, n))
        masses[np.arange(m), self._key] = left
        masses[self._cells[:, 0], self._cells[:, 1]] = x
        self.kernel = np.maximum(masses, 0.0) / self._weights[:, None]
        self.prices = np.zeros(len(self._actions))
        self.prices[self._tight[:, 1] - n] = np.maximum(y, 0.0) * self._unit
        return True

    def restart(self) -> bool:
        """Return False: rounding is better tried on another method."""
        return False
