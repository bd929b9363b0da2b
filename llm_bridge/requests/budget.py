"""What requests to a paid model will cost at most, and a cap that nothing exceeds."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from persuasion.errors import PersuasionError

__all__ = ["Budget", "CapReachedError", "Estimate", "Meter", "Prices", "Usage"]

_MILLION = 1_000_000


class CapReachedError(PersuasionError, RuntimeError):
    """More would have to be spent than is allowed."""


@dataclass(frozen=True)
class Prices:
    """Money per million tokens, in any currency.

    Parameters
    ----------
    prompt, completion : float, >= 0
        For tokens read and tokens written.
    """

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        for name in ("prompt", "completion"):
            if not 0 <= getattr(self, name) < math.inf:
                raise PersuasionError(
                    f"the price `{name}` must be a number >= 0, money per million tokens; got "
                    f"{getattr(self, name)}"
                )


@dataclass(frozen=True)
class Usage:
    """Tokens.

    Attributes
    ----------
    prompt, completion : int
        Read and written.
    """

    prompt: int = 0
    completion: int = 0

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.completion + other.completion)

    def cost(self, prices: Prices | None) -> float:
        """Money; 0 without prices."""
        if prices is None:
            return 0.0
        return (self.prompt * prices.prompt + self.completion * prices.completion) / _MILLION


@dataclass(frozen=True)
class Budget:
    """The most that may be spent, over the whole life of a request log.

    Parameters
    ----------
    tokens : int, > 0
        Read and written together.
    money : float, optional
        In the currency of `prices`, which it needs.
    prices : Prices, optional
        None: the model is free.

    Examples
    --------
    >>> Budget(tokens=100_000, money=0.05, prices=Prices(prompt=0.15, completion=0.6)).tokens
    100000
    """

    tokens: int
    money: float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tokens, bool) or not isinstance(self.tokens, int) or self.tokens < 1:
            raise PersuasionError(f"`tokens` must be an integer >= 1; got {self.tokens!r}")
        if self.money is not None and self.prices is None:
            raise PersuasionError(
                "a cap on `money` needs `prices`; pass Prices(prompt=..., completion=...), money "
                "per million tokens"
            )
        if self.money is not None and not 0 < self.money < math.inf:
            raise PersuasionError(f"`money` must be a number above 0; got {self.money}")


@dataclass(frozen=True)
class Estimate:
    """What open requests will use.

    Attributes
    ----------
    requests : int
        Not yet answered.
    cached : int
        Answered already, and free.
    likely, most : Usage
        With answers of full length; prompts at so many bytes per token, and at one byte.
    likely_cost, most_cost : float
        Money; 0 without prices.

    Examples
    --------
    >>> parts = [Estimate(2, 0, Usage(10, 8), Usage(40, 8)), Estimate(0, 3)]
    >>> print(sum(parts, Estimate()))
    2 requests (3 more are answered already): likely 18 tokens, at most 48
    """

    requests: int = 0
    cached: int = 0
    likely: Usage = Usage()
    most: Usage = Usage()
    likely_cost: float = 0.0
    most_cost: float = 0.0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.requests + other.requests,
            self.cached + other.cached,
            self.likely + other.likely,
            self.most + other.most,
            self.likely_cost + other.likely_cost,
            self.most_cost + other.most_cost,
        )

    def __str__(self) -> str:
        text = (
            f"{self.requests} requests ({self.cached} more are answered already): likely "
            f"{self.likely.tokens} tokens, at most {self.most.tokens}"
        )
        if self.most_cost:
            text += f"; likely {self.likely_cost:.4g} in money, at most {self.most_cost:.4g}"
        return text


class Meter:
    """Adds up what was spent and refuses what could exceed the budget; safe among threads.

    Parameters
    ----------
    budget : Budget
    spent : Usage, optional
        Before now.
    presumed : Usage, optional
        The part of it that is not known to have been used, only that it was no more.
    """

    def __init__(
        self, budget: Budget, spent: Usage | None = None, presumed: Usage | None = None
    ) -> None:
        self.budget = budget
        self._presumed = Usage() if presumed is None else presumed
        self._spent = Usage() if spent is None else spent
        self._reserved = Usage()
        self._changed = threading.Condition()

    @property
    def spent(self) -> Usage:
        """Tokens used so far."""
        return self._spent

    @property
    def cost(self) -> float:
        """Money spent so far; 0 without prices."""
        return self._spent.cost(self.budget.prices)

    def check(self, estimate: Estimate) -> None:
        """Refuse work that will likely not fit into what is left.

        Raises
        ------
        CapReachedError
        """
        if estimate.requests:
            self._refuse(self._spent + estimate.likely, f"the work ahead needs {estimate}")

    def reserve(self, most: Usage) -> None:
        """Set aside what a request may use at most; wait while other requests hold too much.

        Raises
        ------
        CapReachedError
            When the budget does not hold it beside what is spent.
        """
        with self._changed:
            while True:
                alone = self._reserved == Usage()
                try:
                    wanted = self._spent + self._reserved + most
                    self._refuse(wanted, f"the next request may use up to {most.tokens} tokens")
                except CapReachedError:
                    if alone:
                        raise
                    self._changed.wait()
                    continue
                self._reserved = self._reserved + most
                return

    def settle(self, most: Usage, used: Usage | None) -> None:
        """Replace what was set aside by what was used; None: nothing was."""
        with self._changed:
            self._reserved = self._reserved + Usage(-most.prompt, -most.completion)
            if used is not None:
                self._spent = self._spent + used
            self._changed.notify_all()

    def _refuse(self, wanted: Usage, why: str) -> None:
        budget = self.budget
        spent = f"{self._spent.tokens} of {budget.tokens} tokens are spent"
        if budget.money is not None:
            spent += f", {self.cost:.4g} of {budget.money:.4g} in money"
        if self._presumed.tokens:
            spent += (
                f" (of these tokens {self._presumed.tokens} perhaps, by requests on the way when a "
                "process was killed)"
            )
        over_money = budget.money is not None and wanted.cost(budget.prices) > budget.money
        if wanted.tokens > budget.tokens or over_money:
            cap = "money" if wanted.tokens <= budget.tokens else "tokens"
            raise CapReachedError(
                f"the cap on {cap} would be exceeded: {why}; {spent}. Raise the Budget or ask for "
                "less; what was answered is kept"
            )
