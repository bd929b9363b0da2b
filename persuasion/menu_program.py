"""Types who report themselves: the best menu of schemes, one for each type.

The Receiver tells the Sender which type she is, not necessarily truly, and is then shown the scheme
meant for that type. A menu may be taken to recommend actions: merging signals after which type k
does the same costs her nothing and tells the others less. So it is one direct scheme per type,
obeyed by its own type, and such that no type gains by asking for another's scheme and doing with
its recommendations whatever suits her. That best of all deviations is a maximum for each
recommendation; with a variable above each maximum the conditions are linear.

What the program returns is not believed: the value, obedience and every type's gain from
misreporting are recomputed from the schemes, the upper bound from the prices and the game.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from time import perf_counter
from typing import Any

import numpy as np

from persuasion.calling import called_like, require_game
from persuasion.candidates import read_utilities
from persuasion.errors import NotSolvedError, PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen
from persuasion.scheme import SignalingScheme
from persuasion.type_mixture import read_weights

__all__ = ["MAX_ENTRIES", "MenuSolution", "n_menu_entries", "solve_menu"]

MAX_ENTRIES = 20_000_000
"""Nonzero entries of the program's matrix up to which it is built (about 1 GB at work)."""
_TOLERANCE = 1e-9
"""Largest residual accepted: what a type may gain by deviating, against the spread of her utility;
duality gap, against the spread of the Sender's."""
_FEASIBLE = 1e-10
_LARGEST_REPAIR = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class MenuSolution:
    """The best menu against types who report themselves, with its certificate.

    Attributes
    ----------
    game : PersuasionGame
    utilities : ndarray (n_types, n_states, n_actions)
    type_weights : ndarray (n_types,)
    value : float
        Sender's expected utility when every type reports herself and obeys, in utils.
    upper_bound : float
        No menu gives more: weak duality, recomputed from the game.
    schemes : tuple of SignalingScheme, length n_types
        The scheme for each report; signals are the recommended actions.
    masses : ndarray (n_types, n_states, n_actions)
        Joint masses of states and recommendations.
    misreport_gains : ndarray (n_types, n_types)
        ``[type, report]``: what a type gains by that report, and doing what suits her then, over
        the truth and obedience, in her utils; the diagonal is her gain from disobeying.
    obedience_prices : ndarray (n_types, n_actions, n_actions)
        Price of type k preferring recommendation a to action b.
    report_prices : ndarray (n_types, n_types, n_actions, n_actions)
        ``[type, report, recommendation, action]``: price of type k's deviation to a report and to
        an action after each recommendation. Prices are in Sender's utils per util of the type.
    seconds : float
    """

    game: PersuasionGame
    utilities: FloatArray
    type_weights: FloatArray
    value: float
    upper_bound: float
    schemes: tuple[SignalingScheme, ...]
    masses: FloatArray
    misreport_gains: FloatArray
    obedience_prices: FloatArray
    report_prices: FloatArray
    seconds: float

    @property
    def n_types(self) -> int:
        """Number of types, K."""
        return len(self.utilities)

    @property
    def duality_gap(self) -> float:
        """``upper_bound - value``, in utils."""
        return self.upper_bound - self.value

    @property
    def incentive_gap(self) -> float:
        """Largest gain from a misreport or from disobedience, against the spread of her utility."""
        return float((self.misreport_gains / _spreads(self.utilities)[:, None]).max())

    def summary(self) -> str:
        """Return a few lines: the value, the bound, the certificate, each type's scheme."""
        names = self.game.actions
        lines = [
            f"{self.game!r} with {self.n_types} types who report themselves",
            f"value        {self.value:.9g} (at most {self.upper_bound:.9g})",
            f"certificate  gain from deviating {self.incentive_gap:.1e}, "
            f"gap {self.duality_gap:.1e}",
        ]
        for k, masses in enumerate(self.masses):
            law = masses.sum(axis=0)
            shown = (f"{name} ({p:.4g})" for name, p in zip(names, law, strict=True) if p > 1e-12)
            lines.append(f"  type {k}: " + ", ".join(shown))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"MenuSolution(value={self.value:.9g}, upper_bound={self.upper_bound:.9g}, "
            f"n_types={self.n_types})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it."""
        return {
            "game": self.game.to_dict(),
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            "schemes": [scheme.to_dict() for scheme in self.schemes],
            "value": self.value,
            "upper_bound": self.upper_bound,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MenuSolution:
        """Restore what `to_dict` wrote."""
        return cls(
            game=PersuasionGame.from_dict(data["game"]),
            schemes=tuple(SignalingScheme.from_dict(scheme) for scheme in data["schemes"]),
            value=data["value"],
            upper_bound=data["upper_bound"],
            seconds=data["seconds"],
            **{name: frozen(np.array(data[name])) for name in _ARRAYS},
        )


_ARRAYS = (
    "utilities",
    "type_weights",
    "masses",
    "misreport_gains",
    "obedience_prices",
    "report_prices",
)


@called_like("solve_menu(game, utilities, weights)")
def solve_menu(game: PersuasionGame, utilities: Any, weights: Any) -> MenuSolution:
    """Find the best menu of schemes for Receivers who report their type.

    Parameters
    ----------
    game : PersuasionGame
        Its own Receiver plays no role; the prior is common to all.
    utilities : array-like, shape (n_types, n_states, n_actions)
        ``utilities[type, state, action]``, in each type's own utils.
    weights : array-like, shape (n_types,)
        Probability of each type.

    Returns
    -------
    MenuSolution

    Raises
    ------
    UnsupportedError
        When the program would have more than `MAX_ENTRIES` entries; the message gives the count.
    NotSolvedError
        When the schemes, recomputed, leave a type a gain from deviating, or miss the dual bound, by
        more than 1e-9.

    Notes
    -----
    With masses ``x_k[w, a]`` of states and recommendations for report k, each with the prior as
    state marginal, the value is ``sum_k c_k <x_k, v>`` and type k's conditions are
    ``<x_k[:, a], u_k[:, a] - u_k[:, b]> >= 0`` for all a, b, and
    ``<x_k, u_k> >= sum_a max_b <x_l[:, a], u_k[:, b]>`` for all other reports l. The value is at
    least that of the best common scheme, `solve(game, types=...)`, and equal to it for one type.
    Symbols: weights = c, utilities = u_k, masses = x_k.
    Source: own derivation by the revelation principle; the setting is that of Kolotilin, Mylovanov,
    Zapechelnyuk & Li, *Persuasion of a Privately Informed Receiver*, Econometrica 85(6), 2017, and,
    with reports, of Castiglioni, Marchesi & Gatti, *Bayesian Persuasion Meets Mechanism Design*,
    AAMAS 2022.
    Departures: none.

    Examples
    --------
    The Sender wants action 1 in state 2. The eager type takes it if state 0 is as likely as the
    others together, the wary type if state 0 is excluded. No signal moves both; a menu may pool
    state 2 with state 0 for one and tell it apart for the other, and neither wants to swap.

    >>> from persuasion import PersuasionGame, solve, solve_menu
    >>> from persuasion import TypeMixture
    >>> eager, wary = [[0, 1], [0, -1], [0, -1]], [[0, -1], [0, 0], [0, 0]]
    >>> game = PersuasionGame(["1/3"] * 3, [[0, 0], [0, 0], [0, 1]], eager)
    >>> menu = solve_menu(game, [eager, wary], [0.5, 0.5])
    >>> common = solve(game, types=TypeMixture([eager, wary], [0.5, 0.5]))
    >>> round(menu.value, 9), round(common.value, 9)
    (0.333333333, 0.166666667)
    """
    started = perf_counter()
    require_game(game)
    tables = read_utilities(game, utilities)
    law = read_weights(weights, len(tables))
    if not game.has_common_prior:
        raise PersuasionError("types share the Sender's prior; drop `receiver_prior` from the game")
    n_entries = n_menu_entries(len(tables), game.n_states, game.n_actions)
    if n_entries > MAX_ENTRIES:
        raise UnsupportedError(
            f"{len(tables)} types with {game.n_states} states and {game.n_actions} actions need a "
            f"program of {n_entries} entries, more than {MAX_ENTRIES}; take fewer types or "
            "actions, or one scheme for all: solve(game, types=...)"
        )
    unit, spreads = _unit_utilities(tables)
    scale = game.sender_scale.width or 1.0
    masses, obedience, reports = _program(game, unit, law, scale)
    masses = _plausible(masses, game.prior)
    gains = _misreport_gains(unit, masses)
    gap = float(gains.max())
    if gap > _TOLERANCE:
        raise NotSolvedError(
            f"a type gains {gap:.1e} of the spread of her utility by deviating from the menu that "
            f"the program returned; {_TOLERANCE:g} is allowed"
        )
    value = float(law @ np.einsum("kwa,wa->k", masses, game.sender_utility))
    upper = _upper_bound(game, unit, law, obedience, reports)
    if not -_TOLERANCE * scale <= upper - value <= _TOLERANCE * scale:
        raise NotSolvedError(
            f"the menu is worth {value:.12g}, its dual bound is {upper:.12g}: more than "
            f"{_TOLERANCE:g} of the spread of the Sender's utility apart"
        )
    return MenuSolution(
        game=game,
        utilities=tables,
        type_weights=law,
        value=value,
        upper_bound=max(upper, value),
        schemes=tuple(_scheme(game, x, table) for x, table in zip(masses, tables, strict=True)),
        masses=frozen(masses),
        misreport_gains=frozen(gains * spreads[:, None]),
        obedience_prices=frozen(obedience / spreads[:, None, None]),
        report_prices=frozen(reports / spreads[:, None, None, None]),
        seconds=perf_counter() - started,
    )


def n_menu_entries(n_types: int, n_states: int, n_actions: int) -> int:
    """Nonzero entries of the program's matrix, at most.

    Examples
    --------
    >>> n_menu_entries(1, 3, 2), n_menu_entries(2, 3, 2)
    (12, 72)
    """
    pairs, cells = n_types * (n_types - 1), n_states * n_actions
    obeyed = n_types * (n_actions - 1) * cells + n_types * cells
    return obeyed + pairs * (n_actions * cells + n_actions**2) + pairs * (cells + n_actions)


# -- the program -------------------------------------------------------------------------------


def _spreads(tables: FloatArray) -> FloatArray:
    """Largest difference that an action can make to each type; 1 where none does."""
    spread: FloatArray = np.ptp(tables, axis=2).max(axis=1)
    return np.where(spread > 0, spread, 1.0)


def _unit_utilities(tables: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Take off what no action changes, and divide by the spread: nothing that types do differs."""
    spreads = _spreads(tables)
    return (tables - tables.min(axis=2, keepdims=True)) / spreads[:, None, None], spreads


def _program(
    game: PersuasionGame, unit: FloatArray, law: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return masses, prices of obedience and prices of reports, in units of scaled utilities."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    n_types, m, n = unit.shape
    masses = np.arange(n_types * m * n).reshape(n_types, m, n)  # columns
    pairs = list(permutations(range(n_types), 2))
    maxima = masses.size + np.arange(len(pairs) * n).reshape(len(pairs), n)
    columns: list[Any] = []
    entries: list[Any] = []

    def row(where: Any, what: Any) -> None:
        columns.append(np.ravel(where))
        entries.append(np.ravel(what))

    obeyed = [(k, a, b) for k in range(n_types) for a, b in permutations(range(n), 2)]
    for k, a, b in obeyed:  # every row: what must be <= 0
        row(masses[k, :, a], unit[k, :, b] - unit[k, :, a])
    for pair, (k, report) in enumerate(pairs):
        for a in range(n):
            for b in range(n):
                row([*masses[report, :, a], maxima[pair, a]], [*unit[k, :, b], -1.0])
    for pair, (k, _) in enumerate(pairs):
        row([*masses[k].ravel(), *maxima[pair]], [*-unit[k].ravel(), *[1.0] * n])
    n_rows, n_columns = len(columns), masses.size + maxima.size
    rows = np.repeat(np.arange(n_rows), [len(c) for c in columns])
    shape = (n_rows, n_columns)
    at_most = coo_array((np.concatenate(entries), (rows, np.concatenate(columns))), shape=shape)
    gain = (law[:, None, None] * game.sender_utility / scale).ravel()
    states = np.arange(n_types * m).repeat(n)
    given = coo_array(
        (np.ones(masses.size), (states, np.arange(masses.size))), shape=(n_types * m, n_columns)
    )
    answer = linprog(
        -np.concatenate([gain, np.zeros(maxima.size)]),
        A_ub=at_most.tocsr(),
        b_ub=np.zeros(n_rows),
        A_eq=given.tocsr(),
        b_eq=np.tile(game.prior, n_types),
        bounds=[(0, None)] * masses.size + [(None, None)] * maxima.size,
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": _FEASIBLE,
            "dual_feasibility_tolerance": _FEASIBLE,
        },
    )
    if answer.status != 0:
        raise NotSolvedError(f"the program for {n_types} reported types failed: {answer.message}")
    prices = np.maximum(-answer.ineqlin.marginals, 0.0) * scale
    obedience = np.zeros((n_types, n, n))
    for (k, a, b), price in zip(obeyed, prices, strict=False):
        obedience[k, a, b] = price
    reports = np.zeros((n_types, n_types, n, n))
    found = prices[len(obeyed) : len(obeyed) + len(pairs) * n * n].reshape(len(pairs), n, n)
    for (k, report), price in zip(pairs, found, strict=True):
        reports[k, report] = price
    return answer.x[: masses.size].reshape(n_types, m, n), obedience, reports


# -- the certificate ---------------------------------------------------------------------------


def _plausible(masses: FloatArray, prior: FloatArray) -> FloatArray:
    """Make the state marginals the prior exactly, as far as rounding goes."""
    kept = np.maximum(masses, 0.0)
    totals = kept.sum(axis=2, keepdims=True)
    off = np.abs(totals[..., 0] - prior).max()
    if off > _LARGEST_REPAIR:
        raise NotSolvedError(f"the program's masses miss the prior by {off:.1e}")
    uniform = np.full(masses.shape[2], 1.0 / masses.shape[2])
    kernel = np.where(totals > 0, kept / np.where(totals > 0, totals, 1.0), uniform)
    plausible: FloatArray = kernel * prior[:, None]
    return plausible


def _misreport_gains(unit: FloatArray, masses: FloatArray) -> FloatArray:
    """Gain of each type from each report and the best actions then, over truth and obedience."""
    truth = np.einsum("kwa,kwa->k", masses, unit)
    at_report = np.einsum("lwa,kwb->klab", masses, unit).max(axis=3).sum(axis=2)
    gains: FloatArray = at_report - truth[:, None]
    return gains


def _upper_bound(
    game: PersuasionGame,
    unit: FloatArray,
    law: FloatArray,
    obedience: FloatArray,
    reports: FloatArray,
) -> float:
    """Return what no menu exceeds, from any prices >= 0 and the game alone.

    Every menu satisfies its conditions, so that adding them with prices >= 0 can only raise its
    value; the rest is at most the best entry of each state and report. A misreport has a price for
    every recommendation; the truth is credited with the largest, and as what types get is >= 0
    here, the difference can be left out.
    """
    worth = law[:, None, None] * game.sender_utility[None]
    worth = worth + unit * obedience.sum(axis=2)[:, None, :]
    worth -= np.einsum("kab,kwb->kwa", obedience, unit)
    truthful = reports.sum(axis=3).max(axis=2).sum(axis=1)  # over all other reports
    worth += truthful[:, None, None] * unit
    worth -= np.einsum("klab,kwb->lwa", reports, unit)
    return float((worth.max(axis=2) @ game.prior).sum())


def _scheme(game: PersuasionGame, masses: FloatArray, table: FloatArray) -> SignalingScheme:
    """The scheme with these masses; in impossible states what the type likes best."""
    likes = np.eye(game.n_actions)[table.argmax(axis=1)]
    prior = game.prior[:, None]
    kernel = np.where(prior > 0, masses / np.where(prior > 0, prior, 1.0), likes)
    return SignalingScheme(kernel / kernel.sum(axis=1, keepdims=True), signals=game.actions)
