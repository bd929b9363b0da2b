"""The answer is a scheme, it is obeyed, it is worth what is said, and nothing is worth more."""

from __future__ import annotations

from typing import Any

import numpy as np

from persuasion import solve as default_solve
from persuasion.beliefs import indirect_utility
from persuasion.game import PersuasionGame
from persuasion.testing.enumeration import LIMIT, enumeration_size, exact_value
from persuasion.testing.invariant import (
    ROUNDING_TIE,
    TOLERANCE,
    InvariantError,
    SolutionLike,
    Solve,
    conditioning,
    expect_at_most,
    expect_equal,
    law,
    recommendations_of,
    scheme_of,
    stakes,
    value_of,
)
from persuasion.testing.reference_lp import reference_value
from persuasion.values import first_best, full_disclosure_value, sender_value

__all__ = [
    "check_aligned_and_opposed",
    "check_bounds",
    "check_concavification",
    "check_obedience",
    "check_reference",
    "check_scheme",
    "check_value",
]

ROW_TOLERANCE = 1e-9
"""Rows of a kernel are sums of a few probabilities: rounding stays far below this."""

SEEN_BY_HIGHS = 1e-8
"""Coefficients below 1e-9 of their row are dropped by HiGHS."""


def check_scheme(game: PersuasionGame, scheme: Any, *, tolerance: float = ROW_TOLERANCE) -> bool:
    """Check that a scheme is one, and that its posteriors average to the prior.

    For the masses ``x(w, s) = mu(w) pi(s|w)``: pi >= 0, ``sum_s pi(s|w) = 1`` in every state w, and
    ``sum_s P(s) q_s = mu`` with ``q_s = x(., s) / P(s)``. No proviso.

    Parameters
    ----------
    game : PersuasionGame
    scheme : SignalingScheme, object with a ``kernel``, or array (n_states, n_signals)
    tolerance : float
        Allowed deviation of a sum of probabilities from 1.

    Raises
    ------
    InvariantError

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, section 2 (Bayes plausibility).

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.testing import check_scheme
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> check_scheme(game, [[0.5, 0.4], [0.0, 1.0]])
    Traceback (most recent call last):
        ...
    persuasion.testing.invariant.InvariantError: signals of state 0 have probabilities [0.5, 0.4], \
which sum to 0.9
    """
    kernel = np.asarray(getattr(scheme, "kernel", scheme), dtype=np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != game.n_states or kernel.shape[1] == 0:
        raise InvariantError(
            f"the kernel has shape {kernel.shape}; expected ({game.n_states}, n_signals)"
        )
    if not np.isfinite(kernel).all() or kernel.min() < 0:
        raise InvariantError(f"the kernel holds a negative number or none: {kernel.tolist()}")
    totals = kernel.sum(axis=1)
    worst = int(np.abs(totals - 1).argmax())
    if abs(totals[worst] - 1) > tolerance:
        raise InvariantError(
            f"signals of state {worst} have probabilities {kernel[worst].tolist()}, "
            f"which sum to {totals[worst]:.12g}"
        )
    posteriors = scheme_of(game, _Holding(kernel)).posteriors(game.prior)
    mean = (game.prior @ kernel) @ posteriors
    state = int(np.abs(mean - game.prior).argmax())
    if abs(mean[state] - game.prior[state]) > tolerance:
        raise InvariantError(
            f"the mean posterior of state {state} is {mean[state]:.12g}, "
            f"its prior {game.prior[state]:.12g}"
        )
    return True


class _Holding:
    """A solution of which only the scheme matters."""

    value = 0.0

    def __init__(self, scheme: Any) -> None:
        self.scheme = scheme


@law("F1s", "posteriors average to the prior")
def check_plausibility(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Apply `check_scheme` to the scheme of a solution; rows must sum to 1 within 1e-9."""
    return check_scheme(game, solution.scheme)


@law("F1s", "every recommendation is a best response at its posterior")
def check_obedience(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that obeying is optimal for the Receiver.

    For every signal s with recommendation a and every action b:
    ``sum_w q(w) pi(s|w) (u(w, a) - u(w, b)) >= 0``, q the Receiver's prior. The violation is
    compared with ``max_w q(w) |u(w, a) - u(w, b)|``, which has the same unit and cannot be
    inflated by other actions or states. Proviso: the solver gives its recommendations.

    Notes
    -----
    Source: Bergemann & Morris, *Bayes correlated equilibrium*, TE 11(2), 2016, for obedience.
    """
    recommendations = recommendations_of(game, solution)
    if recommendations is None:
        return False
    joint = game.receiver_prior[:, None] * scheme_of(game, solution).kernel
    for signal, a in enumerate(recommendations):
        differences = game.receiver_utility[:, [a]] - game.receiver_utility
        surplus = joint[:, signal] @ differences
        unit = (game.receiver_prior[:, None] * np.abs(differences)).max(axis=0)
        broken = ~(surplus >= -tolerance * unit)
        if broken.any():
            b = int(broken.argmax())
            raise InvariantError(
                f"signal {signal} recommends action {a}, but action {b} gives the Receiver "
                f"{-surplus[b]:.6g} more (masses; allowed is {tolerance * unit[b]:.3g})"
            )
    return True


@law("F1s", "the value is what the scheme earns against a Bayesian Receiver")
def check_value(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that the value reported is the value played.

    The Receiver updates, takes a best response and breaks ties for the Sender. What she calls a tie
    matters: the value must lie between those played with ties within 1e-12 and within 1e-9 of the
    payoffs at stake, which agree unless an action nearly ties at a posterior. Where recommendations
    are given, following them must earn the value. No proviso.

    Notes
    -----
    Source: Kamenica & Gentzkow 2011, section 2 (sender-preferred equilibrium).
    """
    scheme = scheme_of(game, solution)
    value, unit = value_of(solution), stakes(game)
    beliefs = scheme.posteriors(game.receiver_prior)
    sharp = indirect_utility(game, beliefs, tolerance=ROUNDING_TIE)
    played = sorted(
        [sender_value(game, scheme), float(scheme.signal_probabilities(game.prior) @ sharp)]
    )
    text = "the value played and the value reported"
    expect_at_most(played[0], value, unit=unit, tolerance=tolerance, because=text)
    text = "the value reported and the value played"
    expect_at_most(value, played[1], unit=unit, tolerance=tolerance, because=text)
    recommendations = recommendations_of(game, solution)
    if recommendations is not None:
        joint = game.prior[:, None] * scheme.kernel
        obeyed = float((joint * game.sender_utility[:, recommendations]).sum())
        text = "the value reported against the value of following the recommendations"
        expect_equal(value, obeyed, unit=unit, tolerance=tolerance, because=text)
    return True


@law("F3", "max(no disclosure, full disclosure) <= OPT <= first best")
def check_bounds(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check ``max(v-hat(mu), V_FR) <= OPT <= sum_w mu(w) max_a v(w, a)``.

    Saying nothing and telling the state are schemes; no scheme beats choosing the action oneself.
    At the prior a tie counts within 1e-12 of the payoffs at stake. No proviso.
    """
    value, unit = value_of(solution), stakes(game)
    silent = indirect_utility(game, game.receiver_prior, tolerance=ROUNDING_TIE)
    for name, bound in (
        ("no disclosure", float(silent)),
        ("full disclosure", full_disclosure_value(game)),
    ):
        expect_at_most(
            bound, value, unit=unit, tolerance=tolerance, because=f"value of {name} against OPT"
        )
    expect_at_most(
        value, first_best(game), unit=unit, tolerance=tolerance, because="OPT against first best"
    )
    return True


@law("F3", "v = u: the Receiver's first best; v = -u: saying nothing is optimal", solves=True)
def check_aligned_and_opposed(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT where interests agree and where they are opposed.

    With v = u: ``OPT = sum_w mu(w) max_a u(w, a)`` (tell the state). With v = -u:
    ``OPT = -max_a E_mu u(., a)``, since the Receiver gets at least what she gets uninformed. Both
    games are made from the Receiver's payoffs of the game given. Proviso: a common prior.
    """
    if not game.has_common_prior:
        return False
    utility = game.receiver_utility
    for sign, expected, name in (
        (1.0, float(game.prior @ utility.max(axis=1)), "aligned"),
        (-1.0, -float((game.prior @ utility).max()), "opposed"),
    ):
        other = PersuasionGame(game.prior, sign * utility, utility)
        expect_equal(
            value_of(solve(other)),
            expected,
            unit=stakes(other),
            tolerance=tolerance,
            because=f"OPT of the game with {name} interests against its formula",
        )
    return True


@law("F1s", "OPT is the value of the linear program with every obedience row")
def check_reference(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT against a plain linear program in floating point.

    ``OPT = max sum x v`` over ``x >= 0``, ``sum_a x(w, a) = mu(w)``, and
    ``sum_w x(w, a) (u(w, a) - u(w, b)) >= 0``.
    Proviso: `conditioning` of at least 1e-8. HiGHS forgets coefficients below 1e-9; games beyond
    that are left to the exact route, `check_concavification`.

    Notes
    -----
    Source: Kamenica & Gentzkow 2011, Proposition 1 (recommendations suffice).
    """
    if conditioning(game) < SEEN_BY_HIGHS:
        return False
    expect_equal(
        value_of(solution),
        reference_value(game),
        unit=stakes(game),
        tolerance=tolerance,
        because="OPT against the plain linear program",
    )
    return True


@law("F2", "OPT is the concave closure of v-hat at the prior, over vertices of cells")
def check_concavification(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT against exact enumeration in fractions.

    ``OPT = max <t, v-hat>`` over ``t >= 0`` on W* with ``sum_q t_q q = mu``, where W* holds the
    vertices of the Receiver's best-response cells. The numbers of the game are taken at face value:
    0.1 + 0.2 and 0.3 are no tie. Proviso: a common prior, and at most 400 candidate vertices
    (`enumeration_size`), which 4 states with 4 actions satisfy.

    Notes
    -----
    Source: Kamenica & Gentzkow 2011, Corollary 2; that W* suffices: theory notes, Lemma 3.
    """
    if not game.has_common_prior or enumeration_size(game) > LIMIT:
        return False
    expect_equal(
        value_of(solution),
        float(exact_value(game)),
        unit=stakes(game),
        tolerance=tolerance,
        because="OPT against the exact concave closure",
    )
    return True


def check_solution(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check one answer by itself: a scheme, obeyed, worth its value, and certified optimal.

    Runs `check_plausibility`, `check_obedience`, `check_value`, `check_bounds` and `check_duality`.
    Returns True when the optimality is certified too, that is when prices were given.

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> from persuasion.testing import check_solution
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> check_solution(game, solve(game))
    True
    """
    from persuasion.testing.duality import check_duality

    for check in (check_plausibility, check_obedience, check_value, check_bounds):
        check(game, solution, solve=solve, tolerance=tolerance)
    return check_duality(game, solution, solve=solve, tolerance=tolerance)
