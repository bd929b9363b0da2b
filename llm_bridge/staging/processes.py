"""The processes that a launcher started for one run: the first leads, the others help.

The first goes through the run as if it were alone: it alone holds the folder, writes files, asks
servers and shows how far it is. What several do faster, it calls all to; the others wait for such
calls and do nothing else. They wait on a channel of their own, over gloo: it keeps no GPU busy, may
last for days, and breaks as soon as the process at its other end is gone.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

import torch
from accelerate import Accelerator
from torch import distributed

from llm_bridge.device import stay_alone, with_all
from persuasion.errors import PersuasionError

__all__ = ["Processes"]

T = TypeVar("T")
_Order: TypeAlias = tuple[str, tuple[Any, ...]]
"""What is to be done with what; nothing when the run has ended."""

_PATIENCE = timedelta(days=365)
"""How long the others wait for the first."""
_GRACE = 3.0
"""Seconds after which a process that failed says so, if the launcher has not ended it before."""
_LOST = ("closed by peer", "reset by peer", "Broken pipe")
"""How gloo says that a process has gone; its errors have no kind of their own."""


class Processes:
    """All processes of a run; a single one does everything by itself.

    Parameters
    ----------
    machine : Accelerator
    helper : object
        Has the methods that `together` is called with, in every process.

    Attributes
    ----------
    number, count : int
        Which one this is, from 0, and how many there are.
    """

    def __init__(self, machine: Accelerator, helper: object) -> None:
        self.number, self.count = machine.process_index, machine.num_processes
        self._helper = helper
        self._channel: Any = None
        self._at_work = False

    @contextmanager
    def led(self) -> Iterator[None]:
        """In the first process lead the others while inside; in the others help, and end.

        What the first computes from here on, later runs too, is its own work alone, but for what
        it does by `together`.

        Raises
        ------
        SystemExit
            In all others, when the first is done; or gone, having said why.
        PersuasionError
            In a process that cannot do its part.
        """
        if self.count == 1:
            yield
            return
        self._channel = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        if self.number > 0:
            self._help()
        stay_alone()
        try:
            yield
        finally:
            if not self._at_work:  # else the others are not listening: they see the channel break
                with suppress(RuntimeError):  # one that has gone is not needed any more
                    self._said(None)
                    distributed.destroy_process_group()

    def together(self, job: Callable[..., T], *given: Any, **own: Any) -> T:
        """Do a job in every process; return what came of it in the first.

        Parameters
        ----------
        job : callable
            A method of the helper.
        *given
            What it is called with everywhere; travels pickled.
        **own
            What it is called with here alone.

        Raises
        ------
        PersuasionError
            When another process has ended; and what `job` raises.
        """
        if self.count == 1:
            return job(*given, **own)
        self._at_work = True
        try:
            self._said((job.__name__, given))
            with with_all():
                done = job(*given, **own)
        except RuntimeError as cause:
            if not _lost(cause):
                raise
            raise PersuasionError(
                f"another of the {self.count} processes has ended; if it could say why, its "
                "message stands above. What had finished is kept"
            ) from cause
        self._at_work = False
        return done

    def gathered(self, mine: T) -> list[T]:
        """Within a job: in the first process, return what all processes have; else nothing."""
        if self.count == 1:
            return [mine]
        if self.number > 0:
            distributed.gather_object(mine, dst=0, group=self._channel)
            return []
        everybody: list[Any] = [None] * self.count
        distributed.gather_object(mine, everybody, dst=0, group=self._channel)
        return everybody

    def _said(self, order: _Order | None = None) -> _Order | None:
        """What the first process says to all others."""
        said = [order]
        here = torch.device("cpu")
        distributed.broadcast_object_list(said, src=0, group=self._channel, device=here)
        return said[0]

    def _help(self) -> None:
        """Do what the first process asks for, until it ends."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first one's to answer
        try:
            while (order := self._said()) is not None:
                name, given = order
                getattr(self._helper, name)(*given)
        except Exception as cause:
            if _lost(cause):
                raise SystemExit(1) from None
            # what every process fails at is said by the first, and the launcher ends this one
            time.sleep(_GRACE)
            if isinstance(cause, PersuasionError):
                who = f"process {self.number + 1} of {self.count}"
                raise PersuasionError(f"{who}: {cause}") from cause
            raise
        distributed.destroy_process_group()
        raise SystemExit(0)


def _lost(cause: BaseException) -> bool:
    """Whether an error means that another process has gone."""
    return isinstance(cause, RuntimeError) and any(words in str(cause) for words in _LOST)
