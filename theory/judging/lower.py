"""Lower bounds: confidence limits of the larger mean regret on a pair of games."""

from __future__ import annotations

import numpy as np

from persuasion.trajectory import Trajectory
from theory.confidence import MEAN_METHOD, mean_limits
from theory.constants import constants
from theory.judging.case import Case, floats, name_of, scaled_regret
from theory.theorem import LowerBound
from theory.verdict import Curve, Outcome, Verdict, Where

__all__ = ["judge_lower"]


def judge_lower(
    theorem: LowerBound, case: Case, trajectories: tuple[Trajectory, Trajectory]
) -> Verdict:
    """Hold limits of the larger mean regret against the bound; order: rarer good state first."""
    games = (trajectories[0].game, trajectories[1].game)
    where = case.selection(trajectories[0])
    rounds = trajectories[0].checkpoints[where]
    extra = theorem.measure(trajectories, case.alpha / 2)
    alpha = case.alpha / 2 if extra else case.alpha
    bound = theorem.bound(games, rounds, extra, horizon=trajectories[0].horizon)
    bound = bound * case.bound_factor
    telling = bound > 0
    family = int(telling.sum()) * len(theorem.judged)
    n_runs = sum(t.n_runs for t in trajectories)
    note = "".join(f"; measured {name} <= {value:.3g}" for name, value in extra.items())
    assumptions = theorem.assumptions(games)
    if family == 0:
        return case.verdict(
            Outcome.INCONCLUSIVE,
            f"vacuous here: the lower bound is 0{note}",
            assumptions=assumptions,
            n_runs=n_runs,
        )
    found = []
    for i in theorem.judged:
        trivial = rounds * constants(games[i]).optimum
        found.append(mean_limits(scaled_regret(trajectories[i], where), trivial, alpha / family))
    mean = np.max([limits.mean for limits in found], axis=0)
    lower = np.max([limits.lower for limits in found], axis=0)
    upper = np.max([limits.upper for limits in found], axis=0)
    below = telling & (upper < bound)
    compared = upper if below.any() else mean
    at = int(np.where(telling, compared / np.where(telling, bound, 1.0), np.inf).argmin())
    worse = theorem.judged[int(np.argmax([limits.mean[at] for limits in found]))]
    if below.any():
        outcome = Outcome.REFUTED
        words = "the larger mean regret is below the lower bound, beyond chance"
    elif (lower >= bound)[telling].all():
        outcome = Outcome.NOT_REFUTED
        words = (
            "the larger mean regret stayed above the lower bound; it is "
            f"{mean[at] / bound[at]:.3g} times the bound where closest"
        )
    else:
        outcome = Outcome.INCONCLUSIVE
        side = "above" if mean[at] >= bound[at] else "below"
        words = (
            f"the larger mean regret is {side} the lower bound, but its confidence limits reach "
            "across; more runs would tell"
        )
    return case.verdict(
        outcome,
        words + note,
        measured=float(mean[at]),
        bound=float(bound[at]),
        limits=(float(lower[at]), float(upper[at])),
        where=Where(name_of(games[worse]), round=int(rounds[at])),
        scale=games[worse].sender_scale.width,
        assumptions=assumptions,
        method=f"{MEAN_METHOD}; Bonferroni over {family} checkpoints and games",
        alpha=case.alpha,
        n_runs=n_runs,
        n_comparisons=family,
        curves=(
            Curve(
                " / ".join(name_of(games[i]) for i in theorem.judged),
                tuple(rounds.tolist()),
                floats(mean),
                floats(lower),
                floats(upper),
                floats(bound),
            ),
        ),
    )
