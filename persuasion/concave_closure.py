"""The concave closure of any indirect utility at a prior, for two to four states.

The best split of a prior is worth the least hyperplane ``prices . prior`` among those above v-hat
(Kamenica & Gentzkow's concavification and its dual). A linear program over the beliefs seen so far
gives a split and a hyperplane above v-hat *there*; beliefs found above it join the program; a
partition of the simplex, refined where the hyperplane may still be passed, bounds v-hat between
the beliefs seen. The bound needs a constant of v-hat: Lipschitz, or of curvature, or both.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from persuasion.beliefs import sender_beliefs
from persuasion.calling import called_like
from persuasion.closure_search import Function, Search, best_split, rounding
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Receiver
from persuasion.simplex_mesh import Curvature, SimplexMesh

__all__ = [
    "MAX_STATES",
    "ConcaveClosure",
    "closure_on_points",
    "concave_closure",
    "utility_against",
]

MAX_STATES = 4
_N_POINTS = {1: 1, 2: 64, 3: 16, 4: 8}


@dataclass(frozen=True, repr=False)
class ConcaveClosure:
    """The value of the concave closure at a prior, from below and from above.

    Attributes
    ----------
    value : float
        Attained by the split: ``weights @ v_hat(posteriors)``.
    upper_bound : float
        No split is worth more. Infinite where no constant of v-hat was given.
    weights : ndarray (n_signals,)
    posteriors : ndarray (n_signals, n_states)
        ``weights @ posteriors`` is the prior.
    prices : ndarray (n_states,)
        A hyperplane above v-hat: on the whole simplex, with ``prices @ prior == upper_bound``,
        where that is finite; else only at the beliefs that were evaluated, with
        ``prices @ prior == value``. NaN at states of prior probability zero.
    n_evaluations : int
        Beliefs at which v-hat was evaluated.
    finished : bool
        Whether the error asked for was reached (as far as it is known or estimated).
    """

    value: float
    upper_bound: float
    weights: FloatArray
    posteriors: FloatArray
    prices: FloatArray
    n_evaluations: int
    finished: bool

    @property
    def error_bound(self) -> float:
        """How much `value` can fall short, ``upper_bound - value``; infinite when unknown."""
        return self.upper_bound - self.value

    def summary(self) -> str:
        """Say what is known, in a few lines."""
        error = (
            f"at most {self.error_bound:.3g} short"
            if math.isfinite(self.upper_bound)
            else "error unknown: no Lipschitz or curvature constant was given"
        )
        lines = [
            f"concave closure {self.value:.9g} ({error})",
            f"{self.n_evaluations} beliefs evaluated"
            + ("" if self.finished else ", stopped before the error asked for was reached"),
        ]
        lines += [
            f"  {w:.4f} x ({', '.join(f'{x:.4f}' for x in q)})"
            for w, q in zip(self.weights, self.posteriors, strict=True)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"ConcaveClosure(value={self.value:.9g}, upper_bound={self.upper_bound:.9g}, "
            f"n_signals={len(self.weights)})"
        )


def utility_against(game: PersuasionGame, receiver: Receiver) -> Function:
    """Return v-hat against any Receiver: her beliefs (k, n_states) to Sender's expected utils (k,).

    Parameters
    ----------
    game : PersuasionGame
    receiver : Receiver

    Examples
    --------
    >>> from persuasion import PersuasionGame, Quantal
    >>> from persuasion.concave_closure import utility_against
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> utility_against(game, Quantal(10.0))([[0.5, 0.5], [0, 1]]).round(4).tolist()
    [0.5, 1.0]
    """

    def utility(beliefs: Any) -> FloatArray:
        response = receiver.respond(game, np.asarray(beliefs, dtype=np.float64))
        sender = sender_beliefs(game, beliefs) @ game.sender_utility
        expected: FloatArray = (response * sender).sum(axis=-1)
        return expected

    return utility


def closure_on_points(points: Any, values: Any, prior: Any) -> ConcaveClosure:
    """Return the best split of a prior into beliefs from a finite list.

    Parameters
    ----------
    points : array-like, shape (k, n_states)
        Beliefs; the prior must be an average of some of them.
    values : array-like, shape (k,)
        What the Sender gets at each.
    prior : array-like, shape (n_states,)

    Returns
    -------
    ConcaveClosure
        Of the function that is minus infinity off the list: exact up to rounding.

    Raises
    ------
    PersuasionError
        When the prior is no average of the points.

    Examples
    --------
    >>> from persuasion.concave_closure import closure_on_points
    >>> closure = closure_on_points([[1, 0], [0.5, 0.5], [0, 1]], [0, 1, 1], [0.7, 0.3])
    >>> round(closure.value, 12), closure.weights.round(3).tolist()
    (0.6, [0.4, 0.6])
    """
    beliefs, start = np.asarray(points, dtype=np.float64), _check_prior(prior)
    at = np.asarray(values, dtype=np.float64)
    if beliefs.ndim != 2 or beliefs.shape != (at.size, start.size):
        raise PersuasionError(
            f"`points` has shape {beliefs.shape} and `values` {at.shape}; expected "
            f"(k, {start.size}) and (k,)"
        )
    weights, prices, used = best_split(beliefs, at, start)
    value = float(weights @ at[used])
    rise = max(float((at - beliefs @ prices).max()), 0.0) + rounding(at)
    return ConcaveClosure(
        value=value,
        upper_bound=max(float(prices @ start) + rise, value),
        weights=frozen(weights),
        posteriors=frozen(beliefs[used].copy()),
        prices=frozen(prices + rise),
        n_evaluations=len(at),
        finished=True,
    )


@called_like("concave_closure(indirect_utility, prior)")
def concave_closure(
    indirect_utility: Function,
    prior: Any,
    *,
    lipschitz: float | None = None,
    curvature: Curvature | None = None,
    breakpoints: Any = None,
    tolerance: float = 1e-6,
    n_points: int | None = None,
    refine: int = 200,
    max_cells: int = 500_000,
    time_limit: float | None = None,
) -> ConcaveClosure:
    """Return the value at a prior of the least concave function above `indirect_utility`.

    Parameters
    ----------
    indirect_utility : callable
        v-hat, vectorised: beliefs (k, n_states) to Sender's expected utils (k,). Finite and upper
        semicontinuous.
    prior : array-like, shape (n_states,)
        At most four entries may be positive: the work grows exponentially with the states.
    lipschitz : float, optional
        L with ``|v_hat(p) - v_hat(q)| <= L * sum|p - q|`` for all beliefs.
    curvature : float or callable, optional
        K with ``d^2/dt^2 v_hat(q + t d) >= -K * (sum|d|)^2`` wherever q + t d is a belief: v-hat
        is nowhere bent downwards more. A bound for smooth functions that costs far fewer
        evaluations than `lipschitz`; 0 for convex ones. With both, the better is used cell by
        cell. With neither, the error stays unknown (`upper_bound` infinite).
        A callable bounds the bend cell by cell: it maps cells (k, n_corners, n_states) to
        (k, n_pairs), one number for every pair of corners in the order of
        ``numpy.triu_indices(n_corners, 1)``. The largest of a cell must bound
        ``-d^2/dt^2 v_hat(q + t d)`` for all its beliefs q and differences d of two of its beliefs;
        the pair with the largest number is halved first. See `Quantal.curvature`.
    breakpoints : array-like, shape (k, n_states), optional
        Beliefs to include whatever the refinement does. Needed where v-hat jumps or has a kink:
        there the optimum may sit exactly on a belief that no grid contains.
    tolerance : float
        Error to aim at, in units of the range of v-hat; below 1e-9 it counts as 1e-9.
    n_points : int, optional
        Beliefs per edge of the first grid; default 64, 16, 8 for 2, 3, 4 states. Without
        constants, features of v-hat narrower than the grid can be missed.
    refine : int
        Largest number of rounds of refinement.
    max_cells : int
        Largest number of cells; memory grows by about 200 bytes with each.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    ConcaveClosure
        The bound is as good as the constants: an understated one gives a bound that is wrong.

    Raises
    ------
    UnsupportedError
        With more than four possible states.
    PersuasionError
        When `indirect_utility` returns other shapes or values that are not finite.

    Notes
    -----
    On a cell ``v_hat - prices . q`` is at most its largest value at a corner plus what v-hat can
    rise above its corners' average in between (`persuasion.simplex_mesh.SimplexMesh`).
    Symbols: indirect_utility = v-hat, prices = theta.
    Source: Kamenica & Gentzkow, AER 101(6), 2011 (concavification); Kelley 1960 (cutting planes);
    Piyavskii 1972 (Lipschitz bounds).
    Departures: cells are simplices, bounded by their corners.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.concave_closure import concave_closure
    >>> def hill(beliefs):
    ...     return np.sin(2 * np.pi * beliefs[:, 1])
    >>> closure = concave_closure(hill, [0.5, 0.5], curvature=np.pi**2)
    >>> closure.value <= closure.upper_bound <= closure.value + 2e-6
    True
    >>> closure.posteriors.round(2).tolist()
    [[0.72, 0.28], [0.0, 1.0]]
    """
    if not callable(indirect_utility):
        given = type(indirect_utility).__name__
        raise PersuasionError(
            f"`indirect_utility` must be a function of beliefs (k, n_states); got {given}. That of "
            "a game is utility_against(game, receiver)"
        )
    full = _check_prior(prior)
    support = np.flatnonzero(full > 0)
    start = full[support]
    if len(support) > MAX_STATES:
        raise UnsupportedError(
            f"the concave closure is computed for at most {MAX_STATES} possible states, the prior "
            f"has {len(support)}; merge states, or use solve(game) against best responders"
        )
    for name, constant in (("lipschitz", lipschitz), ("curvature", curvature)):
        if constant is None or callable(constant):
            continue
        if not (constant >= 0 and math.isfinite(constant)):
            raise PersuasionError(f"`{name}` must be a finite number >= 0; got {constant}")
    function = _Checked(indirect_utility, support, len(full))
    mesh = SimplexMesh(
        function,
        len(support),
        _N_POINTS[len(support)] if n_points is None else max(int(n_points), 1),
        lipschitz=lipschitz,
        curvature=function.over_full(curvature) if callable(curvature) else curvature,
    )
    search = Search(function, mesh, start, _breakpoints(breakpoints, support, full), tolerance)
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    finished = search.run(refine, max_cells, deadline)
    posteriors = np.zeros((len(search.used), len(full)))
    posteriors[:, support] = search.points[search.used]
    prices = np.full(len(full), np.nan)
    prices[support] = search.best_prices
    return ConcaveClosure(
        value=search.value,
        upper_bound=max(search.upper_bound, search.value),
        weights=frozen(search.weights),
        posteriors=frozen(posteriors),
        prices=frozen(prices),
        n_evaluations=function.count,
        finished=finished,
    )


class _Checked:
    """The caller's function over the possible states, checked at every call."""

    def __init__(self, function: Function, support: IntArray, n_states: int) -> None:
        self._function, self._support, self._n_states = function, support, n_states
        self.count = 0

    def full(self, beliefs: FloatArray) -> FloatArray:
        """Put the impossible states back, at probability zero."""
        if len(self._support) == self._n_states:
            return beliefs
        full = np.zeros((*beliefs.shape[:-1], self._n_states))
        full[..., self._support] = beliefs
        return full

    def over_full(self, bound: Function) -> Function:
        """Return `bound` as a function of arrays over the possible states."""
        return lambda cells: bound(self.full(cells))

    def __call__(self, beliefs: FloatArray) -> FloatArray:
        full = self.full(beliefs)
        values = np.asarray(self._function(full), dtype=np.float64)
        if values.shape != (len(beliefs),):
            raise PersuasionError(
                f"`indirect_utility` must map beliefs {full.shape} to values ({len(beliefs)},); "
                f"it returned shape {values.shape}"
            )
        if not np.isfinite(values).all():
            where = full[int(np.argmin(np.isfinite(values)))]
            raise PersuasionError(
                f"`indirect_utility` is not finite at the belief {where.tolist()}"
            )
        self.count += len(beliefs)
        return values


def _check_prior(prior: Any) -> FloatArray:
    start = np.asarray(prior, dtype=np.float64)
    if start.ndim != 1 or start.size == 0 or start.min() < 0 or abs(start.sum() - 1) > 1e-9:
        raise PersuasionError(
            "`prior` must be a vector of probabilities that sum to 1; "
            f"got shape {start.shape}, sum {float(start.sum()):.12g}"
        )
    return start


def _breakpoints(given: Any, support: IntArray, prior: FloatArray) -> FloatArray:
    if given is None:
        return np.zeros((0, len(support)))
    points = np.asarray(given, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(prior):
        raise PersuasionError(
            f"`breakpoints` must have shape (k, {len(prior)}); got {points.shape}"
        )
    if points.size and (points.min() < 0 or np.abs(points.sum(axis=1) - 1).max() > 1e-9):
        raise PersuasionError("`breakpoints` must be beliefs: not negative, each row summing to 1")
    impossible = np.delete(points, support, axis=1)
    kept: FloatArray = points[impossible.sum(axis=1) == 0][:, support]
    return kept
