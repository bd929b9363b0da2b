"""What `solve` returns: the optimum with everything needed to check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.beliefs import Ties
from persuasion.certificate import Residuals
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Bayesian, Biased, Quantal, Receiver
from persuasion.scheme import SignalingScheme
from persuasion.values import (
    first_best,
    full_disclosure_value,
    no_disclosure_value,
    sender_value,
)

if TYPE_CHECKING:
    from persuasion.exact_certificate import ExactCertificate
    from persuasion.problem import Candidate, Problem, SplitCandidate

__all__ = ["OPTIMAL", "TIME_LIMIT", "WITHIN_BOUND", "Solution"]

OPTIMAL = "optimal"
TIME_LIMIT = "time limit"
WITHIN_BOUND = "within bound"
_RECEIVERS = (Bayesian, Biased, Quantal)


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimal signaling scheme and its certificate.

    Attributes
    ----------
    game : PersuasionGame
    receiver : Receiver
    value : float or Fraction
        Sender's value under sender-preferred ties, in utils.
    upper_bound : float or Fraction
        No scheme is worth more: weak duality, recomputed from the game.
    status : str
        "optimal"; "within bound" when only an interval [value, upper_bound] is known;
        "time limit" when the method was stopped there.
    residuals : Residuals
    recommendations : tuple of int or None
        Action that each signal of `scheme` recommends; None where the Receiver mixes.
    method : str
        Which method's answer passed.
    seconds : float
        Wall time of the whole call.
    attempts : tuple of (str, str)
        Methods that refused or failed before, and why.
    options : mapping
        Options of the call that were not left at their default.
    given_scheme : SignalingScheme or None
        The scheme where it does not follow from `masses`.
    masses : ndarray (n_support, n_signals) or None
        Joint masses of possible states and recommendations, as certified.
    support_prices : ndarray (n_support,) or None
        `state_prices` of the possible states.
    price_rows : tuple of two ndarrays or None
        Pairs (action, deviation), shape (k, 2), and their obedience prices, shape (k,).
    problem : Problem or None
        The program that was solved; None in a restored solution, as is `candidate`.
    candidate : Candidate, SplitCandidate or None
        The method's own proposal.
    """

    game: PersuasionGame
    receiver: Receiver
    value: float | Fraction
    upper_bound: float | Fraction
    status: str
    residuals: Residuals
    recommendations: tuple[int, ...] | None
    method: str
    seconds: float
    attempts: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    given_scheme: SignalingScheme | None = field(default=None, repr=False)
    masses: FloatArray | None = field(default=None, repr=False)
    support_prices: FloatArray | None = field(default=None, repr=False)
    price_rows: tuple[Any, Any] | None = field(default=None, repr=False)
    problem: Problem | None = field(default=None, repr=False)
    candidate: Candidate | SplitCandidate | None = field(default=None, repr=False)

    # -- the scheme ------------------------------------------------------------------------

    @cached_property
    def scheme(self) -> SignalingScheme:
        """An optimal scheme; its signals are the recommended actions (or posteriors)."""
        if self.given_scheme is not None:
            return self.given_scheme
        assert self.masses is not None
        assert self.problem is not None
        assert self.recommendations is not None
        names = self.game.actions
        labels = tuple(names[a] for a in self.recommendations)
        kernel = self.masses / self.masses.sum(axis=1, keepdims=True)
        support = self.problem.support
        if support is not None:
            inside = kernel
            kernel = np.zeros((self.game.n_states, len(labels)))
            # in states that nobody deems possible: what the Receiver likes best there
            utility = self.game.receiver_utility[:, list(self.recommendations)]
            kernel[np.arange(self.game.n_states), utility.argmax(axis=1)] = 1.0
            kernel[support] = inside
        return SignalingScheme.unchecked(kernel, labels)

    # -- prices ----------------------------------------------------------------------------

    @cached_property
    def state_prices(self) -> FloatArray:
        """Price of each state, shape (n_states,), in utils per unit of the Receiver's probability.

        ``game.receiver_prior @ state_prices == upper_bound`` up to rounding. Under a common prior
        the prices dominate the indirect utility: ``state_prices @ q >= v-hat(q)`` at every belief
        q.
        """
        if self.support_prices is None:
            raise PersuasionError(f"method {self.method!r} gives no state prices for this problem")
        support = None if self.problem is None else self.problem.support
        if support is None:
            return self.support_prices
        assert self.problem is not None
        from persuasion.certificate import reduced_gains

        assert self.price_rows is not None
        margin = float(self.problem.margin)
        effective = self.problem.effective or self.game
        table = reduced_gains(
            effective.sender_utility,
            effective.receiver_utility,
            None if margin == 0 else np.full(self.game.n_states, margin),
            *self.price_rows,
        )
        prices = table[:, list(self.problem.recommendable())].max(axis=1)
        prices[support] = self.support_prices
        return frozen(prices)

    @cached_property
    def state_prices_exact(self) -> tuple[Fraction, ...]:
        """Prices of the states of positive weight in exact rationals, from `certificate`."""
        prices = self.certificate.state_prices
        if prices is None:
            raise PersuasionError(f"method {self.method!r} gives no bound to read prices from")
        return prices

    @cached_property
    def obedience_prices(self) -> FloatArray:
        """Price y[a, b] of the constraint that recommendation a beats deviation b, >= 0.

        Shape (n_actions, n_actions), in Sender's utils per util of the Receiver.
        """
        if self.price_rows is None:
            raise PersuasionError(f"method {self.method!r} gives no obedience prices")
        rows, prices = self.price_rows
        n = self.game.n_actions
        matrix = np.zeros((n, n))
        matrix[rows[:, 0], rows[:, 1]] = np.maximum(prices, 0.0)
        return frozen(matrix)

    # -- comparisons -----------------------------------------------------------------------

    @cached_property
    def no_disclosure(self) -> float:
        """Sender's value when nothing is said."""
        return self._benchmark("no")

    @cached_property
    def full_disclosure(self) -> float:
        """Sender's value when the state is told."""
        return self._benchmark("full")

    @cached_property
    def first_best(self) -> float:
        """Sender's value if she chose the action herself."""
        return first_best(self.game)

    @property
    def gain(self) -> float:
        """Gain from persuasion: the optimum minus the value of saying nothing."""
        return float(self.value) - self.no_disclosure

    @cached_property
    def value_adversarial(self) -> float:
        """Sender's value of the same scheme when ties are broken against her."""
        return self._played("adversarial")

    @cached_property
    def value_played(self) -> float:
        """Sender's value of the scheme recomputed by letting the Receiver play."""
        return self._played("sender")

    def _played(self, ties: Ties) -> float:
        receiver = self.receiver
        if isinstance(receiver, (Bayesian, Biased)):
            receiver = replace(receiver, ties=ties)
        return sender_value(self.game, self.scheme, receiver)

    def _benchmark(self, disclosure: str) -> float:
        if isinstance(self.receiver, Bayesian):
            value = no_disclosure_value if disclosure == "no" else full_disclosure_value
            return value(self.game)
        scheme = (
            SignalingScheme.no_disclosure(self.game.n_states)
            if disclosure == "no"
            else SignalingScheme.full_disclosure(self.game.n_states)
        )
        return sender_value(self.game, scheme, self.receiver)

    @cached_property
    def certificate(self) -> ExactCertificate:
        """Value, bound and obedience of this very answer, recomputed in exact rationals.

        A floating-point answer is read as the exact binary numbers it consists of (each state's
        masses divided by their exact sum), so its obedience may be violated by rounding; the
        certificate states by how much.
        """
        from persuasion.exact_certificate import certificate_of

        return certificate_of(self)

    @cached_property
    def is_unique(self) -> bool | None:
        """Whether the optimal joint law of states and recommendations is unique.

        Decided in exact arithmetic for games of moderate size; None where undecided.
        """
        from persuasion.uniqueness import is_unique

        return is_unique(self)

    # -- shown -----------------------------------------------------------------------------

    def summary(self) -> str:
        """Return a few lines that say what was found and how it was checked.

        Examples
        --------
        >>> from persuasion import PersuasionGame, solve
        >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
        >>> print(solve(game, exact=True).summary())  # doctest: +ELLIPSIS
        PersuasionGame(n_states=2, n_actions=2)
        value            3/5 = 0.6 (optimal, method exact)
        no disclosure    0
        full disclosure  0.3
        first best       1
        signals          action 0 (0.4), action 1 (0.6)
        certificate      plausibility 0.0e+00, obedience 0.0e+00, duality gap 0.0e+00
        """
        value = _number(self.value)
        signals = zip(self.scheme.signals, self.scheme.signal_probabilities(self.game), strict=True)
        lines = [
            repr(self.game),
            f"value            {value} ({self.status}, method {self.method})",
            f"no disclosure    {self.no_disclosure:.6g}",
            f"full disclosure  {self.full_disclosure:.6g}",
            f"first best       {self.first_best:.6g}",
            "signals          " + ", ".join(f"{label} ({p:.4g})" for label, p in signals),
            f"certificate      {self.residuals}",
        ]
        if self.status != OPTIMAL:
            lines.insert(2, f"upper bound      {_number(self.upper_bound)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Solution(value={_number(self.value)}, status={self.status!r}, "
            f"method={self.method!r}, n_signals={self.scheme.n_signals})"
        )

    def _repr_html_(self) -> str:
        from persuasion.html import solution_table

        return solution_table(self)

    # -- dictionaries ----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores all that is reported."""
        out: dict[str, Any] = {
            "game": self.game.to_dict(),
            "value": _jsonable(self.value),
            "upper_bound": _jsonable(self.upper_bound),
            "status": self.status,
            "residuals": self.residuals.to_dict(),
            "scheme": self.scheme.to_dict(),
            "recommendations": None if self.recommendations is None else list(self.recommendations),
            "method": self.method,
            "seconds": self.seconds,
            "attempts": [list(pair) for pair in self.attempts],
            "receiver": _receiver_to_dict(self.receiver),
            "options": {key: _jsonable(value) for key, value in self.options.items()},
        }
        if self.support_prices is not None:
            out["state_prices"] = self.state_prices.tolist()
        if self.price_rows is not None:
            rows, prices = self.price_rows
            out["obedience_prices"] = [
                [*row, price]
                for row, price in zip(rows.tolist(), prices.tolist(), strict=True)
                if price > 0
            ]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Solution:
        """Restore what `to_dict` wrote: everything reported, without the solver's working data."""
        priced = data.get("obedience_prices")
        rows = None
        if priced is not None:
            pairs = np.array([row[:2] for row in priced], dtype=np.intp).reshape(-1, 2)
            rows = (pairs, np.array([float(row[2]) for row in priced]))
        prices = data.get("state_prices")
        chosen = data["recommendations"]
        return cls(
            game=PersuasionGame.from_dict(data["game"]),
            receiver=_receiver_from_dict(data["receiver"]),
            value=_value(data["value"]),
            upper_bound=_value(data["upper_bound"]),
            status=data["status"],
            residuals=Residuals(**data["residuals"]),
            recommendations=None if chosen is None else tuple(chosen),
            method=data["method"],
            seconds=data["seconds"],
            attempts=tuple((name, why) for name, why in data["attempts"]),
            options={key: _value(value) for key, value in data["options"].items()},
            given_scheme=SignalingScheme.from_dict(data["scheme"]),
            support_prices=None if prices is None else frozen(np.array(prices, dtype=np.float64)),
            price_rows=rows,
        )


def _receiver_to_dict(receiver: Receiver) -> dict[str, Any]:
    if not isinstance(receiver, _RECEIVERS):
        raise PersuasionError(
            f"{receiver!r} has no JSON form; only {', '.join(r.__name__ for r in _RECEIVERS)} have"
        )
    return {
        "rule": type(receiver).__name__,
        **{f.name: _jsonable(getattr(receiver, f.name)) for f in fields(receiver)},
    }


def _receiver_from_dict(data: Mapping[str, Any]) -> Receiver:
    rules = {rule.__name__: rule for rule in _RECEIVERS}
    options = {
        key: value if key == "ties" else _value(value)
        for key, value in data.items()
        if key != "rule"
    }
    receiver: Receiver = rules[data["rule"]](**options)
    return receiver


def _value(stored: Any) -> Any:
    return Fraction(stored) if isinstance(stored, str) else stored


def _number(value: float | Fraction) -> str:
    if isinstance(value, Fraction) and value.denominator != 1:
        return f"{value} = {float(value):.6g}"
    return f"{float(value):.10g}"


def _jsonable(value: Any) -> Any:
    return str(value) if isinstance(value, Fraction) else value
