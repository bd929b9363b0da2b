"""A picture of what arms are worth against the price of the better action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from persuasion.errors import PersuasionError
from persuasion.plot.canvas import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    VERMILION,
    legend_below,
    plain,
    ready_axes,
)
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Kind", "PriceCurve", "plot_prices"]

_PURPLE = "#cc79a7"
_STYLES = {
    "baseline": (MUTED, "-", 1.6),
    "disclosure": (GREEN, (0, (6, 2)), 1.8),
    "optimum": (VERMILION, "-", 2.2),
    "persuaded": (BLUE, "-", 2.6),
    "labels": (_PURPLE, (0, (4, 2)), 1.8),
    "control": (ORANGE, (0, (1, 1.2)), 2.4),
}
Kind = Literal["baseline", "disclosure", "optimum", "persuaded", "labels", "control"]


@dataclass(frozen=True, eq=False)
class PriceCurve:
    """One arm at several prices.

    Parameters
    ----------
    label : str
    values : ndarray (n_prices,)
    limits : (ndarray, ndarray), optional
        Lower and upper, drawn as a band.
    kind : str
        "baseline", "disclosure", "optimum", "persuaded", "labels" or "control": how it is drawn.
    """

    label: str
    values: FloatArray
    limits: tuple[FloatArray, FloatArray] | None = None
    kind: Kind = "persuaded"


def plot_prices(
    prices: Sequence[float],
    curves: Sequence[PriceCurve],
    *,
    unit: str = "utils",
    ax: Axes | None = None,
) -> Axes:
    """Draw the value of each arm against a price.

    Parameters
    ----------
    prices : sequence of float
        Increasing.
    curves : sequence of PriceCurve
        At least one.
    unit : str
        What a value is: the label of the axis.
    ax : Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import numpy as np
    >>> from llm_bridge.pages.price_plot import PriceCurve, plot_prices
    >>> ax = plot_prices([0.3, 0.4], [PriceCurve("told", np.array([0.5, 0.4]))])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['told']
    """
    if not curves:
        raise PersuasionError("`curves` is empty; give at least one")
    ax = ready_axes(ax, 6.8, 4.4)
    for curve in curves:
        color, line, width = _STYLES[curve.kind]
        above = 3.0 if curve.kind == "persuaded" else 2.5
        if curve.limits is not None:
            ax.fill_between(prices, *curve.limits, color=color, alpha=0.15, linewidth=0, zorder=1)
        ax.plot(
            prices, curve.values, color=color, linestyle=line, linewidth=width, marker="o",
            markersize=3.5, label=plain(curve.label), zorder=above,
        )  # fmt: skip
    ax.set_xlabel("price of asking the large model (right answers per question)")
    ax.set_ylabel(unit)
    legend_below(ax, columns=2)
    return ax
