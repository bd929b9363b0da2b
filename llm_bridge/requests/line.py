"""A line of requests, a few of which are on their way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["serve"]

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def serve(
    line: Iterable[Asked],
    ask: Callable[[Asked], Answer],
    *,
    at_once: int,
    told: Callable[[Asked, Answer], None],
    halt: Callable[[], None],
) -> None:
    """Ask each in turn, in threads, and tell what was answered as it comes.

    Parameters
    ----------
    line : iterable
        Gone through only as answers come: no more than `at_once` are begun and not answered.
    ask : callable
        Called in threads.
    at_once : int, >= 1
    told : callable
        Called in the caller's thread with what was asked and what was answered.
    halt : callable
        Called once when an `ask` raises or the caller is interrupted; it should make those that
        wait give up. Those on their way are waited for, and the first error is raised.

    Examples
    --------
    >>> found = {}
    >>> serve("abc", str.upper, at_once=2, told=found.__setitem__, halt=lambda: None)
    >>> sorted(found.items())
    [('a', 'A'), ('b', 'B'), ('c', 'C')]
    """
    rest = iter(line)
    flying: dict[Future[Answer], Asked] = {}
    with ThreadPoolExecutor(at_once) as pool:
        try:
            while True:
                while len(flying) < at_once and (one := next(rest, None)) is not None:
                    flying[pool.submit(ask, one)] = one
                if not flying:
                    return
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    told(flying.pop(future), future.result())
        except BaseException:  # those on their way are still answered, paid for and kept
            halt()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
