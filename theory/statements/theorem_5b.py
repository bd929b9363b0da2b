"""Theorem 5b: any number of actions, and they are seen; regret of order log T."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.constants import constants
from theory.programs import ex_post_optimal
from theory.statements._questions import reach
from theory.statements._robust import OWN, common_prior, slater
from theory.theorem import Games, Kind, NegativeControl, RegretBound, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "EdgeBound"]

_SMALLEST_RADIUS = 1e-7
"""Floor of the learner's radius, part of the statement."""


class EdgeBound(RegretBound):
    """Expected regret of learning the prior edge by edge and then playing robustly."""

    id: ClassVar[str] = "theorem_5b"
    title: ClassVar[str] = "Regret of order log T when actions are seen: any number of actions"
    statement: ClassVar[str] = (
        "If the Receiver has a unique best action in every state, not always the same one, knows "
        "the prior and is seen acting, and every prior probability is at least pbar > 0, known to "
        "the Sender, then the expected regret of the edge search is at most "
        "(m - 1) ceil(log2(8 T ln(1 / pbar))) / p0 + C max(1, 1e-7 T), C = 1 + 2 r OPT / d*."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E} R_T \le \frac{m-1}{p_0} \Bigl\lceil \log_2 \bigl(8 T \ln "
        r"\tfrac{1}{\bar p}\bigr) \Bigr\rceil + \Bigl(1 + \frac{2 r\,\mathrm{OPT}}{d^*}\Bigr) "
        r"\max\{1, 10^{-7} T\}"
    )
    source: ClassVar[str] = f"{OWN}; the order is that of Lin & Li, arXiv 2410.05533"
    kind: ClassVar[Kind] = "expectation"
    learner: ClassVar[str] = "edge_search"
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="without a margin around its estimate the learner is obeyed only if the last error, "
        "however small, has the right sign; here it has not, and regret is linear",
        learner="edge_search",
        parameters={"radius_scale": 0.0},
        game="f1",
        game_parameters={"m": 4, "beta": 2},
        horizon=10**6,
        n_runs=20,
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """Unique best actions, at least two of them; full support; a margin."""
        own = single(game)
        c = constants(own)
        best = ex_post_optimal(own.rescaled())
        n_best = len(np.unique(best.argmax(axis=1)))
        return (
            common_prior(own),
            Assumption(
                "unique best actions",
                "told the state, the Receiver has one best action; by how much it is better",
                _least_gap(own),
                bool((best.sum(axis=1) == 1).all()),
            ),
            Assumption(
                "distinct best actions", "it is not always the same action", n_best, n_best > 1
            ),
            Assumption(
                "smallest probability p0",
                "every state has positive probability, at least p0",
                float(own.prior.min()),
                float(own.prior.min()) > 0,
            ),
            Assumption(
                "known bound pbar",
                "the Sender knows a number pbar > 0, at most p0",
                c.min_prior,
                True,
            ),
            slater(own),
            Assumption("spread r", "payoff differences of persuaded actions", c.spread, True),
        )

    def _questions(self, game: PersuasionGame, horizon: int) -> float:
        """Upper bound on the expected cost of all questions."""
        smallest = float(game.prior.min())  # p0, and pbar as the learner is told it
        if smallest == 0:
            return math.inf
        answers = math.ceil(math.log2(8 * horizon * math.log(1 / smallest)))
        return (game.n_states - 1) * answers / smallest

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Bound at each round; the logarithm and the radius are those of the horizon."""
        own, t, last = single(game), *_read(rounds, horizon)
        return self._questions(own, last) + self._robust_play(own, t, last)

    def _robust_play(self, game: PersuasionGame, rounds: FloatArray, horizon: int) -> FloatArray:
        """``C e t``: at most C e is lost in a round, Theorem 1 (c)."""
        radius = max(1 / horizon, _SMALLEST_RADIUS)
        return constants(game).C_slater * radius * rounds

    def reach(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> tuple[FloatArray, float]:
        """What regret hardly exceeds: waiting times for answers have light tails."""
        own, t, last = single(game), *_read(rounds, horizon)
        level, excess = reach(self._questions(own, last), 1 / constants(own).min_prior)
        return level + self._robust_play(own, t, last), excess

    def covers(self, trajectory: Trajectory) -> str | None:
        """The edge search with its own radius."""
        if trajectory.learner != self.learner:
            return f"the theorem speaks about {self.learner!r}, not {trajectory.learner!r}"
        scale = trajectory.parameters.get("radius_scale", 1.0)
        if scale != 1:
            return f"the learner multiplied its radius by {scale:g}; the theorem does not"
        return None


def _read(rounds: ArrayLike, horizon: int | None) -> tuple[FloatArray, int]:
    t = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
    return t, int(np.max(t)) if horizon is None else horizon


def _least_gap(game: PersuasionGame) -> float:
    """Smallest gain of the best action over the second best one, in scaled utils."""
    ordered = np.sort(game.rescaled().receiver_utility, axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).min())


THEOREM = EdgeBound()
