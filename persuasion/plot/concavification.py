"""Two states: the Sender's indirect utility, its concave closure and the optimal split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persuasion.errors import UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.html import spelled
from persuasion.plot.canvas import (
    BLUE,
    MUTED,
    ORANGE,
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
from persuasion.plot.piecewise import PiecewiseLinear, concave_closure, indirect_utility_along
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from persuasion.results import Solution

__all__ = ["plot_concavification"]

FIRST, SECOND = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def plot_concavification(
    game: PersuasionGame, *, ax: Axes | None = None, solution: Solution | None = None
) -> Axes:
    """Draw why persuasion pays: v-hat, its concave closure and the optimal split of the prior.

    Parameters
    ----------
    game : PersuasionGame
        Two states, common prior.
    ax : Axes, optional
        Where to draw; a new figure otherwise.
    solution : Solution, optional
        The scheme to show; `solve(game)` otherwise. Its Receiver is the one that v-hat is drawn
        for.

    Returns
    -------
    Axes
        Beliefs in the second state run from left to right, utils of the Sender upwards. At a
        jump the filled dot is the value when ties go the Sender's way, the empty one a limit.

    Raises
    ------
    UnsupportedError
        With other than two states, subjective priors, or a Receiver who is no best responder.

    Notes
    -----
    Symbols: v-hat(p), cav v-hat(p).
    Source: Kamenica & Gentzkow, AER 101(6), 2011, figures 1 and 2.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.plot import plot_concavification
    >>> game = PersuasionGame(
    ...     ["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]], states=["innocent", "guilty"]
    ... )
    >>> plot_concavification(game).get_xlabel()
    'belief P(guilty)'
    """
    check_two_states(game, "plot_concavification")
    if solution is None:
        from persuasion.solve import solve

        solution = solve(game)
    played = effective_game(game, solution)
    curve = indirect_utility_along(played, FIRST, SECOND)
    corners = concave_closure(curve)
    ax = ready_axes(ax)
    draw_closure(ax, *corners)
    draw_curve(ax, curve, label="v̂, value at this belief")
    draw_actions(ax, curve, game.actions)
    _draw_split(ax, played, solution, curve, corners)
    ax.set_xlabel(plain(f"belief P({shortened(game.states[1], 30)})"))
    ax.set_ylabel("Sender's expected utility")
    legend_below(ax)
    return ax


def check_two_states(game: PersuasionGame, name: str) -> None:
    """Refuse what cannot be drawn over one probability."""
    if game.n_states != 2:
        instead = {3: "use plot_simplex", 1: "with one state there is nothing to disclose"}.get(
            game.n_states, "use plot_scheme, or game.restrict(states=[...]) for two of the states"
        )
        raise UnsupportedError(f"{name} needs two states, the game has {game.n_states}; {instead}")
    check_common_prior(game, name)


def check_common_prior(game: PersuasionGame, name: str) -> None:
    """Refuse subjective priors: Sender and Receiver would need an axis each."""
    if not game.has_common_prior:
        raise UnsupportedError(
            f"{name} needs a common prior. The game with `prior` for both and receiver_utility "
            "* (receiver_prior / prior)[:, None] has the same schemes and values; draw that one"
        )


def effective_game(game: PersuasionGame, solution: Solution) -> PersuasionGame:
    """The game in which the solution's Receiver is an ordinary best responder."""
    from persuasion.receivers import is_best_responder

    if solution.game != game:
        raise UnsupportedError(
            f"`solution` solves {solution.game!r}, not {game!r}; pass solve(game)"
        )
    receiver = solution.receiver
    if not is_best_responder(receiver):
        raise UnsupportedError(
            f"only best responders have best-response regions; the solution's Receiver is "
            f"{receiver!r}. Use plot_scheme"
        )
    return receiver.effective_game(game)


def draw_curve(ax: Axes, curve: PiecewiseLinear, label: str, color: str = BLUE) -> None:
    """Draw a piecewise linear function, filled dots at its values and empty ones at its limits."""
    slack = 1e-9 * float(np.ptp(curve.values)) + 1e-12 * float(np.abs(curve.values).max())
    x: list[float] = []
    y: list[float] = []
    filled, empty = set(), set()
    for k, (left, right) in enumerate(curve.limits.tolist()):
        for at, limit in ((k, left), (k + 1, right)):
            jumps = abs(curve.values[at] - limit) > slack
            if jumps:
                empty.add((float(curve.knots[at]), limit))
                filled.add((float(curve.knots[at]), float(curve.values[at])))
            if jumps and at == k:
                x.append(np.nan)
                y.append(np.nan)
            x.append(float(curve.knots[at]))
            y.append(limit)
            if jumps and at == k + 1:
                x.append(np.nan)
                y.append(np.nan)
    ax.plot(x, y, color=color, linewidth=2.2, label=label, solid_capstyle="butt", zorder=3)
    for dots, face in ((empty - filled, paper_of(ax)), (filled, color)):
        if dots:
            ax.plot(
                *zip(*sorted(dots), strict=True),
                linestyle="none",
                marker="o",
                markersize=6,
                markerfacecolor=face,
                markeredgecolor=color,
                markeredgewidth=1.5,
                zorder=4,
            )


def draw_closure(ax: Axes, t: FloatArray, height: FloatArray) -> None:
    """Draw the concave closure."""
    ax.plot(t, height, color=ORANGE, linewidth=2, linestyle=(0, (5, 2)), zorder=5,
            label="its concave closure")  # fmt: skip


def draw_actions(ax: Axes, curve: PiecewiseLinear, labels: tuple[str, ...]) -> None:
    """Name the action taken on each interval in a strip above the axes."""
    ax.set_xlim(-0.02, 1.02)
    ax.yaxis.get_offset_text().set_horizontalalignment("right")  # out of the strip's way
    cells: list[tuple[float, float, int]] = []
    for low, high, action in zip(
        curve.knots[:-1].tolist(), curve.knots[1:].tolist(), curve.actions, strict=True
    ):
        if cells and cells[-1][2] == action:
            low = cells.pop()[0]
        cells.append((low, high, action))
    figure = ax.get_figure(root=True)
    if figure is not None:
        figure.draw_without_rendering()
    strip = ax.get_xaxis_transform()
    for i, (low, high, action) in enumerate(cells):
        ax.axvspan(low, high, ymin=1.02, ymax=1.09, clip_on=False, linewidth=0,
                   facecolor=MUTED, alpha=0.15 if i % 2 else 0.3)  # fmt: skip
        room = float(np.ptp(ax.transData.transform([(low, 0), (high, 0)])[:, 0])) - 4
        text = ax.text((low + high) / 2, 1.055, "", transform=strip, ha="center", va="center",
                       fontsize=8.5, color=ink_of(ax))  # fmt: skip
        for length in range(len(labels[action]), 1, -1):
            text.set_text(plain(shortened(labels[action], length)))
            if text.get_window_extent().width <= room:
                break
        else:
            text.remove()


def _draw_split(
    ax: Axes,
    played: PersuasionGame,
    solution: Solution,
    curve: PiecewiseLinear,
    corners: tuple[FloatArray, FloatArray],
) -> None:
    """Draw the posteriors, the chord between them, the prior and the value."""
    prior = float(played.prior[1])
    mass = solution.scheme.signal_probabilities(played.prior)
    beliefs = solution.scheme.posteriors(played.prior)
    chosen = np.array(solution.recommendations, dtype=np.intp)
    heights = np.einsum("sw,ws->s", beliefs, played.sender_utility[:, chosen])
    sent = np.argsort(beliefs[:, 1])
    sent = sent[mass[sent] > 0]
    x, y, weight = beliefs[sent, 1], heights[sent], mass[sent]
    ink, paper = ink_of(ax), paper_of(ax)
    value, silent = float(solution.value), curve(prior)

    ax.plot(x, y, color=VERMILION, linewidth=7, alpha=0.3, solid_capstyle="round", zorder=2)
    ax.scatter(x, y, s=90, marker="D", facecolor=VERMILION, edgecolor=paper, linewidth=1.2,
               zorder=7, label="posteriors sent")  # fmt: skip
    ax.plot([prior, prior], [silent, value], color=ink, linewidth=1.2, zorder=6)
    ax.axvline(prior, color=MUTED, linewidth=1, linestyle=":", zorder=1)
    words = f"value {spelled(solution.value)}, no disclosure {spelled(silent)}"
    ax.scatter(
        [prior], [value], s=190, marker="*", facecolor=ink, edgecolor=paper, zorder=8, label=words
    )
    low, high = ax.get_ylim()
    low, high = min(low, float(y.min())), max(high, float(y.max()))
    ax.set_ylim(low - 0.06 * (high - low), high + 0.1 * (high - low))

    fine = np.linspace(0, 1, 200)
    lines = [np.stack([fine, np.interp(fine, *corners)], axis=1)]
    for (a, b), (fa, fb) in zip(
        zip(curve.knots[:-1], curve.knots[1:], strict=True), curve.limits, strict=True
    ):
        share = np.linspace(0, 1, max(int(200 * (b - a)), 2))
        lines.append(np.stack([a + share * (b - a), fa + share * (fb - fa)], axis=1))
    lines.append(np.stack([np.full(100, prior), np.linspace(*ax.get_ylim(), 100)], axis=1))
    labels = [percent(w) for w in weight.tolist()]
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    bottom = ax.get_ylim()[0]
    place_labels(
        ax,
        [*points, (prior, value), (prior, bottom)],
        [*labels, spelled(solution.value), f"prior {spelled(played.exact.prior[1])}"],
        radii=[*[6.0] * len(points), 7.0, 3.0],
        lines=np.concatenate(lines),
        artists=[*ax.get_xticklabels(), *ax.get_yticklabels()],
    )
