"""Codewords that persuade: what to write, learnt for what it is worth and not for what is true.

A codeword follows a reading with a chance that its vector decides. Averaged over the questions of a
level, these chances are a signaling scheme of the game; beliefs and the Receiver's response are
computed from it, and the vectors ascend the Sender's expected utility, as in `llm_bridge.train`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm_bridge.device import threads
from llm_bridge.objectives.distill import imitation_loss
from llm_bridge.objectives.exact import expected_value
from llm_bridge.replay.reader import RECOMMENDATIONS
from llm_bridge.training.belief_response import Stakes
from llm_bridge.training.settings import AdvisorTraining
from llm_bridge.training.warm_start import warm_targets
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["CODEWORDS", "laws_after", "learn_codewords"]

CODEWORDS = AdvisorTraining(
    warm_steps=40, warm_lr=0.05, steps=100, lr=0.1, lr_floor=0.3,
    beta_start=50.0, beta_end=5000.0, margin=0.004,
)  # fmt: skip
"""How codewords are learnt; a step takes all questions, and prices are some hundredths apart."""


@threads(1)
def learn_codewords(
    read: FloatArray,
    levels: NDArray[np.intp],
    games: Sequence[PersuasionGame],
    settings: AdvisorTraining = CODEWORDS,
    n_signals: int = RECOMMENDATIONS,
) -> FloatArray:
    """Find codewords that persuade in each of several games, such as those of several prices.

    Parameters
    ----------
    read : ndarray (n_questions, width)
        Readings.
    levels : ndarray of int (n_questions,)
        State of each question; every state needs one.
    games : sequence of PersuasionGame
        Over the same levels and actions. Levels have the shares that the game says, whatever
        those among the questions.
    settings : AdvisorTraining
        `batch`, `grad_accumulation` and what concerns sampling and checkpoints play no part.
    n_signals : int

    Returns
    -------
    ndarray (n_games, n_signals, width)
        A vector for each codeword.

    Raises
    ------
    PersuasionError
        When a level has no question, or a question no reading.

    Notes
    -----
    Symbols: kernel = phi(g | level), the mean over the level's questions of the softmax of readings
    times vectors; see `objectives.exact`.
    """
    n_levels = games[0].n_states
    sizes = np.bincount(levels, minlength=n_levels)
    if len(sizes) != n_levels or sizes.min() == 0 or len(levels) != len(read):
        raise PersuasionError(
            f"every one of the {n_levels} levels needs questions, and every question a reading; "
            f"got {sizes.tolist()} questions by level and {len(read)} readings"
        )
    stakes = Stakes(
        prior=_stacked([game.prior for game in games]),
        receiver_prior=_stacked([game.receiver_prior for game in games]),
        sender_utility=_stacked([game.sender_utility for game in games]),
        receiver_utility=_stacked([game.receiver_utility for game in games]),
        margin=torch.full((len(games),), settings.margin_of(""), dtype=torch.float64),
        beta=settings.beta_end,
    )
    # utilities depend on the level alone, so that chances may be averaged over its questions first
    average = torch.eye(n_levels, dtype=torch.float64)[torch.tensor(levels)].T
    average = average / average.sum(dim=1, keepdim=True)
    target = warm_targets(stakes, n_signals, settings.starts, settings.seed)[:, levels]
    shares = stakes.prior @ average
    places = torch.tensor(read, dtype=torch.float64)
    shape = (len(games), n_signals, read.shape[1])
    vectors = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([vectors], weight_decay=settings.weight_decay)
    for step in range(settings.total_steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr_at(step)
        log_laws = _log_laws(places, vectors)
        if step < settings.warm_steps:
            loss = imitation_loss(log_laws, target, shares).sum()
        else:
            log_kernel = (average @ log_laws.exp()).log()
            here = replace(stakes, beta=settings.beta_at(step))
            loss = -expected_value(log_kernel, here).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return vectors.detach().numpy()


@threads(1)
def laws_after(read: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return the chance of each codeword after each reading.

    Parameters
    ----------
    read : ndarray (n_questions, width)
        Readings.
    vectors : ndarray (n_games, n_signals, width)
        As `learn_codewords` returns them.

    Returns
    -------
    ndarray (n_games, n_questions, n_signals)
    """
    places, words = torch.tensor(read, dtype=torch.float64), torch.tensor(vectors)
    laws: FloatArray = _log_laws(places, words).exp().numpy()
    return laws


def _log_laws(places: Tensor, vectors: Tensor) -> Tensor:
    """Log-chance of each codeword, (n_games, n_questions, n_signals)."""
    return torch.log_softmax(places @ vectors.transpose(1, 2), dim=2)


def _stacked(arrays: Sequence[FloatArray]) -> Tensor:
    return torch.tensor(np.stack(arrays), dtype=torch.float64)
