"""Bounds on mean regret: confidence limits against the bound."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from persuasion.trajectory import Trajectory
from theory.confidence import MEAN_METHOD, Limits, mean_limits
from theory.judging.case import Case, RegretData, curve_of, name_of, share, vacuous
from theory.theorem import RegretBound
from theory.verdict import Outcome, Verdict, Where

__all__ = ["judge_expectation"]


def judge_expectation(
    theorem: RegretBound, case: Case, trajectories: Sequence[Trajectory]
) -> Verdict:
    """Hold confidence limits of mean regret against the bound, at all checkpoints together."""
    data = [RegretData.read(theorem, case, t) for t in trajectories]
    family = sum(int(d.telling.sum()) for d in data)
    if family == 0:
        return vacuous(case, data)
    curves = []
    worst = (False, -math.inf, 0, 0)  # refuted there, ratio to the bound, trajectory, checkpoint
    unclear = False
    for i, d in enumerate(data):
        limits = _limits(theorem, d, case.alpha / family)
        curves.append(curve_of(d, limits.mean, limits.lower, limits.upper))
        above = d.telling & (limits.lower > d.bound)
        unclear |= bool((d.telling & (limits.upper > d.bound)).any())
        compared = limits.lower if above.any() else limits.mean
        ratio = np.where(d.telling, compared / d.bound, -1.0)
        worst = max(worst, (bool(above.any()), float(ratio.max()), i, int(ratio.argmax())))
    refuted, _, i, at = worst
    curve, game = curves[i], data[i].trajectory.game
    measured, bound = curve.measured[at], curve.bound[at]
    if refuted:
        outcome = Outcome.REFUTED
        words = f"mean regret is above the bound, beyond chance: at least {curve.lower[at]:.4g}"
    elif unclear:
        outcome = Outcome.INCONCLUSIVE
        words = (
            "mean regret is below the bound, but its confidence limits reach above; more runs "
            "would tell"
            if measured <= bound
            else "mean regret is above the bound, but its confidence limits reach below"
        )
    else:
        outcome = Outcome.NOT_REFUTED
        words = f"mean regret stayed below the bound; {share(measured, bound)} where closest"
    return case.verdict(
        outcome,
        words,
        measured=measured,
        bound=bound,
        limits=(curve.lower[at], curve.upper[at]),
        where=Where(name_of(game), round=curve.rounds[at]),
        scale=game.sender_scale.width,
        assumptions=theorem.assumptions(game),
        method=f"{MEAN_METHOD}; Bonferroni over {family} checkpoints",
        alpha=case.alpha,
        n_runs=sum(t.n_runs for t in trajectories),
        n_comparisons=family,
        curves=tuple(curves),
    )


def _limits(theorem: RegretBound, d: RegretData, alpha: float) -> Limits:
    """Limits for mean regret, the upper one from regret cut off where it hardly reaches."""
    t = d.trajectory
    above = mean_limits(d.regret - d.least, d.trivial - d.least, alpha)
    limits = Limits(above.mean + d.least, above.lower + d.least, above.upper + d.least)
    found = theorem.reach(t.game, d.rounds, t.parameters, horizon=t.horizon)
    if found is None:
        return limits
    level, excess = found
    width = np.minimum(level, d.trivial)
    cut = mean_limits(np.minimum(d.regret, width), width, alpha)
    return Limits(limits.mean, limits.lower, np.minimum(cut.upper + excess, d.trivial))
