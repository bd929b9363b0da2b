"""Budget and log together: what an attempt can use is set aside, and on disk, before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from llm_bridge.requests.budget import Budget, Meter, Usage
from llm_bridge.requests.log import RequestLog
from llm_bridge.requests.request import Request
from llm_bridge.requests.traffic import counted
from persuasion.errors import PersuasionError

__all__ = ["Ledger", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt.

    Attributes
    ----------
    used : Usage or None
        None: nothing.
    problem : str
        Why there is no answer.
    answer : mapping or None
    """

    used: Usage | None
    problem: str = ""
    answer: Mapping[str, Any] | None = None


class Ledger:
    """Keeps a budget over the life of a log, whatever kills the processes that write it.

    Parameters
    ----------
    log : RequestLog
    budget : Budget

    Attributes
    ----------
    meter : Meter
        Begins with what the log says was spent: by answers, by failures that may have been paid
        for, and by attempts of which nothing is known, at the most they can have used.
    """

    def __init__(self, log: RequestLog, budget: Budget) -> None:
        self.log = log
        self.meter = Meter(budget, self._logged(), self.unsettled)

    @property
    def unsettled(self) -> Usage:
        """The most that attempts used which were on their way when a process was killed."""
        return sum((Usage(**e["intent"]) for e in self.log.unsettled), Usage())

    def sentences(self) -> list[str]:
        """Say what was kept and spent over the life of the log, and what is not known."""
        budget, spent = self.meter.budget, self.meter.spent
        told = (
            f"{counted(len(self.log), 'answer')} kept, {spent.tokens} of {budget.tokens} tokens "
            "spent"
        )
        if budget.prices is not None:
            cap = "" if budget.money is None else f" of {budget.money:.4g}"
            told += f", {self.meter.cost:.4g}{cap} in money"
        if not self.log.unsettled:
            return [told]
        attempts = counted(len(self.log.unsettled), "request")
        return [
            told,
            f"{attempts} on the way when a process was killed, counted as {self.unsettled.tokens} "
            "tokens, the most that can have been used",
        ]

    def begin(self, request: Request) -> Callable[[Outcome], None]:
        """Set aside what one attempt can use; return what is to be called with its outcome.

        Raises
        ------
        CapReachedError
            When the budget does not hold it.
        """
        most = request.most
        self.meter.reserve(most)
        try:
            attempt = self.log.intend(request.content, asdict(most))
        except BaseException:
            self.meter.settle(most, None)
            raise

        def settle(outcome: Outcome) -> None:
            try:
                self._keep(request, attempt, outcome)
            finally:
                self.meter.settle(most, outcome.used)

        return settle

    def _keep(self, request: Request, attempt: str, outcome: Outcome) -> None:
        if outcome.answer is not None:
            self.log.add(request.content, outcome.answer, attempt=attempt, turn=request.turn)
        elif outcome.used is None:
            self.log.add_refusal(request.content, outcome.problem, attempt=attempt)
        else:
            self.log.add_failure(
                request.content, outcome.problem, asdict(outcome.used), attempt=attempt
            )

    def _logged(self) -> Usage:
        kept = [entry["answer"] for entry in self.log] + list(self.log.failures)
        try:
            return sum((Usage(**one["used"]) for one in kept), self.unsettled)
        except (KeyError, TypeError) as cause:
            raise PersuasionError(
                f"{self.log.path} holds an answer or failure that does not say what it used, so no "
                "budget can be kept with it; name another file"
            ) from cause
