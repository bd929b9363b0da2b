"""Persuasion by and of large models: accuracy, comparison, transfer, the same words everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from llm_bridge.advisor import Advisor
from llm_bridge.baselines._tuning import Tuning
from llm_bridge.baselines.all_items import AllItems
from llm_bridge.baselines.best_of_n import BestOfN
from llm_bridge.baselines.corrector import Corrector
from llm_bridge.baselines.fine_tuned import FineTuned
from llm_bridge.codebook import Codebook
from llm_bridge.compare import compare
from llm_bridge.measure import measure
from llm_bridge.measurement import Measurement
from llm_bridge.models import without_bars
from llm_bridge.pretrain import Checkpoint
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.reply_log import ReplyLog
from llm_bridge.spending import advisor_spent
from llm_bridge.task import Task
from llm_bridge.train import train
from llm_bridge.training.settings import AdvisorTraining
from llm_bridge.transfer import transfer
from llm_bridge.vocabulary import build_tokenizer

if TYPE_CHECKING:
    from benchmarks.gpu import Parts, Plan

__all__ = ["accuracy", "equality", "persuade"]


def accuracy(
    tasks: Sequence[Task], checkpoints: Sequence[Checkpoint], tokens_per_step: float, n: int
) -> list[dict[str, Any]]:
    """Share of held-out prompts with a hint that are answered as demonstrated, by tokens seen."""
    out = []
    for checkpoint in checkpoints:
        receiver = LocalReceiver.from_pretrained(checkpoint.path)
        right = {}
        for task in tasks:
            cases = [
                (task.receiver_prompt(x, item), task.demonstration(x, item))
                for t in task.priors
                for x in task.examples(t, "test", max(2, n // len(task.priors)), 0)
                for item in task.items
            ]
            prompts, wanted = zip(*cases, strict=True)
            replies = receiver.generate(prompts, max_new_tokens=task.max_new_tokens)
            equal = [reply.text == text for reply, text in zip(replies, wanted, strict=True)]
            right[task.name] = sum(equal) / len(equal)
        out.append(
            {"step": checkpoint.step, "tokens": checkpoint.step * tokens_per_step, "right": right}
        )
    return out


def persuade(task: Task, receivers: Mapping[str, Path], plan: Plan, parts: Parts) -> dict[str, Any]:
    """Measure the games, train an Advisor, compare her with baselines, let her meet the others."""
    home = parts.folder
    examples = [x for t in task.priors for x in task.examples(t, "train", plan.n_inputs // 2, 0)]
    settings = AdvisorTraining(
        warm_steps=plan.warm_steps, steps=plan.advisor_steps, warm_lr=3 * plan.advisor_lr,
        lr=plan.advisor_lr, margin=0.02, checkpoint_every=100,
    )  # fmt: skip

    def seated(name: str) -> LocalReceiver:
        with without_bars():
            return LocalReceiver.from_pretrained(receivers[name], task.rule, name)

    def measured(name: str) -> Measurement:
        log = ReplyLog(home / f"replies-{task.name}-{name}.jsonl")
        found = parts.once(
            f"measure-{task.name}-{name}",
            lambda: measure(task, seated(name), n_inputs=plan.n_inputs, log=log).to_dict(),
        )
        return Measurement.from_dict(found)

    def advised() -> dict[str, Any]:
        advisor = _fresh(task, plan)
        log = train(
            advisor, task, measured("large").games, examples, settings=settings,
            checkpoint=home / f"advisor-{task.name}-checkpoint",
        )  # fmt: skip
        advisor.save(home / f"advisor-{task.name}")
        return log.to_dict()

    def loaded() -> Advisor:
        with without_bars():
            advisor = Advisor.from_pretrained(home / f"advisor-{task.name}")
        if torch.cuda.is_available():
            advisor.model.to("cuda")  # type: ignore[arg-type]
        return advisor

    def compared() -> dict[str, Any]:
        advisor = loaded()
        rivals = {
            "fine_tuned": FineTuned(tuning=Tuning(batch=64, lr=plan.tuning_lr)),
            "corrector": Corrector(**plan.size, tuning=Tuning(batch=64, lr=3 * plan.tuning_lr)),
            "best_of_n": BestOfN(),
            "all_items": AllItems(),
        }
        found = compare(
            task, seated("large"), measured("large"), advisor, examples,
            budget=advisor_spent(advisor, task, examples, settings), baselines=rivals,
            n_inputs=plan.n_inputs, margin=0.02, n_resamples=2000,
            log=ReplyLog(home / f"replies-{task.name}-test.jsonl"),
        )  # fmt: skip
        best = found.evaluation.optima[len(task.items)].value
        return {
            **_rows(found.table()),
            "controls": _rows(found.controls_table()),
            "optimum": best,
            "gap": best - found.evaluation.value(found.advisor).mean,
        }

    def moved() -> dict[str, Any]:
        others = {name: seated(name) for name in receivers}
        games = {name: measured(name) for name in receivers}
        found = transfer(task, loaded(), others, games, n_inputs=plan.n_inputs, margin=0.02)
        return _rows(found.table())

    log = parts.once(f"advisor-{task.name}-training", advised)
    return {
        "seconds": log["seconds"],
        "comparison": parts.once(f"comparison-{task.name}", compared),
        "transfer": parts.once(f"transfer-{task.name}", moved),
    }


def _fresh(task: Task, plan: Plan) -> Advisor:
    prompts = [
        task.advisor_prompt(x, item)
        for t in task.priors
        for x in task.examples(t, "train", 50, 0)
        for item in task.items
    ]
    book = Codebook.default(len(task.items))
    tokenizer = build_tokenizer(prompts, whole=book.words)
    return Advisor.fresh(tokenizer, book, {**plan.size, "n_positions": 96}, seed=0)


def _rows(table: Any) -> dict[str, Any]:
    return {
        "caption": table.caption,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
    }


def equality(checkpoint: Path, prompts: Sequence[str]) -> dict[str, Any]:
    """How many greedy answers in float32 are the same on CPU and GPU."""
    if not torch.cuda.is_available():
        return {"n": 0, "equal": 0}
    replies = [
        LocalReceiver.from_pretrained(checkpoint, device=device, dtype=torch.float32).generate(
            prompts, max_new_tokens=32
        )
        for device in ("cpu", "cuda")
    ]
    equal = sum(one == other for one, other in zip(*replies, strict=True))
    return {"n": len(prompts), "equal": equal}
