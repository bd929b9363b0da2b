"""Language models: tokens per second of the Receiver, steps per second of the Advisor's training.

Needs torch; see `llm_bridge`. The rivals are what one would write first: ``model.generate`` for one
prompt after another, generation without a cache of keys and values, and a training step that scores
every codeword of every prompt by a forward pass of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.report import markdown_table, number, seconds
from benchmarks.timing import Clocks, Pace, paired_ratio, race

if TYPE_CHECKING:
    from llm_bridge.receivers.local import LocalReceiver

__all__ = ["NAME", "PLANS", "TITLE", "Plan", "measure", "run", "tables"]

NAME = "bridge"
TITLE = "Language models that persuade and are persuaded"
_SEED = 20260101
_TASK = "grade"


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    Parameters
    ----------
    training_steps : int
        Of the Receiver, on the tasks of the embedded experiment.
    rounds, prompts : int
        Blocks of distinct prompts, and prompts in each.
    batches : tuple of int
        Prompts answered together.
    budget_seconds : float
        Wall time after which a way of generating takes no further block, three at least.
    problems, steps, naive_steps : int
        Trainings of an Advisor, gradient steps of each, and of the naive loop.
    inputs : int
        Inputs in a step.
    """

    training_steps: int
    rounds: int
    prompts: int
    batches: tuple[int, ...]
    budget_seconds: float
    problems: int
    steps: int
    naive_steps: int
    inputs: int


PLANS = {
    "quick": Plan(6, 1, 8, (1, 8), 10.0, 1, 2, 1, 3),
    "standard": Plan(400, 5, 256, (1, 16, 64, 256), 60.0, 5, 40, 2, 32),
}


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure training, generation and the Advisor's training."""
    return measure(PLANS["quick" if scale == "quick" else "standard"], say)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what a plan asks for."""
    from llm_bridge.commands.requirements import need

    need("torch", "transformers", "tokenizers", "accelerate", "safetensors")
    import torch
    import transformers

    from llm_bridge.device import set_threads
    from llm_bridge.receivers.local import LocalReceiver

    set_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        say(f"bridge: training a Receiver, {plan.training_steps} steps")
        trained, path = _training(plan, Path(folder))
        say(f"bridge: generation, {plan.rounds} blocks of {plan.prompts} prompts")
        receiver = LocalReceiver.from_pretrained(path, "best_response", device="cpu")
        generated = _generation(plan, receiver)
    say(f"bridge: training Advisors, {plan.problems} times")
    advised = _advising(plan)
    return {
        "plan": asdict(plan),
        "seed": _SEED,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "training": trained,
        "generation": generated,
        "advisor": advised,
    }


# -- the Receiver --------------------------------------------------------------------------


def _training(plan: Plan, folder: Path) -> tuple[dict[str, Any], Path]:
    """Train a Receiver of the embedded size; tokens and seconds, and where she lies."""
    from llm_bridge import tasks
    from llm_bridge.meter import TRAINING, metered
    from llm_bridge.pretrain import ReceiverTraining, pretrain

    settings = ReceiverTraining(
        steps=plan.training_steps,
        warmup=min(100, plan.training_steps // 2),
        marks=(1.0,),
        precision="no",
        seed=_SEED,
    )
    learned = [tasks.load(name) for name in ("math", "code", "grade")]
    with metered() as effort:
        (left,), wall, cpu = Clocks().time(partial(pretrain, learned, settings, folder))
    tokens = effort.tokens[TRAINING]
    return {
        "steps": plan.training_steps,
        "batch": settings.batch,
        "tokens": tokens,
        "cpu": cpu,
        "wall": wall,
        "tokens_per_second": tokens / cpu,
        "steps_per_second": plan.training_steps / cpu,
    }, left.path


@dataclass(frozen=True)
class Batched:
    """A `LocalReceiver` that answers so many prompts together."""

    receiver: LocalReceiver
    batch: int

    @property
    def name(self) -> str:
        """Batch, in words."""
        return f"batch {self.batch}"

    def prepare(self, prompts: list[str]) -> Callable[[], list[str]]:
        """Answer all."""
        self.receiver.batch_size = self.batch

        def call() -> list[str]:
            return [reply.text for reply in _answers(self.receiver, prompts)]

        return call

    def value(self, prompts: list[str], answers: list[str]) -> None:
        """Answers have no single value."""


@dataclass(frozen=True)
class Plain:
    """``model.generate`` as its documentation shows it.

    Parameters
    ----------
    receiver : LocalReceiver
        Whose model and tokenizer.
    cache : bool
        Whether keys and values are kept.
    together : bool
        All prompts in one batch, padded on the left, instead of one after another.
    """

    receiver: LocalReceiver
    cache: bool
    together: bool

    @property
    def name(self) -> str:
        """What it does, in words."""
        how = "all at once" if self.together else "one by one"
        return f"model.generate, {how}{'' if self.cache else ', no cache'}"

    def prepare(self, prompts: list[str]) -> Callable[[], list[str]]:
        """Answer all."""
        from llm_bridge import tasks

        model, tokenizer = self.receiver.model, self.receiver.tokenizer
        limit = tasks.load(_TASK).max_new_tokens
        tokenizer.padding_side = "left"

        def call() -> list[str]:
            texts = []
            for group in [prompts] if self.together else [[one] for one in prompts]:
                read = tokenizer(group, return_tensors="pt", padding=True)
                written = model.generate(
                    input_ids=read["input_ids"],
                    attention_mask=read["attention_mask"],
                    do_sample=False,
                    max_new_tokens=limit,
                    use_cache=self.cache,
                    pad_token_id=tokenizer.pad_token_id,
                    eos_token_id=tokenizer.eos_token_id,
                )
                rest = written[:, read["input_ids"].shape[1] :]
                texts += tokenizer.batch_decode(rest, skip_special_tokens=True)
            return texts

        return call

    def value(self, prompts: list[str], answers: list[str]) -> None:
        """Answers have no single value."""


def _answers(receiver: LocalReceiver, prompts: list[str]) -> list[Any]:
    from llm_bridge import tasks

    return receiver.generate(prompts, max_new_tokens=tasks.load(_TASK).max_new_tokens)


def _generation(plan: Plan, receiver: LocalReceiver) -> dict[str, Any]:
    """Let all ways of generating answer the same blocks of distinct prompts in turns."""
    largest = max(plan.batches)
    blocks = _blocks(plan)
    ways: list[Any] = [Batched(receiver, batch) for batch in plan.batches]
    ways += [
        Plain(receiver, cache=True, together=False),
        Plain(receiver, cache=False, together=True),
    ]
    for way in ways:  # what is loaded at the first call is not counted
        way.prepare(blocks[0][:2])()
    receiver.batch_size = largest
    replies = [_answers(receiver, block) for block in blocks]
    expected = [[reply.text for reply in block] for block in replies]
    written = [sum(reply.n_tokens for reply in block) for block in replies]
    same = {
        way.name: sum(
            a == b for a, b in zip(way.prepare(blocks[0])(), expected[0], strict=True)
        ) / plan.prompts
        for way in ways
    }  # fmt: skip
    pace = Pace(plan.rounds, 1, plan.budget_seconds, plan.budget_seconds)
    samples = race(ways, lambda turn: [blocks[turn]], pace)
    alone = samples[ways[len(plan.batches)].name]
    return {
        "prompts": plan.prompts,
        "tokens_per_reply": sum(written) / (plan.rounds * plan.prompts),
        "ways": {
            way.name: {
                "blocks": len(samples[way.name]),
                "cpu": median(s.cpu for s in samples[way.name]),
                "wall": median(s.wall for s in samples[way.name]),
                "tokens_per_second": median(written[s.game] / s.cpu for s in samples[way.name]),
                "against_one_by_one": paired_ratio(alone, samples[way.name], "cpu"),
                "same_answers": same[way.name],
            }
            for way in ways
        },
    }


def _blocks(plan: Plan) -> list[list[str]]:
    """Distinct prompts of the task, of all templates and hints."""
    from llm_bridge import tasks

    task = tasks.load(_TASK)
    needed = plan.rounds * plan.prompts
    each = -(-needed // (len(task.priors) * len(task.items)))
    found = [
        task.receiver_prompt(example, hint)
        for template in task.priors
        for example in task.examples(template, "train", each, _SEED)
        for hint in task.items
    ]
    Random(_SEED).shuffle(found)
    return [found[i * plan.prompts : (i + 1) * plan.prompts] for i in range(plan.rounds)]


# -- the Advisor ---------------------------------------------------------------------------


def _advising(plan: Plan) -> dict[str, Any]:
    """Train Advisors on distinct inputs, vectorised and naively, taking turns in being first."""
    from benchmarks.bridge_naive import Problem, naive_training, vectorised_training

    clocks = Clocks()
    vectorised_training(Problem.of(_TASK, 2, seed=0), 1)
    ours, naive, differences = [], [], []
    for position in range(plan.problems):
        problem = Problem.of(_TASK, plan.inputs, seed=_SEED + position)
        first = [
            ("ours", vectorised_training, plan.steps),
            ("naive", naive_training, plan.naive_steps),
        ]
        values = {}
        for name, training, steps in first if position % 2 else first[::-1]:
            values[name], _, cpu = clocks.time(partial(training, problem, steps))
            (ours if name == "ours" else naive).append(steps / cpu)
        differences.append(abs(values["ours"][0] - values["naive"][0]))
    return {
        "inputs": plan.inputs,
        "steps_per_second": median(ours),
        "naive_steps_per_second": median(naive),
        "ratio": median(a / b for a, b in zip(ours, naive, strict=True)),
        "largest_difference": max(differences),
    }


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write the three tables as Markdown."""
    return list(_tables(result))


def _tables(result: dict[str, Any]) -> Iterator[str]:
    trained, generated, advised = result["training"], result["generation"], result["advisor"]
    yield (
        f"torch {result['torch']}, transformers {result['transformers']}, CPU, one thread, "
        "float32. Models of the embedded experiment: GPT-2 with 2 layers of width 64."
    )
    yield "## Training a Receiver"
    yield markdown_table(
        [
            "steps",
            "demonstrations in a step",
            "tokens",
            "wall",
            "cpu",
            "tokens / s (cpu)",
            "steps / s (cpu)",
        ],
        [
            [
                str(trained["steps"]),
                str(trained["batch"]),
                f"{trained['tokens']:,}",
                seconds(trained["wall"]),
                seconds(trained["cpu"]),
                f"{trained['tokens_per_second']:,.0f}",
                number(trained["steps_per_second"]),
            ]
        ],
    )
    yield (
        "Tokens read and written; padding does not count. Drawing and encoding texts does, "
        "as do checkpoints."
    )
    yield "## Generation"
    yield markdown_table(
        ["way", "blocks", "tokens / s (cpu)", "a block (cpu)", "a block (wall)",
         "against one by one", "same answers"],
        [
            [
                name,
                str(way["blocks"]),
                f"{way['tokens_per_second']:,.0f}",
                seconds(way["cpu"]),
                seconds(way["wall"]),
                f"{number(way['against_one_by_one'])}x",
                f"{way['same_answers']:.1%}",
            ]
            for name, way in generated["ways"].items()
        ],
    )  # fmt: skip
    yield (
        f"Greedy answers to {generated['prompts']} distinct prompts of task {_TASK!r} a block, "
        f"{generated['tokens_per_reply']:.1f} new tokens each. Medians over blocks; the factor is "
        "the median over blocks of how many times as long `model.generate` takes for one prompt "
        "after another. Same answers: on the first block, against the largest batch."
    )
    yield "## Training an Advisor, mode exact"
    yield markdown_table(
        ["", "steps / s (cpu)"],
        [
            ["`llm_bridge.train.train`", number(advised["steps_per_second"])],
            ["a forward pass per codeword, loops", number(advised["naive_steps_per_second"])],
            ["factor", f"{number(advised['ratio'])}x"],
        ],
    )
    yield (
        f"{advised['inputs']} inputs in a step, 3 items, 3 signals; medians over distinct inputs. "
        "Preparing a training counts. Both compute the same expected utility before the first "
        f"step, up to {advised['largest_difference']:.0e}."
    )
