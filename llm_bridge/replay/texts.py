"""The words of GSM8K's questions, for an Advisor who reads them.

Beside this file, ``gsm8k_questions.json.gz`` holds all published questions with their licence, and
how many calculations the solution of each question for training takes. How long the solutions of
the test questions are, and who answered them right, says `persuasion.zoo.gsm8k_replay`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["QuestionTexts", "question_texts"]


@dataclass(frozen=True, eq=False)
class QuestionTexts:
    """Questions in words.

    Attributes
    ----------
    train : tuple of str
        The 7473 questions that no recorded model was graded on.
    train_steps : ndarray of int
        Calculations in the published solution of each; 9 stands for nine or more.
    test : tuple of str
        The 1319 questions of `persuasion.zoo.gsm8k_replay.questions`, in its order.
    """

    train: tuple[str, ...]
    train_steps: NDArray[np.intp]
    test: tuple[str, ...]


@cache
def question_texts() -> QuestionTexts:
    """Return all published questions.

    Examples
    --------
    >>> from llm_bridge.replay.texts import question_texts
    >>> texts = question_texts()
    >>> len(texts.train), len(texts.test), texts.train[0][:40]
    (7473, 1319, 'Natalia sold clips to 48 of her friends ')
    """
    file = resources.files("llm_bridge.replay").joinpath("gsm8k_questions.json.gz")
    table = json.loads(gzip.decompress(file.read_bytes()))
    steps = np.array([int(digit) for digit in table["train_steps"]], dtype=np.intp)
    steps.setflags(write=False)
    return QuestionTexts(tuple(table["train"]), steps, tuple(table["test"]))
