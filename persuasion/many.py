"""Solving many games in one call, on several processes where that pays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, cast

from persuasion.backends import Workers
from persuasion.calling import called_like
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.results import Solution
from persuasion.solve import solve

__all__ = ["Progress", "solve_many", "watched"]

Progress = bool | Callable[[int, int], None] | None
"""Whether to show a bar (None: on a terminal, from two seconds on), or ``f(done, total)``."""

_PATIENCE = 2.0
_BATCHES = 8
"""Batches per worker: few enough that handing them over is cheap, enough to even out."""
_LARGEST_BATCH = 256


@called_like("solve_many([game])")
def solve_many(
    games: Iterable[PersuasionGame],
    *,
    n_jobs: int | None = None,
    backend: str | Workers | None = None,
    scheduler: str | None = None,
    progress: Progress = None,
    **options: Any,
) -> list[Solution]:
    """Solve every game, in order.

    Parameters
    ----------
    games : iterable of PersuasionGame
    n_jobs, backend, scheduler : optional
        Who solves: processes, threads or a Dask cluster, see `persuasion.backends.Workers`. A game
        that is solved in less than a millisecond takes longer to send to another process than to
        solve: use more than one for large games.
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
        What `solve` raises for the first game that fails, its index in front; or, from `Workers`,
        that there are none such, or that they are lost.

    Notes
    -----
    Each game goes through `solve`, not through `solve_batch`, whatever its shape: a `Solution`
    keeps the basis, from which warm starts, sweeps and exact certificates begin, and the game in
    its own numbers, Fractions too. Building these is most of the time that `solve` takes for a few
    states; the batch is fast because it builds none. Where arrays are enough, take `solve_batch`.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> [round(s.value, 9) for s in solve_many(game.with_prior([1 - p, p]) for p in (0.1, 0.4))]
    [0.2, 0.8]
    """
    if isinstance(games, PersuasionGame):
        raise PersuasionError("`games` must be several games; got one: pass [game], or call solve")
    if isinstance(games, str) or not isinstance(games, Iterable):
        raise PersuasionError(
            f"`games` must be several games, like [zoo.load(name)]; got {type(games).__name__}"
        )
    with Workers.of(n_jobs, backend, scheduler) as workers:
        return solved_in_order(
            list(games), "game {}".format, workers=workers, progress=progress, options=options
        )


def solved_in_order(
    games: list[PersuasionGame],
    name: Callable[[int], str],
    *,
    workers: Workers,
    progress: Progress,
    options: dict[str, Any],
    starts: Sequence[Solution | None] | None = None,
) -> list[Solution]:
    """Solve every game, from its own start if any; errors begin with ``name(index)``."""
    out: list[Solution] = []
    known = [None] * len(games) if starts is None else starts
    tasks: list[_Task] = list(zip(games, known, strict=True))
    batches = _batches(tasks, workers, options)
    with watched(len(games), progress, "solving") as advance, closing(batches):
        for solutions, failure in batches:
            out += solutions
            if failure is not None:
                raise _named(failure, name(len(out))) from failure
            advance(len(solutions))
    return out


_Task = tuple[PersuasionGame, Solution | None]
_Outcome = tuple[list[Solution], PersuasionError | None]


def _batches(tasks: list[_Task], workers: Workers, options: dict[str, Any]) -> Generator[_Outcome]:
    """Solutions batch by batch, in order; after a failure comes nothing."""
    if len(tasks) <= 1 or (n_workers := workers.count()) == 1:
        for task in tasks:
            yield _solve_batch([task], options)
        return
    size = min(-(-len(tasks) // (_BATCHES * n_workers)), _LARGEST_BATCH)
    parts = [tasks[i : i + size] for i in range(0, len(tasks), size)]
    early: dict[int, _Outcome] = {}  # finished before one in front of it
    due = 0
    with closing(workers.run(partial(_solve_elsewhere, options=options), parts)) as results:
        for position, outcome in results:
            early[position] = outcome
            while due in early:
                solutions, failure = early.pop(due)
                pairs = zip(solutions, parts[due], strict=False)
                due += 1
                yield [_at_home(s, g) for s, (g, _) in pairs], failure
                if failure is not None:
                    return


def _solve_batch(tasks: list[_Task], options: dict[str, Any]) -> _Outcome:
    solutions: list[Solution] = []
    for game, start in tasks:
        own = options if start is None else {**options, "start": start}
        try:
            solutions.append(solve(game, **own))
        except PersuasionError as failure:
            return solutions, failure
    return solutions, None


def _solve_elsewhere(tasks: list[_Task], options: dict[str, Any]) -> _Outcome:
    """Solve in another process; the games stay behind on the way back."""
    solutions, failure = _solve_batch(tasks, options)
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
