"""An Advisor who reads the question: she is not told the level, she has to see it.

A language model learns from words how many steps a solution takes, on questions whose solutions are
published. What she has made of a question before she writes, her *reading*, is a vector; a codeword
is a vector too, and its log-odds are the inner product of the two. So words can be given other
meanings (`llm_bridge.replay.recommend`) without reading anything again.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.device import threads
from llm_bridge.scoring import Rows, position_ids
from llm_bridge.settings import Says
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.zoo.gsm8k_replay import LEVELS

__all__ = [
    "CLASSES",
    "RECOMMENDATIONS",
    "ReaderTraining",
    "as_seen",
    "codewords_of",
    "readings",
    "train_reader",
    "with_codewords",
]

CLASSES = 6
"""What she learns to tell apart: solutions of 1, 2, 3, 4, 5, and 6 or more steps."""

RECOMMENDATIONS = 2
"""Further codewords, which mean nothing before `llm_bridge.replay.recommend`."""

_WORDS = Codebook.default(CLASSES + RECOMMENDATIONS).words
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SORTED_TOGETHER = 8


@dataclass(frozen=True)
class ReaderTraining:
    """How the reading Advisor is made.

    Attributes
    ----------
    steps, batch : int
    lr : float
        Largest; warmed up over a tenth of the steps, then a cosine to 0.
    vocabulary, n_layer, n_embd, n_head, n_positions : int
        Tokens and size of the model; longer questions lose their beginning.
    weight_decay, dropout : float
    seed : int
    """

    steps: Annotated[int, Says("Steps.", at_least=1)] = 400
    batch: Annotated[int, Says("Questions per step.", at_least=1)] = 32
    lr: Annotated[float, Says("Largest rate of learning.", above=0)] = 5e-3
    vocabulary: Annotated[int, Says("Tokens.", at_least=259)] = 1000
    n_layer: Annotated[int, Says("Layers.", at_least=1)] = 1
    n_embd: Annotated[int, Says("Width.", at_least=1)] = 32
    n_head: Annotated[int, Says("Heads.", at_least=1)] = 2
    n_positions: Annotated[int, Says("Longest question, in tokens.", at_least=8)] = 160
    weight_decay: Annotated[float, Says("Decay of weights.", at_least=0)] = 0.3
    dropout: Annotated[float, Says("Share of units left out.", at_least=0, at_most=0.9)] = 0.2
    seed: Annotated[int, Says("Seed.", at_least=0)] = 0


def as_seen(text: str) -> str:
    """Return a question as the reader sees it: a sign in the place of each number.

    How many numbers there are tells more of a solution's length than what they are.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> from llm_bridge.replay.reader import as_seen
    >>> as_seen("He paid $1,200.50 for 3.")
    'He paid $# for #.'
    """
    return _NUMBER.sub("#", text)


@threads(1)
def train_reader(
    texts: Sequence[str],
    steps_of_solution: Sequence[int] | NDArray[np.intp],
    settings: ReaderTraining | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Advisor:
    """Train an Advisor whose signals say how many steps the solution of a question takes.

    Parameters
    ----------
    texts : sequence of str
        Questions.
    steps_of_solution : sequence of int
        Steps of the solution of each.
    settings : ReaderTraining, optional
    progress : callable, optional
        Called with (steps done, steps in all) after each step.

    Returns
    -------
    Advisor
        A codeword for each of `CLASSES`; her tokenizer keeps more as one token each, which
        `with_codewords` gives a meaning.

    Raises
    ------
    PersuasionError
        When texts and numbers do not fit together, or a class has no question.
    """
    settings = settings or ReaderTraining()
    classes = np.searchsorted(LEVELS[CLASSES], np.asarray(steps_of_solution), side="left")
    if len(texts) != len(classes) or len(np.unique(classes)) < CLASSES:
        raise PersuasionError(
            f"give as many texts as numbers of steps, with solutions of 1 to {CLASSES} steps; got "
            f"{len(texts)} texts, {len(classes)} numbers in {len(np.unique(classes))} classes"
        )
    tokenizer = build_tokenizer(map(as_seen, texts), settings.vocabulary, whole=_WORDS)
    size = {name: getattr(settings, name)
            for name in ("n_layer", "n_embd", "n_head", "n_positions")}  # fmt: skip
    advisor = Advisor.fresh(tokenizer, Codebook(_WORDS[:CLASSES]), size, seed=settings.seed)
    for part in advisor.model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = settings.dropout
    rows = _encoded(advisor, texts)
    wanted = torch.tensor(classes)
    optimizer = torch.optim.AdamW(
        advisor.model.parameters(),
        lr=settings.lr,
        betas=(0.9, 0.98),
        weight_decay=settings.weight_decay,
    )
    warm = max(1, settings.steps // 10)

    def rate(step: int) -> float:
        left = (step - warm) / max(1, settings.steps - warm)
        return (step + 1) / warm if step < warm else 0.5 * (1 + float(np.cos(np.pi * left)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    batches = _batches([len(row) for row in rows], settings.batch, settings.seed)
    advisor.model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # of what dropout leaves out
        for step in range(settings.steps):
            chosen = next(batches)
            log_law = advisor.log_law([rows[i] for i in chosen])
            loss = -log_law[torch.arange(len(chosen)), wanted[chosen]].mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(advisor.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, settings.steps)
    advisor.model.train(False)
    return advisor


@threads(1)
@torch.no_grad()
def readings(advisor: Advisor, texts: Sequence[str], *, batch_size: int = 128) -> FloatArray:
    """Return what the Advisor has made of each question before she writes.

    Parameters
    ----------
    advisor : Advisor
        As `train_reader` returns her.
    texts : sequence of str
    batch_size : int
        Questions read together.

    Returns
    -------
    ndarray (n_texts, width)

    Notes
    -----
    All codewords are one token long, so that the softmax of ``readings @ codewords.T`` is what
    `Advisor.log_law` gives after the texts.
    """
    rows = _encoded(advisor, texts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # little padding
    found = torch.zeros(len(rows), int(advisor.model.config.n_embd), dtype=torch.float64)
    body = advisor.model.base_model
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = Rows.padded([rows[i] for i in chosen], int(advisor.tokenizer.pad_token_id))
        out = body(batch.ids, attention_mask=batch.mask, position_ids=position_ids(batch.mask))
        found[chosen] = out.last_hidden_state[:, -1].double()
    return found.numpy()


def codewords_of(advisor: Advisor) -> FloatArray:
    """Return the vector of each codeword.

    Parameters
    ----------
    advisor : Advisor
        As `train_reader` returns her.

    Returns
    -------
    ndarray (n_signals, width)
    """
    words = [tokens[0] for tokens in advisor.codebook.token_ids(advisor.tokenizer)]
    vectors: FloatArray = _vectors(advisor.model)[words].detach().double().numpy()
    return vectors


@torch.no_grad()
def with_codewords(advisor: Advisor, vectors: FloatArray) -> Advisor:
    """Return an Advisor who reads alike and writes further codewords, one for each vector.

    Parameters
    ----------
    advisor : Advisor
        As `train_reader` returns her; stays as she is.
    vectors : ndarray (n_signals, width)
        At most `RECOMMENDATIONS`.

    Returns
    -------
    Advisor

    Raises
    ------
    PersuasionError
        When there are too many vectors.
    """
    if not 1 <= len(vectors) <= RECOMMENDATIONS:
        raise PersuasionError(
            f"`vectors` must be 1 to {RECOMMENDATIONS}, one for each codeword; got {len(vectors)}"
        )
    codebook = Codebook(_WORDS[CLASSES : CLASSES + len(vectors)])
    model = copy.deepcopy(advisor.model)
    words = [tokens[0] for tokens in codebook.token_ids(advisor.tokenizer)]
    weight = _vectors(model)
    weight[words] = torch.tensor(vectors, dtype=weight.dtype)
    return Advisor(model, advisor.tokenizer, codebook)


def _vectors(model: Any) -> torch.Tensor:
    """The vector of every token when it is written; it is that by which it is read."""
    weight: torch.Tensor = model.get_output_embeddings().weight
    return weight


def _encoded(advisor: Advisor, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each question, as many of the last as fit."""
    room = int(advisor.model.config.n_positions) - advisor.tree.longest
    rows: list[list[int]] = advisor.tokenizer([as_seen(text) for text in texts])["input_ids"]
    return [row[-room:] for row in rows]


def _batches(lengths: Sequence[int], batch: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Batches without end, each of questions about as long as each other: little padding."""
    rng, size = np.random.default_rng(seed), min(batch, len(lengths))
    together = size * max(1, min(_SORTED_TOGETHER, len(lengths) // size))
    while True:
        order = rng.permutation(len(lengths))
        found: list[NDArray[np.intp]] = []
        for first in range(0, len(order) - together + 1, together):
            near = order[first : first + together]
            near = near[np.argsort(np.asarray(lengths)[near], kind="stable")]
            found += np.split(near, together // size)
        for place in rng.permutation(len(found)).tolist():
            yield found[place]
