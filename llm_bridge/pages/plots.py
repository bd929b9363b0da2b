"""Pictures of an experiment: arms with limits, learning curves, kernels, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.plot.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    ink_of,
    legend_below,
    plain,
    ready_axes,
    shortened,
)
from persuasion.plot.heatmap import legible_on, plot_scheme
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bar", "plot_arms", "plot_kernels", "plot_learning", "plot_transfer"]

_COLORS = {
    "baseline": MUTED,
    "persuaded": BLUE,
    "disclosure": GREEN,
    "optimum": VERMILION,
    "control": ORANGE,
}
_CURVES = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9")
_LABEL_LENGTH = 30


@dataclass(frozen=True)
class Bar:
    """One arm of an experiment.

    Parameters
    ----------
    label : str
    value, lower, upper : float
        Mean and its confidence limits.
    kind : str
        "baseline", "persuaded", "disclosure", "optimum" or "control": its colour.
    """

    label: str
    value: float
    lower: float
    upper: float
    kind: str = "persuaded"

    def __post_init__(self) -> None:
        if self.kind not in _COLORS:
            raise PersuasionError(f"`kind` must be one of {', '.join(_COLORS)}; got {self.kind!r}")


def plot_arms(bars: Sequence[Bar], *, unit: str = "utils", ax: Axes | None = None) -> Axes:
    """Draw the value of each arm as a bar with its limits, in the order given.

    Parameters
    ----------
    bars : sequence of Bar
        At least one.
    unit : str
        What a value is: the label of the axis.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Examples
    --------
    >>> from llm_bridge.pages.plots import Bar, plot_arms
    >>> ax = plot_arms([Bar("none", 0.2, 0.1, 0.3, "baseline"), Bar("2 signals", 0.6, 0.5, 0.7)])
    >>> [text.get_text() for text in ax.texts]
    ['0.200', '0.600']
    """
    if not bars:
        raise PersuasionError("`bars` is empty; give at least one arm")
    ax = ready_axes(ax, 6.4, 0.7 + 0.34 * len(bars))
    y = np.arange(len(bars))[::-1]
    for place, bar in zip(y, bars, strict=True):
        ax.barh(place, bar.value, height=0.68, color=_COLORS[bar.kind], alpha=0.85, zorder=2)
        ax.hlines(place, bar.lower, bar.upper, color=ink_of(ax), linewidth=1.6, zorder=3)
        for end in (bar.lower, bar.upper):
            ax.vlines(end, place - 0.17, place + 0.17, color=ink_of(ax), linewidth=1.6, zorder=3)
    low = min(0.0, *(bar.lower for bar in bars))
    high = max(0.0, *(bar.upper for bar in bars))
    span = (high - low) or 1.0
    ax.set_xlim(low - (0.02 * span if low < 0 else 0), high + 0.16 * span)
    for place, bar in zip(y, bars, strict=True):
        number = f"{bar.value:.3f}".replace("-", "−")
        right = max(bar.upper, bar.value, 0.0) + 0.015 * span
        ax.text(right, place, number, va="center", ha="left", fontsize=9, color=ink_of(ax))
    if low < 0:
        ax.axvline(0, color=MUTED, linewidth=0.8, zorder=1)
    ax.set_yticks(y, [plain(shortened(bar.label, _LABEL_LENGTH)) for bar in bars])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, len(bars) - 0.4)
    ax.set_xlabel(unit)
    return ax


def plot_learning(
    curves: Mapping[str, tuple[FloatArray, FloatArray]],
    levels: Mapping[str, float],
    *,
    unit: str = "utils",
    ax: Axes | None = None,
) -> Axes:
    """Draw value against training step, beside the levels that it may be held against.

    Parameters
    ----------
    curves : mapping of str to (steps, values)
    levels : mapping of str to float
        Horizontal lines, such as the optimum of the measured game.
    unit : str
    ax : Axes, optional

    Examples
    --------
    >>> import numpy as np
    >>> from llm_bridge.pages.plots import plot_learning
    >>> ax = plot_learning({"seed 0": (np.arange(3), np.array([0.1, 0.5, 0.7]))}, {"optimum": 0.8})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['seed 0', 'optimum']
    """
    ax = ready_axes(ax, 6.4, 3.6)
    for i, (label, (steps, values)) in enumerate(curves.items()):
        style = ("-", (0, (5, 2)), (0, (1, 1)))[i // len(_CURVES) % 3]
        ax.plot(
            steps, values, color=_CURVES[i % len(_CURVES)], linestyle=style, linewidth=1.8,
            label=plain(shortened(label, _LABEL_LENGTH)),
        )  # fmt: skip
    for i, (label, level) in enumerate(levels.items()):
        ax.axhline(
            level, color=VERMILION, linestyle=((0, (7, 2)), (0, (2, 2)), "-.")[i % 3],
            linewidth=1.6, label=plain(shortened(label, _LABEL_LENGTH)), zorder=1,
        )  # fmt: skip
    ax.set_xlabel("training step")
    ax.set_ylabel(unit)
    legend_below(ax, columns=2 if len(curves) + len(levels) > 3 else 4)
    return ax


def plot_kernels(
    kernels: Mapping[str, FloatArray], items: Sequence[str], signals: Sequence[str]
) -> Axes:
    """Draw several kernels ``[item, signal]`` of one size beside each other.

    Parameters
    ----------
    kernels : mapping of str to ndarray (n_items, n_signals)
        By title, for example "learned" and "optimum".
    items, signals : sequence of str

    Returns
    -------
    Axes
        The first of as many axes as kernels; large ones stand below each other.

    Examples
    --------
    >>> import numpy as np
    >>> from llm_bridge.pages.plots import plot_kernels
    >>> ax = plot_kernels({"learned": np.eye(2), "optimum": np.eye(2)}, ["a", "b"], ["x", "y"])
    >>> [other.get_title() for other in ax.get_figure().axes]
    ['learned', 'optimum']
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not kernels:
        raise PersuasionError("`kernels` is empty; give at least one")
    beside = len(signals) <= 4
    n = len(kernels)
    cell = max(0.72, 0.1 * max(map(len, signals)))
    wide = cell * len(signals)
    high = 0.36 * len(items) + 0.8
    names = 0.09 * max(map(len, items)) + 0.35
    size = (names + n * wide + 0.2 * n, high) if beside else (names + wide, n * high)
    figure = Figure(figsize=size, layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    grid = figure.subplots(1 if beside else n, n if beside else 1, squeeze=False)
    ones = np.ones(len(items)) / len(items)
    zeros = np.zeros((len(items), 1))
    game = PersuasionGame(ones, zeros, zeros, states=items)
    for i, (ax, (title, kernel)) in enumerate(zip(grid.flat, kernels.items(), strict=True)):
        ax.set_facecolor("none")
        ax.xaxis.label.set_color(INK)
        ax.tick_params(colors=INK, labelcolor=INK)
        plot_scheme(SignalingScheme(_rows_to_one(kernel), signals=signals), game=game, ax=ax)
        ax.set_title(plain(title), color=INK, fontsize=10, fontweight="bold", pad=10)
        if beside and i:
            ax.set_yticklabels([])
    first: Axes = grid.flat[0]
    return first


def plot_transfer(
    values: FloatArray,
    reference: FloatArray,
    advisors: Sequence[str],
    receivers: Sequence[str],
    *,
    reference_name: str = "oracle",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each Advisor reaches with each Receiver, over what could be reached.

    Parameters
    ----------
    values : ndarray (n_advisors, n_receivers)
        In utils; NaN where the two never met.
    reference : ndarray (n_receivers,)
        Value of the arm that `values` are held against; the shade is the ratio.
    advisors, receivers : sequence of str
    reference_name : str
    ax : Axes, optional

    Examples
    --------
    >>> import numpy as np
    >>> from llm_bridge.pages.plots import plot_transfer
    >>> ax = plot_transfer(np.array([[0.8, 0.4]]), np.array([0.8, 0.5]), ["math"], ["a", "b"])
    >>> [text.get_text() for text in ax.texts]
    ['0.800', '0.400', '0.800', '0.500']
    """
    from matplotlib.colors import LinearSegmentedColormap

    ax = ready_axes(
        ax,
        0.1 * max(map(len, advisors)) + 0.6 + max(0.9, 0.1 * max(map(len, receivers)))
        * len(receivers),
        1.1 + 0.38 * (len(advisors) + 1),
    )  # fmt: skip
    table = np.vstack([values, reference])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.clip(np.where(reference > 0, table / reference, np.nan), 0, 1)
    shades = LinearSegmentedColormap.from_list("shades", ["#f4f8fb", "#08406b"], bad="#b8b8bc")
    ax.imshow(ratio, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for spine in ax.spines.values():
        spine.set_visible(False)
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            shade = shades(ratio[row, column])
            ax.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=9,
                    color=legible_on(shade))  # fmt: skip
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(receivers)), [plain(shortened(name, 20)) for name in receivers])
    rows = [*advisors, reference_name]
    ax.set_yticks(range(len(rows)), [plain(shortened(name, _LABEL_LENGTH)) for name in rows])
    ax.tick_params(length=0)
    ax.axhline(len(advisors) - 0.5, color=MUTED, linewidth=1.5)
    ax.set_xlabel(plain(f"value; the darker, the closer to the {reference_name} of the Receiver"))
    return ax


def _rows_to_one(kernel: FloatArray) -> FloatArray:
    """Rows that sum to one up to rounding, exactly enough for a scheme."""
    rows: FloatArray = kernel / kernel.sum(axis=-1, keepdims=True)
    return rows
