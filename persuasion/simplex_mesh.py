"""A simplex of beliefs cut into ever smaller simplices, with a function known at every corner."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray

__all__ = ["Curvature", "SimplexMesh"]

Curvature = float | Callable[[FloatArray], FloatArray]

_SMALLEST_CELL = 1e-9


class SimplexMesh:
    """The simplex of beliefs over `n_states` states, subdivided by halving edges of cells.

    Parameters
    ----------
    function : callable
        Maps beliefs (k, n_states) to values (k,).
    n_states : int
    n_points : int
        Cells are halved until every edge is at most one part in `n_points` of an edge of the
        whole simplex.
    lipschitz : float, optional
        Lipschitz constant of `function` in the L1 norm.
    curvature : float or callable, optional
        See `persuasion.concave_closure`.

    Attributes
    ----------
    corners : ndarray (n_cells, n_states, n_states)
        ``corners[cell, corner, state]``.
    values : ndarray (n_cells, n_states)
        The function at ``corners[cell, corner]``.
    between : ndarray (n_cells,)
        Inside a cell the function exceeds the average of its corners' values (in barycentric
        weights) by at most this. Without constants an estimate: how far the function was from
        linear along the edges halved to make the cell, the last at full weight and each
        earlier one at a quarter of the next.

    Notes
    -----
    With L1 diameter D and c = 1 - 1/n_states the bound is the smaller of ``L c D`` and
    ``K c^2 D^2 / 2``. For q = sum l_i q_i, ``f(q) <= sum l_i (f(q_i) + L |q - q_i|)`` with
    ``|q - q_i| <= (1 - l_i) D``, likewise to second order; ``sum l_i (1 - l_i)^j <= c^j``.
    Cells form a partition; corners of one may lie inside edges of another, which does no harm to
    bounds that hold cell by cell.

    Examples
    --------
    >>> from persuasion.simplex_mesh import SimplexMesh
    >>> mesh = SimplexMesh(lambda beliefs: beliefs[:, 0] ** 2, 3, 4, lipschitz=1.0)
    >>> mesh.n_cells, round(float(mesh.between.max()), 3)
    (24, 0.333)
    """

    def __init__(
        self,
        function: Callable[[FloatArray], FloatArray],
        n_states: int,
        n_points: int,
        *,
        lipschitz: float | None = None,
        curvature: Curvature | None = None,
    ) -> None:
        self._function = function
        self._lipschitz, self._curvature = lipschitz, curvature
        self._pairs = np.triu_indices(n_states, 1)
        self.corners: FloatArray = np.eye(n_states)[None]
        self.values: FloatArray = function(np.eye(n_states))[None]
        self._bends: FloatArray = np.zeros(1)
        self._diameters, self.between, self._halve = self._measure(self.corners, self._bends)
        while n_states > 1:
            large = np.flatnonzero(self._diameters > 2.0 / n_points * (1 + 1e-9))
            if large.size == 0:
                return
            self._halve[large] = self._lengths(self.corners[large]).argmax(axis=1)
            self.bisect(large)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.values)

    @property
    def has_bound(self) -> bool:
        """Whether `between` is a bound (else it is an estimate)."""
        return self._lipschitz is not None or self._curvature is not None

    def excess(self, prices: FloatArray) -> FloatArray:
        """How far the function passes the hyperplane at each corner, (n_cells, n_states)."""
        above: FloatArray = self.values - self.corners @ prices
        return above

    def bisect(self, cells: IntArray) -> None:
        """Halve each of `cells`: at its longest edge, or the one of largest curvature if known."""
        corners, values = self.corners[cells], self.values[cells]
        i, j = (ends[self._halve[cells]] for ends in self._pairs)
        row = np.arange(len(cells))
        middle = (corners[row, i] + corners[row, j]) / 2
        at_middle = self._function(middle)
        bends = np.abs(at_middle - (values[row, i] + values[row, j]) / 2)
        bends = np.maximum(bends, self._bends[cells] / 4)
        twins, twin_values = corners.copy(), values.copy()
        corners[row, j], values[row, j] = middle, at_middle
        twins[row, i], twin_values[row, i] = middle, at_middle
        for name, here, there in (
            ("corners", corners, twins),
            ("values", values, twin_values),
            ("_bends", bends, bends),
        ):
            self._replace(name, cells, here, there)
        names = ("_diameters", "between", "_halve")
        halves = zip(self._measure(corners, bends), self._measure(twins, bends), strict=True)
        for name, (here, there) in zip(names, halves, strict=True):
            self._replace(name, cells, here, there)

    def _replace(self, name: str, cells: IntArray, here: NDArray[Any], there: NDArray[Any]) -> None:
        kept = getattr(self, name)
        kept[cells] = here
        setattr(self, name, np.concatenate([kept, there]))

    def _lengths(self, corners: FloatArray) -> FloatArray:
        """Squared Euclidean length of every edge, (k, n_pairs)."""
        first, second = self._pairs
        edges = corners[:, first] - corners[:, second]
        lengths: FloatArray = np.einsum("kes,kes->ke", edges, edges)
        return lengths

    def _measure(
        self, corners: FloatArray, bends: FloatArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """L1 diameters, bounds between the corners, and the edge to halve next."""
        n_states = corners.shape[-1]
        diameters: FloatArray = np.zeros(len(corners))
        for i, j in zip(*self._pairs, strict=True):
            np.maximum(diameters, np.abs(corners[:, i] - corners[:, j]).sum(axis=1), out=diameters)
        if n_states == 1:
            return diameters, np.zeros(1), np.zeros(1, dtype=np.intp)
        halve = self._lengths(corners).argmax(axis=1)
        if not self.has_bound:
            return diameters, np.where(diameters > _SMALLEST_CELL, bends, 0.0), halve
        share = 1 - 1 / n_states
        between = np.full(len(corners), math.inf)
        if self._lipschitz is not None:
            between = self._lipschitz * share * diameters
        if callable(self._curvature):
            bent = self._curvature(corners)
            if bent.shape != (len(corners), len(self._pairs[0])):
                raise PersuasionError(
                    f"`curvature` must return one number per pair of corners, shape "
                    f"{(len(corners), len(self._pairs[0]))}; got {bent.shape}"
                )
            most = bent.max(axis=1)
            halve = np.where(most > 0, bent.argmax(axis=1), halve)
            between = np.minimum(between, most * share**2 / 2)
        elif self._curvature is not None:
            between = np.minimum(between, self._curvature / 2 * (share * diameters) ** 2)
        return diameters, between, halve
