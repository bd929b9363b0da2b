"""Regret against its bounds: every run, the mean with its band, upper and lower bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.plot.canvas import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    VERMILION,
    ink_of,
    legend_below,
    plain,
    ready_axes,
)
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.theorem import Theorem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Line", "Play", "plot_bounds"]

_PLAYS = ((BLUE, "-", "o"), (GREEN, (0, (2, 1)), "v"))
_CONTROL = (VERMILION, (0, (4, 1)), None)
_UPPER = (
    "-",
    (0, (6, 1.5)),
    (0, (4, 1.5, 1, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    (0, (2.5, 1.5)),
    (0, (10, 2)),
    (0, (4, 1.5, 4, 1.5, 1, 1.5)),
    (0, (1, 2.5)),
)
_MOST_LINES = 60
_FLOOR = 1e-9
"""Regret per round below this, in scaled utils, is rounding noise and has no place on the axis."""


@dataclass(frozen=True)
class Play:
    """Runs of one learner, in scaled utils.

    Attributes
    ----------
    label : str
    rounds : ndarray (n_checkpoints,)
    regret : ndarray (n_runs, n_checkpoints)
    band : tuple of ndarray (n_checkpoints,), optional
        Simultaneous confidence limits of the mean.
    is_control : bool
        A learner that the bounds do not cover.
    """

    label: str
    rounds: FloatArray
    regret: FloatArray
    band: tuple[FloatArray, FloatArray] | None = None
    is_control: bool = False

    @classmethod
    def of(
        cls, trajectory: Trajectory, label: str | None = None, *, is_control: bool = False
    ) -> Play:
        """Read a trajectory; regret below zero has no logarithm and counts as zero.

        Examples
        --------
        >>> from persuasion import simulate, zoo
        >>> from theory.plot import Play
        >>> Play.of(simulate(zoo.load("prosecutor"), "robust", horizon=100)).label
        'robust'
        """
        return cls(
            trajectory.learner if label is None else label,
            trajectory.checkpoints.astype(float),
            np.maximum(trajectory.regret / trajectory.game.sender_scale.width, 0.0),
            is_control=is_control,
        )


@dataclass(frozen=True)
class Line:
    """A bound over the rounds, in scaled utils.

    Attributes
    ----------
    label : str
    rounds, values : ndarray (n_points,)
    direction : {"upper", "lower"}
    """

    label: str
    rounds: FloatArray
    values: FloatArray
    direction: str = "upper"

    @classmethod
    def of(cls, theorem: Theorem | str, trajectory: Trajectory, label: str) -> Line:
        """Evaluate the bound of a theorem about one game for the runs of a trajectory.

        Examples
        --------
        >>> from persuasion import simulate, zoo
        >>> from theory.plot import Line
        >>> runs = simulate(zoo.load("prosecutor"), "robust", horizon=100)
        >>> Line.of("theorem_1_slater", runs, "Theorem 1").direction
        'upper'
        """
        if isinstance(theorem, str):
            from theory.statements import load

            theorem = load(theorem)
        rounds = trajectory.checkpoints
        values = theorem.bound_on(trajectory, rounds)
        return cls(label, rounds.astype(float), values, theorem.direction)


def plot_bounds(
    plays: Sequence[Play],
    lines: Sequence[Line],
    *,
    optimum: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw regret and bounds on logarithmic axes.

    Runs are thin, their mean is thick, and the shade around it its confidence band. Bounds are
    drawn in ink, told apart by dashes, upper ones above the runs; a lower bound is orange. Two
    triangles show the slopes 1/2 and 1. Colours are told apart with any common colour vision,
    and every curve differs from all others by more than its colour.

    Parameters
    ----------
    plays : sequence of Play
    lines : sequence of Line
    optimum : float, optional
        OPT per round in scaled utils: at T * OPT a bound says nothing, and the region above is
        shaded.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    n_entries = len(plays) + len(lines) + (optimum is not None)
    ax = ready_axes(ax, width=5.2, height=3.6 + 0.21 * n_entries)
    ax.set_xscale("log")
    ax.set_yscale("log")
    own = iter(_PLAYS * len(plays))
    for play in plays:
        color, dashes, marker = _CONTROL if play.is_control else next(own)
        _draw_play(ax, play, color, dashes, marker)
    uppers = iter(_UPPER * (len(lines) + 1))
    for line in sorted(lines, key=lambda line: -float(line.values[-1])):  # as they lie
        values = np.where(line.values > 0, line.values, np.nan)
        if line.direction == "lower":
            style: dict[str, Any] = {"color": ORANGE, "linewidth": 2.2, "linestyle": (0, (2, 1))}
        else:
            style = {"color": ink_of(ax), "linewidth": 1.4, "linestyle": next(uppers)}
        ax.plot(line.rounds, values, label=plain(line.label), zorder=4, **style)
    ax.autoscale_view()
    _limit(ax, plays, lines)
    if optimum is not None and optimum > 0:
        _shade_trivial(ax, optimum)
    _slope_triangles(ax)
    ax.set_xlabel("round T")
    ax.set_ylabel("cumulated regret (scaled utils)")
    legend_below(ax, columns=1)
    return ax


def _draw_play(ax: Axes, play: Play, color: str, linestyle: Any, marker: str | None) -> None:
    from matplotlib.collections import LineCollection

    least = _FLOOR * play.rounds
    shown = np.where(play.regret > least, play.regret, np.nan)
    mean = play.regret.mean(axis=0)
    n_runs = len(shown)
    ax.add_collection(
        LineCollection(
            [np.column_stack([play.rounds, run]) for run in shown],
            colors=color,
            linewidths=0.7,
            alpha=max(0.06, min(0.5, 5 / n_runs)),
            zorder=2,
            rasterized=n_runs > _MOST_LINES,
        )
    )
    if play.band is not None:
        low, high = (np.where(x > least, x, least) for x in play.band)
        ax.fill_between(play.rounds, low, high, color=color, alpha=0.22, linewidth=0, zorder=2.5)
    label = f"{play.label}, mean of {n_runs} runs" if n_runs > 1 else play.label
    ax.plot(
        play.rounds,
        np.where(mean > least, mean, np.nan),
        color=color,
        linestyle=linestyle,
        linewidth=2.4,
        marker=marker,
        markersize=4.5,
        markevery=12,
        label=plain(label),
        zorder=5,
    )


def _limit(ax: Axes, plays: Sequence[Play], lines: Sequence[Line]) -> None:
    """Show the last decades of all plays: earlier rounds say little, bounds far above nothing."""
    last = max(float(play.rounds[-1]) for play in plays)
    first = min(max(10.0, last / 10**6), last / 10)
    ends = [play.regret.mean(axis=0)[play.rounds >= first] for play in plays]
    ends += [line.values[line.rounds >= first] for line in lines]
    values = np.concatenate([x.ravel() for x in ends])
    values = values[np.isfinite(values) & (values > _FLOOR)]
    if not len(values):
        return
    ax.set_xlim(first, last * 1.15)
    ax.set_ylim(float(values.min()) / 2.5, min(float(values.max()), 50 * last) * 2)


def _shade_trivial(ax: Axes, optimum: float) -> None:
    """Mark where regret cannot be, because the whole optimum would be lost."""
    low, high = ax.get_xlim()
    rounds = np.geomspace(low, high, 50)
    top = ax.get_ylim()[1]
    ax.fill_between(
        rounds, optimum * rounds, np.maximum(top, optimum * rounds),
        color=MUTED, alpha=0.14, linewidth=0, zorder=0,
    )  # fmt: skip
    ax.plot(rounds, optimum * rounds, color=MUTED, linewidth=1, zorder=1,
            label="T · OPT: all is lost, a bound in the shade says nothing")  # fmt: skip
    ax.set_ylim(top=top)


def _slope_triangles(ax: Axes) -> None:
    """Draw two right triangles whose sides have slopes 1/2 and 1, at the lower right."""
    (left, right), (bottom, top) = (np.log10(ax.get_xlim()), np.log10(ax.get_ylim()))
    width = 0.13 * (right - left)
    ink = MUTED
    for k, (slope, name) in enumerate(((0.5, "1/2"), (1.0, "1"))):
        x = right - (0.40 - 0.2 * k) * (right - left)
        y = bottom + 0.05 * (top - bottom)
        corner = 10 ** np.array([[x, y], [x + width, y], [x + width, y + slope * width]])
        ax.fill(corner[:, 0], corner[:, 1], facecolor="none", edgecolor=ink, linewidth=1.1)
        ax.annotate(f"slope {name}", tuple(corner[1]), xytext=(0, -3), textcoords="offset points",
                    ha="right", va="top", fontsize=8, color=ink)  # fmt: skip
