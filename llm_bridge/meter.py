"""How many tokens go through the models, how fast, and in how much memory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

__all__ = ["GENERATION", "TRAINING", "Effort", "added_up", "in_words", "metered", "working"]

TRAINING, GENERATION = "training", "generation"
_NOW: ContextVar[Effort | None] = ContextVar("_NOW", default=None)


@dataclass
class Effort:
    """What went through models while it was metered.

    Attributes
    ----------
    tokens : dict of str to int
        By kind: read and written in training; written in generation. Padding does not count.
    seconds : dict of str to float
        Wall time, by kind.
    memory_mib : float or None
        Greatest memory in MiB: of tensors on the GPU where there is one, else of this process since
        it began; None where the system does not say.
    """

    tokens: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    memory_mib: float | None = None

    def rate(self, kind: str) -> float | None:
        """Tokens per second; None where nothing of the kind was done."""
        seconds = self.seconds.get(kind, 0.0)
        return self.tokens.get(kind, 0) / seconds if seconds else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "tokens": dict(self.tokens),
            "seconds": {kind: round(seconds, 3) for kind, seconds in self.seconds.items()},
            "memory_mib": self.memory_mib,
        }


@contextmanager
def metered() -> Iterator[Effort]:
    """Count what is done inside.

    Examples
    --------
    >>> with metered() as effort:
    ...     with working(GENERATION) as count:
    ...         count(12)
    >>> effort.tokens
    {'generation': 12}
    """
    effort = Effort()
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()
    token = _NOW.set(effort)
    try:
        yield effort
    finally:
        _NOW.reset(token)
        effort.memory_mib = _peak_mib()


@contextmanager
def working(kind: str) -> Iterator[Callable[[int], None]]:
    """Time what is done inside; call what is given with the number of tokens."""
    effort, began = _NOW.get(), perf_counter()

    def count(n: int) -> None:
        if effort is not None:
            effort.tokens[kind] = effort.tokens.get(kind, 0) + n

    try:
        yield count
    finally:
        if effort is not None:
            effort.seconds[kind] = effort.seconds.get(kind, 0.0) + perf_counter() - began


def in_words(effort: Mapping[str, Any]) -> str:
    """Say what `Effort.to_dict` returned, or several of them added up.

    Examples
    --------
    >>> in_words({"tokens": {"training": 52000}, "seconds": {"training": 2.0}, "memory_mib": 512.3})
    'training 26k tokens/s, at most 512 MiB'
    >>> in_words({})
    ''
    """
    parts = []
    for kind, tokens in effort.get("tokens", {}).items():
        seconds = effort["seconds"].get(kind)
        if seconds:
            rate = tokens / seconds
            parts.append(f"{kind} {rate / 1000:.3g}k tokens/s" if rate >= 1000 else
                         f"{kind} {rate:.3g} tokens/s")  # fmt: skip
    if effort.get("memory_mib"):
        parts.append(f"at most {effort['memory_mib']:.0f} MiB")
    return ", ".join(parts)


def added_up(efforts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add tokens and seconds of several `Effort.to_dict`; of memory the greatest counts.

    Examples
    --------
    >>> one = {"tokens": {"training": 3}, "seconds": {"training": 0.5}, "memory_mib": 7.0}
    >>> added_up([one, one, {}])
    {'tokens': {'training': 6}, 'seconds': {'training': 1.0}, 'memory_mib': 7.0}
    """
    known = [one for one in efforts if one]
    sums: dict[str, Counter[str]] = {"tokens": Counter(), "seconds": Counter()}
    for one in known:
        for name, counter in sums.items():
            counter.update(one[name])
    peak = max((one["memory_mib"] or 0.0 for one in known), default=0.0)
    return {**{name: dict(counter) for name, counter in sums.items()}, "memory_mib": peak or None}


def _cuda() -> Any:
    """The CUDA side of torch, if torch is loaded and has found a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _peak_mib() -> float | None:
    cuda = _cuda()
    if cuda is not None:
        return round(float(cuda.max_memory_allocated()) / 2**20, 1)
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
