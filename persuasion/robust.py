"""Schemes that the Receiver obeys whatever prior of a set she holds.

A kernel is robust when, for all actions a != b and every prior mu of the set,

    sum_w mu(w) kernel[w, a] (u(w, a) - u(w, b)) >= 0.

The variables are the kernel itself, not joint masses, so that a state which the estimate gives
probability zero is protected like any other. Some robust kernel always exists: telling the state.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from persuasion.ambiguity import AmbiguitySet
from persuasion.beliefs import best_responses
from persuasion.calling import called_like, require_game
from persuasion.certificate import Residuals, sender_spread
from persuasion.cutting_plane import Cuts, CuttingPlanes, Pairs, ordered_pairs
from persuasion.errors import NotSolvedError, PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.kernel_program import programs
from persuasion.rationals import FloatArray, frozen, normalised, read_numbers
from persuasion.results import OPTIMAL, TIME_LIMIT, WITHIN_BOUND
from persuasion.robust_solution import RobustSolution

__all__ = ["RobustSolution", "solve_robust", "worst_case_slack"]

_STRAY = 1e-14
"""A probability below this is rounding noise and set to zero."""
_REPAIRABLE = 1e-6
"""Largest deviation of a row of the solver's kernel from a distribution put right silently."""


@called_like("solve_robust(game, l1_ball(estimate, 0.1))")
def solve_robust(
    game: PersuasionGame,
    ambiguity: AmbiguitySet,
    *,
    objective_prior: Any = None,
    tolerance: float = 1e-9,
    time_limit: float | None = None,
    start: RobustSolution | None = None,
) -> RobustSolution:
    """Find the best scheme that is persuasive at every prior of a set, and certify it.

    Parameters
    ----------
    game : PersuasionGame
        Its own prior plays no part.
    ambiguity : AmbiguitySet
        Priors that the Receiver may hold, around the Sender's estimate.
    objective_prior : array-like, shape (n_states,), optional
        Prior at which the Sender's value counts; default the center of the set.
    tolerance : float
        Largest residual accepted, unit-free.
    time_limit : float, optional
        Seconds; reaching it gives full disclosure with status "time limit".
    start : RobustSolution, optional
        Answer to a similar question. Its rows, moved to the worst priors of this set, enter at the
        start; they save rounds and never change the value.

    Returns
    -------
    RobustSolution

    Raises
    ------
    UnsupportedError
        When the game has subjective priors.
    NotSolvedError
        When no linear program could be solved, for numerical reasons.

    Notes
    -----
    The Receiver is Bayesian, obeys when indifferent, and knows her prior; the Sender knows only
    that it is in the set.
    Symbols: value = V_rob(g, e; c) for the L1 ball B(g, e) and objective prior c.
    Source: the problem is that of Zu, Iyer & Xu, *Learning to Persuade on the Fly: Robustness
    Against Ignorance*, EC 2021, section 4.
    Departures: any intersection of ball, box and simplex; cutting planes with exact separation.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.ambiguity import l1_ball
    >>> from persuasion.robust import solve_robust
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> [round(solve_robust(game, l1_ball(game.prior, e)).value, 4) for e in (0, 0.1, 0.2, 2)]
    [0.6, 0.5333, 0.475, 0.3]
    """
    started = perf_counter()
    objective = _check(game, ambiguity, objective_prior, tolerance, time_limit, start)
    pairs = Pairs.of(game, ambiguity)
    told = _full_disclosure(game)
    if ambiguity.is_simplex:
        none = Cuts.none(game.n_states)
        solution = _certified(game, pairs, objective, told, none, tolerance)
        return replace(
            solution,
            upper_bound=solution.value,
            residuals=replace(solution.residuals, duality_gap=0.0),
            method="closed form",
            seconds=perf_counter() - started,
        )
    deadline = None if time_limit is None else started + time_limit
    idle = ((objective == 0) & (ambiguity.highest == 0))[:, None]  # states nobody deems possible
    found: list[RobustSolution] = []
    failures: list[tuple[str, str]] = []
    weights = np.maximum(objective, ambiguity.highest)
    weights = np.where(weights > 0, weights, 1.0)
    for name, build in programs():
        planes = CuttingPlanes(build(objective[:, None] * game.sender_utility, weights), pairs)
        if start is not None:
            planes.start_from(start.cuts)
        try:
            while True:
                finished = planes.run(tolerance / 2, deadline)
                kernel = np.where(idle, told, planes.program.kernel) if finished else told
                solution = _certified(game, pairs, objective, kernel, planes.cuts(), tolerance)
                optimal = solution.residuals.duality_gap <= tolerance
                solution = replace(
                    solution,
                    status=(OPTIMAL if optimal else WITHIN_BOUND) if finished else TIME_LIMIT,
                    method=planes.program.name,
                    n_cuts=planes.n_cuts,
                    n_rounds=planes.n_rounds,
                    seconds=perf_counter() - started,
                )
                found.append(solution)
                if optimal or not finished:
                    return _tightest(found)
                if not planes.program.restart():
                    break
        except NotSolvedError as failure:
            failures.append((name, str(failure)))
    if found:
        return _tightest(found)
    tried = "; ".join(f"{name}: {why}" for name, why in failures)
    raise NotSolvedError(f"no linear program could be solved ({tried})", tuple(failures))


def worst_case_slack(game: PersuasionGame, ambiguity: AmbiguitySet, kernel: Any) -> FloatArray:
    """Least gain from obeying over the priors of a set, shape (n_actions, n_actions), in utils.

    Entry [a, b] is ``min over mu of sum_w mu(w) kernel[w, a] (u(w, a) - u(w, b))``, joint masses,
    not normalised by the probability of the recommendation; zero on the diagonal.

    Parameters
    ----------
    game : PersuasionGame
    ambiguity : AmbiguitySet
    kernel : array-like, shape (n_states, n_actions)
        Probability of each recommendation in each state.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.ambiguity import l1_ball
    >>> from persuasion.robust import worst_case_slack
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> worst_case_slack(game, l1_ball(game.prior, 0.2), [[0.5, 0.5], [0, 1]]).round(4).tolist()
    [[0.0, 0.3], [-0.2, 0.0]]
    """
    table = np.asarray(kernel, dtype=np.float64)
    if table.shape != (game.n_states, game.n_actions):
        raise PersuasionError(
            f"`kernel` has shape {table.shape}; expected one column per action, "
            f"{(game.n_states, game.n_actions)}"
        )
    out = np.zeros((game.n_actions, game.n_actions))
    actions, deviations = ordered_pairs(game.n_actions)
    difference = game.receiver_utility.T[actions] - game.receiver_utility.T[deviations]
    out[actions, deviations] = ambiguity.worst_case(table.T[actions] * difference)[0]
    return out


def _tightest(found: list[RobustSolution]) -> RobustSolution:
    return min(found, key=lambda solution: solution.residuals.duality_gap)


def _certified(
    game: PersuasionGame,
    pairs: Pairs,
    objective: FloatArray,
    proposed: FloatArray,
    cuts: Cuts,
    tolerance: float,
) -> RobustSolution:
    """Make a kernel row-stochastic; compute value, bound and worst case from the game.

    Where violations of obedience exceed the tolerance, themselves or in what they are worth, the
    kernel is repaired.
    """
    kernel = np.maximum(proposed, 0.0)
    kernel[kernel < _STRAY] = 0.0
    totals = kernel.sum(axis=1, keepdims=True)
    deviation = max(float(np.abs(totals - 1).max()), float(-proposed.min()), 0.0)
    if not deviation <= _REPAIRABLE:
        raise NotSolvedError(f"a row of the kernel misses a distribution by {deviation:.1e}")
    kernel /= totals
    gains = objective[:, None] * game.sender_utility
    spread = sender_spread(objective, game.sender_utility, np.ptp(game.sender_utility, axis=1))
    # weak duality: every cut holds for every robust kernel
    utility = game.receiver_utility.T
    rows = cuts.priors * (utility[cuts.actions] - utility[cuts.deviations])
    rows *= cuts.prices[:, None]
    reduced = gains.T.copy()
    np.add.at(reduced, cuts.actions, rows)
    upper_bound = float(reduced.max(axis=0).sum())
    which, slack = pairs.slack(kernel)
    worth = float(np.maximum(-(rows * kernel.T[cuts.actions]).sum(axis=1), 0.0).sum())
    if slack.min(initial=0.0) < -tolerance or worth > tolerance * spread:
        kernel, worth = _repaired(game, pairs, kernel), 0.0
        which, slack = pairs.slack(kernel)
    value = float((gains * kernel).sum())
    return RobustSolution(
        game=game,
        ambiguity=pairs.ambiguity,
        objective_prior=objective,
        kernel=frozen(kernel),
        value=value,
        upper_bound=upper_bound,
        worst_slack=float((slack * pairs.scale[which]).min()) if len(which) else 0.0,
        residuals=Residuals(
            plausibility=deviation,
            obedience=max(0.0, float(-slack.min(initial=0.0))),
            duality_gap=(abs(upper_bound - value) + worth) / spread,
        ),
        cuts=cuts,
    )


def _repaired(game: PersuasionGame, pairs: Pairs, kernel: FloatArray) -> FloatArray:
    """Tell the state more often until every recommendation is obeyed at every prior.

    A share of the states in which action a is not the Receiver's best are told instead. With the
    share 1 action a is obeyed, and its worst slack is concave in the share: the chord from share 0
    to 1 finds one that is large enough. Elsewhere telling adds only what the Receiver likes.
    """
    best, told = best_responses(game, np.eye(game.n_states)), _full_disclosure(game)
    kernel = kernel.copy()
    which, slack = pairs.slack(kernel)
    for a in np.unique(pairs.actions[which[slack < 0]]).tolist():
        rows = which[(pairs.actions[which] == a) & (slack < 0)]
        lost = -slack[np.isin(which, rows)]
        own = np.where(best[:, a], kernel[:, a], 0.0)
        left = np.maximum(pairs.ambiguity.worst_case(own * pairs.difference[rows])[0], 0.0)
        moved = float((lost / (lost + left)).max()) * (kernel[:, a] - own)
        kernel[:, a] -= moved
        kernel += moved[:, None] * told
    return kernel


def _full_disclosure(game: PersuasionGame) -> FloatArray:
    """Recommend, in each state, the Receiver's best action that the Sender likes most."""
    best = best_responses(game, np.eye(game.n_states))
    chosen = np.where(best, game.sender_utility, -np.inf).argmax(axis=1)
    kernel: FloatArray = np.eye(game.n_actions)[chosen]
    return kernel


def _check(
    game: PersuasionGame,
    ambiguity: AmbiguitySet,
    objective_prior: Any,
    tolerance: float,
    time_limit: float | None,
    start: RobustSolution | None,
) -> FloatArray:
    """Check the arguments; return the objective prior."""
    require_game(game)
    if not isinstance(ambiguity, AmbiguitySet):
        raise PersuasionError(
            "`ambiguity` must be an AmbiguitySet, say l1_ball(game.prior, 0.1); got "
            f"{type(ambiguity).__name__}"
        )
    if not game.has_common_prior:
        raise UnsupportedError(
            "robust persuasion is about one prior that the Sender does not know; the game has "
            "subjective priors. Give a game without `receiver_prior`"
        )
    if ambiguity.n_states != game.n_states:
        raise PersuasionError(
            f"the ambiguity set has {ambiguity.n_states} states but the game has {game.n_states}"
        )
    if not 0 < tolerance < 1:
        raise PersuasionError(f"`tolerance` must be between 0 and 1, like 1e-9; got {tolerance}")
    if time_limit is not None and not time_limit > 0:
        raise PersuasionError(
            f"`time_limit` must be a positive number of seconds; got {time_limit}"
        )
    if start is not None and start.kernel.shape != (game.n_states, game.n_actions):
        raise PersuasionError(
            f"`start` answers a game of shape {start.kernel.shape}; this one has "
            f"{(game.n_states, game.n_actions)}"
        )
    if objective_prior is None:
        return ambiguity.center
    objective = read_numbers(objective_prior, "objective_prior", 1, PersuasionError).floats
    if objective.shape != (game.n_states,) or objective.min() < 0:
        raise PersuasionError(
            f"`objective_prior` must give each of the {game.n_states} states a probability; "
            f"got {objective.tolist()}"
        )
    if abs(float(objective.sum()) - 1) > 1e-9:
        raise PersuasionError(f"`objective_prior` must sum to 1; got {float(objective.sum()):.12g}")
    return normalised(objective)[0]
