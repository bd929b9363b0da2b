"""What the bounds on learners share who ask the Receiver: how far a run can stray from the mean.

A question is repeated until one signal is drawn, with probability p in each round; so it takes a
geometric number of rounds G, at a known loss l <= 1 in each. The Receiver's answers, hence the
questions, are the same in every run; only the waiting times are random, and independent.
"""

from __future__ import annotations

import numpy as np

__all__ = ["reach"]

_NEGLIGIBLE = 0.01
_FACTORS = np.geomspace(1.001, 1e6, 20_000)


def reach(mean: float, largest: float) -> tuple[float, float]:
    """Level that the cost of all questions hardly exceeds, and the mean of the excess.

    Parameters
    ----------
    mean : float
        Upper bound on the expected cost of all questions, ``M >= sum of l / p``.
    largest : float
        Upper bound on the expected cost of each, ``w >= l / p``.

    Returns
    -------
    level, excess : float
        With Y the cost of all questions, ``E max(Y - level, 0) <= excess <= 0.01``.

    Notes
    -----
    ``E exp(t G) <= 1 / (1 - t / p)`` for t < p, as exp(-t) >= 1 - t. By convexity ``-ln(1 - s x)``
    is at most ``-(x / w) ln(1 - s w)`` for 0 <= x <= w, so that ``ln E exp(s Y) <= -(M / w)
    ln(1 - s w)``. At ``s = (1 - 1/f) / w`` this gives ``P(Y >= f M) <= exp(-(M / w) (f - 1 -
    ln f))``, and integrating the same exponential beyond f M, a mean excess of 1 / s times that.

    Examples
    --------
    >>> from theory.statements._questions import reach
    >>> level, excess = reach(25.0, 4.0)
    >>> 25 < level < 100 and excess <= 0.01
    True
    """
    if not (0 < mean < np.inf):
        return (0.0, 0.0) if mean == 0 else (np.inf, 0.0)
    tail = np.exp(-(mean / largest) * (_FACTORS - 1 - np.log(_FACTORS)))
    excess = tail * largest / (1 - 1 / _FACTORS)
    first = int((excess <= _NEGLIGIBLE).argmax())
    if excess[first] > _NEGLIGIBLE:
        return np.inf, 0.0
    return float(_FACTORS[first] * mean), float(excess[first])
