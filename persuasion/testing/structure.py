"""What an optimum looks like: few signals, no loss for the Receiver, a gain where there is one."""

from __future__ import annotations

import numpy as np

from persuasion import solve as default_solve
from persuasion.beliefs import best_responses, indirect_utility, receiver_indirect_utility
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.testing.enumeration import LIMIT, cell_vertices, enumeration_size
from persuasion.testing.invariant import (
    TOLERANCE,
    InvariantError,
    SolutionLike,
    Solve,
    expect_at_most,
    expect_equal,
    law,
    promises_vertex,
    recommendations_of,
    scheme_of,
    stakes,
    value_of,
)
from persuasion.values import receiver_value

__all__ = [
    "check_few_signals",
    "check_gain_criterion",
    "check_receiver_gains",
]

_DEPENDENT = 1e-12
"""Signals with a singular value below this are called linearly dependent: rounding gives 1e-16, and
games that differ by 1e-8 somewhere give no less than about 1e-9."""


@law("F5", "an extreme optimum has at most min(states, actions) signals, linearly independent")
def check_few_signals(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that a vertex of the linear program uses few signals.

    At an extreme point the vectors x(., a) of the used actions are linearly independent: otherwise
    ``x_a -> (1 +- t c_a) x_a`` would stay feasible. Hence there are at most min(possible states,
    actions) of them. An optimum that is no vertex may break this and still be right.
    Proviso: the solver promises a vertex (``is_vertex``).

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, online appendix, for the number of signals;
    independence: own derivation.
    """
    if not promises_vertex(solution):
        return False
    possible = game.receiver_prior > 0
    kernel = scheme_of(game, solution).kernel[possible]
    kernel = kernel[:, kernel.max(axis=0) > 0]
    limit = min(int(possible.sum()), game.n_actions)
    if kernel.shape[1] > limit:
        raise InvariantError(f"{kernel.shape[1]} signals are used; a vertex uses at most {limit}")
    least = float(np.linalg.svd(kernel / kernel.max(axis=0), compute_uv=False).min())
    if least < _DEPENDENT:
        raise InvariantError(
            f"the signals' likelihoods {kernel.T.tolist()} are linearly dependent (least singular "
            f"value {least:.2g}); those of a vertex are not"
        )
    return True


@law("F9", "information never hurts the Receiver; garbling it never helps her")
def check_receiver_gains(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check Blackwell's order at the optimal scheme.

    For ``U(pi) = sum_s max_a sum_w mu(w) pi(s|w) u(w, a)``: ``U(no disclosure) <= U(garbled) <=
    U(pi) <= U(full disclosure)``, where the garblings merge two signals or replace a quarter of
    every signal by noise; and a Receiver who follows the recommendations gets U(pi), so at least
    what she gets uninformed. The Sender's value has no such order. No proviso.

    Notes
    -----
    Source: Blackwell, *Equivalent comparisons of experiments*, Ann. Math. Stat. 24, 1953.
    """
    q, utility = game.receiver_prior, game.receiver_utility
    unit = float(q @ np.ptp(utility, axis=1)) or 1.0
    scheme = scheme_of(game, solution)
    full, informed = float(q @ utility.max(axis=1)), receiver_value(game, scheme)
    blind = float(receiver_indirect_utility(game, q))
    k = scheme.n_signals
    noisy = receiver_value(game, scheme.garble(np.full((k, k), 0.25 / k) + 0.75 * np.eye(k)))
    merged = receiver_value(game, scheme.merge([0, *range(k - 1)])) if k > 1 else blind
    for less, low, more, high in (
        ("the scheme", informed, "full disclosure", full),
        ("the scheme with noise", noisy, "the scheme", informed),
        ("the scheme with two signals merged", merged, "the scheme", informed),
        ("no disclosure", blind, "the scheme with noise", noisy),
        ("no disclosure", blind, "the scheme with two signals merged", merged),
    ):
        text = f"the Receiver's value of {less} against {more}"
        expect_at_most(low, high, unit=unit, tolerance=tolerance, because=text)
    recommendations = recommendations_of(game, solution)
    if recommendations is not None:
        obeying = float(((q[:, None] * scheme.kernel) * utility[:, recommendations]).sum())
        expect_equal(
            obeying,
            informed,
            unit=unit,
            tolerance=tolerance,
            because="the Receiver's value of following recommendations against best responding",
        )
    return True


@law("F10", "the Sender gains iff some posterior is worth more than the action taken at the prior")
def check_gain_criterion(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check when persuasion pays, with an explicit lower bound on the gain.

    Let a* be the action taken at the prior and ``g(p) = v-hat(p) - E_p v(., a*)``.

    - If a* is the only best response at mu (discrete preference), then for every belief p,
      ``OPT >= v-hat(mu) + eps g(p)``, where eps in (0, 1] is the largest weight for which the rest
      ``(mu - eps p)/(1 - eps)`` is a belief at which a* is still optimal.
    - If ``g <= 0`` at all vertices of cells, then ``OPT <= E_mu v(., a*) = v-hat(mu)``.

    p runs over the sure beliefs and, in games small enough to enumerate, the vertices of cells.
    Proviso: a common prior; one of the two premises.

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, Proposition 2; the bound: own derivation.
    """
    if not game.has_common_prior:
        return False
    said, unit = False, stakes(game)
    optimal = np.flatnonzero(best_responses(game, game.prior))
    silent = game.prior @ game.sender_utility
    action = optimal[silent[optimal].argmax()]
    gained = value_of(solution) - float(silent[action])
    enumerated = enumeration_size(game) <= LIMIT
    beliefs, gains = _gains(game, int(action), enumerated)
    if len(optimal) == 1:
        for belief, gain in zip(beliefs, gains, strict=True):
            said = True
            expect_at_most(
                _weight(game, belief, int(action)) * gain,
                gained,
                unit=unit,
                tolerance=tolerance,
                because=f"gain that the belief {belief.tolist()} allows against OPT - v-hat(mu)",
            )
    if enumerated and max(gains) <= 0:
        said = True
        expect_at_most(
            gained,
            0.0,
            unit=unit,
            tolerance=tolerance,
            because="gain from persuasion where no belief is worth more than the prior's action",
        )
    return said


def _gains(game: PersuasionGame, action: int, enumerated: bool) -> tuple[FloatArray, list[float]]:
    support = np.flatnonzero(game.prior)
    if not enumerated:
        sure = np.eye(game.n_states)[support]
        gains = indirect_utility(game, sure) - sure @ game.sender_utility[:, action]
        return sure, gains.tolist()
    here = [game.exact.sender_utility[w][action] for w in support]
    beliefs, exact = [], []
    for point, utils in cell_vertices(game).items():
        belief = np.zeros(game.n_states)
        belief[support] = [float(x) for x in point]
        beliefs.append(belief)
        exact.append(float(utils - sum(x * v for x, v in zip(point, here, strict=True))))
    return np.array(beliefs), exact


def _weight(game: PersuasionGame, belief: FloatArray, action: int) -> float:
    """Largest weight of `belief` in a split of the prior whose rest still leads to `action`."""
    likely = belief > 0
    weight = float((game.prior[likely] / belief[likely]).min())
    lead = game.receiver_utility[:, [action]] - game.receiver_utility
    for at_prior, at_belief in zip(game.prior @ lead, belief @ lead, strict=True):
        if at_belief > 0:
            weight = min(weight, float(at_prior / at_belief))
    return min(weight, 1.0)
