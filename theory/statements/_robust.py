"""What the bounds on the robust learner share: assumptions, the capped sum, the usual control."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.algorithm import Schedule, log_subsets
from theory.constants import constants
from theory.theorem import NegativeControl
from theory.verdict import Assumption

__all__ = [
    "A_FEW_RUNS",
    "OWN",
    "PLUG_IN_ON_THE_PROSECUTOR",
    "capped_sum",
    "common_prior",
    "growth_bound",
    "regularity",
    "slater",
]

OWN = "own derivation, docs/theory.md"

PLUG_IN_ON_THE_PROSECUTOR = NegativeControl(
    why="the plug-in learner asks for obedience at the empirical prior only, is disobeyed about "
    "half of the time and loses everything then: its regret is linear",
    learner="plug_in",
    game="prosecutor",
    game_parameters={"p": "3/10"},
    horizon=10**8,
    n_runs=20,
)
A_FEW_RUNS = replace(PLUG_IN_ON_THE_PROSECUTOR, horizon=10**6, n_runs=2)
"""The same, where every epoch of every run is judged."""


def common_prior(game: PersuasionGame) -> Assumption:
    """Both players hold the prior from which states are drawn."""
    return Assumption(
        "common prior",
        "states are independent draws from one prior, which the Receiver knows",
        math.nan,
        game.has_common_prior,
    )


def regularity(game: PersuasionGame) -> Assumption:
    """(R): D > 0."""
    value = constants(game).regularity
    return Assumption(
        "regularity D",
        "every persuaded action is the strict best response, by D, at some belief",
        value,
        value > 0,
    )


def slater(game: PersuasionGame) -> Assumption:
    """d* > 0."""
    value = constants(game).slater_margin
    return Assumption(
        "Slater margin d*",
        "some complete scheme persuades with margin d* for every persuaded action",
        value,
        value > 0,
    )


def capped_sum(
    n_terms: ArrayLike, cap: float, first: ArrayLike, second: ArrayLike = 0.0
) -> FloatArray:
    """Upper bound on ``sum_{s=1}^{S} min(cap, first / sqrt(s) + second / s)``.

    Saturated terms are counted as `cap`; the others are bounded by their integral.

    Parameters
    ----------
    n_terms : array-like of int
        S, at least 0.
    cap : float
    first, second : array-like >= 0
        Broadcast against `n_terms`; infinite values leave only the cap.
    """
    total = np.atleast_1d(np.asarray(n_terms, dtype=np.float64))
    a = np.broadcast_to(np.asarray(first, dtype=np.float64), total.shape)
    b = np.broadcast_to(np.asarray(second, dtype=np.float64), total.shape)
    if cap <= 0:
        return np.zeros_like(total)
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(finite, a, 0.0), np.where(finite, b, 0.0)
    last = np.floor(((a + np.sqrt(a**2 + 4 * b * cap)) / (2 * cap)) ** 2)
    last = np.where(finite, np.minimum(total, last), total)
    logarithm = np.where(
        last > 0,
        np.log(np.maximum(total, 1) / np.maximum(last, 1)),
        np.where(total > 0, 1 + np.log(np.maximum(total, 1)), 0.0),
    )
    tail = 2 * a * (np.sqrt(total) - np.sqrt(last)) + b * logarithm
    return np.asarray(last * cap + tail)


def growth_bound(
    schedule: Schedule, rounds: ArrayLike, constant: float, optimum: float
) -> FloatArray:
    """``1 + sum_{s<T} min(OPT, C sqrt(2 g L / s))``, L = ln(2^m - 2) + ln(J (J + 1) / delta)."""
    t = np.atleast_1d(np.asarray(rounds, dtype=np.int64))
    solves = schedule.solves_by(t).astype(np.float64)
    log_term = log_subsets(schedule.n_states) + np.log(solves * (solves + 1) / schedule.delta)
    slope = constant * np.sqrt(2 * schedule.growth * log_term)
    return 1 + capped_sum(t - 1, optimum, slope)
