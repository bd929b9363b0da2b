"""The bare interpreter that children run: which one, how it is started, what it must read."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

__all__ = ["HOME", "bare_command", "executable", "readable_paths"]

HOME = Path(__file__).resolve().parent
"""The folder that holds the package `inside`; a child has it on its path until it locks up."""

_LIST = """
import os, sys
folder = next(path for path in sys.path if path.endswith("lib-dynload"))
for name in sorted(os.listdir(folder)):
    module = name.partition(".")[0]
    if not module.startswith(("_test", "_xx", "xx", "_ctypes_test", "_tkinter", "readline")):
        try:
            __import__(module)
        except ImportError:
            pass
print("\\n".join(path for path in sys.path if os.path.exists(path)))
maps = open("/proc/self/maps").read().splitlines()
print("\\n".join(sorted({line.split(None, 5)[5] for line in maps if ".so" in line})))
"""


def executable() -> str:
    """Path of the real interpreter behind this one: no virtual environment, no link."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def bare_command(*arguments: str) -> list[str]:
    """Command that starts the interpreter without site packages, user folder or current folder.

    Not ``-I``, which would ignore `PYTHONHASHSEED` too: the environment holds that and nothing
    else, so that the order of a set is the same in every run.
    """
    return [executable(), "-s", "-P", "-S", "-X", "utf8", *arguments]


@cache
def readable_paths() -> tuple[str, ...]:
    """What a locked child may read: the standard library and the shared libraries it loads."""
    listing = subprocess.run(
        bare_command("-c", _LIST),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={},
        timeout=60,
        check=True,
    )
    paths: list[str] = []
    for path in sorted(filter(os.path.isabs, listing.stdout.splitlines())):
        if not any(path.startswith(f"{folder}/") for folder in paths):
            paths.append(path)
    return (*paths, "/etc/ld.so.cache")
