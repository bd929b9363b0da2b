"""A seccomp filter by hand: the few system calls that a pure computation needs, no other.

An allow list written as classic BPF, so that nothing has to be installed. Whatever is not named
here, system calls of future kernels included, fails with EPERM; a call under a foreign
architecture (32 bit code on a 64 bit kernel, say) kills the process.

- No process and no thread can be made, no program started: ``clone``, ``fork``, ``execve`` are
  missing from the list. So nothing can outlive the child.
- No socket, no signal to anybody, no tracing, no change of a limit, owner, mode or time.
- ``openat`` only for reading: an independent second lock beside Landlock.
- ``fcntl`` only to copy descriptors and read flags: ``F_SETOWN`` with ``F_SETSIG`` would
  otherwise send a signal of choice to any process of the same user.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False  # `typing` and `collections.abc` would double the start-up time
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARCHITECTURES", "EPERM_ACTION", "KILL_ACTION", "install", "program"]

ALLOW, KILL_ACTION, EPERM_ACTION = 0x7FFF0000, 0x80000000, 0x00050000 | 1
LOAD, RETURN = 0x20, 0x06
EQUAL, AT_LEAST, ANY_BIT = 0x15, 0x35, 0x45
NUMBER, ARCHITECTURE = 0, 4
X32_BIT = 0x40000000

FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

X86_64: Mapping[str, int] = {
    "read": 0, "write": 1, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8,
    "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20, "access": 21, "select": 23,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "dup2": 33, "nanosleep": 35,
    "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79, "readlink": 89,
    "gettimeofday": 96, "getrusage": 98, "times": 100, "getuid": 102, "getgid": 104,
    "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131, "gettid": 186,
    "time": 201, "futex": 202, "sched_getaffinity": 204, "getdents64": 217,
    "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
    "exit_group": 231, "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269,
    "pselect6": 270, "ppoll": 271, "dup3": 292, "getrandom": 318, "membarrier": 324,
    "statx": 332, "rseq": 334, "faccessat2": 439,
}  # fmt: skip
AARCH64: Mapping[str, int] = {
    "getcwd": 17, "dup": 23, "dup3": 24, "fcntl": 25, "faccessat": 48, "openat": 56, "close": 57,
    "getdents64": 61, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66,
    "pread64": 67, "pselect6": 72, "ppoll": 73, "readlinkat": 78, "newfstatat": 79, "fstat": 80,
    "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135,
    "rt_sigreturn": 139, "times": 153, "uname": 160, "getrusage": 165, "gettimeofday": 169,
    "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177,
    "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226,
    "madvise": 233, "getrandom": 278, "membarrier": 283, "statx": 291, "rseq": 293,
    "faccessat2": 439,
}  # fmt: skip
ARCHITECTURES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (0xC000003E, X86_64),
    "aarch64": (0xC00000B7, AARCH64),
}
"""By machine name: the kernel's audit number, and the numbers of the calls allowed."""

SET_NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2


def program(machine: str) -> bytes:
    """Assemble the filter of one architecture, 8 bytes an instruction.

    Parameters
    ----------
    machine : str
        As `os.uname().machine` says it: a key of `ARCHITECTURES`.

    Raises
    ------
    OSError
        When no list is known for `machine`.
    """
    if machine not in ARCHITECTURES:
        raise OSError(f"no list of system calls for {machine!r}; known: {', '.join(ARCHITECTURES)}")
    audit, calls = ARCHITECTURES[machine]
    flags = _argument(2)
    open_code = [
        (LOAD, 0, 0, flags),
        (ANY_BIT, 0, 1, WRITING),
        (RETURN, 0, 0, EPERM_ACTION),
        (RETURN, 0, 0, ALLOW),
    ]
    fcntl_code = [
        (LOAD, 0, 0, _argument(1)),
        *((EQUAL, len(FCNTL_COMMANDS) - place, 0, command) for place, command in enumerate(
            FCNTL_COMMANDS)),
        (RETURN, 0, 0, EPERM_ACTION),
        (RETURN, 0, 0, ALLOW),
    ]  # fmt: skip
    plain = [number for name, number in calls.items() if name not in ("openat", "fcntl")]
    code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, audit),
        (RETURN, 0, 0, KILL_ACTION),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL_ACTION),
        (EQUAL, 0, len(open_code), calls["openat"]),
        *open_code,
        (EQUAL, 0, len(fcntl_code), calls["fcntl"]),
        *fcntl_code,
        *((EQUAL, len(plain) - place, 0, number) for place, number in enumerate(plain)),
        (RETURN, 0, 0, EPERM_ACTION),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _argument(place: int) -> int:
    """Where the low 32 bits of an argument lie; both architectures are little-endian."""
    return 16 + 8 * place


def install(code: bytes) -> None:
    """Put the filter over this process; it can never be taken off.

    Raises
    ------
    OSError
        When the kernel refuses; then the process must not go on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a 16 bit count, padding, a pointer
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    )
    for number, *rest in (
        (SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (SET_SECCOMP, FILTER, ctypes.addressof(header), 0, 0),
    ):
        if libc.prctl(number, *(ctypes.c_ulong(word) for word in rest)) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
