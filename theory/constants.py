"""Every constant that the regret bounds depend on, measured on one game at its true prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.programs import (
    ex_post_optimal,
    full_revelation_value,
    multiplier_norm,
    optimal_vertex,
    receiver_gain,
    regularity,
    slater_scheme,
)

__all__ = ["InstanceConstants", "constants"]

_MASS = 1e-9
"""Joint masses below this are rounding of a vertex whose entries are zero."""
_NO_MARGIN = 1e-9
"""Regularity or margin (scaled utils) below this cannot be told from zero in floating point."""


@dataclass(frozen=True)
class InstanceConstants:
    """Constants of a game with both utilities scaled to [0, 1].

    All refer to one extreme optimal scheme, `masses`. An action is *persuaded* when that scheme
    recommends it in a state where it is not what an informed Receiver would do.

    Attributes
    ----------
    n_states : int
        m.
    optimum : float
        OPT.
    masses : ndarray (n_states, n_actions)
        x: joint masses of the optimal scheme chosen.
    recommended, persuaded : tuple of int
        A+ and A°: actions with positive mass; persuaded ones among them.
    n_persuaded : int
        k = max(1, number of persuaded actions).
    min_prior : float
        p0: smallest positive prior probability.
    spread : float
        r: largest half-width of the Receiver's payoff difference over persuaded actions, <= 1.
    regularity_by_action : tuple of float
        D_a of each persuaded action.
    regularity : float
        D: their minimum; positive when (R) holds.
    single_state_margin : float
        D_S: margin by which every persuaded action is best at some single state; not positive
        when (S) fails.
    slater_margin, slater_value : float
        d* and V_S of the complete scheme with the largest margin.
    multiplier_norm : float
        kappa*: largest sum of optimal obedience prices.
    full_revelation : float
        V_FR: value of telling the state.
    C_thm, C_slater : float
        ``1 + 2 r k / (p0 D)`` and ``1 + 2 r OPT / d*``: regret per unit of radius.

    Notes
    -----
    Where no action is persuaded robustness is free: d* infinite, r = 0, k = 1, D = 1, kappa* = 0
    and both C equal 1. Where D = 0, both C are infinite and only the trivial bound is left.
    """

    n_states: int
    optimum: float
    masses: FloatArray
    recommended: tuple[int, ...]
    persuaded: tuple[int, ...]
    n_persuaded: int
    min_prior: float
    spread: float
    regularity_by_action: tuple[float, ...]
    regularity: float
    single_state_margin: float
    slater_margin: float
    slater_value: float
    multiplier_norm: float
    full_revelation: float

    @property
    def C_thm(self) -> float:  # noqa: N802 - the letter of the theorem
        """Constant in p0, D and k."""
        if not self.persuaded:
            return 1.0
        if self.regularity <= 0:
            return math.inf
        return 1 + 2 * self.spread * self.n_persuaded / (self.min_prior * self.regularity)

    @property
    def C_slater(self) -> float:  # noqa: N802
        """Constant in OPT and d*; never above `C_thm`."""
        if not self.persuaded:
            return 1.0
        if self.slater_margin <= 0:
            return math.inf
        return 1 + 2 * self.spread * self.optimum / self.slater_margin

    @property
    def balance(self) -> float:
        """The c with ``p0 = c / m``: 1 for a uniform prior, small where a state is rare."""
        return self.min_prior * self.n_states


@lru_cache(maxsize=512)
def constants(game: PersuasionGame) -> InstanceConstants:
    """Measure the constants of a game, after scaling both utilities to [0, 1].

    Parameters
    ----------
    game : PersuasionGame
        Its prior is the true one, common to Sender and Receiver.

    Raises
    ------
    PersuasionError
        When Sender and Receiver hold different priors.

    Notes
    -----
    Symbols: see `InstanceConstants`.
    Source: own derivation, docs/theory.md.

    Examples
    --------
    >>> from persuasion import zoo
    >>> from theory.constants import constants
    >>> c = constants(zoo.load("f1", m=4, beta=2))
    >>> round(c.optimum, 6), round(c.slater_margin, 6), round(c.multiplier_norm, 6)
    (0.625, 0.25, 1.5)
    """
    if not game.has_common_prior:
        raise PersuasionError(
            "the theorems assume a common prior; drop `receiver_prior` from the game"
        )
    unit = game.rescaled()
    optimum, masses = optimal_vertex(unit)
    used = masses > _MASS
    recommended = np.flatnonzero(used.any(axis=0))
    is_persuaded = np.asarray((used & ~ex_post_optimal(unit)).any(axis=0))
    persuaded = tuple(np.flatnonzero(is_persuaded).tolist())
    if persuaded:
        by_action = tuple(_floored(regularity(unit, a)) for a in persuaded)
        slater = slater_scheme(unit, is_persuaded)
        margin, slater_value = _floored(slater.margin), slater.value
        kappa = multiplier_norm(unit, is_persuaded, optimum, margin) if margin > 0 else math.inf
        spread = max(_spread(unit, a) for a in persuaded)
        single = min(_single_state_margin(unit, a) for a in persuaded)
    else:
        by_action, margin, slater_value, kappa, spread = (), math.inf, optimum, 0.0, 0.0
        single = 1.0
    return InstanceConstants(
        n_states=unit.n_states,
        optimum=optimum,
        masses=masses,
        recommended=tuple(recommended.tolist()),
        persuaded=persuaded,
        n_persuaded=max(1, len(persuaded)),
        min_prior=float(unit.prior[unit.prior > 0].min()),
        spread=spread,
        regularity_by_action=by_action,
        regularity=min(by_action, default=1.0),
        single_state_margin=single,
        slater_margin=margin,
        slater_value=slater_value,
        multiplier_norm=max(kappa, 0.0),
        full_revelation=full_revelation_value(unit),
    )


def _floored(margin: float) -> float:
    return margin if margin > _NO_MARGIN else 0.0


def _gains(game: PersuasionGame, action: int) -> list[FloatArray]:
    return [receiver_gain(game, action, b) for b in range(game.n_actions) if b != action]


def _spread(game: PersuasionGame, action: int) -> float:
    """Half of (largest positive part + largest negative part) of the payoff difference."""
    return max(
        (max(float(gain.max()), 0.0) + max(float(-gain.min()), 0.0)) / 2
        for gain in _gains(game, action)
    )


def _single_state_margin(game: PersuasionGame, action: int) -> float:
    worst = np.min(_gains(game, action), axis=0)
    return float(worst[game.prior > 0].max())
