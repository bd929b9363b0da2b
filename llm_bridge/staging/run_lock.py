"""One process at a time writes in a run's folder."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from persuasion.errors import PersuasionError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

_NAME = ".lock"
_NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process.

    The system's own lock on a file is used: it is gone with the process that held it, however that
    ended, so that none is ever left behind. Where the file system has no such locks, the process
    named in the file is looked for instead.

    Raises
    ------
    PersuasionError
        When another process holds it; the message names the process.
    """
    file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken_by_the_system(file, folder) and (pid := _living(_content(file))):
            raise _held(folder, pid)
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(file, 0)  # the file stays: removing it would let two processes hold two
    finally:
        os.close(file)


def _taken_by_the_system(file: int, folder: Path) -> bool:
    """Whether the lock is ours; False where the file system knows no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _held(folder, _content(file).get("pid")) from None
    except OSError as cause:
        if cause.errno not in _NO_LOCKS_HERE:
            raise
        return False
    return True


def _held(folder: Path, pid: object) -> PersuasionError:
    return PersuasionError(
        f"process {pid} is writing in {folder}; wait until it has ended, or name another folder"
    )


def _content(file: int) -> dict[str, object]:
    try:
        found = json.loads(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _living(content: dict[str, object]) -> int | None:
    """Process id of the holder, if on this host and alive; one elsewhere counts as alive."""
    pid = content.get("pid")
    if not isinstance(pid, int) or pid == os.getpid():
        return None
    if content.get("host") != socket.gethostname():
        return pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return pid
    return pid
