"""One request to a server: what is sent, what names it, and the most it can use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llm_bridge.requests.budget import Usage
from persuasion.store import key_of

__all__ = ["Request", "prompt_of"]

_TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add to a prompt."""


def prompt_of(body: Mapping[str, Any]) -> str:
    """Return the prompt of a completion, or the last thing that the user says in a chat.

    Raises
    ------
    KeyError, TypeError, ValueError
        When there is none.
    """
    if "prompt" in body:
        prompt = body["prompt"]
    else:
        said = [m["content"] for m in body["messages"] if m["role"] == "user"]
        if not said:
            raise ValueError("no message is a user's")
        prompt = said[-1]
    if not isinstance(prompt, str):
        raise TypeError(prompt)
    return prompt


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes
    ----------
    url : str
        Of the server.
    endpoint : {"completions", "chat"}
    body : mapping
        What is sent, JSON-ready.
    turn : int
        Which asking of the same prompt this is, the first 0; the seed in `body` depends on it.

    Examples
    --------
    >>> body = {"prompt": "1+1=", "max_tokens": 8, "n": 2}
    >>> Request("http://127.0.0.1/v1", "completions", body).most
    Usage(prompt=5, completion=16)
    """

    url: str
    endpoint: str
    body: Mapping[str, Any]
    turn: int = 0

    @cached_property
    def content(self) -> dict[str, Any]:
        """What an answer depends on; without a seed, also which asking of its prompt it is."""
        told = {"url": self.url, "endpoint": self.endpoint, "body": dict(self.body)}
        return told if "seed" in self.body or not self.turn else {**told, "turn": self.turn}

    @cached_property
    def key(self) -> str:
        """Hash of `content`."""
        return key_of(self.content)

    @property
    def prompt(self) -> str:
        """What the model reads."""
        return prompt_of(self.body)

    @property
    def choices(self) -> int:
        """Answers asked for."""
        n: int = self.body.get("n", 1)
        return n

    @property
    def most(self) -> Usage:
        """Most tokens it can use: a token of the prompt has at least one byte."""
        extra = _TEMPLATE_TOKENS if self.endpoint == "chat" else 1
        length = self.body.get("max_tokens") or self.body["max_completion_tokens"]
        return Usage(len(self.prompt.encode()) + extra, length * self.choices)
