"""A primal simplex in exact arithmetic for the obedience program.

It starts from any basis, good or bad. Where the point is infeasible the objective is the sum of
what is missing, else the Sender's value; one loop serves both phases. Dantzig's rule chooses the
pivot, in units of what a variable could bring; after a run of pivots that do not move the point
Bland's rule takes over until one does, hence the loop ends.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from persuasion.errors import InfeasibleError, NotSolvedError, PersuasionError
from persuasion.exact_certificate import ExactCertificate, certificate_of, check_certificate
from persuasion.integer_basis import Basis, IntegerProgram, Table, coprime, fastest_integer
from persuasion.problem import Problem, Vertex

__all__ = [
    "ExactCertificate",
    "ExactSolution",
    "RationalSimplex",
    "certificate_of",
    "check_certificate",
]

Cells = dict[tuple[int, int], Fraction]


@dataclass(frozen=True, slots=True)
class ExactSolution:
    """Where the simplex stands.

    Attributes
    ----------
    value : Fraction
        Sender's value, in utils.
    masses : dict
        ``{(state, action): Fraction}``, the positive joint masses.
    prices : dict
        ``{(action, deviation): Fraction}``, the positive obedience prices.
    vertex : Vertex
        The basis.
    pivots : int
        Pivots made so far, those that built the starting basis not counted.
    optimal : bool
        Whether the basis passed the test of optimality; False after the time limit.
    """

    value: Fraction
    masses: Cells
    prices: Cells
    vertex: Vertex
    pivots: int
    optimal: bool


class RationalSimplex:
    """The exact simplex: pivot to an optimal basis, then look around there.

    Parameters
    ----------
    problem : Problem
        Its `exact` numbers, `actions` and `margin` are used.
    start : Vertex, optional
        Basis to begin with, as good as it is: what is illegal, missing or linearly dependent in
        it is left out or replaced, and it need not be feasible. By default full disclosure,
        every state with the recommendation that is best for the Sender among those optimal there.
    integer : callable, optional
        Integer type of all arithmetic; by default `flint.fmpz` where installed, else `int`.

    Notes
    -----
    Symbols: masses = x, prices = y.
    Source: Dantzig & Van Slyke, *Generalized Upper Bounding Techniques*, J. Comput. Syst. Sci. 1,
    1967 (one key cell per state); Edmonds, *Systems of Distinct Representatives and Linear
    Algebra*, J. Res. NBS 71B, 1967 (integer pivots); Bland, *New Finite Pivoting Rules for the
    Simplex Method*, Math. Oper. Res. 2, 1977.
    Departures: only tight rows are solved for; phase 1 steps over breakpoints of the shortage.

    Examples
    --------
    >>> from persuasion.game import PersuasionGame
    >>> from persuasion.receivers import Bayesian
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> simplex = RationalSimplex(Problem.of(game, Bayesian()))
    >>> simplex.maximise().value
    Fraction(3, 5)
    >>> simplex.second_optimum() is None
    True
    """

    def __init__(
        self, problem: Problem, start: Vertex | None = None, *, integer: Any = None
    ) -> None:
        self._problem = problem
        self._program = IntegerProgram(
            problem.exact, problem.recommendable(), integer or fastest_integer()
        )
        self._basis = Basis(self._program, start)
        self._patience = self._program.n_states + self._program.n_actions
        self.pivots = 0
        # upper bound of every slack: what the whole prior could build up
        self._reach = {
            v: sum(
                p * row[a][b]
                for p, row in zip(self._program.weights, self._program.rows, strict=True)
                if row[a][b] > 0
            )
            for v in self._basis.slacks()
            for a, b in [self._basis.row(v)]
        }

    # -- answers ---------------------------------------------------------------------------

    def maximise(self, time_limit: float | None = None) -> ExactSolution:
        """Pivot until the basis is optimal.

        Parameters
        ----------
        time_limit : float, optional
            Seconds; after them a feasible basis is returned with ``optimal=False``.

        Raises
        ------
        InfeasibleError
            When no scheme meets the margin or the restriction of the recommendations.
        NotSolvedError
            When the time limit passed before a feasible basis was found.
        """
        deadline = float("inf") if time_limit is None else time.perf_counter() + time_limit
        finished = self._pivot(self._basis, self._program.gains, deadline=deadline)
        if not finished and min(self._basis.point().values()) < 0:
            self._basis = Basis(self._program)
            if min(self._basis.point().values()) < 0:
                raise NotSolvedError(
                    f"the time limit of {time_limit} s passed before the exact method found a "
                    "scheme that is obeyed; allow more time"
                )
        return self._read(self._basis, optimal=finished)

    def optimal_face_maximum(self, gains: Sequence[Sequence[Fraction | int]]) -> ExactSolution:
        """Return an optimal solution that is best for another linear objective.

        Call `maximise` first; the basis found there stays as it is.

        Parameters
        ----------
        gains : nested sequence (n_support, n_actions) of Fraction or int
            Objective ``sum x * gains`` to maximise among the optimal masses x.

        Raises
        ------
        PersuasionError
            When the basis is not optimal or `gains` has another shape.
        """
        program, n = self._program, self._program.n_actions
        if len(gains) != program.n_states or any(len(row) != n for row in gains):
            raise PersuasionError(
                f"`gains` must have shape {(program.n_states, n)}, one row per possible state; "
                f"got {len(gains)} rows of lengths {sorted({len(row) for row in gains})}"
            )
        free = self._free()
        flat, _ = coprime(
            Fraction(g) * s for row, s in zip(gains, program.mass_unit, strict=True) for g in row
        )
        goal = [
            [program.integer(g) for g in flat[w * n : w * n + n]] for w in range(program.n_states)
        ]
        face = self._basis.copy()
        self._pivot(face, goal, allowed=free)
        return self._read(face, optimal=True)

    def second_optimum(self) -> Cells | None:
        """Return other optimal masses, or None when the optimal masses are unique.

        Call `maximise` first. The nonbasic variables that may be positive at an optimum are all
        zero here, and masses that leave this vertex make one of them positive: the optimum is
        unique exactly when their sum cannot be.

        Raises
        ------
        PersuasionError
            When the basis is not optimal.
        """
        free = self._free()
        basis = self._basis
        away = free.difference(basis.basic_cells(), self._reach.keys() - set(basis.tight))
        if not away:
            return None
        face = basis.copy()
        self._pivot(face, self._total(sorted(away)), allowed=free, until_moved=True)
        here, there = (self._read(b, optimal=True).masses for b in (basis, face))
        return None if here == there else there

    def _read(self, basis: Basis, *, optimal: bool) -> ExactSolution:
        """Put a basis into fractions."""
        program, scale = self._program, int(basis.scale)
        masses: Cells = {}
        value = Fraction(0)
        for v, x in sorted(basis.point().items()):
            if v < basis.n_cells and x > 0:
                w, a = divmod(v, basis.n)
                masses[w, a] = Fraction(int(x), scale) * program.mass_unit[w]
                value += masses[w, a] * self._problem.exact.gains[w][a]
        prices, _ = basis.prices(program.gains)
        return ExactSolution(
            value=value,
            masses=masses,
            prices={
                basis.row(v): Fraction(int(y), scale) * program.price_unit
                for v, y in sorted(zip(basis.tight, prices, strict=True))
                if y > 0
            },
            vertex=basis.vertex(),
            pivots=self.pivots,
            optimal=optimal,
        )

    def _free(self) -> set[int]:
        """Variables that are not held at zero by a positive price at the optimum."""
        basis, actions = self._basis, self._program.actions
        prices, reduced = basis.prices(self._program.gains)
        if (
            min(basis.point().values()) < 0
            or min(prices, default=0) < 0
            or max(row[a] for row in reduced for a in actions) > 0
        ):
            raise PersuasionError("the basis is not optimal; call `maximise` without a limit first")
        charged = {v for v, y in zip(basis.tight, prices, strict=True) if y > 0}
        cells = {w * basis.n + a for w, row in enumerate(reduced) for a in actions if row[a] == 0}
        return cells | (self._reach.keys() - charged)

    # -- pivots ----------------------------------------------------------------------------

    def _pivot(
        self,
        basis: Basis,
        gains: Table,
        *,
        allowed: set[int] | None = None,
        deadline: float = float("inf"),
        until_moved: bool = False,
    ) -> bool:
        """Maximise `gains` from `basis`; return False where the deadline came first.

        With `allowed` only these variables enter. With `until_moved` stop at the first step that
        changes the masses.
        """
        idle = 0
        while True:
            point = basis.point()
            short = [v for v, x in point.items() if x < 0]
            goal = self._total(short) if short else gains
            bland = idle > self._patience
            entering = self._entering(basis, goal, allowed, bland=bland)
            if entering is None:
                if short:
                    raise InfeasibleError(self._why_infeasible())
                return True
            if time.perf_counter() > deadline:
                return False
            column = basis.response(entering)
            changes = basis.changes(entering, column)
            leaving = self._leaving(point, changes, bland=bland)
            basis.exchange(entering, leaving, column)
            self.pivots += 1
            idle = 0 if point.get(leaving, 0) else idle + 1
            if until_moved and not idle:
                return True

    def _entering(
        self, basis: Basis, gains: Table, allowed: set[int] | None, *, bland: bool
    ) -> int | None:
        """Return the variable that could bring most, or with Bland's rule the first that brings."""
        prices, reduced = basis.prices(gains)
        best, most = None, None
        for w, row in enumerate(reduced):
            for a in self._program.actions:
                if row[a] > 0:
                    v = w * basis.n + a
                    if allowed is None or v in allowed:
                        if bland:
                            return v
                        brings = row[a] * self._program.weights[w]
                        if most is None or brings > most:
                            best, most = v, brings
        for v, y in sorted(zip(basis.tight, prices, strict=True)):
            if y < 0 and (allowed is None or v in allowed):
                if bland:
                    return v
                brings = -y * self._reach[v]
                if most is None or brings > most:
                    best, most = v, brings
        return best

    def _leaving(self, point: dict[int, Any], changes: dict[int, Any], *, bland: bool) -> int:
        """Return the basic variable that blocks first.

        A feasible one blocks at zero. An infeasible one may pass through zero as long as the
        total shortage keeps shrinking.
        """
        limit, x_limit, d_limit = -1, None, None
        rising, speed = [], 0
        for v, d in changes.items():
            x = point.get(v, 0)
            if x < 0:
                speed += self._weight(v) * d
                if d > 0:
                    rising.append(v)
            elif d < 0:
                order = -1 if limit < 0 else _compare(x, -d, x_limit, d_limit)
                if order < 0 or (order == 0 and (v < limit if bland else -d > d_limit)):
                    limit, x_limit, d_limit = v, x, -d
        while rising:
            first = rising[0]
            for v in rising[1:]:
                if _compare(-point[v], changes[v], -point[first], changes[first]) < 0:
                    first = v
            if limit >= 0 and _compare(x_limit, d_limit, -point[first], changes[first]) <= 0:
                break
            speed -= self._weight(first) * changes[first]
            if speed <= 0:
                return first
            rising.remove(first)
        return limit  # the masses are bounded, so something blocks

    def _weight(self, v: int) -> Any:
        """Weight of a variable in a total: cells count with the largest advantage of the state."""
        n_cells, n = self._basis.n_cells, self._basis.n
        return self._program.heights[v // n] if v < n_cells else 1

    def _total(self, variables: list[int]) -> Table:
        """Gains that add up to the weighted total of the variables."""
        basis = self._basis
        gains: Table = [[0] * basis.n for _ in self._program.weights]
        for v in variables:
            if v < basis.n_cells:
                gains[v // basis.n][v % basis.n] += self._weight(v)
            else:
                a, b = basis.row(v)
                for mine, row in zip(gains, self._program.rows, strict=True):
                    mine[a] += row[a][b]
        return gains

    def _why_infeasible(self) -> str:
        problem = self._problem
        asked = []
        if problem.margin != 0:
            asked.append(f"obedience with margin {problem.margin}")
        if problem.actions is not None:
            names = ", ".join(problem.game.actions[a] for a in problem.actions)
            asked.append(f"recommending only {names}")
        return (
            f"no scheme meets the options, in exact arithmetic: {' and '.join(asked)}. "
            "Ask for a smaller margin, or allow more actions"
        )


def _compare(x: Any, d: Any, y: Any, e: Any) -> int:
    """Sign of ``x / d - y / e`` for x, y >= 0 and d, e > 0."""
    if not x or not y:
        return int(x > 0) - int(y > 0)
    left, right = x * e, y * d
    return int(left > right) - int(left < right)
