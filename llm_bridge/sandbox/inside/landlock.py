"""Landlock by hand: from here on this process reads the files named and touches no other.

A thin wrapper of three system calls through `ctypes`; their numbers are the same on every
architecture. See ``man 7 landlock``.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # `typing` and `collections.abc` would double the start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["abi_version", "restrict"]

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Pairs (version of the interface, number of rights on files that it knows)."""
TCP_BIND_AND_CONNECT = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
O_PATH = getattr(os, "O_PATH", 0)


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi_version() -> int:
    """Version of the kernel's Landlock interface, 0 where there is none."""
    try:
        return max(0, _call(CREATE_RULESET, None, 0, 1))
    except OSError:
        return 0


def restrict(readable: Iterable[str], abi: int) -> None:
    """Allow reading below `readable`, refuse every other access to files, for good.

    Where the kernel knows how, TCP, abstract Unix sockets and signals to processes outside are
    refused too. ``no_new_privs`` must be set, or the process be privileged.

    Parameters
    ----------
    readable : iterable of path
        Files, or folders with all that is in them; a path that does not exist is passed over.
    abi : int
        Version to speak, at most `abi_version()`.

    Raises
    ------
    OSError
        When the kernel refuses; then the process must not go on.
    """
    handled = (1 << max(count for version, count in FILE_RIGHTS if abi >= version)) - 1
    rules = _Ruleset(handled, TCP_BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _call(CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        handle = os.open(path, O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        is_folder = os.fstat(handle).st_mode & 0o170000 == 0o040000
        rights = READ_FILE | READ_DIR if is_folder else READ_FILE
        rule = _PathBeneath(rights, handle)
        _call(ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
