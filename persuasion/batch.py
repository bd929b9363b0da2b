"""Many games of one shape at once, as stacked arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.calling import called_like
from persuasion.errors import GameError, NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.interruptible import interruptible
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray, frozen
from persuasion.results import Solution
from persuasion.solve import solve

__all__ = ["BatchSolution", "solve_batch"]

_SLACK = 1e-9
"""By how much a prior may miss the sum 1, as in `PersuasionGame`."""
_BLOCKS = 8
"""Blocks per thread: enough to even out games that take long."""
_REPAIRABLE = 1e-6
"""Plausibility that `Residuals.obeys` accepts."""


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """Optimal schemes of many games, each certified like a `Solution`.

    Attributes
    ----------
    priors : ndarray (n_games, n_states)
    sender_utilities, receiver_utilities : ndarray (n_games, n_states, n_actions)
    values, upper_bounds : ndarray (n_games,)
        In utils of the Sender; bounds by weak duality.
    kernels : ndarray (n_games, n_states, n_actions)
        Probability of each recommendation in each state.
    masses : ndarray (n_games, n_states, n_actions)
        Joint masses, ``priors[..., None] * kernels``.
    state_prices : ndarray (n_games, n_states)
    obedience_prices : ndarray (n_games, n_actions, n_actions)
    plausibility, obedience, duality_gap : ndarray (n_games,)
        The numbers of `Residuals`, of which each passed the tolerance.
    handed_over : mapping of int to Solution
        Games that the compiled method did not answer to the tolerance, and what `solve` found.
    seconds : float
        Wall time of the whole call.
    """

    priors: FloatArray
    sender_utilities: FloatArray
    receiver_utilities: FloatArray
    values: FloatArray
    upper_bounds: FloatArray
    kernels: FloatArray
    masses: FloatArray
    state_prices: FloatArray
    obedience_prices: FloatArray
    plausibility: FloatArray
    obedience: FloatArray
    duality_gap: FloatArray
    handed_over: Mapping[int, Solution] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.values)

    def game(self, index: int) -> PersuasionGame:
        """Return one of the games."""
        return PersuasionGame(
            self.priors[index], self.sender_utilities[index], self.receiver_utilities[index]
        )

    def __repr__(self) -> str:
        _, m, n = self.masses.shape
        return (
            f"BatchSolution(n_games={len(self)}, n_states={m}, n_actions={n}, "
            f"handed_over={len(self.handed_over)})"
        )


@called_like("solve_batch(priors, sender_utilities, receiver_utilities)")
def solve_batch(
    priors: Any,
    sender_utilities: Any,
    receiver_utilities: Any,
    *,
    n_jobs: int = 1,
    tolerance: float = 1e-9,
) -> BatchSolution:
    """Solve games of equal shape, given as stacked arrays.

    Ten times faster than `solve` for games of a few states, most of whose time goes into objects.
    Without numba, and for games on which the compiled method fails, each game goes to `solve`.

    Parameters
    ----------
    priors : array-like, shape (n_games, n_states) or (n_states,)
    sender_utilities, receiver_utilities : array-like
        Shape (n_games, n_states, n_actions), or (n_states, n_actions) where all games share one.
    n_jobs : int
        Threads; -1 for one per core. The answers do not depend on it.
    tolerance : float
        Largest residual accepted, as in `solve`.

    Returns
    -------
    BatchSolution

    Raises
    ------
    GameError
        When shapes do not fit, a number is not finite or a row is no prior; the message says which.
    NotSolvedError
        When no method has a certified answer to some game; the message gives its index.

    Notes
    -----
    Numbers are floats and the Receiver is Bayesian with the Sender's prior; for anything else take
    `solve_many`.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion import solve_batch
    >>> guilty = np.array([0.1, 0.3, 0.7])
    >>> priors = np.stack([1 - guilty, guilty], axis=1)
    >>> found = solve_batch(priors, [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> found.values.round(9).tolist(), found.duality_gap.max() < 1e-9
    ([0.2, 0.6, 1.0], np.True_)
    """
    from persuasion.solvers import structured

    started = perf_counter()
    mu, v, u = _stacked(priors, sender_utilities, receiver_utilities)
    if not 0 < tolerance < 1:
        raise PersuasionError(f"`tolerance` must be between 0 and 1, like 1e-9; got {tolerance}")
    threads = _threads(n_jobs)
    n_games, m, n = v.shape
    masses, kernels = np.zeros(v.shape), np.zeros(v.shape)
    state_prices, prices = np.zeros((n_games, m)), np.zeros((n_games, n, n))
    numbers, status = np.full((n_games, 5), np.inf), np.full(n_games, -1)
    if structured.switched_off() is None and n_games:
        arguments = (mu, v, u, structured.pivot_budget(m, n))
        results = (masses, kernels, state_prices, prices, numbers, status)
        _in_blocks(n_games, threads, arguments, results)
    passed = (
        (status == 0)
        & (numbers[:, 2] <= _REPAIRABLE)
        & (numbers[:, 3] <= 1e-3 * tolerance)
        & (numbers[:, 4] <= tolerance)
    )
    handed_over: dict[int, Solution] = {}
    for i in np.flatnonzero(~passed).tolist():
        try:
            found = solve(PersuasionGame(mu[i], v[i], u[i]), tolerance=tolerance)
        except NotSolvedError as failure:
            raise NotSolvedError(f"game {i}: {failure}", failure.attempts) from failure
        handed_over[i] = found
        kernels[i], prices[i], state_prices[i] = _read(found)
        masses[i] = mu[i][:, None] * kernels[i]
        residuals = found.residuals
        numbers[i] = (
            float(found.value),
            float(found.upper_bound),
            residuals.plausibility,
            residuals.obedience,
            residuals.duality_gap,
        )
    values, upper_bounds, plausibility, obedience, gap = (frozen(x) for x in numbers.T.copy())
    return BatchSolution(
        priors=frozen(mu),
        sender_utilities=frozen(v),
        receiver_utilities=frozen(u),
        values=values,
        upper_bounds=upper_bounds,
        kernels=frozen(kernels),
        masses=frozen(masses),
        state_prices=frozen(state_prices),
        obedience_prices=frozen(prices),
        plausibility=plausibility,
        obedience=obedience,
        duality_gap=gap,
        handed_over=handed_over,
        seconds=perf_counter() - started,
    )


@cache
def _kernel() -> Any:
    from persuasion.batch_kernel import solve_stack
    from persuasion.compiled import announced

    return announced(solve_stack, "the structured simplex for many games")


def _in_blocks(
    n_games: int, threads: int, arguments: tuple[Any, ...], results: tuple[Any, ...]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    compiled = _kernel()
    interruptible(compiled, *arguments, 0, 0, *results)  # compile, or load, before threads ask
    count = min(n_games, 1 if threads == 1 else _BLOCKS * threads)
    ends = [n_games * i // count for i in range(count + 1)]

    def block(i: int) -> None:
        interruptible(compiled, *arguments, ends[i], ends[i + 1], *results)

    if threads == 1:
        block(0)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(block, range(count)))


def _read(found: Solution) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scheme, obedience prices and state prices of one solution, in the shapes of a stack."""
    game = found.game
    kernel = np.zeros((game.n_states, game.n_actions))
    assert found.recommendations is not None
    kernel[:, list(found.recommendations)] = found.scheme.kernel
    return kernel, found.obedience_prices, found.state_prices


def _threads(n_jobs: int) -> int:
    if isinstance(n_jobs, bool) or int(n_jobs) != n_jobs or not (n_jobs >= 1 or n_jobs == -1):
        raise PersuasionError(
            f"`n_jobs` must be a number of threads, or -1 for one per core; got {n_jobs!r}"
        )
    return (os.cpu_count() or 1) if n_jobs == -1 else int(n_jobs)


def _stacked(
    priors: Any, sender_utilities: Any, receiver_utilities: Any
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Read the three arrays; bring them to one number of games and priors to sum one."""
    tables = {
        "priors": _read_stack(priors, "priors", 1),
        "sender_utilities": _read_stack(sender_utilities, "sender_utilities", 2),
        "receiver_utilities": _read_stack(receiver_utilities, "receiver_utilities", 2),
    }
    mu, v, u = tables.values()
    single = {"priors": mu.ndim == 1, "sender_utilities": v.ndim == 2}
    single["receiver_utilities"] = u.ndim == 2
    counts = {len(table) for name, table in tables.items() if not single[name]}
    shapes = {name: table.shape for name, table in tables.items()}
    if len(counts) > 1 or v.shape[-2:] != u.shape[-2:] or mu.shape[-1] != v.shape[-2]:
        raise GameError(
            "the arrays do not describe games of one shape: priors must be (n_games, n_states), "
            f"both utilities (n_games, n_states, n_actions); got {shapes}"
        )
    if 0 in mu.shape[-1:] + v.shape[-2:]:
        raise GameError(f"a game needs a state and an action; got {shapes}")
    n_games = counts.pop() if counts else 1
    out = []
    for name, table in tables.items():
        wide = (n_games, *(table.shape if single[name] else table.shape[1:]))
        out.append(np.array(np.broadcast_to(table, wide), order="C"))
    mu, v, u = out
    totals = mu.sum(axis=1)
    bad: NDArray[np.bool_] = (mu.min(axis=1) < 0) | (np.abs(totals - 1) > _SLACK)
    if bad.any():
        i = int(bad.argmax())
        raise GameError(
            f"row {i} of `priors` must be nonnegative and sum to 1; its least entry is "
            f"{mu[i].min()}, its sum {totals[i]:.12g}. If these are weights, divide by their sum"
        )
    mu /= totals[:, None]
    return mu, v, u


def _read_stack(given: Any, name: str, axes: int) -> FloatArray:
    if isinstance(given, PersuasionGame) or (
        isinstance(given, Sequence) and any(isinstance(x, PersuasionGame) for x in given)
    ):
        raise GameError(f"`{name}` must be an array; got games: solve_many(games) takes those")
    try:
        table = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise GameError(
            f"`{name}` must be a regular array of floats; solve_many takes games of other numbers"
        ) from cause
    if table.ndim not in (axes, axes + 1):
        raise GameError(f"`{name}` must have {axes + 1} axes (or {axes}); got shape {table.shape}")
    where: IntArray = np.argwhere(~np.isfinite(table))
    if len(where):
        raise GameError(f"`{name}` must be finite; it is not at {tuple(where[0].tolist())}")
    return table
