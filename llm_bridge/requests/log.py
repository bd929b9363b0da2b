"""What was asked and answered, on disk before anything else is done with it.

A file of JSON lines. Before an attempt is sent, its *intent* is written: which request, and the
most it can use. What becomes of it settles the intent: an *answer*, a *failure* that may have been
paid for, or a *refusal* that used nothing. Intents that nothing settled belong to attempts that
were on their way when a process was killed.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from persuasion.errors import PersuasionError
from persuasion.store import key_of

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

__all__ = ["RequestLog", "kind_of"]

_KINDS = ("answer", "failure", "intent", "refusal")


class RequestLog:
    """Requests and what became of them, one JSON object per line, only ever appended to.

    Parameters
    ----------
    path : path, optional
        File to read and append to; its folder must exist. None keeps answers in memory only.

    Raises
    ------
    PersuasionError
        When the file holds something else, or another process has it open.

    Notes
    -----
    One process at a time, any number of threads. A last line that a kill left unfinished is
    dropped: what a call returned from is never lost. Files without intents, as they were written
    once, are read as well.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._entries: dict[str, dict[str, Any]] = {}
        self._failures: list[dict[str, Any]] = []
        self._unsettled: dict[str, dict[str, Any]] = {}
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
        return self.answer_to(key_of(request))

    def answer_to(self, key: str) -> Mapping[str, Any] | None:
        """Return what was answered to the request of that key, or None."""
        entry = self._entries.get(key)
        return None if entry is None else entry["answer"]

    # -- writing -----------------------------------------------------------------------------

    def intend(self, request: Mapping[str, Any], most: Mapping[str, int]) -> str:
        """Keep that a request is about to be sent, and the most that it can use.

        Returns
        -------
        str
            Name of the attempt, with which `add`, `add_failure` or `add_refusal` settles it.
        """
        attempt = secrets.token_hex(8)
        self._append({"key": key_of(request), "attempt": attempt, "intent": dict(most)})
        return attempt

    def add(
        self,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        *,
        attempt: str | None = None,
        turn: int = 0,
    ) -> None:
        """Keep an answer; it is on disk when the call returns.

        Parameters
        ----------
        request, answer : mapping
        attempt : str, optional
            What `intend` returned.
        turn : int
            Which asking of the same prompt it was.
        """
        key = key_of(request)
        entry = {"key": key, "attempt": attempt, "turn": turn, "request": dict(request),
                 "answer": dict(answer)}  # fmt: skip
        self._append(entry)
        self._entries[key] = entry

    def add_failure(
        self,
        request: Mapping[str, Any],
        problem: str,
        used: Mapping[str, int],
        *,
        attempt: str | None = None,
    ) -> None:
        """Keep that a request got no usable answer, and what it may have cost all the same."""
        failure = {"problem": problem, "used": dict(used)}
        self._append(
            {"key": key_of(request), "attempt": attempt, "request": dict(request),
             "failure": failure}
        )  # fmt: skip
        self._failures.append(failure)

    def add_refusal(self, request: Mapping[str, Any], problem: str, *, attempt: str) -> None:
        """Keep that an attempt used nothing."""
        self._append({"key": key_of(request), "attempt": attempt, "refusal": {"problem": problem}})

    # -- what it tells -----------------------------------------------------------------------

    @property
    def failures(self) -> tuple[Mapping[str, Any], ...]:
        """Mappings with ``problem`` and ``used``, in order."""
        return tuple(self._failures)

    @property
    def unsettled(self) -> tuple[Mapping[str, Any], ...]:
        """Intents of earlier processes that nothing settled: ``key``, ``attempt``, ``intent``."""
        return tuple(self._unsettled.values())

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

    # -- the file ----------------------------------------------------------------------------

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = (json.dumps({k: v for k, v in entry.items() if v is not None}) + "\n").encode()
        with self._lock:
            if self._file is None:
                if self.path is not None:
                    raise PersuasionError(f"the request log {self.path} is closed")
                return
            written = os.write(self._file, line)
            if written != len(line):  # half a line would spoil the next
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(f"{self.path} could not be written to the end: the disk may be full")
            os.fsync(self._file)

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
                self._take(_checked(json.loads(line)))
            except (ValueError, KeyError, TypeError) as cause:
                raise PersuasionError(
                    f"line {number} of {path} is no logged request; name another file, or delete "
                    "this one to pay again"
                ) from cause
        if whole < len(content):
            os.ftruncate(self._file, whole)

    def _take(self, entry: dict[str, Any]) -> None:
        kind = kind_of(entry)
        if kind == "intent":
            self._unsettled[entry["attempt"]] = entry
            return
        self._unsettled.pop(entry.get("attempt", ""), None)
        if kind == "answer":
            self._entries[entry["key"]] = entry
        elif kind == "failure":
            self._failures.append(entry["failure"])


def kind_of(line: object) -> str | None:
    """Return which kind of line of a request log a value is, or None if it is none.

    Examples
    --------
    >>> kind_of({"key": "k", "attempt": "a", "intent": {"prompt": 3, "completion": 8}})
    'intent'
    >>> kind_of({"prompt": "1+1=", "text": "2", "n_tokens": 1}) is None
    True
    """
    if not isinstance(line, dict) or "key" not in line:
        return None
    return next((kind for kind in _KINDS if isinstance(line.get(kind), dict)), None)


def _checked(line: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(line)
    if kind is None or not isinstance(line["key"], str):
        raise ValueError("no such kind")
    if kind in ("answer", "failure") and key_of(line["request"]) != line["key"]:
        raise ValueError(line["key"])
    if kind in ("intent", "refusal") and not isinstance(line["attempt"], str):
        raise TypeError(line["attempt"])
    if kind == "intent":
        numbers = (line["intent"]["prompt"], line["intent"]["completion"])
        if not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(numbers)
    return line
