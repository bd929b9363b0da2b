"""Solvers with one fault each, to see the checks catch it, and the games to try them on.

Most start from the honest answer of the plain linear program and spoil it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from persuasion import Bayesian, PersuasionGame, SignalingScheme
from persuasion.testing import conditioning, reference_solution, stakes
from persuasion.values import (
    first_best,
    full_disclosure_value,
    no_disclosure_value,
    sender_value,
)

__all__ = ["GAMES", "MUTANTS", "fresh_games"]

Mutant = Callable[[PersuasionGame], Any]
MUTANTS: dict[str, Mutant] = {}


def mutant(solver: Mutant) -> Mutant:
    MUTANTS[solver.__name__] = solver
    return solver


def spoiled(honest: Any, **changes: Any) -> SimpleNamespace:
    names = ("value", "scheme", "recommendations", "state_prices", "obedience_prices", "is_vertex")
    return SimpleNamespace(**{**{name: getattr(honest, name) for name in names}, **changes})


# -- the answer to another question ------------------------------------------------------------


@mutant
def obedience_row_dropped(game: PersuasionGame) -> Any:
    """Forgets the row that matters most."""
    honest = reference_solution(game)
    if honest.obedience_prices.max() == 0:
        return honest
    row = np.unravel_index(honest.obedience_prices.argmax(), honest.obedience_prices.shape)
    return reference_solution(game, without=(int(row[0]), int(row[1])))


@mutant
def later_deviations_ignored(game: PersuasionGame) -> Any:
    """Lets the Receiver deviate to one action of lower index only, so that order matters."""
    last = game.n_actions - 1
    return reference_solution(game, without=(0, last)) if last else reference_solution(game)


@mutant
def prior_ignored(game: PersuasionGame) -> Any:
    """Takes the uniform prior."""
    return reference_solution(game.with_prior(np.full(game.n_states, 1 / game.n_states)))


@mutant
def prior_smoothed(game: PersuasionGame) -> Any:
    """Adds a little to every state, to be safe from zeros."""
    return reference_solution(game.with_prior(0.99 * game.prior + 0.01 / game.n_states))


@mutant
def state_dropped(game: PersuasionGame) -> Any:
    """Forgets the last state."""
    if game.n_states == 1 or game.prior[:-1].sum() == 0:
        return reference_solution(game)
    part = reference_solution(game.restrict(states=range(game.n_states - 1)))
    kernel = part.scheme.kernel
    return spoiled(
        part,
        scheme=SignalingScheme(np.vstack([kernel, kernel[-1:]])),
        state_prices=np.append(part.state_prices, 0.0),
    )


@mutant
def payoffs_rounded(game: PersuasionGame) -> Any:
    """Reads payoffs as whole numbers."""
    return reference_solution(
        PersuasionGame(game.prior, np.round(game.sender_utility), np.round(game.receiver_utility))
    )


@mutant
def small_payoffs_dropped(game: PersuasionGame) -> Any:
    """Treats payoffs of the Receiver below 1e-6 as zero: an absolute tolerance."""
    utility = game.receiver_utility
    coarse = np.where(np.abs(utility) < 1e-6, 0.0, utility)
    return reference_solution(PersuasionGame(game.prior, game.sender_utility, coarse))


@mutant
def sender_clipped(game: PersuasionGame) -> Any:
    """Believes that the Sender's payoffs are in [0, 1]."""
    return reference_solution(
        PersuasionGame(game.prior, game.sender_utility.clip(0, 1), game.receiver_utility)
    )


@mutant
def welfare_maximised(game: PersuasionGame) -> Any:
    """Maximises the sum of both utilities, reports the Sender's share."""
    both = PersuasionGame(
        game.prior, game.sender_utility + game.receiver_utility, game.receiver_utility
    )
    scheme = reference_solution(both).scheme
    return SimpleNamespace(value=sender_value(game, scheme), scheme=scheme)


# -- no optimisation -------------------------------------------------------------------------


@mutant
def never_persuades(game: PersuasionGame) -> Any:
    scheme = SignalingScheme.no_disclosure(game.n_states)
    return SimpleNamespace(value=no_disclosure_value(game), scheme=scheme)


@mutant
def always_discloses(game: PersuasionGame) -> Any:
    scheme = SignalingScheme.full_disclosure(game.n_states)
    return SimpleNamespace(value=full_disclosure_value(game), scheme=scheme)


@mutant
def first_best_claimed(game: PersuasionGame) -> Any:
    return spoiled(reference_solution(game), value=first_best(game))


# -- a spoiled answer --------------------------------------------------------------------------


@mutant
def value_off(game: PersuasionGame) -> Any:
    """Too high by 1e-6, in the Sender's units."""
    honest = reference_solution(game)
    return spoiled(honest, value=honest.value + 1e-6 * stakes(game))


@mutant
def value_doubled(game: PersuasionGame) -> Any:
    honest = reference_solution(game)
    return spoiled(honest, value=2 * honest.value)


@mutant
def value_is_nan(game: PersuasionGame) -> Any:
    return spoiled(reference_solution(game), value=float("nan"))


@mutant
def ties_by_index(game: PersuasionGame) -> Any:
    """Lets the Receiver take the first of several best responses."""
    honest = reference_solution(game)
    value = sender_value(game, honest.scheme, Bayesian(ties="first"))
    return spoiled(honest, value=value)


@mutant
def ties_averaged(game: PersuasionGame) -> Any:
    """Lets the Receiver mix between the best and the worst best response for the Sender."""
    honest = reference_solution(game)
    worst = sender_value(game, honest.scheme, Bayesian(ties="adversarial"))
    return spoiled(honest, value=(honest.value + worst) / 2)


@mutant
def posteriors_off(game: PersuasionGame) -> Any:
    """Sends the first signal 5% too often."""
    honest = reference_solution(game)
    kernel = honest.scheme.kernel * np.where(np.arange(honest.scheme.n_signals) == 0, 1.05, 1.0)
    return spoiled(honest, scheme=SignalingScheme(kernel / kernel.sum(axis=1, keepdims=True)))


@mutant
def rows_short(game: PersuasionGame) -> Any:
    """Sends no signal at all in a tenth of the cases."""
    honest = reference_solution(game)
    return spoiled(honest, scheme=SimpleNamespace(kernel=0.9 * honest.scheme.kernel))


@mutant
def recommendations_shuffled(game: PersuasionGame) -> Any:
    honest = reference_solution(game)
    return spoiled(honest, recommendations=honest.recommendations[::-1])


@mutant
def obedience_price_negated(game: PersuasionGame) -> Any:
    honest = reference_solution(game)
    return spoiled(honest, obedience_prices=-honest.obedience_prices)


@mutant
def state_price_negated(game: PersuasionGame) -> Any:
    honest = reference_solution(game)
    return spoiled(honest, state_prices=-honest.state_prices)


@mutant
def obedience_prices_tripled(game: PersuasionGame) -> Any:
    honest = reference_solution(game)
    return spoiled(honest, obedience_prices=3 * honest.obedience_prices)


@mutant
def interior_optimum(game: PersuasionGame) -> Any:
    """Splits the first signal in two equal ones: optimal, but not the vertex it claims to be.

    Legal for a solver that promises no vertex.
    """
    honest = reference_solution(game)
    kernel = honest.scheme.kernel
    return spoiled(
        honest,
        scheme=SignalingScheme(
            np.column_stack([kernel[:, 0] / 2, kernel[:, 0] / 2, kernel[:, 1:]])
        ),
        recommendations=(honest.recommendations[0], *honest.recommendations),
    )


@mutant
def input_overwritten(game: PersuasionGame) -> Any:
    """Normalises the Sender's payoffs in place, in the caller's array."""
    honest = reference_solution(game)
    game.sender_utility.flags.writeable = True
    game.sender_utility[:] -= game.sender_utility.min()
    return honest


# -- games to try them on ------------------------------------------------------------------------


def fresh_games() -> dict[str, PersuasionGame]:
    """Well-scaled games with something to persuade in; new objects each time."""
    rng = np.random.default_rng(20110610)
    return {
        "prosecutor": PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]]),
        "one good state among three": PersuasionGame(
            [0.5, 0.25, 0.25], [[0, 1]] * 3, [[0, 1], [1, 0], [1, 0]]
        ),
        "middle action": PersuasionGame([0.375, 0.625], [[0, 2, 1]] * 2, [[4, 3, 0], [0, 3, 4]]),
        "payoff halfway between integers": PersuasionGame(
            [0.75, 0.25], [[0, 1], [0, 1]], [[1, 0], [0, 1.5]]
        ),
        "middle action at a point": PersuasionGame(
            [0.375, 0.625], [[0, 0, 1]] * 2, [[1, 0, 0.5], [0, 1, 0.5]]
        ),
        "copied action": PersuasionGame(
            [0.25, 0.5, 0.25],
            [[0, 1, 2], [1, 3, 3], [2, 0, 1]],
            [[2, 2, 0], [0, 0, 1], [-1, -1, 2]],
        ),
        "impossible state": PersuasionGame(
            [0.5, 0.0, 0.5], [[0, 1], [9, 9], [0, 1]], [[2, 0], [0, 5], [0, 1]]
        ),
        "random 3x3": _random(rng, 3, 3),
        "random 4x3": _random(rng, 4, 3),
        "random 3x4": _random(rng, 3, 4),
        "random 4x2": _random(rng, 4, 2),
    }


def _random(rng: np.random.Generator, m: int, n: int) -> PersuasionGame:
    weights = rng.integers(1, 9, m)
    sender, receiver = rng.integers(-64, 65, (2, m, n)) / 16
    game = PersuasionGame(weights / weights.sum(), sender, receiver)
    assert conditioning(game) > 1e-3, "a game in which every check should speak"
    return game


GAMES = tuple(fresh_games())
