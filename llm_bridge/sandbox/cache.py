"""Runs kept on disk, one JSON line each: what was written survives whatever kills the writer."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errors import CacheError
from .run import STATUSES, Output, Run

__all__ = ["RunCache", "run_key"]

FORMAT = 1
LASTING = ("ok", "error", "memory", "output")
"""Statuses worth keeping: a timeout or a kill may have been the machine's doing."""


def run_key(program: str, calls: Sequence[str], **limits: object) -> str:
    """Hash of all that a run depends on: program, calls, limits, the version of Python.

    Examples
    --------
    >>> run_key("x = 1", ["x"]) == run_key("x = 1", ["x"]) != run_key("x = 1", ["x", "x"])
    True
    """
    content = [FORMAT, platform.python_version(), program, list(calls), sorted(limits.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class RunCache:
    """A file of runs, each under its key; the last one written counts.

    Lines are appended in one write under a lock, so several processes may share the file. A line
    that a crash cut off is passed over and the next one starts afresh.

    Parameters
    ----------
    path : Path
        Made if missing; its folder must exist.

    Raises
    ------
    CacheError
        When the file cannot be opened for reading and appending.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        try:
            with self.path.open("ab+") as file:
                file.seek(0)
                for line in file:
                    self._take(line)
        except OSError as error:
            raise CacheError(
                f"cannot keep runs in {str(path)!r}: {error.strerror}; give a file that can be "
                "written, in a folder that exists"
            ) from error

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, key: str) -> Run | None:
        """The run kept under a key."""
        return self._runs.get(key)

    def put(self, key: str, run: Run) -> None:
        """Keep a run, unless its status may have been the machine's doing."""
        if run.status not in LASTING:
            return
        line = json.dumps({"key": key, **asdict(run)}).encode() + b"\n"
        with self._lock, self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                line = b"\n" + line
            file.write(line)
            file.flush()
            self._runs[key] = run

    def _take(self, line: bytes) -> None:
        try:
            self._add(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # cut off by a crash

    def _add(self, entry: dict[str, Any]) -> None:
        key = entry.pop("key")
        entry["outputs"] = tuple(Output(**output) for output in entry["outputs"])
        entry["layers"] = tuple(entry["layers"])
        if entry["status"] in STATUSES and isinstance(key, str):
            self._runs[key] = Run(**entry)
