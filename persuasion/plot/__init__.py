"""Pictures of games, schemes and values, one file each.

Every function returns the matplotlib `Axes` it drew on, accepts `ax=` to draw on one of yours, and
never opens a window. matplotlib is imported by the first call, not by this package. Without
`ax=` the figure is independent of pyplot: save it with ``ax.figure.savefig("picture.svg")``.
"""

from __future__ import annotations

from persuasion.plot.closure import plot_closure
from persuasion.plot.concavification import plot_concavification
from persuasion.plot.heatmap import plot_scheme
from persuasion.plot.regret import plot_regret
from persuasion.plot.simplex import plot_simplex
from persuasion.plot.sliders import explore
from persuasion.plot.value import plot_value_over_priors

__all__ = [
    "explore",
    "plot_closure",
    "plot_concavification",
    "plot_regret",
    "plot_scheme",
    "plot_simplex",
    "plot_value_over_priors",
]
