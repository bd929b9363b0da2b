"""Arithmetic on two visible numbers; what is asked about them is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

import numpy as np

from llm_bridge.reply import Reply
from llm_bridge.task import Example, Utilities
from llm_bridge.tasks._synthetic import SyntheticTask, answer_line

__all__ = ["TASK", "Math"]

_TEXTS = {
    "stock": "Stock of {thing}:{a},{b}.",
    "rivals": "Rivals in {thing}:{a},{b}.",
    "crates": "Crates of {thing}:{a},{b}.",
    "notes": "Notes on {thing}:{a},{b}.",
}
_THINGS = ("pens", "cups", "eggs", "books", "coins", "shells", "stamps", "apples")


class Math(SyntheticTask):
    """Two numbers are visible; the question (total, difference, larger, product) is hidden.

    Both players want the right answer, the last whole number that the Receiver writes: with as
    many signals as items full disclosure is optimal, with fewer a partition of the items is.
    Operands that are held out are so in every template.

    Examples
    --------
    >>> task = Math()
    >>> example = task.examples("stock", "test", n=1, seed=0)[0]
    >>> example.text
    'Stock of shells:6,91.'
    >>> [task.demonstration(example, item) for item in task.items]
    ['1+6=7,91+6=97', '11-6=5,91-6=85', '91', '1*6=6,9*6=54,54+0=54,546']
    >>> from llm_bridge.reply import Reply
    >>> task.utilities(example, [Reply("91+6=97", n_tokens=8)]).sender.tolist()
    [[1.0, 0.0, 0.0, 0.0]]
    """

    name = "math"
    items = ("total", "difference", "larger", "product")
    priors: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "stock": (0.55, 0.2, 0.15, 0.1),
        "rivals": (0.1, 0.5, 0.3, 0.1),
        "crates": (0.15, 0.1, 0.1, 0.65),
        "notes": (0.25, 0.25, 0.25, 0.25),
    }

    def draw(self, template: str, rng: Random) -> Example:
        """Draw a number of two digits and one of 2 to 9, in either order, and a thing."""
        pair = [rng.randrange(10, 100), rng.randrange(2, 10)]
        a, b = pair if rng.random() < 0.5 else pair[::-1]
        thing = rng.choice(_THINGS)
        text = _TEXTS[template].format(a=a, b=b, thing=thing)
        return Example(self.name, template, text, (a, b))

    def held_out(self, example: Example) -> str:
        """Return the operands."""
        a, b = example.content
        return f"{a},{b}"

    def demonstration(self, example: Example, item: str) -> str:
        """Return a short chain that ends in the answer."""
        self._check_item(item)
        a, b = _operands(example)
        low, high = sorted((a, b))
        tens, ones = divmod(high, 10)
        if item == "total":
            return f"{ones}+{low}={ones + low},{high}+{low}={high + low}"
        if item == "difference":
            lent = ones if ones >= low else 10 + ones
            return f"{lent}-{low}={lent - low},{high}-{low}={high - low}"
        if item == "larger":
            return f"{high}"
        by_ones, by_tens, carried = ones * low, tens * low, ones * low // 10
        return (
            f"{ones}*{low}={by_ones},{tens}*{low}={by_tens},"
            f"{by_tens}+{carried}={by_tens + carried},{high * low}"
        )

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        """Compare the last whole number of each answer with the four results."""
        a, b = _operands(example)
        results = np.array([a + b, abs(a - b), max(a, b), a * b])
        answers = [re.findall(r"\d+", answer_line(reply) or "") for reply in replies]
        last = np.array([int(numbers[-1][:9]) if numbers else -1 for numbers in answers])
        correct = (last.reshape(-1, 1) == results).astype(float)
        return Utilities(sender=correct, receiver=correct)


def _operands(example: Example) -> tuple[int, int]:
    a, b = example.content
    assert isinstance(a, int)
    assert isinstance(b, int)
    return a, b


TASK = Math
