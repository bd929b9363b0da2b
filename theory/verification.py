"""All findings of one call of ``persuasion verify``: the table, the faults, the record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from persuasion.errors import PersuasionError
from theory.experiment import Case, Finding, Laboratory, carry_out
from theory.papers import power
from theory.verdict import Outcome, Verdict, Where

__all__ = ["COLUMNS", "Verification", "investigate", "spelled_outcome"]

COLUMNS = (
    "theorem",
    "game",
    "outcome",
    "control",
    "measured",
    "bound",
    "bound / measured",
    "at",
    "limits",
)
_WORDS = {
    Outcome.REFUTED.value: "REFUTED",
    Outcome.NOT_REFUTED.value: "not refuted",
    Outcome.INCONCLUSIVE.value: "inconclusive",
    Outcome.NOT_APPLICABLE.value: "not applicable",
}


@dataclass(frozen=True)
class Verification:
    """What was asked and what came of it.

    Attributes
    ----------
    findings : tuple of Finding
        Theorems held against the data of learners that they cover.
    controls : tuple of Finding
        Their negative controls, one per theorem.
    alpha : float
        Probability of refuting any true theorem of the table.
    alpha_each : float
        The same for a single finding: `alpha` divided by the number of statistical ones.
    arguments : mapping
        What the caller asked for, JSON-ready.
    versions : mapping
        Of Python, this package and the libraries that its numbers depend on.
    seconds : float
    """

    findings: tuple[Finding, ...]
    controls: tuple[Finding, ...]
    alpha: float
    alpha_each: float
    arguments: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def control_of(self, finding: Finding) -> Finding | None:
        """The negative control that belongs to a finding."""
        own = (c for c in self.controls if c.case.theorem == finding.case.theorem)
        return next(own, None)

    @property
    def refuted(self) -> tuple[Finding, ...]:
        """Findings that refute their theorem."""
        return tuple(f for f in self.findings if f.refutes)

    @property
    def uncaught(self) -> tuple[Finding, ...]:
        """Negative controls that the check let pass."""
        return tuple(c for c in self.controls if c.verdict is not None and not c.caught)

    @property
    def open_questions(self) -> tuple[Finding, ...]:
        """Findings that neither refute nor fail to refute."""
        silent = (Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE)
        return tuple(f for f in self.findings if f.verdict and f.verdict.outcome in silent)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings and controls whose data could not be had."""
        return tuple(f for f in (*self.findings, *self.controls) if f.verdict is None)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, a sentence each; empty when all is as it should be."""
        lines = [f"{f.case.theorem.id} is REFUTED on {f.case.title}" for f in self.refuted]
        for c in self.uncaught:
            assert c.case.control is not None
            lines.append(
                f"the negative control of {c.case.theorem.id} came out as "
                f"{spelled_outcome(c.outcome)}, where it must be "
                f"{spelled_outcome(c.case.control.expected.value)}: this check cannot be relied on"
            )
        for f in self.failed:
            what = "negative control of " if f.case.control is not None else ""
            lines.append(f"{what}{f.case.theorem.id} on {f.case.title} failed: {f.failure}")
        return tuple(lines)

    def rows(self) -> list[list[str]]:
        """Cells of the table, one row per finding, under `COLUMNS`."""
        out = []
        for finding in self.findings:
            control = self.control_of(finding)
            caught = "" if control is None else spelled_outcome(control.outcome)
            if control is not None and not control.caught:
                caught += " (!)"
            out.append(
                [
                    finding.case.theorem.id,
                    finding.case.title,
                    spelled_outcome(finding.outcome),
                    caught,
                    *_numbers(finding.verdict),
                ]
            )
        return out

    def words(self) -> str:
        """The result in a sentence."""
        if self.faults:
            return "; ".join(self.faults) + "."
        counts = Counter(f.outcome for f in self.findings)
        held = counts.pop(Outcome.NOT_REFUTED.value, 0)
        others = "".join(f"; {n} {spelled_outcome(outcome)}" for outcome, n in counts.items())
        n = len(self.controls)
        caught = f" All {n} negative controls" if n > 1 else " The negative control"
        caught = f"{caught} came out as expected: refuted." if n else ""
        return (
            f"{held} of {len(self.findings)} checks held a bound against data that could have "
            f"refuted it and did not{others}.{caught} A run can refute a bound, never establish it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything needed to judge and to redo this, JSON-ready."""
        games = {game: None for f in (*self.findings, *self.controls) for game in f.case.games}
        return {
            "arguments": dict(self.arguments),
            "versions": dict(self.versions),
            "alpha": self.alpha,
            "alpha_each": self.alpha_each,
            "seconds": self.seconds,
            "faults": list(self.faults),
            "games": [game.to_dict() for game in games],
            "findings": [_recorded(f, list(games)) for f in self.findings],
            "controls": [_recorded(c, list(games)) for c in self.controls],
        }


def investigate(
    cases: Sequence[Case],
    controls: Sequence[Case],
    laboratory: Laboratory,
    *,
    alpha: float = 0.05,
    arguments: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    tell: Callable[[Finding], None] | None = None,
) -> Verification:
    """Carry out all cases and their negative controls.

    Parameters
    ----------
    cases, controls : sequence of Case
    laboratory : Laboratory
    alpha : float in (0, 1)
        Probability of refuting any true theorem, divided equally among the cases that may.
    arguments, versions : mapping, optional
        Kept in the record.
    tell : callable, optional
        Called with each finding when it is there.
    """
    if not 0 < alpha < 1:
        raise PersuasionError(f"`alpha` must lie strictly between 0 and 1; got {alpha}")
    began = perf_counter()
    alpha_each = alpha / max(1, sum(case.statistical for case in cases))
    findings = []
    for case in (*cases, *controls):
        findings.append(carry_out(case, laboratory, alpha_each))
        if tell is not None:
            tell(findings[-1])
    return Verification(
        tuple(findings[: len(cases)]),
        tuple(findings[len(cases) :]),
        alpha,
        alpha_each,
        dict(arguments or {}),
        dict(versions or {}),
        perf_counter() - began,
    )


def spelled_outcome(outcome: str) -> str:
    """Write an outcome in small letters, except the one that must catch the eye.

    Examples
    --------
    >>> spelled_outcome("NOT_REFUTED"), spelled_outcome("REFUTED")
    ('not refuted', 'REFUTED')
    """
    return _WORDS.get(outcome, outcome)


def _numbers(verdict: Verdict | None) -> list[str]:
    """Measured, limits, bound, tightness, place, limits."""
    if verdict is None or math.isnan(verdict.measured):
        return ["", "", "", "", ""]
    limits = "" if verdict.limits is None else "{:.3g} to {:.3g}".format(*verdict.limits)
    ratio = verdict.tightness
    return [
        f"{verdict.measured:.4g}",
        f"{verdict.bound:.4g}",
        f"{ratio:.3g}" if math.isfinite(ratio) else "",
        _place(verdict.where),
        limits,
    ]


def _place(where: Where | None) -> str:
    """Round, radius or size at which bound and measured are closest."""
    if where is None:
        return ""
    if where.radius is not None:
        return f"e = {where.radius:g}"
    if where.samples is not None:
        return f"N = {power(where.samples)}"
    if where.steps is not None:
        return f"I = {power(where.steps)}"
    return "" if where.round is None else f"T = {power(where.round)}"


def _recorded(finding: Finding, games: Sequence[Any]) -> dict[str, Any]:
    case = finding.case
    played = [
        {
            "game": games.index(t.game),
            "learner": t.learner,
            "parameters": dict(t.parameters),
            "receiver": t.receiver,
            "horizon": t.horizon,
            "n_runs": t.n_runs,
            "seed": t.seed,
            "regret_at_horizon": t.regret[:, -1].tolist(),
        }
        for t in finding.trajectories
    ]
    return {
        "theorem": case.theorem.to_dict(),
        "games": [games.index(game) for game in case.games],
        "types": None if case.types is None else case.types.description(),
        "is_control": case.control is not None,
        "why": None if case.control is None else case.control.why,
        "expected": None if case.control is None else case.control.expected.value,
        "outcome": finding.outcome,
        "failure": finding.failure or None,
        "played": played,
        "verdict": None if finding.verdict is None else finding.verdict.to_dict(),
    }
