"""Holding the Advisors of a run against the baselines: a stage for each task and Receiver."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from llm_bridge.arms import Signaler
from llm_bridge.compare import compare
from llm_bridge.comparison import Comparison
from llm_bridge.measurement import Measurement
from llm_bridge.reply_log import ReplyLog
from llm_bridge.responses import draw_examples
from llm_bridge.spending import Spent, TrainingBudget, advisor_spent
from llm_bridge.staging.experiment_stages import ExperimentStages
from llm_bridge.staging.plan import Seat, baselines_stage, plan_compared
from llm_bridge.staging.stages import Finished
from llm_bridge.staging.workshop import Tell
from llm_bridge.task import Example, Task, tally_of
from persuasion.whole_file import write_whole

__all__ = ["compared"]

_COMPARISON, _REPLIES = "comparison.json", "replies.jsonl"
_CODE = (
    "llm_bridge.staging.baseline_stages",
    "llm_bridge.compare",
    "llm_bridge.advisor",
    "llm_bridge.codebook",
    "llm_bridge.receivers.local",
    "llm_bridge.receivers.rules",
)
"""Modules that compute what the stage leaves."""


def compared(
    steps: ExperimentStages,
    task: Task,
    seat: Seat,
    measured: Finished,
    advised: Finished,
    judged: Finished,
) -> Comparison:
    """Try the baselines of an experiment in one task with one Receiver, or find them tried.

    Parameters
    ----------
    steps : ExperimentStages
    task : Task
    seat : Seat
        The Receiver, or another one of `baselines.receivers`: the Advisor is not trained again for
        her, baselines are.
    measured : Finished
        Her games.
    advised : Finished
        The training of `plan_compared`. The baselines learn from the same inputs, with as many
        operations.
    judged : Finished
        The stage in which the same Receiver answered the same held-out inputs. Those replies are
        not generated again; the outcome does not depend on it.
    """
    config, plan = steps.config, plan_compared(steps.config, task.name)
    names, main = config.baselines.names, config.receiver.name
    moved = seat.name != main

    def work(folder: Path, tell: Tell) -> None:
        before = tally_of(task)
        if not (folder / _REPLIES).exists():
            write_whole(folder / _REPLIES, (judged.folder / _REPLIES).read_bytes())
        advisor = steps.workshop.advisor(advised.folder)
        examples = draw_examples(task, "train", config.advisor.n_inputs, plan.seed)
        spent = _spent(steps, task, advisor, examples)
        found = compare(
            task,
            steps.workshop.receiver(seat, steps.rule(task.name)),
            Measurement.load(measured.folder / "measurement.json"),
            advisor,
            examples,
            budget=TrainingBudget(spent.operations) if moved else spent,
            n_inputs=config.evaluate.n_inputs,
            baselines=names,
            leave_out=True,
            trained_for=main if moved else None,
            seed=config.evaluate.seed,
            margin=config.advisor.margin,
            confidence=config.evaluate.confidence,
            log=ReplyLog(folder / _REPLIES),
            progress=tell,
        )
        write_whole(folder / _COMPARISON, json.dumps(found.to_dict()).encode())
        steps.keep_tally(task.name, before, folder)

    settings = {
        "plan": asdict(plan),
        "how": {**asdict(config.evaluate), "controls": ()},
        "advisor": {**asdict(config.advisor), "signals": None},
        "names": names,
        **steps.evaluation_settings(task.name, seat),
    }
    inputs = (*seat.made_by, measured, advised)
    code = (*_CODE, *seat.code, type(task).__module__)
    stage = baselines_stage(task.name, seat.name if moved else None)
    done = steps.do(stage, work, settings, inputs, code)
    return Comparison.from_dict(json.loads((done.folder / _COMPARISON).read_bytes()))


def _spent(
    steps: ExperimentStages, task: Task, advisor: Signaler, examples: Sequence[Example]
) -> Spent:
    """What the Advisor's training took; nothing where she is no language model."""
    from llm_bridge.advisor import Advisor
    from llm_bridge.training.settings import AdvisorTraining

    section = steps.config.advisor
    if not isinstance(advisor, Advisor):
        return Spent()
    settings = AdvisorTraining(
        warm_steps=section.warm_steps, steps=section.steps, batch=section.batch
    )
    return advisor_spent(advisor, task, examples, settings)
