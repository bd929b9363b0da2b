"""Resource limits, no new privileges, no capabilities, and death together with the parent."""

from __future__ import annotations

import ctypes
import os
import resource
import struct

__all__ = ["die_with_parent", "drop_capabilities", "set_limits"]

SET_PARENT_DEATH_SIGNAL, SET_NO_NEW_PRIVS, CAPABILITY_VERSION_3 = 1, 38, 0x20080522
SIGKILL = 9  # importing `signal` takes 2 ms


def set_limits(cpu_s: int, memory_bytes: int) -> None:
    """Bound processor time and memory; no file written, no process made, no core left.

    `RLIMIT_NPROC` does not bind root, and `RLIMIT_FSIZE` bounds each file rather than the disk:
    they stand behind the system call filter, not in its place.
    """
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))


def die_with_parent(parent: int | None) -> None:
    """Ask the kernel for SIGKILL when the parent goes, and gain no privilege from here on.

    Parameters
    ----------
    parent : int or None
        Its process id, to notice that it has gone already; None where it cannot be known.
    """
    _prctl(SET_NO_NEW_PRIVS, 1)
    _prctl(SET_PARENT_DEATH_SIGNAL, SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def drop_capabilities() -> None:
    """Give up every capability: root without them opens only what its file modes allow."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(struct.pack("=6I", *[0] * 6))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, nothing) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _prctl(number: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(number, *(ctypes.c_ulong(word) for word in (value, 0, 0, 0))) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
