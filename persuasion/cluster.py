"""Computing cells on a Dask cluster, whose workers may die and whose scheduler may vanish.

joblib has a backend for Dask as well. It hands every argument to one worker only and fails when
that worker is killed, and it waits without end for a cluster that has no workers left or whose
scheduler no longer answers. So cells are submitted to the `distributed.Client` here.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from time import monotonic, perf_counter, sleep
from typing import Any
from uuid import uuid4

from persuasion.backends import Outcome, attempt
from persuasion.errors import PersuasionError, WorkersLostError
from persuasion.store import code_versions, difference_of_versions

__all__ = ["Cluster", "check_address", "connect"]

_TO_CONNECT = 10.0
"""Seconds in which a scheduler must answer."""
_TO_FIND_WORKERS = 60.0
"""Seconds for which a cluster may be without workers; a killed one needs some to be replaced."""
_BETWEEN_LOOKS = 5.0
"""Seconds after which the scheduler is asked how it is."""
_BETWEEN_POLLS = 0.01
_PER_THREAD = 4
"""Tasks handed out for each thread of the cluster: enough to keep it busy."""
SECONDS_PER_TASK = 0.3
"""Quicker cells are handed out several at a time: a task costs the scheduler milliseconds."""


def check_address(address: str | None) -> None:
    """Raise unless `address` can be that of a scheduler; None is the client of this process.

    Raises
    ------
    PersuasionError
    """
    if address is None:
        _current_client()
        return
    from distributed.comm.addressing import parse_host_port
    from distributed.comm.registry import backends as protocols

    protocol, there, rest = str(address).rpartition("://")
    try:
        if there and protocol not in protocols:
            raise ValueError(f"no protocol is called {protocol!r}")
        if protocol != "inproc":
            parse_host_port(rest)
    except ValueError as cause:
        raise PersuasionError(
            f"`scheduler` must be an address like tcp://10.0.0.1:8786; got {address!r} ({cause})"
        ) from cause


def connect(address: str | None) -> Cluster:
    """Connect to the scheduler at `address`, or use the client of this process.

    Raises
    ------
    WorkersLostError
        When no scheduler answers in time.
    """
    if address is None:
        return Cluster(_current_client())
    from distributed import Client

    try:
        if not address.startswith("inproc"):
            asyncio.run(_greet(address))
        client = Client(address, timeout=_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, MemoryError) as cause:  # MemoryError: the length a stranger sent
        raise WorkersLostError(
            f"no Dask scheduler answers at {address} within {_TO_CONNECT:g} s; look whether it "
            "runs and can be reached from here, or start one: dask scheduler"
        ) from cause
    return Cluster(client, owned=True)


async def _greet(address: str) -> None:
    """Shake hands once: a client that found something else at the address cannot be closed."""
    from distributed.comm import connect as reach

    await (await reach(address, timeout=_TO_CONNECT)).close()


class Cluster:
    """A connection to a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    owned : bool
        Whether `close` closes the client too.
    """

    def __init__(self, client: Any, *, owned: bool = False) -> None:
        self._client, self._owned = client, owned
        self.address = client.scheduler.address if client.scheduler else "an unknown address"

    def close(self) -> None:
        """End the connection, if it is ours."""
        if not self._owned:
            return
        log = logging.getLogger("distributed.client")
        level = log.level
        if self._client.status != "running":  # then it is said here, without its tracebacks
            log.setLevel(logging.CRITICAL)
        try:
            with suppress(OSError):  # a scheduler that is gone cannot be told
                self._client.close(timeout=_BETWEEN_LOOKS)
        finally:
            log.setLevel(level)

    def count(self) -> int:
        """Threads of all workers; waits for the first worker, but not for ever.

        Raises
        ------
        WorkersLostError
        """
        began = monotonic()
        while True:
            threads = self._threads()
            if threads:
                return threads
            self._check_patience(began)
            sleep(0.1)

    def outcomes(self, function: Callable[[Any], Any], cells: Sequence[Any]) -> Generator[Outcome]:
        """Yield outcomes as they are there; a cell whose worker dies is computed elsewhere.

        Raises
        ------
        WorkersLostError
            When the scheduler is gone, no workers are left, or a cell kills its workers.
        """
        client = self._client
        threads = self.count()
        name = f"persuasion-{uuid4().hex}"
        parcel = _pack((code_versions(), _pack(function)))
        # a task, not scattered data: when all workers that hold it die, it is made again
        held = client.submit(bytes, parcel, key=f"{name}-function")
        left = iter(enumerate(cells))
        in_flight: set[Any] = set()
        handed_out, together = 0, 1
        spent, computed = 0.0, 0
        looked = manned = monotonic()
        try:
            while True:
                while len(in_flight) < _PER_THREAD * threads:
                    part = list(islice(left, together))
                    if not part:
                        break
                    key = f"{name}-{handed_out}"
                    in_flight.add(client.submit(_on_worker, held, _pack(part), key=key))
                    handed_out += len(part)
                if not in_flight:
                    return
                now = monotonic()
                if now - looked > _BETWEEN_LOOKS:
                    looked, found = now, self._threads()
                    manned = now if found else manned
                    threads = found or threads
                    self._check_patience(manned)
                done = [future for future in in_flight if future.done()]
                finished = [future for future in done if future.status == "finished"]
                gathered = self._gathered(finished)
                if gathered is not None:
                    in_flight.difference_update(finished)
                    for seconds, outcomes in gathered:
                        spent, computed = spent + seconds, computed + len(outcomes)
                        yield from outcomes
                if computed:
                    quick = int(SECONDS_PER_TASK / max(spent / computed, 1e-4))
                    together = max(1, min(quick, (len(cells) - handed_out) // (2 * threads)))
                states = [future.status for future in done]
                if client.status != "running" or "cancelled" in states:
                    raise self._gone()
                if "error" in states:
                    raise self._trouble(done[states.index("error")])
                if not done:
                    sleep(_BETWEEN_POLLS)
        finally:
            for future in (*in_flight, held):
                future.release()

    def _gathered(self, finished: list[Any]) -> list[tuple[float, list[Outcome]]] | None:
        """Fetch results; None when that takes long, as when one was lost and is made again."""
        if not finished:
            return []
        client = self._client
        try:
            gathered: list[tuple[float, list[Outcome]]] = client.sync(
                lambda: client.gather(finished, asynchronous=True), callback_timeout=_TO_CONNECT
            )
        except TimeoutError:
            self._threads()  # or it was the scheduler
            return None
        except (OSError, CancelledError) as cause:
            raise self._gone() from cause
        return gathered

    # -- how the cluster is ----------------------------------------------------------------

    def _threads(self) -> int:
        """Ask the scheduler how many threads its workers have."""
        if self._client.status != "running":
            raise self._gone()
        try:
            workers = self._client.sync(self._client.scheduler.ncores, callback_timeout=_TO_CONNECT)
        except OSError as cause:  # a timeout is one too
            raise self._gone() from cause
        return sum(workers.values())

    def _check_patience(self, manned: float) -> None:
        if monotonic() - manned > _TO_FIND_WORKERS:
            raise WorkersLostError(
                f"the Dask scheduler at {self.address} has had no workers for "
                f"{_TO_FIND_WORKERS:g} s; start some: dask worker {self.address}"
            )

    def _gone(self) -> WorkersLostError:
        return WorkersLostError(
            f"the Dask scheduler at {self.address} is gone or no longer answers; start it again, "
            "and call again"
        )

    def _trouble(self, future: Any) -> PersuasionError:
        """What to say of a cell that came to nothing; `attempt` returns what it raises itself."""
        from distributed import KilledWorker

        try:
            cause = future.exception(timeout=_TO_CONNECT)
        except (OSError, CancelledError):
            return self._gone()
        if isinstance(cause, KilledWorker):
            failure: PersuasionError = WorkersLostError(
                f"every worker that computed a cell was killed, {cause.allowed_failures + 1} in "
                f"all, the last {cause.last_worker.address}; most often memory was short: give "
                "workers more of it, or fewer threads each"
            )
        elif isinstance(cause, PersuasionError):
            failure = cause
        else:
            failure = PersuasionError(
                f"a worker of {self.address} cannot compute cells: {cause!r}; install the same "
                "version of persuasion there, and what defines your learner"
            )
        failure.__cause__ = cause if failure is not cause else None
        return failure


def _current_client() -> Any:
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        raise PersuasionError(
            "`backend='dask'` needs a cluster; give the address of its scheduler, "
            "`scheduler='tcp://HOST:PORT'`"
        ) from None


def _pack(thing: Any) -> bytes:
    """Pickle, functions and classes of the main module too."""
    import cloudpickle

    packed: bytes = cloudpickle.dumps(thing)
    return packed


# -- on the worker -----------------------------------------------------------------------------


def _on_worker(parcel: bytes, part: bytes) -> tuple[float, list[Outcome]]:
    """Return how long it took, and the outcomes."""
    function = _unpacked(parcel)
    began = perf_counter()
    outcomes = [attempt(function, position, cell) for position, cell in pickle.loads(part)]
    return perf_counter() - began, outcomes


@lru_cache(maxsize=4)
def _unpacked(parcel: bytes) -> Callable[[Any], Any]:
    """Return the function, once it is known that it will be run by the code it was made by."""
    from distributed import get_worker

    expected, function = pickle.loads(parcel)
    if expected != code_versions():
        raise PersuasionError(
            f"the worker {get_worker().address} runs other code: "
            f"{difference_of_versions(code_versions(), expected)}. Results of different code are "
            "not mixed; install the same versions there"
        )
    unpacked: Callable[[Any], Any] = pickle.loads(function)
    return unpacked
