"""What persuasion is worth when the Sender has to read the question, over prices.

Three kinds of questions are kept apart: an Advisor learns to read, and codewords learn to persuade,
on questions for training that no model was graded on, one part for each; what the models are worth
by level, and what codewords say of the level, is measured on graded questions; answers to other
graded questions are counted. The Receiver best-responds to what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_bridge.bootstrap import Bootstrap, bootstrap_means
from llm_bridge.replay.reader import CLASSES, ReaderTraining, codewords_of, readings, train_reader
from llm_bridge.replay.recommend import CODEWORDS, laws_after, learn_codewords
from llm_bridge.replay.study import ARMS, laws_of, splits
from llm_bridge.replay.texts import QuestionTexts, question_texts
from llm_bridge.training.settings import AdvisorTraining
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.margin_rules import solve_with_margin
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Bayesian
from persuasion.scheme import SignalingScheme
from persuasion.zoo.gsm8k_replay import LEVELS, MODELS, Questions, questions, replay_game

__all__ = [
    "PRICES",
    "READ_ARMS",
    "HeldOutReading",
    "Read",
    "held_out_reading",
    "parts_of",
    "read_questions",
]

PRICES = tuple(Fraction(n, 1000) for n in (335, 340, 345, 350, 355, 360, 365, 370, 380))
"""What the large model costs, in right answers."""

READ_ARMS = (
    *ARMS,
    "level as read",
    "optimal scheme of the level as read",
    "recommendation from text",
    "recommendation, texts shuffled",
)
"""What the Receiver is told: three times by a Sender who knows the level, three times by one who
read the question; the last is a control."""


_FROM_TEXT = READ_ARMS.index("recommendation from text")


@dataclass(frozen=True, eq=False)
class Read:
    """What was read of questions that the reader was not trained on.

    Attributes
    ----------
    fresh : ndarray (n_fresh, width)
        Readings of questions for training.
    fresh_steps : ndarray of int (n_fresh,)
        Steps of their solutions.
    asked : ndarray (n_questions, width)
        Readings of the graded questions.
    chances : ndarray (n_questions, n_classes)
        How many steps these seem to take, by the classes of `reader.CLASSES`.
    """

    fresh: FloatArray
    fresh_steps: NDArray[np.intp]
    asked: FloatArray
    chances: FloatArray

    def likeliest(self, levels: int) -> NDArray[np.intp]:
        """Return the likeliest level of each graded question; `levels` is a key of `LEVELS`."""
        level = np.searchsorted(LEVELS[levels], np.arange(1, CLASSES + 1))
        found: NDArray[np.intp] = (self.chances @ np.eye(levels)[level]).argmax(axis=1)
        return found

    def shuffled(self, seed: int) -> Read:
        """Return the same with readings dealt out to other questions."""
        rng = np.random.default_rng([seed, 7])
        deal = rng.permutation(len(self.asked))
        fresh = self.fresh[rng.permutation(len(self.fresh))]
        return Read(fresh, self.fresh_steps, self.asked[deal], self.chances[deal])


def read_questions(
    texts: QuestionTexts | None = None,
    settings: ReaderTraining | None = None,
    *,
    share_fresh: float = 0.25,
    progress: Callable[[int, int], None] | None = None,
) -> Read:
    """Train a reader on most of the questions for training and let her read the others.

    Parameters
    ----------
    texts : QuestionTexts, optional
        Default all that are published.
    settings : ReaderTraining, optional
    share_fresh : float in (0, 1)
        Of the questions for training, those that she is not trained on.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Read

    Raises
    ------
    PersuasionError
        When a part has no question.
    """
    texts, settings = texts or question_texts(), settings or ReaderTraining()
    fresh, learnt = parts_of(texts, share_fresh, settings.seed)
    steps = texts.train_steps
    reader = train_reader([texts.train[i] for i in learnt], steps[learnt], settings,
                          progress=progress)  # fmt: skip
    asked = readings(reader, texts.test)
    return Read(
        frozen(readings(reader, [texts.train[i] for i in fresh])),
        steps[fresh],
        frozen(asked),
        frozen(laws_after(asked, codewords_of(reader)[None])[0]),
    )


def parts_of(
    texts: QuestionTexts, share_fresh: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide the questions for training.

    Parameters
    ----------
    texts : QuestionTexts
    share_fresh : float in (0, 1)
    seed : int

    Returns
    -------
    (ndarray, ndarray)
        Places of those from which codewords learn, and of those from which reading is learnt.

    Raises
    ------
    PersuasionError
        When a part has no question.
    """
    n_fresh = round(share_fresh * len(texts.train))
    if not 0 < n_fresh < len(texts.train):
        raise PersuasionError(
            f"`share_fresh` must leave questions on both sides; got {share_fresh}, "
            f"{n_fresh} of {len(texts.train)} questions"
        )
    order = np.random.default_rng([seed, 1]).permutation(len(texts.train))
    return order[:n_fresh], order[n_fresh:]


@dataclass(frozen=True, eq=False)
class HeldOutReading:
    """Accuracies on held-out questions, by price; arms in the order of `READ_ARMS`.

    Attributes
    ----------
    prices : tuple of Fraction
    accuracy : ndarray (n_splits, n_prices, n_arms)
        Share of the held-out questions answered right.
    by_question : ndarray (n_questions, n_prices, n_arms)
        Chance of a right answer, averaged over the splits that hold the question out; NaN where
        none does.
    followed : ndarray (n_splits, n_prices)
        How often the Receiver asks the large model on a recommendation learnt from text.
    """

    prices: tuple[Fraction, ...]
    accuracy: FloatArray
    by_question: FloatArray
    followed: FloatArray

    def limits(self, price: int) -> Bootstrap:
        """Means over questions with limits at one of the prices; arms are paired by question."""
        table = self.by_question[:, price]
        seen = table[~np.isnan(table).any(axis=1)]
        return bootstrap_means(seen, np.zeros(len(seen), dtype=np.intp), [1.0])

    def limits_over_splits(self, price: int) -> Bootstrap:
        """Means over splits with limits; arms are paired by split.

        What is measured differs by split, and whether a recommendation is followed with it: near
        the price at which the Receiver changes her mind that is the greater uncertainty. Splits
        share questions, so that these limits are rough.
        """
        table = self.accuracy[:, price]
        return bootstrap_means(table, np.zeros(len(table), dtype=np.intp), [1.0])


def held_out_reading(
    read: Read,
    asked: Questions | None = None,
    *,
    prices: Sequence[Any] = PRICES,
    levels: int = 3,
    n_splits: int = 40,
    share: float = 0.2,
    margin: float = 0.005,
    seed: int = 0,
    settings: AdvisorTraining = CODEWORDS,
    progress: Callable[[int, int], None] | None = None,
) -> HeldOutReading:
    """Measure, learn codewords and count on the rest, again and again, at each price.

    Parameters
    ----------
    read : Read
    asked : Questions, optional
        Grades of the questions read; default all that are published.
    prices : sequence of numbers
        Of the large model; Fractions or strings are kept exactly.
    levels : int
        Of the game, a key of `LEVELS`.
    n_splits, share, seed
        As in `study.held_out`, which splits alike.
    margin : float
        Obedience slack of the optimal schemes; codewords have that of `settings`.
    settings : AdvisorTraining
    progress : callable, optional
        Called with (splits done, splits in all).

    Returns
    -------
    HeldOutReading

    Raises
    ------
    PersuasionError
        When grades and readings do not fit together, or a part lacks a level.

    Notes
    -----
    The Receiver hears codewords only, and thinks in the states of the game: from how often each
    codeword follows each level, among questions that are not held out, she infers the level, and
    from it how well the models do. Words may tell more than the level; of that she makes nothing.
    """
    asked = questions() if asked is None else asked
    if len(asked) != len(read.asked):
        raise PersuasionError(
            f"there must be grades for the questions read; got {len(asked)} graded and "
            f"{len(read.asked)} read"
        )
    exact = tuple(Fraction(price) for price in prices)
    parts = splits(len(asked), n_splits, share, seed)
    level, fresh = asked.levels(levels), np.searchsorted(LEVELS[levels], read.fresh_steps)
    right = asked.right[:, [MODELS[4].index(name) for name in MODELS[2]]].astype(np.float64)
    control = read.shuffled(seed)
    seems = np.eye(levels)[read.likeliest(levels)]
    accuracy = np.zeros((n_splits, len(exact), len(READ_ARMS)))
    total, times = np.zeros((len(asked), len(exact), len(READ_ARMS))), np.zeros(len(asked))
    followed = np.zeros((n_splits, len(exact)))
    for split, (out, rest) in enumerate(parts):
        known = asked.subset(rest)
        games = [replay_game(known, levels, 2, ["0", price]) for price in exact]
        written = [
            laws_after(one.asked, learn_codewords(one.fresh, fresh, games, settings))
            for one in (read, control)
        ]
        for place, game in enumerate(games):
            told = laws_of(game, solve_with_margin(game, margin))[:, level[out]]
            guessed = _as_heard(game, seems[rest], level[rest])
            answers = laws_of(guessed, solve_with_margin(guessed, margin))[1:]
            asks = [*told, *(seems[out] @ answer for answer in answers)]
            for laws in (both[place] for both in written):
                heard = _as_heard(game, laws[rest], level[rest])
                asks.append(laws[out] @ Bayesian().respond(heard, np.eye(heard.n_states)))
            followed[split, place] = asks[_FROM_TEXT][:, 1].mean()
            chances = np.einsum("aqm,qm->qa", np.stack(asks), right[out])
            accuracy[split, place] = chances.mean(axis=0)
            total[out, place] += chances
        times[out] += 1
        if progress is not None:
            progress(split + 1, n_splits)
    with np.errstate(invalid="ignore"):
        by_question = total / times[:, None, None]
    return HeldOutReading(exact, frozen(accuracy), frozen(by_question), frozen(followed))


def _as_heard(game: PersuasionGame, laws: FloatArray, levels: NDArray[np.intp]) -> PersuasionGame:
    """The game in which the state is the signal: what each tells of the level is measured.

    Signals that never occurred have prior 0 and tell nothing.
    """
    kernel = np.stack([laws[levels == k].mean(axis=0) for k in range(game.n_states)])
    scheme = SignalingScheme(kernel / kernel.sum(axis=1, keepdims=True))
    beliefs = scheme.posteriors(game)
    return PersuasionGame(
        scheme.signal_probabilities(game),
        beliefs @ game.sender_utility,
        beliefs @ game.receiver_utility,
    )
