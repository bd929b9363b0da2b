"""Regret over rounds: every run, and their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persuasion.plot.canvas import BLUE, legend_below, plain, ready_axes
from persuasion.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_runs", "plot_regret"]

_MOST_LINES = 60
"""More runs than that are stored as pixels where the rest of a picture is lines."""
_ROUNDING = 1e-9
"""Share of the largest payoff below which regret per round is rounding noise and not drawn."""


def plot_regret(trajectory: Trajectory, *, ax: Axes | None = None) -> Axes:
    """Draw cumulated regret on logarithmic axes: each run thin, the mean thick.

    Parameters
    ----------
    trajectory : Trajectory
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes

    Notes
    -----
    Regret of zero has no logarithm: a curve begins with its first loss, and the regret axis is
    linear where there is no loss at all.

    Examples
    --------
    >>> from persuasion import simulate, zoo
    >>> from persuasion.plot import plot_regret
    >>> ax = plot_regret(simulate(zoo.load("prosecutor"), "fixed", horizon=1000))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['fixed']
    """
    ax = ready_axes(ax, height=4.6)
    draw_runs(ax, trajectory, color=BLUE, label=trajectory.learner)
    ax.set_xlabel("round")
    ax.set_ylabel("cumulated regret (utils)")
    legend_below(ax)
    return ax


def draw_runs(
    ax: Axes, trajectory: Trajectory, *, color: str, label: str, linestyle: str = "-"
) -> None:
    """Draw every run thin and faint, and the mean over them thick.

    Parameters
    ----------
    ax : Axes
        Its axes become logarithmic, unless no run loses anything.
    trajectory : Trajectory
    color, label, linestyle : str
        Of the mean; the runs share its colour.
    """
    from matplotlib.collections import LineCollection

    rounds = trajectory.checkpoints.astype(float)
    least = _ROUNDING * rounds * float(np.abs(trajectory.game.sender_utility).max())
    ax.set_xscale("log")
    lost = bool((trajectory.regret > least).any())
    if lost:
        ax.set_yscale("log")
    shown = np.where(trajectory.regret > least, trajectory.regret, np.nan if lost else 0.0)
    mean = trajectory.mean_regret
    n_runs = len(shown)
    mean_of = f", mean of {n_runs} runs" if n_runs > 1 else ""
    ax.plot(
        rounds,
        np.where(mean > least, mean, np.nan if lost else 0.0),
        color=color,
        linewidth=2.4,
        linestyle=linestyle,
        label=plain(f"{label}{mean_of}"),
        zorder=3,
    )
    runs = LineCollection(
        [np.column_stack([rounds, run]) for run in shown],
        colors=color,
        linewidths=0.8,
        alpha=max(0.06, min(0.5, 5 / n_runs)),
        zorder=2,
        rasterized=n_runs > _MOST_LINES,
    )
    ax.add_collection(runs)
    ax.autoscale_view()
    if not lost:
        ax.set_ylim(-0.05, 1.0)
