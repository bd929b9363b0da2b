"""Robustness against all priors within a confidence set of the empirical one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from numpy.random import Generator

from persuasion.ambiguity import (
    AmbiguitySet,
    RadiusForm,
    clopper_pearson,
    intersection,
    l1_ball,
    l1_radius,
)
from persuasion.errors import PersuasionError
from persuasion.learners._epochs import EpochLearner
from persuasion.robust import solve_robust
from persuasion.robust_solution import RobustSolution
from persuasion.scheme import SignalingScheme
from persuasion.view import LearnerView, PriorEstimate

__all__ = ["LEARNER", "Robust"]

Confidence = Literal["l1", "box", "both"]


@dataclass
class Robust(EpochLearner):
    """Robustness against ignorance: re-solve a robust program as the sample grows.

    At the j-th solve, with n states seen, the scheme maximises the Sender's value at the empirical
    prior among those that are persuasive at every prior of a confidence set of failure probability
    ``delta / (j (j + 1))``.

    Parameters
    ----------
    growth : float, >= 1
        Re-solve when the sample has grown by this factor.
    delta : float in (0, 1), optional
        Total failure probability; default 1 / horizon.
    confidence : {"l1", "box", "both"}
        L1 ball, Clopper-Pearson box, or their intersection (half of delta each); always within
        the simplex.
    form : {"sum", "mcdiarmid", "product", "min"}
        Which L1 radius.
    radius_scale : float, > 0
        Multiplies the L1 radius. Anything below 1 voids the guarantee: a negative control.

    Notes
    -----
    Symbols: growth = g, radius = e_n(delta).
    Source: after Zu, Iyer & Xu, *Learning to Persuade on the Fly*, EC 2021; bounds in docs/theory.
    Departures: re-solves by growth factor; ball intersected with the simplex; exact worst case.
    """

    delta: float | None = None
    confidence: Confidence = "l1"
    form: RadiusForm = "sum"
    radius_scale: float = 1.0
    name: ClassVar[str] = "robust"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delta is not None and not 0 < self.delta < 1:
            raise PersuasionError(f"`delta` must lie between 0 and 1; got {self.delta}")
        if self.confidence not in get_args(Confidence):
            raise PersuasionError(
                f"`confidence` must be one of {get_args(Confidence)}; got {self.confidence!r}"
            )
        if self.form not in get_args(RadiusForm):
            raise PersuasionError(
                f"`form` must be one of {get_args(RadiusForm)}; got {self.form!r}"
            )
        if not self.radius_scale > 0:
            raise PersuasionError(f"`radius_scale` must be positive; got {self.radius_scale}")

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start a run with no states seen and no earlier answer to start from."""
        self._last: RobustSolution | None = None
        super().reset(view, rng)

    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Solve the robust program at the current counts."""
        total = 1 / self._view.horizon if self.delta is None else self.delta
        delta = total / (self._n_solves * (self._n_solves + 1))
        belief = self._estimate(delta / 2 if self.confidence == "both" else delta)
        ball = l1_ball(belief.center, belief.radius)
        if self.confidence == "l1" or belief.n_samples == 0:
            ambiguity: AmbiguitySet = ball
        else:
            share = delta / 2 if self.confidence == "both" else delta
            box = clopper_pearson(self._counts, share)
            ambiguity = box if self.confidence == "box" else intersection(ball, box)
        game = self._view.game_at(belief.center)
        self._last = solve_robust(game, ambiguity, start=self._last)
        return self._last.scheme, belief

    def _estimate(self, delta: float) -> PriorEstimate:
        n_samples = int(self._counts.sum())
        radius = self.radius_scale * l1_radius(
            n_samples, self._view.n_states, delta, form=self.form
        )
        return PriorEstimate.from_counts(self._counts, min(radius, 2.0))


LEARNER = Robust
