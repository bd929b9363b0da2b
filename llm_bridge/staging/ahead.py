"""What Receivers will be asked by an experiment, known before anybody is asked.

Inputs, hints and the prompts of baselines are functions of the configuration alone. So what a
server will cost is estimated, and recorded answers are looked through, before any work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_bridge import baselines
from llm_bridge.baselines import Asked
from llm_bridge.config import ExperimentConfig
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.requests.budget import Budget, Estimate, Meter, Usage
from llm_bridge.responses import draw_examples, prompts_of
from llm_bridge.sections import ApiSection, OtherSection, ReceiverSection
from llm_bridge.spending import TrainingBudget
from llm_bridge.staging.plan import (
    Seat,
    Source,
    baselines_stage,
    plan_compared,
    probe_stage,
    seat_of,
)
from llm_bridge.staging.workshop import Workshop
from llm_bridge.task import Task
from persuasion.receivers import Receiver

__all__ = ["Ahead", "Bills", "ahead_of", "look_ahead", "rule_of", "seats_ahead"]


@dataclass(frozen=True)
class Ahead:
    """What one Receiver is asked by one stage.

    Attributes
    ----------
    stage, receiver, task : str
    asked : tuple of Asked
        Prompts, and how many answers are wanted to each.
    max_new_tokens : int
    baseline : str, optional
        Which asks, where one does.
    """

    stage: str
    receiver: str
    task: str
    asked: tuple[Asked, ...]
    max_new_tokens: int
    baseline: str | None = None


@dataclass(frozen=True)
class Bills:
    """What an experiment will cost with Receivers behind servers.

    Attributes
    ----------
    parts : mapping of (str, str) to Estimate
        By Receiver and stage; requests that an earlier stage asks are not counted again.
    budgets : mapping of str to Budget
        By Receiver.
    spent : mapping of str to Usage
        Before now, over the life of her cache.
    """

    parts: Mapping[tuple[str, str], Estimate]
    budgets: Mapping[str, Budget]
    spent: Mapping[str, Usage]

    def total(self, receiver: str) -> Estimate:
        """What all stages together will cost with one Receiver."""
        mine = (part for (name, _), part in self.parts.items() if name == receiver)
        return sum(mine, Estimate())

    def check(self, receiver: str) -> None:
        """Refuse what likely does not fit into what is left of her budget.

        Raises
        ------
        CapReachedError
        """
        Meter(self.budgets[receiver], self.spent[receiver]).check(self.total(receiver))

    def lines(self) -> list[str]:
        """Say it in a sentence for each Receiver."""
        return [
            f"{name}: {self.total(name)}; spent so far {self.spent[name].tokens} of "
            f"{budget.tokens} tokens"
            + (
                ""
                if budget.money is None
                else f" and {self.spent[name].cost(budget.prices):.4g} of {budget.money:.4g} in "
                "money"
            )
            for name, budget in self.budgets.items()
        ]


def ahead_of(config: ExperimentConfig, tasks: Mapping[str, Task]) -> Iterator[Ahead]:
    """Yield what every Receiver will be asked, in the order of the stages."""
    main = config.receiver.name
    for name in config.tasks:
        task, plan = tasks[name], plan_compared(config, name)
        measured = draw_examples(task, "measure", config.measure.n_inputs, config.measure.seed)
        held_out = draw_examples(task, "test", config.evaluate.n_inputs, config.evaluate.seed)
        training = draw_examples(task, "train", config.advisor.n_inputs, plan.seed)
        to_measure = tuple(Asked(prompt) for prompt in prompts_of(task, measured))
        to_judge = tuple(Asked(prompt) for prompt in prompts_of(task, held_out))
        for receiver in (main, *(other.name for other in config.other)):
            judging = f"evaluate-{name}" if receiver == main else f"transfer-{name}-{receiver}"
            for stage, asked in ((f"measure-{name}-{receiver}", to_measure), (judging, to_judge)):
                yield Ahead(stage, receiver, name, asked, task.max_new_tokens)
            if receiver not in (main, *config.baselines.receivers):
                continue
            for baseline in config.baselines.names:
                one = baselines.load(baseline)
                both = (one, one.control())
                asked = tuple(a for b in both for a in b.asks(task, training, held_out))
                stage = baselines_stage(name, None if receiver == main else receiver)
                yield Ahead(stage, receiver, name, asked, task.max_new_tokens, baseline)


def seats_ahead(
    config: ExperimentConfig, labels: Mapping[Source, str], home: Path
) -> dict[str, Seat]:
    """Return Receivers who are there already, by name: not those that the experiment trains."""
    listed: dict[str, ReceiverSection | OtherSection] = {
        config.receiver.name: config.receiver,
        **{one.name: one for one in config.other},
    }
    found = {name: seat_of(name, section, labels, home) for name, section in listed.items()}
    return {name: seat for name, seat in found.items() if seat is not None}


def rule_of(config: ExperimentConfig, task: Task) -> Receiver:
    """How Receivers turn beliefs into believed items in a task."""
    section = config.receiver
    options = {} if section.beta is None else {"beta": section.beta}
    return rule_named(section.rule or task.rule, **options)


def look_ahead(
    config: ExperimentConfig,
    tasks: Mapping[str, Task],
    seats: Mapping[str, Seat],
    workshop: Workshop,
) -> Bills:
    """Look through recorded answers and estimate what servers will cost; nobody is asked.

    Parameters
    ----------
    config : ExperimentConfig
    tasks : mapping of str to Task
    seats : mapping of str to Seat
        As `seats_ahead` returns them.
    workshop : Workshop

    Returns
    -------
    Bills

    Raises
    ------
    PersuasionError
        When a task has too few inputs, a prompt was not recorded, or its answer is longer than what
        is asked for.
    """
    found: dict[tuple[str, str], Estimate] = {}
    servers: dict[str, OpenAIReceiver] = {}
    seen: dict[str, set[str]] = {}
    for ahead in ahead_of(config, tasks):
        seat = seats.get(ahead.receiver)
        if seat is None or isinstance(seat.source, str | Path):
            continue
        task = tasks[ahead.task]
        receiver = workshop.receiver(seat, rule_of(config, task))
        if ahead.baseline is not None and _left_out(ahead.baseline, task, receiver):
            continue
        if isinstance(receiver, ReplayReceiver):
            prompts = [one.prompt for one in ahead.asked]
            receiver.check(prompts, max_new_tokens=ahead.max_new_tokens)
        elif isinstance(receiver, OpenAIReceiver):
            if ahead.receiver not in servers and _probed(seat):
                first = ahead.receiver, probe_stage(ahead.receiver)
                found[first] = receiver.estimate_probe(ahead.asked[0].prompt)
            servers[ahead.receiver] = receiver
            place = ahead.receiver, ahead.stage
            for n in sorted({one.n for one in ahead.asked}):
                found[place] = found.get(place, Estimate()) + receiver.estimate(
                    [one.prompt for one in ahead.asked if one.n == n],
                    max_new_tokens=ahead.max_new_tokens,
                    n=n or None,
                    seen=seen.setdefault(ahead.receiver, set()),
                )
    return Bills(
        found,
        {name: one.budget for name, one in servers.items()},
        {name: one.spent for name, one in servers.items()},
    )


def _probed(seat: Seat) -> bool:
    return isinstance(seat.source, ApiSection) and seat.source.probed


def _left_out(baseline: str, task: Task, receiver: TextReceiver) -> bool:
    """Whether a baseline cannot be tried with a Receiver."""
    nobody: Any = None
    ground = baselines.Ground(task, receiver, nobody, (), (), TrainingBudget(0.0))
    return baselines.load(baseline).lacks(ground) is not None
