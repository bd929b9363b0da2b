"""One request after the other through the OpenAI client: patience, and answers that are checked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from llm_bridge.requests.budget import Usage
from persuasion.errors import PersuasionError

__all__ = ["Calls", "Traffic"]

FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_PASSING = (408, 409, 425, 429)
_SHOWN = 120


@dataclass(frozen=True)
class Traffic:
    """What became of requests.

    Attributes
    ----------
    sent : int
        Requests, repeated ones included.
    answered : int
        Those with a well-formed answer.
    malformed : int
        Answers that are no JSON, or not of the agreed form.
    refused : int
        Answers with an error status; 429 asks everybody to wait.
    lost : int
        Time-outs and lost connections.
    choices_missing : int
        Choices asked for that did not come back.
    """

    sent: int = 0
    answered: int = 0
    malformed: int = 0
    refused: int = 0
    lost: int = 0
    choices_missing: int = 0

    def __str__(self) -> str:
        return ", ".join(
            f"{value} {name.replace('_', ' ')}" for name, value in asdict(self).items()
        )


class _MalformedError(Exception):
    """An answer that is not what was agreed."""


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
    retries are off: every request that is sent is counted and paid from the budget.
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
        self._client = OpenAI(base_url=base_url, api_key=key, timeout=timeout_s, max_retries=0)
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._stopped = threading.Event()
        self.traffic = Traffic()

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
        self,
        body: Mapping[str, Any],
        reserve: Callable[[], None],
        settle: Callable[[Usage | None, str], None],
        most: Usage,
    ) -> dict[str, Any]:
        """Return a checked answer: ``choices`` (text, finish), ``usage`` or None, ``used``, ``id``.

        Parameters
        ----------
        body : mapping
        reserve, settle : callable
            Called around every attempt: may it be sent; what did it use (None: nothing), and what
            was the problem ("": none).
        most : Usage
            The most an attempt can use; taken as used where nobody knows.
        """
        problem = ""
        for attempt in range(self.retries + 1):
            self._wait()
            reserve()
            self._count(sent=1)
            try:
                answer = self._once(body, settle, most)
            except _PassingError as failure:
                problem = str(failure)
                self._pause(failure.retry_after, attempt, everybody=failure.busy)
                continue
            return answer
        raise PersuasionError(
            f"{self.base_url} did not answer, {self.retries + 1} attempts: {problem}. Answers so "
            "far are kept; start again when the server is well"
        )

    def _once(
        self, body: Mapping[str, Any], settle: Callable[[Usage | None, str], None], most: Usage
    ) -> dict[str, Any]:
        import openai

        create = (
            self._client.chat.completions.with_raw_response.create
            if self.endpoint == "chat"
            else self._client.completions.with_raw_response.create
        )
        used: Usage | None = most
        problem = "interrupted"
        try:
            raw = create(**body).text
            try:
                answer = _checked(raw, self.endpoint)
            except _MalformedError as cause:
                self._count(malformed=1)
                problem = f"malformed answer: {cause}"
                raise _PassingError(problem) from None
            used, problem = _used(answer["usage"], most), ""
            answer["used"] = asdict(used)
            missing = body.get("n", 1) - len(answer["choices"])
            self._count(answered=1, choices_missing=max(missing, 0))
            return answer
        except openai.APIStatusError as cause:
            used = None
            self._count(refused=1)
            raise self._refused(cause) from None
        except openai.APIConnectionError as cause:  # time-outs are among them
            if isinstance(cause.__cause__, ConnectionRefusedError) or _never_sent(cause):
                used = None
            self._count(lost=1)
            kind = "timed out" if isinstance(cause, openai.APITimeoutError) else "connection failed"
            problem = f"{kind} ({cause.__cause__ or cause})"
            raise _PassingError(problem) from None
        finally:
            settle(used, problem)

    def _refused(self, cause: Any) -> Exception:
        status = int(cause.status_code)
        told = _shorten(cause.response.text) or "no explanation"
        if status in _PASSING or status >= 500:
            after = cause.response.headers.get("retry-after")
            return _PassingError(
                f"status {status}: {told}", _seconds(after), busy=status in (429, 503)
            )
        if status in (401, 403):
            return PersuasionError(
                f"{self.base_url} does not accept the API key (status {status}: {told}); check "
                "`api_key` or OPENAI_API_KEY"
            )
        hint = "; check `model` and `base_url`" if status == 404 else ""
        return PersuasionError(f"{self.base_url} refused a request, status {status}: {told}{hint}")

    def _wait(self) -> None:
        while not self._stopped.is_set():
            left = self._not_before - time.monotonic()
            if left <= 0:
                return
            self._stopped.wait(left)
        raise PersuasionError("the work was stopped")

    def _pause(self, retry_after: float | None, attempt: int, *, everybody: bool) -> None:
        if attempt == self.retries:
            return
        pause = self.first_pause_s * 2**attempt if retry_after is None else retry_after
        pause = min(pause, _LONGEST_PAUSE_S)
        if everybody:
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + pause)
        else:
            self._stopped.wait(pause)

    def _count(self, **more: int) -> None:
        with self._lock:
            now = asdict(self.traffic)
            self.traffic = replace(self.traffic, **{k: now[k] + n for k, n in more.items()})


class _PassingError(Exception):
    """What may go away by itself."""

    def __init__(self, text: str, retry_after: float | None = None, *, busy: bool = False) -> None:
        super().__init__(text)
        self.retry_after, self.busy = retry_after, busy


def _checked(raw: str, endpoint: str) -> dict[str, Any]:
    """Read an answer, or say what is wrong with it."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise _MalformedError(f"no JSON, or cut short: {_shorten(raw) or 'empty'}") from None
    if not isinstance(found, dict) or not isinstance(found.get("choices"), list):
        raise _MalformedError(f"no choices: {_shorten(raw)}")
    choices = []
    for choice in found["choices"]:
        try:
            text = choice["message"]["content"] if endpoint == "chat" else choice["text"]
        except (KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise _MalformedError(f"a choice without text: {_shorten(json.dumps(choice))}")
        choices.append({"text": text, "finish": choice.get("finish_reason")})
    if not choices:
        raise _MalformedError("no choices came back")
    return {"choices": choices, "usage": _usage(found.get("usage")), "id": found.get("id")}


def _usage(found: Any) -> dict[str, int] | None:
    """Tokens read and written, where the server says both."""
    try:
        numbers = {"prompt": found["prompt_tokens"], "completion": found["completion_tokens"]}
    except (KeyError, TypeError):
        return None
    whole = all(type(n) is int and n >= 0 for n in numbers.values())
    return numbers if whole else None


def _used(usage: dict[str, int] | None, most: Usage) -> Usage:
    return most if usage is None else Usage(usage["prompt"], usage["completion"])


def _never_sent(cause: BaseException) -> bool:
    """Whether no connection was made at all, so that nothing can have been paid for."""
    inner = cause.__cause__
    return inner is not None and type(inner).__name__ in ("ConnectError", "ConnectTimeout")


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text is not None else -1.0
    except ValueError:  # a date
        return None
    return seconds if seconds >= 0 else None


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"
