"""The pair of games behind the lower bounds: one good state, bad states, two priors.

The Sender always wants action 1; the Receiver gains by it in the good state and loses the same
amount in every bad one. Only the probability of the good state differs between the two games.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.statements._robust import OWN
from theory.theorem import Games, LowerBound, NegativeControl, pair
from theory.verdict import Assumption

__all__ = ["KNOWS_THE_PRIOR", "OWN", "PairBound", "PairConstants", "build_pair", "read_pair"]

_SAME = 1e-9
STATE_ONLY = ("robust", "plug_in", "explore_then_commit", "posterior_sampling", "fixed")
"""Learners whose scheme depends on earlier states (and own randomness) alone."""

KNOWS_THE_PRIOR = NegativeControl(
    why="the oracle is shown the prior, so that it has no regret on either game of the pair",
    learner="oracle",
    game=None,
    horizon=100,
    n_runs=600,
)


@dataclass(frozen=True)
class PairConstants:
    """The pair in numbers.

    Attributes
    ----------
    good : float
        p-: probability of the good state in the first game.
    gap : float
        Delta: by how much it is larger in the second.
    ratio : float
        B: gain in the good state over loss in a bad one.
    """

    good: float
    gap: float
    ratio: float

    @property
    def loss_second(self) -> float:
        """a: what a scheme persuasive in the first game loses in the second."""
        return self.ratio * self.gap / (1 - self.good)

    @property
    def loss_first(self) -> float:
        """c0 = OPT of the first game: what a scheme not obeyed there loses."""
        return self.good * (1 + self.ratio)

    @property
    def divergence(self) -> float:
        """Upper bound (chi-squared) on the divergence of the second prior from the first."""
        return self.gap**2 / (self.good * (1 - self.good))

    @property
    def persuadable(self) -> float:
        """``B p+ / (1 - p+)``: above 1 the Receiver acts without being told anything."""
        high = self.good + self.gap
        return self.ratio * high / (1 - high)


def build_pair(
    constants: PairConstants, n_states: int = 2
) -> tuple[PersuasionGame, PersuasionGame]:
    """Build the two games; state 0 is good, the others are bad and equally likely."""
    gain, loss = min(1.0, constants.ratio), min(1.0, 1 / constants.ratio)
    bad = n_states - 1
    games = [
        PersuasionGame(
            [good, *[(1 - good) / bad] * bad],
            [[0, 1]] * n_states,
            [[0, gain]] + [[loss, 0]] * bad,
            name=f"pair, P(good) = {good:.6g}",
        )
        for good in (constants.good, constants.good + constants.gap)
    ]
    return games[0], games[1]


def _shape(game: PersuasionGame) -> tuple[float, float, FloatArray]:
    """Probability of the good state, B, and conditional law of the bad ones."""
    unit = game.rescaled()
    wrong = "the lower bounds speak about games with two actions"
    if unit.n_actions == 2:
        wrong = "the lower bounds speak about a Sender who gains equally by action 1 everywhere"
        if np.abs(unit.sender_utility[:, 1] - unit.sender_utility[:, 0] - 1).max() <= _SAME:
            gain = unit.receiver_utility[:, 1] - unit.receiver_utility[:, 0]
            good, bad = gain > 0, gain < 0
            wrong = "the lower bounds speak about one good state and equally bad other ones"
            if good.sum() == 1 and bad.sum() == unit.n_states - 1 and np.ptp(gain[bad]) <= _SAME:
                p = float(unit.prior[good][0])
                if 0 < p < 1:
                    return p, float(gain[good][0] / -gain[bad].mean()), unit.prior[bad] / (1 - p)
                wrong = "both kinds of states need positive probability"
    raise PersuasionError(f"{wrong}; build a pair with theorem.games(horizon)")


def read_pair(game: Games) -> PairConstants:
    """Read p-, Delta and B from two games, in any order.

    Raises
    ------
    PersuasionError
        When they are not such a pair.
    """
    (low, ratio, law), (high, other_ratio, other_law) = sorted(
        (_shape(g) for g in pair(game)), key=lambda shape: shape[0]
    )
    if len(law) != len(other_law) or np.abs(law - other_law).max() > _SAME:
        raise PersuasionError("the bad states must have the same conditional law in both games")
    if abs(ratio - other_ratio) > _SAME * ratio:
        raise PersuasionError("both games must have the same utilities")
    return PairConstants(low, high - low, ratio)


class PairBound(LowerBound):
    """What the lower bounds share: who is covered, and the pair's own conditions."""

    source: ClassVar[str] = OWN
    negative_control: ClassVar[NegativeControl] = KNOWS_THE_PRIOR

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """The pair is apart, persuasion is needed in both games, and failing there costs more."""
        p = read_pair(game)
        return (
            Assumption("gap Delta", "the two priors differ", p.gap, p.gap > 0),
            Assumption(
                "B p+ / (1 - p+)",
                "the Receiver does not act unless told something (at most 1)",
                p.persuadable,
                p.persuadable <= 1 + _SAME,
            ),
            Assumption(
                "a / c0",
                "caution costs less than not being obeyed (below 1)",
                p.loss_second / p.loss_first,
                p.loss_second < p.loss_first,
            ),
        )

    def covers(self, trajectory: Trajectory) -> str | None:
        """Learners known to see nothing but earlier states."""
        if trajectory.learner not in STATE_ONLY:
            return (
                "the bound speaks about learners that see nothing but earlier states, known are "
                f"{', '.join(STATE_ONLY)}; about {trajectory.learner!r} nothing is known"
            )
        return None

    def best_gap(self, horizon: int, good: float, ratio: float) -> PairConstants:
        """The gap, of a fine grid, at which the bound for the horizon is largest."""
        largest = min(good, (1 - good) / 2)
        gaps = [
            PairConstants(good, gap, ratio)
            for gap in np.geomspace(1e-3 / math.sqrt(horizon), largest, self._n_gaps).tolist()
        ]
        legal = [p for p in gaps if p.persuadable <= 1 and p.loss_second < p.loss_first / 1.05]
        if not legal:
            raise PersuasionError(
                "no second prior fits: with probability "
                f"{good} of the good state and ratio {ratio} the Receiver acts by herself"
            )
        return max(legal, key=lambda p: float(self.at(p, np.array([horizon]), {})[0]))

    _n_gaps: ClassVar[int] = 2000

    def at(
        self, constants: PairConstants, rounds: NDArray[np.int64], parameters: Mapping[str, Any]
    ) -> FloatArray:
        """The bound for given constants."""
        raise NotImplementedError

    def games(
        self, horizon: int, *, good: float = 0.25, ratio: float = 1.0, n_states: int = 2
    ) -> tuple[PersuasionGame, PersuasionGame]:
        """The pair at which the bound is largest for the horizon; see `LowerBound.games`."""
        return build_pair(self.best_gap(horizon, good, ratio), n_states)

    def bound(
        self,
        game: Games,
        rounds: Any,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Bound at each round for the pair given."""
        t = np.atleast_1d(np.asarray(rounds, dtype=np.int64))
        return self.at(read_pair(game), t, parameters or {})
