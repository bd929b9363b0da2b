"""Recorded answers of real models: what a scheme is worth on questions it was not made from.

Accuracies by level are measured on some of the questions, the scheme is optimal for them and the
Receiver acts on them; it counts which of the other questions are answered right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_bridge.bootstrap import Bootstrap, bootstrap_means
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.margin_rules import solve_with_margin
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Bayesian
from persuasion.results import Solution
from persuasion.scheme import SignalingScheme
from persuasion.zoo.gsm8k_replay import MODELS, Questions, questions, replay_game

__all__ = ["ARMS", "HeldOut", "answered", "held_out", "laws_of", "splits"]

ARMS = ("no disclosure", "full disclosure", "optimal scheme")
"""What the Receiver is told of the level."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Accuracies on held-out questions.

    Attributes
    ----------
    accuracy : ndarray (n_splits, n_arms)
        Share of the held-out questions answered right, by arm in the order of `ARMS`.
    by_question : ndarray (n_questions, n_arms)
        Chance of a right answer, averaged over the splits that hold the question out; NaN where
        none does.
    still_obeyed : ndarray of bool (n_splits,)
        Whether the scheme would also be obeyed by a Receiver who knew the held-out accuracies.
    margins : ndarray (n_splits,)
        Obedience slack that was met, in right answers.
    """

    accuracy: FloatArray
    by_question: FloatArray
    still_obeyed: NDArray[np.bool_]
    margins: FloatArray

    @property
    def n_splits(self) -> int:
        """Number of splits."""
        return len(self.accuracy)

    @property
    def best_everywhere(self) -> bool:
        """Whether in every split the scheme beats both telling nothing and telling all."""
        return bool((self.accuracy[:, 2] > self.accuracy[:, :2].max(axis=1)).all())

    @cached_property
    def limits(self) -> Bootstrap:
        """Means over questions with limits; arms are paired by question."""
        seen = self.by_question[~np.isnan(self.by_question).any(axis=1)]
        return bootstrap_means(seen, np.zeros(len(seen), dtype=np.intp), [1.0])


def held_out(
    asked: Questions | None = None,
    *,
    n_splits: int = 40,
    share: float = 0.2,
    margin: float = 0.005,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **parameters: Any,
) -> HeldOut:
    """Measure, solve and count on the rest, again and again.

    Parameters
    ----------
    asked : Questions, optional
        Default all that are published.
    n_splits : int, >= 1
    share : float in (0, 1)
        Of the questions, held out in each split.
    margin : float
        Obedience slack of the scheme, in right answers; halved where no scheme has it.
    seed : int
        Split number i depends on `seed` and i only.
    progress : callable, optional
        Called with (splits done, splits in all).
    **parameters
        Of the zoo game: levels, models, costs.

    Raises
    ------
    PersuasionError
        When a parameter is out of range, or some level has no question in a part.

    Notes
    -----
    The Receiver believes the accuracies measured on the questions that are not held out; she is
    not told more. `HeldOut.still_obeyed` says how often that matters.

    Examples
    --------
    >>> from llm_bridge.replay.study import held_out
    >>> found = held_out(n_splits=5)
    >>> found.best_everywhere
    True
    """
    asked = questions() if asked is None else asked
    parts = splits(len(asked), n_splits, share, seed)
    accuracy = np.zeros((n_splits, len(ARMS)))
    total = np.zeros((len(asked), len(ARMS)))
    times = np.zeros(len(asked))
    obeyed, margins = np.zeros(n_splits, dtype=np.bool_), np.zeros(n_splits)
    for split, (out, others) in enumerate(parts):
        rest = asked.subset(others)
        game = replay_game(rest, **parameters)
        solution = solve_with_margin(game, margin)
        chances = answered(asked.subset(out), laws_of(game, solution))
        accuracy[split] = chances.mean(axis=0)
        total[out] += chances
        times[out] += 1
        truth = replay_game(asked.subset(out), **parameters)
        obeyed[split] = _obeyed(truth, solution)
        margins[split] = solution.options["margin"]
        if progress is not None:
            progress(split + 1, n_splits)
    with np.errstate(invalid="ignore"):
        by_question = total / times[:, None]
    return HeldOut(frozen(accuracy), frozen(by_question), obeyed, frozen(margins))


def splits(
    n_questions: int, n_splits: int, share: float, seed: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Divide questions at random, again and again.

    Parameters
    ----------
    n_questions, n_splits : int
    share : float in (0, 1)
        Of the questions, held out in each split.
    seed : int
        Split number i depends on `seed` and i only.

    Returns
    -------
    list of (ndarray, ndarray)
        Places of the questions held out, and of the others.

    Raises
    ------
    PersuasionError
        When there is no split, or no question on one of the sides.
    """
    n_out = round(share * n_questions)
    if n_splits < 1 or not 0 < n_out < n_questions:
        raise PersuasionError(
            "`n_splits` must be at least 1 and `share` leave questions on both sides; got "
            f"{n_splits} splits, {n_out} of {n_questions} questions held out"
        )
    orders = (np.random.default_rng([seed, i]).permutation(n_questions) for i in range(n_splits))
    return [(order[:n_out], order[n_out:]) for order in orders]


def laws_of(game: PersuasionGame, solution: Solution) -> FloatArray:
    """Return how likely each model is asked, ``[arm, level, model]``, by a Receiver of `game`."""
    ends = [
        SignalingScheme.no_disclosure(game.n_states),
        SignalingScheme.full_disclosure(game.n_states),
    ]
    laws = [s.kernel @ Bayesian().respond(game, s.posteriors(game)) for s in ends]
    assert solution.recommendations is not None
    obedient = np.eye(game.n_actions)[list(solution.recommendations)]
    return np.stack([*laws, solution.scheme.kernel @ obedient])


def answered(asked: Questions, laws: FloatArray) -> FloatArray:
    """Return the chance that each question is answered right, ``[question, arm]``.

    Parameters
    ----------
    asked : Questions
    laws : ndarray (n_arms, n_levels, n_models)
        As `laws_of` returns them.
    """
    names = MODELS[laws.shape[2]]
    right = asked.right[:, [MODELS[4].index(name) for name in names]]
    level = asked.levels(laws.shape[1])
    chances: FloatArray = np.einsum("aqm,qm->qa", laws[:, level], right.astype(np.float64))
    return chances


def _obeyed(truth: PersuasionGame, solution: Solution) -> bool:
    """Whether a Receiver who best-responds in another game follows all recommendations."""
    assert solution.recommendations is not None
    wanted = solution.scheme.posteriors(truth) @ truth.receiver_utility
    told = wanted[np.arange(len(wanted)), list(solution.recommendations)]
    return bool((told >= wanted.max(axis=1) - 1e-12).all())
