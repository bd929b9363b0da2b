"""Entropic projection onto the splits of a prior into given beliefs.

The splits are ``X = {w >= 0 : sum_q w_q q = prior}``. Of all laws proportional to
``exp(g + theta . q)`` one lies in X; it maximises ``<w, g> + H(w)`` there and is the projection, in
relative entropy, of the law proportional to ``exp(g)``. Its prices theta minimise a smooth convex
function of n_states - 1 variables: Newton's method, started from the last prices, takes two or
three steps when g has moved a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["KLProjection", "Projected", "check_full_support", "entropy"]

_RESIDUAL = 1e-10
"""Prior missed by at most this share of it: near enough, the repair does the rest."""
_DECREMENT = 1e-18
"""Twice what a Newton step could still gain; below it there are only rounding errors."""
_RIDGE = 1e-13
_STEPS = 60
_HALVINGS = 50
_ARMIJO = 1e-4
_ROUNDING = 1e-14
_ACCEPTABLE = 1e-6
"""Residual at which Newton's method may stop for want of progress."""


@dataclass(frozen=True, slots=True)
class Projected:
    """A law in X and how it was found.

    Attributes
    ----------
    weights : ndarray (n_posteriors,)
        Probabilities; ``weights @ posteriors`` is the prior up to rounding.
    prices : ndarray (n_states - 1,)
        theta, that of the last state being 0.
    n_steps : int
        Newton steps.
    residual : float
        Largest entry of ``weights @ posteriors - prior`` before the repair, in units of the
        smallest prior probability.
    repaired : float
        Share of the law that the repair replaced by sure beliefs: what it can cost per unit of
        payoff.
    """

    weights: FloatArray
    prices: FloatArray
    n_steps: int
    residual: float
    repaired: float


class KLProjection:
    """The splits of a prior into given beliefs, and projections onto them.

    Parameters
    ----------
    posteriors : ndarray (n_posteriors, n_states)
        Beliefs, the sure ones among them.
    prior : ndarray (n_states,)
        Positive everywhere.

    Raises
    ------
    PersuasionError
        When a state has prior probability zero, or a sure belief is missing.

    Notes
    -----
    Symbols: weights = w, prices = theta, log_weights = eta G.
    Source: own derivation, docs/theory.md, Theorem 3; the duality is that of exponential families
    (Csiszar, *I-divergence geometry*, Annals of Probability 3(1), 1975).
    Departures: the answer is made exactly Bayes-plausible by mixing in a little full disclosure.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.kl_projection import KLProjection
    >>> splits = KLProjection(np.array([[1, 0], [0, 1], [0.5, 0.5]]), np.array([0.7, 0.3]))
    >>> splits(np.zeros(3)).weights.round(4).tolist()
    [0.554, 0.154, 0.2921]
    >>> splits(np.array([0.0, 0.0, 100.0])).weights.round(4).tolist()
    [0.4, 0.0, 0.6]
    """

    def __init__(self, posteriors: FloatArray, prior: FloatArray) -> None:
        check_full_support(prior)
        self.posteriors, self.prior = posteriors, prior
        sure = (posteriors[:, None, :] == np.eye(len(prior))).all(axis=2)
        if not sure.any(axis=0).all():
            missing = int(sure.any(axis=0).argmin())
            raise PersuasionError(
                f"the belief that is sure of state {missing} is not among the posteriors; add the "
                "rows of the identity matrix"
            )
        self._sure = sure.argmax(axis=0)
        self._least = float(prior.min())
        self._centred = np.ascontiguousarray((posteriors - prior)[:, :-1])

    def __call__(self, log_weights: FloatArray, start: FloatArray | None = None) -> Projected:
        """Project the law proportional to ``exp(log_weights)``.

        Parameters
        ----------
        log_weights : ndarray (n_posteriors,)
        start : ndarray (n_states - 1,), optional
            Prices of a projection nearby.

        Raises
        ------
        NotSolvedError
            When Newton's method stalls with more than 1e-6 of the prior missed.
        """
        g = log_weights - log_weights.max()
        found = self._newton(g, np.zeros(len(self.prior) - 1) if start is None else start)
        if found.residual > _ACCEPTABLE:  # far from the start: approach along the segment from 0
            found = self._continued(g)
        if not found.residual <= _ACCEPTABLE:
            raise NotSolvedError(
                f"Newton's method stopped after {found.n_steps} steps with the prior missed by "
                f"{found.residual:.3g}; the log-weights span {np.ptp(log_weights):.3g}"
            )
        weights, repaired = self.repair(found.weights)
        return Projected(weights, found.prices, found.n_steps, found.residual, repaired)

    @cached_property
    def max_entropy(self) -> float:
        """H*: the largest entropy of a law in X, in nats."""
        return entropy(self(np.zeros(len(self.posteriors))).weights)

    def repair(self, weights: FloatArray) -> tuple[FloatArray, float]:
        """Move as little as possible to sure beliefs so that the mean is the prior.

        Parameters
        ----------
        weights : ndarray (n_posteriors,)
            Probabilities.

        Returns
        -------
        weights : ndarray (n_posteriors,)
        share : float
            What was moved.
        """
        mean = weights @ self.posteriors
        share = max(0.0, 1 - float(1 / (mean / self.prior).max()))
        kept = (1 - share) * weights
        kept[self._sure] += np.maximum(self.prior - (1 - share) * mean, 0.0)
        return kept, share

    def _continued(self, g: FloatArray) -> Projected:
        """Project ever larger multiples of g, each from twice the prices of its half."""
        doublings = max(int(np.ceil(np.log2(max(np.ptp(g), 1.0)))), 0) + 1
        prices = np.zeros(len(self.prior) - 1)
        n_steps = 0
        for k in range(doublings, -1, -1):
            found = self._newton(g / 2**k, prices)
            n_steps += found.n_steps
            prices = 2 * found.prices
        return Projected(found.weights, found.prices, n_steps, found.residual, 0.0)

    def _newton(self, g: FloatArray, prices: FloatArray) -> Projected:
        """Minimise ``ln sum exp(g + theta . (q - prior))`` by damped Newton steps."""
        centred = self._centred
        value, weights = _partition(g + centred @ prices)
        gradient = weights @ centred
        steps = 0
        while np.abs(gradient).max() > _RESIDUAL * self._least and steps < _STEPS:
            hessian = centred.T @ (weights[:, None] * centred) - np.outer(gradient, gradient)
            hessian.flat[:: len(prices) + 1] += _RIDGE * (1 + np.trace(hessian))
            step = -np.linalg.solve(hessian, gradient)
            decrement = -float(gradient @ step)
            if decrement < _DECREMENT:
                break
            size, allowance = 1.0, _ROUNDING * (1 + abs(value))
            for _ in range(_HALVINGS):
                new = prices + size * step
                new_value, new_weights = _partition(g + centred @ new)
                if new_value <= value - _ARMIJO * size * decrement + allowance:
                    break
                size /= 2
            else:
                break
            prices, value, weights = new, new_value, new_weights
            gradient = weights @ centred
            steps += 1
        residual = float(np.abs(gradient).max()) / self._least
        return Projected(weights, prices, steps, residual, 0.0)


def check_full_support(prior: FloatArray) -> None:
    """Raise unless every state has positive prior probability.

    Raises
    ------
    PersuasionError
    """
    if not (prior > 0).all():
        raise PersuasionError(
            f"every state needs positive prior probability; state {int(prior.argmin())} has "
            f"{prior.min():g}. Drop it with game.restrict(states=...)"
        )


def entropy(weights: FloatArray) -> float:
    """Entropy of a law, in nats; ``0 ln 0 = 0``.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.kl_projection import entropy
    >>> round(entropy(np.array([0.5, 0.5, 0.0])), 6)
    0.693147
    """
    positive = weights[weights > 0]
    return -float(positive @ np.log(positive)) + 0.0


def _partition(logits: FloatArray) -> tuple[float, FloatArray]:
    """Return ``ln sum exp(logits)`` and the law proportional to ``exp(logits)``."""
    top = float(logits.max())
    unnormalised = np.exp(logits - top)
    total = float(unnormalised.sum())
    return top + float(np.log(total)), unnormalised / total
