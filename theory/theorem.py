"""A theorem as an object: what it says, of whom, under which assumptions, and its bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from persuasion.types import ReceiverTypes
from theory.algorithm import outside_model
from theory.constants import constants
from theory.evidence import Evidence
from theory.laboratory import Laboratory
from theory.verdict import Assumption, Outcome

__all__ = [
    "DrawnTheorem",
    "EventTheorem",
    "Games",
    "Inequality",
    "LowerBound",
    "NegativeControl",
    "PathwiseTheorem",
    "RegretBound",
    "StaticTheorem",
    "Theorem",
    "pair",
    "single",
]

Games: TypeAlias = PersuasionGame | tuple[PersuasionGame, ...]
Kind = Literal["pathwise", "high_probability", "expectation", "static", "lower"]
Direction = Literal["upper", "lower"]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class NegativeControl:
    """An experiment in which the theorem's hypotheses are broken, so that a check must refute.

    Attributes
    ----------
    why : str
        Which hypothesis is broken.
    learner : str or None
        Name for `persuasion.learners.load`; None for static theorems.
    parameters : mapping
        Parameters of that learner; for statements without play, of the experiment.
    game : str or None
        Name in `persuasion.zoo`; None: the theorem's own pair, ``theorem.games(horizon)``.
    game_parameters : mapping
    types : ReceiverTypes or None
        Who is met, where Receivers of changing type are.
    horizon, n_runs : int
        0 for static theorems.
    expected : Outcome
        Outcome of ``check(theorem, data, as_control=True)``.
    """

    why: str
    learner: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    game: str | None = None
    game_parameters: Mapping[str, Any] = field(default_factory=dict)
    types: ReceiverTypes | None = None
    horizon: int = 0
    n_runs: int = 0
    expected: Outcome = Outcome.REFUTED


@dataclass(frozen=True)
class Inequality:
    """``left <= right`` at single epochs of a trajectory, both in scaled units.

    Attributes
    ----------
    left, right : ndarray (n_rows,)
    epoch : ndarray of int (n_rows,)
        Position in ``trajectory.epochs``; epochs about which the theorem is silent are left out.
    trivial : float
        `right` at or above this says nothing.
    """

    left: FloatArray
    right: FloatArray
    epoch: IntArray
    trivial: float


class Theorem(ABC):
    """A statement that data can refute.

    Each file of `theory.statements` defines one subclass and its instance ``THEOREM``; the file's
    name is the theorem's `id`.

    Attributes
    ----------
    id, title : str
    statement : str
        In plain words.
    latex : str
        The bound in LaTeX, without delimiters.
    source : str
        Paper and number, or "own derivation, docs/theory.md".
    quantity, unit : str
        What is bounded. Units refer to games with both utilities scaled to [0, 1].
    direction : {"upper", "lower"}
    kind : {"pathwise", "high_probability", "expectation", "static", "lower"}
        How data are held against it, see `check`.
    n_games : int
        How many games one statement speaks about; 2 for bounds on the worse of a pair of priors.
    learner : str
        Name of the learner that it is about, or is tried with when nobody names one.
    two_actions : bool
        Whether it speaks only about games with two actions.
    brings_games : bool
        Whether it is tried on games of its own only: on pairs, or with types of Receiver.
    negative_control : NegativeControl
    """

    id: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    latex: ClassVar[str]
    source: ClassVar[str]
    quantity: ClassVar[str]
    unit: ClassVar[str]
    direction: ClassVar[Direction] = "upper"
    kind: ClassVar[Kind]
    n_games: ClassVar[int] = 1
    learner: ClassVar[str] = "robust"
    two_actions: ClassVar[bool] = False
    brings_games: ClassVar[bool] = False
    negative_control: ClassVar[NegativeControl]

    @abstractmethod
    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """Hypotheses on the game (on the pair of games), with their measured constants."""

    @abstractmethod
    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """The bound at each round, in units where the Sender's utility spans [0, 1].

        Parameters
        ----------
        game : PersuasionGame, or tuple of `n_games` of them
            In its own utils; scaled here.
        rounds : int or array-like of int
            Numbers of rounds played (radii, for static theorems).
        parameters : mapping, optional
            Parameters of the learner as in ``Trajectory.parameters``; those left out take the
            learner's defaults.
        horizon : int, optional
            Horizon the learner was told; default the largest of `rounds`.

        Returns
        -------
        ndarray, shape of `rounds` (at least one axis)
        """

    def bound_on(self, trajectory: Trajectory, rounds: ArrayLike) -> FloatArray:
        """The bound at each round for the game and the learner of a trajectory."""
        return self.bound(
            trajectory.game, rounds, trajectory.parameters, horizon=trajectory.horizon
        )

    def outside(self, trajectory: Trajectory) -> str | None:
        """Reason why a trajectory was not played in the theorem's model, or None."""
        return outside_model(trajectory)

    def optima(self, trajectory: Trajectory) -> tuple[float, float]:
        """Optimum per round, scaled: the trajectory's and the theory's own."""
        game = trajectory.game
        return game.sender_scale.to_unit(trajectory.optimal_value), constants(game).optimum

    def covers(self, trajectory: Trajectory) -> str | None:
        """Reason why the theorem says nothing about the trajectory's learner, or None."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what the theorem says about itself, JSON-ready."""
        keys = ("id", "title", "statement", "latex", "source", "quantity", "unit")
        own = {key: getattr(self, key) for key in keys}
        return {**own, "direction": self.direction, "kind": self.kind, "n_games": self.n_games}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Theorem) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class RegretBound(Theorem):
    """An upper bound on cumulated pseudo-regret, in expectation or with high probability."""

    quantity: ClassVar[str] = "cumulated pseudo-regret"
    unit: ClassVar[str] = "scaled utils, cumulated"

    def failure_probability(self, trajectory: Trajectory) -> float:
        """Probability with which a run may break the bound; 0 for bounds on expectations."""
        return 0.0

    def regret_on(self, trajectory: Trajectory) -> FloatArray:
        """Regret as the theorem means it, of runs that may be averaged (n_runs, n_checkpoints)."""
        return trajectory.regret

    def range_on(self, trajectory: Trajectory, rounds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest regret that a run can have at each round, scaled."""
        return np.zeros(len(rounds)), np.asarray(rounds * constants(trajectory.game).optimum)

    def reach(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> tuple[FloatArray, float] | None:
        """Level that a run's regret hardly exceeds at each round, and a bound on the mean excess.

        Confidence limits for a mean depend on how large a single run can be. T * OPT always holds
        but makes them useless beside bounds of order log T; where a proof says more about single
        runs, it is used for the upper limit. None: T * OPT.
        """
        return None


class EventTheorem(Theorem):
    """An event of a run that has at least a stated probability."""

    kind: ClassVar[Kind] = "high_probability"

    @abstractmethod
    def failure_probability(self, trajectory: Trajectory) -> float:
        """Probability with which the event may fail in a run."""

    @abstractmethod
    def failed(self, trajectory: Trajectory) -> NDArray[np.bool_]:
        """In which runs it failed, shape (n_runs,)."""


class PathwiseTheorem(Theorem):
    """Inequalities that hold at every epoch of every run, without exception."""

    kind: ClassVar[Kind] = "pathwise"

    @abstractmethod
    def inequality(self, trajectory: Trajectory) -> Inequality:
        """Both sides at every epoch about which the theorem speaks."""


class StaticTheorem(Theorem):
    """A statement about a game, without any play; its bound depends on a radius, say, not a round.

    Attributes
    ----------
    evidence : type
        What it is held against.
    sizes : tuple of int
        Arguments of the bound at which evidence may be gathered; empty for radii.
    """

    kind: ClassVar[Kind] = "static"
    evidence: ClassVar[type[Evidence]]
    sizes: ClassVar[tuple[int, ...]] = ()

    @abstractmethod
    def gather(
        self, game: PersuasionGame, laboratory: Laboratory, parameters: Mapping[str, Any]
    ) -> Iterator[Evidence]:
        """Ask the laboratory for evidence on a game; `parameters` are those of a control."""

    @abstractmethod
    def measured(self, value: Any) -> float:
        """The bounded quantity, in scaled units, from one piece of `evidence`."""

    @abstractmethod
    def trivial(self, game: PersuasionGame) -> float:
        """A bound that holds without the theorem: at or above it nothing is said."""

    def bound_at(self, value: Any) -> float:
        """The bound that one piece of evidence is held against."""
        return float(self.bound(value.game, [value.at])[0])

    def silent_on(self, value: Any) -> str | None:
        """Reason why the theorem says nothing about a piece of evidence, or None."""
        return None

    def informative(self, game: PersuasionGame) -> bool:
        """Whether the bound says something about the game at the largest of `sizes`."""
        return not self.sizes or bool(self.bound(game, self.sizes[-1:])[0] < self.trivial(game))


class DrawnTheorem(StaticTheorem):
    """A statement about what comes of random samples, which may fail with small probability."""

    kind: ClassVar[Kind] = "high_probability"

    @abstractmethod
    def failure_probability(self, value: Any) -> float:
        """Probability with which one piece of evidence may break the bound."""

    def failed(self, value: Any, bound: float) -> bool:
        """Whether a piece of evidence is one of those."""
        return self.measured(value) > bound


class LowerBound(Theorem):
    """No learner of a class can do better on both games of a pair."""

    quantity: ClassVar[str] = "larger of the two expected cumulated pseudo-regrets"
    unit: ClassVar[str] = "scaled utils, cumulated"
    direction: ClassVar[Direction] = "lower"
    kind: ClassVar[Kind] = "lower"
    n_games: ClassVar[int] = 2
    brings_games: ClassVar[bool] = True
    judged: ClassVar[tuple[int, ...]] = (0, 1)
    """Which games of the pair, in increasing probability of the good state, enter the maximum."""

    @abstractmethod
    def games(
        self, horizon: int, *, good: float = 0.25, ratio: float = 1.0, n_states: int = 2
    ) -> tuple[PersuasionGame, PersuasionGame]:
        """The pair at which the bound is largest for the horizon.

        Parameters
        ----------
        horizon : int
        good : float
            Prior probability of the good state in the first game.
        ratio : float
            B: the Receiver's gain from acting in the good state over her loss in a bad one.
        n_states : int
            All but one are bad, and equally likely.
        """

    def measure(self, trajectories: Sequence[Trajectory], alpha: float) -> dict[str, float]:
        """Parameters of the bound that must be measured, each at confidence ``1 - alpha``."""
        return {}


def single(game: Games) -> PersuasionGame:
    """Return the game, or raise when a pair was given."""
    if isinstance(game, PersuasionGame):
        return game
    if isinstance(game, tuple) and len(game) == 1:
        return game[0]
    raise PersuasionError(f"this theorem speaks about one game; got {type(game).__name__}")


def pair(game: Games) -> tuple[PersuasionGame, PersuasionGame]:
    """Return the two games, or raise when anything else was given."""
    if isinstance(game, tuple) and len(game) == 2:
        return game[0], game[1]
    raise PersuasionError(
        "this theorem speaks about a pair of games (one game under two priors); pass a tuple "
        f"of two, for instance theorem.games(horizon); got {type(game).__name__}"
    )
