"""Two actions: search for the threshold up to which bad states can be pooled with good ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.learners._questions import QuestionLearner
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.view import LearnerView

__all__ = ["LEARNER", "ThresholdSearch"]

Steps = Literal["squared", "halved"]
_COARSE = 0.5
"""Length of interval from which on steps are squared: the squares of longer ones do not shrink."""
_ROUNDING = 1e-12
"""Sender's gains smaller than this share of the largest one are rounding of zero."""


@dataclass
class ThresholdSearch(QuestionLearner):
    """Find by cautious trials how much a Receiver who knows the prior lets herself be persuaded.

    For games with two actions of which the Sender weakly prefers one, the target, in every state.
    The Receiver too wants the target in *good* states. Let d(w) >= 0 be the Sender's gain and
    g(w) < 0 the Receiver's in a bad state w. With bad states in decreasing order of d / |g|, which
    is known without the prior, the scheme with threshold th recommends the target in all good
    states, in the first ``floor(th)`` bad ones, and in the next one with the remaining probability.
    It is optimal at the largest threshold that is obeyed.

    Too low a threshold costs a little, too high a one everything. So, after bisection to a length
    of 1/2, an interval of length l is climbed in steps of ``max(l^2, 1/T)`` until the first
    refusal: log2 log2 T phases, with one refusal each.

    Parameters
    ----------
    steps : {"squared", "halved"}
        "halved" bisects down to 1/T instead. It may be refused log2 T times, at a cost of up to
        1 each, and loses the guarantee: a negative control.

    Raises
    ------
    UnsupportedError
        When the game has more than two actions, or the Sender's preference depends on the state.

    Notes
    -----
    Symbols: threshold = th, between 0 and the number of bad states b; T = horizon.
    Source: the search is that of Kleinberg & Leighton, *The Value of Knowing a Demand Curve*, FOCS
    2003; the setting, and regret of order log log T, that of Lin & Li, arXiv 2410.05533.
    Departures: our own bound with explicit constants. Where the Sender's preference depends on the
    state the optimal schemes still form a path, with the price of obedience as threshold, but a
    signal may be so rare on it that no bound is known to us: refused. The Receiver of this package
    forgives losses of a share 1e-9, which limits the precision of th and matters beyond T = 1e8.

    Examples
    --------
    >>> from persuasion import simulate, zoo
    >>> game = zoo.load("prosecutor", p="3/10")
    >>> runs = simulate(game, "threshold_search", horizon=10**6, n_runs=10)
    >>> bool(runs.mean_regret[-1] < 10)
    True
    """

    steps: Steps = "squared"
    name: ClassVar[str] = "threshold_search"
    _target: int = field(init=False, repr=False, compare=False)
    _good: FloatArray = field(init=False, repr=False, compare=False)
    _bad: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _low: float = field(init=False, repr=False, compare=False)
    _high: float = field(init=False, repr=False, compare=False)
    _step: float | None = field(init=False, repr=False, compare=False)
    _tried: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.steps not in get_args(Steps):
            raise PersuasionError(f"`steps` must be one of {get_args(Steps)}; got {self.steps!r}")

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the best threshold: the lower one is obeyed, whatever the prior."""
        return self._low, self._high

    def begin(self) -> None:
        """Sort the states; start with every threshold possible."""
        view = self._view
        self._target = _target(view)
        gain = _gain(view.sender_utility, self._target)
        wish = _gain(view.receiver_utility, self._target)
        self._good = (wish >= 0).astype(np.float64)
        bad = np.flatnonzero(wish < 0)
        self._bad = bad[np.argsort(-gain[bad] / -wish[bad], kind="stable")]
        self._low, self._step = 0.0, None
        # without good states the target is never obeyed, and there is nothing to search for
        self._high = float(len(bad)) if self._good.any() else 0.0
        self._go_on()

    def learn(self, action: int) -> None:
        """Move an end of the interval to the threshold tried."""
        if action == self._target:
            self._low = self._tried
        else:
            self._high = self._tried
        self._go_on()

    def _go_on(self) -> None:
        threshold = self._next_trial()
        if threshold is None:
            self.settle(self.scheme_at(self._low))
        else:
            self._tried = threshold
            self.ask(self.scheme_at(threshold), self._target)

    def _next_trial(self) -> float | None:
        """Return the threshold to try, or None when the interval is short enough."""
        finest = 1 / self._view.horizon
        if self._step is None:
            middle = (self._low + self._high) / 2
            coarse = finest if self.steps == "halved" else max(_COARSE, finest)
            if self._high - self._low > coarse and self._low < middle < self._high:
                return middle
            if self.steps == "halved":
                return None
        while True:
            if self._step is not None:
                above = self._low + self._step
                if self._low < above < self._high:
                    return above
                if self._step == finest:  # a shorter step would be lost in rounding
                    return None
            length = self._high - self._low
            if length <= finest:
                return None
            self._step = max(length**2, finest)

    def scheme_at(self, threshold: float) -> SignalingScheme:
        """Return the scheme with a threshold between 0 and the number of bad states."""
        share = self._good.copy()
        share[self._bad] = np.clip(threshold - np.arange(len(self._bad)), 0.0, 1.0)
        kernel = np.empty((len(share), 2))
        kernel[:, self._target] = share
        kernel[:, 1 - self._target] = 1 - share
        return SignalingScheme(kernel, signals=self._view.actions)


def _gain(utility: FloatArray, target: int) -> FloatArray:
    gain: FloatArray = utility[:, target] - utility[:, 1 - target]
    return gain


def _target(view: LearnerView) -> int:
    """Return the action that the Sender weakly prefers in every state, or refuse."""
    if view.n_actions != 2:
        raise UnsupportedError(
            f"threshold_search needs a game with two actions; this one has {view.n_actions}. "
            "edge_search takes any number if the Receiver's best action in each state is unique"
        )
    gain = _gain(view.sender_utility, 1)
    zero = _ROUNDING * np.abs(gain).max()
    up, down = np.flatnonzero(gain > zero), np.flatnonzero(gain < -zero)
    if len(up) and len(down):
        first, second = view.actions
        raise UnsupportedError(
            "threshold_search needs one action that the Sender weakly prefers in every state; "
            f"here she prefers {second!r} in state {up[0]} and {first!r} in state {down[0]}. "
            "edge_search allows it if the Receiver's best action in each state is unique"
        )
    return 0 if len(down) else 1


LEARNER = ThresholdSearch
