"""Deterministic inequalities: every one on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persuasion.trajectory import Trajectory
from theory.evidence import Evidence
from theory.judging.case import SLACK, VACUOUS, Case, name_of, share
from theory.theorem import PathwiseTheorem, StaticTheorem
from theory.verdict import Outcome, Verdict, Where

__all__ = ["judge_pathwise", "judge_static"]

_EXACT = f"every inequality on its own, up to {SLACK:g}"


def judge_pathwise(
    theorem: PathwiseTheorem, case: Case, trajectories: Sequence[Trajectory]
) -> Verdict:
    """Hold both sides of the inequality against one another at every epoch."""
    n_rows, violations, telling = 0, 0, False
    worst: tuple[tuple[bool, float], Trajectory, int, float, float] | None = None
    for t in trajectories:
        rows = theorem.inequality(t)
        right = rows.right * case.bound_factor
        n_rows += len(right)
        excess = rows.left - right
        violations += int((excess > SLACK).sum())
        says = right < rows.trivial
        telling |= bool(says.any())
        broken = bool((excess > SLACK).any())
        if not broken and not says.any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(right > 0, rows.left / right, rows.left)
        score = excess if broken else np.where(says, ratio, -np.inf)
        k = int(score.argmax())
        found = (
            (broken, float(score[k])),
            t,
            int(rows.epoch[k]),
            float(rows.left[k]),
            float(right[k]),
        )
        worst = found if worst is None or found[0] > worst[0] else worst
    if worst is None:
        return case.verdict(
            Outcome.INCONCLUSIVE,
            "no epoch about which the theorem speaks" if n_rows == 0 else VACUOUS,
            n_runs=sum(t.n_runs for t in trajectories),
            assumptions=theorem.assumptions(trajectories[0].game),
        )
    _, t, epoch, measured, bound = worst
    if violations:
        outcome = Outcome.REFUTED
        words = f"{violations} of {n_rows} covered epochs violate the inequality"
    else:
        outcome = Outcome.NOT_REFUTED
        room = f"; {share(measured, bound)} where closest" if bound > 0 else ""
        words = f"the inequality held at all {n_rows} covered epochs{room}"
    receiver = theorem.unit.endswith("Receiver")
    scale = t.game.receiver_scale if receiver else t.game.sender_scale
    return case.verdict(
        outcome,
        words,
        measured=measured,
        bound=bound,
        where=Where(
            name_of(t.game), round=int(t.epochs.start[epoch]), run=int(t.epochs.run[epoch])
        ),
        scale=scale.width,
        assumptions=theorem.assumptions(t.game),
        method=_EXACT,
        n_runs=sum(t.n_runs for t in trajectories),
        n_comparisons=n_rows,
    )


def judge_static(theorem: StaticTheorem, case: Case, values: Sequence[Evidence]) -> Verdict:
    """Hold every value against its bound."""
    measured = np.array([theorem.measured(v) for v in values])
    bound = np.array([theorem.bound_at(v) for v in values])
    bound = bound * case.bound_factor
    trivial = np.array([theorem.trivial(v.game) for v in values])
    excess = measured - bound
    violations = int((excess > SLACK).sum())
    telling = bound < trivial
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(telling, np.where(bound > 0, measured / bound, measured), -np.inf)
    worst = int(excess.argmax() if violations else ratio.argmax())
    value = values[worst]
    if violations:
        outcome = Outcome.REFUTED
        words = f"{violations} of {len(values)} {value.noun} break the bound"
    elif not telling.any():
        outcome, words = Outcome.INCONCLUSIVE, VACUOUS
    else:
        outcome = Outcome.NOT_REFUTED
        words = (
            f"none of {len(values)} {value.noun} breaks the bound; "
            f"{share(float(measured[worst]), float(bound[worst]))} where closest"
        )
    return case.verdict(
        outcome,
        words,
        measured=float(measured[worst]),
        bound=float(bound[worst]),
        where=value.where(name_of(value.game)),
        scale=value.game.sender_scale.width,
        assumptions=theorem.assumptions(value.game),
        method=_EXACT,
        n_comparisons=len(values),
    )
