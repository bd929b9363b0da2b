"""An indirect utility of your own, its concave closure and the best split of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persuasion.closure_search import Function
from persuasion.concave_closure import ConcaveClosure
from persuasion.errors import UnsupportedError
from persuasion.html import spelled
from persuasion.plot.canvas import (
    BLUE,
    INK,
    MUTED,
    VERMILION,
    ink_of,
    legend_below,
    paper_of,
    percent,
    place_labels,
    plain,
    ready_axes,
    shortened,
)
from persuasion.plot.concavification import FIRST, SECOND, draw_closure
from persuasion.plot.piecewise import PiecewiseLinear, along, concave_closure
from persuasion.plot.simplex import CORNERS, draw_split, name_corners
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_closure"]

_N_POINTS = 1001
_N_LEVELS = 11
_PER_EDGE = 120


def plot_closure(
    indirect_utility: Function,
    closure: ConcaveClosure,
    *,
    states: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw any indirect utility on two or three states, with the best split of the prior.

    Parameters
    ----------
    indirect_utility : callable
        The function that was closed: beliefs (k, n_states) to Sender's expected utils (k,).
    closure : ConcaveClosure
        What `persuasion.concave_closure` returned for it.
    states : sequence of str, optional
        Names of the states.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes
        Two states: the function, its closure through the points drawn, the chord between the
        posteriors, and, where the error is known, the line of the prices, which no belief passes.
        Three states: the function as filled contours over the belief triangle, and the posteriors
        with areas in proportion to their probabilities.

    Raises
    ------
    UnsupportedError
        With other than two or three states.

    Notes
    -----
    The function is evaluated on a grid; a jump is drawn as a steep line.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion import concave_closure
    >>> from persuasion.plot import plot_closure
    >>> def hump(beliefs):
    ...     return np.minimum(beliefs[:, 0], beliefs[:, 1]) ** 2
    >>> ax = plot_closure(hump, concave_closure(hump, [0.7, 0.3], lipschitz=0.5))
    >>> ax.get_xlabel()
    'belief P(state 1)'
    """
    n_states = closure.posteriors.shape[1]
    names = [f"state {k}" for k in range(n_states)] if states is None else list(states)
    if n_states not in (2, 3):
        raise UnsupportedError(
            f"plot_closure needs two or three states, the closure has {n_states}; read "
            "closure.weights and closure.posteriors"
        )
    if len(names) != n_states:
        raise UnsupportedError(f"`states` must hold {n_states} names; got {len(names)}")
    draw = _on_the_line if n_states == 2 else _on_the_triangle
    return draw(indirect_utility, closure, names, ax)


def _on_the_line(
    indirect_utility: Function, closure: ConcaveClosure, states: list[str], ax: Axes | None
) -> Axes:
    prior = float(closure.weights @ closure.posteriors[:, 1])
    sent = np.argsort(closure.posteriors[:, 1])
    x, weight = closure.posteriors[sent, 1], closure.weights[sent]
    t = np.unique(np.concatenate([np.linspace(0, 1, _N_POINTS), x, [prior]]))
    beliefs = along(FIRST, SECOND, t)
    beliefs[np.searchsorted(t, x)] = closure.posteriors[sent]  # the very beliefs, at a jump
    values = np.asarray(indirect_utility(beliefs), dtype=np.float64)
    curve = PiecewiseLinear(t, values, np.stack([values[:-1], values[1:]], 1), (0,) * (len(t) - 1))
    corners = concave_closure(curve)
    heights = values[np.searchsorted(t, x)]
    silent = float(values[np.searchsorted(t, prior)])

    ax = ready_axes(ax)
    ink, paper = ink_of(ax), paper_of(ax)
    draw_closure(ax, *corners)
    ax.plot(t, values, color=BLUE, linewidth=2.2, zorder=4, label="v̂, value at this belief")
    ax.set_ylim(ax.get_ylim())
    if np.isfinite(closure.upper_bound):
        ax.plot([0, 1], closure.prices, color=MUTED, linewidth=1.2, zorder=3,
                label="prices of the states")  # fmt: skip
    ax.plot(x, heights, color=VERMILION, linewidth=7, alpha=0.3, solid_capstyle="round", zorder=2)
    ax.scatter(x, heights, s=90, marker="D", facecolor=VERMILION, edgecolor=paper, linewidth=1.2,
               zorder=7, label="posteriors sent")  # fmt: skip
    ax.plot([prior, prior], [silent, closure.value], color=ink, linewidth=1.2, zorder=6)
    ax.axvline(prior, color=MUTED, linewidth=1, linestyle=":", zorder=1)
    words = f"value {spelled(closure.value)}, no disclosure {spelled(silent)}"
    ax.scatter([prior], [closure.value], s=190, marker="*", facecolor=ink, edgecolor=paper,
               zorder=8, label=words)  # fmt: skip
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.06 * (high - low), high + 0.1 * (high - low))
    bottom = ax.get_ylim()[0]
    fine = np.linspace(0, 1, 200)
    place_labels(
        ax,
        [*zip(x.tolist(), heights.tolist(), strict=True), (prior, closure.value), (prior, bottom)],
        [*map(percent, weight.tolist()), spelled(closure.value), f"prior {spelled(prior)}"],
        radii=[*[6.0] * len(x), 7.0, 3.0],
        lines=np.concatenate(
            [np.stack([fine, np.interp(fine, *c)], axis=1) for c in (corners, (t, values))]
        ),
        artists=[*ax.get_xticklabels(), *ax.get_yticklabels()],
    )
    ax.set_xlabel(plain(f"belief P({shortened(states[1], 30)})"))
    ax.set_ylabel("Sender's expected utility")
    legend_below(ax)
    return ax


def _on_the_triangle(
    indirect_utility: Function, closure: ConcaveClosure, states: list[str], ax: Axes | None
) -> Axes:
    beliefs = _triangle_grid(_PER_EDGE)
    values = np.asarray(indirect_utility(beliefs), dtype=np.float64)
    ax = ready_axes(ax, 6.4, 5.0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_xlim(-0.12, 1.12)
    ax.set_ylim(-0.1, 0.97)
    x, y = (beliefs @ CORNERS).T
    top = values.max() if np.ptp(values) else values.max() + 1.0  # levels must increase
    levels = np.linspace(values.min(), top, _N_LEVELS)
    filled = ax.tricontourf(x, y, values, levels=levels, cmap="Blues", alpha=0.85)
    bar = ax.figure.colorbar(filled, ax=ax, shrink=0.75, pad=0.02)
    bar.set_label("v̂, value at this belief", color=INK)
    bar.outline.set_visible(False)
    ax.fill(*CORNERS.T, fill=False, edgecolor=ink_of(ax), linewidth=1.4, zorder=3)
    name_corners(ax, states)
    draw_split(ax, closure.weights, closure.posteriors)
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, 1.0), frameon=False, fontsize=9,
              labelcolor=ink_of(ax))  # fmt: skip
    return ax


def _triangle_grid(n: int) -> FloatArray:
    """Beliefs over three states whose probabilities are multiples of 1/n."""
    first, second = (k.ravel() for k in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    inside = first + second <= n
    counts = np.stack([first, second, n - first - second], axis=1)[inside]
    grid: FloatArray = counts / n
    return grid
