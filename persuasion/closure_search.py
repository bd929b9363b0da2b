"""The search for the best split: a linear program and a partition of the beliefs, in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray
from persuasion.simplex_mesh import SimplexMesh

__all__ = ["Function", "Search", "best_split", "rounding"]

Function = Callable[[FloatArray], FloatArray]

_POLISHING_ROUNDS = 40
_LINEAR_PROGRAMS = 100
_COARSE_FIRST = 0.3
_COLUMNS_PER_ROUND = 48
_LP_TOLERANCE = 1e-10


class Search:
    """Columns (beliefs in the linear program) and a mesh, refined in turn."""

    def __init__(
        self,
        function: Function,
        mesh: SimplexMesh,
        prior: FloatArray,
        breakpoints: FloatArray,
        tolerance: float,
    ) -> None:
        self.function, self.mesh, self.prior = function, mesh, prior
        self.points = np.concatenate([np.eye(len(prior)), prior[None], breakpoints])
        self.values = function(self.points)
        everything = np.concatenate([self.values, mesh.values.ravel()])
        least = max(_LP_TOLERANCE * float(np.ptp(everything)), rounding(everything))
        self.target = max(tolerance * float(np.ptp(everything)), 10 * least)
        self.slack = max(1e-3 * self.target, 2 * least)  # what the program may leave undone
        self.upper_bound = math.inf

    def run(self, refine: int, max_cells: int, deadline: float) -> bool:
        """Refine until the gap closes; return whether it did."""
        self._solve()
        for done in range(refine + 1):
            self._improve_columns(deadline)
            self._polish(deadline)
            passed = self.mesh.excess(self.prices).max(axis=1) + self.mesh.between
            if self.mesh.has_bound:
                rise = max(float(passed.max()), 0.0) + rounding(self.values)
                bound = float(self.prices @ self.prior) + rise
                if bound < self.upper_bound:
                    self.upper_bound, self.best_prices = bound, self.prices + rise
                if self.upper_bound - self.value <= self.target:
                    return True
            # coarse cells first: the bound falls evenly, and most prices are final by the time
            # the small cells come
            split = np.flatnonzero(passed > max(0.75 * self.target, _COARSE_FIRST * passed.max()))
            if split.size == 0:
                return True
            room = max_cells - self.mesh.n_cells
            if done == refine or room <= 0 or time.monotonic() > deadline:
                return False
            if split.size > room:
                split = split[np.argpartition(-passed[split], room - 1)[:room]]
            self.mesh.bisect(split)
        return False

    def _improve_columns(self, deadline: float) -> None:
        """Add corners of the mesh above the hyperplane until there are none."""
        n_states = len(self.prior)
        for _ in range(_LINEAR_PROGRAMS):
            corners = self.mesh.corners.reshape(-1, n_states)
            values = self.mesh.values.ravel()
            excess = self.mesh.excess(self.prices).ravel()
            above = np.flatnonzero(excess > self.slack)
            if above.size == 0:
                return
            if above.size > _COLUMNS_PER_ROUND:
                top = np.argpartition(-excess[above], _COLUMNS_PER_ROUND)[:_COLUMNS_PER_ROUND]
                above = above[top]
            _, first = np.unique(corners[above], axis=0, return_index=True)
            self._add(corners[above[first]], values[above[first]])
            if time.monotonic() > deadline:
                return

    def _polish(self, deadline: float) -> None:
        """Move each posterior of the split to a better neighbour, at all scales, while any is."""
        n_states = len(self.prior)
        if n_states == 1:
            return
        steps = 2.0 ** -np.arange(1, 27)
        to, off = np.nonzero(~np.eye(n_states, dtype=bool))
        moves = (np.eye(n_states)[to] - np.eye(n_states)[off])[:, None] * steps[:, None]
        for _ in range(_POLISHING_ROUNDS):
            around = self.points[self.used][:, None, None] + moves
            kept = around.min(axis=-1) >= 0
            values = np.full(kept.shape, -np.inf)
            if kept.any():
                values[kept] = self.function(around[kept])
            excess = values - around @ self.prices
            flat = excess.reshape(len(around), -1)
            best = flat.argmax(axis=1)
            row = np.flatnonzero(flat.max(axis=1) > self.slack)
            if row.size == 0 or time.monotonic() > deadline:
                return
            chosen = around.reshape(len(around), -1, n_states)[row, best[row]]
            self._add(chosen, values.reshape(len(around), -1)[row, best[row]])

    def _add(self, points: FloatArray, values: FloatArray) -> None:
        self.points = np.concatenate([self.points, points])
        self.values = np.concatenate([self.values, values])
        self._solve()

    def _solve(self) -> None:
        self.weights, self.prices, self.used = best_split(self.points, self.values, self.prior)
        self.value = float(self.weights @ self.values[self.used])
        if not math.isfinite(self.upper_bound):
            self.best_prices = self.prices


def best_split(
    points: FloatArray, values: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return weights of the beliefs used, prices, and which beliefs they are."""
    from scipy.optimize import linprog

    low, width = float(values.min()), float(np.ptp(values)) or 1.0
    options = {f"{side}_feasibility_tolerance": _LP_TOLERANCE for side in ("primal", "dual")}
    answer = linprog(
        -(values - low) / width, A_eq=points.T, b_eq=prior, method="highs", options=options
    )
    if answer.status == 2:
        raise PersuasionError(
            "the prior is not an average of the points given; include the degenerate beliefs "
            "(rows of the identity matrix)"
        )
    if answer.x is None:
        raise NotSolvedError(
            f"the linear program over {len(values)} beliefs failed: {answer.message}"
        )
    used = np.flatnonzero(answer.x > 1e-12)
    used = used[np.lexsort(-points[used].T[::-1])]  # a stable order: largest first coordinate first
    weights = np.asarray(answer.x[used])
    exact, *_ = np.linalg.lstsq(points[used].T, prior, rcond=None)
    if exact.min() >= 0 and np.abs(exact @ points[used] - prior).max() < 1e-12:
        weights = exact
    prices: FloatArray = low - width * np.asarray(answer.eqlin.marginals)
    return weights, prices, used


def rounding(values: FloatArray) -> float:
    """Allowance for rounding in sums of products of beliefs and values."""
    return 16 * float(np.finfo(np.float64).eps) * float(np.abs(values).max())
