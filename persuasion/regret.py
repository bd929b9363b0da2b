"""Regret: the only definition.

Pseudo-regret of a round is the optimum at the true prior minus the Sender's expected utility of the
scheme played when the Receiver best-responds to it under the true prior: a function of the scheme,
not of the state drawn. What is accumulated is constant between changes of scheme, so a curve over
10^8 rounds is exact from a hundred numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["cumulative", "log_checkpoints", "realised_regret"]

IntArray = NDArray[np.int64]


def cumulative(starts: IntArray, rates: FloatArray, checkpoints: IntArray) -> FloatArray:
    """Accumulate a piecewise constant rate up to and including each checkpoint.

    Parameters
    ----------
    starts : ndarray (n_epochs,)
        First round of each epoch, increasing, the first is 1.
    rates : ndarray (n_epochs,)
        Amount per round during the epoch.
    checkpoints : ndarray (n_checkpoints,)
        Rounds, increasing.

    Returns
    -------
    ndarray (n_checkpoints,)

    Examples
    --------
    >>> import numpy as np
    >>> cumulative(np.array([1, 4]), np.array([1.0, 0.5]), np.array([1, 3, 5])).tolist()
    [1.0, 3.0, 4.0]
    """
    before = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(starts))])
    epoch = np.searchsorted(starts, checkpoints, side="right") - 1
    total: FloatArray = before[epoch] + rates[epoch] * (checkpoints - starts[epoch] + 1)
    return total


def realised_regret(optimum: FloatArray, payoffs: FloatArray) -> FloatArray:
    """Cumulated optimum minus cumulated payoffs actually drawn; its noise is of order sqrt(T)."""
    regret: FloatArray = optimum - payoffs
    return regret


def log_checkpoints(horizon: int, per_decade: int = 12) -> IntArray:
    """Rounds spread evenly in the logarithm, from 1 to `horizon`, both included.

    Examples
    --------
    >>> log_checkpoints(20, per_decade=3).tolist()
    [1, 2, 5, 10, 20]
    """
    if horizon < 1:
        raise PersuasionError(f"`horizon` must be at least 1 round; got {horizon}")
    steps = np.arange(int(per_decade * np.log10(horizon)) + 1)
    rounds = np.round(10 ** (steps / per_decade)).astype(np.int64)
    return np.unique(np.append(rounds[rounds <= horizon], horizon))
