"""Ink, paper, palette and labels: what all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "GREEN",
    "HATCHES",
    "INK",
    "MUTED",
    "ORANGE",
    "PAPER",
    "REGIONS",
    "VERMILION",
    "ink_of",
    "legend_below",
    "paper_of",
    "percent",
    "place_labels",
    "plain",
    "ready_axes",
    "shortened",
]

# A report maps the first three to the reader's light or dark theme; each is used for nothing else.
INK = "#1b1b1c"
PAPER = "#fefefd"
MUTED = "#76767b"

# Okabe & Ito, *Color Universal Design*, 2008: told apart with any common colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
REGIONS = ("#56b4e9", ORANGE, GREEN, "#cc79a7", "#f0e442", BLUE, VERMILION)
HATCHES = ("", "//", "..", "\\\\", "xx")


def ready_axes(ax: Axes | None, width: float = 6.4, height: float = 4.2) -> Axes:
    """Return `ax`, or the axes of a new figure of `width` x `height` inches, in our colours."""
    if ax is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        ax.set_facecolor("none")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for spine in ax.spines.values():
            spine.set_color(MUTED)
        ax.tick_params(colors=INK, labelcolor=INK)
        ax.xaxis.label.set_color(INK)
        ax.yaxis.label.set_color(INK)
        ax.title.set_color(INK)
    return ax


def ink_of(ax: Axes) -> str:
    """Colour to write with: our ink, or that of the theme that the caller's axes follow."""
    from matplotlib.colors import to_hex

    return to_hex(ax.xaxis.label.get_color())


def paper_of(ax: Axes) -> str:
    """Colour behind the drawing."""
    from matplotlib.colors import to_hex

    figure = ax.get_figure(root=True)
    return PAPER if figure is None else to_hex(figure.get_facecolor())


def percent(share: float) -> str:
    """Write a share of one with three significant digits.

    Examples
    --------
    >>> percent(0.6), percent(2 / 3), percent(0.00123)
    ('60 %', '66.7 %', '0.123 %')
    """
    return f"{100 * share:.3g} %"


def shortened(label: str, length: int) -> str:
    """Cut a label to `length` characters, the last one an ellipsis.

    Examples
    --------
    >>> shortened("conviction", 8), shortened("acquit", 8)
    ('convict…', 'acquit')
    """
    return label if len(label) <= length else label[: length - 1].rstrip() + "…"


def plain(label: str) -> str:
    r"""Make a label one printable line, in which matplotlib reads no mathematics.

    Examples
    --------
    >>> plain("a\nb $x$\x1b")
    'a b \\$x\\$�'
    """
    line = " ".join(label.split()).replace("$", r"\$")
    return "".join(c if c.isprintable() else "\ufffd" for c in line)


def legend_below(ax: Axes, columns: int = 2) -> None:
    """Put the legend under the axes, where it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    legend = ax.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=min(columns, max(len(labels), 1)),
        frameon=False,
        labelcolor=ink_of(ax),
        fontsize=9,
        handlelength=2.2,
    )
    legend.set_in_layout(True)


def place_labels(
    ax: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    radii: Sequence[float] | None = None,
    lines: FloatArray | None = None,
    artists: Sequence[Artist] = (),
    fontsize: float = 9.0,
) -> None:
    """Write each text near its point, away from lines, artists and the other texts.

    Tries the eight compass directions at growing distance and keeps the one whose box covers the
    least. The limits of the axes must be final.

    Parameters
    ----------
    ax : Axes
    points : sequence of (x, y)
        Data coordinates that the texts belong to; they are kept uncovered as well.
    texts : sequence of str
    radii : sequence of float, optional
        Size of the marker at each point, in points.
    lines : ndarray (n, 2), optional
        Data coordinates to be left uncovered: dense points along every line.
    artists : sequence of Artist, optional
        Texts and markers to be left uncovered.
    fontsize : float
        In points.
    """
    from matplotlib.patheffects import withStroke

    figure = ax.get_figure(root=True)
    if figure is None or not texts:
        return
    figure.draw_without_rendering()
    blocked = ax.transData.transform(np.asarray(points, dtype=float).reshape(-1, 2))
    if lines is not None and len(lines):
        blocked = np.concatenate([blocked, ax.transData.transform(lines)])
    frame = ax.get_window_extent()
    taken = [artist.get_window_extent() for artist in artists]
    sizes = [3.0] * len(texts) if radii is None else radii
    for point, text, size in zip(points, texts, sizes, strict=True):
        note = ax.annotate(
            plain(text),
            point,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=fontsize,
            color=ink_of(ax),
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2.5, foreground=paper_of(ax))],
            zorder=9,
        )
        choices = []
        for cost, (dx, dy, ha, va) in enumerate(_DIRECTIONS):
            for gap in (size + 2, size + 6, size + 12, size + 20):
                note.set(position=(dx * gap, dy * gap), ha=ha, va=va)
                box = note.get_window_extent().padded(2.0)
                inside = (blocked > box.min).all(axis=1) & (blocked < box.max).all(axis=1)
                beyond = np.maximum([frame.x0 - box.x0, frame.y0 - box.y0], 0).sum()
                beyond += np.maximum([box.x1 - frame.x1, box.y1 - frame.y1], 0).sum()
                covered = 50.0 * sum(box.overlaps(other) for other in taken) + 3.0 * inside.sum()
                penalty = covered + float(beyond) + 0.1 * gap + 0.2 * cost
                choices.append((penalty, (dx * gap, dy * gap), ha, va))
        _, position, ha, va = min(choices)
        note.set(position=position, ha=ha, va=va)
        taken.append(note.get_window_extent())


_DIRECTIONS = (
    (0.0, 1.0, "center", "bottom"),
    (1.0, 0.0, "left", "center"),
    (0.7, 0.7, "left", "bottom"),
    (-0.7, 0.7, "right", "bottom"),
    (-1.0, 0.0, "right", "center"),
    (0.7, -0.7, "left", "top"),
    (-0.7, -0.7, "right", "top"),
    (0.0, -1.0, "center", "top"),
)
