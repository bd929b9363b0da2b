"""Language models that learn to persuade while they play: regret, bounds and verdicts.

The measured games are games like any other: `simulate` plays them, the theorems on the robust
learner speak about them, and an Advisor who learns while she plays is held against the same bounds
beside it. Those say nothing about her, so that a refutation is a finding on her, not on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_bridge.measurement import Measurement
from persuasion.errors import PersuasionError
from persuasion.html import Table
from persuasion.receivers import Bayesian, Receiver
from persuasion.trajectory import Trajectory
from theory.check import check
from theory.plot import Line, Play, plot_bounds
from theory.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ADVISOR", "LEARNERS", "THEOREMS", "Judged", "OnlineStudy", "check_rule", "judge"]

ADVISOR = "advisor"
LEARNERS = ("robust", ADVISOR, "plug_in")
"""Whom the theorems cover, the language model, and the negative control."""

THEOREMS = (
    "theorem_1_slater",
    "theorem_1_growth",
    "theorem_1_pathwise",
    "theorem_1_every_round",
    "corollary_1",
)
_DRAWN = {
    "theorem_1_slater": "Theorem 1, Slater form",
    "theorem_1_growth": "Theorem 1, growth form",
}
_WORDS = {"robust": "robust", ADVISOR: "language model", "plug_in": "plug-in"}


@dataclass(frozen=True)
class Judged:
    """A learner held against a theorem on the game of a template."""

    template: str
    learner: str
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class OnlineStudy:
    """Learners on the measured games of a task, and what the theorems say.

    Attributes
    ----------
    task, receiver : str
    trajectories : mapping of str to mapping of str to Trajectory
        By template and learner.
    judged : tuple of Judged
    """

    task: str
    receiver: str
    trajectories: Mapping[str, Mapping[str, Trajectory]]
    judged: tuple[Judged, ...]

    @property
    def held(self) -> bool:
        """Whether no theorem is refuted by the learner that it covers."""
        return not any(
            one.verdict.outcome is Outcome.REFUTED for one in self.judged if one.learner == "robust"
        )

    @property
    def control_refuted(self) -> bool:
        """Whether the negative control breaks some bound: whether the checks can fail here."""
        return any(
            one.verdict.outcome is Outcome.REFUTED
            for one in self.judged
            if one.learner == "plug_in"
        )

    def regret_table(self) -> Table:
        """Return one row per template: what was lost, in utils of the Advisor."""
        names = [name for name in LEARNERS if name in next(iter(self.trajectories.values()))]
        rows = []
        for template, runs in self.trajectories.items():
            first = next(iter(runs.values()))
            row = [template, f"{first.optimal_value:.3f}"]
            for name in names:
                lost = float(runs[name].mean_regret[-1])
                optimum = float(runs[name].mean_optimum[-1])
                row += [f"{lost:.4g}", f"{lost / optimum:.2%}" if optimum else "-"]
            rows.append(row)
        columns = ["template", "optimum"]
        columns += [text for name in names for text in (_WORDS[name], "of T OPT")]
        horizon = _first_of(self, names[0]).horizon
        counts = ", ".join(f"{_WORDS[name]} {_first_of(self, name).n_runs}" for name in names)
        return Table(
            columns,
            rows,
            caption=f"{self.task} with {self.receiver}: cumulated regret after {horizon:,} rounds, "
            f"mean over runs ({counts})",
        )

    def verdict_table(self) -> Table:
        """Return one row per template and theorem: every learner held against the same bound."""
        found = {(j.template, j.verdict.theorem, j.learner): j.verdict for j in self.judged}
        names = [name for name in LEARNERS if any(j.learner == name for j in self.judged)]
        rows = []
        for template in self.trajectories:
            for theorem in THEOREMS:
                row = [template, theorem]
                for name in names:
                    verdict = found[template, theorem, name]
                    row += [_outcome(verdict), _ratio(verdict)]
                rows.append(row)
        columns = ["template", "theorem"]
        columns += [text for name in names for text in (_WORDS[name], "bound / regret")]
        words = set(range(2, len(columns), 2))
        return Table(
            columns,
            rows,
            caption="Bounds on the robust learner; they do not speak about the others, which are "
            "held against them all the same, each with its own growth factor",
            left=(0, 1, *words),
        )

    def plot(self, template: str) -> Axes:
        """Draw the regret of all learners on a template's game with the bounds, in scaled utils."""
        runs = self.trajectories[template]
        robust = runs["robust"]
        plays = [
            Play.of(runs[name], _WORDS[name], is_control=name == "plug_in")
            for name in LEARNERS
            if name in runs
        ]
        lines = [Line.of(theorem, robust, words) for theorem, words in _DRAWN.items()]
        game = robust.game
        optimum = float(game.sender_scale.to_unit(robust.optimal_value))
        return plot_bounds(plays, lines, optimum=optimum)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it."""
        return {
            "task": self.task,
            "receiver": self.receiver,
            "trajectories": {
                template: {name: one.to_dict() for name, one in runs.items()}
                for template, runs in self.trajectories.items()
            },
            "judged": [
                {"template": j.template, "learner": j.learner, "verdict": j.verdict.to_dict()}
                for j in self.judged
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OnlineStudy:
        """Restore what `to_dict` wrote."""
        return cls(
            task=data["task"],
            receiver=data["receiver"],
            trajectories={
                template: {name: Trajectory.from_dict(one) for name, one in runs.items()}
                for template, runs in data["trajectories"].items()
            },
            judged=tuple(
                Judged(j["template"], j["learner"], Verdict.from_dict(j["verdict"]))
                for j in data["judged"]
            ),
        )


def judge(
    measurement: Measurement,
    trajectories: Mapping[str, Mapping[str, Trajectory]],
    *,
    theorems: Sequence[str] = THEOREMS,
    alpha: float = 0.01,
    tell: Callable[[int, int], None] | None = None,
) -> OnlineStudy:
    """Hold runs on measured games against the theorems on the robust learner.

    Parameters
    ----------
    measurement : Measurement
        Where the games come from.
    trajectories : mapping of str to mapping of str to Trajectory
        By template and learner: "robust", and beside it "advisor" and "plug_in" if they were
        played.
    theorems : sequence of str
    alpha : float
        Probability of refuting a theorem that is true, over all templates together.
    tell : callable, optional
        Called with (verdicts, verdicts in all).

    Returns
    -------
    OnlineStudy

    Raises
    ------
    PersuasionError
        When the runs are not on the games measured, or `theory.check` finds another optimum.
    """
    for template, runs in trajectories.items():
        if template not in measurement.games:
            raise PersuasionError(
                f"there are runs of the template {template!r}, which was not measured; measured "
                f"are {', '.join(measurement.games)}"
            )
        for name, one in runs.items():
            if one.game != measurement.games[template]:
                raise PersuasionError(
                    f"the runs of {name!r} on template {template!r} are of another game than the "
                    "one measured; play again"
                )
    judged = []
    wanted = [
        (t, name, theorem) for t, r in trajectories.items() for name in r for theorem in theorems
    ]
    for done, (template, name, theorem) in enumerate(wanted):
        verdict = check(
            theorem,
            trajectories[template][name],
            alpha=alpha / len(trajectories),
            as_control=name != "robust",
        )
        judged.append(Judged(template, name, verdict))
        if tell is not None:
            tell(done + 1, len(wanted))
    return OnlineStudy(measurement.task, measurement.receiver, trajectories, tuple(judged))


def check_rule(task: str, rule: Receiver) -> None:
    """Raise unless the Receiver is one that the theorems are about."""
    if not isinstance(rule, Bayesian):
        raise PersuasionError(
            f"in task {task!r} the Receiver's rule is {type(rule).__name__}; regret against the "
            "linear program, and the theorems, are about a Receiver who best-responds. Choose a "
            'task whose rule is "best_response", or set `receiver.rule` in the configuration'
        )


def _first_of(study: OnlineStudy, learner: str) -> Trajectory:
    """Runs of a learner on the first template."""
    return next(iter(study.trajectories.values()))[learner]


def _outcome(verdict: Verdict) -> str:
    return str(verdict.outcome).replace("_", " ").lower()


def _ratio(verdict: Verdict) -> str:
    ratio = verdict.tightness
    return f"{ratio:.3g}" if ratio == ratio else "-"
