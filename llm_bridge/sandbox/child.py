"""Starting one child and watching it to its end: time, output, and nobody left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["ENVIRONMENT", "Ended", "watch"]

ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All that a child inherits; it removes even that before the program runs."""
_PIECE = 1 << 16
_GONE_WITHIN_S = 2.0


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes
    ----------
    reason : {"exit", "timeout", "output", "stopped"}
        Left by itself (or was killed by the kernel), or was killed here and why.
    returncode : int
        Negative: the signal it died by.
    result, log : bytes
        What came through the private pipe, and the end of what it printed.
    seconds : float
        Wall time.
    """

    reason: Literal["exit", "timeout", "output", "stopped"]
    returncode: int
    result: bytes
    log: bytes
    seconds: float


def watch(
    command: Sequence[str],
    request: bytes,
    *,
    cwd: Path,
    timeout_s: float,
    result_limit: int,
    log_limit: int,
    tail: int = 4096,
    stop: int | None = None,
    look: bool = True,
) -> Ended:
    """Run a command in a session of its own until it ends or breaks a limit.

    Parameters
    ----------
    command : sequence of str
        The word ``{result}`` in it becomes the number of the private pipe.
    request : bytes
        For its standard input.
    cwd : Path
        Its folder.
    timeout_s : float
        Wall time, seconds.
    result_limit, log_limit : int
        Most bytes on the private pipe, and on standard output and error together.
    tail : int
        How much of the end of the log to keep, bytes.
    stop : int, optional
        A descriptor; when it becomes readable or is closed at its other end, the child is killed.
    look : bool
        Whether to search the process table for survivors of the session; needless (about 2 ms)
        when the child could make no process.

    Returns
    -------
    Ended
        When it returns, no process of the child's session is alive.
    """
    result_out, result_in = os.pipe()
    log_out, log_in = os.pipe()
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            [str(result_in) if word == "{result}" else word for word in command],
            stdin=subprocess.PIPE,
            stdout=log_in,
            stderr=log_in,
            pass_fds=(result_in,),
            cwd=cwd,
            env=ENVIRONMENT,
            start_new_session=True,
            bufsize=0,
        )
    except BaseException:
        os.close(result_out)
        os.close(log_out)
        raise
    finally:
        os.close(result_in)
        os.close(log_in)
    reader = _Reader(result_out, result_limit, log_out, log_limit, tail)
    try:
        alive = os.pidfd_open(process.pid)
        try:
            reason = _watch(process, request, alive, reader, started + timeout_s, stop)
        finally:
            os.close(alive)
    finally:
        _end_group(process, look)
        os.close(result_out)
        os.close(log_out)
        if process.stdin is not None:
            process.stdin.close()
    seconds = time.monotonic() - started
    return Ended(reason, process.returncode, bytes(reader.result), bytes(reader.log), seconds)


class _Reader:
    """Collects both pipes, never more than the limits."""

    def __init__(self, result: int, result_limit: int, log: int, log_limit: int, tail: int) -> None:
        self.open = {result, log}
        self.result, self.log = bytearray(), bytearray()
        self._result_handle, self._tail = result, tail
        self._left = {result: result_limit, log: log_limit}
        for handle in self.open:
            os.set_blocking(handle, False)

    def take(self, handle: int) -> bool:
        """Read what is there; False once the limit is broken."""
        while handle in self.open:
            try:
                piece = os.read(handle, _PIECE)
            except BlockingIOError:
                return True
            if not piece:
                self.open.discard(handle)
                return True
            self._left[handle] -= len(piece)
            if handle == self._result_handle:
                self.result += piece
            else:
                self.log += piece
                del self.log[: -self._tail]
            if self._left[handle] < 0:
                return False
        return True


def _watch(
    process: subprocess.Popen[bytes],
    request: bytes,
    alive: int,
    reader: _Reader,
    deadline: float,
    stop: int | None,
) -> Literal["exit", "timeout", "output", "stopped"]:
    assert process.stdin is not None
    sink: int | None = process.stdin.fileno()
    os.set_blocking(process.stdin.fileno(), False)
    unsent = memoryview(request)
    while True:
        poll = select.poll()
        for handle in (alive, *reader.open, *(() if stop is None else (stop,))):
            poll.register(handle, select.POLLIN)
        if sink is not None:
            poll.register(sink, select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0:
            return "timeout"
        ready = {handle for handle, _ in poll.poll(1000 * left)}
        if stop in ready:
            return "stopped"
        if sink in ready:
            assert sink is not None
            try:
                unsent = unsent[os.write(sink, unsent) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                unsent = unsent[:0]
            if not unsent:
                process.stdin.close()
                sink = None
        ended = alive in ready  # looked at before the last reading, so that nothing is missed
        for handle in list(reader.open if ended else reader.open & ready):
            if not reader.take(handle):
                return "output"
        if ended:
            return "exit"


def _end_group(process: subprocess.Popen[bytes], look: bool) -> None:
    """Kill the whole group while its leader, not yet reaped, still holds the number; then look."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # only the dead are left
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # where the caller has SIGCHLD ignored
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        deadline = time.monotonic() + _GONE_WITHIN_S
        while look and (left := _members(process.pid)):
            for member in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"processes {left} of session {process.pid} outlived SIGKILL by "
                    f"{_GONE_WITHIN_S} s; look at them with `ps` before you go on"
                )
            time.sleep(0.001)
    finally:
        process.wait()


def _members(session: int) -> list[int]:
    """Living processes of a session or group; its leader, which waits to be reaped, is none."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # gone meanwhile
            continue
        state, _, group, its_session = stat[stat.rindex(")") + 1 :].split()[:4]
        if session in (int(group), int(its_session)) and state not in "ZX":
            found.append(int(name))
    return found
