"""One request after the other through the OpenAI client: patience, and answers that are checked."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from llm_bridge.requests.answers import MalformedError, checked, shortened, used_by
from llm_bridge.requests.budget import Usage
from llm_bridge.requests.ledger import Outcome
from llm_bridge.requests.traffic import Traffic
from persuasion.errors import PersuasionError

__all__ = ["Calls", "RefusedError"]

_LOG = logging.getLogger(__name__)

FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_PASSING = (408, 409, 425, 429)
_OF_THE_REQUEST = (400, 413, 415, 422)
_GAVE_UP = (504, 524)
"""What a gateway says that waited in vain: the server behind it may go on, and be paid."""
_NAMED = ("model", "messages", "prompt")
_LARGEST = 2**26
"""Bytes of an answer; more is no answer to a request for a few tokens."""
_SECRET = 8
"""Characters of the shortest key that is kept out of messages."""

Settle = Callable[[Outcome], None]


class RefusedError(PersuasionError):
    """A server does not take a request as it is, and would not the next time."""


class Calls:
    """Sends requests, repeats those that fail in passing, and returns checked answers.

    Parameters
    ----------
    base_url, key : str
    endpoint : {"completions", "chat"}
    timeout_s : float
    retries : int
    first_pause_s : float, optional
        Before the first repetition; doubled each time. What the server says in ``Retry-After``
        goes before it, up to a minute.

    Notes
    -----
    A server that says 429 makes all threads wait, not only the one that was told. The client's own
    retries are off: every request that is sent is counted and paid from the budget. What is tried
    again is logged as a warning, the 1st, 2nd, 4th, 8th ... time that its kind occurs.

    Attributes
    ----------
    traffic : Traffic
    problems : dict of str to str
        The last problem of each kind that `traffic` counts.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        endpoint: str,
        *,
        timeout_s: float,
        retries: int,
        first_pause_s: float | None = None,
    ) -> None:
        from openai import OpenAI

        self.base_url, self.endpoint = base_url, endpoint
        self.retries = retries
        self.first_pause_s = FIRST_PAUSE_S if first_pause_s is None else first_pause_s
        self._timeout_s, self._key = timeout_s, key
        self._broken, self._late = _errors_below()
        self._client = OpenAI(base_url=base_url, api_key=key, timeout=timeout_s, max_retries=0)
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._stopped = threading.Event()
        self.traffic = Traffic()
        self.problems: dict[str, str] = {}
        self._told: Counter[str] = Counter()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def stop(self) -> None:
        """Send nothing more, and stop waiting."""
        self._stopped.set()

    def resume(self) -> None:
        """Undo `stop`."""
        self._stopped.clear()

    def ask(
        self, body: Mapping[str, Any], begin: Callable[[], Settle], most: Usage
    ) -> dict[str, Any]:
        """Return a checked answer: ``choices`` (text, finish), ``usage`` or None, ``used``, ``id``.

        Parameters
        ----------
        body : mapping
        begin : callable
            Called before every attempt; raises if it may not be sent. What it returns is called
            with what became of the attempt.
        most : Usage
            The most an attempt can use; taken as used where nobody knows.

        Raises
        ------
        PersuasionError
            When the server goes on failing, or says that it will.
        """
        problem = ""
        for attempt in range(self.retries + 1):
            self._wait()
            settle = begin()
            try:
                return self._once(body, settle, most)
            except _PassingError as failure:
                problem = str(failure)
                self._pause(failure, attempt)
        raise PersuasionError(
            f"{self.base_url} did not answer, {self.retries + 1} attempts: {problem}. Answers so "
            "far are kept; start again when the server is well"
        )

    def _once(self, body: Mapping[str, Any], settle: Settle, most: Usage) -> dict[str, Any]:
        import openai

        if self._stopped.is_set():  # while `begin` waited
            settle(Outcome(None, "the work was stopped"))
            raise PersuasionError("the work was stopped")
        self._count(sent=1)
        outcome = Outcome(most, "interrupted")
        try:
            answer = checked(self._sent(body), self.endpoint)
            answer["used"] = asdict(used := used_by(answer, most))
            outcome = Outcome(used, answer=answer)
            self._count_choices(body, answer)
            return answer
        except MalformedError as cause:
            outcome = Outcome(most, f"malformed answer: {self._without_key(str(cause))}")
            raise self._failed("malformed", outcome.problem) from None
        except openai.APIStatusError as cause:
            told = shortened(self._without_key(cause.response.text)) or "no explanation"
            paid = most if cause.status_code in _GAVE_UP else None
            outcome = Outcome(paid, f"status {cause.status_code}: {told}")
            raise self._refused(cause, outcome.problem) from None
        except (openai.APIConnectionError, self._broken, TimeoutError) as cause:
            late = isinstance(cause, (openai.APITimeoutError, self._late, TimeoutError))
            kind = "timed out" if late else "connection failed"
            problem = f"{kind} ({cause.__cause__ or cause})"
            outcome = Outcome(None if _never_sent(cause) else most, problem)
            raise self._failed("lost", problem) from None
        finally:
            settle(outcome)

    def _sent(self, body: Mapping[str, Any]) -> bytes:
        """Send and read all of the answer; a server that dribbles has no more time than others."""
        ask: Any = self._client.completions if self.endpoint == "completions" else (
            self._client.chat.completions
        )  # fmt: skip
        deadline = time.monotonic() + self._timeout_s
        named = {name: body[name] for name in _NAMED if name in body}
        rest = {name: value for name, value in body.items() if name not in _NAMED}
        # as arguments, the client would refuse what it does not know and keep `timeout` to itself
        with ask.with_streaming_response.create(**named, extra_body=rest) as response:
            return _read(response.iter_bytes(), deadline)

    def _without_key(self, told: str) -> str:
        """What a server says stands in logs; some repeat the key. "none" or "x" is no secret."""
        return told.replace(self._key, "(the key)") if len(self._key) >= _SECRET else told

    def _refused(self, cause: Any, problem: str) -> Exception:
        status = int(cause.status_code)
        if status in _PASSING or status >= 500:
            after = _seconds(cause.response.headers.get("retry-after"))
            return self._failed("refused", problem, after, busy=status in (429, 503))
        self._failed("refused", problem)
        if status in (401, 403):
            return PersuasionError(
                f"{self.base_url} does not accept the API key ({problem}); check `api_key` or "
                "OPENAI_API_KEY"
            )
        hint = _hint(status, problem, self.endpoint)
        kind = RefusedError if status in _OF_THE_REQUEST else PersuasionError
        return kind(f"{self.base_url} refused a request, {problem}{hint}")

    def _failed(
        self, kind: str, problem: str, retry_after: float | None = None, *, busy: bool = False
    ) -> _PassingError:
        """Count a failure and remember it."""
        self._count(**{kind: 1})
        self.problems[kind] = problem
        return _PassingError(kind, problem, retry_after, busy=busy)

    def _wait(self) -> None:
        while not self._stopped.is_set():
            left = self._not_before - time.monotonic()
            if left <= 0:
                return
            self._stopped.wait(left)
        raise PersuasionError("the work was stopped")

    def _pause(self, failure: _PassingError, attempt: int) -> None:
        if attempt == self.retries:
            return
        after = failure.retry_after
        pause = min(self.first_pause_s * 2**attempt if after is None else after, _LONGEST_PAUSE_S)
        self._tell(failure, attempt, pause)
        if failure.busy:
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + pause)
        else:
            self._stopped.wait(pause)

    def _tell(self, failure: _PassingError, attempt: int, pause: float) -> None:
        with self._lock:
            self._told[failure.kind] += 1
            times = self._told[failure.kind]
        if times & (times - 1) == 0:
            _LOG.warning(
                "%s: %s; attempt %d of %d follows in %.1f s (%s %d so far)",
                self.base_url, failure, attempt + 2, self.retries + 1, pause, failure.kind, times,
            )  # fmt: skip

    def _count_choices(self, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        came = answer["choices"]
        self._count(
            answered=1,
            choices_missing=max(body.get("n", 1) - len(came), 0),
            empty=sum(not choice["text"] for choice in came),
        )

    def _count(self, **more: int) -> None:
        with self._lock:
            now = asdict(self.traffic)
            self.traffic = replace(self.traffic, **{k: now[k] + n for k, n in more.items()})


class _PassingError(Exception):
    """What may go away by itself."""

    def __init__(
        self, kind: str, problem: str, retry_after: float | None = None, *, busy: bool = False
    ) -> None:
        super().__init__(problem)
        self.kind, self.retry_after, self.busy = kind, retry_after, busy


def _read(parts: Iterable[bytes], deadline: float) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > _LARGEST:
            raise MalformedError(f"more than {_LARGEST} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer was not complete in time")
    return bytes(content)


def _errors_below() -> tuple[type[Exception], type[Exception]]:
    """Errors and time-outs of the library below the client, which comes raw where it reads.

    Which library that is changes with the version of the client, whose connections derive from it.
    """
    import openai

    (base,) = openai.DefaultHttpxClient.__bases__
    library = import_module(base.__module__.partition(".")[0])
    return library.HTTPError, library.TimeoutException


def _never_sent(cause: BaseException) -> bool:
    """Whether no connection was made at all, so that nothing can have been paid for."""
    inner = cause.__cause__ or cause
    return type(inner).__name__ in ("ConnectError", "ConnectTimeout", "ConnectionRefusedError")


def _hint(status: int, problem: str, endpoint: str) -> str:
    """What to look at, where a server says enough to guess."""
    if status == 404:
        return f"; check `model`, `base_url` and `endpoint` (now {endpoint})"
    if status not in _OF_THE_REQUEST:
        return ""
    if "max_completion_tokens" in problem:
        return '; `length_field = "max_completion_tokens"` may help'
    named = [name for name in ("temperature", "seed") if name in problem]
    if not named:
        return ""
    return f"; what a model refuses is left out by `unsent`, here {', '.join(named)}"


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text is not None else -1.0
    except ValueError:  # a date
        return None
    return seconds if seconds >= 0 else None
