"""The codebook: the words by which an Advisor's signals are written.

A signal is a codeword; what it means is what the Advisor makes it mean. The words only have to be
told apart token by token: no codeword may be the beginning of another under the tokenizer in use,
or a reader who has read the shorter one would not know whether the signal is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from persuasion.errors import PersuasionError

__all__ = ["Codebook", "TextEncoder", "TokenIds"]

TokenIds = tuple[tuple[int, ...], ...]

_NEUTRAL = (
    "amber", "cobalt", "ivory", "teal", "ochre", "lilac", "sepia", "mauve",
    "umber", "jade", "plum", "fawn", "russet", "slate", "khaki", "beige",
)  # fmt: skip


class TextEncoder(Protocol):
    """The one thing a codebook asks of a tokenizer."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token ids of `text`."""
        ...


@dataclass(frozen=True)
class Codebook:
    """One codeword for each signal.

    Parameters
    ----------
    words : tuple of str
        Different, not empty, free of white space at both ends; position = signal.
    template : str
        How a word is written after the Advisor's prompt; holds ``{word}`` once. Tokenizers that
        glue spaces to words want ``" {word}"``.

    Raises
    ------
    PersuasionError
        When words or template are not legal.

    Examples
    --------
    >>> from llm_bridge.codebook import Codebook
    >>> book = Codebook(("amber", "cobalt"), template=" {word}")
    >>> book.texts
    (' amber', ' cobalt')
    """

    words: tuple[str, ...]
    template: str = "{word}"

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        for word in self.words:
            if not isinstance(word, str) or not word or word != word.strip():
                raise PersuasionError(
                    "codewords must be texts that are not empty and have no white space at their "
                    f"ends; got {word!r}. Spaces go into `template`, for example ' {{word}}'"
                )
        repeated = [word for word in self.words if self.words.count(word) > 1]
        if not self.words or repeated:
            raise PersuasionError(
                "a codebook needs one or more different words; "
                + (f"{repeated[0]!r} stands in it twice" if repeated else "got none")
            )
        if self.template.count("{word}") != 1:
            raise PersuasionError(
                f"`template` must hold {{word}} once, as '{{word}}' does; got {self.template!r}"
            )

    @property
    def n_signals(self) -> int:
        """Number of signals."""
        return len(self.words)

    @property
    def texts(self) -> tuple[str, ...]:
        """What is written for each signal: the words in the template."""
        return tuple(self.render(signal) for signal in range(self.n_signals))

    def render(self, signal: int) -> str:
        """Return what is written for one signal."""
        return self.template.replace("{word}", self.words[signal])

    @classmethod
    def default(cls, n_signals: int, *, template: str = "{word}") -> Codebook:
        """Return a codebook of words that suggest nothing about any item.

        Parameters
        ----------
        n_signals : int
            From 1 to 16.

        Examples
        --------
        >>> from llm_bridge.codebook import Codebook
        >>> Codebook.default(3).words
        ('amber', 'cobalt', 'ivory')
        """
        if not 1 <= n_signals <= len(_NEUTRAL):
            raise PersuasionError(
                f"`n_signals` must be from 1 to {len(_NEUTRAL)}; got {n_signals}. "
                "For more write Codebook(words) with words of your own"
            )
        return cls(_NEUTRAL[:n_signals], template)

    def token_ids(self, tokenizer: TextEncoder) -> TokenIds:
        """Return the tokens of each codeword, unchecked."""
        return tuple(tuple(tokenizer.encode(text, add_special_tokens=False)) for text in self.texts)

    def check(self, tokenizer: TextEncoder) -> TokenIds:
        """Return the tokens of each codeword after checking that they can be told apart.

        Parameters
        ----------
        tokenizer : tokenizer of transformers, or what encodes like one
            The one in use: words apart under one tokenizer may clash under another.

        Raises
        ------
        PersuasionError
            When a codeword has no tokens or an unknown one, or when one begins another; the
            message names the pair.
        """
        ids = self.token_ids(tokenizer)
        unknown = getattr(tokenizer, "unk_token_id", None)
        for word, tokens in zip(self.words, ids, strict=True):
            if not tokens or (unknown is not None and unknown in tokens):
                raise PersuasionError(
                    f"this tokenizer cannot write the codeword {word!r} (its tokens: "
                    f"{list(tokens)}); use other words"
                )
        for first, shorter in enumerate(ids):
            for second, longer in enumerate(ids):
                if first != second and longer[: len(shorter)] == shorter:
                    how = "is the same as" if len(shorter) == len(longer) else "begins like"
                    raise PersuasionError(
                        f"under this tokenizer the codeword {self.words[second]!r} {how} "
                        f"{self.words[first]!r} (tokens {list(longer)} and {list(shorter)}), so "
                        "signals could not be told apart; use other words"
                    )
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary with keys ``words`` and ``template``."""
        return {"words": list(self.words), "template": self.template}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Codebook:
        """Build a codebook from the keys that `to_dict` writes; unknown keys are an error."""
        unknown = [key for key in data if key not in ("words", "template")]
        if unknown or not isinstance(data.get("words"), list):
            raise PersuasionError(
                "a codebook holds the keys words (a list) and template; "
                + (f"unknown key {unknown[0]!r}" if unknown else "words are missing")
            )
        return cls(tuple(data["words"]), data.get("template", "{word}"))
