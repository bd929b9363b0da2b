"""A signaling scheme as a matrix: which signal is sent in which state, how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persuasion.errors import SchemeError
from persuasion.game import PersuasionGame
from persuasion.plot.canvas import ink_of, paper_of, plain, ready_axes, shortened
from persuasion.scheme import SignalingScheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from persuasion.results import Solution

__all__ = ["plot_scheme"]

_MOST_ROWS, _MOST_COLUMNS = 20, 12
_LIGHTEST, _DARKEST = "#f4f8fb", "#08406b"


def plot_scheme(
    scheme: SignalingScheme | Solution,
    *,
    game: PersuasionGame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw ``kernel[state, signal]`` as a labelled matrix.

    Parameters
    ----------
    scheme : SignalingScheme or Solution
        What to draw.
    game : PersuasionGame, optional
        Gives the states their names; a Solution brings its own.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes
        Each cell holds a probability; rows sum to 1. Up to 20 states and 12 signals are written
        out, larger schemes are an image with a colour bar.

    Raises
    ------
    SchemeError
        When scheme and game have different numbers of states.

    Examples
    --------
    >>> from persuasion import SignalingScheme
    >>> from persuasion.plot import plot_scheme
    >>> ax = plot_scheme(SignalingScheme([["4/7", "3/7"], [0, 1]], signals=["acquit", "convict"]))
    >>> [text.get_text() for text in ax.texts]
    ['0.571', '0.429', '0', '1']
    """
    if not isinstance(scheme, SignalingScheme):
        game = scheme.game if game is None else game
        scheme = scheme.scheme
    if game is not None and game.n_states != scheme.n_states:
        raise SchemeError(
            f"the scheme has {scheme.n_states} states but the game has {game.n_states}; "
            "pass the game that the scheme belongs to"
        )
    states = game.states if game else tuple(f"state {i}" for i in range(scheme.n_states))
    written = scheme.n_states <= _MOST_ROWS and scheme.n_signals <= _MOST_COLUMNS
    size = _size(scheme, states) if written else (6.4, 4.8)
    ax = ready_axes(ax, *size)
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", [_LIGHTEST, _DARKEST])
    image = ax.imshow(
        scheme.kernel, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    for spine in ax.spines.values():
        spine.set_visible(False)
    if not written:
        ax.set_xlabel(f"signal (of {scheme.n_signals})")
        ax.set_ylabel(f"state (of {scheme.n_states})")
        figure = ax.get_figure()
        if figure is not None:
            bar = figure.colorbar(image, ax=ax, label="probability of the signal in the state")
            bar.ax.tick_params(colors=ink_of(ax), labelcolor=ink_of(ax))
            bar.ax.yaxis.label.set_color(ink_of(ax))
        return ax
    ax.xaxis.tick_top()
    long = max(map(len, scheme.signals)) > 12
    ax.set_xticks(
        range(scheme.n_signals),
        [plain(shortened(label, 28)) for label in scheme.signals],
        rotation=35 if long and scheme.n_signals > 2 else 0,
        ha="left" if long and scheme.n_signals > 2 else "center",
    )
    ax.set_yticks(range(scheme.n_states), [plain(shortened(label, 32)) for label in states])
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(scheme.n_signals + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(scheme.n_states + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=paper_of(ax), linewidth=2)
    ax.tick_params(which="minor", length=0)
    for (state, signal), share in np.ndenumerate(scheme.kernel):
        text = "0" if share == 0 else "<0.001" if share < 0.0005 else f"{share:.3f}".rstrip("0")
        ax.text(signal, state, text.rstrip("."), ha="center", va="center", fontsize=9,
                color=legible_on(shades(float(share))))  # fmt: skip
    return ax


def legible_on(background: Sequence[float]) -> str:
    """Black or white, whichever contrasts more with an RGB colour (WCAG 2 luminance)."""
    return "#ffffff" if luminance(background) < 0.179 else "#000000"


def luminance(color: Sequence[float]) -> float:
    """Relative luminance of an RGB colour with channels in [0, 1], after WCAG 2."""
    channels = np.asarray(color[:3], dtype=float)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _size(scheme: SignalingScheme, states: tuple[str, ...]) -> tuple[float, float]:
    """Inches that give every cell room for its number and every label a line."""
    labels = 0.09 * min(max(map(len, states)), 32)
    names = 0.09 * min(max(map(len, scheme.signals)), 28)
    wide = max(0.75, names if scheme.n_signals <= 2 else min(names, 1.1))
    return labels + 0.4 + wide * scheme.n_signals, 0.8 + 0.34 * scheme.n_states
