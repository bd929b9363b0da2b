"""A committee of four language models, real answers: which model's answer to submit, if any.

The state says which of four published models answered a GSM8K test question correctly; the
prior is the exact share of the 1319 questions. The counts lie beside this file as
``gsm8k_committee.json``; all 16 patterns occur.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import choice, fraction

__all__ = ["ENTRY", "count_patterns", "gsm8k_committee_from_file"]

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
_LABELS = ("6B fine-tuned", "6B verified", "175B fine-tuned", "175B verified")
_SENDERS = ("engagement", "commission", "correctness")
_COMMISSIONS = tuple(Fraction(k, 4) for k in (1, 2, 3, 4))
_PRICES = tuple(Fraction(k, 10) for k in (1, 2, 3, 4))
_PATTERNS = tuple(product((False, True), repeat=len(MODELS)))
_SOURCE = (
    "Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021, arXiv:2110.14168 (model "
    "answers, MIT licence); payoffs chosen here, value derived"
)

Pattern = tuple[bool, ...]


def build(sender: Any = "engagement", cost: Any = 3) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    sender : {"engagement", "commission", "correctness"}
        What a submission earns the Sender. Engagement: 1. Commission: 1/4, 1/2, 3/4 or 1 by
        model, whether or not the answer is right. Correctness: 1 if it is right, less a price of
        1/10, 2/10, 3/10 or 4/10 by model; there nothing is to be gained beyond full disclosure.
    cost : number, > 0
        The Receiver earns 1 by submitting a right answer, loses `cost` by a wrong one, and gets
        0 when she abstains.
    """
    return _game(_shipped(), sender, cost)


def gsm8k_committee_from_file(
    path: str | os.PathLike[str], *, sender: Any = "engagement", cost: Any = 3
) -> PersuasionGame:
    """Build the same game from a file of graded answers.

    Parameters
    ----------
    path : path
        JSON lines; each holds, for each of the four models, ``{"is_correct": true or false}``,
        as ``example_model_solutions.jsonl`` of github.com/openai/grade-school-math does.
    sender, cost
        As in the zoo game.

    Raises
    ------
    GameError
        When the file cannot be read or lacks a grade; the message names file and line.
    """
    return _game(count_patterns(path), sender, cost)


def count_patterns(path: str | os.PathLike[str]) -> dict[Pattern, int]:
    """Count the questions of a file by pattern of right answers, one bool per model.

    All 16 patterns are keys, so that games from different files have the same states; a pattern
    that does not occur counts 0 and becomes a state of prior probability zero.
    """
    counts = dict.fromkeys(_PATTERNS, 0)
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    counts[_grades(line, f"{path}, line {number}")] += 1
    except (OSError, UnicodeDecodeError) as cause:
        raise GameError(f"{path} cannot be read: {cause}") from cause
    if not any(counts.values()):
        raise GameError(f"{path} holds no graded answers")
    return counts


def value(sender: Any, cost: Any) -> Fraction | None:
    """Optimal value in closed form; None for commissions where `cost` is below 887/432.

    A submission must be right with chance ``cost / (1 + cost)``, so each right answer carries at
    most ``1 / cost`` wrong ones: from payoffs that do not depend on the state no scheme earns
    more than ``1 + 1 / cost`` times full disclosure. Recommending the best right model, and any
    of them on questions that none got right, earns as much where such questions (432, against
    887 others) are enough. Where they are not, engagement reaches 1.
    """
    kind, loss = _read(sender, cost)
    counts = _shipped()
    total = sum(counts.values())

    def mean_of_best(payoffs: Iterable[Fraction]) -> Fraction:
        rewards = tuple(payoffs)
        earned = Fraction(0)
        for pattern, n in counts.items():
            earned += n * max(
                (x for x, right in zip(rewards, pattern, strict=True) if right), default=0
            )
        return earned / total

    if kind == "correctness":
        return mean_of_best(1 - price for price in _PRICES)
    none_right = Fraction(counts[_PATTERNS[0]], total)
    enough = (1 - none_right) / loss <= none_right
    if kind == "engagement":
        return (1 + 1 / loss) * (1 - none_right) if enough else Fraction(1)
    return (1 + 1 / loss) * mean_of_best(_COMMISSIONS) if enough else None


def _game(counts: Mapping[Pattern, int], sender: Any, cost: Any) -> PersuasionGame:
    kind, loss = _read(sender, cost)
    total = sum(counts.values())

    def sender_payoff(model: int, right: bool) -> Fraction:
        if kind == "engagement":
            return Fraction(1)
        if kind == "commission":
            return _COMMISSIONS[model]
        return right - _PRICES[model]

    abstain = Fraction(0)
    return PersuasionGame(
        [Fraction(counts[pattern], total) for pattern in _PATTERNS],
        [[*(sender_payoff(k, x) for k, x in enumerate(p)), abstain] for p in _PATTERNS],
        [[*(Fraction(1) if x else -loss for x in p), abstain] for p in _PATTERNS],
        states=[_describe(pattern) for pattern in _PATTERNS],
        actions=[*(f"submit {label}" for label in _LABELS), "abstain"],
    )


def _read(sender: Any, cost: Any) -> tuple[str, Fraction]:
    loss = fraction(cost, "cost")
    if loss <= 0:
        raise GameError(f"`cost` must be positive; got {cost}")
    return choice(sender, "sender", _SENDERS), loss


def _describe(pattern: Pattern) -> str:
    right = [label for label, x in zip(_LABELS, pattern, strict=True) if x]
    if len(right) in (0, len(_LABELS)):
        return "all right" if right else "none right"
    return f"right: {', '.join(right)}"


def _grades(line: str, where: str) -> Pattern:
    try:
        row = json.loads(line)
        grades = tuple(row[model]["is_correct"] for model in MODELS)
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise GameError(
            f"{where} must be a JSON object with is_correct for each of {', '.join(MODELS)}"
        ) from cause
    if not all(isinstance(grade, bool) for grade in grades):
        raise GameError(f"{where}: is_correct must be true or false; got {grades}")
    return grades


@cache
def _shipped() -> Mapping[Pattern, int]:
    file = resources.files("persuasion.zoo").joinpath("gsm8k_committee.json")
    counts = json.loads(file.read_text(encoding="utf-8"))["counts"]
    return {p: counts["".join("01"[right] for right in p)] for p in _PATTERNS}


ENTRY = ZooEntry(
    name="gsm8k_committee",
    build=build,
    value=value,
    source=_SOURCE,
    note="real answers of four models to 1319 questions; a third more than full disclosure earns",
)
