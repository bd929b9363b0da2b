"""What a language model wrote."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reply"]


@dataclass(frozen=True)
class Reply:
    """One response.

    Attributes
    ----------
    text : str
    n_tokens : int
        Tokens written, the end token included.
    finished : bool
        Whether it ended by itself; False when cut at the limit.
    """

    text: str
    n_tokens: int
    finished: bool = True
