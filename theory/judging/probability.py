"""Statements that may fail with small probability: a binomial test of how often they did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from persuasion.game import PersuasionGame
from persuasion.trajectory import Trajectory
from theory.confidence import binomial_tail, clopper_pearson
from theory.evidence import Evidence
from theory.judging.case import (
    SLACK,
    VACUOUS,
    Case,
    RegretData,
    curve_of,
    name_of,
    share,
    vacuous,
)
from theory.theorem import DrawnTheorem, EventTheorem, RegretBound
from theory.verdict import Failures, Outcome, Verdict, Where

__all__ = ["judge_drawn", "judge_event", "judge_high_probability"]


def _binomial(
    failed: NDArray[np.bool_], allowed: float, alpha: float
) -> tuple[Outcome, Failures, float]:
    """Outcome, counts and p-value of one trajectory."""
    count, n = int(failed.sum()), len(failed)
    failures = Failures(count, n, allowed, *clopper_pearson(count, n, alpha))
    p_value = binomial_tail(count, n, allowed)
    if p_value <= alpha:
        return Outcome.REFUTED, failures, p_value
    if count <= allowed * n and binomial_tail(n, n, allowed) <= alpha:
        return Outcome.NOT_REFUTED, failures, p_value
    return Outcome.INCONCLUSIVE, failures, p_value


_ORDER = (Outcome.NOT_REFUTED, Outcome.INCONCLUSIVE, Outcome.REFUTED)
_BINOMIAL = "binomial test of the number of failing runs; Clopper-Pearson limits"


def judge_high_probability(
    theorem: RegretBound, case: Case, trajectories: Sequence[Trajectory]
) -> Verdict:
    """Count the runs that break the bound at any checkpoint."""
    data = [RegretData.read(theorem, case, t) for t in trajectories]
    if not any(d.telling.any() for d in data):
        return vacuous(case, data)
    curves, worst = [], None
    for d in data:
        if not d.telling.any():
            continue
        allowed = theorem.failure_probability(d.trajectory)
        ratio = np.where(d.telling, d.regret / d.bound, -1.0)
        broken = np.asarray((d.telling & (d.regret > d.bound * (1 + SLACK) + SLACK)).any(axis=1))
        outcome, failures, p_value = _binomial(broken, allowed, case.alpha / len(data))
        where = np.unravel_index(int(ratio.argmax()), ratio.shape)
        key = (_ORDER.index(outcome), -p_value, float(ratio.max()))
        found = (key, outcome, failures, d, int(where[0]), int(where[1]))
        worst = found if worst is None or key > worst[0] else worst
        curves.append(curve_of(d, d.regret.max(0), d.regret.min(0), d.regret.max(0)))
    assert worst is not None
    _, outcome, failures, d, run, at = worst
    measured, bound = float(d.regret[run, at]), float(d.bound[at])
    game = d.trajectory.game
    counted = f"{failures.count} of {failures.n_runs} runs break the bound"
    words = {
        Outcome.REFUTED: f"{counted}, more than a probability of {failures.allowed:.3g} explains",
        Outcome.INCONCLUSIVE: f"{counted}; too few runs to tell whether that is too many",
        Outcome.NOT_REFUTED: f"{counted} (allowed with probability {failures.allowed:.3g}); "
        f"{share(measured, bound)} in the worst run where closest",
    }[outcome]
    return case.verdict(
        outcome,
        words,
        measured=measured,
        bound=bound,
        where=Where(name_of(game), round=int(d.rounds[at]), run=run),
        scale=game.sender_scale.width,
        assumptions=theorem.assumptions(game),
        method=_BINOMIAL,
        alpha=case.alpha,
        n_runs=sum(t.n_runs for t in trajectories),
        n_comparisons=len(data),
        failures=failures,
        curves=tuple(curves),
    )


def judge_event(theorem: EventTheorem, case: Case, trajectories: Sequence[Trajectory]) -> Verdict:
    """Count the runs in which the event failed."""
    worst = None
    for t in trajectories:
        allowed = min(theorem.failure_probability(t) * case.bound_factor, 1.0)
        outcome, failures, p_value = _binomial(
            theorem.failed(t), allowed, case.alpha / len(trajectories)
        )
        if allowed >= 1:
            outcome = Outcome.INCONCLUSIVE
        key = (_ORDER.index(outcome), -p_value, failures.count / failures.n_runs / allowed)
        worst = (key, outcome, failures, t) if worst is None or key > worst[0] else worst
    assert worst is not None
    _, outcome, failures, t = worst
    share = failures.count / failures.n_runs
    counted = f"it failed in {failures.count} of {failures.n_runs} runs"
    words = {
        Outcome.REFUTED: f"{counted}, more than a probability of {failures.allowed:.3g} explains",
        Outcome.INCONCLUSIVE: f"{counted}; too few runs to tell, or {VACUOUS}",
        Outcome.NOT_REFUTED: f"{counted} (allowed {failures.allowed:.3g}, at most "
        f"{failures.upper:.3g} with confidence {1 - case.alpha:g})",
    }[outcome]
    return case.verdict(
        outcome,
        words,
        measured=share,
        bound=failures.allowed,
        limits=(failures.lower, failures.upper),
        where=Where(name_of(t.game), round=t.horizon),
        assumptions=theorem.assumptions(t.game),
        method=_BINOMIAL,
        alpha=case.alpha,
        n_runs=sum(t.n_runs for t in trajectories),
        n_comparisons=len(trajectories),
        failures=failures,
    )


def judge_drawn(theorem: DrawnTheorem, case: Case, values: Sequence[Evidence]) -> Verdict:
    """Count, for each game and size, the draws that break the bound."""
    groups: dict[tuple[PersuasionGame, float], list[Evidence]] = {}
    for value in values:
        groups.setdefault((value.game, value.at), []).append(value)
    worst, spoke = None, False
    for (game, _), group in groups.items():
        bound = np.array([theorem.bound_at(v) for v in group]) * case.bound_factor
        measured = np.array([theorem.measured(v) for v in group])
        telling = bool((bound < theorem.trivial(game)).all())
        spoke |= telling
        broken = np.array(
            [theorem.failed(v, b) for v, b in zip(group, bound.tolist(), strict=True)]
        )
        allowed = max(theorem.failure_probability(v) for v in group)
        outcome, failures, p_value = _binomial(broken, allowed, case.alpha / len(groups))
        if not telling:
            outcome = Outcome.INCONCLUSIVE
        at = int((measured - bound).argmax())
        key = (_ORDER.index(outcome), -p_value, float(measured[at] / max(bound[at], SLACK)))
        found = (key, outcome, failures, group[at], float(measured[at]), float(bound[at]))
        worst = found if worst is None or key > worst[0] else worst
    assert worst is not None
    _, outcome, failures, value, most, limit = worst
    counted = f"{failures.count} of {failures.n_runs} {value.noun} break the bound"
    words = {
        Outcome.REFUTED: f"{counted}, more than a probability of {failures.allowed:.3g} explains",
        Outcome.INCONCLUSIVE: f"{counted}; too few to tell whether that is too many"
        if spoke
        else VACUOUS,
        Outcome.NOT_REFUTED: f"{counted} (allowed with probability {failures.allowed:.3g}); "
        f"{share(most, limit)} in the worst",
    }[outcome]
    return case.verdict(
        outcome,
        words,
        measured=most,
        bound=limit,
        where=value.where(name_of(value.game)),
        scale=value.game.sender_scale.width,
        assumptions=theorem.assumptions(value.game),
        method=_BINOMIAL,
        alpha=case.alpha,
        n_runs=len(values),
        n_comparisons=len(groups),
        failures=failures,
    )
