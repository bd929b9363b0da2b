"""Checking a proposed optimum against the game itself.

A solver proposes joint masses x and obedience prices y. Nothing else of it is believed: the masses
are made exactly Bayes-plausible, then value, obedience and the bound of weak duality

    OPT <= sum_w weights[w] max_a (gains[w, a] + sum_b y[a, b] row[a, b][w])

with ``row[a, b] = payoffs[:, a] - payoffs[:, b] - slack``, are recomputed. The residuals have no
unit: rescaling either utility leaves them as they are.

`certify_by_definition` says what the numbers are. Where numba is in use anyway,
`persuasion.certificate_kernel` computes them: for games of a few states, checking the optimum would
take longer than finding it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from persuasion.interruptible import interruptible
from persuasion.problem import Candidate, IntArray, Problem
from persuasion.rationals import FloatArray, frozen
from persuasion.rowwise import across

__all__ = ["Certified", "Residuals", "certify", "certify_by_definition"]

_REPAIRABLE = 1e-6
"""Largest deviation from Bayes plausibility, against the state's weight, put right silently."""
_NOISE = 1e-12
"""Rounding error of a sum of utilities, against the largest of them, with room to spare."""
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
        Largest expected loss from obeying a recommendation, against the expected absolute payoff
        difference to the better action; where that signal's whole bearing on the Sender's value
        is smaller still, that instead.
    duality_gap : float
        Distance of upper bound and value, plus what the violations of obedience may be worth at
        their prices, against the spread of the Sender's utility.
    """

    plausibility: float
    obedience: float
    duality_gap: float

    def within(self, tolerance: float) -> bool:
        """Whether the answer passes.

        Obedience is held a thousand times tighter than the value: a payoff difference of 1e-10
        decides what the Receiver does, and so the value, as much as one of 1.
        """
        return self.obeys(tolerance) and self.duality_gap <= tolerance

    def obeys(self, tolerance: float) -> bool:
        """Whether the scheme is one and is obeyed, optimal or not."""
        return self.plausibility <= _REPAIRABLE and self.obedience <= 1e-3 * tolerance

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
    if candidate.compiled:
        return _certify_compiled(problem, candidate)
    return certify_by_definition(problem, candidate)


def certify_by_definition(problem: Problem, candidate: Candidate) -> Certified:
    """`certify`, in NumPy."""
    weights, gains = problem.weights, problem.gains
    columns, prices, reduced = _state_prices(problem, candidate)
    upper_bound = float(weights @ prices)
    raw = candidate.masses
    if raw.shape != gains.shape or not math.isfinite(float(raw.sum())):
        return _rejected(problem, prices, upper_bound)
    if columns is not None:
        raw = raw[:, columns]
    masses = np.where(raw < (_STRAY * weights)[:, None], 0.0, raw)
    totals = across(np.add, masses)
    deviation = float(np.abs(totals / weights - 1.0).max())
    if raw.min() < 0:
        deviation = max(deviation, float(-(raw / weights[:, None]).min()))
    if totals.min() == 0:
        lost = np.flatnonzero(totals == 0)
        masses[lost, reduced[lost].argmax(axis=1)] = 1.0
        totals = across(np.add, masses)
    masses *= (weights / totals)[:, None]
    used: IntArray = np.flatnonzero(masses.any(axis=0))
    if len(used) < masses.shape[1]:
        masses = masses[:, used]
    if columns is not None:
        used = columns[used]
    every = columns is None and len(used) == problem.n_actions
    value = float((masses * (gains if every else gains[:, used])).sum())
    reach = across(np.maximum, gains) - across(np.minimum, gains)
    spread = sender_spread(weights, gains, reach)
    losses, worth = _violations(problem, candidate, masses, used)
    obedience = float(np.minimum(losses, reach @ masses / spread).max())
    gap = (abs(upper_bound - value) + worth) / spread
    return Certified(
        masses=frozen(masses),
        used=used,
        value=value,
        upper_bound=upper_bound,
        prices=frozen(prices),
        residuals=Residuals(deviation, obedience, gap),
    )


@cache
def certificate_kernel() -> Any:
    """Return the compiled function, ready to be called."""
    from persuasion.certificate_kernel import PRECISE, certify_arrays
    from persuasion.compiled import announced

    assert PRECISE == (_NOISE, _STRAY)
    return announced(certify_arrays, "the certificate")


def _certify_compiled(problem: Problem, candidate: Candidate) -> Certified:
    gains = problem.gains.copy()  # numba tells read-only arrays from others
    m, n = gains.shape
    if candidate.masses.shape != (m, n):
        return certify_by_definition(problem, candidate)
    if problem.actions is None:
        allowed = np.ones(n, dtype=np.bool_)
    else:
        allowed = np.zeros(n, dtype=np.bool_)
        allowed[list(problem.actions)] = True
    masses, prices = np.empty((m, n)), np.empty(m)
    value, upper_bound, plausibility, obedience, gap = interruptible(
        certificate_kernel(),
        problem.weights.copy(),
        gains,
        problem.payoffs.copy(),
        np.zeros(m) if problem.slack is None else problem.slack.copy(),
        allowed,
        problem.rounded,
        candidate.price_rows.astype(np.int64),
        candidate.prices.copy(),
        candidate.masses.copy(),
        masses,
        prices,
    )
    prices.flags.writeable = False
    if plausibility == math.inf:
        return _rejected(problem, prices, upper_bound)
    used: IntArray = np.flatnonzero(masses.any(axis=0))
    if len(used) < n:
        masses = masses[:, used]
    masses.flags.writeable = False
    residuals = Residuals(plausibility, obedience, gap)
    return Certified(masses, used, value, upper_bound, prices, residuals)


def _state_prices(
    problem: Problem, candidate: Candidate
) -> tuple[IntArray | None, FloatArray, FloatArray]:
    """Recommendable columns (None: all), theta, and the table whose row maxima theta is."""
    reduced = reduced_gains(
        problem.gains, problem.payoffs, problem.slack, candidate.price_rows, candidate.prices
    )
    if problem.actions is None:
        return None, across(np.maximum, reduced), reduced
    columns = np.array(problem.actions, dtype=np.intp)
    reduced = reduced[:, columns]
    return columns, across(np.maximum, reduced), reduced


def reduced_gains(
    gains: FloatArray,
    payoffs: FloatArray,
    slack: FloatArray | None,
    rows: IntArray,
    prices: FloatArray,
) -> FloatArray:
    """``gains[w, a] + sum_b y[a, b] (payoffs[w, a] - payoffs[w, b] - slack[w])``, a new array."""
    table = gains.copy()
    if len(prices) > 16 * len(gains):  # many prices, few states
        charged = prices > 0
        a, b = rows[charged].T
        difference = payoffs[:, a] - payoffs[:, b]
        if slack is not None:
            difference -= slack[:, None]
        np.add.at(table.T, a, (difference * prices[charged]).T)
        return table
    for (a, b), price in zip(rows.tolist(), prices.tolist(), strict=True):
        if price > 0:
            difference = payoffs[:, a] - payoffs[:, b]
            table[:, a] += price * (difference if slack is None else difference - slack)
    return table


def _violations(
    problem: Problem, candidate: Candidate, masses: FloatArray, used: IntArray
) -> tuple[FloatArray, float]:
    """Largest relative loss of each signal, and what all losses together are worth."""
    payoffs, slack = problem.payoffs, problem.slack
    rows = np.arange(len(used))
    worst = np.zeros(len(used))
    against = masses.T @ payoffs
    surplus = against[rows, used][:, None] - against
    if slack is not None:
        surplus -= (masses.T @ slack)[:, None]
    surplus[rows, used] = np.inf
    # sums of utilities may cancel; rows within their rounding error are summed as differences
    noise = _NOISE * (across(np.maximum, np.abs(payoffs)) @ masses)
    at, b = (surplus <= noise[:, None]).nonzero()
    if len(at) == 0:
        return worst, 0.0
    a = used[at]
    difference = payoffs[:, a] - payoffs[:, b]
    if slack is not None:
        difference -= slack[:, None]
    terms = masses[:, at] * difference
    loss = np.maximum(-terms.sum(axis=0), 0.0)
    scale = np.abs(terms).sum(axis=0)
    hidden = np.zeros_like(loss)
    if problem.rounded:  # what rounding of the payoffs can hide, in the masses and in the bound
        size = np.abs(payoffs[:, a]) + np.abs(payoffs[:, b])
        hidden = np.finfo(np.float64).eps * (masses[:, at] * size).sum(axis=0)
    # a Receiver takes a loss of 1e-9 for a tie: for her a thousandth of the tolerance is too strict
    relative = np.divide(loss + 1e-3 * hidden, scale, out=np.zeros_like(loss), where=scale > 0)
    np.maximum.at(worst, at, relative)
    worth = 0.0
    if len(candidate.prices):
        known = zip(
            map(tuple, candidate.price_rows.tolist()), candidate.prices.tolist(), strict=True
        )
        price_of = dict(known)
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        prices = [max(price_of.get(pair, 0.0), 0.0) for pair in pairs]
        worth = float(np.dot(prices, loss + hidden))
    return worst, worth


def sender_spread(weights: FloatArray, gains: FloatArray, reach: FloatArray) -> float:
    """How much a scheme can matter to the Sender, with a floor against rounding noise.

    Parameters
    ----------
    weights : ndarray (n_states,)
    gains : ndarray (n_states, n_actions)
    reach : ndarray (n_states,)
        Range of `gains` over actions.
    """
    floor = 1e-6 * float(weights @ across(np.maximum, np.abs(gains)))
    return max(float(weights @ reach), floor) or 1.0


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
