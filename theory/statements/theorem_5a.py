"""Theorem 5a: two actions, and the Receiver's actions are seen; regret of order log log T."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.statements._questions import reach
from theory.statements._robust import OWN, common_prior
from theory.theorem import Games, Kind, NegativeControl, RegretBound, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "ThresholdBound", "TwoActions"]

_TIE = 1e-12


@dataclass(frozen=True)
class TwoActions:
    """Constants of a game with two actions.

    Attributes
    ----------
    aligned : bool
        Whether the Sender weakly prefers the same action in every state.
    good : float
        P_G: prior probability that the Receiver, told the state, weakly prefers it too.
    n_bad : int
        b: number of states in which she does not.
    """

    aligned: bool
    good: float
    n_bad: int

    @classmethod
    def of(cls, game: PersuasionGame) -> TwoActions:
        """Measure them; with more than two actions there is no target and no good state."""
        if game.n_actions != 2:
            return cls(False, 0.0, game.n_states)
        unit = game.rescaled()
        gain = unit.sender_utility[:, 1] - unit.sender_utility[:, 0]
        sign = 1.0 if (gain >= -_TIE).all() else -1.0
        good = sign * (unit.receiver_utility[:, 1] - unit.receiver_utility[:, 0]) >= 0
        return cls(
            bool((sign * gain >= -_TIE).all()), float(unit.prior[good].sum()), int((~good).sum())
        )

    def questions(self, horizon: int) -> float:
        """Upper bound on the expected cost of all questions."""
        if self.good == 0:
            return math.inf
        bisections = math.ceil(math.log2(max(self.n_bad, 1))) + 1
        phases = math.ceil(math.log2(math.log2(max(horizon, 2))))
        return bisections / self.good + (1 + 1 / self.good) * phases


class ThresholdBound(RegretBound):
    """Expected regret of searching the threshold with squared steps."""

    id: ClassVar[str] = "theorem_5a"
    title: ClassVar[str] = "Regret of order log log T when actions are seen: two actions"
    statement: ClassVar[str] = (
        "If there are two actions, the Sender weakly prefers one of them in every state, and the "
        "Receiver knows the prior and is seen acting, then the expected regret of the threshold "
        "search is at most (ceil(log2 b) + 1) / P_G + (1 + 1 / P_G) ceil(log2 log2 T) + 1, where "
        "P_G is the probability that the Receiver, told the state, weakly prefers that action too "
        "and b counts the states in which she does not (1 if there is none)."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E} R_T \le \frac{\lceil \log_2 b \rceil + 1}{P_G} + \Bigl(1 + \frac{1}{P_G}"
        r"\Bigr) \lceil \log_2 \log_2 T \rceil + 1"
    )
    source: ClassVar[str] = f"{OWN}; the order is that of Lin & Li, arXiv 2410.05533"
    kind: ClassVar[Kind] = "expectation"
    learner: ClassVar[str] = "threshold_search"
    two_actions: ClassVar[bool] = True
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="bisection to the end is refused at every threshold tried, about log2 T times at a "
        "cost of nearly 1 each, because nothing above 0 is obeyed",
        learner="threshold_search",
        parameters={"steps": "halved"},
        game="investment",
        game_parameters={"x": 0},
        horizon=10**9,
        n_runs=40,
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """Two actions, one of them preferred throughout, good states of positive probability."""
        own = single(game)
        two = Assumption(
            "two actions", "the Receiver has two actions", own.n_actions, own.n_actions == 2
        )
        c = TwoActions.of(own)
        return (
            common_prior(own),
            two,
            Assumption(
                "one target",
                "the Sender weakly prefers the same action, the target, in every state",
                math.nan,
                c.aligned,
            ),
            Assumption(
                "good states P_G",
                "with probability P_G > 0 the Receiver, told the state, prefers the target too",
                c.good,
                c.good > 0,
            ),
            Assumption("bad states b", "in b states she does not", c.n_bad, True),
        )

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Bound, the same at each round; infinite where P_G = 0."""
        t = np.atleast_1d(np.asarray(rounds))
        last = int(np.max(t)) if horizon is None else horizon
        return np.full(t.shape, TwoActions.of(single(game)).questions(last) + 1)

    def reach(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> tuple[FloatArray, float]:
        """What regret hardly exceeds: waiting times for answers have light tails."""
        t = np.atleast_1d(np.asarray(rounds))
        last = int(np.max(t)) if horizon is None else horizon
        c = TwoActions.of(single(game))
        level, excess = reach(c.questions(last), 1 / max(c.good, _TIE))
        return np.full(t.shape, level + 1), excess

    def covers(self, trajectory: Trajectory) -> str | None:
        """The threshold search with squared steps."""
        if trajectory.learner != self.learner:
            return f"the theorem speaks about {self.learner!r}, not {trajectory.learner!r}"
        steps = trajectory.parameters.get("steps", "squared")
        if steps != "squared":
            return f"the theorem speaks about squared steps; this learner's are {steps}"
        return None


THEOREM = ThresholdBound()
