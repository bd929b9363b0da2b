"""Which settings of a request a server honours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_bridge.requests.request import Request

__all__ = ["Probe", "probe_with", "probing"]


@dataclass(frozen=True)
class Probe:
    """What a server does with the settings of a request.

    Attributes
    ----------
    asked, came : int
        Choices asked for in one request, and those that came back.
    greedy_repeats : bool
        Whether temperature 0 gave the same answer twice.
    sampling_varies : bool
        Whether temperature 1 gave answers that are not all the same. A model that is certain of
        its answer repeats itself too.
    """

    asked: int
    came: int
    greedy_repeats: bool
    sampling_varies: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind, in sentences."""
        found = []
        if self.came < self.asked:
            found.append(f"the server returns {self.came} of {self.asked} choices asked for")
        if not self.greedy_repeats:
            found.append("the server samples at temperature 0: answers cannot be repeated")
        if not self.sampling_varies:
            found.append(
                "answers at temperature 1 are all the same: the server may ignore the temperature "
                "(transformers serve does unless the saved generation config has do_sample true)"
            )
        return tuple(found)


def probing(make: Callable[[int, int, float], Request], n: int) -> list[Request]:
    """Return the requests of a probe: one of n choices, two greedy ones, n at temperature 1."""
    greedy = [make(turn, 1, 0.0) for turn in (1, 2)]
    varied = [make(turn, 1, 1.0) for turn in range(3, 3 + n)]
    return [make(0, n, 1.0), *greedy, *varied]


def probe_with(
    make: Callable[[int, int, float], Request],
    ask: Callable[[Sequence[Request]], Mapping[str, Mapping[str, Any]]],
    n: int,
) -> Probe:
    """Ask a few times and compare.

    Parameters
    ----------
    make : callable
        Called with a turn, a number of choices and a temperature.
    ask : callable
        Returns answers by key of their request.
    n : int, >= 2
        Choices in one request, and requests at temperature 1; two more are greedy.
    """
    requests = probing(make, n)
    several, greedy, varied = requests[0], requests[1:3], requests[3:]
    answers = ask(requests)

    def texts(requests: Sequence[Request]) -> set[str]:
        return {answers[request.key]["choices"][0]["text"] for request in requests}

    came = len(answers[several.key]["choices"])
    return Probe(n, came, len(texts(greedy)) == 1, len(texts(varied)) > 1)
