"""What every way of judging shares: the case, regret beside its bound, and common words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.theorem import RegretBound, Theorem
from theory.verdict import Assumption, Curve, Outcome, Verdict, Where

__all__ = [
    "SLACK",
    "VACUOUS",
    "Case",
    "RegretData",
    "curve_of",
    "floats",
    "name_of",
    "scaled_regret",
    "share",
    "vacuous",
]

IntArray = NDArray[np.int64]
SLACK = 1e-7
"""What rounding of linear programs may add to one round's loss or gain."""
VACUOUS = "vacuous here: the bound is nowhere below what holds trivially"


@dataclass(frozen=True)
class Case:
    """What is judged, and how strictly."""

    theorem: Theorem
    alpha: float
    as_control: bool
    bound_factor: float
    rounds: Sequence[int] | None

    def verdict(self, outcome: Outcome, words: str, **found: Any) -> Verdict:
        """Fill in what every verdict of this case shares."""
        if self.as_control:
            words = f"control: {words}"
        return Verdict(
            theorem=self.theorem.id,
            outcome=outcome,
            words=words,
            quantity=self.theorem.quantity,
            unit=self.theorem.unit,
            direction=self.theorem.direction,
            as_control=self.as_control,
            bound_factor=self.bound_factor,
            **found,
        )

    def not_applicable(self, reason: str, assumptions: tuple[Assumption, ...] = ()) -> Verdict:
        """The theorem is silent."""
        return self.verdict(Outcome.NOT_APPLICABLE, reason, assumptions=assumptions)

    def unmet(self, game: PersuasionGame) -> Verdict | None:
        """Verdict on data from a game of which an assumption fails, None when all hold."""
        assumptions = self.theorem.assumptions(game)
        failing = [a for a in assumptions if not a.holds]
        if not failing:
            return None
        return self.not_applicable(
            f"on {game!r} the assumption {failing[0].name!r} fails: {failing[0].statement}",
            assumptions,
        )

    def selection(self, trajectory: Trajectory) -> IntArray:
        """Positions of the checkpoints to judge."""
        if self.rounds is None:
            return np.arange(len(trajectory.checkpoints))
        missing = set(self.rounds) - set(trajectory.checkpoints.tolist())
        if missing or not len(self.rounds):
            raise PersuasionError(
                f"`rounds` must be checkpoints of the trajectory; {sorted(missing)} are not"
            )
        return np.searchsorted(trajectory.checkpoints, sorted(self.rounds))


@dataclass(frozen=True)
class RegretData:
    """Regret and bound of one trajectory at the checkpoints judged, scaled.

    A run's regret lies between `least` and `trivial`, whatever the learner does.
    """

    trajectory: Trajectory
    rounds: IntArray
    regret: FloatArray
    bound: FloatArray
    least: FloatArray
    trivial: FloatArray

    @classmethod
    def read(cls, theorem: RegretBound, case: Case, trajectory: Trajectory) -> RegretData:
        """Evaluate the bound where the trajectory is judged."""
        where = case.selection(trajectory)
        rounds = trajectory.checkpoints[where]
        least, most = theorem.range_on(trajectory, rounds.astype(np.float64))
        return cls(
            trajectory=trajectory,
            rounds=rounds,
            regret=scaled_regret(trajectory, where, least, theorem.regret_on(trajectory)),
            bound=theorem.bound_on(trajectory, rounds) * case.bound_factor,
            least=least,
            trivial=most,
        )

    @property
    def telling(self) -> NDArray[np.bool_]:
        """Checkpoints at which the bound says something."""
        return np.asarray(self.bound < self.trivial)


def scaled_regret(
    trajectory: Trajectory,
    where: IntArray,
    least: FloatArray | float = 0.0,
    regret: FloatArray | None = None,
) -> FloatArray:
    """Regret of each run at some checkpoints, where the Sender's utility spans [0, 1].

    Parameters
    ----------
    trajectory : Trajectory
    where : ndarray of int
        Positions of the checkpoints.
    least : ndarray or float
        What no run can be below.
    regret : ndarray (k, n_checkpoints), optional
        In place of the trajectory's, in its utils.

    Raises
    ------
    PersuasionError
        When a run did better than anybody can, by more than rounding.
    """
    whole = trajectory.regret if regret is None else regret
    regret = whole[:, where] / trajectory.game.sender_scale.width
    if (regret < least - SLACK * trajectory.checkpoints[where]).any():
        raise PersuasionError(
            f"a run of {trajectory.learner!r} has regret {float(regret.min()):.6g}, below what is "
            "possible: its payoffs or its optimum are wrong"
        )
    return np.maximum(regret, least)


def name_of(game: PersuasionGame) -> str:
    """Name of the game, or its size."""
    return game.name or f"{game.n_states}x{game.n_actions} game"


def floats(values: Any) -> tuple[float, ...]:
    """Plain numbers, as a verdict keeps them."""
    return tuple(np.asarray(values, dtype=np.float64).tolist())


def share(measured: float, bound: float) -> str:
    """How far an upper bound is from what was measured."""
    if measured <= 0:
        return "nothing measurable was lost"
    return f"the bound is {bound / measured:.3g} times what was measured"


def curve_of(d: RegretData, measured: FloatArray, lower: FloatArray, upper: FloatArray) -> Curve:
    """What a report draws beside the bound."""
    return Curve(
        name_of(d.trajectory.game),
        tuple(d.rounds.tolist()),
        floats(measured),
        floats(lower),
        floats(upper),
        floats(d.bound),
    )


def vacuous(case: Case, data: Sequence[RegretData]) -> Verdict:
    """Verdict on a bound that says nothing at any checkpoint."""
    d = data[0]
    game = d.trajectory.game
    return case.verdict(
        Outcome.INCONCLUSIVE,
        f"{VACUOUS} (rounds times OPT)",
        measured=float(d.regret[:, -1].mean()),
        bound=float(d.bound[-1]),
        where=Where(name_of(game), round=int(d.rounds[-1])),
        scale=game.sender_scale.width,
        assumptions=case.theorem.assumptions(game),
        n_runs=sum(x.trajectory.n_runs for x in data),
        curves=tuple(
            curve_of(x, x.regret.mean(axis=0), x.regret.min(axis=0), x.regret.max(axis=0))
            for x in data
        ),
    )
