"""The games on which a theorem is tried when nobody names one, and for how many rounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count

from persuasion import zoo
from persuasion.game import PersuasionGame
from theory.constants import constants
from theory.theorem import StaticTheorem, Theorem

__all__ = ["RADII", "default_games", "informative_horizon", "regular_games"]

RADII = (0.003, 0.01, 0.03, 0.1, 0.3)
"""L1 radii at which robust values are computed for statements about them."""

HORIZONS = (10**5, 10**6, 10**7, 10**8)
"""Horizons tried, the shortest that is long enough is taken."""

_INFORMATIVE = 0.5
"""A horizon is long enough when the bound is at most this share of the optimum T * OPT."""
_SIZES = ((3, 3, 1), (3, 3, 2))
_SIZES_OF_TWO_ACTIONS = ((3, 2, 1), (4, 2, 1))
"""Numbers of states, actions and persuaded actions of the random games, one game each."""
_LEAST_CONSTANT = {"regularity": 0.25, "min_prior": 0.15, "multiplier_norm": 0.25}
"""What makes a random game clearly regular: bounds then say something within 10^8 rounds."""


def default_games(theorem: Theorem, *, quick: bool = False) -> tuple[PersuasionGame, ...]:
    """F1(4, 2), the prosecutor, and two random games about which the theorem says something.

    Parameters
    ----------
    theorem : Theorem
        About one game each.
    quick : bool
        Leave the random ones out.

    Notes
    -----
    On F1 every constant is known in closed form and the bounds are within a small factor of what
    happens; the prosecutor is the textbook game; random games have unequal priors and more actions.

    Examples
    --------
    >>> from theory import statements
    >>> from theory.family import default_games
    >>> [game.name for game in default_games(statements.load("corollary_1"))]
    ['f1(m=4, beta=2)', 'prosecutor(p=3/10)', 'uniform 3x3, seed ...', 'uniform 3x3, seed ...']
    """
    named = (zoo.load("f1", m=4, beta=2), zoo.load("prosecutor", p="3/10"))
    if quick:
        return named
    sizes = _SIZES_OF_TWO_ACTIONS if theorem.two_actions else _SIZES
    return (*named, *(_first_fitting(theorem, size) for size in sizes))


def _first_fitting(theorem: Theorem, size: tuple[int, int, int]) -> PersuasionGame:
    """First random game about which the theorem says something."""
    return next(
        game
        for game in regular_games(*size)
        if all(a.holds for a in theorem.assumptions(game))
        and (
            theorem.informative(game)
            if isinstance(theorem, StaticTheorem)
            else informative_horizon(theorem, game)
        )
    )


def informative_horizon(theorem: Theorem, game: PersuasionGame) -> int | None:
    """Shortest of `HORIZONS` at which the bound is at most half of T * OPT, or None.

    Examples
    --------
    >>> from persuasion import zoo
    >>> from theory import statements
    >>> from theory.family import informative_horizon
    >>> informative_horizon(statements.load("corollary_1"), zoo.load("f1", m=4, beta=2))
    10000000
    """
    optimum = constants(game).optimum
    for horizon in HORIZONS:
        if theorem.bound(game, [horizon], horizon=horizon)[0] <= _INFORMATIVE * optimum * horizon:
            return horizon
    return None


def regular_games(n_states: int, n_actions: int, n_persuaded: int) -> Iterator[PersuasionGame]:
    """Random games in which learning matters, in the order of their seeds.

    Robustness costs something (kappa* > 0), no state is rare, and every persuaded action, of which
    there are `n_persuaded`, is clearly the best at some belief. With two actions the Sender cares
    about the action only.
    """
    size = (n_states, n_actions, n_persuaded)
    return (game for seed in count() if (game := _drawn(seed, *size)) is not None)


@cache
def _drawn(seed: int, n_states: int, n_actions: int, n_persuaded: int) -> PersuasionGame | None:
    """Return the game of this seed if it will do."""
    kind = "state_independent" if n_actions == 2 else "uniform"
    game = zoo.random_game(kind, n_states, n_actions, seed)
    c = constants(game)
    if len(c.persuaded) != n_persuaded:
        return None
    if any(getattr(c, name) < least for name, least in _LEAST_CONSTANT.items()):
        return None
    return PersuasionGame.from_dict({**game.to_dict(), "name": f"{game.name}, seed {seed}"})
