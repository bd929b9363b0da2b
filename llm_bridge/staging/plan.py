"""What an experiment consists of: its Advisors, its Receivers, the names of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llm_bridge.config import ExperimentConfig
from llm_bridge.staging.stages import Finished

__all__ = ["AdvisorPlan", "LearningCurve", "Seat", "plans_of", "share_name", "stage_names"]


@dataclass(frozen=True)
class Seat:
    """A Receiver: where she is and what tells her from all others.

    Attributes
    ----------
    name : str
        What tables call her.
    source : str or Path
        Folder or hub id of her model.
    label : str
        Tells the model from others that come out of the same stage, or from everywhere.
    made_by : tuple of Finished
        The stage that trained her, if one did.
    """

    name: str
    source: str | Path
    label: str
    made_by: tuple[Finished, ...] = ()


@dataclass(frozen=True)
class AdvisorPlan:
    """One Advisor to be trained.

    Attributes
    ----------
    task : str
    n_signals : int
    mode : str
    seed : int
    control : bool
        Whether she is there to fail.
    """

    task: str
    n_signals: int
    mode: str
    seed: int
    control: bool = False

    @property
    def name(self) -> str:
        """What tables call her."""
        words = f"{self.n_signals} signals, seed {self.seed}"
        return f"{self.mode}, {words}" if self.control else words

    @property
    def stage(self) -> str:
        """Name of her stage."""
        return f"advisor-{self.task}-{self.n_signals}-{self.mode}-{self.seed}"


@dataclass(frozen=True)
class LearningCurve:
    """Advisor's expected utility at each step of her training, in the measured games."""

    values: tuple[float, ...]
    warm_steps: int
    note: str = ""


def stage_names(config: ExperimentConfig) -> list[str]:
    """Names of the stages of an experiment, in the order in which they are done.

    Examples
    --------
    >>> from llm_bridge.config import ExperimentConfig
    >>> stage_names(ExperimentConfig(tasks=("math",)))[:3]
    ['receiver', 'measure-math-embedded', 'solve-math']
    """
    names = ["receiver"] if config.receiver.path is None else []
    names += [f"receiver-{o.name}" for o in config.other if o.training is not None]
    for task in config.tasks:
        names += [f"measure-{task}-{config.receiver.name}", f"solve-{task}"]
        names += [plan.stage for plan in plans_of(config, task)]
        names += [f"evaluate-{task}"]
        for other in config.other:
            names += [f"measure-{task}-{other.name}", f"transfer-{task}-{other.name}"]
    return names


def plans_of(config: ExperimentConfig, task: str) -> list[AdvisorPlan]:
    """Return the Advisors of a task that are to be trained, controls last."""
    mode, counts = config.advisor.mode, config.signals(task)
    plans = [AdvisorPlan(task, k, mode, seed) for k in counts for seed in config.seeds]
    if "reinforce" in config.evaluate.controls and mode != "reinforce":
        plans.append(AdvisorPlan(task, max(counts), "reinforce", config.seeds[0], control=True))
    return plans


def share_name(share: float) -> str:
    """Name of the folder of a checkpoint.

    Examples
    --------
    >>> share_name(0.25), share_name(1.0)
    ('share-0.25', 'share-1')
    """
    return f"share-{share:g}"
