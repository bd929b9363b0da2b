"""Checking a proposed optimum against the game itself.

A solver proposes joint masses x and obedience prices y. Nothing else of it is believed: the masses
are made exactly Bayes-plausible, then value, obedience and the bound of weak duality

    OPT <= sum_w weights[w] max_a (gains[w, a] + sum_b y[a, b] row[a, b][w])

with ``row[a, b] = payoffs[:, a] - payoffs[:, b] - slack``, are recomputed. The residuals have no
unit: rescaling either utility leaves them as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from persuasion.problem import Candidate, IntArray, Problem
from persuasion.rationals import FloatArray, frozen

__all__ = ["Certified", "Residuals", "certify"]

_REPAIRABLE = 1e-6
"""Largest deviation from Bayes plausibility, against the state's weight, put right silently."""
_STRAY = 1e-14
"""A conditional probability below this is rounding noise and set to zero."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """How far an answer is from optimal, in three numbers without units.

    Attributes
    ----------
    plausibility : float
        Largest relative deviation of a state's masses from its weight, as the solver gave them.
    obedience : float
        Largest loss from obeying a recommendation, against the largest that the row could show.
    duality_gap : float
        Upper bound minus value, plus what the violations of obedience may be worth at their
        prices, against the spread of the Sender's utility.
    """

    plausibility: float
    obedience: float
    duality_gap: float

    def within(self, tolerance: float) -> bool:
        """Whether the answer passes."""
        return (
            self.plausibility <= _REPAIRABLE
            and self.obedience <= tolerance
            and abs(self.duality_gap) <= tolerance
        )

    def to_dict(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"plausibility {self.plausibility:.1e}, obedience {self.obedience:.1e}, "
            f"duality gap {self.duality_gap:.1e}"
        )


@dataclass(frozen=True, slots=True)
class Certified:
    """What the game says about a proposal.

    Attributes
    ----------
    masses : ndarray (n_support, n_used)
        Joint masses of the recommendations used, exactly Bayes-plausible.
    used : ndarray of int (n_used,)
        Actions recommended with positive probability.
    value : float
    upper_bound : float
        No obedient scheme is worth more (up to rounding), whatever the solver did.
    prices : ndarray (n_support,)
        State prices theta.
    residuals : Residuals
    """

    masses: FloatArray
    used: IntArray
    value: float
    upper_bound: float
    prices: FloatArray
    residuals: Residuals


def certify(problem: Problem, candidate: Candidate) -> Certified:
    """Recompute value, bound and residuals of a proposal from the problem.

    Parameters
    ----------
    problem : Problem
    candidate : Candidate

    Returns
    -------
    Certified
        Residuals are infinite where the proposal is not even a scheme.
    """
    weights, gains = problem.weights, problem.gains
    columns, prices, reduced = _state_prices(problem, candidate)
    upper_bound = float(weights @ prices)
    raw = candidate.masses
    if raw.shape != gains.shape or not np.isfinite(raw).all():
        return _rejected(problem, prices, upper_bound)
    if columns is not None:
        raw = raw[:, columns]
    masses = np.maximum(raw, 0.0)
    masses[masses < _STRAY * weights[:, None]] = 0.0
    totals = masses.sum(axis=1)
    deviation = float((np.abs(totals - weights) / weights).max())
    deviation = max(deviation, float(-(raw / weights[:, None]).min()), 0.0)
    if (totals == 0).any():
        lost = np.flatnonzero(totals == 0)
        masses[lost, reduced[lost].argmax(axis=1)] = 1.0
        totals = masses.sum(axis=1)
    masses *= (weights / totals)[:, None]
    used = np.flatnonzero(masses.any(axis=0))
    masses = masses[:, used]
    if columns is not None:
        used = columns[used]
    value = float((masses * gains[:, used]).sum())
    obedience, worth = _violations(problem, candidate, masses, used)
    gap = (upper_bound - value + worth) / _spread(weights, gains)
    return Certified(
        masses=frozen(masses),
        used=used,
        value=value,
        upper_bound=upper_bound,
        prices=frozen(prices),
        residuals=Residuals(deviation, obedience, gap),
    )


def _state_prices(
    problem: Problem, candidate: Candidate
) -> tuple[IntArray | None, FloatArray, FloatArray]:
    """Recommendable columns (None: all), theta, and the table whose row maxima theta is."""
    reduced = reduced_gains(
        problem.gains, problem.payoffs, problem.slack, candidate.price_rows, candidate.prices
    )
    if problem.actions is None:
        return None, reduced.max(axis=1), reduced
    columns = np.array(problem.actions, dtype=np.intp)
    reduced = reduced[:, columns]
    return columns, reduced.max(axis=1), reduced


def reduced_gains(
    gains: FloatArray,
    payoffs: FloatArray,
    slack: FloatArray | None,
    rows: IntArray,
    prices: FloatArray,
) -> FloatArray:
    """``gains[w, a] + sum_b y[a, b] (payoffs[w, a] - payoffs[w, b] - slack[w])``, a new array."""
    table = gains.copy()
    for (a, b), price in zip(rows.tolist(), prices.tolist(), strict=True):
        if price > 0:
            difference = payoffs[:, a] - payoffs[:, b]
            table[:, a] += price * (difference if slack is None else difference - slack)
    return table


def _violations(
    problem: Problem, candidate: Candidate, masses: FloatArray, used: IntArray
) -> tuple[float, float]:
    """Largest normalised violation of obedience, and what all of them are worth at their prices."""
    payoffs, slack = problem.payoffs, problem.slack
    against = masses.T @ payoffs
    surplus = against[np.arange(len(used)), used][:, None] - against
    if slack is not None:
        surplus -= (masses.T @ slack)[:, None]
        surplus[np.arange(len(used)), used] = 0.0
    at, b = np.nonzero(surplus < 0)
    if len(at) == 0:
        return 0.0, 0.0
    a = used[at]
    loss = -surplus[at, b]
    difference = payoffs[:, a] - payoffs[:, b]
    if slack is not None:
        difference -= slack[:, None]
    scale = (problem.weights[:, None] * np.abs(difference)).max(axis=0)
    worth = 0.0
    if len(candidate.prices):
        position = {pair: i for i, pair in enumerate(map(tuple, candidate.price_rows.tolist()))}
        for pair, lost in zip(zip(a.tolist(), b.tolist(), strict=True), loss.tolist(), strict=True):
            index = position.get(pair)
            if index is not None:
                worth += max(float(candidate.prices[index]), 0.0) * lost
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scale > 0, loss / scale, 0.0)
    return float(ratio.max()), worth


def _spread(weights: FloatArray, gains: FloatArray) -> float:
    """How much the scheme can matter to the Sender; with a floor against rounding noise."""
    spread = float(weights @ (gains.max(axis=1) - gains.min(axis=1)))
    floor = 1e-6 * float(weights @ np.abs(gains).max(axis=1))
    return max(spread, floor) or 1.0


def _rejected(problem: Problem, prices: FloatArray, upper_bound: float) -> Certified:
    inf = float("inf")
    return Certified(
        masses=np.zeros((problem.n_states, 0)),
        used=np.zeros(0, dtype=np.intp),
        value=-inf,
        upper_bound=upper_bound,
        prices=prices,
        residuals=Residuals(inf, inf, inf),
    )
