"""The plain baseline: a finite grid of schemes, and optimism about each, UCB1."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["LEARNER", "UCB", "grid_of_schemes", "n_grid_schemes"]


@dataclass
class UCB:
    """Treat some direct schemes as the arms of a bandit and play the one that may be best.

    Only the Sender's own payoff is used: of a scheme played n times so far, with mean payoff p in
    scaled utils, the index in round t is ``p + exploration sqrt(ln t / n)``. The arms are all
    direct schemes whose probabilities are multiples of 1/r, for the largest r that makes at most
    `max_arms` of them; where even r = 1 makes more, so many are drawn at random.

    Parameters
    ----------
    max_arms : int, >= 2
    exploration : float, >= 0
        sqrt(2) is UCB1.
    growth : float, >= 1
        The arm chosen is kept until it has been played so many times as often; 1 chooses in every
        round, as UCB1 does.

    Raises
    ------
    PersuasionError
        From `reset`, when it is given no generator: arms are tried in random order.

    Notes
    -----
    What anybody would try first, and a baseline only: no bound is claimed. It cannot come nearer
    to the optimum than its grid, which has ``C(r + n - 1, n - 1) ** m`` schemes for m states and
    n actions; it learns about every arm apart, though one state or one answer tells
    about all of them; schemes just beyond what is obeyed, worth nothing, lie beside the best; and
    against types whose law changes its means are means of something else, with linear regret.
    Symbols: exploration = sqrt(2) in UCB1, growth = 1 + alpha in UCB2.
    Source: Auer, Cesa-Bianchi & Fischer, *Finite-time Analysis of the Multiarmed Bandit Problem*,
    Machine Learning 47, 2002.
    Departures: arms kept for stretches as in UCB2, indices of UCB1; payoffs of the Receiver's
    answers to a grid of signaling schemes.

    Examples
    --------
    >>> from persuasion import simulate, zoo
    >>> runs = simulate(zoo.load("prosecutor"), "ucb", horizon=10**5)
    >>> bool(0 < runs.mean_regret[-1] < 0.3 * runs.optimum[-1])
    True
    """

    max_arms: int = 100
    exploration: float = math.sqrt(2)
    growth: float = 1.1
    name: ClassVar[str] = "ucb"
    knows: ClassVar[frozenset[str]] = frozenset()
    feedback: ClassVar[str] = "action"
    _arms: tuple[SignalingScheme, ...] = field(init=False, repr=False, compare=False)
    _arm: int = field(init=False, repr=False, compare=False)
    _next: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.max_arms, bool) or int(self.max_arms) != self.max_arms:
            raise PersuasionError(f"`max_arms` must be an integer; got {self.max_arms!r}")
        if self.max_arms < 2:
            raise PersuasionError(f"`max_arms` must be at least 2; got {self.max_arms}")
        if not (self.exploration >= 0 and math.isfinite(self.exploration)):
            raise PersuasionError(
                f"`exploration` must be a finite number >= 0; got {self.exploration}"
            )
        if not (self.growth >= 1 and math.isfinite(self.growth)):
            raise PersuasionError(
                f"`growth` must be at least 1 (1.1 keeps an arm for a tenth of its plays); got "
                f"{self.growth}"
            )

    @property
    def arms(self) -> tuple[SignalingScheme, ...]:
        """The schemes among which it chooses, once a run has started."""
        return self._arms

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Build the arms; nothing is known of any."""
        if not isinstance(rng, Generator):
            raise PersuasionError(
                f"ucb tries its arms in random order; `rng` must be a numpy Generator, as "
                f"numpy.random.default_rng(seed); got {rng!r}"
            )
        m, n = view.n_states, view.n_actions
        if n_grid_schemes(m, n, 1) <= self.max_arms:
            kernels = grid_of_schemes(m, n, self._resolution(m, n))
        else:
            kernels = rng.dirichlet(np.full(n, 0.5), size=(int(self.max_arms), m))
        self._arms = tuple(SignalingScheme(k, signals=view.actions) for k in kernels)
        self._scale = view.game_at(np.full(m, 1 / m)).sender_scale
        self._plays = np.zeros(len(self._arms), dtype=np.int64)
        self._paid: FloatArray = np.zeros(len(self._arms))
        self._untried: list[int] = rng.permutation(len(self._arms)).tolist()
        self._round = 1
        self._choose()

    def _resolution(self, n_states: int, n_actions: int) -> int:
        resolution = 1
        while n_grid_schemes(n_states, n_actions, resolution + 1) <= self.max_arms:
            resolution += 1
        return resolution

    def _choose(self) -> None:
        if self._untried:
            self._arm, self._next = self._untried.pop(), self._round + 1
            return
        bonus = self.exploration * np.sqrt(math.log(self._round) / self._plays)
        self._arm = int((self._paid / self._plays + bonus).argmax())
        plays = int(self._plays[self._arm])
        self._next = self._round + max(1, math.ceil((self.growth - 1) * plays))

    def scheme(self) -> SignalingScheme:
        """Return the scheme in force."""
        return self._arms[self._arm]

    def next_change(self) -> int:
        """Return the round in which it chooses again."""
        return self._next

    def observe(self, feedback: Feedback) -> None:
        """Add up what the arm has paid, and choose the next."""
        assert feedback.payoff is not None
        n = feedback.n_rounds
        self._plays[self._arm] += n
        self._paid[self._arm] += (feedback.payoff - n * self._scale.low) / self._scale.width
        self._round = feedback.start + n
        self._choose()


def n_grid_schemes(n_states: int, n_actions: int, resolution: int) -> int:
    """Number of direct schemes whose probabilities are multiples of ``1 / resolution``.

    Examples
    --------
    >>> n_grid_schemes(2, 2, 1), n_grid_schemes(2, 2, 9), n_grid_schemes(3, 3, 1)
    (4, 100, 27)
    """
    n_rows = math.comb(resolution + n_actions - 1, n_actions - 1)
    return int(n_rows**n_states)


def grid_of_schemes(n_states: int, n_actions: int, resolution: int) -> FloatArray:
    """Kernels of these schemes, shape (n_schemes, n_states, n_actions).

    Examples
    --------
    >>> grid_of_schemes(1, 2, 2).tolist()
    [[[0.0, 1.0]], [[0.5, 0.5]], [[1.0, 0.0]]]
    """
    slots = resolution + n_actions - 1
    bars = np.array(list(combinations(range(slots), n_actions - 1)), dtype=np.intp)
    bars = bars.reshape(-1, n_actions - 1)
    edge = np.ones((len(bars), 1), dtype=np.intp)
    counts = np.diff(np.concatenate([-edge, bars, slots * edge], axis=1), axis=1) - 1
    rows: NDArray[np.float64] = counts / resolution
    chosen = np.array(list(product(range(len(rows)), repeat=n_states)), dtype=np.intp)
    return rows[chosen]


LEARNER = UCB
