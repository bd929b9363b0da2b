"""What it costs to be obeyed with a margin, or at every prior nearby (F14)."""

from __future__ import annotations

import numpy as np

from persuasion import solve as default_solve
from persuasion.game import PersuasionGame
from persuasion.testing.duality import used_actions
from persuasion.testing.invariant import (
    TOLERANCE,
    SolutionLike,
    Solve,
    conditioning,
    expect_at_most,
    expect_equal,
    law,
    prices_of,
    receiver_stakes,
    stakes,
    value_of,
)
from persuasion.testing.reference_lp import (
    margin_price,
    robust_value,
    slater_margin,
    value_with_margin,
)
from persuasion.values import full_disclosure_value

__all__ = ["check_margin_price", "check_robust_cost", "check_robust_value"]

_SEEN_BY_LP = 1e-3
"""Least `conditioning`, and least margin in `receiver_stakes`, of games these checks speak about.
A value moves by prices times 1e-10, the error of the programs; prices go like 1 / margin."""


@law("F14", "V_rob falls from OPT at radius 0 to full disclosure at radius 2")
def check_robust_value(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check the value of schemes that are obeyed at every prior near mu.

    For ``V_rob(mu, e)`` (`robust_value`): ``V_rob(mu, 0) = OPT(mu)``; nonincreasing in e;
    ``V_rob(mu, 2)`` is the value of full disclosure with ties for the Sender, since obedience at
    sure priors leaves only actions that are optimal in their state. Tried at e = 0, 0.01, 0.1, 0.5
    and 2. Proviso: a common prior, `conditioning` of at least 1e-3.

    Notes
    -----
    Source: theory notes, F14 (own derivation); robust persuasion with an unknown prior: Zu, Iyer &
    Xu, EC 2021.
    """
    if not game.has_common_prior or conditioning(game) < _SEEN_BY_LP:
        return False
    unit = stakes(game)
    radii = (0.0, 0.01, 0.1, 0.5, 2.0)
    values = [robust_value(game, radius) for radius in radii]
    for expected, found, text in (
        (values[0], value_of(solution), "OPT against the robust value at radius 0"),
        (full_disclosure_value(game), values[-1], "robust value at radius 2: full disclosure"),
    ):
        expect_equal(found, expected, unit=unit, tolerance=tolerance, because=text)
    for i, high in enumerate(values[1:], start=1):
        text = f"robust value at radius {radii[i]} against OPT, and radius {radii[i - 1]}"
        before = min(value_of(solution), values[i - 1])
        expect_at_most(high, before, unit=unit, tolerance=tolerance, because=text)
    return True


@law("F14", "V_rob(mu, e) >= OPT - (r e / d) (OPT - V_S) for r e <= d")
def check_robust_cost(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check what robustness costs at most, and that full disclosure is always possible.

    d and V_S are margin and value of the scheme on A+ that `slater_margin` finds, r the largest
    ``(max_w (u(w, a) - u(w, b))^+ + max_w (u(w, b) - u(w, a))^+) / 2`` over used a and any b. For
    ``r e <= d``: ``V_rob(mu, e) >= OPT - (r e / d)(OPT - V_S)``. For every e:
    ``V_rob(mu, e) >= V_FR``. Tried at r e = d/4 and d.
    Proviso: a common prior, recommendations, `conditioning` of at least 1e-3, and d > 0 (more than
    1e-9 of the Receiver's stakes).

    Notes
    -----
    Source: theory notes, Lemma 1 (own derivation), with A+ in place of the persuaded actions.
    """
    used = used_actions(game, solution)
    if used is None or not game.has_common_prior or game.n_actions == 1:
        return False
    if conditioning(game) < _SEEN_BY_LP:
        return False
    slater = slater_margin(game, used)
    if not 1e-9 * receiver_stakes(game) < slater.margin < np.inf:
        return False
    table = game.receiver_utility
    differences = table[:, used, None] - table[:, None, :]
    r = float((differences.clip(0).max(axis=0) + (-differences).clip(0).max(axis=0)).max()) / 2
    unit, value = stakes(game), value_of(solution)
    for share in (0.25, 1.0):
        radius = share * slater.margin / r
        robust = robust_value(game, radius)
        for bound, text in (
            (value - share * (value - slater.value), "OPT less the share of OPT - V_S"),
            (full_disclosure_value(game), "full disclosure"),
        ):
            expect_at_most(
                bound,
                robust,
                unit=unit,
                tolerance=tolerance,
                because=f"{text} against the robust value at radius {radius:.6g}",
            )
    return True


@law("F14", "value with obedience margin rho: concave, falls by at least the prices' sum times rho")
def check_margin_price(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that obedience prices are slopes.

    F(rho) is the best value of a scheme on A+ whose rows all hold with rho in masses
    (`value_with_margin`), d the largest possible rho, kappa the slope of F over (0, d/1000)
    (`margin_price`). Then ``F(0) = OPT``, F is concave, ``F(rho) <= OPT - kappa rho`` from there
    on, and ``sum_{a in A+, b} y[a, b] <= kappa``. Tried at rho = d/64, d/16, d/4 and (almost) d.
    Proviso: recommendations; `conditioning` of the game, and d in Receiver's stakes, at least 1e-3.

    Notes
    -----
    Source: theory notes, F14 and the definition of kappa* (own derivation).
    """
    used = used_actions(game, solution)
    if used is None or game.n_actions == 1 or conditioning(game) < _SEEN_BY_LP:
        return False
    d = slater_margin(game, used).margin
    if not _SEEN_BY_LP * receiver_stakes(game) <= d < np.inf:
        return False
    unit, value = stakes(game), value_of(solution)
    kappa = margin_price(game, used)
    prices = prices_of(solution, "obedience_prices", (game.n_actions, game.n_actions))
    if prices is not None:
        text = "sum of obedience prices against the largest possible, both times the margin"
        total = d * float(prices[used].sum())
        expect_at_most(total, d * kappa, unit=unit, tolerance=tolerance, because=text)
    shares = [0.0, 1 / 64, 1 / 16, 1 / 4, 1 - 1e-6]
    values = [value_with_margin(game, used, share * d) for share in shares]
    text = "value without margin against OPT"
    expect_equal(values[0], value, unit=unit, tolerance=tolerance, because=text)
    for share, found in zip(shares, values, strict=True):
        text = f"value with margin {share * d:.6g} against OPT - kappa * margin"
        bound = value - kappa * share * d
        expect_at_most(found, bound, unit=unit, tolerance=tolerance, because=text)
    for i in range(1, len(shares) - 1):
        weight = (shares[i] - shares[i - 1]) / (shares[i + 1] - shares[i - 1])
        chord = (1 - weight) * values[i - 1] + weight * values[i + 1]
        text = f"concavity of the value in the margin at {shares[i] * d:.6g}"
        expect_at_most(chord, values[i], unit=unit, tolerance=tolerance, because=text)
    return True
