"""What the Sender gets as the prior varies: optimum, no and full disclosure, first best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.errors import UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.plot.canvas import (
    BLUE,
    GREEN,
    MUTED,
    VERMILION,
    legend_below,
    plain,
    ready_axes,
    shortened,
)
from persuasion.plot.concavification import FIRST, SECOND, check_common_prior, draw_curve
from persuasion.plot.piecewise import (
    PiecewiseLinear,
    along,
    concave_closure,
    indirect_utility_along,
)
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_value_over_priors"]


def plot_value_over_priors(
    game: PersuasionGame,
    *,
    n_points: int = 201,
    between: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the Sender's value with the best, no and full disclosure over the prior.

    Parameters
    ----------
    game : PersuasionGame
        Its prior is marked where it lies on the segment.
    n_points : int
        Priors at which a game of more than two states is solved, evenly spaced; the kinks of
        the curve without disclosure are added. Two states need none: their curves are exact.
    between : pair of array-like (n_states,), optional
        Two priors; the picture runs along the segment between them. With two states the default
        is the whole range; with more it must be given.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes

    Raises
    ------
    UnsupportedError
        Without `between` for other than two states, with subjective priors, or with fewer than
        two points.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.plot import plot_value_over_priors
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> ax = plot_value_over_priors(game)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['first best', 'optimum', 'full disclosure', 'no disclosure']
    """
    from persuasion.values import first_best, full_disclosure_value

    check_common_prior(game, "plot_value_over_priors")
    if between is None and game.n_states != 2:
        raise UnsupportedError(
            f"the game has {game.n_states} states, so its priors are no line; pass "
            "between=(one_prior, another_prior) for the segment between two of them"
        )
    if n_points < 2:
        raise UnsupportedError(f"`n_points` must be at least 2; got {n_points}")
    start, end = (FIRST, SECOND) if between is None else (game.with_prior(p).prior for p in between)
    silent = indirect_utility_along(game, start, end)
    if between is None:
        best = concave_closure(silent)
    else:
        best = _solved(game, start, end, n_points, silent)
    ends = [game.with_prior(start), game.with_prior(end)]
    ax = ready_axes(ax)
    ax.plot([0, 1], [first_best(g) for g in ends], color=MUTED, linewidth=1.6, linestyle=":",
            label="first best")  # fmt: skip
    ax.plot(*best, color=VERMILION, linewidth=5, label="optimum", zorder=2.5)
    ax.plot([0, 1], [full_disclosure_value(g) for g in ends], color=GREEN, linewidth=1.8,
            linestyle=(0, (6, 2)), label="full disclosure", zorder=2.6)  # fmt: skip
    draw_curve(ax, silent, label="no disclosure", color=BLUE)
    _mark_prior(ax, game, start, end)
    ax.set_ylabel("Sender's expected utility")
    if between is None:
        ax.set_xlabel(plain(f"prior P({shortened(game.states[1], 30)})"))
    else:
        ax.set_xlabel("position of the prior between the two given")
    legend_below(ax, columns=4)
    return ax


def _solved(
    game: PersuasionGame, start: FloatArray, end: FloatArray, n_points: int, silent: PiecewiseLinear
) -> tuple[FloatArray, FloatArray]:
    """Optimal values along the segment, by solving the game at each prior."""
    from persuasion.solve import solve

    t = np.union1d(np.linspace(0, 1, n_points), silent.knots)
    values = [float(solve(game.with_prior(p)).value) for p in along(start, end, t)]
    return t, np.array(values)


def _mark_prior(ax: Axes, game: PersuasionGame, start: FloatArray, end: FloatArray) -> None:
    """Draw a line at the game's own prior when it lies on the segment."""
    direction = end - start
    length = float(direction @ direction)
    t = float((game.prior - start) @ direction) / length if length else 0.0
    at = along(start, end, np.array([t]))[0]
    if 0 <= t <= 1 and float(np.abs(at - game.prior).max()) <= 1e-9:
        ax.axvline(t, color=MUTED, linewidth=1, zorder=1)
        ax.annotate("prior of the game", (t, 1.01), xycoords=ax.get_xaxis_transform(),
                    ha="center", va="bottom", fontsize=9, color=MUTED)  # fmt: skip
