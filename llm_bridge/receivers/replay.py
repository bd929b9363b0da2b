"""Answers recorded earlier, of a model that need not be at hand any more, as the Receiver."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any

from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.reply import Reply
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver
from persuasion.whole_file import write_whole

__all__ = ["ReplayReceiver"]

_SHOWN = 80
_COMPARED = 2000
"""Recorded prompts among which the one most like an unknown prompt is looked for."""


class ReplayReceiver:
    """Answers with what was recorded for exactly the same prompt, or not at all.

    Parameters
    ----------
    replies : mapping of str to Reply
        By prompt.
    rule : Receiver of `persuasion` or str
        What she believes after a posterior; a name is looked up in `receivers.rules`.
    name : str

    Attributes
    ----------
    fingerprint : str
        Hash of the recorded answers and the rule.

    Examples
    --------
    >>> from llm_bridge.receivers.replay import ReplayReceiver
    >>> from llm_bridge.reply import Reply
    >>> receiver = ReplayReceiver({"1+1=": Reply("2", n_tokens=2)}, "best_response")
    >>> receiver.generate(["1+1="], max_new_tokens=8)
    [Reply(text='2', n_tokens=2, finished=True)]
    """

    def __init__(
        self,
        replies: Mapping[str, Reply],
        rule: Receiver | str = "posterior_sampling",
        name: str = "replay",
    ) -> None:
        if not replies:
            raise PersuasionError("there are no recorded answers; give at least one")
        self.name = name
        self.rule = rule_named(rule) if isinstance(rule, str) else rule
        self._replies = dict(replies)
        digest = blake2b(digest_size=16)
        for prompt, reply in sorted(self._replies.items()):
            digest.update(_line(prompt, reply).encode())
        digest.update(
            (repr(self.rule) if is_dataclass(self.rule) else type(self.rule).__qualname__).encode()
        )
        self._fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._replies)

    # -- making and keeping ------------------------------------------------------------------

    @classmethod
    def from_jsonl(
        cls,
        path: str | os.PathLike[str],
        rule: Receiver | str = "posterior_sampling",
        name: str | None = None,
    ) -> ReplayReceiver:
        """Read recorded answers.

        Parameters
        ----------
        path : path
            One JSON object per line: ``prompt``, ``text``, ``n_tokens`` and, unless true,
            ``finished``. The same line twice is legal.
        rule, name
            As for the class; the name is that of the file by default.

        Raises
        ------
        PersuasionError
            When the file cannot be read, a line is no such object, or a prompt has two answers.
        """
        replies: dict[str, Reply] = {}
        try:
            lines = Path(path).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as cause:
            raise PersuasionError(f"{path} cannot be read: {cause}") from cause
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            prompt, reply = _read(line, f"line {number} of {path}")
            if replies.setdefault(prompt, reply) != reply:
                raise PersuasionError(
                    f"line {number} of {path} gives another answer to a prompt answered before: "
                    f"{_cut(prompt)}. Keep one of the two"
                )
        if not replies:
            raise PersuasionError(f"{path} holds no recorded answers")
        return cls(replies, rule, Path(path).stem if name is None else name)

    @classmethod
    def of(
        cls,
        task: Task,
        examples: Iterable[Example],
        answer: Callable[[Example, str | None], Reply],
        rule: Receiver | str | None = None,
        name: str = "replay",
    ) -> ReplayReceiver:
        """Put answers from elsewhere behind the prompts of a task.

        Parameters
        ----------
        task : Task
        examples : iterable of Example
        answer : callable
            Called with the input and what the Receiver is led to believe, None for no hint.
        rule : Receiver of `persuasion` or str, optional
            Default the task's.
        name : str
        """
        replies = {
            task.receiver_prompt(example, hint): answer(example, hint)
            for example in examples
            for hint in (*task.items, None)
        }
        return cls(replies, task.rule if rule is None else rule, name)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what `from_jsonl` reads, all of it or nothing."""
        text = "".join(_line(prompt, reply) + "\n" for prompt, reply in self._replies.items())
        return write_whole(Path(path), text.encode())

    # -- the Receiver ------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """What tells this Receiver from others."""
        return self._fingerprint

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]``, by her rule."""
        return self.rule.respond(game, posteriors)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Answer each prompt, in order.

        Raises
        ------
        PersuasionError
            When a prompt was not recorded, or its answer is longer than `max_new_tokens`.
        """
        if isinstance(prompts, str):
            raise PersuasionError("`prompts` must be a sequence of texts; got one text")
        unknown = [prompt for prompt in prompts if prompt not in self._replies]
        if unknown:
            raise self._mismatch(unknown, len(prompts))
        replies = [self._replies[prompt] for prompt in prompts]
        longest = max((reply.n_tokens for reply in replies), default=0)
        if longest > max_new_tokens:
            raise PersuasionError(
                f"a recorded answer has {longest} tokens, but at most {max_new_tokens} are asked "
                "for; an answer cannot be cut after the fact: raise `max_new_tokens`"
            )
        if progress is not None and replies:
            progress(len(replies), len(replies))
        return replies

    def _mismatch(self, unknown: Sequence[str], n_prompts: int) -> PersuasionError:
        among = [p for p, _ in zip(self._replies, range(_COMPARED), strict=False)]
        like = get_close_matches(unknown[0], among, n=1, cutoff=0.0)
        return PersuasionError(
            f"{self.name} has no answer to {len(unknown)} of {n_prompts} prompts, the first "
            f"{_cut(unknown[0])}; the recorded prompt most like it is {_cut(like[0])}. "
            "Prompts must be the recorded ones, letter by letter"
        )


def _line(prompt: str, reply: Reply) -> str:
    return json.dumps(
        {"prompt": prompt, "text": reply.text, "n_tokens": reply.n_tokens,
         "finished": reply.finished}
    )  # fmt: skip


def _read(line: str, where: str) -> tuple[str, Reply]:
    try:
        row: dict[str, Any] = json.loads(line)
        prompt, text, n_tokens = row["prompt"], row["text"], row["n_tokens"]
        finished = row.get("finished", True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise PersuasionError(
            f"{where} is no recorded answer; it must be a JSON object with prompt, text, n_tokens "
            "and, unless true, finished"
        ) from cause
    texts = isinstance(prompt, str) and isinstance(text, str)
    whole = isinstance(n_tokens, int) and not isinstance(n_tokens, bool) and n_tokens >= 0
    if not (texts and whole and isinstance(finished, bool)):
        raise PersuasionError(
            f"{where}: prompt and text must be texts, n_tokens a whole number >= 0, finished true "
            f"or false; got {line[:_SHOWN]}"
        )
    return prompt, Reply(text, n_tokens, finished)


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
