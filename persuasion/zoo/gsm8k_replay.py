"""Which language model should answer? Questions of several levels, real answers of real models.

The state is the level of a GSM8K test question: how many steps its published solution takes. The
Receiver pays for the model that she asks and wants a right answer; the Sender, who sees the level,
wants right answers whatever they cost. Beside this file, ``gsm8k_replay.json`` says for each of
the 1319 questions how many steps its solution takes and which of four models answered it right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import count, fractions

__all__ = ["COSTS", "ENTRY", "LABELS", "LEVELS", "MODELS", "Questions", "questions", "replay_game"]

MODELS: dict[int, tuple[str, ...]] = {
    2: ("6b_finetuning", "175b_verification"),
    4: ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"),
}
"""Models that can be asked, by their number: keys of the published file."""

COSTS: dict[int, tuple[Fraction, ...]] = {
    2: (Fraction(0), Fraction(37, 100)),
    4: (Fraction(0), Fraction(18, 100), Fraction(20, 100), Fraction(37, 100)),
}
"""What a question costs with each, in right answers; chosen here."""

LEVELS: dict[int, tuple[int, ...]] = {3: (2, 4), 6: (1, 2, 3, 4, 5)}
"""Most steps of each level but the last."""

LABELS = {
    "6b_finetuning": "6B fine-tuned",
    "6b_verification": "6B verified",
    "175b_finetuning": "175B fine-tuned",
    "175b_verification": "175B verified",
}

_FOUR_MODELS = {
    3: Fraction(3063672537, 5911032550),
    6: Fraction(2485615233, 4766319934),
}
"""Optimal values with four models at the default costs, by linear programming in rationals."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions with the answers of four models, graded.

    Attributes
    ----------
    steps : ndarray of int (n_questions,)
        Calculations in the published solution.
    right : ndarray of bool (n_questions, 4)
        Whether each model of ``MODELS[4]`` answered right.
    """

    steps: NDArray[np.intp]
    right: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.steps)

    def levels(self, n_levels: int) -> NDArray[np.intp]:
        """Return the level of each question, from 0; `n_levels` is a key of `LEVELS`."""
        return np.searchsorted(LEVELS[n_levels], self.steps, side="left")

    def subset(self, places: Any) -> Questions:
        """Return the questions at these places, as numpy would index them."""
        return Questions(self.steps[places], self.right[places])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Questions:
        """Count and grade a file of answers.

        Parameters
        ----------
        path : path
            JSON lines as ``example_model_solutions.jsonl`` of github.com/openai/grade-school-math:
            each holds ``ground_truth``, in which every calculation is written ``<<...>>``, and for
            each model ``{"is_correct": true or false}``.

        Raises
        ------
        GameError
            When the file cannot be read or something is missing; names file and line.
        """
        steps: list[int] = []
        right: list[list[bool]] = []
        try:
            with Path(path).open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        n, grades = _read_line(line, f"{path}, line {number}")
                        steps.append(n)
                        right.append(grades)
        except (OSError, UnicodeDecodeError) as cause:
            raise GameError(f"{path} cannot be read: {cause}") from cause
        if not steps:
            raise GameError(f"{path} holds no graded answers")
        return cls(np.array(steps, dtype=np.intp), np.array(right, dtype=np.bool_))


@cache
def questions() -> Questions:
    """All 1319 published questions, in the order of the test set.

    Examples
    --------
    >>> from persuasion.zoo.gsm8k_replay import questions
    >>> asked = questions()
    >>> [int((asked.levels(3) == level).sum()) for level in range(3)]
    [440, 654, 225]
    """
    file = resources.files("persuasion.zoo").joinpath("gsm8k_replay.json")
    table = json.loads(file.read_text(encoding="utf-8"))
    steps = np.array([int(digit) for digit in table["steps"]], dtype=np.intp)
    digits = np.array([int(digit, 16) for digit in table["right"]])
    right = (digits[:, None] >> np.arange(3, -1, -1) & 1).astype(np.bool_)
    steps.setflags(write=False)
    right.setflags(write=False)
    return Questions(steps, right)


def replay_game(
    asked: Questions, levels: Any = 3, models: Any = 2, costs: Any = None
) -> PersuasionGame:
    """Build the game of a set of questions, for example of those that are not held out.

    Parameters
    ----------
    asked : Questions
    levels, models, costs
        As in the zoo game.

    Raises
    ------
    GameError
        When a level has no question, or a parameter is not legal.
    """
    n_levels, names, prices = _parameters(levels, models, costs)
    level = asked.levels(n_levels)
    sizes = np.bincount(level, minlength=n_levels).tolist()
    if min(sizes) == 0:
        raise GameError(
            f"every level needs questions; their numbers are {sizes}. Take more, or fewer levels"
        )
    columns = [MODELS[4].index(name) for name in names]
    hits = [asked.right[level == k][:, columns].sum(axis=0).tolist() for k in range(n_levels)]
    accuracy = [[Fraction(h, n) for h in row] for row, n in zip(hits, sizes, strict=True)]
    return PersuasionGame(
        [Fraction(n, len(asked)) for n in sizes],
        accuracy,
        [[a - c for a, c in zip(row, prices, strict=True)] for row in accuracy],
        states=_describe(LEVELS[n_levels]),
        actions=[f"ask {LABELS[name]}" for name in names],
    )


def build(levels: Any = 3, models: Any = 2, costs: Any = None) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    levels : {3, 6}
        Questions of at most 2, 3 to 4, and 5 or more steps; or of at most 1, 2, 3, 4, 5 and more.
    models : {2, 4}
        The 6B model fine-tuned and the 175B model with a verifier, or both of either size.
    costs : numbers, one per model, optional
        What the Receiver pays for a question, in right answers; default 0 and 37/100, or 0,
        18/100, 20/100 and 37/100.
    """
    return replay_game(questions(), levels, models, costs)


def value(levels: Any, models: Any, costs: Any) -> Fraction | None:
    """Optimal value, exact; None for four models at other costs than the default.

    Two models: the dearer one is more often right at every level, so the Sender wants it asked.
    Where the Receiver does not by herself, she does when told to on levels at which it pays, and
    then on others for as long as it pays in total, those first that buy most right answers for
    what they lose her: a fractional knapsack.
    """
    n_levels, names, prices = _parameters(levels, models, costs)
    if len(names) == 4:
        return _FOUR_MODELS[n_levels] if prices == COSTS[4] else None
    game = build(levels, models, costs).exact
    earned, budget = Fraction(0), Fraction(0)
    losing = []
    for p, v, u in zip(game.prior, game.sender_utility, game.receiver_utility, strict=True):
        more, pays = p * (v[1] - v[0]), p * (u[1] - u[0])
        earned += p * v[0]
        if pays >= 0:
            earned, budget = earned + more, budget + pays
        else:
            losing.append((more / -pays, more, -pays))
    for _, more, loss in sorted(losing, reverse=True):
        share = min(Fraction(1), budget / loss)
        earned, budget = earned + share * more, budget - share * loss
    return earned


def _parameters(
    levels: Any, models: Any, costs: Any
) -> tuple[int, tuple[str, ...], tuple[Fraction, ...]]:
    n_levels, n_models = count(levels, "levels"), count(models, "models")
    for name, given, legal in (("levels", n_levels, LEVELS), ("models", n_models, MODELS)):
        if given not in legal:
            raise GameError(f"`{name}` must be one of {', '.join(map(str, legal))}; got {given}")
    prices = COSTS[n_models] if costs is None else fractions(costs, "costs")
    if len(prices) != n_models or min(prices) < 0:
        raise GameError(f"`costs` must hold {n_models} numbers >= 0, one per model; got {costs}")
    return n_levels, MODELS[n_models], prices


def _describe(most: Sequence[int]) -> list[str]:
    low, labels = 0, []
    for high in most:
        labels.append(f"{high} steps" if low == high else f"{low}-{high} steps" if low
                      else f"up to {high} steps" if high > 1 else "up to 1 step")  # fmt: skip
        low = high + 1
    return [*labels, f"{low} steps or more"]


def _read_line(line: str, where: str) -> tuple[int, list[bool]]:
    try:
        row: Mapping[str, Any] = json.loads(line)
        steps = row["ground_truth"].count("<<")
        grades = [row[model]["is_correct"] for model in MODELS[4]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise GameError(
            f"{where} must be a JSON object with ground_truth, and is_correct for each of "
            f"{', '.join(MODELS[4])}"
        ) from cause
    if not all(isinstance(grade, bool) for grade in grades):
        raise GameError(f"{where}: is_correct must be true or false; got {grades}")
    return steps, grades


ENTRY = ZooEntry(
    name="gsm8k_replay",
    build=build,
    value=value,
    source=(
        "Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021, arXiv:2110.14168 "
        "(model answers, MIT licence); costs chosen here, value derived"
    ),
    note="real answers of four models by length of the solution; telling part beats telling all",
)
