"""Toy tasks, a tokenizer trained on them and tiny models, all made here; one thread."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.reply import Reply
from llm_bridge.task import Example, Split, Task, Utilities
from llm_bridge.vocabulary import build_tokenizer
from persuasion import PersuasionGame


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class ToyTask(Task):
    """Inputs are numbers; a response that names an item is worth what a table says."""

    values: ClassVar[Mapping[str, tuple[list[list[float]], list[list[float]]]]]
    """For each template the Sender's and the Receiver's utilities ``[item][response]``."""

    def examples(self, template: str, split: Split, n: int, seed: int) -> list[Example]:
        rng = np.random.default_rng([seed, len(template)])
        wanted = {"train": range(8), "measure": (8,), "test": (9,)}[split]
        found: list[Example] = []
        for number in rng.permutation(10_000).tolist():
            text = f"{template} {number}"
            if hashlib.sha256(text.encode()).digest()[0] % 10 in wanted and len(found) < n:
                found.append(Example(self.name, template, text, (number,)))
        return found

    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        return f"{example.text} hint {hint or 'none'}:"

    def advisor_prompt(self, example: Example, item: str) -> str:
        return f"{example.text} item {item}:"

    def demonstration(self, example: Example, item: str) -> str:
        return item

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        tables = []
        for table in self.values[example.template]:
            columns = [
                [row[self.items.index(reply.text)] if reply.text in self.items else 0.0
                 for row in table]
                for reply in replies
            ]  # fmt: skip
            tables.append(np.array(columns).reshape(len(replies), len(self.items)))
        return Utilities(*tables)

    def game(self, template: str) -> PersuasionGame:
        """The game that measuring a perfect Receiver would give."""
        sender, receiver = self.values[template]
        return PersuasionGame(
            self.prior(template), sender, receiver, states=self.items, actions=self.items
        )

    @property
    def games(self) -> dict[str, PersuasionGame]:
        return {template: self.game(template) for template in self.priors}


class Prosecutor(ToyTask):
    """The prosecutor as texts: two items, the Receiver best-responds, the optimum is partial."""

    name = "prosecutor"
    items = ("innocent", "guilty")
    priors: ClassVar = {"case": (0.7, 0.3)}
    rule = "best_response"
    values: ClassVar = {"case": ([[0, 1], [0, 1]], [[1, 0], [0, 1]])}


class Aligned(ToyTask):
    """Three items, the same interests, a Receiver who samples from her belief."""

    name = "aligned"
    items = ("red", "green", "blue")
    priors: ClassVar = {"even": (1 / 3, 1 / 3, 1 / 3), "tilted": (0.5, 0.3, 0.2)}
    rule = "posterior_sampling"
    values: ClassVar = {
        "even": (np.eye(3).tolist(), np.eye(3).tolist()),
        "tilted": (np.eye(3).tolist(), np.eye(3).tolist()),
    }


@pytest.fixture(scope="session")
def prosecutor() -> Prosecutor:
    return Prosecutor()


@pytest.fixture(scope="session")
def aligned() -> Aligned:
    return Aligned()


def texts_of(*tasks: Task) -> list[str]:
    """What a tokenizer for these tasks learns from."""
    return [
        text
        for task in tasks
        for template in task.priors
        for example in task.examples(template, "train", 50, 0)
        for item in task.items
        for text in (task.advisor_prompt(example, item), task.receiver_prompt(example, item))
    ]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """Knows the words of the toy tasks, and amber and cobalt as tokens of their own."""
    texts = texts_of(Prosecutor(), Aligned())
    return build_tokenizer(texts, 330, whole=["amber", "cobalt"])


SMALL = {"n_layer": 1, "n_embd": 32, "n_head": 2, "n_positions": 48}


@pytest.fixture
def make_advisor(tokenizer: PreTrainedTokenizerBase) -> Callable[..., Advisor]:
    """Return ``make(n_signals, seed=0, **size)``: a fresh, tiny Advisor."""

    def make(n_signals: int = 2, seed: int = 0, **size: int) -> Advisor:
        return Advisor.fresh(tokenizer, Codebook.default(n_signals), {**SMALL, **size}, seed=seed)

    return make
