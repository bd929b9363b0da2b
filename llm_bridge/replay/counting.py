"""A yardstick for the reader: the same questions, read by counting words.

Logistic regression on lengths, numbers and common words knows nothing of the order of words. Its
log-odds take the place of readings, and everything after is as with a language model; so the two
are worth what they see.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from llm_bridge.device import threads
from llm_bridge.replay.reader import CLASSES, as_seen
from llm_bridge.replay.reading import Read, parts_of
from llm_bridge.replay.texts import QuestionTexts, question_texts
from persuasion.rationals import FloatArray, frozen
from persuasion.zoo.gsm8k_replay import LEVELS

__all__ = ["count_questions"]

_WORD = re.compile(r"[a-z]+|[#%$?.,]")


@threads(1)
def count_questions(
    texts: QuestionTexts | None = None,
    *,
    n_words: int = 300,
    penalty: float = 1e-2,
    share_fresh: float = 0.25,
    seed: int = 0,
) -> Read:
    """Fit a logistic regression where `reading.read_questions` trains a language model.

    Parameters
    ----------
    texts : QuestionTexts, optional
        Default all that are published.
    n_words : int
        Commonest words that are counted, numbers among them as one.
    penalty : float
        On squared weights, of standardised logarithms of counts.
    share_fresh, seed
        As there; the same questions are read.

    Returns
    -------
    Read
        Readings are the log-chances of the classes, and a one.
    """
    texts = texts or question_texts()
    fresh, learnt = parts_of(texts, share_fresh, seed)
    words = [_WORD.findall(as_seen(text).lower()) for text in (*texts.train, *texts.test)]
    n_train = len(texts.train)
    common = Counter(word for i in learnt for word in set(words[i])).most_common(n_words)
    counts = _counted(words, {word: place for place, (word, _) in enumerate(common)})
    known = counts[learnt]
    counts = (counts - known.mean(axis=0)) / (known.std(axis=0) + 1e-6)
    classes = np.searchsorted(LEVELS[CLASSES], texts.train_steps[learnt])
    log_chances = _fitted(counts[learnt], classes, counts, penalty)
    read = np.column_stack([log_chances, np.ones(len(words))])
    return Read(
        frozen(read[:n_train][fresh]),
        texts.train_steps[fresh],
        frozen(read[n_train:]),
        frozen(np.exp(log_chances[n_train:])),
    )


def _counted(words: Sequence[Sequence[str]], places: Mapping[str, int]) -> FloatArray:
    """Logarithms of one and the counts: of each common word, and of all words."""
    counts = np.zeros((len(words), len(places) + 1))
    for row, text in zip(counts, words, strict=True):
        row[-1] = len(text)
        for word in text:
            if word in places:
                row[places[word]] += 1
    return np.log1p(counts)


def _fitted(
    known: FloatArray, classes: NDArray[np.intp], asked: FloatArray, penalty: float
) -> FloatArray:
    """Log-chances of the classes for each row of `asked`."""
    inputs, wanted = torch.tensor(known), torch.tensor(classes)
    weight = torch.zeros(known.shape[1], CLASSES, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        missed = torch.nn.functional.cross_entropy(inputs @ weight + bias, wanted)
        total = missed + penalty * (weight**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        out: FloatArray = torch.log_softmax(torch.tensor(asked) @ weight + bias, dim=1).numpy()
    return out
