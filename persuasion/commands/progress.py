"""A bar on stderr for work that takes a while: how much is done, how long it will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer

__all__ = ["DELAY", "Tell", "progress_bar"]

DELAY = 2.0
"""Seconds before the bar appears; what is quicker needs none."""

Tell = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@contextmanager
def progress_bar(text: str, *, quiet: bool = False) -> Iterator[Tell]:
    """Show a bar, on a terminal only, after `DELAY` seconds; it is gone afterwards.

    Parameters
    ----------
    text : str
        What is going on.
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        To be told the progress; steps done at its first call count as known before.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeftColumn(),
    )
    progress = Progress(*columns, console=console, transient=True, speed_estimate_period=3600)
    task = None
    lock, ended = Lock(), False

    def show() -> None:
        with lock:
            if not ended:
                progress.start()

    def tell(done: int, total: int) -> None:
        nonlocal task
        if task is None:
            task = progress.add_task(text, total=total, completed=done)
        progress.update(task, completed=done, total=total)

    timer = Timer(DELAY, show)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        with lock:
            ended = True
            progress.stop()
