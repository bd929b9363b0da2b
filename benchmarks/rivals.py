"""The contenders of the static suite, each written as its user would write it.

All get the program's arrays ready made. Building a model is part of what is timed, since it has to
be done for each game. Rivals keep their own default tolerances, looser than those of `solve`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from persuasion import Bayesian, PersuasionGame, Solution, solve
from persuasion.problem import Candidate, Problem
from persuasion.rationals import FloatArray
from persuasion.solvers import load

__all__ = [
    "CvxpyPlain",
    "CvxpyVectorised",
    "Kernel",
    "Linprog",
    "Solve",
    "plain_program",
    "too_large",
]

_MOST_COEFFICIENTS = 20_000_000
"""Nonzero coefficients of the obedience rows up to which a full program is built."""
_MOST_CONSTRAINTS = 20_000
"""Constraint objects up to which the plain cvxpy model is built."""


def _arrays(game: PersuasionGame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return prior and utilities; a Receiver's own prior is turned into utilities of hers."""
    problem = Problem.of(game, Bayesian())
    return problem.weights, problem.gains, problem.payoffs


class Solve:
    """`persuasion.solve`: method chosen automatically, certificate included."""

    name = "solve"

    def prepare(self, game: PersuasionGame) -> Callable[[], Solution]:
        return partial(solve, game)

    def value(self, game: PersuasionGame, result: Solution) -> float:
        return float(result.value)


@dataclass(frozen=True)
class Kernel:
    """The method that `solve` chooses, alone: neither ``Problem.of`` nor the certificate."""

    method: str
    name: str = "kernel"

    def prepare(self, game: PersuasionGame) -> Callable[[], Any]:
        return partial(load(self.method).solve, Problem.of(game, Bayesian()))

    def value(self, game: PersuasionGame, result: Candidate) -> float:
        return float((result.masses * _arrays(game)[1]).sum())


@dataclass(frozen=True)
class Linprog:
    """`scipy.optimize.linprog` on the full program, sparse matrices built without loops."""

    method: Literal["highs", "highs-ipm"]
    time_limit: float

    @property
    def name(self) -> str:
        return f"linprog {self.method}"

    def prepare(self, game: PersuasionGame) -> Callable[[], Any]:
        from scipy import sparse
        from scipy.optimize import linprog

        prior, v, u = _arrays(game)
        m, n = v.shape

        def call() -> Any:
            a, b = np.nonzero(~np.eye(n, dtype=bool))
            obedience = sparse.csr_matrix(
                (
                    (u[:, b] - u[:, a]).T.ravel(),
                    (np.arange(m) * n + a[:, None]).ravel(),
                    np.arange(len(a) + 1) * m,
                ),
                shape=(len(a), m * n),
            )
            return linprog(
                -v.ravel(),
                A_ub=obedience,
                b_ub=np.zeros(len(a)),
                A_eq=sparse.kron(sparse.eye(m), np.ones((1, n)), format="csr"),
                b_eq=prior,
                method=self.method,
                options={"time_limit": self.time_limit},
            )

        return call

    def value(self, game: PersuasionGame, result: Any) -> float | None:
        return -float(result.fun) if result.status == 0 else None


def plain_program(prior: FloatArray, v: FloatArray, u: FloatArray) -> Any:
    """Write the program in cvxpy as one does first: a constraint for each pair of actions."""
    cvxpy: Any = importlib.import_module("cvxpy")
    m, n = v.shape
    masses = cvxpy.Variable((m, n), nonneg=True)
    constraints = [cvxpy.sum(masses, axis=1) == prior]
    constraints += [
        (u[:, a] - u[:, b]) @ masses[:, a] >= 0 for a in range(n) for b in range(n) if a != b
    ]
    return cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(cvxpy.multiply(v, masses))), constraints)


class CvxpyPlain:
    """`plain_program` with cvxpy's default backend."""

    name = "cvxpy plain"

    def prepare(self, game: PersuasionGame) -> Callable[[], Any]:
        prior, v, u = _arrays(game)
        return lambda: plain_program(prior, v, u).solve()

    def value(self, game: PersuasionGame, result: Any) -> float:
        return float(result)


class CvxpyVectorised:
    """`persuasion.cvxpy_model.cvxpy_problem`: one matrix inequality; default backend."""

    name = "cvxpy vectorised"

    def prepare(self, game: PersuasionGame) -> Callable[[], Any]:
        from persuasion.cvxpy_model import cvxpy_problem

        return lambda: cvxpy_problem(game).problem.solve()

    def value(self, game: PersuasionGame, result: Any) -> float:
        return float(result)


def too_large(name: str, n_states: int, n_actions: int) -> str | None:
    """Return why a rival is not run at a size, None where it is."""
    rows = n_actions * (n_actions - 1)
    if name == CvxpyPlain.name and rows > _MOST_CONSTRAINTS:
        return f"{rows:,} constraint objects"
    if name not in (Solve.name, Kernel.name) and rows * n_states > _MOST_COEFFICIENTS:
        gigabytes = rows * n_states * 12 / 1e9  # a float64 and an int32 index each
        return f"{rows:,} rows, {gigabytes:.1f} GB for one copy of the matrix"
    return None
