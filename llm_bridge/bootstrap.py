"""Limits for means over inputs: draw the inputs again, template by template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray, frozen

__all__ = ["Bootstrap", "Interval", "bootstrap_means"]

_AT_ONCE = 2**22
"""Most counts drawn at once, for memory."""


@dataclass(frozen=True)
class Interval:
    """A mean and its limits."""

    mean: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.lower:.3f}, {self.upper:.3f}]"


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Means of several columns over the same inputs, and over the same resamples of them.

    Attributes
    ----------
    means : ndarray (n_columns,)
    resampled : ndarray (n_resamples, n_columns)
    confidence : float
    """

    means: FloatArray
    resampled: FloatArray
    confidence: float

    def interval(self, column: int, minus: int | None = None) -> Interval:
        """Return the mean of a column, or of its difference to another, paired by input.

        Percentiles of the resampled means, half of the error on each side. They are right when
        there are many inputs; with few they are too narrow, and where all inputs of the sample
        agree they have no width at all.
        """
        mean, again = self.means[column], self.resampled[:, column]
        if minus is not None:
            mean, again = mean - self.means[minus], again - self.resampled[:, minus]
        tail = (1 - self.confidence) / 2
        lower, upper = np.quantile(again, [tail, 1 - tail])
        return Interval(float(mean), float(lower), float(upper))


def bootstrap_means(
    values: FloatArray,
    strata: Sequence[int] | NDArray[np.intp],
    weights: Sequence[float] | FloatArray,
    *,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Average columns within strata, weigh the strata, and do it again with inputs drawn anew.

    Parameters
    ----------
    values : ndarray (n_inputs, n_columns)
        A resample takes whole rows, so that columns stay paired.
    strata : sequence of int, length n_inputs
        Stratum of each input, numbered from 0; each resample keeps the size of every stratum.
    weights : sequence of float
        Share of each stratum.
    n_resamples : int
    confidence : float in (0, 1)
    seed : int

    Notes
    -----
    Source: Efron, *Bootstrap methods: another look at the jackknife*, Annals of Statistics 7, 1979.
    Departures: strata are resampled by themselves.

    Examples
    --------
    >>> import numpy as np
    >>> right = np.repeat([1.0, 0.0], [70, 30])[:, None]
    >>> bootstrap_means(right, [0] * 100, [1.0]).interval(0).mean
    0.7
    """
    table = np.asarray(values, dtype=np.float64)
    where, shares = np.asarray(strata, dtype=np.intp), np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or where.shape != table.shape[:1]:
        raise PersuasionError(
            "`values` must be (n_inputs, n_columns) and `strata` (n_inputs,); got shapes "
            f"{table.shape} and {where.shape}"
        )
    if not 0 < confidence < 1:
        raise PersuasionError(f"`confidence` must lie strictly between 0 and 1; got {confidence}")
    if isinstance(n_resamples, bool) or n_resamples < 1:
        raise PersuasionError(f"`n_resamples` must be an integer >= 1; got {n_resamples}")
    sizes = np.bincount(where, minlength=shares.size)
    if sizes.size != shares.size or sizes.min() < 1:
        raise PersuasionError(
            f"`weights` must give each stratum a share; there are {sizes.size} strata of sizes "
            f"{sizes.tolist()} and {shares.size} weights"
        )
    rng = np.random.default_rng(seed)
    means = np.zeros(table.shape[1])
    again = np.zeros((n_resamples, table.shape[1]))
    for stratum, (size, share) in enumerate(zip(sizes.tolist(), shares.tolist(), strict=True)):
        own = table[where == stratum]
        # around the first row, so that a column without spread has none after rounding either
        start = own[0]
        means += share * (start + (own - start).mean(axis=0))
        step = max(1, _AT_ONCE // size)
        for first in range(0, n_resamples, step):
            part = again[first : first + step]
            drawn = rng.multinomial(size, np.full(size, 1 / size), size=len(part))
            part += share * (start + drawn @ (own - start) / size)
    return Bootstrap(frozen(means), frozen(again), confidence)
