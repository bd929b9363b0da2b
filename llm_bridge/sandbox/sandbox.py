"""Running programs that a language model wrote, and judging what they return."""

from __future__ import annotations

import marshal
import math
import os
import queue
import secrets
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from .cache import RunCache, run_key
from .child import Ended, watch
from .errors import FrameError, LimitError, UnsafeError
from .frame import read_frame
from .interpreter import HOME, bare_command, readable_paths
from .layers import bwrap_command, layers
from .literals import equal
from .run import Output, Run, Status

__all__ = ["Sandbox", "judge"]

_START = (
    "import sys; sys.path.insert(0, {home!r}); "
    "from inside.runner import main; main(int(sys.argv[1]))"
)
_MESSAGES_BYTES = 2048
"""Room in a report for each output beside its literal."""
_CPU_SIGNAL = -24


class Sandbox:
    """Runs each program in a fresh, locked child; refuses where it cannot be locked.

    Parameters
    ----------
    timeout_s : float
        Wall time for a program and all its calls, seconds, start-up (some hundredths) included.
    memory_mb : int
        Address space, MiB; the interpreter itself takes about 14.
    output_bytes : int
        Most characters of all literals together, and most bytes printed.
    unsafe : bool
        Run programs even where the protections do not suffice.
    cache : path, optional
        File in which finished runs are kept, so that they need not be run again.
    only : sequence of str, optional
        Use only these of `LAYERS`; for tests and measurements. Leaving out a needed one requires
        `unsafe`.

    Raises
    ------
    UnsafeError
        When seccomp, or both Landlock and bubblewrap, do not work and `unsafe` is not set; the
        message says what is missing.
    LimitError
        When a limit is not positive.

    Examples
    --------
    >>> box = Sandbox(unsafe=True)  # never refuses; fit for this program only
    >>> run = box.evaluate("def double(x): return 2 * x", ["double(3)", "double('ab')"])
    >>> run.status, [output.literal for output in run.outputs]
    ('ok', ['6', "'abab'"])
    >>> judge(run, [6, "ab"])
    (True, False)

    Notes
    -----
    Expected outputs never enter the child, so there is nothing in it to find or to forge.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 5.0,
        memory_mb: int = 256,
        output_bytes: int = 65536,
        unsafe: bool = False,
        cache: Path | str | None = None,
        only: Sequence[str] | None = None,
    ) -> None:
        if not (math.isfinite(timeout_s) and timeout_s > 0):
            raise LimitError(f"`timeout_s` must be positive and finite seconds (got {timeout_s})")
        if memory_mb < 32:
            raise LimitError(f"`memory_mb` must be at least 32 (got {memory_mb})")
        if output_bytes < 1:
            raise LimitError(f"`output_bytes` must be at least 1 (got {output_bytes})")
        self.timeout_s, self.memory_mb, self.output_bytes = timeout_s, memory_mb, output_bytes
        found = layers()
        self.layers = found if only is None else found.only(only)
        if not (self.layers.safe or unsafe):
            raise UnsafeError(self.layers.missing())
        self._cache = None if cache is None else RunCache(cache)

    def evaluate(self, program: str, calls: Sequence[str]) -> Run:
        """Run a program in a fresh child, then evaluate expressions among the names it defined.

        Parameters
        ----------
        program : str
            Python source.
        calls : sequence of str
            Expressions, evaluated in order in the same child.

        Returns
        -------
        Run
            With one output per call. Hostile programs get a status, never an exception.

        Raises
        ------
        UnsafeError
            When the child could not be locked; then the program was not run.
        """
        return self._evaluate(program, tuple(calls), None)

    def evaluate_check(self, program: str, check_source: str, entry_point: str) -> Run:
        """Run a test function inside the child, on a function of the program.

        For tests that cannot be written as calls with literal outputs. **Weaker**: the expected
        outputs do enter the child, and a program made for the purpose can forge the verdict.
        Leaving early, raising, an `__eq__` that says yes and patched built-ins of the result do
        not forge it: what the function returns is rebuilt from its literal, and the verdict
        carries a random number that is fetched after the test has passed.

        Parameters
        ----------
        program : str
            Python source that defines `entry_point`.
        check_source : str
            Python source that defines ``check(candidate)``, which raises unless all is well. It
            sees the names that the program defined.
        entry_point : str
            Name of the function.

        Returns
        -------
        Run
            With `weaker` set and one output, whose literal is "True" if and only if the test
            passed.
        """
        return self._evaluate(program, (), (check_source, entry_point))

    def evaluate_many(
        self,
        jobs: Iterable[tuple[str, Sequence[str]]],
        workers: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Run]:
        """Evaluate many programs side by side.

        Parameters
        ----------
        jobs : iterable of (program, calls)
        workers : int, optional
            Children at a time; as many as processors by default.
        progress : callable, optional
            Called in this thread with the number of finished programs, after each of them.

        Returns
        -------
        list of Run
            In the order of `jobs`.
        """
        todo = [(program, tuple(calls)) for program, calls in jobs]
        workers = len(os.sched_getaffinity(0)) if workers is None else workers
        if workers < 1:
            raise LimitError(f"`workers` must be at least 1 (got {workers})")
        stop, end = os.pipe()
        finished: queue.SimpleQueue[None] = queue.SimpleQueue()
        try:
            with ThreadPoolExecutor(workers) as pool:
                try:
                    futures = [pool.submit(self._evaluate, *job, None, stop) for job in todo]
                    for future in futures:
                        future.add_done_callback(lambda _: finished.put(None))
                    for done in range(1, len(todo) + 1):
                        finished.get()
                        if progress is not None:
                            progress(done)
                except BaseException:  # Ctrl-C too: no child outlives the call
                    os.close(end)
                    end = -1
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
                return [future.result() for future in futures]
        finally:
            os.close(stop)
            if end >= 0:
                os.close(end)

    def _evaluate(
        self,
        program: str,
        calls: tuple[str, ...],
        check: tuple[str, str] | None,
        stop: int | None = None,
    ) -> Run:
        key = run_key(
            program,
            calls,
            check=check,
            timeout_s=self.timeout_s,
            memory_mb=self.memory_mb,
            output_bytes=self.output_bytes,
        )
        if self._cache is not None and (known := self._cache.get(key)) is not None:
            return known
        nonce = secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="program-") as folder:
            ended = watch(
                self._command(Path(folder)),
                self._request(program, calls, check, nonce),
                cwd=Path(folder),
                timeout_s=self.timeout_s,
                result_limit=self.output_bytes * 4 + _MESSAGES_BYTES * (len(calls) + 2),
                log_limit=self.output_bytes,
                stop=stop,
                look=not self.layers.seccomp,
            )
        run = self._run(ended, calls, nonce if check is not None else None)
        if self._cache is not None and ended.reason != "stopped":
            self._cache.put(key, run)
        return run

    def _command(self, folder: Path) -> list[str]:
        command = bare_command("-c", _START.format(home=str(HOME)), "{result}")
        if self.layers.bwrap is not None:
            return [*bwrap_command(self.layers.bwrap, folder), *command]
        return command

    def _request(
        self, program: str, calls: Sequence[str], check: tuple[str, str] | None, nonce: str
    ) -> bytes:
        limits = (math.ceil(self.timeout_s) + 1, self.memory_mb << 20)
        job: dict[str, Any] = {
            "program": _encodable(program),
            "calls": [_encodable(call) for call in calls],
            "check": None if check is None else check[0],
            "entry_point": None if check is None else check[1],
            "budget": self.output_bytes,
            "home": str(HOME),
            "readable": list(readable_paths()),
            "layers": {
                "parent": None if self.layers.bwrap is not None else os.getpid(),
                "rlimits": limits if self.layers.rlimits else None,
                "landlock": self.layers.landlock,
                "seccomp": self.layers.seccomp,
            },
        }
        content = marshal.dumps(job)
        return len(content).to_bytes(8, "little") + content + (nonce.encode() if check else b"")

    def _run(self, ended: Ended, calls: Sequence[str], nonce: str | None) -> Run:
        log = ended.log.decode("utf-8", "replace")
        if self.layers.bwrap is not None and ended.returncode > 128:  # its way to name a signal
            ended = replace(ended, returncode=128 - ended.returncode)
        if ended.reason == "exit" and ended.result[:1] != b"R" and ended.returncode >= 0:
            raise UnsafeError(f"the child could not be locked, nothing was run; it said: {log!r}")
        n_outputs = len(calls) if nonce is None else 1
        status, message, outputs = _status(ended, n_outputs)
        if nonce is not None and outputs and outputs[0].kind == "value":
            passed = outputs[0].literal == repr(nonce)
            outputs = (Output("value", "True") if passed else Output("error", None, "no verdict"),)
        if len(outputs) != n_outputs:
            outputs = (Output("error", None, f"not reached: {message or status}"),) * n_outputs
        return Run(
            status=status,
            outputs=outputs,
            stderr=log,
            seconds=ended.seconds,
            layers=self.layers.names,
            message=message,
            weaker=nonce is not None,
        )


def judge(
    run: Run, expected: Sequence[object], *, tolerance: float | None = None
) -> tuple[bool, ...]:
    """Compare the outputs of a run with what was expected, here and not in the child.

    Parameters
    ----------
    run : Run
    expected : sequence of object
        One value per call: int, float, str, bytes, bool, None, list, tuple, set, dict of those.
    tolerance : float, optional
        Between numbers, relative and absolute; none by default. See `literals.equal`.

    Returns
    -------
    tuple of bool
        An error, and a value without literal, is False.

    Raises
    ------
    LimitError
        When there are not as many expected values as outputs.
    """
    if len(expected) != len(run.outputs):
        raise LimitError(
            f"{len(expected)} expected values for {len(run.outputs)} outputs; give one per call"
        )
    return tuple(
        output.literal is not None and equal(output.value, value, tolerance)
        for output, value in zip(run.outputs, expected, strict=True)
    )


def _status(ended: Ended, n_outputs: int) -> tuple[Status, str, tuple[Output, ...]]:
    if ended.reason == "timeout" or ended.returncode == _CPU_SIGNAL:
        return "timeout", "time ran out", ()
    if ended.reason == "output":
        return "output", "it wrote more than allowed", ()
    if ended.reason == "stopped":
        return "killed", "stopped by the caller", ()
    if ended.returncode < 0:
        return "killed", f"died by signal {-ended.returncode}", ()
    try:
        frame = read_frame(ended.result[1:], n_outputs)
    except FrameError as error:
        return "error", f"{error} (exit status {ended.returncode})", ()
    statuses: dict[str, Status] = {"k": "ok", "x": "error", "m": "memory"}
    return statuses[frame.status], frame.message, frame.outputs


def _encodable(source: str) -> str:
    """Lone surrogates cannot be compiled or sent; they become question marks."""
    return source.encode("utf-8", "replace").decode("utf-8")
