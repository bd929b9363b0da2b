"""Any number of actions: learn the ratio of the prior's entries by bisection, edge by edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from persuasion.ambiguity import l1_ball
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.learners._questions import QuestionLearner
from persuasion.rationals import FloatArray
from persuasion.robust import solve_robust
from persuasion.scheme import SignalingScheme
from persuasion.view import PriorEstimate

__all__ = ["LEARNER", "Edge", "EdgeSearch", "spanning_tree"]

_SMALLEST_RADIUS = 1e-7
"""What linear programs can still tell from zero; a Receiver who forgives a share 1e-9 fits in."""


@dataclass(frozen=True)
class Edge:
    """Two states in which an informed Receiver acts differently.

    Attributes
    ----------
    start, end : int
    action : int
        Her best action in `start`.
    log_odds : float
        Log of the odds of `end` against `start` at which she leaves `action`.
    """

    start: int
    end: int
    action: int
    log_odds: float


@dataclass
class EdgeSearch(QuestionLearner):
    """Learn the prior from a Receiver who knows it, then persuade robustly at the estimate.

    A signal sent only in the states i and j, with likelihoods 1 and e^c or the like, leaves the
    Receiver between two states. She takes her best action of state i up to odds that her utility
    alone determines, so that her answer tells on which side of a known number the log ratio of the
    prior's entries lies. Bisection along the edges of a spanning tree gives the whole prior; all
    other states are disclosed meanwhile. What is left of the rounds is played with the best scheme
    that is persuasive at every prior within L1 distance ``max(1/T, 1e-7)`` of the estimate.

    Parameters
    ----------
    radius_scale : float, >= 0
        Multiplies that distance. Anything below 1 voids the guarantee: at 0 obedience at the true
        prior is a matter of luck, and regret is linear where it fails. A negative control.

    Raises
    ------
    UnsupportedError
        When the Receiver has two best actions in a state.

    Notes
    -----
    Takes the smallest prior probability as known, and all states as possible.
    Symbols: log_odds = ln(x / (1 - x)) at the switching belief x; T = horizon.
    Source: the setting, and regret of order log T, are those of Lin & Li, arXiv 2410.05533.
    Departures: our own algorithm and bound with explicit constants. The floor 1e-7 costs
    ``1e-7 C T`` where T exceeds 1e7.

    Examples
    --------
    >>> from persuasion import simulate, zoo
    >>> runs = simulate(zoo.load("grading"), "edge_search", horizon=10**6)
    >>> bool(runs.epochs.distance[-1] < 1e-6)
    True
    """

    radius_scale: float = 1.0
    name: ClassVar[str] = "edge_search"
    knows: ClassVar[frozenset[str]] = frozenset({"prior_lower_bound"})
    _tree: tuple[Edge, ...] = field(init=False, repr=False, compare=False)
    _ratios: list[float] = field(init=False, repr=False, compare=False)
    _belief: PriorEstimate = field(init=False, repr=False, compare=False)
    _reach: float = field(init=False, repr=False, compare=False)
    _n_answers: int = field(init=False, repr=False, compare=False)
    _answered: int = field(init=False, repr=False, compare=False)
    _low: float = field(init=False, repr=False, compare=False)
    _high: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.radius_scale >= 0 and math.isfinite(self.radius_scale)):
            raise PersuasionError(
                f"`radius_scale` must be a number of at least 0; got {self.radius_scale}"
            )

    def begin(self) -> None:
        """Span the states; start with the first edge."""
        view = self._view
        self._tree = spanning_tree(view.receiver_utility, view.actions)
        self._reach = math.log(1 / view.prior_lower_bound)
        self._n_answers = max(1, math.ceil(math.log2(max(8 * view.horizon * self._reach, 1))))
        self._belief = PriorEstimate.from_counts(np.zeros(view.n_states), 2.0)
        self._ratios = []
        if self._tree:
            self._start_edge()
        else:  # she acts the same in every state, so nothing that is said matters
            self.settle(SignalingScheme.full_disclosure(view.n_states))

    def belief(self) -> PriorEstimate:
        """Return the estimate once it is there; before, the uniform prior with radius 2."""
        return self._belief

    def learn(self, action: int) -> None:
        """Halve the interval; go on to the next edge when it is short enough."""
        edge, middle = self._tree[len(self._ratios)], (self._low + self._high) / 2
        if action == edge.action:
            self._high = middle
        else:
            self._low = middle
        self._answered += 1
        if self._answered < self._n_answers:
            self._ask_next()
            return
        self._ratios.append((self._low + self._high) / 2)
        if len(self._ratios) < len(self._tree):
            self._start_edge()
        else:
            self._commit()

    def _start_edge(self) -> None:
        self._low, self._high, self._answered = -self._reach, self._reach, 0
        self._ask_next()

    def _ask_next(self) -> None:
        """Ask whether the log ratio of the edge's prior probabilities is above the middle."""
        edge, m = self._tree[len(self._ratios)], self._view.n_states
        tilt = edge.log_odds - (self._low + self._high) / 2
        kernel = np.zeros((m, m + 1))  # signal 0 pools, signal 1 + w discloses state w
        kernel[edge.start, 0] = math.exp(min(0.0, -tilt))
        kernel[edge.end, 0] = math.exp(min(0.0, tilt))
        kernel[np.arange(m), 1 + np.arange(m)] = 1 - kernel[:, 0]
        self.ask(SignalingScheme(kernel), 0)

    def _commit(self) -> None:
        """Put the ratios together and play robustly."""
        logs = np.zeros(self._view.n_states)
        for edge, ratio in zip(self._tree, self._ratios, strict=True):
            logs[edge.end] = logs[edge.start] + ratio
        weights = np.exp(logs - logs.max())
        radius = self.radius_scale * max(1 / self._view.horizon, _SMALLEST_RADIUS)
        self._belief = PriorEstimate(weights / weights.sum(), min(radius, 2.0), 0)
        game = self._view.game_at(self._belief.center)
        self.settle(solve_robust(game, l1_ball(self._belief.center, self._belief.radius)).scheme)


def spanning_tree(
    receiver_utility: FloatArray, actions: tuple[str, ...] | None = None
) -> tuple[Edge, ...]:
    """Join states with different best actions into a tree of depth 2 at most.

    Parameters
    ----------
    receiver_utility : ndarray (n_states, n_actions)
    actions : tuple of str, optional
        Labels, for the message of an error.

    Returns
    -------
    tuple of Edge
        From the root, state 0, outwards: each starts at a state that an earlier one reached. Empty
        when one action is best in every state.

    Raises
    ------
    UnsupportedError
        When two actions are best in the same state.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.learners.edge_search import spanning_tree
    >>> tree = spanning_tree(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
    >>> [(edge.start, edge.end) for edge in tree]
    [(0, 1), (1, 2)]
    """
    best = receiver_utility.argmax(axis=1)
    for state, row in enumerate(receiver_utility):
        tied = np.flatnonzero(row == row.max())
        if len(tied) > 1:
            both = [actions[a] if actions else str(a) for a in tied[:2].tolist()]
            raise UnsupportedError(
                "edge_search needs a unique best action of the Receiver in every state; in state "
                f"{state} she is indifferent between {both[0]!r} and {both[1]!r}. threshold_search "
                "allows it if there are two actions and the Sender always prefers the same one"
            )
    others = np.flatnonzero(best != best[0])
    if not len(others):
        return ()
    same = np.flatnonzero(best == best[0])[1:]
    pairs = [(0, int(w)) for w in others] + [(int(others[0]), int(w)) for w in same]
    return tuple(_edge(receiver_utility, start, end, int(best[start])) for start, end in pairs)


def _edge(utility: FloatArray, start: int, end: int, action: int) -> Edge:
    """Find the odds at which the first other action becomes better than `action`."""
    loses = utility[start, action] - utility[start]  # by leaving, in `start`
    gains = utility[end] - utility[end, action]
    tempting = gains > 0
    log_odds = np.log(loses[tempting]) - np.log(gains[tempting])
    return Edge(start, end, action, float(log_odds.min()))


LEARNER = EdgeSearch
