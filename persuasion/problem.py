"""The linear program behind a persuasion game, in the one form that every solver reads.

Whatever the prior (common or subjective) and the Receiver (Bayesian or acting like one), the
Sender chooses joint masses ``x[state, action] >= 0`` of states and recommendations:

    maximise    sum x * gains
    subject to  sum_a x[w, a] = weights[w]                                         every state w
                sum_w x[w, a] (payoffs[w, a] - payoffs[w, b] - slack[w]) >= 0       all a != b

``weights`` is the Receiver's prior q, ``payoffs = u``, and ``slack`` is the obedience margin. With
a common prior ``gains = v``; else ``gains = v p / q`` with the Sender's prior p, which is 0 in a
state that only the Receiver deems possible. So no payoff of the Receiver is ever rounded: her near
ties decide the value, while rounding of gains moves it by no more than itself. States that nobody
deems possible are left out (`support` lists the others).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver, is_best_responder

__all__ = ["Candidate", "ExactProblem", "Problem", "Solver", "SplitCandidate", "Vertex"]

IntArray = NDArray[np.intp]
Number = float | Fraction


@dataclass(frozen=True, slots=True)
class ExactProblem:
    """The same program in fractions, indexed ``[w]`` and ``[w][a]``."""

    weights: tuple[Fraction, ...]
    gains: tuple[tuple[Fraction, ...], ...]
    payoffs: tuple[tuple[Fraction, ...], ...]
    slack: tuple[Fraction, ...]


@dataclass(slots=True)
class Problem:
    """What a solver is asked; arrays are over the states of `support` and must not be changed.

    Attributes
    ----------
    game : PersuasionGame
        The game as the user gave it.
    receiver : Receiver
        Whom the scheme is played against.
    weights : ndarray (n_support,)
    gains, payoffs : ndarray (n_support, n_actions)
    slack : ndarray (n_support,) or None
        None when no margin is asked.
    support : ndarray of int or None
        Positions of the states kept; None when all are.
    actions : tuple of int or None
        Recommendations allowed; None when all are. Deviations are always to every action.
    margin : float or Fraction
        Obedience margin in utils of the Receiver.
    time_limit : float or None
        Seconds that a solver may take.
    effective : PersuasionGame or None
        The game in which the Receiver is an ordinary best responder; by default `game`.
    rounded : bool
        Whether `payoffs` are rounded from exact numbers that are no floats.
    start : Vertex or None
        A basis that may be near the optimal one; methods are free to ignore it.
    """

    game: PersuasionGame
    receiver: Receiver
    weights: FloatArray
    gains: FloatArray
    payoffs: FloatArray
    slack: FloatArray | None = None
    support: IntArray | None = None
    actions: tuple[int, ...] | None = None
    margin: Number = 0
    time_limit: float | None = None
    effective: PersuasionGame | None = field(default=None, repr=False)
    rounded: bool = False
    start: Vertex | None = None
    _exact: ExactProblem | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        game: PersuasionGame,
        receiver: Receiver,
        *,
        margin: Number = 0,
        actions: tuple[int, ...] | None = None,
        time_limit: float | None = None,
    ) -> Problem:
        """Reduce a game and options to the form above."""
        effective = receiver.effective_game(game) if is_best_responder(receiver) else game
        prior, weights = effective.prior, effective.receiver_prior
        gains, payoffs = effective.sender_utility, effective.receiver_utility
        support = None
        if weights.min() == 0:
            support = np.flatnonzero(weights > 0)
            prior, weights = prior[support], weights[support]
            gains, payoffs = gains[support], payoffs[support]
        if not effective.has_common_prior:
            gains = gains * (prior / weights)[:, None]
        slack = None if margin == 0 else np.full(len(weights), float(margin))
        return cls(
            game=game,
            receiver=receiver,
            weights=weights,
            gains=gains,
            payoffs=payoffs,
            slack=slack,
            support=support,
            actions=actions,
            margin=margin,
            time_limit=time_limit,
            effective=effective,
            rounded=effective.rounds_receiver_utility,
        )

    @property
    def n_states(self) -> int:
        """Number of states kept."""
        return int(self.gains.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions of the Receiver."""
        return int(self.gains.shape[1])

    @property
    def is_linear(self) -> bool:
        """Whether the Receiver plays like a best responder, so that the program above applies."""
        return is_best_responder(self.receiver)

    def recommendable(self) -> range | tuple[int, ...]:
        """Actions that may be recommended."""
        return range(self.n_actions) if self.actions is None else self.actions

    def allowing(self, actions: tuple[int, ...]) -> Problem:
        """Return the same problem with only `actions` recommendable."""
        return replace(self, actions=actions)

    def without_game(self) -> Problem:
        """Return the problem without its game, to be sent to another process and back."""
        effective = None if self.effective is self.game else self.effective
        return replace(self, game=cast(PersuasionGame, None), effective=effective, _exact=None)

    def with_game(self, game: PersuasionGame) -> Problem:
        """Return a problem that `without_game` stripped, with its game again."""
        return replace(self, game=game, effective=self.effective or game)

    @property
    def exact(self) -> ExactProblem:
        """The program in fractions, computed from the game's exact numbers once."""
        if self._exact is None:
            self._exact = self._in_fractions()
        return self._exact

    def _in_fractions(self) -> ExactProblem:
        numbers = (self.effective or self.game).exact
        kept = range(len(numbers.prior)) if self.support is None else self.support.tolist()
        gains = []
        for w in kept:
            ratio = numbers.prior[w] / numbers.receiver_prior[w]
            v = numbers.sender_utility[w]
            gains.append(v if ratio == 1 else tuple(x * ratio for x in v))
        return ExactProblem(
            weights=tuple(numbers.receiver_prior[w] for w in kept),
            gains=tuple(gains),
            payoffs=tuple(numbers.receiver_utility[w] for w in kept),
            slack=(Fraction(self.margin),) * len(gains),
        )


@dataclass(slots=True)
class Vertex:
    """Where a simplex method stopped, enough to restart it in any arithmetic.

    Attributes
    ----------
    cells : ndarray (k, 2)
        Basic pairs (state among the support, action); every state occurs at least once.
    rows : ndarray (r, 2)
        Obedience rows (action, deviation) whose slack is nonbasic, so that
        ``k == n_states + r``.
    """

    cells: IntArray
    rows: IntArray


@dataclass(slots=True)
class Candidate:
    """A solver's proposal of a direct scheme; `solve` certifies it before anyone sees it.

    Attributes
    ----------
    masses : ndarray (n_support, n_actions)
        Joint masses x.
    price_rows : ndarray (k, 2)
        Pairs (action, deviation) with a positive obedience price; the rest are zero.
    prices : ndarray (k,)
        Their prices (Lagrange multipliers), >= 0.
    vertex : Vertex or None
        The basis, where the method has one.
    exact_masses : dict or None
        ``{(state, action): Fraction}``, positive entries only, from an exact method.
    exact_prices : dict or None
        ``{(action, deviation): Fraction}``, positive entries only.
    finished : bool
        False when a limit stopped the method before optimality.
    compiled : bool
        Whether the method is compiled by numba, so that what checks it may be as well.
    """

    masses: FloatArray
    price_rows: IntArray
    prices: FloatArray
    vertex: Vertex | None = None
    exact_masses: dict[tuple[int, int], Fraction] | None = None
    exact_prices: dict[tuple[int, int], Fraction] | None = None
    finished: bool = True
    compiled: bool = False


@dataclass(slots=True)
class SplitCandidate:
    """A proposal in beliefs, for Receivers beyond the linear program.

    Attributes
    ----------
    weights : ndarray (n_signals,)
        Probability of each posterior.
    posteriors : ndarray (n_signals, n_support)
    upper_bound : float
        No scheme is worth more than this, under the assumption the method states.
    finished : bool
    """

    weights: FloatArray
    posteriors: FloatArray
    upper_bound: float
    finished: bool = True


@runtime_checkable
class Solver(Protocol):
    """One method. A file in ``persuasion/solvers`` defines one as its ``SOLVER``."""

    name: str

    def supports(self, problem: Problem) -> str | None:
        """Return None when the method applies, else the reason why not and what to use."""
        ...

    def solve(self, problem: Problem) -> Candidate | SplitCandidate:
        """Propose an answer. Raise `InfeasibleError` where no scheme meets the options."""
        ...


def deviations(n_actions: int) -> Iterator[tuple[int, int]]:
    """All pairs (recommended action, deviation)."""
    return ((a, b) for a in range(n_actions) for b in range(n_actions) if a != b)


def price_arrays(prices: dict[tuple[int, int], Any]) -> tuple[IntArray, FloatArray]:
    """Turn a dictionary of positive prices into the arrays of a `Candidate`."""
    rows = np.array(list(prices), dtype=np.intp).reshape(-1, 2)
    return rows, np.array([float(y) for y in prices.values()])
