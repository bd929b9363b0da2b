"""What an experiment consists of: its Advisors, its Receivers, the names of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_bridge.config import ExperimentConfig
from llm_bridge.sections import ApiSection, OtherSection, ReceiverSection, ReplaySection
from llm_bridge.staging.stages import Finished

__all__ = [
    "AdvisorPlan",
    "LearningCurve",
    "Seat",
    "Source",
    "baselines_stage",
    "plan_compared",
    "plans_of",
    "probe_stage",
    "seat_of",
    "share_name",
    "stage_names",
]


Source = str | Path | ApiSection | ReplaySection
"""Where a Receiver is: the folder or hub id of a model, a server, recorded answers."""


@dataclass(frozen=True)
class Seat:
    """A Receiver: where she is and what tells her from all others.

    Attributes
    ----------
    name : str
        What tables call her.
    source : Source
    label : str
        Tells the model from others that come out of the same stage, or from everywhere.
    made_by : tuple of Finished
        The stage that trained her, if one did.
    cache : Path, optional
        Where requests to a server and their answers are kept.
    """

    name: str
    source: Source
    label: str
    made_by: tuple[Finished, ...] = ()
    cache: Path | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """Modules that compute her answers beside those of models on this machine."""
        if isinstance(self.source, str | Path):
            return ()
        module = "openai_api" if isinstance(self.source, ApiSection) else "replay"
        return (f"llm_bridge.receivers.{module}", "llm_bridge.staging.sources")


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
    names = ["receiver"] if config.receiver.trained_here else []
    names += [f"receiver-{o.name}" for o in config.other if o.training is not None]
    servers = {config.receiver.name: config.receiver.api, **{o.name: o.api for o in config.other}}
    names += [probe_stage(n) for n, api in servers.items() if api is not None and api.probed]
    for task in config.tasks:
        names += [f"measure-{task}-{config.receiver.name}", f"solve-{task}"]
        names += [plan.stage for plan in plans_of(config, task)]
        names += [f"evaluate-{task}"]
        if config.baselines.names:
            names += [baselines_stage(task)]
        for other in config.other:
            names += [f"measure-{task}-{other.name}", f"transfer-{task}-{other.name}"]
            if other.name in config.baselines.receivers:
                names += [baselines_stage(task, other.name)]
    return names


def probe_stage(receiver: str) -> str:
    """Name of the stage in which a server shows which settings of a request it honours."""
    return f"probe-{receiver}"


def baselines_stage(task: str, other: str | None = None) -> str:
    """Name of the stage in which baselines are tried, with the Receiver or with another one."""
    return f"baselines-{task}" + ("" if other is None else f"-{other}")


def seat_of(
    name: str,
    section: ReceiverSection | OtherSection,
    labels: Mapping[Source, str],
    home: Path,
) -> Seat | None:
    """Return the seat of a Receiver who is there already; None: she is trained by the experiment.

    Parameters
    ----------
    name : str
    section : ReceiverSection or OtherSection
    labels : mapping of Source to str
    home : path
        Folder of the run, below which requests to servers are kept unless `section` says where.
    """
    if section.path is not None:
        return Seat(name, section.path, labels[section.path])
    if section.replay is not None:
        return Seat(name, section.replay, labels[section.replay])
    if section.api is not None:
        kept = section.api.cache
        cache = home / "requests" / f"{name}.jsonl" if kept is None else Path(kept).expanduser()
        return Seat(name, section.api, labels[section.api], cache=cache)
    return None


def plans_of(config: ExperimentConfig, task: str) -> list[AdvisorPlan]:
    """Return the Advisors of a task that are to be trained, controls last."""
    mode, counts = config.advisor.mode, config.signals(task)
    plans = [AdvisorPlan(task, k, mode, seed) for k in counts for seed in config.seeds]
    if "reinforce" in config.evaluate.controls and mode != "reinforce":
        plans.append(AdvisorPlan(task, max(counts), "reinforce", config.seeds[0], control=True))
    return plans


def plan_compared(config: ExperimentConfig, task: str) -> AdvisorPlan:
    """Return the Advisor who is held against baselines: most signals, first seed."""
    plans = [plan for plan in plans_of(config, task) if not plan.control]
    return max(plans, key=lambda plan: (plan.n_signals, -plan.seed))


def share_name(share: float) -> str:
    """Name of the folder of a checkpoint.

    Examples
    --------
    >>> share_name(0.25), share_name(1.0)
    ('share-0.25', 'share-1')
    """
    return f"share-{share:g}"
