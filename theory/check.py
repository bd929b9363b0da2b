"""`check`: hold data against a theorem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from persuasion.calling import called_like
from persuasion.errors import PersuasionError
from persuasion.trajectory import Trajectory
from theory.constants import constants
from theory.evidence import Evidence, RobustValue
from theory.judging.case import Case
from theory.judging.expectation import judge_expectation
from theory.judging.inequality import judge_pathwise, judge_static
from theory.judging.lower import judge_lower
from theory.judging.probability import judge_drawn, judge_event, judge_high_probability
from theory.theorem import (
    DrawnTheorem,
    EventTheorem,
    LowerBound,
    PathwiseTheorem,
    RegretBound,
    StaticTheorem,
    Theorem,
)
from theory.verdict import Verdict

__all__ = ["OptimumMismatchError", "check"]

_SAME_OPTIMUM = 1e-8


class OptimumMismatchError(PersuasionError, ArithmeticError):
    """Data and theory disagree about the optimum of a game: one of the two programs is wrong."""


@called_like('check("theorem_1_slater", trajectories)')
def check(
    theorem: Theorem | str,
    data: Trajectory | Evidence | Iterable[Trajectory] | Iterable[Evidence],
    *,
    alpha: float = 0.01,
    as_control: bool = False,
    bound_factor: float = 1.0,
    rounds: Sequence[int] | None = None,
) -> Verdict:
    """Hold data against a theorem.

    Parameters
    ----------
    theorem : Theorem or str
        Or its identifier, one of `theory.statements.names`.
    data : Trajectory, Evidence or several of them
        Trajectories; two for a lower bound (the same learner on both games of a pair); for a
        static theorem its kind of evidence, robust values, say.
    alpha : float
        Probability of refuting a true theorem, over all trajectories and checkpoints together.
    as_control : bool
        Judge although the theorem says nothing about this learner: how a negative control is
        held against it. A radius that the theorem needs is then the one it would have prescribed.
    bound_factor : float
        Multiply the bound before comparing: how sharp is the check?
    rounds : sequence of int, optional
        Checkpoints to judge, chosen before seeing the data; default all.

    Returns
    -------
    Verdict

    Raises
    ------
    OptimumMismatchError
        When the trajectory's optimum per round differs from the theory's own by more than 1e-8.
    PersuasionError
        When the data are not of the kind that the theorem needs.

    Notes
    -----
    How data are judged depends on the theorem's kind. *expectation*: refuted when at some
    checkpoint the lower confidence limit of the mean is above the bound, not refuted when at every
    one the upper limit is below it, inconclusive otherwise. *high_probability*: refuted when more
    runs, or draws of samples, break the bound than its failure probability explains (binomial
    test); not refuted when no larger share does than allowed. *pathwise* and *static*:
    deterministic, up to 1e-7. *lower*: refuted when the upper limit of the larger mean is below the
    bound. A bound that is nowhere below what is trivially true is inconclusive.

    Examples
    --------
    >>> from persuasion import simulate, zoo
    >>> from theory import check
    >>> runs = simulate(zoo.load("prosecutor"), "robust", horizon=10**6, n_runs=3)
    >>> check("theorem_1_slater", runs).outcome.value
    'NOT_REFUTED'
    >>> broken = simulate(zoo.load("prosecutor"), "plug_in", horizon=10**8, n_runs=3)
    >>> check("theorem_1_slater", broken).outcome.value
    'NOT_APPLICABLE'
    >>> check("theorem_1_slater", broken, as_control=True).outcome.value
    'REFUTED'
    """
    if isinstance(theorem, str):
        from theory.statements import load

        theorem = load(theorem)
    if not isinstance(theorem, Theorem):
        raise PersuasionError(
            "`theorem` comes first, one of theory.statements.names() or a Theorem, then the data; "
            f"got {type(theorem).__name__}"
        )
    if not 0 < alpha < 1:
        raise PersuasionError(f"`alpha` must lie between 0 and 1; got {alpha}")
    if not bound_factor > 0:
        raise PersuasionError(f"`bound_factor` must be positive; got {bound_factor}")
    if data is None:
        raise PersuasionError("`data` must be one or more results of `simulate`; got None")
    if not isinstance(data, (Trajectory, Evidence, Iterable)):
        raise PersuasionError(
            f"`data` must be one or more results of `simulate`; got {type(data).__name__}"
        )
    case = Case(theorem, alpha, as_control, bound_factor, rounds)
    items: list[Trajectory | Evidence] = (
        [data] if isinstance(data, (Trajectory, Evidence)) else list(data)
    )
    if isinstance(theorem, StaticTheorem):
        return _check_static(theorem, case, items)
    trajectories = [item for item in items if isinstance(item, Trajectory)]
    if not trajectories or len(trajectories) != len(items):
        raise PersuasionError(f"{theorem.id} is judged on one or more trajectories of `simulate`")
    for trajectory in trajectories:
        reason = theorem.outside(trajectory) or (None if as_control else theorem.covers(trajectory))
        if reason is not None:
            return case.not_applicable(reason)
        _compare_optimum(theorem, trajectory)
    if isinstance(theorem, LowerBound):
        return _check_pair(theorem, case, trajectories)
    for trajectory in trajectories:
        unmet = case.unmet(trajectory.game)
        if unmet is not None:
            return unmet
    if isinstance(theorem, PathwiseTheorem):
        return judge_pathwise(theorem, case, trajectories)
    if isinstance(theorem, EventTheorem):
        return judge_event(theorem, case, trajectories)
    if isinstance(theorem, RegretBound) and theorem.kind == "high_probability":
        return judge_high_probability(theorem, case, trajectories)
    if isinstance(theorem, RegretBound):
        return judge_expectation(theorem, case, trajectories)
    raise PersuasionError(f"no rule says how to judge {theorem!r} of kind {theorem.kind!r}")


def _compare_optimum(theorem: Theorem, trajectory: Trajectory) -> None:
    """Raise unless the trajectory's optimum is the theory's."""
    game = trajectory.game
    theirs, own = theorem.optima(trajectory)
    if abs(theirs - own) > _SAME_OPTIMUM:
        raise OptimumMismatchError(
            f"the trajectory's optimum per round is {theirs:.12g} (Sender's utility scaled to "
            f"[0, 1]), the theory's own linear program gives {own:.12g} on {game!r}; regret "
            "against a wrong optimum says nothing. Near-ties (1e-8 or less) and payoffs of very "
            "different sizes make the optimum itself ill-conditioned: round or rescale them"
        )


def _check_static(
    theorem: StaticTheorem, case: Case, items: list[Trajectory | Evidence]
) -> Verdict:
    values = [item for item in items if isinstance(item, theorem.evidence)]
    if not values or len(values) != len(items):
        raise PersuasionError(
            f"{theorem.id} is static: it is judged on {theorem.evidence.form}, not on trajectories"
        )
    for value in values:
        unmet = case.unmet(value.game)
        if unmet is not None:
            return unmet
        reason = None if case.as_control else theorem.silent_on(value)
        if reason is not None:
            return case.not_applicable(reason)
        if isinstance(value, RobustValue) and theorem.measured(value) < -_SAME_OPTIMUM:
            raise OptimumMismatchError(
                f"a robust value of {value.value} was given on {value.game!r}, above the "
                f"optimum {value.game.sender_scale.from_unit(constants(value.game).optimum)}"
            )
    if isinstance(theorem, DrawnTheorem):
        return judge_drawn(theorem, case, values)
    return judge_static(theorem, case, values)


def _check_pair(theorem: LowerBound, case: Case, trajectories: list[Trajectory]) -> Verdict:
    if len(trajectories) != 2:
        raise PersuasionError(
            f"{theorem.id} is about the worse of two priors: pass two trajectories, on "
            f"theorem.games(horizon); got {len(trajectories)}"
        )
    first, second = sorted(trajectories, key=lambda t: constants(t.game).optimum)
    same = ("learner", "parameters", "horizon", "n_runs")
    for name in same:
        if getattr(first, name) != getattr(second, name):
            raise PersuasionError(
                f"both trajectories must have the same {name}; got {getattr(first, name)!r} and "
                f"{getattr(second, name)!r}"
            )
    if not np.array_equal(first.checkpoints, second.checkpoints):
        raise PersuasionError("both trajectories must have the same checkpoints")
    games = (first.game, second.game)
    assumptions = theorem.assumptions(games)
    failing = [a for a in assumptions if not a.holds]
    if failing:
        return case.not_applicable(
            f"the assumption {failing[0].name!r} fails: {failing[0].statement}", assumptions
        )
    return judge_lower(theorem, case, (first, second))
