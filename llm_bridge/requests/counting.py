"""Counting the tokens of a text, by whatever can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from persuasion.errors import PersuasionError

__all__ = ["counter"]


def counter(tokenizer: Any) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text.

    Parameters
    ----------
    tokenizer : object
        A function from text to number; a tokenizer of transformers, or anything else that, called
        with a text, returns ``input_ids``; or an object whose ``encode`` returns a list of ids or
        has them as ``ids``, as those of tokenizers and tiktoken. Tokens that a tokenizer puts
        around every text are not counted, where it can leave them out.

    Returns
    -------
    callable

    Raises
    ------
    PersuasionError
        When it is none of these; it is tried on a short text.

    Examples
    --------
    >>> counter(len)("four")
    4
    >>> counter(lambda text: {"input_ids": text.split()})("two tokens")
    2
    >>> counter("gpt2")
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: tokens can be counted by a function from text to a whole \
number >= 0, or by a tokenizer; got 'gpt2'
    """
    ask = tokenizer if callable(tokenizer) else getattr(tokenizer, "encode", None)
    if ask is None or isinstance(tokenizer, str):
        raise _unfit(tokenizer)
    try:
        plain: dict[str, bool] = {"add_special_tokens": False}
        ask("1 + 1", **plain)
    except Exception:  # it may take the text alone
        plain = {}

    def count(text: str) -> int:
        found = ask(text, **plain)
        if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
            return found
        try:
            ids = found["input_ids"] if hasattr(found, "keys") else getattr(found, "ids", found)
            if isinstance(ids, str):
                raise TypeError(ids)
            return len(ids)
        except (KeyError, TypeError):
            raise _unfit(tokenizer) from None

    try:
        count("1 + 1")
    except PersuasionError:
        raise
    except Exception as cause:
        raise _unfit(tokenizer) from cause
    return count


def _unfit(tokenizer: object) -> PersuasionError:
    return PersuasionError(
        "tokens can be counted by a function from text to a whole number >= 0, or by a tokenizer; "
        f"got {tokenizer!r}"
    )
