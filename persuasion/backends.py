"""Who computes independent cells: this process, joblib's workers, or a Dask cluster.

A cell is anything that can be computed without the others: a run of a simulation, a batch of games
to be solved. The one definition of how cells are handed out, so that results arrive as they are
finished and every way of computing them gives the same bits.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from importlib.util import find_spec
from traceback import format_exc
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from persuasion.errors import PersuasionError, WorkersLostError

if TYPE_CHECKING:
    from persuasion.cluster import Cluster

__all__ = ["Outcome", "Workers", "attempt"]

Cell = TypeVar("Cell")
Result = TypeVar("Result")
Outcome = tuple[int, Any, Exception | None]
"""Position of the cell, its result, and what it raised instead of one."""

_DASK = "dask"
_HANGS = "multiprocessing"  # its pool waits for ever when a worker is killed


class Workers:
    """Who computes independent cells.

    Parameters
    ----------
    n_jobs : int, optional
        Processes of this machine (threads with "threading"), -1 for one per core, 1 for this
        process alone. None: what the caller's `joblib.parallel_config` says, else 1. A Dask
        cluster has the workers that it has: leave it out there.
    backend : str, optional
        "loky" (processes), "threading", "dask", or a name registered with
        `joblib.register_parallel_backend`. None: what `joblib.parallel_config` says, else "loky".
    scheduler : str, optional
        Address of the Dask scheduler, as in ``tcp://10.0.0.1:8786``. Left out with "dask", the
        `distributed.Client` of this process is used.

    Raises
    ------
    PersuasionError
        When these do not fit together, before anything is computed.

    Notes
    -----
    In a ``with`` block the connection to a cluster is kept from one `run` to the next.

    Examples
    --------
    >>> sorted(Workers().run(abs, [-3, 2]))
    [(0, 3), (1, 2)]
    >>> Workers(2, "treading")
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: `backend` must be one of dask, loky, threading; got ...
    """

    def __init__(
        self, n_jobs: int | None = None, backend: str | None = None, scheduler: str | None = None
    ) -> None:
        self.n_jobs = _checked_count(n_jobs)
        self.backend, self.scheduler = backend, scheduler
        if backend is not None:
            _check_name(backend)
        if scheduler is not None and backend != _DASK:
            raise PersuasionError(
                f"`scheduler` is the address of a Dask cluster, but `backend` is {backend!r}; say "
                "`backend='dask'` too, or drop `scheduler`"
            )
        if backend == _DASK:
            if self.n_jobs not in (None, -1):
                raise PersuasionError(
                    f"a Dask cluster has the workers that it has; drop `n_jobs` (got {n_jobs!r})"
                )
            from persuasion.cluster import check_address

            check_address(scheduler)
        self._open: Cluster | None = None
        self._blocks = 0

    @classmethod
    def of(
        cls, n_jobs: int | None, backend: str | Workers | None, scheduler: str | None
    ) -> Workers:
        """Return `backend` where it is such an object already, else a new one."""
        if not isinstance(backend, Workers):
            return cls(n_jobs, backend, scheduler)
        if n_jobs is not None or scheduler is not None:
            raise PersuasionError("`backend` is a Workers object; drop `n_jobs` and `scheduler`")
        return backend

    def __enter__(self) -> Workers:
        if self.backend == _DASK and self._open is None:
            self._open = self._connected()
        self._blocks += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blocks -= 1  # one may be inside another
        if self._open is not None and self._blocks == 0:
            self._open.close()
            self._open = None

    def __repr__(self) -> str:
        given = {"n_jobs": self.n_jobs, "backend": self.backend, "scheduler": self.scheduler}
        return f"Workers({', '.join(f'{k}={v!r}' for k, v in given.items() if v is not None)})"

    def count(self) -> int:
        """How many cells are computed at a time; at least 1."""
        if self.n_jobs == 1:
            return 1
        if self.backend == _DASK:
            if self._open is not None:
                return self._open.count()
            with closing(self._connected()) as cluster:
                return cluster.count()
        if self.backend is None and self.n_jobs is None and "joblib" not in sys.modules:
            return 1  # so nothing can have been configured
        from joblib import effective_n_jobs

        with self._named():
            return max(1, int(effective_n_jobs(self.n_jobs)))

    def run(
        self, function: Callable[[Cell], Result], cells: Sequence[Cell]
    ) -> Generator[tuple[int, Result]]:
        """Compute every cell; yield position and result in the order in which they are finished.

        Parameters
        ----------
        function : callable
            Pure, and known to pickle: a cell may be computed again when its worker dies.
        cells : sequence

        Raises
        ------
        WorkersLostError
            When no scheduler answers, it is gone, workers are killed. What was yielded is good.
        Exception
            What `function` raises for any cell; results finished before are yielded first.
        """
        with closing(self._outcomes(function, cells)) as outcomes:
            for position, result, failure in outcomes:
                if failure is not None:
                    raise failure
                yield position, result

    # -- one way each ----------------------------------------------------------------------

    def _outcomes(self, function: Callable[[Any], Any], cells: Sequence[Any]) -> Generator[Outcome]:
        if not cells:
            return
        if self._open is not None:
            yield from self._open.outcomes(function, cells)
        elif self.backend == _DASK:
            with closing(self._connected()) as cluster:
                yield from cluster.outcomes(function, cells)
        elif len(cells) == 1 or self.count() == 1:
            for position, cell in enumerate(cells):
                yield position, function(cell), None
        else:
            configured = self._configured_cluster()
            if configured is not None:
                yield from configured.outcomes(function, cells)
            else:
                yield from self._through_joblib(function, cells)

    def _through_joblib(
        self, function: Callable[[Any], Any], cells: Sequence[Any]
    ) -> Generator[Outcome]:
        from concurrent.futures import BrokenExecutor

        from joblib import Parallel, delayed
        from joblib.parallel import get_active_backend

        tasks = [delayed(attempt)(function, i, cell) for i, cell in enumerate(cells)]
        settings: dict[str, Any] = {"n_jobs": self.n_jobs} if self.n_jobs is not None else {}
        settings["max_nbytes"] = None  # no files shared with workers, which a crash would leave
        with self._named():
            streams = getattr(get_active_backend()[0], "supports_return_generator", False)
            pool = Parallel(return_as="generator_unordered" if streams else "list", **settings)
            step = len(tasks) if streams else 4 * self.count()
            try:
                for start in range(0, len(tasks), step):
                    results = pool(tasks[start : start + step])
                    try:
                        # `yield from` would hand `close` on, which warns
                        for outcome in results:  # noqa: UP028
                            yield outcome
                    finally:
                        if streams:
                            with warnings.catch_warnings():  # that results are left is meant
                                warnings.simplefilter("ignore", UserWarning)
                                results.close()
            except BrokenExecutor as cause:
                raise WorkersLostError(
                    "a worker process was killed, by somebody or for want of memory "
                    f"({type(cause).__name__}); call again, with a smaller `n_jobs` if memory "
                    "was short"
                ) from cause

    def _named(self) -> AbstractContextManager[Any]:
        """Make `backend` the active one, where it was given."""
        if self.backend is None:
            return nullcontext()
        from joblib import parallel_config

        context: AbstractContextManager[Any] = parallel_config(backend=self.backend)
        return context

    def _connected(self) -> Cluster:
        from persuasion.cluster import connect

        return connect(self.scheduler)

    def _configured_cluster(self) -> Cluster | None:
        """Return the cluster of ``joblib.parallel_config(backend="dask")``, or None."""
        if self.backend is not None:
            return None
        from joblib.parallel import get_active_backend

        client = getattr(get_active_backend()[0], "client", None)
        if type(client).__module__.partition(".")[0] != "distributed":
            return None
        from persuasion.cluster import Cluster

        return Cluster(client)


def attempt(function: Callable[[Any], Any], position: int, cell: Any) -> Outcome:
    """Compute a cell elsewhere; what it raises comes back as a value that survives the way."""
    try:
        return position, function(cell), None
    except Exception as failure:
        if not isinstance(failure, PersuasionError):
            failure.add_note(f"in a worker:\n{format_exc()}")
        try:
            pickle.loads(pickle.dumps(failure))
        except Exception:
            return position, None, RuntimeError(f"in a worker:\n{format_exc()}")
        return position, None, failure


def _checked_count(n_jobs: Any) -> int | None:
    if n_jobs is None:
        return None
    try:
        whole = not isinstance(n_jobs, bool) and int(n_jobs) == n_jobs != 0
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise PersuasionError(
            "`n_jobs` must be a number of processes and must not be 0: 1 is this one alone, -1 one "
            "per core; "
            f"got {n_jobs!r}"
        )
    return int(n_jobs)


def _check_name(backend: Any) -> None:
    from joblib.parallel import BACKENDS

    legal = sorted({"loky", "threading", _DASK, *BACKENDS} - {_HANGS, "sequential"})
    if backend not in legal:
        hint = "; that one waits for ever when a worker is killed" if backend == _HANGS else ""
        raise PersuasionError(f"`backend` must be one of {', '.join(legal)}; got {backend!r}{hint}")
    if backend == _DASK and find_spec("distributed") is None:
        raise PersuasionError(
            "`backend='dask'` needs the package distributed: pip install 'persuasion[cluster]'"
        )
