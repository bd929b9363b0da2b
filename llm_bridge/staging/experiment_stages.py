"""The stages of an experiment: what each does, on what its outcome depends, what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from llm_bridge.arms import Signaler
from llm_bridge.config import ExperimentConfig
from llm_bridge.evaluate import evaluate
from llm_bridge.evaluation import Evaluation
from llm_bridge.measure import measure
from llm_bridge.measurement import Measurement
from llm_bridge.optimum import Optimum, optimum
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply_log import ReplyLog
from llm_bridge.requests.calls import RefusedError
from llm_bridge.responses import draw_examples, prompts_of
from llm_bridge.sections import ApiSection, OtherSection, ReceiverSection, TrainingSection
from llm_bridge.staging.ahead import Bills, look_ahead, rule_of, seats_ahead
from llm_bridge.staging.plan import (
    AdvisorPlan,
    LearningCurve,
    Seat,
    Source,
    plan_compared,
    probe_stage,
    seat_of,
    share_name,
)
from llm_bridge.staging.stages import Finished, Stage, Stages
from llm_bridge.staging.workshop import Tell, Workshop
from llm_bridge.task import Tally, Task, tally_of
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver
from persuasion.whole_file import write_whole

__all__ = ["ExperimentStages", "kernels_in", "learning_curve_in", "optima_in", "tallies_in"]

_MEASUREMENT, _OPTIMA = "measurement.json", "optima.json"
_CURVE, _KERNELS, _REPLIES = "curve.json", "kernels.json", "replies.jsonl"
_TALLY, _PROBE = "tally.json", "probe.json"
# modules that compute what a stage leaves, beside those of its tasks
_TRAINING_RECEIVERS = ("llm_bridge.pretrain",)
_GENERATING = ("llm_bridge.receivers.local", "llm_bridge.receivers.rules")
_MEASURING = ("llm_bridge.measure", *_GENERATING)
_SOLVING = ("llm_bridge.optimum", "llm_bridge.receivers.rules")
_MAKING_ADVISORS = ("llm_bridge.advisor", "llm_bridge.codebook", "llm_bridge.vocabulary")
_TRAINING_ADVISORS = ("llm_bridge.train", "llm_bridge.measurement", *_MAKING_ADVISORS)
_EVALUATING = ("llm_bridge.evaluate", "llm_bridge.responses", *_MAKING_ADVISORS, *_GENERATING)


class ExperimentStages:
    """Does the stages of one experiment, each by one method that returns it finished.

    Parameters
    ----------
    config : ExperimentConfig
    stages : Stages
    workshop : Workshop
    tasks : mapping of str to Task
    labels : mapping of Source to str
        What tells each model and each other source that `config` names from all others.
    bar : callable
        Given the name of a stage, shows how far it is.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        stages: Stages,
        workshop: Workshop,
        tasks: Mapping[str, Task],
        labels: Mapping[Source, str],
        bar: Callable[[str], AbstractContextManager[Tell]],
    ) -> None:
        self.config, self.stages, self.workshop = config, stages, workshop
        self._tasks, self._labels, self._bar = tasks, labels, bar
        self._machine = dict(workshop.settings())

    def check_ahead(self) -> Bills:
        """Look through recorded answers and refuse what budgets will not carry; nobody is asked.

        Raises
        ------
        PersuasionError
            Before any work, see `ahead.look_ahead`; a `CapReachedError` where what will be asked of
            a server likely costs more than is left.
        """
        seats = seats_ahead(self.config, self._labels, self.stages.folder.parent)
        bills = look_ahead(self.config, self._tasks, seats, self.workshop)
        for name in bills.budgets:
            bills.check(name)
        if self.config.advisor.path is not None:
            for name, task in self._tasks.items():
                plan, section = plan_compared(self.config, name), self.config.advisor
                held_out = self.config.evaluate.n_inputs, self.config.evaluate.seed
                examples = [
                    *draw_examples(task, "train", section.n_inputs, plan.seed),
                    *draw_examples(task, "test", *held_out),
                ]
                self.workshop.check_advisor(plan, task, examples)
        return bills

    # -- models ----------------------------------------------------------------------------

    def receivers(self) -> list[Seat]:
        """Train whom there is to train; the Receiver first, then the others."""
        config, section = self.config, self.config.receiver
        shares = {1.0, *(other.checkpoint for other in config.other if other.checkpoint)}
        own: tuple[Finished, ...] = ()
        if section.trained_here:
            own = (self._trained("receiver", section.training, tuple(sorted(shares))),)
        seats = [self._seat(section.name, section, own, 1.0)]
        for other in config.other:
            made_by = own
            if other.training is not None:
                made_by = (self._trained(f"receiver-{other.name}", other.training, (1.0,)),)
            seats.append(self._seat(other.name, other, made_by, other.checkpoint or 1.0))
        return seats

    def _trained(self, name: str, training: TrainingSection, shares: tuple[float, ...]) -> Finished:
        def work(folder: Path, tell: Tell) -> None:
            tasks = list(self._tasks.values())
            self.workshop.train_receiver(tasks, training, shares, folder, tell)

        tasks = {task: self.data(task) for task in self.config.tasks}
        settings = {"training": asdict(training), "shares": shares, "tasks": tasks}
        code = (*_TRAINING_RECEIVERS, *self._modules(*self._tasks))
        return self.do(name, work, settings, (), code)

    def _seat(
        self,
        name: str,
        section: ReceiverSection | OtherSection,
        made_by: tuple[Finished, ...],
        share: float,
    ) -> Seat:
        seat = seat_of(name, section, self._labels, self.stages.folder.parent)
        if seat is not None:
            return seat
        return Seat(name, made_by[0].folder / share_name(share), share_name(share), made_by)

    def probed(self, seats: Sequence[Seat]) -> list[str]:
        """Find out which settings of a request servers ignore; return what to mind of each."""
        return [line for seat in seats for line in self._probed(seat)]

    def _probed(self, seat: Seat) -> list[str]:
        if not (isinstance(seat.source, ApiSection) and seat.source.probed):
            return []
        task = self.task(self.config.tasks[0])
        how = self.config.measure

        def work(folder: Path, tell: Tell) -> None:
            asked: Any = self._receiver(seat, task.name)
            first = prompts_of(task, draw_examples(task, "measure", how.n_inputs, how.seed))[0]
            try:
                warnings = list(asked.probe(first).warnings)
            except RefusedError as cause:
                warnings = [f"some settings are refused: {cause}"]
            _write_json(folder / _PROBE, warnings)

        settings = {"how": asdict(how), "task": self.data(task.name), **self._who(seat)}
        code = ("llm_bridge.requests.probe", *seat.code)
        done = self.do(probe_stage(seat.name), work, settings, (), code)
        return [f"{seat.name}: {line}" for line in json.loads((done.folder / _PROBE).read_bytes())]

    # -- games -----------------------------------------------------------------------------

    def measured(self, task: str, seat: Seat) -> Finished:
        """Measure the games of a task with one Receiver."""
        how = self.config.measure

        def work(folder: Path, tell: Tell) -> None:
            before = tally_of(self._tasks[task])
            found = measure(
                self._tasks[task],
                self._receiver(seat, task),
                n_inputs=how.n_inputs,
                seed=how.seed,
                confidence=how.confidence,
                log=ReplyLog(folder / _REPLIES),
                progress=tell,
            )
            found.save(folder / _MEASUREMENT)
            self.keep_tally(task, before, folder)

        settings = {"how": asdict(how), "task": self.data(task), **self._who(seat)}
        code = (*_MEASURING, *seat.code, *self._modules(task))
        return self.do(f"measure-{task}-{seat.name}", work, settings, seat.made_by, code)

    def solved(self, task: str, measured: Finished) -> Finished:
        """Solve the measured games for every number of signals that is asked for."""
        counts = sorted({*self.config.signals(task), len(self._tasks[task].items)})
        margin = self.config.advisor.margin

        def work(folder: Path, tell: Tell) -> None:
            measurement = Measurement.load(measured.folder / _MEASUREMENT)
            found = []
            for done, k in enumerate(counts):
                tell(done, len(counts))
                found.append(optimum(measurement, self.rule(task), k, margin=margin).to_dict())
            _write_json(folder / _OPTIMA, found)

        section = self.config.receiver
        rule = {"rule": section.rule, "beta": section.beta}
        settings = {"task": task, "counts": counts, "margin": margin, **rule}
        code = (*_SOLVING, *self._modules(task))
        return self.do(f"solve-{task}", work, settings, (measured,), code)

    # -- Advisors --------------------------------------------------------------------------

    def advised(self, plan: AdvisorPlan, measured: Finished, solved: Finished) -> Finished:
        """Train one Advisor. What was solved is shown to the mode "distill" alone."""
        section = self.config.advisor
        distills = plan.mode == "distill"

        def work(folder: Path, tell: Tell) -> None:
            measurement = Measurement.load(measured.folder / _MEASUREMENT)
            margins = {
                template: one.margin(section.margin)
                if isinstance(section.margin, str)
                else float(section.margin)
                for template, one in measurement.estimates.items()
            }
            targets: dict[str, FloatArray] = {}
            if distills:
                best = optima_in(solved.folder)[plan.n_signals]
                targets = {t: scheme.kernel for t, scheme in best.schemes.items()}
            task = self._tasks[plan.task]
            curve = self.workshop.train_advisor(
                plan, task, measurement, margins, targets, folder, tell
            )
            _write_json(folder / _CURVE, asdict(curve))

        settings = {
            "plan": asdict(plan),
            "task": self.data(plan.task),
            "advisor": {**asdict(section), "signals": None, "mode": plan.mode},
            "start": self.start,
            "rule": self.config.receiver.rule,
            "beta": self.config.receiver.beta,
        }
        objective = f"llm_bridge.objectives.{plan.mode}"
        code = (*_TRAINING_ADVISORS, objective, *self._modules(plan.task))
        inputs = (measured, solved) if distills else (measured,)
        return self.do(plan.stage, work, settings, inputs, code)

    # -- held-out inputs -------------------------------------------------------------------

    def evaluated(
        self,
        task: str,
        seat: Seat,
        measured: Finished,
        trained: Mapping[AdvisorPlan, Finished],
    ) -> Finished:
        """Hold Advisors and controls against held-out inputs."""
        how = self.config.evaluate

        def work(folder: Path, tell: Tell) -> None:
            advisors = self._advisors(trained)
            controls = {plan.name: one for plan, one in advisors.items() if plan.control}
            if "untrained" in how.controls:
                largest = max(
                    (plan for plan in trained if not plan.control), key=lambda p: p.n_signals
                )
                controls["untrained"] = self.workshop.untrained(largest, self._tasks[task])
            receiver = self._receiver(seat, task)
            before = tally_of(self._tasks[task])
            found = self._evaluation(task, receiver, measured, advisors, controls, folder, tell)
            found.save(folder)
            self.keep_tally(task, before, folder)
            self._keep_kernels(task, advisors, folder)

        settings = {"how": asdict(how), **self.evaluation_settings(task, seat)}
        inputs = (*seat.made_by, measured, *trained.values())
        code = (*_EVALUATING, *seat.code, *self._modules(task))
        return self.do(f"evaluate-{task}", work, settings, inputs, code)

    def transferred(
        self,
        task: str,
        seat: Seat,
        measured: Finished,
        trained: Mapping[AdvisorPlan, Finished],
    ) -> Finished:
        """Let the same Advisors meet another Receiver."""
        moving = {plan: done for plan, done in trained.items() if not plan.control}

        def work(folder: Path, tell: Tell) -> None:
            receiver = self._receiver(seat, task)
            advisors = self._advisors(moving)
            before = tally_of(self._tasks[task])
            self._evaluation(task, receiver, measured, advisors, {}, folder, tell).save(folder)
            self.keep_tally(task, before, folder)

        how = {**asdict(self.config.evaluate), "controls": ()}
        settings = {"how": how, **self.evaluation_settings(task, seat)}
        inputs = (*seat.made_by, measured, *moving.values())
        code = (*_EVALUATING, *seat.code, *self._modules(task))
        return self.do(f"transfer-{task}-{seat.name}", work, settings, inputs, code)

    def _advisors(self, trained: Mapping[AdvisorPlan, Finished]) -> dict[AdvisorPlan, Signaler]:
        return {plan: self.workshop.advisor(done.folder) for plan, done in trained.items()}

    def _evaluation(
        self,
        task: str,
        receiver: TextReceiver,
        measured: Finished,
        advisors: Mapping[AdvisorPlan, Signaler],
        controls: Mapping[str, Signaler],
        folder: Path,
        tell: Tell,
    ) -> Evaluation:
        how = self.config.evaluate
        return evaluate(
            self._tasks[task],
            receiver,
            Measurement.load(measured.folder / _MEASUREMENT),
            {plan.name: one for plan, one in advisors.items() if not plan.control},
            controls=controls,
            n_inputs=how.n_inputs,
            seed=how.seed,
            margin=self.config.advisor.margin,
            confidence=how.confidence,
            log=ReplyLog(folder / _REPLIES),
            progress=tell,
        )

    def keep_tally(self, task: str, before: Tally | None, folder: Path) -> None:
        """Write how many answers could not be read, of tasks that count them."""
        now = tally_of(self._tasks[task])
        if now is not None and before is not None:
            _write_json(folder / _TALLY, asdict(now.since(before)))

    def _keep_kernels(
        self, task: str, advisors: Mapping[AdvisorPlan, Signaler], folder: Path
    ) -> None:
        """Write the scheme of each Advisor, averaged over the held-out inputs of each template."""
        how = self.config.evaluate
        examples = draw_examples(self._tasks[task], "test", how.n_inputs, how.seed)
        where = np.array([example.template for example in examples])
        found = {}
        for plan, advisor in advisors.items():
            kernels = advisor.kernels(self._tasks[task], examples)
            templates = self._tasks[task].priors
            found[plan.stage] = {t: kernels[where == t].mean(axis=0).tolist() for t in templates}
        _write_json(folder / _KERNELS, found)

    # -- shared ----------------------------------------------------------------------------

    def data(self, task: str) -> dict[str, Any]:
        """What tells a task from others of its name: parameters, and the data that were read."""
        parameters = {k: v for k, v in self.config.parameters(task).items() if k != "path"}
        return {"name": task, "parameters": parameters, "data": self._tasks[task].fingerprint}

    @property
    def start(self) -> str | None:
        """What tells the model that Advisors start from, where one is given."""
        return self._labels.get(self.config.advisor.path or "")

    def do(
        self,
        name: str,
        work: Callable[[Path, Tell], None],
        settings: Mapping[str, Any],
        inputs: tuple[Finished, ...],
        code: tuple[str, ...] = (),
    ) -> Finished:
        """Find a stage done or do it, showing how far it is; `code` as in `stages.Stage`."""

        def shown(folder: Path) -> None:
            with self._bar(name) as tell:
                work(folder, tell)

        known = {**settings, "machine": self._machine}
        return self.stages.run(Stage(name, shown, known, inputs, code, keeps_checkpoints=True))

    def _modules(self, *tasks: str) -> tuple[str, ...]:
        return tuple(type(self._tasks[task]).__module__ for task in tasks)

    def _receiver(self, seat: Seat, task: str) -> TextReceiver:
        return self.workshop.receiver(seat, self.rule(task))

    def task(self, name: str) -> Task:
        """Return a task of the experiment."""
        return self._tasks[name]

    def rule(self, task: str) -> Receiver:
        """How Receivers turn beliefs into believed items in a task."""
        return rule_of(self.config, self._tasks[task])

    def _who(self, seat: Seat) -> dict[str, Any]:
        """Everything that tells a Receiver's answers from another's, beside her stage."""
        section = self.config.receiver
        return {
            "receiver": seat.name,
            "label": seat.label,
            "rule": section.rule,
            "beta": section.beta,
            "batch_size": section.batch_size,
        }

    def evaluation_settings(self, task: str, seat: Seat) -> dict[str, Any]:
        """What tells answers to the held-out inputs of a task, and the schemes, from all others."""
        return {"task": self.data(task), "margin": self.config.advisor.margin, **self._who(seat)}


# -- reading what stages left ------------------------------------------------------------------


def optima_in(folder: Path) -> dict[int, Optimum]:
    """Return what a stage "solve" left, by number of signals."""
    found = [Optimum.from_dict(one) for one in json.loads((folder / _OPTIMA).read_bytes())]
    return {one.n_signals: one for one in found}


def learning_curve_in(folder: Path) -> LearningCurve:
    """Return what a stage "advisor" left."""
    read = json.loads((folder / _CURVE).read_bytes())
    return LearningCurve(**{**read, "values": tuple(read["values"])})


def kernels_in(
    folder: Path, trained: Mapping[AdvisorPlan, Finished]
) -> dict[AdvisorPlan, Mapping[str, FloatArray]]:
    """Return the averaged schemes that a stage "evaluate" left."""
    read = json.loads((folder / _KERNELS).read_bytes())
    return {
        plan: {template: np.array(kernel) for template, kernel in read[plan.stage].items()}
        for plan in trained
    }


def tallies_in(stages: Iterable[Finished]) -> dict[str, Tally]:
    """Return how many answers could not be read, by stage."""
    files = {stage.name: stage.folder / _TALLY for stage in stages}
    return {n: Tally(**json.loads(f.read_bytes())) for n, f in files.items() if f.exists()}


def _write_json(path: Path, content: Any) -> None:
    write_whole(path, json.dumps(content).encode())
