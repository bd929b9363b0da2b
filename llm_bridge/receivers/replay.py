"""Answers recorded earlier, of a model that need not be at hand any more, as the Receiver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any

from llm_bridge.receivers.recordings import line_of, recorded_in, shown
from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.reply import Reply
from llm_bridge.requests.counting import counter
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver
from persuasion.whole_file import write_whole

__all__ = ["ReplayReceiver"]

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
            digest.update(line_of(prompt, reply).encode())
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
        count_tokens: Any = None,
    ) -> ReplayReceiver:
        """Read recorded answers, or the requests to a server that were kept with their answers.

        Parameters
        ----------
        path : path
            One JSON object per line: ``prompt``, ``text``, ``n_tokens`` and, unless true,
            ``finished``. Or the cache of an `OpenAIReceiver`: what was asked first of each prompt
            and has one answer; further samples, failures and refusals are passed over. The same
            answer twice is legal, both kinds in one file are not.
        rule, name
            As for the class; the name is that of the file by default.
        count_tokens : callable or tokenizer, optional
            Counts the tokens of answers for which a server gave no number, as in `OpenAIReceiver`.

        Raises
        ------
        PersuasionError
            When the file cannot be read, a line is no such object, a prompt has two answers, or a
            server did not say how many tokens an answer has.
        """
        replies: dict[str, Reply] = {}
        counting = None if count_tokens is None else counter(count_tokens)
        for where, prompt, reply in recorded_in(Path(path), counting):
            if replies.setdefault(prompt, reply) != reply:
                raise PersuasionError(
                    f"{where} gives another answer to a prompt answered before: "
                    f"{shown(prompt)}. Keep one of the two"
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
        text = "".join(line_of(prompt, reply) + "\n" for prompt, reply in self._replies.items())
        return write_whole(Path(path), text.encode())

    # -- the Receiver ------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """What tells this Receiver from others."""
        return self._fingerprint

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]``, by her rule."""
        return self.rule.respond(game, posteriors)

    def check(self, prompts: Sequence[str], *, max_new_tokens: int) -> None:
        """Refuse what `generate` could not answer.

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
        longest = max((self._replies[prompt].n_tokens for prompt in prompts), default=0)
        if longest > max_new_tokens:
            raise PersuasionError(
                f"a recorded answer has {longest} tokens, but at most {max_new_tokens} are asked "
                "for; an answer cannot be cut after the fact: raise `max_new_tokens`"
            )

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
        self.check(prompts, max_new_tokens=max_new_tokens)
        replies = [self._replies[prompt] for prompt in prompts]
        if progress is not None and replies:
            progress(len(replies), len(replies))
        return replies

    def _mismatch(self, unknown: Sequence[str], n_prompts: int) -> PersuasionError:
        among = [p for p, _ in zip(self._replies, range(_COMPARED), strict=False)]
        like = get_close_matches(unknown[0], among, n=1, cutoff=0.0)
        return PersuasionError(
            f"{self.name} has no answer to {len(unknown)} of {n_prompts} prompts, the first "
            f"{shown(unknown[0])}; the recorded prompt most like it is {shown(like[0])}. "
            f"{_difference(unknown[0], like[0])}; prompts must be the recorded ones, letter by "
            "letter"
        )


def _difference(given: str, recorded: str) -> str:
    """Where two texts part, which may be far behind what is shown of them."""
    pairs = enumerate(zip(given, recorded, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(given), len(recorded)))
    return (
        f"They part at character {same + 1}: {shown(given[same:])} against {shown(recorded[same:])}"
    )
