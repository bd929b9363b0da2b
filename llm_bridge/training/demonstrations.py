"""Demonstrations of a task, drawn block by block: each block a function of seed and number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from zlib import crc32

import numpy as np
from transformers import PreTrainedTokenizerBase

from llm_bridge.task import Task
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["Demonstrations", "TokenPair", "divide", "mean_lengths", "streams_of"]

TokenPair = tuple[list[int], list[int]]
"""Tokens of a prompt and of the response to it."""

_BLOCK, _MOST = 50, 10_000
"""Steps whose demonstrations are drawn together, and about how many those are at most."""
_SAMPLE = 50
"""Inputs per template from which lengths are estimated and tokenizers made."""


def mean_lengths(task: Task, seed: int) -> FloatArray:
    """Mean characters of the demonstrations of each item, end included, shape (n_items,)."""
    rows = [
        [len(task.demonstration(x, item)) + 1 for item in task.items]
        for template in task.priors
        for x in task.examples(template, "train", _SAMPLE, seed)
    ]
    mean: FloatArray = np.mean(rows, axis=0)
    return mean


def divide(batch: int, weights: Sequence[float]) -> list[int]:
    """Divide a batch in proportion to weights, at least one each, by largest remainders.

    Examples
    --------
    >>> divide(10, [3.0, 1.0])
    [7, 3]
    """
    free = batch - len(weights)
    exact = np.array(weights) / sum(weights) * free
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: free - shares.sum()]] += 1
    return [int(share) + 1 for share in shares]


@cache
def _one_thread() -> ThreadPoolExecutor:
    """The thread in which all streams draw: a tokenizer is for one caller at a time."""
    return ThreadPoolExecutor(max_workers=1)


class Demonstrations:
    """An endless stream of prompts with right responses.

    Parameters
    ----------
    task : Task
        `examples` of split "train" and `demonstration` are used.
    share : int, >= 1
        Demonstrations per step.
    odds : ndarray (n_items,)
        How often each item is the hint.
    hintless : float in [0, 1]
        Share of prompts without a hint, answered for an item drawn from the prior.
    seed : int, >= 0
    ahead : bool
        Whether the next block is drawn in a thread beside while the present one is used.
    """

    def __init__(
        self,
        task: Task,
        share: int,
        odds: FloatArray,
        hintless: float,
        seed: int,
        *,
        ahead: bool = False,
    ) -> None:
        self.task = task
        self.share = share
        self.odds = odds
        self.hintless = hintless
        self.seed = seed
        self.ahead = ahead
        self._steps = max(1, min(_BLOCK, _MOST // share))
        self._encoded: tuple[int, list[TokenPair]] = (-1, [])
        self._coming: tuple[int, Future[list[TokenPair]]] | None = None

    def batch(
        self, step: int, tokenizer: PreTrainedTokenizerBase, n_positions: int
    ) -> list[TokenPair]:
        """Return the tokens of one step; none may be longer than `n_positions`."""
        block, place = divmod(step, self._steps)
        if self._encoded[0] != block:
            if not self.ahead:
                self._encoded = (block, self._encode(block, tokenizer, n_positions))
            else:
                if self._coming is None or self._coming[0] != block:
                    self._coming = self._drawn_beside(block, tokenizer, n_positions)
                self._encoded = (block, self._coming[1].result())
                self._coming = self._drawn_beside(block + 1, tokenizer, n_positions)
        return self._encoded[1][place * self.share : (place + 1) * self.share]

    def _drawn_beside(
        self, block: int, tokenizer: PreTrainedTokenizerBase, n_positions: int
    ) -> tuple[int, Future[list[TokenPair]]]:
        return block, _one_thread().submit(self._encode, block, tokenizer, n_positions)

    def texts(self) -> Iterator[str]:
        """Yield what is read and written, for a tokenizer."""
        for template in self.task.priors:
            for example in self.task.examples(template, "train", _SAMPLE, self.seed):
                yield self.task.receiver_prompt(example, None)
                for item in self.task.items:
                    yield self.task.receiver_prompt(example, item)
                    yield self.task.advisor_prompt(example, item)
                    yield self.task.demonstration(example, item)

    def pairs(self, block: int) -> list[tuple[str, str]]:
        """Return the prompts and responses of a block."""
        task, n = self.task, self.share * self._steps
        rng = np.random.default_rng([self.seed, block, crc32(task.name.encode())])
        each = -(-n // len(task.priors))
        examples = [
            example
            for template in task.priors
            for example in task.examples(template, "train", each, int(rng.integers(2**31)))
        ]
        pairs = []
        for place in rng.permutation(len(examples))[:n]:
            example = examples[place]
            if rng.random() < self.hintless:
                item = task.items[rng.choice(len(task.items), p=task.prior(example.template))]
                hint = None
            else:
                hint = item = task.items[rng.choice(len(task.items), p=self.odds)]
            pairs.append((task.receiver_prompt(example, hint), task.demonstration(example, item)))
        return pairs

    def _encode(
        self, block: int, tokenizer: PreTrainedTokenizerBase, n_positions: int
    ) -> list[TokenPair]:
        prompts, responses = zip(*self.pairs(block), strict=True)
        read = tokenizer(list(prompts))["input_ids"]
        written = tokenizer(list(responses), add_special_tokens=False)["input_ids"]
        longest = max(len(r) + len(w) + 1 for r, w in zip(read, written, strict=True))
        if longest > n_positions:
            raise PersuasionError(
                f"a demonstration of task {self.task.name!r} has {longest} tokens, but the model "
                f"reads {n_positions}; raise `n_positions`"
            )
        end = tokenizer.eos_token_id
        return [(r, [*w, end]) for r, w in zip(read, written, strict=True)]


def streams_of(
    tasks: Sequence[Task], batch: int, hintless: float, seed: int, *, ahead: bool = False
) -> list[Demonstrations]:
    """Return the streams of several tasks that together make the batches of a training.

    Parameters
    ----------
    tasks : sequence of Task
    batch : int
        Demonstrations of a step, shared by the tasks in proportion to what they have to teach.
    hintless : float in [0, 1]
    seed : int, >= 0
    ahead : bool
        As for `Demonstrations`; changes no batch.
    """
    lengths = [mean_lengths(task, seed) for task in tasks]
    odds = [(long / long.sum() + 1 / len(long)) / 2 for long in lengths]
    written = [float(law @ long) for law, long in zip(odds, lengths, strict=True)]
    return [
        Demonstrations(task, share, law, hintless, seed, ahead=ahead)
        for task, share, law in zip(tasks, divide(batch, written), odds, strict=True)
    ]
