"""The prices of a solution prove that nothing is worth more (F8)."""

from __future__ import annotations

import numpy as np

from persuasion import solve as default_solve
from persuasion.beliefs import indirect_utility
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.testing.invariant import (
    TOLERANCE,
    InvariantError,
    SolutionLike,
    Solve,
    expect_at_most,
    expect_equal,
    law,
    prices_of,
    receiver_stakes,
    recommendations_of,
    scheme_of,
    stakes,
    value_of,
)
from persuasion.testing.reference_lp import slater_margin

__all__ = ["check_duality", "check_multiplier_bound", "check_price_function", "used_actions"]


def used_actions(game: PersuasionGame, solution: SolutionLike) -> list[int] | None:
    """Actions recommended with positive probability (A+), or None where the solver does not say."""
    recommendations = recommendations_of(game, solution)
    if recommendations is None:
        return None
    sent = scheme_of(game, solution).signal_probabilities(game.receiver_prior) > 0
    return sorted({a for a, positive in zip(recommendations, sent, strict=True) if positive})


@law("F8", "state and obedience prices certify the optimum; slackness is complementary")
def check_duality(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check the dual certificate.

    With y >= 0: ``theta(w) >= v(w, a) + sum_b y[a, b] (u(w, a) - u(w, b))`` in every possible state
    and for every action, and ``theta . mu = OPT``; hence no scheme earns more. Complementary
    slackness: the masses lie where the first inequality is tight, and a positive price only on a
    recommendation that leaves the Receiver indifferent. Every quantity is weighted by probability,
    so that it is in utils of the Sender. With a Receiver's prior q of her own, theta is per unit of
    q: ``theta . q = OPT``, and v is multiplied by mu/q.
    Proviso: the solver gives both kinds of prices; slackness also needs recommendations.

    Notes
    -----
    Symbols: theta = state_prices, y = obedience_prices.
    Source: strong duality of the linear program; Kolotilin, *Optimal information disclosure: a
    linear programming approach*, TE 13(2), 2018; Dworczak & Martini, JPE 127(5), 2019, for prices.
    """
    theta = prices_of(solution, "state_prices", (game.n_states,))
    y = prices_of(solution, "obedience_prices", (game.n_actions, game.n_actions))
    if theta is None or y is None:
        return False
    unit = stakes(game)
    y_unit = unit / receiver_stakes(game)
    if y.min() < -tolerance * y_unit:
        a, b = (int(i) for i in np.unravel_index(y.argmin(), y.shape))
        raise InvariantError(f"the price of obeying {a} rather than {b} is negative: {y[a, b]:.6g}")
    weight = game.receiver_prior
    short = _weighted_reduced_gains(game, y) - (weight * theta)[:, None]
    if not short.max() <= tolerance * unit:
        w, a = (int(i) for i in np.unravel_index(short.argmax(), short.shape))
        raise InvariantError(
            f"the price of state {w} is too low by {short[w, a]:.6g} (weighted by its probability) "
            f"to stop action {a}; allowed is {tolerance * unit:.3g}"
        )
    expect_equal(
        float(weight @ theta),
        value_of(solution),
        unit=unit,
        tolerance=tolerance,
        because="the prior at its state prices against OPT",
    )
    recommendations = recommendations_of(game, solution)
    if recommendations is None:
        return True
    kernel = scheme_of(game, solution).kernel
    wasted = float((-short[:, recommendations] * kernel).sum())
    expect_at_most(
        wasted, 0.0, unit=unit, tolerance=tolerance, because="masses times slack of their price"
    )
    against = (game.receiver_prior[:, None] * kernel).T @ game.receiver_utility
    surplus = against[np.arange(len(recommendations)), recommendations][:, None] - against
    expect_at_most(
        float((y[recommendations] * surplus).sum()),
        0.0,
        unit=unit,
        tolerance=tolerance,
        because="obedience prices times slack of their row",
    )
    return True


@law("F8", "theta . p >= v-hat(p) at every belief p")
def check_price_function(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that the state prices support the concave closure from above.

    ``theta . p >= v-hat(p)`` for p in the simplex over the possible states, with equality at the
    posteriors used (the latter is part of `check_duality`). Tried at the sure beliefs, the prior,
    the posteriors, midpoints between all of these, and 20 fixed random beliefs. v-hat takes strict
    best responses here: a tie that exists only up to rounding is not the price's business.
    The unit at p is ``E_p [|theta - min_a v| + max_a v - min_a v]``, what prices and payoffs amount
    to there, with the floor of `stakes`. Proviso: the solver gives state prices; a common prior.

    Notes
    -----
    Source: Dworczak & Martini, *The simple economics of optimal persuasion*, JPE 127(5), 2019,
    for price functions; finite version: own derivation from linear programming duality.
    """
    theta = prices_of(solution, "state_prices", (game.n_states,))
    if theta is None or not game.has_common_prior:
        return False
    beliefs = _beliefs_to_try(game, scheme_of(game, solution).posteriors(game.prior))
    low = game.sender_utility.min(axis=1)
    floor = 1e-6 * np.abs(game.sender_utility).max(axis=1)
    size = np.abs(theta - low) + np.ptp(game.sender_utility, axis=1) + floor
    short = indirect_utility(game, beliefs, tolerance=0.0) - beliefs @ theta
    excess = short - tolerance * (beliefs @ size)
    worst = int(excess.argmax())
    if not excess[worst] <= 0:
        raise InvariantError(
            f"the belief {beliefs[worst].tolist()} earns the Sender {short[worst]:.6g} more than "
            f"its price {beliefs[worst] @ theta:.12g}"
        )
    return True


@law("F8", "sum of obedience prices of used actions <= (OPT - V_S) / margin")
def check_multiplier_bound(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that obedience prices are bounded by the Slater margin.

    For the scheme on A+ with margin d that `slater_margin` finds and its value V_S:
    ``d * sum_{a in A+, b} y[a, b] <= OPT - V_S``. Prices of unused actions can be anything.
    Proviso: the solver gives obedience prices and recommendations, and d > 0 (more than 1e-9 of
    what the Receiver's action matters to her).

    Notes
    -----
    Source: own derivation: weak duality at the Slater scheme.
    """
    y = prices_of(solution, "obedience_prices", (game.n_actions, game.n_actions))
    used = used_actions(game, solution)
    if y is None or used is None or game.n_actions == 1:
        return False
    slater = slater_margin(game, used)
    if slater.margin <= 1e-9 * receiver_stakes(game):
        return False
    expect_at_most(
        slater.margin * float(y[used].sum()),
        value_of(solution) - slater.value,
        unit=stakes(game),
        tolerance=tolerance,
        because=f"margin {slater.margin:.6g} times obedience prices of {used} against OPT - V_S",
    )
    return True


def _weighted_reduced_gains(game: PersuasionGame, y: FloatArray) -> FloatArray:
    """``mu(w) v(w, a) + q(w) sum_b y[a, b] (u(w, a) - u(w, b))``, shape (n_states, n_actions)."""
    u = game.receiver_utility
    pull = np.zeros_like(u)
    for a, b in zip(*np.nonzero(y), strict=True):
        pull[:, a] += y[a, b] * (u[:, a] - u[:, b])
    reduced: FloatArray = game.prior[:, None] * game.sender_utility
    return reduced + game.receiver_prior[:, None] * pull


def _beliefs_to_try(game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
    support = game.prior > 0
    sure = np.eye(game.n_states)[support]
    corners = np.unique(np.vstack([sure, game.prior[None], posteriors]), axis=0)[:16]
    middles = (corners[:, None] + corners[None]).reshape(-1, game.n_states) / 2
    drawn = np.zeros((20, game.n_states))
    rng = np.random.default_rng(20110610)
    drawn[:, support] = rng.dirichlet(np.full(int(support.sum()), 0.5), size=20)
    return np.vstack([corners, middles, drawn])
