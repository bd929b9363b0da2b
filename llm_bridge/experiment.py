"""The whole experiment: models, measured games, Advisors, held-out inputs, other Receivers.

A run is a folder. Its stages stand in ``stages/``, each whole or not there
(`llm_bridge.staging.stages`); what is shown is made anew from them by every call, so that it is the
same however often the run was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from llm_bridge.comparison import Comparison
from llm_bridge.config import ExperimentConfig
from llm_bridge.evaluation import Evaluation
from llm_bridge.measurement import Measurement
from llm_bridge.optimum import Optimum
from llm_bridge.responses import checked_prior
from llm_bridge.sections import OtherSection, ReceiverSection
from llm_bridge.staging.baseline_stages import compared
from llm_bridge.staging.experiment_stages import (
    ExperimentStages,
    kernels_in,
    learning_curve_in,
    optima_in,
    tallies_in,
)
from llm_bridge.staging.plan import (
    AdvisorPlan,
    LearningCurve,
    Source,
    plan_compared,
    plans_of,
    stage_names,
)
from llm_bridge.staging.run_lock import locked
from llm_bridge.staging.stages import Finished, Stages, bridge_versions
from llm_bridge.staging.workshop import Tell, Workshop
from llm_bridge.task import Tally
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.whole_file import write_whole

__all__ = ["Bar", "Outcome", "labels_of", "opened", "run", "unheard"]

Bar = Callable[[str], AbstractContextManager[Tell]]
"""Given what is going on, shows how far it is."""

_LABEL = "experiment.json"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an experiment.

    Attributes
    ----------
    config : ExperimentConfig
    folder : Path
    measurements : mapping of str to Measurement
        By task.
    optima : mapping of str to mapping of int to Optimum
        By task and number of signals.
    curves : mapping of AdvisorPlan to LearningCurve
    kernels : mapping of AdvisorPlan to mapping of str to ndarray (n_items, n_signals)
        The scheme learned, averaged over the held-out inputs of each template.
    evaluations : mapping of str to Evaluation
        By task.
    transfers : mapping of str to mapping of str to Evaluation
        By task and other Receiver.
    comparisons : mapping of str to mapping of str to Comparison
        By task and Receiver: beside other ways; empty where no baselines are named.
    reports : tuple of str
        What was asked of servers and what came of it, in sentences.
    tallies : mapping of str to Tally
        By stage, of tasks that read answers: how many could not be read.
    stages : tuple of Finished
    idle : tuple of Path
        Finished stages of other settings that stand in the same folder.
    seconds : float
        Wall time of this call.
    versions : mapping of str to str
    """

    config: ExperimentConfig
    folder: Path
    measurements: Mapping[str, Measurement]
    optima: Mapping[str, Mapping[int, Optimum]]
    curves: Mapping[AdvisorPlan, LearningCurve]
    kernels: Mapping[AdvisorPlan, Mapping[str, FloatArray]]
    evaluations: Mapping[str, Evaluation]
    transfers: Mapping[str, Mapping[str, Evaluation]]
    comparisons: Mapping[str, Mapping[str, Comparison]]
    reports: tuple[str, ...]
    tallies: Mapping[str, Tally]
    stages: tuple[Finished, ...]
    idle: tuple[Path, ...]
    seconds: float
    versions: Mapping[str, str]


def run(
    config: ExperimentConfig,
    folder: Path | str,
    workshop: Workshop,
    *,
    bar: Bar | None = None,
    note: Callable[[str], None] | None = None,
    then: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Carry out an experiment, or what of it is not done yet.

    Parameters
    ----------
    config : ExperimentConfig
    folder : path
        Made when missing; must be empty or hold runs. Several experiments may share it: stages
        with the same settings are done once.
    workshop : Workshop
    bar : callable, optional
        Called with the name of each stage that is worked on.
    note : callable, optional
        Called with what servers will be asked and what that will cost, before anything is asked;
        where the run ends badly, also with what became of what was asked.
    then : callable, optional
        Called with the outcome before another process may write in the folder: writes the report.

    Returns
    -------
    Outcome

    Raises
    ------
    PersuasionError
        Before any work when something in `config` cannot be had, recorded answers lack a prompt,
        a budget will likely not do, another process is writing in the folder, or it holds something
        else. Whatever goes wrong later, all stages that are finished are kept.
    """
    began, told = perf_counter(), note or unheard
    with opened(config, folder, workshop, bar=bar) as steps:
        bills = steps.check_ahead()
        for line in bills.lines():
            told(line)
        try:
            outcome = _outcome(steps, Path(folder), began)
        except BaseException:
            for line in workshop.reports():
                told(line)
            raise
        if then is not None:
            then(outcome)
        return outcome


@contextmanager
def opened(
    config: ExperimentConfig,
    folder: Path | str,
    workshop: Workshop,
    *,
    names: Sequence[str] | None = None,
    bar: Bar | None = None,
) -> Iterator[ExperimentStages]:
    """Check everything that `config` names, hold the folder, and give its stages.

    Parameters
    ----------
    config, folder, workshop, bar
        As in `run`.
    names : sequence of str, optional
        Stages that will be done, in order; default those of the whole experiment.
    """
    with workshop.led(), _held(config, Path(folder), workshop, names, bar) as steps:
        yield steps


@contextmanager
def _held(
    config: ExperimentConfig,
    root: Path,
    workshop: Workshop,
    names: Sequence[str] | None,
    bar: Bar | None,
) -> Iterator[ExperimentStages]:
    _check_folder(root)
    tasks = {name: workshop.task(name) for name in config.tasks}
    for task in tasks.values():
        for template in task.priors:
            checked_prior(task, template)
    labels = labels_of(config, workshop)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        write_whole(root / _LABEL, b'{"format": 1}\n')
        order = list(stage_names(config) if names is None else names)

        def shown(name: str) -> AbstractContextManager[Tell]:
            place = f"{order.index(name) + 1}/{len(order)}"
            return (bar or _no_bar)(f"{place} {name}")

        try:
            stages = Stages(root / "stages")
            yield ExperimentStages(config, stages, workshop, tasks, labels, shown)
        finally:
            workshop.close()


def _outcome(steps: ExperimentStages, root: Path, began: float) -> Outcome:
    """Do every stage and read what they left."""
    config = steps.config
    receivers = steps.receivers()
    main, *others = receivers
    warnings = steps.probed(receivers)
    measurements, optima, evaluations = {}, {}, {}
    curves: dict[AdvisorPlan, LearningCurve] = {}
    kernels: dict[AdvisorPlan, Mapping[str, FloatArray]] = {}
    transfers: dict[str, dict[str, Evaluation]] = {}
    comparisons: dict[str, dict[str, Comparison]] = {}
    for task in config.tasks:
        measured = steps.measured(task, main)
        measurements[task] = Measurement.load(measured.folder / "measurement.json")
        solved = steps.solved(task, measured)
        optima[task] = optima_in(solved.folder)
        trained = {plan: steps.advised(plan, measured, solved) for plan in plans_of(config, task)}
        curves |= {plan: learning_curve_in(done.folder) for plan, done in trained.items()}
        evaluated = steps.evaluated(task, main, measured, trained)
        evaluations[task] = Evaluation.load(evaluated.folder)
        kernels |= kernels_in(evaluated.folder, trained)
        compare_with = partial(compared, steps, steps.task(task))
        advised = trained[plan_compared(config, task)]
        comparisons[task] = {}
        if config.baselines.names:
            comparisons[task][main.name] = compare_with(main, measured, advised, evaluated)
        transfers[task] = {}
        for other in others:
            theirs = steps.measured(task, other)
            moved = steps.transferred(task, other, theirs, trained)
            transfers[task][other.name] = Evaluation.load(moved.folder)
            if other.name in config.baselines.receivers:
                comparisons[task][other.name] = compare_with(other, theirs, advised, moved)
    return Outcome(
        config=config,
        folder=root,
        measurements=measurements,
        optima=optima,
        curves=curves,
        kernels=kernels,
        evaluations=evaluations,
        transfers=transfers,
        comparisons=comparisons,
        reports=tuple(dict.fromkeys([*warnings, *steps.workshop.reports()])),
        tallies=tallies_in(steps.stages.finished),
        stages=tuple(steps.stages.finished),
        idle=tuple(steps.stages.others()),
        seconds=perf_counter() - began,
        versions=bridge_versions(),
    )


def labels_of(config: ExperimentConfig, workshop: Workshop) -> dict[Source, str]:
    """What tells models and other sources of answers from all others, looked up before any work."""
    sections: tuple[ReceiverSection | OtherSection, ...] = (config.receiver, *config.other)
    paths = (config.advisor.path, *(one.path for one in sections))
    labels: dict[Source, str] = {path: workshop.model_label(path) for path in paths if path}
    for one in sections:
        for source in (one.api, one.replay):
            if source is not None:
                labels[source] = workshop.source_label(source)
    return labels


def _check_folder(root: Path) -> None:
    """Refuse folders that hold something else."""
    if root.exists() and not root.is_dir():
        raise PersuasionError(f"{root} is a file; a run is a folder, name another")
    if (
        root.exists()
        and not (root / _LABEL).exists()
        and any(path.name[0] != "." for path in root.iterdir())
    ):
        raise PersuasionError(
            f"{root} is not empty and holds no experiment; name a new or empty folder"
        )


def unheard(line: str) -> None:
    """Who hears what nobody wants to be told."""


@contextmanager
def _no_bar(text: str) -> Iterator[Tell]:
    yield lambda done, total: None
