"""Holding the Advisors of a run against the baselines, each task a stage of the run's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from llm_bridge.compare import Comparison, compare
from llm_bridge.measurement import Measurement
from llm_bridge.reply_log import ReplyLog
from llm_bridge.spending import Spent, advisor_spent
from llm_bridge.staging.experiment_stages import ExperimentStages
from llm_bridge.staging.plan import AdvisorPlan, Seat, plans_of
from llm_bridge.staging.stages import Finished
from llm_bridge.staging.workshop import Tell
from llm_bridge.task import Task
from persuasion.whole_file import write_whole

__all__ = ["compared", "plan_compared"]

_COMPARISON = "comparison.json"
_CODE = ("llm_bridge.compare", "llm_bridge.evaluate")


def plan_compared(steps: ExperimentStages, task: str) -> AdvisorPlan:
    """Return the Advisor that is held against baselines: most signals, first seed."""
    plans = [plan for plan in plans_of(steps.config, task) if not plan.control]
    return max(plans, key=lambda plan: (plan.n_signals, -plan.seed))


def compared(
    steps: ExperimentStages,
    task: Task,
    seat: Seat,
    measured: Finished,
    advised: Finished,
    names: Sequence[str] | None = None,
) -> Comparison:
    """Try the baselines of one task, or find them tried.

    Parameters
    ----------
    steps : ExperimentStages
    task : Task
    seat : Seat
        The Receiver.
    measured, advised : Finished
        Her games, and the training of `plan_compared`. The baselines learn from the same inputs,
        with as many operations.
    names : sequence of str, optional
        Which baselines; default all that can be tried.
    """
    config, plan = steps.config, plan_compared(steps, task.name)

    def work(folder: Path, tell: Tell) -> None:
        from llm_bridge.advisor import Advisor
        from llm_bridge.training.settings import AdvisorTraining

        section, how = config.advisor, config.evaluate
        advisor = steps.workshop.advisor(advised.folder)
        examples = [
            example
            for template in task.priors
            for example in task.examples(template, "train", section.n_inputs, plan.seed)
        ]
        spent = Spent()
        if isinstance(advisor, Advisor):
            settings = AdvisorTraining(
                warm_steps=section.warm_steps, steps=section.steps, batch=section.batch
            )
            spent = advisor_spent(advisor, task, examples, settings)
        found = compare(
            task,
            steps.workshop.receiver(seat, steps.rule(task.name)),
            Measurement.load(measured.folder / "measurement.json"),
            advisor,
            examples,
            budget=spent,
            n_inputs=how.n_inputs,
            baselines=names,
            seed=how.seed,
            margin=section.margin,
            confidence=how.confidence,
            log=ReplyLog(folder / "replies.jsonl"),
            progress=tell,
        )
        write_whole(folder / _COMPARISON, json.dumps(found.to_dict()).encode())

    settings = {
        "task": task.name,
        "plan": asdict(plan),
        "how": asdict(config.evaluate),
        "advisor": {**asdict(config.advisor), "signals": None},
        "names": names,
    }
    inputs, code = (*seat.made_by, measured, advised), (*_CODE, type(task).__module__)
    done = steps.do(f"baselines-{task.name}", work, settings, inputs, code)
    return Comparison.from_dict(json.loads((done.folder / _COMPARISON).read_bytes()))
