"""Every request that was answered and its answer, on disk before anything else is done with it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from persuasion.errors import PersuasionError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

__all__ = ["RequestLog", "key_of"]


def key_of(request: Mapping[str, Any]) -> str:
    """Return the hash of a request's content; the order of its keys does not matter.

    Examples
    --------
    >>> key_of({"prompt": "a", "seed": 1}) == key_of({"seed": 1, "prompt": "a"})
    True
    """
    text = json.dumps(request, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class RequestLog:
    """Requests and answers, one JSON object per line, only ever appended to.

    Parameters
    ----------
    path : path, optional
        File to read and append to; its folder must exist. None keeps them in memory only.

    Raises
    ------
    PersuasionError
        When the file holds something else, or another process has it open.

    Notes
    -----
    One process at a time, any number of threads. A last line that a kill left unfinished is
    dropped: what `add` was done with is never lost.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._entries: dict[str, dict[str, Any]] = {}
        self._failures: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._file: int | None = None
        if self.path is not None:
            self._open(self.path)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield entries: mappings with ``key``, ``request`` and ``answer``."""
        return iter(list(self._entries.values()))

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what was answered to the same request, or None."""
        entry = self._entries.get(key_of(request))
        return None if entry is None else entry["answer"]

    def add(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Keep an answer; it is on disk when the call returns."""
        key = key_of(request)
        entry: dict[str, Any] = {"key": key, "request": dict(request), "answer": dict(answer)}
        with self._lock:
            self._append(entry)
            self._entries[key] = entry

    def add_failure(
        self, request: Mapping[str, Any], problem: str, used: Mapping[str, int]
    ) -> None:
        """Keep that a request got no usable answer, and what it may have cost all the same."""
        failure = {"problem": problem, "used": dict(used)}
        with self._lock:
            self._append({"key": key_of(request), "request": dict(request), "failure": failure})
            self._failures.append(failure)

    @property
    def failures(self) -> tuple[Mapping[str, Any], ...]:
        """Mappings with ``problem`` and ``used``, in order."""
        return tuple(self._failures)

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self._file is not None:
            line = (json.dumps(entry) + "\n").encode()
            if os.write(self._file, line) != len(line):
                raise OSError(f"{self.path} could not be written to the end: the disk may be full")
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file; another process may then have it."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def __enter__(self) -> RequestLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as cause:
            raise PersuasionError(
                f"the request log {path} cannot be opened: {cause.strerror}; its folder must exist"
            ) from cause
        try:
            if fcntl is not None:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise PersuasionError(
                        f"the request log {path} is in use; close the other RequestLog or wait for "
                        "the other process, or name another file"
                    ) from None
            self._read(path)
        except BaseException:
            self.close()
            raise

    def _read(self, path: Path) -> None:
        assert self._file is not None
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], start=1):
            try:
                entry = json.loads(line)
                key = key_of(entry["request"])
                kept = entry["failure"] if "failure" in entry else entry["answer"]
                if key != entry["key"] or not isinstance(kept, dict):
                    raise ValueError(key)
            except (ValueError, KeyError, TypeError) as cause:
                raise PersuasionError(
                    f"line {number} of {path} is no logged request; name another file, or delete "
                    "this one to pay again"
                ) from cause
            if "failure" in entry:
                self._failures.append(kept)
            else:
                self._entries[key] = entry
        if whole < len(content):
            os.ftruncate(self._file, whole)
