"""Any game in rational arithmetic: a floating basis, checked and where needed repaired exactly.

A floating method stops at a basis that is nearly always an optimal one. The rational simplex
solves that basis's small system exactly and pivots on only where it is singular, infeasible or not
optimal; without any such start it does all the work itself.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import numpy as np

from persuasion import solvers
from persuasion.problem import Candidate, Problem, Vertex, price_arrays
from persuasion.rational_simplex import RationalSimplex

__all__ = ["SOLVER", "Exact"]

_STARTS = ("knapsack", "hull", "structured", "lp")
_SMALL = 80
"""Up to this many (state, action) pairs the simplex is done before an `lp` start would be found."""


class Exact:
    """Exact for every game, in fractions; a float in the game means its binary value.

    Notes
    -----
    Source: checking a floating basis exactly and pivoting on from it follows Applegate, Cook,
    Dash & Espinoza, *Exact solutions to linear programming problems*, Oper. Res. Lett. 35, 2007.
    Departures: integer pivots on the tight rows only, see `persuasion.rational_simplex`.
    """

    name = "exact"

    def supports(self, problem: Problem) -> str | None:
        """Every Receiver who plays like a best responder."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        return None

    def solve(self, problem: Problem) -> Candidate:
        """Solve exactly; after `time_limit` propose the feasible scheme at hand."""
        started = perf_counter()
        start = floating_start(problem)
        left = None
        if problem.time_limit is not None:
            left = max(problem.time_limit - (perf_counter() - started), 0.0)
        found = RationalSimplex(problem, start).maximise(left)
        masses = np.zeros(problem.gains.shape)
        for cell, x in found.masses.items():
            masses[cell] = float(x)
        rows, prices = price_arrays(found.prices)
        return Candidate(
            masses=masses,
            price_rows=rows,
            prices=prices,
            vertex=found.vertex,
            exact_masses=found.masses,
            exact_prices=found.prices,
            finished=found.optimal,
        )


def floating_start(problem: Problem) -> Vertex | None:
    """Return the basis of the first floating method that finds one, None to begin from nothing.

    Whatever goes wrong there, infeasibility included, is for exact arithmetic to decide.
    """
    if problem.time_limit is not None:
        problem = replace(problem, time_limit=problem.time_limit / 2)
    for name in _STARTS:
        if name == "lp" and problem.n_states * problem.n_actions <= _SMALL:
            continue
        with suppress(Exception):
            method = solvers.load(name)
            if method.supports(problem) is None:
                candidate = method.solve(problem)
                if isinstance(candidate, Candidate) and candidate.vertex is not None:
                    return candidate.vertex
    return None


SOLVER = Exact()
