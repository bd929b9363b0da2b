"""How much slack to ask of a scheme when the Receiver's utility was measured, not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from persuasion.errors import InfeasibleError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian
from persuasion.results import Solution
from persuasion.solve import solve
from persuasion.values import sender_value

__all__ = ["MARGIN_GRID", "BootstrapMargins", "bootstrap_margins", "solve_with_margin"]

MARGIN_GRID = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Margins that the bootstrap compares, in widths of the Receiver's declared range."""
_MOST_HALVINGS = 20
_AGAINST_HER = Bayesian(ties="adversarial")


def solve_with_margin(
    game: PersuasionGame, margin: float | Fraction | str, **options: Any
) -> Solution:
    """Solve with obedience slack, halving the margin until some scheme has it.

    Parameters
    ----------
    game : PersuasionGame
    margin : float, Fraction or string, >= 0
        As in `persuasion.solve`, in utils of the Receiver.
    **options
        Passed to `persuasion.solve`.

    Returns
    -------
    Solution
        ``options["margin"]`` is the margin that was met, 0 after twenty halvings. Where it is not
        the one asked for, ``options["margin_asked"]`` is, and `attempts` lists each refusal.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.margin_rules import solve_with_margin
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> solution = solve_with_margin(game, 1.5)
    >>> solution.options
    {'margin': 0.75, 'margin_asked': 1.5}
    >>> solution.attempts[0][0]
    'margin 1.5'
    """
    refused: list[tuple[str, str]] = []
    tried = Fraction(margin) if isinstance(margin, str) else margin
    while True:
        try:
            solution = solve(game, margin=tried, **options)
        except InfeasibleError as failure:
            if tried == 0:
                raise
            refused.append((f"margin {float(tried):g}", f"halved: {failure}"))
            tried = tried / 2 if len(refused) <= _MOST_HALVINGS else 0
            continue
        if not refused:
            return solution
        return replace(
            solution,
            attempts=(*refused, *solution.attempts),
            options={**solution.options, "margin": tried, "margin_asked": margin},
        )


@dataclass(frozen=True, eq=False)
class BootstrapMargins:
    """What each margin was worth when the measurement was repeated on paper.

    Attributes
    ----------
    margins : ndarray (n_margins,)
        In utils of the Receiver, increasing.
    values : ndarray (n_resamples, n_margins)
        Sender's value, in the game of all samples, of the scheme found from a resample.
    """

    margins: FloatArray
    values: FloatArray

    @property
    def means(self) -> FloatArray:
        """Mean value of each margin over the resamples, shape (n_margins,)."""
        return np.asarray(self.values.mean(axis=0))

    @property
    def best(self) -> float:
        """The margin of greatest mean value; among equals the largest, which risks least."""
        means = self.means
        near = np.flatnonzero(means >= means.max() - 1e-12 * max(1.0, float(np.abs(means).max())))
        return float(self.margins[near[-1]])


def bootstrap_margins(
    game: PersuasionGame, resamples: Iterator[PersuasionGame], margins: Sequence[float]
) -> BootstrapMargins:
    """Hold the schemes of resampled games against the game of all samples.

    Parameters
    ----------
    game : PersuasionGame
        Means of all samples, the truth as far as the resamples are concerned.
    resamples : iterator of PersuasionGame
    margins : sequence of float, >= 0
        In utils of the Receiver.

    Notes
    -----
    Each resampled game is solved with each margin (`solve_with_margin`, so one that is too large
    counts as the largest feasible of its halves), and the scheme is played in `game` by a Receiver
    who takes her best response there and, when indifferent, the one worst for the Sender: a scheme
    that was optimal just so in the resample is worth nothing more than it deserves.
    """
    grid = np.unique(np.asarray(margins, dtype=np.float64))
    if grid.size == 0 or not np.isfinite(grid).all() or grid[0] < 0:
        raise PersuasionError(
            f"`grid` must hold one or more finite margins >= 0; got {list(margins)!r}"
        )
    values = [
        [
            sender_value(game, solve_with_margin(again, margin).scheme, _AGAINST_HER)
            for margin in grid.tolist()
        ]
        for again in resamples
    ]
    return BootstrapMargins(grid, np.array(values))
