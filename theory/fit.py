"""How regret grows: exponents by regression, from unsaturated points, with bootstrap limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.constants import constants
from theory.programs import robust_value

__all__ = ["FitPoint", "GrowthFit", "fit_growth"]

Against = Literal["T", "sqrt(T log T)", "m"]
Normaliser = Literal["radius"]


@dataclass(frozen=True)
class FitPoint:
    """One point of a regression.

    Attributes
    ----------
    game : str
    n_states, round : int
    regret : float
        Mean over runs, in scaled utils.
    radius : float
        L1 radius in force at that round; nan where the learner states none.
    cost : float
        OPT minus the value robust within that radius, as a share of OPT; nan without radius.
    used : bool
    reason : str
        Why it was left out, or "".
    """

    game: str
    n_states: int
    round: int
    regret: float
    radius: float
    cost: float
    used: bool
    reason: str = ""

    @property
    def ratio(self) -> float:
        """``regret / sqrt(T ln T)``."""
        return self.regret / math.sqrt(self.round * math.log(self.round))


@dataclass(frozen=True)
class GrowthFit:
    """Exponent of a power law, and the points it comes from.

    Attributes
    ----------
    against : str
        What regret is a power of.
    normalise : str or None
        What regret was divided by before.
    exponent : float
    limits : tuple of float
        Bootstrap percentile limits over runs; nan with a single run.
    alpha : float
        One minus the nominal confidence of the limits.
    points : tuple of FitPoint
        All of them, used or not.
    saturation : float
        Points whose cost exceeds this share of OPT were left out.
    n_bootstrap, seed : int
    """

    against: str
    normalise: str | None
    exponent: float
    limits: tuple[float, float]
    alpha: float
    points: tuple[FitPoint, ...]
    saturation: float
    n_bootstrap: int
    seed: int

    @property
    def used(self) -> tuple[FitPoint, ...]:
        """Points of the regression."""
        return tuple(p for p in self.points if p.used)

    @property
    def excluded(self) -> tuple[FitPoint, ...]:
        """Points left out, each with its reason."""
        return tuple(p for p in self.points if not p.used)

    @property
    def flatness(self) -> float:
        """Largest over smallest ``R / sqrt(T ln T)`` of the points used, minus 1."""
        ratios = [p.ratio for p in self.used]
        return max(ratios) / min(ratios) - 1

    def summary(self) -> str:
        """Return a few lines: exponent, limits, points."""
        over = f" / {self.normalise}" if self.normalise else ""
        lines = [
            f"regret{over} ~ ({self.against})^{self.exponent:.4g}, "
            f"{1 - self.alpha:.0%} bootstrap limits [{self.limits[0]:.4g}, {self.limits[1]:.4g}]",
            f"points used {len(self.used)}, left out {len(self.excluded)}"
            + ("" if self.against == "m" else f"; R / sqrt(T ln T) varies by {self.flatness:.1%}"),
        ]
        reasons = sorted({p.reason for p in self.excluded})
        lines += [
            f"  left out: {sum(p.reason == r for p in self.excluded)} points, {r}" for r in reasons
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; numbers that do not exist become None."""

        def plain(value: Any) -> Any:
            if isinstance(value, float) and not math.isfinite(value):
                return None
            if isinstance(value, dict):
                return {key: plain(x) for key, x in value.items()}
            return [plain(x) for x in value] if isinstance(value, (list, tuple)) else value

        out: dict[str, Any] = plain(asdict(self))
        return out


def fit_growth(
    trajectories: Trajectory | Iterable[Trajectory],
    against: Against = "T",
    *,
    normalise: Normaliser | None = None,
    saturation: float = 0.2,
    alpha: float = 0.05,
    n_bootstrap: int = 400,
    seed: int = 0,
) -> GrowthFit:
    """Regress the logarithm of mean regret on that of the horizon or of the number of states.

    Parameters
    ----------
    trajectories : Trajectory or several
        One: its checkpoints are the points. Several: their horizons are.
    against : {"T", "sqrt(T log T)", "m"}
        The power of what is sought; "m" needs trajectories with different numbers of states.
    normalise : {"radius"}, optional
        Divide regret by the L1 radius in force first.
    saturation : float
        Leave out points at which robustness within the radius in force costs more than this share
        of OPT: there the learner still does little better than full disclosure.
    alpha : float
        The limits are the alpha / 2 and 1 - alpha / 2 quantiles of the bootstrap.
    n_bootstrap, seed : int
        Resamples of the runs; when all trajectories have equally many, the same runs are drawn in
        each, because run r sees the same states whatever the horizon.

    Returns
    -------
    GrowthFit
        Exponent, its limits, and the points used.

    Raises
    ------
    PersuasionError
        When fewer than two points are left; the message says why the others were not used.

    Notes
    -----
    Regret counted is that from round 1 on, saturated rounds included, so that exponents approach
    their limit from above as the horizon grows. The local exponent of sqrt(T ln T) is
    1/2 + 1 / (2 ln T).
    """
    for value, legal, name in (
        (against, get_args(Against), "against"),
        (normalise, (None, *get_args(Normaliser)), "normalise"),
    ):
        if value not in legal:
            raise PersuasionError(f"`{name}` must be one of {legal}; got {value!r}")
    if isinstance(trajectories, Trajectory):
        given, columns = [trajectories], [np.flatnonzero(trajectories.checkpoints >= 2)]
    else:
        given = list(trajectories)
        if not all(isinstance(t, Trajectory) for t in given):
            raise PersuasionError("`trajectories` must be one or more results of `simulate`")
        columns = [np.array([len(t.checkpoints) - 1]) for t in given]
    points, samples = [], []
    for trajectory, where in zip(given, columns, strict=True):
        for column in where.tolist():
            points.append(_point(trajectory, column, saturation))
            samples.append(trajectory.regret[:, column] / trajectory.game.sender_scale.width)
    if normalise == "radius":
        points = [_without_radius(p) for p in points]
    kept = [i for i, p in enumerate(points) if p.used]
    x = np.array([_abscissa(points[i], against) for i in kept])
    if len(kept) < 2 or np.ptp(x) == 0:
        reasons = "; ".join(sorted({p.reason for p in points if not p.used}))
        raise PersuasionError(
            f"an exponent in {against} needs two points that differ in it; {len(kept)} of "
            f"{len(points)} are usable" + (f" ({reasons})" if reasons else "")
        )
    divisor = np.array([points[i].radius if normalise else 1.0 for i in kept])
    exponent = _slope(x, np.array([points[i].regret for i in kept]) / divisor)
    slopes = [
        _slope(x, means / divisor)
        for means in _resampled([samples[i] for i in kept], n_bootstrap, seed)
        if (means > 0).all()
    ]
    limits = np.quantile(slopes, [alpha / 2, 1 - alpha / 2]) if slopes else (math.nan, math.nan)
    return GrowthFit(
        against=against,
        normalise=normalise,
        exponent=exponent,
        limits=(float(limits[0]), float(limits[1])),
        alpha=alpha,
        points=tuple(points),
        saturation=saturation,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def _point(trajectory: Trajectory, column: int, saturation: float) -> FitPoint:
    game, c = trajectory.game, constants(trajectory.game)
    round_ = int(trajectory.checkpoints[column])
    regret = float(trajectory.regret[:, column].mean()) / game.sender_scale.width
    epochs = trajectory.epochs
    first_run = epochs.run == epochs.run[0]
    at = int(np.searchsorted(epochs.start[first_run], round_, side="right")) - 1
    radius, cost, reason = float(epochs.radius[first_run][at]), math.nan, ""
    if math.isfinite(radius) and c.optimum > 0:
        cost = (c.optimum - robust_value(game.rescaled(), min(radius, 2.0))) / c.optimum
        if cost > saturation:
            reason = f"saturated: robustness costs more than {saturation:.0%} of the optimum"
    if not regret > 0:
        reason = "no regret, hence no logarithm"
    return FitPoint(
        game=game.name or f"{game.n_states}x{game.n_actions} game",
        n_states=game.n_states,
        round=round_,
        regret=regret,
        radius=radius,
        cost=cost,
        used=not reason,
        reason=reason,
    )


def _without_radius(point: FitPoint) -> FitPoint:
    """Leave a point out where there is no radius to divide by."""
    if math.isfinite(point.radius) or not point.used:
        return point
    changed = {**asdict(point), "used": False, "reason": "the learner states no radius"}
    return FitPoint(**changed)


def _abscissa(point: FitPoint, against: str) -> float:
    if against == "m":
        return math.log(point.n_states)
    if against == "T":
        return math.log(point.round)
    return 0.5 * math.log(point.round * math.log(point.round))


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of log y on x."""
    centred = x - x.mean()
    return float(centred @ np.log(y) / (centred @ centred))


def _resampled(samples: list[FloatArray], n_bootstrap: int, seed: int) -> list[FloatArray]:
    """Means of resampled runs, one array (n_points,) per resample."""
    sizes = {len(s) for s in samples}
    if sizes == {1}:
        return []
    rng = np.random.default_rng(seed)
    if len(sizes) > 1:
        return [
            np.array([s[rng.integers(len(s), size=len(s))].mean() for s in samples])
            for _ in range(n_bootstrap)
        ]
    table = np.stack(samples)
    n = table.shape[1]
    return [table[:, rng.integers(n, size=n)].mean(axis=1) for _ in range(n_bootstrap)]
