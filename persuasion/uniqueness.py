"""Whether an optimum is the only one, and how to get by with few signals."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.certificate import certify, reduced_gains
from persuasion.errors import NotSolvedError, PersuasionError, UnsupportedError
from persuasion.problem import Candidate, Problem
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.values import sender_value

if TYPE_CHECKING:
    from persuasion.results import Solution

__all__ = ["CELL_LIMIT", "SIDE_LIMIT", "fewest_signals", "is_unique"]

CELL_LIMIT = 5000
"""Up to this many (state, action) pairs `is_unique` decides exactly."""
SIDE_LIMIT = 30
"""And only with at most this many states or this many actions: exact pivots grow with both."""

_SAFETY = 100
"""A number is clearly positive at this many times what rounding can have done to it."""
_LEAST_NOISE = 1e-15
_DEPENDENT = 1e-12
"""Posteriors whose matrix has a relative singular value below this are linearly dependent."""
_LOSS = 1e-9
"""Residual that `fewest_signals` may add to those of the solution it is given."""


def is_unique(solution: Solution) -> bool | None:
    """Whether the optimal joint law of states and recommendations is unique.

    Compared are the laws over states of positive probability: what a scheme does in a state that
    the Receiver deems impossible has no effect. Two recommendations that induce the same posterior
    are two laws.

    Parameters
    ----------
    solution : Solution

    Returns
    -------
    bool or None
        None where undecided: the solution is not optimal, was restored from a file, comes from a
        limit on the number of signals or from a method that splits beliefs, or has more than
        `CELL_LIMIT` (state, action) pairs, or more than `SIDE_LIMIT` of both, and is not clearly
        unique in floating point.

    Notes
    -----
    In floating point the answer can only be True: where every basic variable and every reduced
    price is far from zero against the conditioning of the basis. All else is decided in exact
    arithmetic, by maximising on the optimal face the sum of the variables that are zero here.
    Source: linear programming; Mangasarian, *Uniqueness of solution in linear programming*, Linear
    Algebra Appl. 25, 1979.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> is_unique(solve(game))
    True
    >>> is_unique(solve(PersuasionGame(["7/10", "3/10"], [[0, 0], [0, 0]], [[1, 0], [0, 1]])))
    False
    """
    from persuasion.results import OPTIMAL

    problem, candidate = solution.problem, solution.candidate
    if problem is None or not isinstance(candidate, Candidate):
        return None
    if solution.status != OPTIMAL or problem.actions is not None:
        return None
    if _clearly_unique(problem, candidate):
        return True
    too_large = problem.n_states * problem.n_actions > CELL_LIMIT
    if too_large or min(problem.n_states, problem.n_actions) > SIDE_LIMIT:
        return None
    from persuasion.rational_simplex import RationalSimplex

    simplex = RationalSimplex(problem, candidate.vertex)
    simplex.maximise()
    return simplex.second_optimum() is None


def _clearly_unique(problem: Problem, candidate: Candidate) -> bool:
    """Whether the basis is optimal and no other scheme can be, by a wide margin.

    One cell of each state is its key and carries what the others leave over; the remaining cells
    answer to the tight rows by a small square matrix. Rows are measured by their largest
    coefficient times weight, cells by the weight of their state. An action that is nowhere key and
    has as many tight rows as cells has no mass, exactly: its rows say nothing but that.
    """
    weights, gains, payoffs = problem.weights, problem.gains, problem.payoffs
    vertex = candidate.vertex
    if vertex is None:
        return False
    m, n = gains.shape
    every = np.arange(m)
    slack = np.zeros(m) if problem.slack is None else problem.slack
    cells = vertex.cells[np.lexsort((-candidate.masses[tuple(vertex.cells.T)], vertex.cells[:, 0]))]
    states, where = np.unique(cells[:, 0], return_index=True)  # the cell of largest mass
    keys = cells[where, 1]
    w, c = np.delete(cells, where, axis=0).T
    a, b = vertex.rows.T
    if len(states) < m or len(c) != len(a):
        return False
    advantage = payoffs[:, a] - payoffs[:, b] - slack[:, None]  # state, tight row
    height = np.abs(weights[:, None] * advantage).max(axis=0)
    if (height <= 0).any():
        return False
    unit = advantage / height
    moves = (c[:, None] == a).astype(float) - (keys[w][:, None] == a)
    try:
        inverse = np.linalg.inv((moves * unit[w] * weights[w][:, None]).T)
    except np.linalg.LinAlgError:
        return False
    growth = 1.0 + max(np.abs(inverse).sum(axis=i).max(initial=0.0) for i in (0, 1))
    worth = float(np.abs(gains).max()) or 1.0
    prices = -inverse.T @ ((gains[w, c] - gains[w, keys[w]]) * weights[w])
    # rounding of the payoffs, passed on by the inverse to masses and prices
    dust = 8 * np.finfo(float).eps * (np.abs(payoffs).max() + slack.max())
    growth *= (1 + len(a) * weights.max()) * (1 + np.abs(prices).max(initial=0.0) / worth)
    noise = _LEAST_NOISE + growth * dust / float(height.min(initial=np.inf))
    clear = max(_SAFETY, 4 * n) * noise
    if clear > 1e-3:
        return False
    # the point
    idle = np.bincount(c, minlength=n) == np.bincount(a, minlength=n)
    idle[keys] = False
    alone = np.where(keys[:, None] == a, weights[:, None] * unit, 0.0).sum(axis=0)
    share = np.where(idle[c], 0.0, -inverse @ alone)
    rest = np.ones(m)
    np.subtract.at(rest, w, share)
    if min(share[~idle[c]].min(initial=1.0), rest.min()) <= clear:
        return False
    masses = np.zeros((m, n))
    masses[every, keys] = weights * rest
    masses[w, c] = weights[w] * share
    for action in np.flatnonzero(masses.any(axis=0)).tolist():
        rival = np.delete(np.arange(n), [action, *b[a == action].tolist()])
        table = payoffs[:, [action]] - payoffs[:, rival] - slack[:, None]
        high = np.abs(weights[:, None] * table).max(axis=0)
        if (masses[:, action] @ table <= clear * high + _SAFETY * dust).any():
            return False
    # the prices
    if (prices <= clear * worth).any():
        return False
    table = reduced_gains(gains, payoffs, problem.slack, vertex.rows, prices / height)
    loss = table[every, keys][:, None] - table
    loss[every, keys] = loss[w, c] = np.inf
    made_of = worth * (1.0 + np.abs(unit).sum(axis=1))
    return bool((loss > clear * made_of[:, None]).all())


def fewest_signals(solution: Solution) -> SignalingScheme:
    """Return a scheme of the same value with as few signals as a vertex of the program has.

    Signals that recommend the same action are merged; then, while the posteriors of the signals
    are linearly dependent, probability is moved along the dependence, in the direction that does
    not cost the Sender, until a signal is not used any more.

    Parameters
    ----------
    solution : Solution
        Any solution with a scheme, optimal or not.

    Returns
    -------
    SignalingScheme
        Worth no less than ``solution.scheme``, with linearly independent posteriors, hence with at
        most ``min(n_possible_states, n_actions)`` signals where the Receiver best-responds. Exact
        where the solution is. Posteriors stay, so every recommendation is obeyed as before.

    Raises
    ------
    NotSolvedError
        When the scheme found is worse or less obeyed than the solution says, because of rounding,
        in a game of more than `CELL_LIMIT` (state, action) pairs; smaller ones are then solved
        exactly.
    UnsupportedError
        When the solution was restored from a file.

    Notes
    -----
    For the fewest signals that a given value needs, or the best value with k signals, use
    ``solve(game, max_signals=k)``: a search, where this is linear algebra.
    Source: Caratheodory's theorem; Kamenica & Gentzkow, AER 101(6), 2011, Proposition 1 (online
    appendix bounds the number of signals).
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> fewest_signals(solve(game)).n_signals
    2
    """
    from persuasion.results import Solution

    if not isinstance(solution, Solution):
        kind = type(solution).__name__
        raise PersuasionError(f"`solution` must be a Solution; got {kind}. Pass solve(game)")
    game, problem = solution.game, solution.problem
    if problem is None:
        raise UnsupportedError(
            "fewest_signals needs a solution as `solve` returned it; solve the game again"
        )
    exact = isinstance(solution.value, Fraction)
    try:
        return _fewer_signals(solution, problem, exact)
    except NotSolvedError:
        small = problem.n_states * problem.n_actions <= CELL_LIMIT
        if exact or not small or solution.given_scheme is not None:
            raise
    from persuasion.solve import solve

    again = solve(game, receiver=solution.receiver, exact=True, **solution.options)
    return _fewer_signals(again, problem, exact=True)


def _fewer_signals(solution: Solution, problem: Problem, exact: bool) -> SignalingScheme:
    game = solution.game
    joint, labels, worth = _joint_law(solution, exact)
    totals = joint.sum(axis=0)
    used = np.flatnonzero(totals > 0)
    posteriors = joint[:, used] / totals[used]
    probability = _without_dependence(
        posteriors, totals[used], worth[used] / totals[used], problem.weights
    )
    left = np.flatnonzero(probability > 0)
    kept = used[left]
    table = posteriors[:, left] * probability[left]
    if not exact:
        table *= (problem.weights / table.sum(axis=1))[:, None]
    weights = np.array(problem.exact.weights, dtype=object) if exact else problem.weights
    inside = table / weights[:, None]
    kernel = inside
    if problem.support is not None:
        kernel = np.zeros((game.n_states, len(kept)), dtype=inside.dtype)
        if exact:
            kernel += Fraction(0)
        # nobody deems the other states possible; say there what is said most often
        kernel[:, int(np.argmax(probability[left]))] += 1
        kernel[problem.support] = inside
    scheme = SignalingScheme(kernel, signals=[labels[i] for i in kept])
    _check(solution, scheme, table, kept, exact)
    return scheme


def _joint_law(solution: Solution, exact: bool) -> tuple[Any, tuple[str, ...], Any]:
    """Masses ``[possible state, signal]``, labels, and what each signal is worth to the Sender.

    Where the Receiver best-responds, one column per action of the game.
    """
    game, scheme, problem = solution.game, solution.scheme, solution.problem
    assert problem is not None
    kept = slice(None) if problem.support is None else problem.support
    kernel = (np.array(scheme.exact_kernel, dtype=object) if exact else scheme.kernel)[kept]
    weights = np.array(problem.exact.weights, dtype=object) if exact else problem.weights
    joint = weights[:, None] * kernel
    if solution.recommendations is None:
        response = solution.receiver.respond(game, scheme.posteriors(game.receiver_prior))
        return joint, scheme.signals, (joint.T @ problem.gains * response).sum(axis=1)
    merged = np.zeros((problem.n_states, game.n_actions), dtype=joint.dtype)
    for signal, action in enumerate(solution.recommendations):
        merged[:, action] += joint[:, signal]
    gains = np.array(problem.exact.gains, dtype=object) if exact else problem.gains
    return merged, game.actions, (merged * gains).sum(axis=0)


def _without_dependence(posteriors: Any, probability: Any, worth: Any, weights: FloatArray) -> Any:
    """Probabilities of the same mean, worth no less, on linearly independent posteriors."""
    probability = probability.copy()
    while True:
        used = np.flatnonzero(probability > 0)
        columns = posteriors[:, used]
        if columns.dtype == object:
            direction = _exact_dependence(columns)
        else:
            direction = _dependence(columns, weights)
        if direction is None:
            return probability
        if direction @ worth[used] < 0:
            direction = -direction
        falling = np.flatnonzero(direction < 0)
        steps = probability[used[falling]] / -direction[falling]
        first = int(np.argmin(steps))
        probability[used] += steps[first] * direction
        probability[used[falling[first]]] = 0


def _dependence(columns: FloatArray, weights: FloatArray) -> FloatArray | None:
    # against the weights, so that posteriors that differ in unlikely states only do differ
    relative = columns / weights[:, None]
    heights = relative.max(axis=0)
    _, sizes, directions = np.linalg.svd(relative / heights)
    if columns.shape[1] <= columns.shape[0] and sizes[-1] > _DEPENDENT * sizes[0]:
        return None
    direction: FloatArray = directions[-1] / heights
    return direction


def _exact_dependence(columns: Any) -> Any:
    rows = [list(row) for row in columns]
    pivots: list[int] = []
    for c in range(columns.shape[1]):
        done = len(pivots)
        at = next((i for i in range(done, len(rows)) if rows[i][c] != 0), None)
        if at is None:  # the reduced rows say how column c is made of the earlier ones
            direction = np.array([Fraction(0)] * columns.shape[1], dtype=object)
            direction[c] = Fraction(1)
            for row, pivot in zip(rows, pivots, strict=False):
                direction[pivot] = -row[c]
            return direction
        rows[done], rows[at] = rows[at], rows[done]
        lead = rows[done] = [x / rows[done][c] for x in rows[done]]
        for i, row in enumerate(rows):
            if i != done and row[c] != 0:
                rows[i] = [x - row[c] * y for x, y in zip(row, lead, strict=True)]
        pivots.append(c)
    return None


def _check(solution: Solution, scheme: SignalingScheme, table: Any, kept: Any, exact: bool) -> None:
    """Raise where the scheme is worth less than the solution or is obeyed less."""
    problem, candidate = solution.problem, solution.candidate
    assert problem is not None
    if exact:
        from persuasion.exact_certificate import check_certificate

        masses = {
            (w, int(a)): x for s, a in enumerate(kept) for w, x in enumerate(table[:, s]) if x != 0
        }
        found = check_certificate(problem, masses, {})
        good = found.plausible and found.obeys and found.value >= solution.value
        what = f"value {found.value}, violation {found.violation}"
    elif isinstance(candidate, Candidate):
        full = np.zeros_like(problem.gains)
        full[:, kept] = table
        again = Candidate(full, candidate.price_rows, candidate.prices)
        residuals, before = certify(problem, again).residuals, solution.residuals
        good = (
            residuals.obedience <= before.obedience + _LOSS
            and residuals.duality_gap <= max(before.duality_gap, 0.0) + _LOSS
        )
        what = str(residuals)
    else:
        value = sender_value(solution.game, scheme, problem.receiver)
        good = value >= solution.value - _LOSS * (float(np.ptp(solution.game.sender_utility)) or 1)
        what = f"value {value} instead of {solution.value}"
    if not good:
        raise NotSolvedError(
            f"the scheme with fewer signals fails its check ({what}): rounding, or "
            "a solution whose scheme is not what it says; start from solve(game, exact=True)"
        )
