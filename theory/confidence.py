"""Confidence limits for means of bounded quantities and for probabilities, without asymptotics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = [
    "MEAN_METHOD",
    "Limits",
    "betting_limits",
    "binomial_tail",
    "clopper_pearson",
    "empirical_bernstein",
    "mean_limits",
]

_FRACTIONS = np.array([1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 1.0])
"""Shares of the capital that are bet, each with an equal part of it."""
_HALVINGS = 60

MEAN_METHOD = (
    "limits for means of bounded variables: intersection of empirical Bernstein (Maurer & Pontil, "
    "2009) and a mixture of betting processes (after Waudby-Smith & Ramdas, 2024), alpha / 2 each"
)


@dataclass(frozen=True)
class Limits:
    """Mean with its confidence limits, arrays of one shape."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray


def clopper_pearson(count: int, n: int, alpha: float) -> tuple[float, float]:
    """Two-sided limits of a probability, alpha / 2 each side.

    Examples
    --------
    >>> from theory.confidence import clopper_pearson
    >>> lower, upper = clopper_pearson(0, 10, 0.1)
    >>> lower, round(upper, 4) == round(1 - 0.05 ** (1 / 10), 4)
    (0.0, True)
    """
    from scipy.special import betaincinv

    if not 0 <= count <= n or n < 1:
        raise PersuasionError(f"`count` must lie between 0 and `n` >= 1; got {count} of {n}")
    _check(alpha)
    lower = float(betaincinv(count, n - count + 1, alpha / 2)) if count > 0 else 0.0
    upper = float(betaincinv(count + 1, n - count, 1 - alpha / 2)) if count < n else 1.0
    return lower, upper


def binomial_tail(count: int, n: int, probability: float) -> float:
    """P(at least `count` successes in n trials): small when `count` is too many."""
    from scipy.special import bdtrc

    if count <= 0:
        return 1.0
    return float(bdtrc(count - 1, n, probability))


def empirical_bernstein(samples: ArrayLike, width: ArrayLike, alpha: float) -> Limits:
    """Two-sided limits for the mean of independent variables in [0, width].

    Parameters
    ----------
    samples : array-like (n_samples, ...)
    width : array-like, shape of one sample
    alpha : float
        Error probability of both sides together, for each mean.

    Notes
    -----
    With sample variance V, each side is ``sqrt(2 V ln(4 / alpha) / n) + 7 width ln(4 / alpha) /
    (3 (n - 1))`` from the mean.
    Source: Maurer & Pontil, *Empirical Bernstein bounds and sample variance penalization*, COLT
    2009, theorem 4, once for each side.
    """
    x = np.asarray(samples, dtype=np.float64)
    _check(alpha)
    mean, width = x.mean(axis=0), np.asarray(width, dtype=np.float64)
    if len(x) < 2:
        return Limits(mean, np.zeros_like(mean), np.broadcast_to(width, mean.shape))
    log = math.log(4 / alpha)
    reach = np.sqrt(2 * x.var(axis=0, ddof=1) * log / len(x)) + 7 * width * log / (3 * (len(x) - 1))
    return Limits(mean, np.maximum(mean - reach, 0.0), np.minimum(mean + reach, width))


def betting_limits(samples: ArrayLike, width: ArrayLike, alpha: float) -> Limits:
    """Two-sided limits for the mean of independent variables in [0, width].

    Whoever bets a fixed share c of her capital that the mean exceeds m multiplies it by
    ``1 + c (x / m - 1)`` at each sample: if the mean is m or less she does not grow richer on
    average, and gets 2 / alpha times her capital with probability alpha / 2 at most. The lower
    limit is the smallest m at which a mixture over c does not get that rich; the upper one follows
    by symmetry. Far shorter than Bernstein's when all samples are close together.

    Notes
    -----
    Source: after Waudby-Smith & Ramdas, *Estimating means of bounded random variables by betting*,
    JRSS B 86, 2024.
    Departures: a finite mixture of constant shares.
    """
    x = np.asarray(samples, dtype=np.float64)
    _check(alpha)
    width = np.broadcast_to(np.asarray(width, dtype=np.float64), x.shape[1:])
    safe = np.where(width > 0, width, 1.0)
    unit = np.clip(x / safe, 0.0, 1.0)
    goal = math.log(2 / alpha)
    lower = _betting_lower(unit, goal)
    upper = 1 - _betting_lower(1 - unit, goal)
    return Limits(x.mean(axis=0), lower * width, upper * width)


def _betting_lower(unit: FloatArray, goal: float) -> FloatArray:
    """Largest m in [0, 1] at which log capital still reaches `goal`, by bisection."""
    low, high = np.zeros(unit.shape[1:]), unit.mean(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rich = _log_capital(unit, middle) >= goal
        low, high = np.where(rich, middle, low), np.where(rich, high, middle)
    return np.asarray(low)


def _log_capital(unit: FloatArray, mean: FloatArray) -> FloatArray:
    """Log of the average capital over the shares, when `mean` is bet against."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(mean > 0, unit / np.where(mean > 0, mean, 1.0), 1.0)
        logs = np.stack([np.log1p(c * (odds - 1)).sum(axis=0) for c in _FRACTIONS])
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).mean(axis=0)))


def mean_limits(samples: ArrayLike, width: ArrayLike, alpha: float) -> Limits:
    """Intersection of `empirical_bernstein` and `betting_limits`, alpha / 2 each."""
    _check(alpha)
    bernstein = empirical_bernstein(samples, width, alpha / 2)
    betting = betting_limits(samples, width, alpha / 2)
    return Limits(
        betting.mean,
        np.maximum(bernstein.lower, betting.lower),
        np.minimum(bernstein.upper, betting.upper),
    )


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise PersuasionError(f"`alpha` must lie between 0 and 1; got {alpha}")
