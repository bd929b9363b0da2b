"""The value of one game at many priors, with few solves.

A prior enters the obedience program only on its right-hand side. So the basis of one optimum stays
optimal at every prior at which its masses, linear in the prior, stay nonnegative and obeyed, and
its state prices bound the value from above at every prior. Priors whose two bounds meet are done
without a solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from persuasion.backends import Workers
from persuasion.beliefs import indirect_utility
from persuasion.calling import called_like, require_game
from persuasion.errors import GameError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.many import Progress, solved_in_order, watched
from persuasion.problem import Candidate, IntArray
from persuasion.rationals import FloatArray, frozen, read_numbers
from persuasion.receivers import Bayesian
from persuasion.results import OPTIMAL, Solution

__all__ = ["PriorSweep", "value_over_priors"]

_AGREE = 1e-10
"""Largest gap between the bounds of a prior taken as solved, against the Sender's stakes."""
_OBEYED = 1e-11
"""Largest loss from obeying that is taken as rounding, against the largest the row could show."""
_NEGATIVE = 1e-12
"""Most negative mass that is taken as rounding, against the state's weight."""
_CHUNK = 2_000_000
"""Numbers held at once while priors are checked."""
_SHARE = 4
"""One prior is solved at a time, then a quarter of as many as have been, so few in vain."""
_MOST_AT_ONCE = 256
_NEAR = 0.3
"""L1 distance of priors up to which the one's basis is worth starting from at the other."""
_REUSABLE = {"method", "tolerance", "time_limit"}


@dataclass(frozen=True, eq=False)
class PriorSweep:
    """Values of one game at many priors.

    Attributes
    ----------
    game : PersuasionGame
    priors : ndarray (n_priors, n_states)
    values : ndarray (n_priors,)
        Sender's optimal value at each prior, in utils.
    upper_bounds : ndarray (n_priors,)
        Bounds by weak duality; equal to `values` up to rounding.
    no_disclosure, full_disclosure : ndarray (n_priors,)
        Sender's value when nothing, or the state, is told.
    n_solved : int
        Priors that were solved; all others were certified from these.
    seconds : float
        Wall time of the whole call.
    """

    game: PersuasionGame
    priors: FloatArray
    values: FloatArray
    upper_bounds: FloatArray
    no_disclosure: FloatArray
    full_disclosure: FloatArray
    n_solved: int
    seconds: float

    @property
    def n_priors(self) -> int:
        """Number of priors."""
        return len(self.priors)

    @property
    def gain(self) -> FloatArray:
        """Gain from persuasion: the optimum minus the value of saying nothing, (n_priors,)."""
        return self.values - self.no_disclosure

    def summary(self) -> str:
        """Return a few lines that say what was found."""
        best = int(self.gain.argmax())
        return "\n".join(
            [
                repr(self.game),
                f"priors           {self.n_priors}, of which {self.n_solved} were solved",
                f"value            {self.values.min():.6g} to {self.values.max():.6g}",
                f"largest gain     {self.gain[best]:.6g} at prior {best}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        arrays = ("priors", "values", "upper_bounds", "no_disclosure", "full_disclosure")
        return {
            "game": self.game.to_dict(),
            **{name: getattr(self, name).tolist() for name in arrays},
            "n_solved": self.n_solved,
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        return f"PriorSweep(n_priors={self.n_priors}, n_solved={self.n_solved})"


@called_like("value_over_priors(game, [[0.7, 0.3], [0.4, 0.6]])")
def value_over_priors(
    game: PersuasionGame,
    priors: Any,
    *,
    n_jobs: int | None = None,
    backend: str | Workers | None = None,
    scheduler: str | None = None,
    progress: Progress = None,
    **options: Any,
) -> PriorSweep:
    """Find the Sender's optimal value at every prior of a list.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior, which is not used.
    priors : array-like, shape (n_priors, n_states)
        Each row a prior; zeros are legal.
    n_jobs, backend, scheduler : optional
        Who solves, as in `solve_many`; the same bits come out, whoever does.
    progress : bool or callable, optional
        As in `solve_many`.
    **options
        Passed to `solve`. With `receiver`, `margin`, `max_signals` or `exact` every prior is
        solved; else only as many as needed.

    Returns
    -------
    PriorSweep

    Raises
    ------
    GameError
        When a row is not a prior; the message names it.
    UnsupportedError
        When the game has subjective priors.

    Notes
    -----
    Symbols: the concave closure of v-hat, along the priors.
    Source: parametric linear programming; Kamenica & Gentzkow, AER 101(6), 2011.
    Departures: none.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> guilty = np.linspace(0, 1, 101)
    >>> sweep = value_over_priors(game, np.stack([1 - guilty, guilty], axis=1))
    >>> sweep.values[[0, 30, 70]].round(9).tolist(), sweep.n_solved < 5
    ([0.0, 0.6, 1.0], True)
    """
    started = perf_counter()
    require_game(game)
    if not game.has_common_prior:
        raise UnsupportedError(
            "value_over_priors moves one common prior, but the game has a receiver_prior of its "
            "own; use solve_many([game.with_prior(p, receiver_prior=q) for p, q in ...])"
        )
    table, rows = _read_priors(game, priors)
    ordinary = all(key in _REUSABLE or _is_default(key, value) for key, value in options.items())
    if ordinary:
        states = indirect_utility(game, np.eye(game.n_states))
        with Workers.of(n_jobs, backend, scheduler) as workers:
            values, bounds, n_solved = _sweep(game, table, rows, workers, progress, options)
        no_disclosure, full_disclosure = indirect_utility(game, table), table @ states
    else:
        with Workers.of(n_jobs, backend, scheduler) as workers:
            solutions = solved_in_order(
                [game.with_prior(row) for row in rows],
                "row {} of `priors`".format,
                workers=workers,
                progress=progress,
                options=options,
            )
        values = np.array([float(s.value) for s in solutions])
        bounds = np.array([float(s.upper_bound) for s in solutions])
        no_disclosure = np.array([s.no_disclosure for s in solutions])
        full_disclosure = np.array([s.full_disclosure for s in solutions])
        n_solved = len(solutions)
    return PriorSweep(
        game=game,
        priors=frozen(table),
        values=frozen(values),
        upper_bounds=frozen(bounds),
        no_disclosure=frozen(no_disclosure),
        full_disclosure=frozen(full_disclosure),
        n_solved=n_solved,
        seconds=perf_counter() - started,
    )


def _is_default(key: str, value: Any) -> bool:
    if key == "receiver":
        return value is None or value == Bayesian()
    return key in ("margin", "max_signals", "exact") and not value


def _read_priors(game: PersuasionGame, priors: Any) -> tuple[FloatArray, Sequence[Any]]:
    """Priors as floats that sum to one, and as given; an error names the row."""
    legal = f"(n_priors, {game.n_states}), one prior per row"
    if np.ndim(priors) != 2:
        raise GameError(f"`priors` must have shape {legal}; got shape {np.shape(priors)}")
    numbers = read_numbers(priors, "priors", 2, GameError)
    floats = numbers.floats
    if floats.shape[1] != game.n_states or len(floats) == 0:
        raise GameError(f"`priors` must have shape {legal}; got shape {floats.shape}")
    rows: Sequence[Any] = list(floats)
    if numbers.exact is not None:
        m = game.n_states
        rows = [numbers.exact[i : i + m] for i in range(0, len(numbers.exact), m)]
    totals = floats.sum(axis=1)
    slack = 1e-9 if numbers.has_floats else 0.0
    bad = (floats.min(axis=1) < 0) | (np.abs(totals - 1) > slack)
    if numbers.exact is not None and not numbers.has_floats:
        bad |= [sum(row) != 1 for row in rows]
    for i in np.flatnonzero(bad).tolist():
        try:
            game.with_prior(rows[i])
        except GameError as failure:
            raise GameError(f"row {i} of `priors`: {failure}") from failure
    return floats / totals[:, None], rows


def _sweep(
    game: PersuasionGame,
    table: FloatArray,
    rows: Sequence[Any],
    workers: Workers,
    progress: Progress,
    options: dict[str, Any],
) -> tuple[FloatArray, FloatArray, int]:
    """Solve a prior, certify what its basis certifies, and go on with what is left."""
    values = np.full(len(table), np.nan)
    bounds = np.full(len(table), np.inf)
    gains = game.sender_utility
    stakes = table @ np.ptp(gains, axis=1)
    stakes = np.maximum(stakes, 1e-6 * (table @ np.abs(gains).max(axis=1)))
    left = np.arange(len(table))
    n_solved = 0
    known = _Known()
    with watched(len(table), progress, "solving priors") as advance:
        while left.size:
            before = left.size
            # which priors are solved must not depend on who solves them: nor may their number
            count = min(max(1, n_solved // _SHARE), _MOST_AT_ONCE, left.size)
            chosen = left[(np.arange(count) * 2 + 1) * left.size // (2 * count)]
            solutions = solved_in_order(
                [game.with_prior(rows[i]) for i in chosen],
                lambda index, chosen=chosen: f"row {chosen[index]} of `priors`",  # type: ignore[misc]
                workers=workers,
                progress=False,
                options=options,
                starts=[known.nearest(table[i]) for i in chosen],
            )
            n_solved += count
            known.add(table[chosen], solutions)
            for i, solution in zip(chosen.tolist(), solutions, strict=True):
                values[i] = float(solution.value)
                bounds[i] = min(bounds[i], float(solution.upper_bound))
            left = np.setdiff1d(left, chosen)
            for solution in solutions:
                basis = _Basis.of(solution)
                if basis is None or left.size == 0:
                    continue
                above = table[left] @ basis.state_prices
                bounds[left] = np.minimum(bounds[left], above)
                # elsewhere these prices are known not to be the best
                worth_a_look = left[above <= bounds[left] + _AGREE * stakes[left]]
                found = basis.values(table[worth_a_look])
                with np.errstate(invalid="ignore"):
                    good = np.abs(bounds[worth_a_look] - found) <= _AGREE * stakes[worth_a_look]
                values[worth_a_look[good]] = found[good]
                left = np.setdiff1d(left, worth_a_look[good])
            advance(before - left.size)
    return values, bounds, n_solved


@dataclass(slots=True)
class _Known:
    """Solutions found so far, the last few, to begin the next ones at."""

    priors: FloatArray | None = None
    solutions: list[Solution] = field(default_factory=list)

    def add(self, priors: FloatArray, solutions: list[Solution]) -> None:
        """Remember what was found at these priors."""
        old = [] if self.priors is None else [self.priors]
        self.priors = np.concatenate([*old, priors])[-_MOST_AT_ONCE:]
        self.solutions = [*self.solutions, *solutions][-_MOST_AT_ONCE:]

    def nearest(self, prior: FloatArray) -> Solution | None:
        """Return the solution at the nearest prior; its basis has feasible prices here too."""
        if self.priors is None:
            return None
        distance = np.abs(self.priors - prior).sum(axis=1)
        nearest = int(distance.argmin())
        return self.solutions[nearest] if distance[nearest] < _NEAR else None


@dataclass(slots=True)
class _Basis:
    """Masses of the basic cells as linear functions of the prior.

    Attributes
    ----------
    game : PersuasionGame
    state_prices : ndarray (n_states,)
    states, actions : ndarray (k,)
        The basic cells.
    inverse : ndarray (k, n_states)
        Masses of the cells per unit of prior.
    outside : ndarray of bool (n_states,)
        States that the basis knows nothing about.
    """

    game: PersuasionGame
    state_prices: FloatArray
    states: IntArray
    actions: IntArray
    inverse: FloatArray
    outside: Any

    @classmethod
    def of(cls, solution: Solution) -> _Basis | None:
        """Read the basis of a solution, None where it has none."""
        candidate, problem, game = solution.candidate, solution.problem, solution.game
        if solution.status != OPTIMAL or problem is None:
            return None
        if not isinstance(candidate, Candidate) or candidate.vertex is None:
            return None
        cells, rows = candidate.vertex.cells, candidate.vertex.rows
        support = np.arange(game.n_states) if problem.support is None else problem.support
        if len(cells) != len(support) + len(rows):
            return None
        states, actions = support[cells[:, 0]], cells[:, 1]
        system = np.zeros((len(cells), len(cells)))
        system[cells[:, 0], np.arange(len(cells))] = 1.0
        utility = game.receiver_utility
        for i, (a, b) in enumerate(rows.tolist(), start=len(support)):
            advantage = np.where(actions == a, utility[states, a] - utility[states, b], 0.0)
            system[i] = advantage / (np.abs(advantage).max() or 1.0)
        try:
            solved = np.linalg.solve(system, np.eye(len(cells), len(support)))
        except np.linalg.LinAlgError:
            return None
        inverse = np.zeros((len(cells), game.n_states))
        inverse[:, support] = solved
        outside = np.ones(game.n_states, dtype=bool)
        outside[support] = False
        return cls(game, solution.state_prices, states, actions, inverse, outside)

    def values(self, priors: FloatArray) -> FloatArray:
        """Sender's value of the basis at each prior; nan where it is no scheme or disobeyed."""
        size = len(self.states) + self.game.n_states + self.game.n_actions
        step = max(1, _CHUNK // size)
        parts = [self._values(priors[i : i + step]) for i in range(0, len(priors), step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _values(self, priors: FloatArray) -> FloatArray:
        masses = priors @ self.inverse.T
        weights = priors[:, self.states]
        legal = (masses >= -_NEGATIVE * weights).all(axis=1) & ~priors[:, self.outside].any(axis=1)
        out = np.full(len(priors), np.nan)
        kept = np.flatnonzero(legal)
        masses, weights, priors = np.maximum(masses[kept], 0.0), weights[kept], priors[kept]
        # exactly plausible: each state's masses divided by their sum
        of_state = np.zeros((len(self.states), self.game.n_states))
        of_state[np.arange(len(self.states)), self.states] = 1.0
        totals = (masses @ of_state)[:, self.states]
        masses = masses * np.divide(weights, totals, out=np.ones_like(totals), where=totals > 0)
        worth = masses @ self.game.sender_utility[self.states, self.actions]
        fine = self._obeyed(masses, priors)
        out[kept[fine]] = worth[fine]
        return out

    def _obeyed(self, masses: FloatArray, priors: FloatArray) -> Any:
        """Whether every recommendation is obeyed up to rounding, per prior."""
        utility = self.game.receiver_utility
        fine = np.ones(len(masses), dtype=bool)
        for a in np.unique(self.actions).tolist():
            cells = np.flatnonzero(self.actions == a)
            against = masses[:, cells] @ utility[self.states[cells]]
            loss = against - against[:, [a]]
            at, b = np.nonzero(loss > 0)
            might = (priors[at] * np.abs(utility[:, a] - utility[:, b].T)).max(axis=1)
            fine[at[loss[at, b] > _OBEYED * might]] = False
        return fine
