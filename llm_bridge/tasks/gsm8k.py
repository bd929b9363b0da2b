"""GSM8K: school mathematics in words; something about the solution is hidden."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple, get_args

from llm_bridge.reply import Reply
from llm_bridge.rows import read_rows
from llm_bridge.task import Example
from llm_bridge.tasks._stored import StoredTask
from persuasion.errors import PersuasionError
from persuasion.zoo.gsm8k_replay import LEVELS

__all__ = [
    "TASK",
    "Gsm8k",
    "Hidden",
    "gold_answer",
    "level_of",
    "operators_of",
    "read_answer",
    "steps_of",
]

Hidden = Literal["difficulty", "operators", "step"]

_NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_LAST = re.compile(_NUMBER, re.ASCII)
_MARKED = re.compile(rf"####[^\d\n-]*({_NUMBER})", re.ASCII)
_STEP = re.compile(r"<<([^=<>]*)=([^<>]*)>>")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_FEW = 3
_PRIORS = {"few numbers": (0.5, 0.3, 0.2), "many numbers": (0.2, 0.3, 0.5)}
"""p(item | template) where any item can be asked about any problem: chosen here."""

_TOLD: dict[Hidden, dict[str, str]] = {
    "difficulty": {
        "short": "It takes one or two steps.",
        "medium": "It takes three or four steps.",
        "long": "It takes five steps or more.",
    },
    "operators": {
        "sums": "Only addition and subtraction are needed.",
        "products": "Only multiplication and division are needed.",
        "mixed": "Both sums and products are needed.",
    },
    "step": {
        "first": "Find the quantity that is worked out first.",
        "second": "Find the quantity that is worked out second.",
        "last": "Find the quantity that is worked out last.",
    },
}


class Gsm8k(StoredTask):
    """A word problem is visible; what is hidden of its solution is chosen by `hidden`.

    ``difficulty``: how many steps the solution takes. ``operators``: which operations. Both are
    determined by the problem, and what the Receiver believes without being told is a model: the
    shares of the items in the problem's cluster (see `StoredTask`). ``step``: which of the
    quantities that are worked out on the way is asked for; the question at the end of the problem
    is not shown, and any item can be true of any problem.

    Clusters are "few numbers" (at most 3 in the text) and "many numbers".

    Parameters
    ----------
    path : str or path
        JSON lines with ``question`` and ``answer``, gzipped or not, or a hub id such as
        "openai/gsm8k".
    hidden : {"difficulty", "operators", "step"}
    config, split : str
        For the hub. With config "socratic" the sub-questions are the Receiver's hints of ``step``.
    cost_per_token : float, >= 0
        Utils that the Receiver pays for each token she writes.

    Raises
    ------
    PersuasionError
        When the data cannot be read, an answer has no ``####``, or no problem can be used.
    """

    max_new_tokens = 320

    def __init__(
        self,
        path: str | os.PathLike[str],
        hidden: Hidden = "difficulty",
        *,
        config: str = "main",
        split: str = "test",
        cost_per_token: float = 0.0,
    ) -> None:
        items = self.items_with(hidden)
        if not 0 <= cost_per_token < float("inf"):
            raise PersuasionError(f"`cost_per_token` must be a number >= 0; got {cost_per_token}")
        self.hidden, self.cost_per_token = hidden, cost_per_token
        self.rule = "posterior_sampling" if hidden == "step" else "best_response"  # type: ignore[misc]
        rows = read_rows(path, ("question", "answer"), config=config, split=split)
        super().__init__(
            "gsm8k",
            items,
            _inputs(rows, hidden),
            _PRIORS if hidden == "step" else None,
        )

    @staticmethod
    def items_with(hidden: str = "difficulty") -> tuple[str, ...]:
        """Return the items when `hidden` is hidden."""
        if hidden not in _TOLD:
            raise PersuasionError(
                f"`hidden` must be one of {', '.join(get_args(Hidden))}; got {hidden!r}"
            )
        return tuple(_TOLD[hidden])

    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        """Return the problem, and what the Receiver is led to believe, in a sentence."""
        lines = [f"Question: {example.text}"]
        if hint is not None:
            self.check_item(hint)
            asked = _content(example).questions
            lines.append(asked[self.items.index(hint)] if asked else _TOLD[self.hidden][hint])
        lines.append("Work step by step and end with #### and the number.\nAnswer:")
        return "\n".join(lines)

    def advisor_prompt(self, example: Example, item: str) -> str:
        """Return the problem and the item."""
        self.check_item(item)
        return f"{example.text}\nitem {item}:"

    def demonstration(self, example: Example, item: str) -> str:
        """Return the published solution, up to the quantity asked for."""
        self.check_item(item)
        content = _content(example)
        gold = content.gold[self.items.index(item) if len(content.gold) > 1 else 0]
        lines = content.solution.split("\n")
        if self.hidden == "step" and item != "last":
            lines = lines[: [i for i, line in enumerate(lines) if _STEP.search(line)][
                self.items.index(item)] + 1]  # fmt: skip
        return _STEP.sub("", "\n".join(lines)) + f"\n#### {gold}"

    def read(self, work: Sequence[tuple[Example, Reply]]) -> list[Sequence[bool] | None]:
        """Compare the number of each answer with what is right."""
        out: list[Sequence[bool] | None] = []
        for example, reply in work:
            number = read_answer(reply.text, finished=reply.finished)
            gold = _content(example).gold
            out.append(None if number is None else [number == right for right in gold])
        return out

    def cost(self, reply: Reply) -> float:
        """So much for each token."""
        return self.cost_per_token * min(reply.n_tokens, self.max_new_tokens)

    def _most_paid(self) -> float:
        return self.cost_per_token * self.max_new_tokens


class _Content(NamedTuple):
    """What the task knows of a problem beside its text."""

    solution: str
    gold: tuple[Decimal, ...]
    """One for all items, or one for each."""
    questions: tuple[str, ...]
    """Sub-questions, where there are any."""


def _content(example: Example) -> _Content:
    assert isinstance(example.content, _Content)
    return example.content


def _inputs(rows: list[dict[str, Any]], hidden: Hidden) -> Iterator[tuple[Example, int | None]]:
    items = tuple(_TOLD[hidden])
    for row in rows:
        question, answer = row["question"], row["answer"]
        gold = gold_answer(answer)
        text = question.strip()
        final: tuple[Decimal, ...] = (gold,)
        questions: tuple[str, ...] = ()
        item: int | None = None
        if hidden == "step":
            found = _steps_asked(question, answer, gold)
            if found is None:
                continue
            text, final, questions = found
        else:
            named = level_of(answer) if hidden == "difficulty" else operators_of(answer)
            if named is None:
                continue
            item = items.index(named)
        template = "few numbers" if len(_LAST.findall(text)) <= _FEW else "many numbers"
        solution = re.sub(r"^.*? \*\* ", "", answer.split("####")[0].strip(), flags=re.MULTILINE)
        yield Example("gsm8k", template, text, _Content(solution, final, questions)), item


def _steps_asked(
    question: str, answer: str, gold: Decimal
) -> tuple[str, tuple[Decimal, ...], tuple[str, ...]] | None:
    """Return text without question, the three quantities, and sub-questions where there are any."""
    lines = [line for line in answer.split("\n") if _STEP.search(line)]
    values = [_decimal(_STEP.findall(line)[-1][1]) for line in lines]
    stem = " ".join(s for s in _SENTENCE.split(question.strip()) if not s.endswith("?"))
    if len(lines) < 3 or not stem or values[0] is None or values[1] is None:
        return None
    wanted = (values[0], values[1], gold)
    if len(set(wanted)) < 3:
        return None
    asked = tuple(lines[k].split(" ** ")[0] for k in (0, 1, -1) if " ** " in lines[k])
    return stem, wanted, asked if len(asked) == 3 else ()


# -- reading answers -----------------------------------------------------------------------------


def gold_answer(answer: str) -> Decimal:
    r"""Return the number after ``####`` of a published solution.

    The last ``<<a=b>>`` is not it: in one of twelve test questions that is another number.

    Examples
    --------
    >>> gold_answer("She pays 2*600=$<<2*600=1200>>1200.\n#### 1,200")
    Decimal('1200')
    """
    _, mark, rest = answer.rpartition("####")
    number = _decimal(rest) if mark else None
    if number is None:
        raise PersuasionError(
            f"a published solution has no number after ####: {answer[-60:]!r}; is this GSM8K?"
        )
    return number


def read_answer(text: str, *, finished: bool = True) -> Decimal | None:
    r"""Return the number that an answer gives: the first after ``####``, else its last number.

    Parameters
    ----------
    text : str
    finished : bool
        Whether the answer ended by itself. Of one that was cut only a number after ``####`` with
        something behind it is trusted.

    Returns
    -------
    Decimal or None
        None when there is no such number.

    Examples
    --------
    >>> read_answer("That is 3 + 4 = 7.\n#### $1,234.50\nQuestion: 5")
    Decimal('1234.50')
    >>> read_answer("3 eggs and 4 eggs are 7 eggs."), read_answer("I do not know.")
    (Decimal('7'), None)
    """
    if marked := _MARKED.search(text):
        whole = finished or text[marked.end() :].strip(" ") != ""
        return _decimal(marked[1]) if whole else None
    numbers = _LAST.findall(text) if finished else []
    return _decimal(numbers[-1]) if numbers else None


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip().lstrip("$").replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def steps_of(answer: str) -> int:
    """Return how many calculations a published solution writes down."""
    return answer.count("<<")


def level_of(answer: str) -> str:
    """Return "short" (at most 2 steps), "medium" (3 or 4) or "long".

    Examples
    --------
    >>> level_of("<<1+1=2>>" * 3)
    'medium'
    """
    return tuple(_TOLD["difficulty"])[sum(steps_of(answer) > most for most in LEVELS[3])]


def operators_of(answer: str) -> str | None:
    """Return "sums", "products" or "mixed"; None where no operation is written down.

    Examples
    --------
    >>> operators_of("<<3*4=12>>12 and <<12-2=10>>10"), operators_of("<<-3+4=1>>1")
    ('mixed', 'sums')
    """
    signs = {
        sign for left, _ in _STEP.findall(answer) for sign in re.findall(r"(?<=\S)[-+*/]", left)
    }
    sums, products = bool(signs & set("+-")), bool(signs & set("*/"))
    if not (sums or products):
        return None
    return "mixed" if sums and products else "sums" if sums else "products"


TASK = Gsm8k
