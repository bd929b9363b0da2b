"""The persuasion program as a cvxpy problem, to add constraints of one's own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from persuasion.calling import called_like, require_game
from persuasion.errors import NotSolvedError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.obedience import obedience_matrix
from persuasion.problem import IntArray, Problem
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Bayesian, Receiver
from persuasion.scheme import SignalingScheme

__all__ = ["CvxpyModel", "cvxpy_model", "cvxpy_problem", "obedience_matrix"]


@dataclass(frozen=True, eq=False, repr=False)
class CvxpyModel:
    """A persuasion program in cvxpy, with names for its parts.

    Attributes
    ----------
    game : PersuasionGame
    problem : cvxpy.Problem
        Maximise the Sender's expected utils; call its ``solve()``.
    kernel : cvxpy.Variable, shape (n_support, n_actions)
        Probability ``kernel[state, action]`` of the recommendation in the state; row i belongs to
        state ``states[i]``. The variable, because its size does not depend on the prior.
    masses : cvxpy.Expression, shape (n_support, n_actions)
        Joint masses under the Receiver's prior, `receiver_prior` times kernel.
    plausibility : cvxpy.Constraint
        The kernel of a state sums to one.
    obedience : cvxpy.Constraint or None
        One vector inequality, row i for the pair ``pairs[i]``; None when nothing can be disobeyed.
    pairs : ndarray of int, shape (n_rows, 2)
        (recommended action, deviation). Pairs between which the Receiver never cares are absent.
    row_sizes : ndarray (n_rows,)
        What each obedience row was divided by, so that the tolerances of the backend, which are
        absolute, mean the same whatever the Receiver's utils.
    states : ndarray of int, shape (n_support,)
        States of positive probability.
    """

    game: PersuasionGame
    problem: Any
    kernel: Any
    masses: Any
    plausibility: Any
    obedience: Any
    pairs: IntArray
    row_sizes: FloatArray
    states: IntArray

    @property
    def action_probabilities(self) -> Any:
        """Probability of each recommendation under the Sender's prior, an expression (n_actions,).

        For constraints such as ``model.action_probabilities[1] <= 0.5``.
        """
        return self.game.prior[self.states] @ self.kernel

    def with_constraints(self, *constraints: Any) -> CvxpyModel:
        """Return the model with more constraints; variable and duals are shared."""
        cvxpy = importlib.import_module("cvxpy")
        more = [*self.problem.constraints, *constraints]
        return replace(self, problem=cvxpy.Problem(self.problem.objective, more))

    @property
    def scheme(self) -> SignalingScheme:
        """The scheme found by ``problem.solve()``, one signal per recommended action.

        Small violations of Bayes plausibility that the backend left are put right. In states of
        probability zero signals are sent with their overall probabilities.
        """
        values = self.kernel.value
        if values is None:
            raise NotSolvedError(
                f"the problem has no solution yet (status {self.problem.status}); "
                "call model.problem.solve() first"
            )
        inside = np.where(values > 1e-9, values, 0.0)
        used = np.flatnonzero(inside.any(axis=0))
        inside = inside[:, used] / inside.sum(axis=1, keepdims=True)
        overall = self.game.receiver_prior[self.states] @ inside
        kernel = np.tile(overall / overall.sum(), (self.game.n_states, 1))
        kernel[self.states] = inside
        return SignalingScheme(kernel, signals=[self.game.actions[a] for a in used])

    @property
    def obedience_prices(self) -> FloatArray:
        """Price y[a, b] >= 0 of the constraint that a beats b, (n_actions, n_actions).

        In the objective's utils per util of the Receiver.
        """
        n = self.game.n_actions
        prices = np.zeros((n, n))
        if self.obedience is not None:
            dual = _solved(self.obedience.dual_value, self.problem)
            prices[self.pairs[:, 0], self.pairs[:, 1]] = np.maximum(dual, 0.0) / self.row_sizes
        return frozen(prices)

    def __repr__(self) -> str:
        return f"CvxpyModel({self.game!r}, {len(self.problem.constraints)} constraints)"


@called_like("cvxpy_problem(game)")
def cvxpy_problem(
    game: PersuasionGame,
    *,
    receiver: Receiver | None = None,
    margin: float | Fraction = 0,
) -> CvxpyModel:
    """Write the persuasion program of a game in cvxpy.

    Parameters
    ----------
    game : PersuasionGame
    receiver : Receiver, optional
        Default `Bayesian()`; any that acts like a best responder.
    margin : float or Fraction, >= 0
        Obedience with slack, in Receiver's utils per unit of probability.

    Returns
    -------
    CvxpyModel
        Not yet solved.

    Raises
    ------
    UnsupportedError
        When the Receiver is no best responder: the program would not be linear.

    Notes
    -----
    Maximise ``sum x v`` over the kernel pi, with masses x[w, a] = prior(w) pi(a | w), subject to
    ``sum_a pi(a | w) = 1`` and ``sum_w x[w, a] (u(w, a) - u(w, b)) >= 0``, each row scaled.
    Source: Bergemann & Morris, *Bayes correlated equilibrium*, TE 11, 2016, with one player.
    Departures: none.

    Examples
    --------
    Convict at most half of the defendants:

    >>> from persuasion import PersuasionGame
    >>> from persuasion.cvxpy_model import cvxpy_problem
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> model = cvxpy_problem(game)
    >>> round(float(model.problem.solve()), 4)
    0.6
    >>> capped = model.with_constraints(model.action_probabilities[1] <= 0.5)
    >>> round(float(capped.problem.solve()), 4)
    0.5
    """
    require_game(game)
    who = Bayesian() if receiver is None else receiver
    problem = Problem.of(game, who, margin=margin)
    if not problem.is_linear:
        raise UnsupportedError(
            f"{type(who).__name__} is no best responder, so obedience is not linear; "
            "use solve(game, receiver=...), which takes the concave closure"
        )
    return cvxpy_model(problem)


def cvxpy_model(problem: Problem, objective: FloatArray | None = None) -> CvxpyModel:
    """Write a `Problem` in cvxpy; `objective` (n_support, n_actions) replaces its gains."""
    cvxpy = importlib.import_module("cvxpy")
    kernel = cvxpy.Variable(problem.gains.shape, nonneg=True, name="kernel")
    masses = cvxpy.multiply(problem.weights[:, None], kernel)
    plausibility = cvxpy.sum(kernel, axis=1) == 1
    matrix, pairs, row_sizes = obedience_matrix(problem)
    obedience = None
    constraints = [plausibility]
    if len(pairs):
        obedience = matrix @ cvxpy.vec(kernel, order="C") >= 0
        constraints.append(obedience)
    if problem.actions is not None:
        forbidden = np.setdiff1d(np.arange(problem.n_actions), problem.actions)
        if forbidden.size:
            constraints.append(kernel[:, forbidden] == 0)
    gains = problem.gains if objective is None else objective
    return CvxpyModel(
        game=problem.game,
        problem=cvxpy.Problem(
            cvxpy.Maximize(cvxpy.sum(cvxpy.multiply(gains, masses))), constraints
        ),
        kernel=kernel,
        masses=masses,
        plausibility=plausibility,
        obedience=obedience,
        pairs=pairs,
        row_sizes=row_sizes,
        states=np.arange(problem.n_states) if problem.support is None else problem.support,
    )


def _solved(dual: Any, problem: Any) -> FloatArray:
    if dual is None:
        raise NotSolvedError(
            f"the problem has no duals (status {problem.status}); call model.problem.solve() "
            "with a backend that returns them, and without integer variables"
        )
    values: FloatArray = np.asarray(dual, dtype=np.float64)
    return values
