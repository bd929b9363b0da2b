"""The robust learner as the theorems know it: when it solves, and with which radius.

RAI(g, delta) re-solves at round t as soon as ``t - 1 >= g * n``, n being the number of states seen
at its last solve. At its j-th solve it plays the best scheme persuasive throughout an L1 ball
around the empirical prior, of failure probability ``delta / (j (j + 1))``. Recomputed here from the
parameters alone, so that a trajectory is judged by the radii it should have had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persuasion.environments import Stationary
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory

__all__ = [
    "Schedule",
    "another_learner",
    "log_subsets",
    "n_solves",
    "not_robust",
    "outside_model",
    "radius",
    "solve_rounds",
]

IntArray = NDArray[np.int64]
_DEFAULT_GROWTH = 1.2
_STATIONARY = 1e-9
_SAME_RADIUS = 1e-9


def log_subsets(n_states: int) -> float:
    """``ln(2^m - 2)``: logarithm of the number of proper nonempty sets of states."""
    if n_states < 2:
        raise PersuasionError(f"the theorems need at least 2 states; got {n_states}")
    return n_states * math.log(2) + math.log1p(-(2.0 ** (1 - n_states)))


def radius(n_samples: ArrayLike, n_states: int, delta: ArrayLike, form: str = "sum") -> FloatArray:
    """L1 radius e_n(delta) that holds the prior with probability 1 - delta, at most 2.

    Parameters
    ----------
    n_samples : array-like of int
        With 0 samples the radius is 2: the whole simplex.
    n_states : int
    delta : array-like
        Failure probability.
    form : {"sum", "mcdiarmid", "product", "min"}
        ``sqrt(2 (ln(2^m - 2) + ln(1/delta)) / n)``; ``sqrt((m-1)/n) + sqrt(2 ln(1/delta) / n)``;
        ``sqrt(m/n) (1 + sqrt(ln(1/delta)))``; the smaller of the first two.

    Notes
    -----
    Source: Weissman et al., *Inequalities for the L1 deviation of the empirical distribution*,
    2003, for "sum"; McDiarmid's inequality for the others.
    """
    n = np.atleast_1d(np.asarray(n_samples, dtype=np.float64))
    log_term = np.log(1 / np.asarray(delta, dtype=np.float64))
    with np.errstate(divide="ignore"):
        forms = {
            "sum": np.sqrt(2 * (log_subsets(n_states) + log_term) / n),
            "mcdiarmid": np.sqrt((n_states - 1) / n) + np.sqrt(2 * log_term / n),
            "product": np.sqrt(n_states / n) * (1 + np.sqrt(log_term)),
        }
    forms["min"] = np.minimum(forms["sum"], forms["mcdiarmid"])
    if form not in forms:
        raise PersuasionError(f"`form` must be one of {', '.join(forms)}; got {form!r}")
    out: FloatArray = np.minimum(forms[form], 2.0)
    return out


def solve_rounds(horizon: int, growth: float) -> IntArray:
    """Rounds up to `horizon` at which RAI solves; the first is round 1.

    Examples
    --------
    >>> from theory.algorithm import solve_rounds
    >>> solve_rounds(20, 2.0).tolist()
    [1, 2, 3, 5, 9, 17]
    """
    if growth == 1:
        return np.arange(1, horizon + 1)
    rounds, at = [], 1
    while at <= horizon:
        rounds.append(at)
        at = max(at + 1, math.ceil(growth * (at - 1)) + 1)
    return np.array(rounds, dtype=np.int64)


def n_solves(horizon: int, growth: float) -> int:
    """Number of linear programs RAI solves up to round `horizon`, J."""
    return len(solve_rounds(horizon, growth))


@dataclass(frozen=True)
class Schedule:
    """RAI(g, delta) on a game with `n_states` states, for a horizon.

    Parameters
    ----------
    n_states, horizon : int
    growth : float
        g.
    delta : float
        Total failure probability.
    form : str
        Form of the radius.
    """

    n_states: int
    horizon: int
    growth: float
    delta: float
    form: str = "sum"

    @classmethod
    def read(
        cls,
        n_states: int,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None,
        horizon: int | None,
    ) -> Schedule:
        """Read the parameters of a learner; those it lacks take the defaults of `robust`."""
        given = {} if parameters is None else parameters
        last = int(np.max(rounds)) if horizon is None else horizon
        delta = given.get("delta")
        return cls(
            n_states=n_states,
            horizon=last,
            growth=float(given.get("growth", _DEFAULT_GROWTH)),
            delta=1 / last if delta is None else float(delta),
            form=str(given.get("form", "sum")),
        )

    @classmethod
    def of(cls, trajectory: Trajectory) -> Schedule:
        """The schedule a trajectory's parameters stand for."""
        return cls.read(
            trajectory.game.n_states, [1], trajectory.parameters, horizon=trajectory.horizon
        )

    @cached_property
    def rounds(self) -> IntArray:
        """Rounds of the solves."""
        return solve_rounds(self.horizon, self.growth)

    def solves_by(self, rounds: ArrayLike) -> IntArray:
        """Number of solves up to and including each round, J."""
        return np.searchsorted(self.rounds, np.asarray(rounds), side="right")

    def radius(self, solve: ArrayLike, n_samples: ArrayLike) -> FloatArray:
        """Radius at the j-th solve (from 1) with so many samples."""
        j = np.asarray(solve, dtype=np.float64)
        return radius(n_samples, self.n_states, self.delta / (j * (j + 1)), self.form)

    @cached_property
    def radii(self) -> FloatArray:
        """Radius in force from each of `rounds` on."""
        return self.radius(np.arange(1, len(self.rounds) + 1), self.rounds - 1)

    def radii_of(self, trajectory: Trajectory) -> FloatArray:
        """Radius that each epoch of a trajectory should have had, shape (n_epochs,).

        The number of the solve is the epoch's position within its run; where the learner does not
        state how many states it had seen, it is one less than the epoch's first round.
        """
        epochs = trajectory.epochs
        _, first = np.unique(epochs.run, return_index=True)
        start = np.zeros(len(epochs), dtype=np.int64)
        start[first] = first
        position = np.arange(len(epochs)) - np.maximum.accumulate(start) + 1
        samples = np.where(epochs.samples >= 0, epochs.samples, epochs.start - 1)
        return self.radius(position, samples)


def outside_model(trajectory: Trajectory) -> str | None:
    """Reason why a trajectory was not played in the model of the theorems, or None.

    The model: states independent from one prior, common to both players, and a Receiver who best
    responds and obeys when indifferent.
    """
    if trajectory.types is not None:
        return "the theorems speak of one Receiver; this trajectory has Receivers of several types"
    if not trajectory.receiver.startswith("Bayesian(") or "'sender'" not in trajectory.receiver:
        return (
            "the theorems speak of a best-responding Receiver who obeys when indifferent; "
            f"this one is {trajectory.receiver}"
        )
    if not trajectory.game.has_common_prior:
        return "the theorems assume a common prior"
    own = repr(Stationary(tuple(trajectory.game.prior.tolist())))
    if trajectory.environment not in ("", own):
        return (
            "the theorems assume states drawn from the game's prior; those of this trajectory came "
            f"from {trajectory.environment[:200]}"
        )
    per_round = trajectory.optimum / trajectory.checkpoints
    width = trajectory.game.sender_scale.width
    if np.ptp(per_round) > _STATIONARY * width:
        return (
            "the theorems assume states drawn from one prior; the optimum per round of this "
            f"trajectory varies by {np.ptp(per_round):.3g}"
        )
    return None


def another_learner(trajectory: Trajectory, name: str) -> str | None:
    """Reason why a theorem about the learner `name` says nothing about a trajectory, or None."""
    if trajectory.learner == name:
        return None
    return f"the theorem speaks about the learner {name!r}, not {trajectory.learner!r}"


def not_robust(
    trajectory: Trajectory,
    *,
    confidence: str = "l1",
    forms: Sequence[str] = ("sum", "min"),
) -> str | None:
    """Reason why a trajectory is not one of RAI(g, delta), or None.

    Parameters
    ----------
    trajectory : Trajectory
    confidence : str
        Kind of confidence set the theorem speaks about.
    forms : sequence of str
        Forms of the L1 radius it speaks about.
    """
    if (other := another_learner(trajectory, "robust")) is not None:
        return other
    own = trajectory.parameters
    if own.get("confidence", "l1") != confidence:
        return (
            f"the theorem speaks about confidence sets of kind {confidence!r}; "
            f"this learner used {own['confidence']!r}"
        )
    if own.get("radius_scale", 1.0) != 1.0:
        return f"the learner multiplied its radius by {own['radius_scale']:g}; the theorem does not"
    if confidence == "box":
        return None
    if own.get("form", "sum") not in forms:
        legal = " or ".join(repr(form) for form in forms)
        return f"the theorem speaks about radii of form {legal}; this one is {own['form']!r}"
    if np.isnan(trajectory.epochs.radius).any():
        return "the learner did not state the radius that the theorem needs"
    wanted = Schedule.of(trajectory).radii_of(trajectory)
    gap = np.abs(wanted - trajectory.epochs.radius)
    if not (gap <= _SAME_RADIUS).all():
        worst = int(gap.argmax())
        return (
            f"the learner stated radius {trajectory.epochs.radius[worst]:.9g} at round "
            f"{int(trajectory.epochs.start[worst])}, where the theorem's is {wanted[worst]:.9g}"
        )
    return None
