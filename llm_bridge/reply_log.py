"""Replies kept as they come, so that a killed run asks nothing twice.

One JSON object per line, appended: who was asked (her fingerprint), what, for how many tokens at
most, and what she wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_bridge.receivers import TextReceiver
from llm_bridge.reply import Reply
from persuasion.errors import PersuasionError

__all__ = ["ReplyLog", "ask"]

_AT_ONCE = 2048
"""Prompts between two visits to the disk."""


class ReplyLog:
    """Replies by what was asked.

    Parameters
    ----------
    path : path, optional
        File to read and append to; its folder must exist. None keeps them in memory only.

    Raises
    ------
    PersuasionError
        When the file holds something else.

    Notes
    -----
    The file is for one process at a time. A last line that a kill left unfinished is dropped.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._replies: dict[str, Reply] = {}
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def __len__(self) -> int:
        return len(self._replies)

    def __contains__(self, key: object) -> bool:
        return key in self._replies

    def get(self, key: str) -> Reply | None:
        """Return what was written under `key`, or None."""
        return self._replies.get(key)

    def add(self, replies: Sequence[tuple[str, Reply]]) -> None:
        """Keep (key, reply) pairs; on disk when the call returns."""
        self._replies.update(replies)
        if self.path is None or not replies:
            return
        lines = [
            json.dumps({"key": key, "text": r.text, "n_tokens": r.n_tokens, "finished": r.finished})
            for key, r in replies
        ]
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                key, reply = _entry(json.loads(line))
            except (ValueError, KeyError, TypeError) as cause:
                raise PersuasionError(
                    f"line {number} of {path} is no logged reply; name another file, or delete "
                    "this one to ask again"
                ) from cause
            self._replies[key] = reply
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)


def _entry(line: Any) -> tuple[str, Reply]:
    reply = Reply(line["text"], line["n_tokens"], line["finished"])
    if not (isinstance(reply.text, str) and isinstance(reply.n_tokens, int)):
        raise TypeError(line)
    return str(line["key"]), reply


def _key(receiver: TextReceiver, max_new_tokens: int, prompt: str) -> str:
    text = json.dumps([receiver.fingerprint, max_new_tokens, prompt])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def ask(
    receiver: TextReceiver,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    log: ReplyLog | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Reply]:
    """Have `receiver` answer each prompt, in order; what the log knows is not asked again.

    Parameters
    ----------
    receiver : TextReceiver
    prompts : sequence of str
        The same prompt twice gets the same reply.
    max_new_tokens : int
    log : ReplyLog, optional
    progress : callable, optional
        Called with (prompts answered, prompts in all), those of the log included.

    Raises
    ------
    PersuasionError
        When the receiver returns fewer or more replies than she was given prompts.
    """
    log = ReplyLog() if log is None else log
    keys = [_key(receiver, max_new_tokens, prompt) for prompt in prompts]
    missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in log}
    total, known = len(set(keys)), len(set(keys)) - len(missing)
    if progress:
        progress(known, total)
    open_keys = list(missing)
    for start in range(0, len(open_keys), _AT_ONCE):
        part = open_keys[start : start + _AT_ONCE]
        before = known + start

        def tell(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, total)

        replies = receiver.generate(
            [missing[key] for key in part], max_new_tokens=max_new_tokens, progress=tell
        )
        if len(replies) != len(part):
            raise PersuasionError(
                f"{receiver.name} returned {len(replies)} replies to {len(part)} prompts; "
                "`generate` must answer each prompt, in order, or raise"
            )
        log.add(list(zip(part, replies, strict=True)))
        tell(len(part), len(part))
    found = [log.get(key) for key in keys]
    return [reply for reply in found if reply is not None]
