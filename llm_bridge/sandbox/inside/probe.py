"""Try every protection on this very process and say which ones bite, one word a line."""

from __future__ import annotations

import os
import resource
import socket
import sys

from . import landlock, limits, seccomp

__all__ = ["main"]


def main(forbidden: str, readable: list[str]) -> None:
    """Print the layers that work.

    Parameters
    ----------
    forbidden : path
        A file that can be read now and must not be once Landlock is on.
    readable : list of path
        What may be read then.
    """
    if os.getsid(0) == os.getpid():
        _say("session")
    try:
        limits.die_with_parent(None)
        limits.set_limits(60, 1 << 30)
        if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
            _say("rlimits")
    except (OSError, ValueError) as error:
        _complain("rlimits", error)
    with open(forbidden, "rb"):
        pass
    abi = landlock.abi_version()
    try:
        if abi:
            landlock.restrict(readable, abi)
            if _fails(lambda: open(forbidden, "rb").close()):
                _say(f"landlock {abi}")
        else:
            _complain("landlock", "the kernel does not offer it")
    except OSError as error:
        _complain("landlock", error)
    try:
        limits.drop_capabilities()
        seccomp.install(seccomp.program(os.uname().machine))
        if _fails(lambda: socket.socket().close()):
            _say("seccomp")
    except OSError as error:
        _complain("seccomp", error)


def _fails(action: object) -> bool:
    try:
        action()  # type: ignore[operator]
    except PermissionError:
        return True
    return False


def _say(words: str) -> None:
    print(words, flush=True)


def _complain(layer: str, error: object) -> None:
    print(f"{layer}: {error}", file=sys.stderr, flush=True)
