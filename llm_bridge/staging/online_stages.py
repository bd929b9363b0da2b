"""Playing the measured games online, each learner on each template a stage of the run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_bridge.measurement import Measurement
from llm_bridge.online import ADVISOR, LEARNERS, OnlineStudy, check_rule, judge
from llm_bridge.staging.experiment_stages import ExperimentStages
from llm_bridge.staging.plan import AdvisorPlan, Seat
from llm_bridge.staging.stages import Finished
from llm_bridge.staging.workshop import Tell
from llm_bridge.task import Task
from persuasion.errors import PersuasionError
from persuasion.learners import load as load_learner
from persuasion.simulate import simulate
from persuasion.trajectory import Trajectory
from persuasion.whole_file import write_whole

__all__ = ["OnlinePlay", "online_names", "play_online"]

_TRAJECTORY = "trajectory.json"
_PLAYING = (
    "llm_bridge.staging.online_stages",
    "persuasion.simulate",
    *(f"persuasion.learners.{name}" for name in ("robust", "plug_in")),
)
_TRAINING = (
    "llm_bridge.online_learner",
    *(f"llm_bridge.objectives.{mode}" for mode in ("distill", "exact")),
)
"""Modules that compute what the stages leave."""


@dataclass(frozen=True)
class OnlinePlay:
    """How the measured games are played online.

    Parameters
    ----------
    horizon : int
        Rounds of a run.
    n_runs : int
        Runs of the language model.
    n_other_runs : int
        Runs of each other learner, which cost next to nothing. The first see the same items as
        those of the language model.
    seed : int
        Of items, inputs and weights.
    n_inputs : int
        Inputs that the language model's scheme draws from.
    steps : int
        Gradient steps of an epoch.
    """

    horizon: int = 100_000
    n_runs: int = 2
    n_other_runs: int = 16
    seed: int = 0
    n_inputs: int = 16
    steps: int = 60

    def __post_init__(self) -> None:
        for name, least in (("horizon", 2), ("n_runs", 1), ("n_other_runs", 1), ("seed", 0),
                            ("n_inputs", 1), ("steps", 1)):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise PersuasionError(
                    f"`{name}` must be a whole number of at least {least}; got {value!r}"
                )


def online_names(task: Task) -> list[str]:
    """Names of the stages of a task, in order."""
    return [f"online-{task.name}-{t}-{learner}" for t in task.priors for learner in LEARNERS]


def play_online(
    steps: ExperimentStages, task: Task, seat: Seat, measured: Finished, how: OnlinePlay
) -> OnlineStudy:
    """Let every learner play every measured game of a task, or find it done, and judge.

    Raises
    ------
    PersuasionError
        Before anything is played, when the Receiver does not best-respond.
    """
    check_rule(task.name, steps.rule(task.name))
    measurement = Measurement.load(measured.folder / "measurement.json")
    runs: dict[str, dict[str, Trajectory]] = {}
    for template in task.priors:
        runs[template] = {}
        for name in LEARNERS:
            done = _played(steps, task, template, name, measurement, measured, how)
            content = json.loads((done.folder / _TRAJECTORY).read_bytes())
            runs[template][name] = Trajectory.from_dict(content)
    return judge(measurement, runs)


def _played(
    steps: ExperimentStages,
    task: Task,
    template: str,
    name: str,
    measurement: Measurement,
    measured: Finished,
    how: OnlinePlay,
) -> Finished:
    is_model = name == ADVISOR

    def work(folder: Path, tell: Tell) -> None:
        learner = _advisor(steps, task, template, how) if is_model else load_learner(name)
        trajectory = simulate(
            measurement.games[template],
            learner,
            horizon=how.horizon,
            n_runs=how.n_runs if is_model else how.n_other_runs,
            seed=how.seed,
            progress=tell,
        )
        write_whole(folder / _TRAJECTORY, json.dumps(trajectory.to_dict()).encode())

    settings: dict[str, Any] = {"template": template, "horizon": how.horizon, "seed": how.seed}
    if is_model:
        section = asdict(steps.config.advisor)
        settings |= {"how": asdict(how), "advisor": {**section, "signals": None}}
        settings |= {"task": steps.data(task.name), "start": steps.start}
    else:
        settings["n_runs"] = how.n_other_runs
    code = (*(_TRAINING if is_model else ()), *_PLAYING, type(task).__module__)
    return steps.do(f"online-{task.name}-{template}-{name}", work, settings, (measured,), code)


def _advisor(steps: ExperimentStages, task: Task, template: str, how: OnlinePlay) -> Any:
    """Put an untrained Advisor in the place of a learner."""
    from llm_bridge.online_learner import AdvisorLearner

    plan = AdvisorPlan(task.name, len(task.items), "exact", how.seed)
    advisor: Any = steps.workshop.untrained(plan, task)
    return AdvisorLearner(
        advisor=advisor,
        task=task,
        examples=task.examples(template, "train", how.n_inputs, how.seed),
        steps=how.steps,
        device=steps.config.device,
    )
