"""Confidence limits for the mean of each cell of a measured table, without asymptotics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.rationals import FloatArray

__all__ = ["binomial_limits", "cell_limits", "relative_entropy_limits"]

_HALVINGS = 60


def binomial_limits(hits: Any, n: Any, tail: float) -> tuple[FloatArray, FloatArray]:
    """Clopper-Pearson limits of a probability, error `tail` on each side.

    Parameters
    ----------
    hits, n : array-like of int, of one shape
        How often in how many independent trials; ``n >= 1``.
    tail : float in (0, 1)

    Notes
    -----
    Source: Clopper & Pearson, *The use of confidence or fiducial limits illustrated in the case of
    the binomial*, Biometrika 26, 1934.
    Departures: none.

    Examples
    --------
    >>> from persuasion.cell_limits import binomial_limits
    >>> lower, upper = binomial_limits([0, 10], [10, 10], 0.025)
    >>> lower.round(4).tolist(), upper.round(4).tolist()
    ([0.0, 0.6915], [0.3085, 1.0])
    """
    from scipy.special import betainccinv, betaincinv

    k, trials = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    lower, upper = np.zeros(k.shape), np.ones(k.shape)
    seen, missed = k > 0, k < trials
    lower[seen] = betaincinv(k[seen], trials[seen] - k[seen] + 1, tail)
    upper[missed] = betainccinv(k[missed] + 1, trials[missed] - k[missed], tail)
    return lower, upper


def relative_entropy_limits(mean: Any, n: Any, tail: float) -> tuple[FloatArray, FloatArray]:
    """Limits for the mean of independent variables in [0, 1], error `tail` on each side.

    All q with ``n KL(mean, q) <= ln(1 / tail)``: never wider than the better known
    ``mean +- sqrt(ln(1 / tail) / (2 n))``, which follows from it by Pinsker's inequality.

    Notes
    -----
    Source: Hoeffding, *Probability inequalities for sums of bounded random variables*, JASA 58,
    1963, theorem 1, first inequality.
    Departures: none.

    Examples
    --------
    >>> from persuasion.cell_limits import relative_entropy_limits
    >>> lower, upper = relative_entropy_limits(0.5, 100, 0.025)
    >>> float(lower.round(3)), float(upper.round(3)), round((math.log(40) / 200) ** 0.5, 3)
    (0.367, 0.633, 0.136)
    """
    x, trials = np.broadcast_arrays(np.asarray(mean, float), np.asarray(n, float))
    goal = math.log(1 / tail) / trials
    return 1 - _upper(1 - x, goal), _upper(x, goal)


def _upper(mean: FloatArray, goal: FloatArray) -> FloatArray:
    """Largest q >= mean with KL(mean, q) <= goal, by bisection; rounded outwards."""
    inside, outside = mean.copy(), np.ones(mean.shape)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        near = _divergence(mean, middle) <= goal
        inside, outside = np.where(near, middle, inside), np.where(near, outside, middle)
    return outside


def _divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(p > 0, p * np.log(p / q), 0.0)
        second = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    return np.asarray(first + second)


def cell_limits(
    samples: FloatArray, counts: NDArray[np.int64], confidence: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and limits of each cell, for samples in [0, 1].

    Parameters
    ----------
    samples : ndarray (n_samples, ...)
        NaN where a cell was not sampled.
    counts : ndarray of int, shape of one sample
        Samples of each cell, >= 1.
    confidence : float in (0, 1)
        Of each cell by itself, half of the error on each side.

    Returns
    -------
    mean, lower, upper : ndarray, shape of one sample

    Notes
    -----
    A cell whose samples all are 0 or 1 gets `binomial_limits`, exact for hits and misses; any
    other gets `relative_entropy_limits`. Looking which of the two applies costs nothing where a
    cell can only hit or miss. For one that takes other values now and then, both kinds of limits
    have the stated error but the choice between them may, in the worst case, add the two.
    """
    tail = (1 - confidence) / 2
    mean = np.nansum(samples, axis=0) / counts
    binary = ((samples == 0) | (samples == 1) | np.isnan(samples)).all(axis=0)
    hits = np.where(binary, np.rint(mean * counts), 0.0)
    exact = binomial_limits(hits, counts, tail)
    general = relative_entropy_limits(np.clip(mean, 0.0, 1.0), counts, tail)
    lower, upper = (np.where(binary, e, g) for e, g in zip(exact, general, strict=True))
    return mean, np.minimum(lower, mean), np.maximum(upper, mean)
