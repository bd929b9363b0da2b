"""Solving many games in one call, on several processes where that pays."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.results import Solution
from persuasion.solve import solve

__all__ = ["Progress", "solve_many", "watched"]

Progress = bool | Callable[[int, int], None] | None
"""Whether to show a bar (None: on a terminal, from two seconds on), or ``f(done, total)``."""

_PATIENCE = 2.0
_BATCHES = 8
"""Batches per process: few enough that handing them over is cheap, enough to even out."""
_LARGEST_BATCH = 256


def solve_many(
    games: Iterable[PersuasionGame],
    *,
    n_jobs: int = 1,
    progress: Progress = None,
    **options: Any,
) -> list[Solution]:
    """Solve every game, in order.

    Parameters
    ----------
    games : iterable of PersuasionGame
    n_jobs : int
        Processes; -1 for one per core. A game that is solved in less than a millisecond takes
        longer to send to another process than to solve: use more than one for large games.
    progress : bool or callable, optional
        True shows a bar, None does on a terminal once two seconds have passed; or a function
        called with (number done, number of games).
    **options
        Passed to `solve`.

    Returns
    -------
    list of Solution
        ``result[i].game is games[i]``.

    Raises
    ------
    PersuasionError
        What `solve` raises for the first game that fails, its index in front.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> [round(s.value, 9) for s in solve_many(game.with_prior([1 - p, p]) for p in (0.1, 0.4))]
    [0.2, 0.8]
    """
    return solved_in_order(
        list(games),
        lambda index: f"game {index}",
        n_jobs=n_jobs,
        progress=progress,
        options=options,
    )


def solved_in_order(
    games: list[PersuasionGame],
    name: Callable[[int], str],
    *,
    n_jobs: int,
    progress: Progress,
    options: dict[str, Any],
) -> list[Solution]:
    """Solve every game; errors begin with ``name(index)``."""
    n_jobs = _processes(n_jobs)
    out: list[Solution] = []
    batches = _batches(games, min(n_jobs, len(games)), options)
    with watched(len(games), progress, "solving") as advance, closing(batches):
        for solutions, failure in batches:
            out += solutions
            if failure is not None:
                raise _named(failure, name(len(out))) from failure
            advance(len(solutions))
    return out


def _processes(n_jobs: int) -> int:
    if isinstance(n_jobs, bool) or int(n_jobs) != n_jobs or n_jobs == 0:
        raise PersuasionError(
            f"`n_jobs` must be a number of processes, or -1 for one per core; got {n_jobs!r}"
        )
    if n_jobs > 0:
        return int(n_jobs)
    from joblib import effective_n_jobs

    return int(effective_n_jobs(int(n_jobs)))


_Outcome = tuple[list[Solution], PersuasionError | None]


def _batches(
    games: list[PersuasionGame], n_jobs: int, options: dict[str, Any]
) -> Generator[_Outcome]:
    """Solutions batch by batch, in order; after a failure comes nothing."""
    if n_jobs <= 1:
        for game in games:
            yield _solve_batch([game], options)
        return
    from joblib import Parallel, delayed

    size = min(-(-len(games) // (_BATCHES * n_jobs)), _LARGEST_BATCH)
    parts = [games[i : i + size] for i in range(0, len(games), size)]
    pool = Parallel(n_jobs=n_jobs, return_as="generator", max_nbytes=None)
    results = pool(delayed(_solve_elsewhere)(part, options) for part in parts)
    try:
        for part, (solutions, failure) in zip(parts, results, strict=True):
            yield [_at_home(s, g) for s, g in zip(solutions, part, strict=False)], failure
            if failure is not None:
                return
    finally:
        with warnings.catch_warnings():  # that results are left unused is meant
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def _solve_batch(games: list[PersuasionGame], options: dict[str, Any]) -> _Outcome:
    solutions: list[Solution] = []
    for game in games:
        try:
            solutions.append(solve(game, **options))
        except PersuasionError as failure:
            return solutions, failure
    return solutions, None


def _solve_elsewhere(games: list[PersuasionGame], options: dict[str, Any]) -> _Outcome:
    """Solve in another process; the games stay behind on the way back."""
    solutions, failure = _solve_batch(games, options)
    return [_abroad(s) for s in solutions], failure


def _abroad(solution: Solution) -> Solution:
    problem = None if solution.problem is None else solution.problem.without_game()
    return replace(solution, game=cast(PersuasionGame, None), problem=problem)


def _at_home(solution: Solution, game: PersuasionGame) -> Solution:
    problem = None if solution.problem is None else solution.problem.with_game(game)
    return replace(solution, game=game, problem=problem)


def _named(failure: PersuasionError, where: str) -> PersuasionError:
    named = copy(failure)
    named.args = (f"{where}: {failure}", *failure.args[1:])
    return named


@contextmanager
def watched(total: int, progress: Progress, verb: str) -> Iterator[Callable[[int], None]]:
    """Yield ``advance(count)``, which reports progress in the way asked for."""
    done = 0
    if callable(progress):
        tell = progress

        def call(count: int) -> None:
            nonlocal done
            done += count
            tell(done, total)

        yield call
        return
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda count: None
        return
    started = perf_counter()
    bar: Any = None
    task: Any = None

    def advance(count: int) -> None:
        nonlocal done, bar, task
        done += count
        if bar is None and (progress or perf_counter() - started > _PATIENCE):
            from rich.console import Console
            from rich.progress import Progress as Bar

            bar = Bar(console=Console(stderr=True), transient=True)
            task = bar.add_task(verb, total=total)
            bar.start()
        if bar is not None:
            bar.update(task, completed=done)

    try:
        if progress:
            advance(0)
        yield advance
    finally:
        if bar is not None:
            bar.stop()
