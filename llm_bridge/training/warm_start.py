"""Where the Advisor's training starts from: signals that mean something, if not the right thing.

From an untrained model the gradient of persuasion is next to nothing: all signals mean the same.
With enough signals each item begins with one of its own. With fewer, items must share, and which
ones do decides where the ascent ends, for each partition is near an optimum of its own; so several
are drawn and the one that the objective itself likes best at the measured game is taken. With few
items these are all partitions there are; what is left to learn is then how to write the best one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm_bridge.objectives.exact import expected_value
from llm_bridge.training.belief_response import Stakes
from persuasion.rationals import FloatArray

__all__ = ["assignments", "warm_targets"]

_SHARPNESS = 0.7
_MOST_TRIES = 20


def assignments(n_items: int, n_signals: int, n: int, seed: int) -> FloatArray:
    """Draw assignments of items to signals.

    Parameters
    ----------
    n_items, n_signals : int
    n : int, >= 1
        Most, where signals are fewer than items.
    seed : int

    Returns
    -------
    ndarray (n_drawn, n_items, n_signals)
        Of zeros and ones. With enough signals the one assignment that gives item i signal i. With
        fewer the first uses the signals evenly, all use every signal, and no two group the items
        alike; fewer than `n` where there are no more.

    Examples
    --------
    >>> from llm_bridge.training.warm_start import assignments
    >>> assignments(2, 3, n=4, seed=0).tolist()
    [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if n_signals >= n_items:
        return np.eye(n_items, n_signals)[None]
    rng = np.random.default_rng([seed, 0])
    drawn = [rng.permutation(np.arange(n_items) % n_signals)]
    known = {_grouping(drawn[0])}
    for _ in range(_MOST_TRIES * n):
        if len(drawn) == n:
            break
        others = rng.integers(n_signals, size=n_items - n_signals)
        signals = rng.permutation(np.concatenate([np.arange(n_signals), others]))
        if _grouping(signals) not in known:
            known.add(_grouping(signals))
            drawn.append(signals)
    out: FloatArray = np.eye(n_signals)[np.stack(drawn)]
    return out


def _grouping(signals: NDArray[np.intp]) -> tuple[int, ...]:
    """The assignment with signals numbered as they first occur."""
    order = list(dict.fromkeys(signals.tolist()))
    return tuple(order.index(signal) for signal in signals.tolist())


def warm_targets(stakes: Stakes, n_signals: int, n: int, seed: int) -> Tensor:
    """Softened schemes to start from, one for each game, shape (n_games, n_items, n_signals).

    Parameters
    ----------
    stakes : Stakes
        Of all templates; `beta` is the precision at which assignments are judged.
    n_signals : int
    n : int
        Assignments drawn.
    seed : int

    Returns
    -------
    Tensor
        0.7 of the best assignment drawn, 0.3 uniform.
    """
    drawn = torch.tensor(
        assignments(stakes.prior.shape[1], n_signals, n, seed), device=stakes.prior.device
    )
    values = torch.stack(
        [expected_value(one.log().expand(len(stakes.prior), -1, -1), stakes) for one in drawn]
    )
    best = drawn[values.argmax(dim=0)]
    return _SHARPNESS * best + (1 - _SHARPNESS) / n_signals
