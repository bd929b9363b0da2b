"""Persuasion beside other ways of using what the Advisor knows, with what each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from llm_bridge import baselines as known
from llm_bridge.arms import Signaler
from llm_bridge.baselines import Baseline, Ground
from llm_bridge.comparison import ADVISOR, BLIND, SHOWN, Comparison
from llm_bridge.evaluate import evaluate
from llm_bridge.evaluation import Arm, ArmKind, Evaluation
from llm_bridge.measurement import Measurement
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply_log import ReplyLog, ask
from llm_bridge.responses import draw_examples, prompts_of
from llm_bridge.spending import Spent, TrainingBudget
from llm_bridge.task import Example, Split, Task
from persuasion.errors import PersuasionError

__all__ = ["compare"]


def compare(
    task: Task,
    receiver: TextReceiver,
    measurement: Measurement,
    advisor: Signaler,
    training: Sequence[Example],
    *,
    budget: TrainingBudget | Spent,
    n_inputs: int | Mapping[str, int],
    baselines: Sequence[str] | Mapping[str, Baseline] | None = None,
    leave_out: bool = False,
    trained_for: str | None = None,
    seed: int = 0,
    split: Split = "test",
    log: ReplyLog | None = None,
    progress: Callable[[int, int], None] | None = None,
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
    budget : TrainingBudget or Spent
        What each baseline may spend; the Advisor's own spending
        (`llm_bridge.spending.advisor_spent`) gives all the same, and the table tells it.
    n_inputs, seed, split, log
        As for `evaluate`.
    baselines : sequence of str or mapping of str to Baseline, optional
        By name (`llm_bridge.baselines.names`), or set up by the caller. Default all that can be
        tried with this Receiver.
    leave_out : bool
        Whether to leave out, and say why, also those asked for that cannot be tried.
    trained_for : str, optional
        The Receiver for whom the Advisor was trained, if that is not this one.
    progress : callable, optional
        Called with (answers, answers in all), then with (baselines and controls done, all).
    **options
        Passed to `evaluate`.

    Returns
    -------
    Comparison

    Raises
    ------
    PersuasionError
        Before any work when a baseline that was asked for cannot be tried; before any training
        when the Receiver has no answer to something that she will be asked.

    Notes
    -----
    The budget bounds training. What an answer takes is counted, not bounded: best of n writes n
    answers, a corrector two.
    """
    given = known.names() if baselines is None else baselines
    chosen = given if isinstance(given, Mapping) else {name: known.load(name) for name in given}
    log = ReplyLog() if log is None else log
    held_out = draw_examples(task, split, n_inputs, seed)
    spent = {ADVISOR: budget if isinstance(budget, Spent) else Spent()}
    ground = Ground(
        task, receiver, advisor, tuple(training), tuple(held_out),
        TrainingBudget(budget.operations), seed=seed, log=log,
    )  # fmt: skip
    left_out = {name: why for name, one in chosen.items() if (why := one.lacks(ground)) is not None}
    if left_out and baselines is not None and not leave_out:
        name, why = next(iter(left_out.items()))
        raise PersuasionError(f"the baseline {name!r} cannot be tried here: {why}")
    tried = {name: one for name, one in chosen.items() if name not in left_out}
    variants: list[tuple[str, ArmKind, Baseline]] = [
        variant
        for name, one in tried.items()
        for variant in ((name, "baseline", one), (f"control {name}", "control", one.control()))
    ]

    # whoever has no answer, or no budget for one, says so before anything is trained
    prompts = prompts_of(task, held_out)
    for _, _, one in variants:
        prompts += [a.prompt for a in one.asks(task, training, held_out) if not a.n]
    ask(receiver, prompts, max_new_tokens=task.max_new_tokens, log=log, progress=progress)
    found = evaluate(
        task,
        receiver,
        measurement,
        {ADVISOR: advisor},
        n_inputs=n_inputs,
        seed=seed,
        split=split,
        log=log,
        **options,
    )
    blind = ground.blind()
    arms = {**found.arms, BLIND: Arm(BLIND, "baseline", None, blind.sender, blind.receiver)}
    called = [*arms, *(arm for arm, _, _ in variants)]
    for arm in called:
        if called.count(arm) > 1:
            raise PersuasionError(f"a baseline cannot be named {arm!r}: there is such an arm")
    for done, (arm, kind, variant) in enumerate(variants):
        if progress is not None:
            progress(done, len(variants))
        played = variant.play(ground)
        arms[arm] = Arm(arm, kind, None, played.sender, played.receiver)
        spent[arm] = played.spent
    spent[BLIND] = blind.spent
    for arm in (*SHOWN, ADVISOR):
        if arm != BLIND:
            spent[arm] = _with_tokens(spent.get(arm, Spent()), found, arm, ground)
    best, n_hints = f"scheme {found.arms[ADVISOR].n_signals}", len(task.items) + 1
    measured = n_hints * sum(map(len, measurement.inputs.values()))
    for arm in (ADVISOR, best):
        spent[arm] = replace(spent.get(arm, Spent()), asked=measured)
    return Comparison(
        replace(found, arms=arms),
        spent,
        ground.budget,
        {name: one.bound for name, one in tried.items()},
        left_out,
        trained_for,
    )


def _with_tokens(spent: Spent, found: Evaluation, arm: str, ground: Ground) -> Spent:
    """Add what an answer takes in an arm of `evaluate`, from its sampled rows."""
    task, rows = ground.task, [row for row in found.rows if row["arm"] == arm]
    texts = {example.text: example for example in ground.held_out}
    prompts = [task.receiver_prompt(texts[row["input"]], row["believed"]) for row in rows]
    read, written = ground.tokens(prompts), float(np.mean([row["n_tokens"] for row in rows]))
    advisor: Any = ground.advisor
    if arm == ADVISOR and hasattr(advisor, "encode") and read is not None:  # a language model
        asked = [task.advisor_prompt(x, item) for x in ground.held_out for item in task.items]
        lengths = [len(row) for row in advisor.encode(asked)]
        read += len(task.items) * float(np.mean(lengths))  # her scheme at x, for every item
        words = advisor.codebook.check(advisor.tokenizer)
        written += float(np.mean([len(word) for word in words]))
    return replace(spent, read=read, written=written)
