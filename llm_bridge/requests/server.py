"""Where a model is and how it is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from llm_bridge.requests.request import Request
from persuasion.errors import PersuasionError

__all__ = ["Endpoint", "LengthField", "Server"]

Endpoint = Literal["completions", "chat"]
LengthField = Literal["max_tokens", "max_completion_tokens"]

_OPTIONAL = ("temperature", "seed")
_OURS = ("model", "messages", "prompt", "n", "best_of", "stream")

_OPENAI = "https://api.openai.com/v1"
_URL, _KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"


@dataclass(frozen=True)
class Server:
    """A model at a server, and the settings that go with every request.

    Attributes
    ----------
    model : str
        As the server calls it.
    url : str
    key : str
    endpoint : {"completions", "chat"}
    temperature : float, >= 0
    seed : int, >= 0
    length_field : {"max_tokens", "max_completion_tokens"}
        How the server calls the bound on an answer's length.
    unsent : tuple of str
        Which of temperature and seed are not sent: some models refuse them.
    extra : mapping
        What else goes with every request, such as ``reasoning_effort``.

    Raises
    ------
    PersuasionError
        Where one of them is not legal.
    """

    model: str
    url: str
    key: str = field(repr=False)
    endpoint: Endpoint = "completions"
    temperature: float = 0.0
    seed: int = 0
    length_field: LengthField = "max_tokens"
    unsent: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.model:
            raise PersuasionError("`model` must name a model as the server calls it; got ''")
        if self.endpoint not in ("completions", "chat"):
            raise PersuasionError(
                f"`endpoint` must be 'completions' or 'chat'; got {self.endpoint!r}"
            )
        if self.length_field not in get_args(LengthField):
            raise PersuasionError(
                f"`length_field` must be one of {', '.join(get_args(LengthField))}; got "
                f"{self.length_field!r}"
            )
        for name in self.unsent:
            if name not in _OPTIONAL:
                raise PersuasionError(f"`unsent` may name {' and '.join(_OPTIONAL)}; got {name!r}")
        for name in self.extra:
            if name in (*_OPTIONAL, *_OURS, *get_args(LengthField)):
                raise PersuasionError(
                    f"`extra` holds what requests have beside {', '.join((*_OURS, *_OPTIONAL))} "
                    f"and their length; got {name!r}"
                )
        for name in _OPTIONAL:
            if not getattr(self, name) >= 0:
                raise PersuasionError(f"`{name}` must be at least 0; got {getattr(self, name)}")
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise PersuasionError(
                f"`base_url` must begin with http:// or https://, as {_OPENAI} does; got "
                f"{self.url!r}"
            )
        if "@" in urlsplit(self.url).netloc:
            raise PersuasionError(
                "`base_url` holds a name or password before an @, and addresses are written to "
                "files; pass it as `api_key`"
            )
        if not self.key:
            raise PersuasionError(
                f"no API key: pass `api_key` or set the environment's {_KEY}; a server that needs "
                "none takes any text"
            )
        if not (self.key.isascii() and self.key.isprintable()) or " " in self.key:
            raise PersuasionError(
                "the API key holds a space, a line end or another character that no key has; look "
                f"at `api_key` or the environment's {_KEY}"
            )

    @classmethod
    def of(cls, model: str, base_url: str | None, api_key: str | None, **settings: Any) -> Server:
        """Return a server; what is not given comes from the environment."""
        url = (os.environ.get(_URL) or _OPENAI) if base_url is None else base_url
        key = api_key or os.environ.get(_KEY, "")
        return cls(model, url.rstrip("/"), key.strip(), **settings)  # files of keys end in a line

    def request(
        self,
        prompt: str,
        max_new_tokens: int,
        *,
        turn: int = 0,
        n: int = 1,
        temperature: float | None = None,
    ) -> Request:
        """Return a request with a seed of its own, which depends on prompt and turn.

        Parameters
        ----------
        prompt : str
        max_new_tokens : int, >= 1
        turn : int
            Which asking of the same prompt it is, the first 0.
        n : int, >= 1
            Choices.
        temperature : float, optional
            Default the server's.

        Raises
        ------
        PersuasionError
            When the prompt is empty or a number is not legal.

        Examples
        --------
        >>> server = Server("some-model", "http://127.0.0.1/v1", "none")
        >>> server.request("1+1=", 8).body["max_tokens"]
        8
        """
        if max_new_tokens < 1:
            raise PersuasionError(f"`max_new_tokens` must be at least 1; got {max_new_tokens}")
        if n < 1:
            raise PersuasionError(f"`n` must be at least 1; got {n}")
        if not prompt:
            raise PersuasionError("a prompt is empty; every request needs a text")
        told = f"{self.seed} {turn} {prompt}".encode()
        seed = int.from_bytes(blake2b(told, digest_size=8).digest(), "big") % 2**31
        body: dict[str, Any] = {
            "model": self.model,
            self.length_field: max_new_tokens,
            "temperature": self.temperature if temperature is None else temperature,
            "seed": seed,
            **self.extra,
        }
        for name in self.unsent:
            body.pop(name, None)
        if self.endpoint == "chat":
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt  # one text: servers differ in what they make of a list
        if n > 1:
            body["n"] = n
        return Request(self.url, self.endpoint, body, turn)
