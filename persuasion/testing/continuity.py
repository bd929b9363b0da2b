"""How far the optimum moves when the game moves a little (F2, F4, F6, F7)."""

from __future__ import annotations

import numpy as np

from persuasion import solve as default_solve
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.testing.duality import used_actions
from persuasion.testing.invariant import (
    TOLERANCE,
    SolutionLike,
    Solve,
    expect_at_most,
    expect_equal,
    law,
    least,
    receiver_stakes,
    recommendations_of,
    scheme_of,
    stakes,
    value_of,
)
from persuasion.testing.reference_lp import slater_margin

__all__ = [
    "check_concave_in_prior",
    "check_linear_between_posteriors",
    "check_lipschitz_in_receiver",
    "check_lipschitz_in_sender",
    "check_prior_continuity",
]


@law("F2", "OPT is concave in the prior", solves=True)
def check_concave_in_prior(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check ``OPT((mu + nu)/2) >= (OPT(mu) + OPT(nu))/2``.

    Here nu is the prior with its positive entries in reverse order, and then a sure belief.
    Proviso: a common prior and at least two possible states.

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, Corollary 2.
    """
    support = np.flatnonzero(game.prior)
    if not game.has_common_prior or len(support) < 2:
        return False
    reverse, sure = np.zeros((2, game.n_states))
    reverse[support] = game.prior[support][::-1]
    sure[support[0]] = 1.0
    for other in (game.with_prior(reverse), game.with_prior(sure)):
        middle = game.with_prior((game.prior + other.prior) / 2)
        expect_at_most(
            (value_of(solution) + value_of(solve(other))) / 2,
            value_of(solve(middle)),
            unit=stakes(game) + stakes(other),
            tolerance=tolerance,
            because=f"mean of OPT at the prior and at {other.prior.tolist()} against OPT between",
        )
    return True


@law("F2", "OPT is linear on the convex hull of the posteriors used", solves=True)
def check_linear_between_posteriors(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that an optimal split stays optimal when its posteriors are weighted differently.

    With posteriors q_s and recommendations a_s, for every distribution t:
    ``OPT(sum_s t_s q_s) = sum_s t_s E_{q_s} v(., a_s)``. Tried with the probability of one signal
    halved at a time (extremer weights would magnify the rounding of improbable signals).
    Proviso: a common prior, recommendations, at least two signals.

    Notes
    -----
    Source: own derivation: the same state prices certify the new split.
    """
    recommendations = recommendations_of(game, solution)
    scheme = scheme_of(game, solution)
    if recommendations is None or not game.has_common_prior or scheme.n_signals < 2:
        return False
    for signal in range(min(scheme.n_signals, 2)):
        factors = np.ones(scheme.n_signals)
        factors[signal] = 0.5
        joint = game.prior[:, None] * scheme.kernel * factors
        total = joint.sum()
        other = game.with_prior(joint.sum(axis=1) / total)
        expect_equal(
            value_of(solve(other)),
            float((joint * game.sender_utility[:, recommendations]).sum() / total),
            unit=2 * stakes(game),
            tolerance=tolerance,
            because=f"OPT at prior {other.prior.tolist()} against the old posteriors reweighted",
        )
    return True


@law("F4", "OPT(mu') >= OPT(mu) min_w mu'(w)/mu(w) for v >= 0", solves=True)
def check_prior_continuity(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check the modulus of continuity in the prior, without any regularity of the game.

    Let ``G(mu) = OPT(mu) - sum_w mu(w) min_a v(w, a) >= 0``. Then ``G(mu') >= G(mu) min_w
    mu'(w)/mu(w)`` in both directions, hence ``|G(mu) - G(mu')| <= TV(mu, mu') max(G) / min(min mu,
    min mu')``. Tried at two priors with the same support: tilted, and mixed with the uniform one.
    Proviso: a common prior.

    Notes
    -----
    Source: own derivation (theory notes, F4), from concavity and G >= 0.
    """
    if not game.has_common_prior:
        return False
    positive = game.prior > 0
    tilted = game.prior * (1.0 + 0.5 * (np.arange(game.n_states) % 2))
    mixed = 0.75 * game.prior + 0.25 * positive / positive.sum()
    here = value_of(solution) - least(game)
    for weights in (tilted / tilted.sum(), mixed):
        other = game.with_prior(weights)
        there = value_of(solve(other)) - least(other)
        ratio = other.prior[positive] / game.prior[positive]
        text = f"the prior moved to {other.prior.tolist()}: OPT(mu) times the least ratio"
        unit = max(stakes(game), stakes(other))
        for left, right, factor in ((here, there, ratio.min()), (there, here, 1 / ratio.max())):
            expect_at_most(left * factor, right, unit=unit, tolerance=tolerance, because=text)
        distance = 0.5 * float(np.abs(game.prior - other.prior).sum())
        floor = min(game.prior[positive].min(), other.prior[positive].min())
        expect_at_most(
            abs(here - there),
            distance * max(here, there) / floor,
            unit=unit,
            tolerance=tolerance,
            because=f"change of OPT over total variation {distance:.6g}",
        )
    return True


@law("F6", "|OPT_v - OPT_v'| <= sum_w mu(w) max_a |v - v'|", solves=True)
def check_lipschitz_in_sender(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that OPT is Lipschitz in the Sender's payoffs with constant 1.

    Obedience does not involve v, so the same schemes stay feasible. Tried with a constant added,
    where the bound is an equality, and with an uneven pattern. No proviso.
    """
    unit = stakes(game)
    for change in (np.full_like(game.sender_utility, unit / 2), unit / 4 * _pattern(game)):
        other = _with(game, sender_utility=game.sender_utility + change)
        moved = np.abs(other.sender_utility - game.sender_utility).max(axis=1)
        expect_at_most(
            abs(value_of(solve(other)) - value_of(solution)),
            float(game.prior @ moved),
            unit=unit + stakes(other),
            tolerance=tolerance,
            because="change of OPT against the expected change of v",
        )
    return True


@law(
    "F7",
    "OPT falls by at most a share 2b/d when u moves by b and the Slater margin is d",
    solves=True,
)
def check_lipschitz_in_receiver(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check the modulus of continuity in the Receiver's payoffs, one- and two-sided.

    Let ``|u - u'| <= b`` everywhere, G as in `check_prior_continuity`, and d the margin by which a
    complete scheme on A+(u), the actions used at u, can be obeyed (`slater_margin`). Then
    ``G_{u'} >= G_u (1 - 2b/d)``. If d is the margin at u over A+(u) and A+(u') together, also
    ``G_u >= G_{u'} (1 - 2b/d)``. The margin over A+(u) alone gives no second inequality: an action
    that u' makes available may raise OPT from 0 to 1. Without a margin OPT is discontinuous in u.
    Tried at b = d/16 with two patterns of change.
    Proviso: recommendations, and d > 0 (more than 1e-9 of what is at stake for the Receiver).

    Notes
    -----
    Source: own derivation (theory notes, F7): mix the old scheme with the one that has the margin.
    """
    used = used_actions(game, solution)
    if used is None or game.n_actions == 1:
        return False
    smallest = 1e-9 * receiver_stakes(game)
    margin = slater_margin(game, used).margin
    if margin <= smallest:
        return False
    here = value_of(solution) - least(game)
    for sign in (1.0, -1.0):
        other = _with(
            game, receiver_utility=game.receiver_utility + sign * margin / 16 * _pattern(game)
        )
        bound = float(np.abs(other.receiver_utility - game.receiver_utility).max())
        changed = solve(other)
        there = value_of(changed) - least(other)
        text = f"u moved by {bound:.6g}, margin"
        expect_at_most(
            here * (1 - 2 * bound / margin),
            there,
            unit=stakes(game),
            tolerance=tolerance,
            because=f"{text} {margin:.6g}: OPT cannot fall below",
        )
        used_there = used_actions(other, changed)
        if used_there is None:
            continue
        both = slater_margin(game, sorted({*used, *used_there})).margin
        if both > smallest:
            expect_at_most(
                there * (1 - 2 * bound / both),
                here,
                unit=stakes(game),
                tolerance=tolerance,
                because=f"{text} {both:.6g} over both: OPT cannot have been below",
            )
    return True


def _pattern(game: PersuasionGame) -> FloatArray:
    """Uneven numbers in [-1, 1], the same for every game of this shape; multiples of 1/4."""
    w, a = np.indices((game.n_states, game.n_actions))
    pattern: FloatArray = ((3 * w + 5 * a + w * a) % 9) / 4.0 - 1.0
    return pattern


def _with(
    game: PersuasionGame,
    *,
    sender_utility: FloatArray | None = None,
    receiver_utility: FloatArray | None = None,
) -> PersuasionGame:
    return PersuasionGame(
        game.prior,
        game.sender_utility if sender_utility is None else sender_utility,
        game.receiver_utility if receiver_utility is None else receiver_utility,
        receiver_prior=None if game.has_common_prior else game.receiver_prior,
    )
