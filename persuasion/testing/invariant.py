"""What a check is, and the units that make its tolerances free of scale."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from persuasion.errors import PersuasionError, SchemeError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme

__all__ = [
    "TOLERANCE",
    "Check",
    "InvariantError",
    "SolutionLike",
    "Solve",
    "all_checks",
    "conditioning",
    "receiver_stakes",
    "stakes",
]

Solve = Callable[[PersuasionGame], Any]
"""A solver under test: it takes a game and returns a `SolutionLike`."""

TOLERANCE = 1e-7
"""Default tolerance, in `stakes`: a hundred times what `persuasion.solve` certifies (1e-9), since a
law may add up the errors of several solves, and a tenth of an error that is worth reporting."""

ROUNDING_TIE = 1e-12
"""A tie within this share of the payoffs at stake is one up to rounding. The library's own 1e-9
(`persuasion.beliefs.TIE_TOLERANCE`) may call an action optimal that loses by a hair, which is right
for playing but too generous for a bound on OPT."""

_SHOWN = 60
"""A counterexample with at most this many payoffs is printed in full."""


class InvariantError(AssertionError):
    """A law of persuasion is broken; the message holds the counterexample."""


class SolutionLike(Protocol):
    """What a solver under test returns.

    Further attributes are used where they exist and are not None: ``recommendations`` (action index
    of each signal), ``state_prices`` (n_states,), ``obedience_prices`` (n_actions, n_actions), and
    ``is_vertex`` (whether the scheme is promised to be an extreme point of the linear program).
    """

    @property
    def value(self) -> Any:
        """Sender's optimal expected utility, a real number."""
        ...

    @property
    def scheme(self) -> Any:
        """An optimal scheme: a `SignalingScheme` or any object with a ``kernel``."""
        ...


class Law(Protocol):
    """Signature of a check."""

    def __call__(
        self,
        game: PersuasionGame,
        solution: SolutionLike,
        *,
        solve: Solve = ...,
        tolerance: float = ...,
    ) -> bool:
        """Raise `InvariantError` on a violation; return whether the proviso of the law held."""
        ...


@dataclass(frozen=True)
class Check:
    """One entry of `all_checks`, called like the function it stands for.

    Attributes
    ----------
    name : str
        Such as ``"relabelling"`` for `check_relabelling`.
    number : str
        Number of the fact in the theory notes, such as ``"F11"``.
    statement : str
        The law in one line.
    function : callable
        ``function(game, solution, *, solve, tolerance)``; returns whether the law's proviso held.
    solves : bool
        Whether it calls ``solve`` for other games than the one given.
    """

    name: str
    number: str
    statement: str
    function: Law
    solves: bool

    def __call__(
        self,
        game: PersuasionGame,
        solution: SolutionLike,
        *,
        solve: Solve,
        tolerance: float = TOLERANCE,
    ) -> bool:
        """Raise `InvariantError` on a violation; return whether the law said anything here."""
        return self.function(game, solution, solve=solve, tolerance=tolerance)


_CHECKS: dict[str, Check] = {}


def law(number: str, statement: str, *, solves: bool = False) -> Callable[[Law], Law]:
    """Register a check and put law and game into the message of its `InvariantError`."""

    def register(function: Law) -> Law:
        name: str = function.__name__.removeprefix("check_")  # type: ignore[attr-defined]

        @functools.wraps(function)
        def checked(game: PersuasionGame, solution: SolutionLike, **options: Any) -> bool:
            try:
                return function(game, solution, **options)
            except InvariantError as broken:
                message = f"{number} {name}: {statement}\n  {broken}\n  {shown(game)}"
                raise InvariantError(message) from None

        _CHECKS[name] = Check(name, number, statement, checked, solves)
        return checked

    return register


def all_checks() -> tuple[Check, ...]:
    """Every check, in the order of the theory notes.

    Examples
    --------
    >>> from persuasion.testing import all_checks
    >>> next(check.statement for check in all_checks() if check.name == "relabelling")
    'the order of states and of actions does not matter'
    """
    return tuple(sorted(_CHECKS.values(), key=lambda check: (_place(check.number), check.name)))


def _place(number: str) -> int:
    return int("".join(filter(str.isdigit, number)) or 0)


def shown(game: PersuasionGame) -> str:
    """Print a game so that it can be pasted, unless it is large."""
    if game.n_states * game.n_actions > _SHOWN:
        return f"in {game!r}"
    return f"in PersuasionGame.from_dict({game.to_dict()})"


# -- units -----------------------------------------------------------------------------------


def stakes(game: PersuasionGame) -> float:
    """How much the Receiver's action can matter to the Sender, in utils of the Sender.

    The expectation of ``max_a v(w, a) - min_a v(w, a)``: every scheme's value lies in an interval
    of this length. It scales with v and ignores shifts ``v + f(w)``; a floor of 1e-6 of the
    expected size of v keeps it above the rounding noise of sums that cancel.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> stakes(PersuasionGame([0.5, 0.5], [[5, 6], [0, 3]], [[1, 0], [0, 1]]))
    2.0
    """
    table = game.sender_utility
    spread = float(game.prior @ np.ptp(table, axis=1))
    floor = 1e-6 * float(game.prior @ np.abs(table).max(axis=1))
    return max(spread, floor) or 1.0


def least(game: PersuasionGame) -> float:
    """Value if the Receiver always took the action worst for the Sender: a lower bound."""
    return float(game.prior @ game.sender_utility.min(axis=1))


def receiver_stakes(game: PersuasionGame) -> float:
    """Largest expected absolute difference between two actions, in utils of the Receiver."""
    table = game.receiver_utility
    differences = np.abs(table[:, :, None] - table[:, None, :])
    return float(np.tensordot(game.receiver_prior, differences, axes=1).max()) or 1.0


def conditioning(game: PersuasionGame) -> float:
    """How small numbers get beside others that they are added to: a ratio, at most 1.

    Over all pairs of actions a, b: the smallest positive ``|u(w, a) - u(w, b)|`` divided by the
    largest, over states w; the same with each multiplied by the Receiver's prior, and for the prior
    itself. Checks that rest on linear programs in floating point keep away from games where it is
    tiny.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> conditioning(PersuasionGame([0.75, 0.25], [[0, 1], [0, 1]], [[1, 0], [0, 1]])).__round__(9)
    0.333333333
    """
    table = game.receiver_utility
    differences = np.abs(table[:, :, None] - table[:, None, :]).reshape(game.n_states, -1)
    prior = game.receiver_prior[:, None]
    smallest = 1.0
    for sizes in (differences, differences * prior, prior):
        largest = sizes.max(axis=0)
        ratio = np.divide(sizes, largest, out=np.ones_like(sizes), where=(sizes > 0))
        smallest = min(smallest, float(ratio.min()))
    return smallest


# -- reading what a solver returned ------------------------------------------------------------


def value_of(solution: SolutionLike) -> float:
    """Return the value as a float, whatever number type it has."""
    return float(solution.value)


def scheme_of(game: PersuasionGame, solution: SolutionLike) -> SignalingScheme:
    """Return the scheme with its rows checked."""
    kernel = getattr(solution.scheme, "kernel", solution.scheme)
    try:
        scheme = SignalingScheme(np.asarray(kernel, dtype=np.float64))
    except SchemeError as cause:
        raise InvariantError(f"the scheme is none: {cause}") from None
    if scheme.n_states != game.n_states:
        raise InvariantError(
            f"the scheme is for {scheme.n_states} states, the game has {game.n_states}"
        )
    return scheme


def recommendations_of(game: PersuasionGame, solution: SolutionLike) -> list[int] | None:
    """Return the action that each signal stands for, or None where the solver does not say."""
    given = getattr(solution, "recommendations", None)
    if given is None:
        return None
    actions = [int(a) for a in given]
    n_signals = scheme_of(game, solution).n_signals
    if len(actions) != n_signals or not all(0 <= a < game.n_actions for a in actions):
        raise InvariantError(
            f"recommendations {actions} do not name one of {game.n_actions} actions for each of "
            f"{n_signals} signals"
        )
    return actions


def prices_of(solution: SolutionLike, name: str, shape: tuple[int, ...]) -> FloatArray | None:
    """Return ``state_prices`` or ``obedience_prices``, or None where the solver gives none."""
    try:
        given = getattr(solution, name, None)
    except PersuasionError:  # a method of `persuasion.solve` that gives no prices
        return None
    if given is None:
        return None
    prices: FloatArray = np.asarray(given, dtype=np.float64)
    if prices.shape != shape or not np.isfinite(prices).all():
        raise InvariantError(f"{name} must be finite numbers of shape {shape}; got {prices!r}")
    return prices


def promises_vertex(solution: SolutionLike) -> bool:
    """Whether the solver claims an extreme point of the linear program."""
    claim = getattr(solution, "is_vertex", None)
    if claim is not None:
        return bool(claim)
    return getattr(getattr(solution, "candidate", None), "vertex", None) is not None


# -- comparisons that a NaN cannot pass --------------------------------------------------------


def expect_at_most(
    smaller: float, larger: float, *, unit: float, tolerance: float, because: str
) -> None:
    """Raise unless ``smaller <= larger`` up to `tolerance` times `unit`."""
    if not smaller <= larger + tolerance * unit:
        raise InvariantError(
            f"{because}: {smaller:.12g} should be at most {larger:.12g}; it is more by "
            f"{smaller - larger:.3g}, allowed is {tolerance * unit:.3g}"
        )


def expect_equal(left: float, right: float, *, unit: float, tolerance: float, because: str) -> None:
    """Raise unless both numbers agree up to `tolerance` times `unit`."""
    if not abs(left - right) <= tolerance * unit:
        raise InvariantError(
            f"{because}: {left:.12g} should equal {right:.12g}; they differ by "
            f"{abs(left - right):.3g}, allowed is {tolerance * unit:.3g}"
        )
