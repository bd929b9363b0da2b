"""Sums for a grader whose strictness is hidden; the two players want different things."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

import numpy as np

from llm_bridge.reply import Reply
from llm_bridge.task import Example, Utilities
from llm_bridge.tasks._synthetic import SyntheticTask, answer_line

__all__ = ["COST_PER_DIGIT", "MOST_DIGITS_PAID", "TASK", "Grade"]

COST_PER_DIGIT = 0.1
"""Utils that the Receiver pays for each digit she writes."""

MOST_DIGITS_PAID = 10
"""Digits beyond these are free, so that utilities are bounded."""

_TEXTS = {
    "audit": "Audit:{a}+{b}.",
    "survey": "Survey:{a}+{b}.",
    "quiz": "Quiz:{a}+{b}.",
    "market": "Market:{a}+{b}.",
    "recipe": "Recipe:{a}+{b}.",
}
_TOLERANCES = np.array([20, 10, 1])


class Grade(SyntheticTask):
    """A sum is visible; how far off an answer may be and still pass is hidden.

    A ballpark grader passes the sum of the tens (off by less than 20), a rounded one the ten
    below the sum (off by less than 10), an exact one the sum alone. The Receiver earns 1 when she
    passes and pays for each digit that she writes: the better an answer, the longer. The Advisor
    wants the exact answer, whatever the grader. So she exaggerates how strict he is, as far as the
    Receiver still believes her: in ``audit`` and ``survey`` strict graders are so likely that
    silence is best, elsewhere the best scheme discloses in part.

    Digits are counted, not tokens, so that the game is the same for every tokenizer. The last
    whole number of the first line is the answer.

    Examples
    --------
    >>> task = Grade()
    >>> example = task.examples("quiz", "test", n=1, seed=0)[0]
    >>> example.text
    'Quiz:18+26.'
    >>> [task.demonstration(example, item) for item in task.items]
    ['30', '14,40', '14,30,44']
    >>> from llm_bridge.reply import Reply
    >>> both = task.utilities(example, [Reply("30", n_tokens=3), Reply("44", n_tokens=3)])
    >>> both.receiver.round(2).tolist()
    [[0.8, -0.2, -0.2], [0.8, 0.8, 0.8]]
    >>> both.sender.tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    name = "grade"
    items = ("ballpark", "rounded", "exact")
    rule = "best_response"
    receiver_range = (-COST_PER_DIGIT * MOST_DIGITS_PAID, 1.0)
    priors: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "audit": (0.15, 0.25, 0.6),
        "survey": (0.25, 0.25, 0.5),
        "quiz": (0.3, 0.5, 0.2),
        "market": (0.7, 0.05, 0.25),
        "recipe": (0.1, 0.65, 0.25),
    }

    def draw(self, template: str, rng: Random) -> Example:
        """Draw two numbers of two digits."""
        a, b = rng.randrange(10, 100), rng.randrange(10, 100)
        return Example(self.name, template, _TEXTS[template].format(a=a, b=b), (a, b))

    def held_out(self, example: Example) -> str:
        """Return the operands."""
        a, b = example.content
        return f"{a}+{b}"

    def demonstration(self, example: Example, item: str) -> str:
        """Return the cheapest way of working that passes."""
        self._check_item(item)
        a, b = _operands(example)
        ones, tens = a % 10 + b % 10, a // 10 * 10 + b // 10 * 10
        if item == "ballpark":
            return f"{tens}"
        if item == "rounded":
            return f"{ones},{(tens + ones) // 10 * 10}"
        return f"{ones},{tens},{tens + ones}"

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        """Pass or fail under each grader, less what was written; exact or not for the Advisor."""
        total = sum(_operands(example))
        answers = [re.findall(r"\d+", answer_line(reply) or "") for reply in replies]
        error = np.array([abs(int(n[-1][:9]) - total) if n else 10**9 for n in answers])
        n_digits = np.array([sum(map(str.isdecimal, reply.text)) for reply in replies])
        passed = (error.reshape(-1, 1) < _TOLERANCES).astype(float)
        cost = COST_PER_DIGIT * np.minimum(n_digits, MOST_DIGITS_PAID).reshape(-1, 1)
        exact = np.repeat((error == 0).astype(float).reshape(-1, 1), len(self.items), axis=1)
        return Utilities(sender=exact, receiver=passed - cost)


def _operands(example: Example) -> tuple[int, int]:
    a, b = example.content
    assert isinstance(a, int)
    assert isinstance(b, int)
    return a, b


TASK = Grade
