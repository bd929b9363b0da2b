"""Three states: best-response regions, the prior and the posteriors in the belief simplex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persuasion.beliefs import best_responses
from persuasion.errors import UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.plot.canvas import (
    HATCHES,
    MUTED,
    REGIONS,
    VERMILION,
    ink_of,
    paper_of,
    percent,
    place_labels,
    plain,
    ready_axes,
    shortened,
)
from persuasion.plot.concavification import check_common_prior, effective_game
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from persuasion.results import Solution

__all__ = ["best_response_region", "draw_split", "name_corners", "plot_simplex"]

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
_LARGEST_MARKER, _SMALLEST_MARKER = 420.0, 16.0  # square points; one that is always sent, visible


def plot_simplex(
    game: PersuasionGame, *, solution: Solution | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the belief triangle: what the Receiver does where, and which beliefs are induced.

    Parameters
    ----------
    game : PersuasionGame
        Three states, common prior.
    solution : Solution, optional
        The scheme to show; `solve(game)` otherwise. The regions are those of its Receiver.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes
        A belief stands at the average of the three corners with its probabilities as weights.
        The area of a posterior's marker is proportional to the probability of its signal, as
        long as it stays visible.

    Raises
    ------
    UnsupportedError
        With other than three states, subjective priors, or a Receiver who is no best responder.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.plot import plot_simplex
    >>> game = PersuasionGame(
    ...     ["1/2", "3/10", "1/5"], [[0, 1]] * 3, [[0, -1], [0, 0], [0, 1]], actions=["keep", "buy"]
    ... )
    >>> [text.get_text() for text in plot_simplex(game).get_legend().get_texts()]
    ['keep', 'buy', 'prior', 'posterior']
    """
    if game.n_states != 3:
        instead = "use plot_concavification" if game.n_states == 2 else (
            "use plot_scheme, or game.restrict(states=[...]) for three of the states"
        )  # fmt: skip
        raise UnsupportedError(
            f"plot_simplex needs three states, the game has {game.n_states}; {instead}"
        )
    check_common_prior(game, "plot_simplex")
    if solution is None:
        from persuasion.solve import solve

        solution = solve(game)
    played = effective_game(game, solution)
    ax = ready_axes(ax, 6.4, 5.0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_xlim(-0.12, 1.12)
    ax.set_ylim(-0.1, 0.97)
    _draw_regions(ax, played)
    name_corners(ax, game.states)
    _draw_beliefs(ax, played, solution)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(0.86, 0.98),
        frameon=False,
        labelcolor=ink_of(ax),
        fontsize=9,
    )
    return ax


def best_response_region(game: PersuasionGame, action: int) -> FloatArray:
    """Corners of the beliefs at which `action` is optimal, shape (n_corners, 3), in order.

    Clips the triangle with one half-plane per other action. Empty where the action is optimal
    nowhere.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.5, 0.3, 0.2], [[0, 1]] * 3, [[0, -1], [0, 0], [0, 1]])
    >>> best_response_region(game, 1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]]
    """
    region = np.eye(3)
    utility = game.receiver_utility
    for other in range(game.n_actions):
        advantage = utility[:, action] - utility[:, other]
        if np.any(advantage < 0):
            region = _clip(region, advantage)
        if len(region) == 0:
            break
    return region


def _clip(polygon: FloatArray, normal: FloatArray) -> FloatArray:
    """Keep the part of a convex polygon with ``normal @ point >= 0`` (Sutherland-Hodgman)."""
    height = polygon @ normal
    height[np.abs(height) <= 1e-12 * np.abs(normal).max()] = 0.0
    kept: list[FloatArray] = []
    for i in range(len(polygon)):
        here, there = height[i], height[(i + 1) % len(polygon)]
        if here >= 0:
            kept.append(polygon[i])
        if here * there < 0:
            share = here / (here - there)
            kept.append((1 - share) * polygon[i] + share * polygon[(i + 1) % len(polygon)])
    return np.array(kept).reshape(-1, 3)


def _draw_regions(ax: Axes, game: PersuasionGame) -> None:
    """Fill each best-response region; actions tied everywhere share one."""
    from matplotlib.patches import Polygon

    ax.add_patch(
        Polygon(CORNERS, closed=True, fill=False, edgecolor=ink_of(ax), linewidth=1.4, zorder=3)
    )
    drawn: dict[bytes, tuple[Polygon, list[str]]] = {}
    for action in range(game.n_actions):
        region = best_response_region(game, action)
        if len(region) < 3:
            continue
        twins = best_responses(game, region.mean(axis=0))
        key = twins.tobytes()
        if key in drawn:
            drawn[key][1].append(game.actions[action])
            continue
        i = len(drawn)
        patch = Polygon(
            region @ CORNERS,
            closed=True,
            facecolor=REGIONS[i % len(REGIONS)],
            alpha=0.45,
            edgecolor=ink_of(ax),
            linewidth=0.8,
            hatch=HATCHES[i // len(REGIONS) % len(HATCHES)] or None,
            zorder=1,
        )
        ax.add_patch(patch)
        drawn[key] = (patch, [game.actions[action]])
    for patch, labels in drawn.values():
        patch.set_label(plain(shortened(" or ".join(labels), 28)))


def name_corners(ax: Axes, states: Sequence[str]) -> None:
    """Write the name of each state beside its corner."""
    for corner, dy, label in zip(CORNERS, (-0.05, -0.05, 0.05), states, strict=True):
        ax.text(corner[0], corner[1] + dy, plain(shortened(label, 24)), ha="center",
                va="center", fontsize=10, fontweight="bold", color=ink_of(ax))  # fmt: skip


def _draw_beliefs(ax: Axes, game: PersuasionGame, solution: Solution) -> None:
    mass = solution.scheme.signal_probabilities(game.prior)
    sent = np.flatnonzero(mass > 0)
    chosen = [solution.scheme.signals[s] for s in sent.tolist()]
    draw_split(ax, mass[sent], solution.scheme.posteriors(game.prior)[sent], chosen)


def draw_split(
    ax: Axes, mass: FloatArray, posteriors: FloatArray, signals: Sequence[str] | None = None
) -> None:
    """Draw the posteriors (n_signals, 3), their probabilities, and the prior, their mean."""
    beliefs = posteriors @ CORNERS
    prior = mass @ beliefs
    for belief in beliefs:
        ax.plot(*np.stack([prior, belief], axis=1), color=MUTED, linewidth=1, zorder=3)
    ax.scatter(
        prior[0],
        prior[1],
        s=150,
        marker="*",
        facecolor=ink_of(ax),
        edgecolor=paper_of(ax),
        zorder=6,
        label="prior",
    )
    area = np.maximum(_LARGEST_MARKER * mass, _SMALLEST_MARKER)
    ax.scatter(beliefs[:, 0], beliefs[:, 1], s=area, facecolor=VERMILION, edgecolor=paper_of(ax),
               linewidth=1.2, zorder=5, clip_on=False)  # fmt: skip
    ax.scatter([], [], s=60, facecolor=VERMILION, edgecolor=paper_of(ax), label="posterior")
    share = np.linspace(0, 1, 60)[:, None]
    ends = [(prior, belief) for belief in beliefs]
    ends += [(CORNERS[i - 1], CORNERS[i]) for i in range(3)]
    lines = np.concatenate([start + share * (end - start) for start, end in ends])
    names = [""] * len(mass) if signals is None else [f"{shortened(a, 16)} " for a in signals]
    place_labels(
        ax,
        [(float(x), float(y)) for x, y in beliefs],
        [f"{name}{percent(q)}" for name, q in zip(names, mass.tolist(), strict=True)],
        radii=np.sqrt(area / np.pi).tolist(),
        lines=lines,
        artists=ax.texts,
    )
