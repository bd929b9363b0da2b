"""Tasks, Receivers and Advisors whose every number is known, without any model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from llm_bridge.reply import Reply
from llm_bridge.task import SPLITS, Example, Split, Task, Utilities
from persuasion import Bayesian, PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import PosteriorSampling, Receiver


def _split(text: str) -> Split:
    tenth = hashlib.sha256(text.encode()).digest()[0] % 3
    return SPLITS[tenth]


class FakeTask(Task):
    """Inputs are pairs of one-digit numbers, "template 3 4"; the hint follows a bar."""

    max_new_tokens = 8

    def examples(self, template: str, split: Split, n: int, seed: int) -> list[Example]:
        pairs = [(a, b) for a in range(10) for b in range(10)]
        order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
        found = [
            Example(self.name, template, f"{template} {a} {b}", (a, b))
            for a, b in (pairs[i] for i in order)
        ]
        return [example for example in found if _split(example.text) == split][:n]

    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        return f"{example.text} | {hint or 'none'}"

    def advisor_prompt(self, example: Example, item: str) -> str:
        return f"{example.text} ? {item}"

    def demonstration(self, example: Example, item: str) -> str:
        return item


class Arithmetic(FakeTask):
    """Which operation is meant is hidden. The Receiver pays for minus signs and long answers."""

    name = "arithmetic"
    items = ("plus", "times", "minus")
    priors: ClassVar = {"shop": (0.5, 0.25, 0.25), "yard": (0.2, 0.3, 0.5)}
    receiver_range = (-0.5, 1.0)

    def truth(self, example: Example, item: str) -> int:
        a, b = example.content
        assert isinstance(a, int)
        assert isinstance(b, int)
        return {"plus": a + b, "times": a * b, "minus": a - b}[item]

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        right = np.array(
            [
                [float(reply.text == str(self.truth(example, item))) for item in self.items]
                for reply in replies
            ]
        )
        cost = np.array([[0.1 * reply.n_tokens] for reply in replies])
        return Utilities(right, right - cost)


class Tabled(FakeTask):
    """Replies name the item believed; a table says what that is worth, by parity of a + b."""

    name = "tabled"

    def __init__(
        self,
        prior: Sequence[float],
        sender: Sequence[FloatArray],
        receiver: Sequence[FloatArray],
        unhinted: int = 0,
    ) -> None:
        self.sender_tables, self.receiver_tables = sender, receiver
        n = len(prior)
        self.items = tuple("abcdefgh"[:n])  # type: ignore[misc]
        self.priors = {"only": tuple(prior)}  # type: ignore[misc]
        self.unhinted = unhinted

    def table(self, tables: Sequence[FloatArray], example: Example) -> FloatArray:
        a, b = example.content
        assert isinstance(a, int)
        assert isinstance(b, int)
        return np.asarray(tables[(a + b) % len(tables)], dtype=float)

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        said = [
            self.unhinted if reply.text == "none" else self.items.index(reply.text)
            for reply in replies
        ]
        return Utilities(
            self.table(self.sender_tables, example)[:, said].T,
            self.table(self.receiver_tables, example)[:, said].T,
        )


@dataclass
class Scripted:
    """Writes what a function of the prompt says, one token per character, and counts prompts."""

    script: Callable[[str], str]
    rule: Receiver = field(default_factory=PosteriorSampling)
    name: str = "scripted"
    version: str = "1"
    limit: int | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return f"{self.name}-{self.version}-{self.rule!r}"

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        return self.rule.respond(game, posteriors)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        if self.limit is not None and len(self.asked) + len(prompts) > self.limit:
            raise KeyboardInterrupt
        self.asked += prompts
        texts = [self.script(prompt)[:max_new_tokens] for prompt in prompts]
        return [Reply(text, len(text), len(text) < max_new_tokens) for text in texts]


def calculator(prompt: str) -> str:
    """Do what the hint says; add when there is none."""
    given, hint = prompt.split(" | ")
    a, b = (int(word) for word in given.split()[1:])
    return str({"plus": a + b, "none": a + b, "times": a * b, "minus": a - b}[hint])


def parrot(prompt: str) -> str:
    """Say the hint."""
    return prompt.split(" | ")[1]


@dataclass(frozen=True)
class FixedAdvisor:
    """Sends by kernels that depend on the template or, given a function, on the input."""

    law: FloatArray | Mapping[str, FloatArray] | Callable[[Example], FloatArray]

    def kernels(self, task: Task, examples: Sequence[Example]) -> FloatArray:
        def of(example: Example) -> FloatArray:
            if callable(self.law):
                return self.law(example)
            return self.law[example.template] if isinstance(self.law, Mapping) else self.law

        return np.array([of(example) for example in examples], dtype=float)


def best_responder(script: Callable[[str], str] = parrot, **given: object) -> Scripted:
    return Scripted(script, Bayesian(), **given)  # type: ignore[arg-type]
