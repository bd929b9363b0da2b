"""Persuasion beside other ways of using what the Advisor knows, with what each of them takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from llm_bridge import baselines as known
from llm_bridge.advisor import Advisor
from llm_bridge.arms import Signaler
from llm_bridge.baselines import Baseline, Ground
from llm_bridge.bootstrap import Interval
from llm_bridge.evaluate import evaluate
from llm_bridge.evaluation import Arm, ArmKind, Evaluation
from llm_bridge.measurement import Measurement
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply_log import ReplyLog
from llm_bridge.responses import draw_examples
from llm_bridge.spending import Budget, Spent
from llm_bridge.task import Example, Split, Task
from persuasion.errors import PersuasionError
from persuasion.html import Table

__all__ = ["Comparison", "compare"]

_ADVISOR = "persuaded"
_SHOWN = ("none", "prior", "full", "oracle")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arms of an evaluation, baselines among them, and what each took.

    Attributes
    ----------
    evaluation : Evaluation
        With an arm for each baseline, by its name, and for its control, ``control NAME``.
    spent : mapping of str to Spent
        By arm.
    left_out : mapping of str to str
        Baselines that could not be tried, and why.
    """

    evaluation: Evaluation
    spent: Mapping[str, Spent]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def advisor(self) -> str:
        """Name of the Advisor's arm."""
        return self.evaluation.advisors[0]

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines that were tried."""
        return [name for name in self.spent if f"control {name}" in self.evaluation.arms]

    def ahead(self, name: str) -> Interval:
        """Advisor's arm less another one, in Advisor's utils, paired over inputs."""
        return self.evaluation.value(self.advisor, name)

    def table(self) -> Table:
        """Return one row per arm; baselines that win are shown like all others."""
        scheme = f"scheme {self.evaluation.arms[self.advisor].n_signals}"
        tried = [n for name in self.baselines for n in (name, f"control {name}")]
        rows = []
        for name in (*_SHOWN, self.advisor, scheme, *tried):
            spent = self.spent.get(name, Spent())
            rows.append(
                [
                    name,
                    str(self.evaluation.value(name)),
                    "" if name == self.advisor else str(self.ahead(name)),
                    str(self.evaluation.value(name, of="receiver")),
                    f"{spent.trained:,}",
                    f"{spent.training_tokens:,}",
                    f"{spent.operations:.2e}",
                    *("" if one is None else f"{one:.1f}" for one in (spent.read, spent.written)),
                ]
            )
        missing = "".join(f"; {name} left out: {why}" for name, why in self.left_out.items())
        level = 100 * self.evaluation.confidence
        return Table(
            [
                "arm",
                "Advisor",
                "persuaded less arm",
                "Receiver",
                "weights trained",
                "training tokens",
                "training operations",
                "tokens read",
                "written",
            ],
            rows,
            caption=f"{self.evaluation.task} with {self.evaluation.receiver}: utils on "
            f"{len(self.evaluation.inputs)} inputs of split {self.evaluation.split}, {level:g}% "
            f"bootstrap limits; tokens per answer{missing}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "evaluation": self.evaluation.to_dict(),
            "spent": {name: spent.to_dict() for name, spent in self.spent.items()},
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Restore what `to_dict` wrote."""
        return cls(
            Evaluation.from_dict(data["evaluation"]),
            {name: Spent(**spent) for name, spent in data["spent"].items()},
            dict(data["left_out"]),
        )


def compare(
    task: Task,
    receiver: TextReceiver,
    measurement: Measurement,
    advisor: Signaler,
    training: Sequence[Example],
    *,
    budget: Budget | Spent,
    n_inputs: int | Mapping[str, int],
    baselines: Sequence[str] | Mapping[str, Baseline] | None = None,
    seed: int = 0,
    split: Split = "test",
    log: ReplyLog | None = None,
    **options: Any,
) -> Comparison:
    """Hold a trained Advisor against the baselines, on the same inputs and for the same budget.

    Parameters
    ----------
    task, receiver, measurement
        As for `evaluate`.
    advisor : Signaler
        Trained on `training`.
    training : sequence of Example
        What the baselines learn from.
    budget : Budget or Spent
        What each baseline may spend; the Advisor's own spending
        (`llm_bridge.spending.advisor_spent`) gives all the same, and the table tells it.
    n_inputs, seed, split, log
        As for `evaluate`.
    baselines : sequence of str or mapping of str to Baseline, optional
        By name (`llm_bridge.baselines.names`), or set up by the caller. Default all that can be
        tried with this Receiver; those asked for by name must be.
    **options
        Passed to `evaluate`.

    Returns
    -------
    Comparison

    Raises
    ------
    PersuasionError
        Before any work when a baseline that was asked for cannot be tried.

    Notes
    -----
    The budget bounds training. What an answer takes is counted, not bounded: best of n writes n
    answers, a corrector two.
    """
    given = known.names() if baselines is None else baselines
    chosen = given if isinstance(given, Mapping) else {name: known.load(name) for name in given}
    log = ReplyLog() if log is None else log
    held_out = draw_examples(task, split, n_inputs, seed)
    if isinstance(budget, Spent):
        spent, budget = {_ADVISOR: budget}, Budget(budget.operations)
    else:
        spent = {_ADVISOR: Spent()}
    ground = Ground(
        task, receiver, advisor, tuple(training), tuple(held_out), budget, seed=seed, log=log
    )
    lacking = {name: why for name, one in chosen.items() if (why := one.lacks(ground)) is not None}
    if baselines is not None and lacking:
        name, why = next(iter(lacking.items()))
        raise PersuasionError(f"the baseline {name!r} cannot be tried here: {why}")
    found = evaluate(
        task,
        receiver,
        measurement,
        {_ADVISOR: advisor},
        n_inputs=n_inputs,
        seed=seed,
        split=split,
        log=log,
        **options,
    )
    arms = dict(found.arms)
    for name, one in chosen.items():
        if name in lacking:
            continue
        variants: list[tuple[str, ArmKind, Baseline]] = [
            (name, "baseline", one),
            (f"control {name}", "control", one.control()),
        ]
        for arm, kind, variant in variants:
            if arm in arms:
                raise PersuasionError(f"a baseline cannot be named {arm!r}: there is such an arm")
            played = variant.play(ground)
            arms[arm] = Arm(arm, kind, None, played.sender, played.receiver)
            spent[arm] = played.spent
    for arm in (*_SHOWN, _ADVISOR):
        spent[arm] = _with_tokens(spent.get(arm, Spent()), found, arm, ground)
    return Comparison(replace(found, arms=arms), spent, lacking)


def _with_tokens(spent: Spent, found: Evaluation, arm: str, ground: Ground) -> Spent:
    """Add what an answer takes in an arm of `evaluate`, from its sampled rows."""
    task, rows = ground.task, [row for row in found.rows if row["arm"] == arm]
    texts = {example.text: example for example in ground.held_out}
    prompts = [task.receiver_prompt(texts[row["input"]], row["believed"]) for row in rows]
    read, written = ground.tokens(prompts), float(np.mean([row["n_tokens"] for row in rows]))
    if arm == _ADVISOR and isinstance(ground.advisor, Advisor) and read is not None:
        asked = [task.advisor_prompt(x, item) for x in ground.held_out for item in task.items]
        lengths = [len(row) for row in ground.advisor.encode(asked)]
        read += len(task.items) * float(np.mean(lengths))  # her scheme at x, for every item
        words = ground.advisor.codebook.check(ground.advisor.tokenizer)
        written += float(np.mean([len(word) for word in words]))
    return replace(spent, read=read, written=written)
