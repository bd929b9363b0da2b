"""Theorems about Receivers whose type changes: their model, and what their bounds depend on.

The prior is known; the set of types is known; who turns up is not. Regret is that against the best
fixed scheme for the types that turned up. A trajectory carries the types, their counts, and the
beliefs W* among which schemes are sought; everything else is recomputed here: the optimum by a
program that knows no W*, and the entropy H* from W* and the prior.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion import zoo
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory, TypeRecord
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes, TypeSequence
from theory.statements._robust import common_prior
from theory.theorem import Games, Theorem, single
from theory.type_programs import entropy_bound, most_candidates, type_optimum
from theory.verdict import Assumption

__all__ = [
    "SplitSizes",
    "TypeTheorem",
    "World",
    "descent_bound",
    "full_support",
    "record_of",
    "types_in_words",
    "worlds",
]


@dataclass(frozen=True)
class World:
    """A game and the Receivers that turn up."""

    game: PersuasionGame
    types: ReceiverTypes


@dataclass(frozen=True)
class SplitSizes:
    """How many splits of the prior there are, in the two senses that bounds use.

    Attributes
    ----------
    n_candidates : int
        N = |W*|.
    entropy : float
        H*, the largest entropy of a split into W*, in nats; at most ln N.
    """

    n_candidates: int
    entropy: float

    @classmethod
    def of(cls, trajectory: Trajectory) -> SplitSizes:
        """Read N off the trajectory, and compute H*."""
        posteriors = record_of(trajectory).posteriors
        return cls(len(posteriors), entropy_bound(posteriors, trajectory.game.prior))

    @classmethod
    def at_most(cls, game: PersuasionGame, n_types: int) -> SplitSizes:
        """Bound both by the number of planes, whatever the types' utilities are."""
        n_candidates = most_candidates(game.n_states, game.n_actions, n_types)
        return cls(n_candidates, math.log(n_candidates))


class TypeTheorem(Theorem):
    """A theorem about the regret of a learner who meets Receivers of changing type."""

    unit: ClassVar[str] = "scaled utils, cumulated"
    brings_games: ClassVar[bool] = True
    horizon: ClassVar[int]
    """Rounds over which it is tried when nobody says how many."""

    @abstractmethod
    def bound_from(
        self,
        sizes: SplitSizes,
        rounds: FloatArray,
        parameters: Mapping[str, Any],
        horizon: int,
    ) -> FloatArray:
        """The bound at each round, for splits of these sizes."""

    @abstractmethod
    def worlds(self, *, quick: bool = False) -> tuple[World, ...]:
        """Games and types on which the theorem is tried."""

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """The bound whatever the types are: from their number, ``parameters["n_types"]`` or 1."""
        own = single(game)
        at = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        given = {} if parameters is None else parameters
        sizes = SplitSizes.at_most(own, int(given.get("n_types", 1)))
        return self.bound_from(sizes, at, given, horizon or int(at.max()))

    def bound_on(self, trajectory: Trajectory, rounds: ArrayLike) -> FloatArray:
        """The bound for the types of a trajectory."""
        at = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        sizes = SplitSizes.of(trajectory)
        return self.bound_from(sizes, at, trajectory.parameters, trajectory.horizon)

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior that gives every state positive probability."""
        return common_prior(single(game)), full_support(single(game))

    def silent_about(self, types: ReceiverTypes) -> str | None:
        """Reason why the theorem says nothing about such a sequence of types, or None."""
        return None

    def outside(self, trajectory: Trajectory) -> str | None:
        """Types must have been played, and their candidates enumerated."""
        record = trajectory.types
        if record is None:
            return "the theorem speaks of Receivers of several types; simulate(types=...)"
        if not trajectory.game.has_common_prior:
            return "the theorem assumes a common prior"
        if not record.complete:
            return "schemes were sought among a sample of posteriors; the theorem needs all of W*"
        n_types, n_states, n_actions = record.utilities.shape
        most = most_candidates(n_states, n_actions, n_types)
        if len(record.posteriors) > most:
            return f"{len(record.posteriors)} candidates are listed, but W* has at most {most}"
        return None

    def optima(self, trajectory: Trajectory) -> tuple[float, float]:
        """Optimum per round of the run in which the two differ most."""
        scale = trajectory.game.sender_scale
        theirs = (trajectory.optimum[:, -1] / trajectory.horizon - scale.low) / scale.width
        own = self.optimum_at(trajectory, -1)
        worst = int(np.abs(theirs - own).argmax())
        return float(theirs[worst]), float(own[worst])

    def optimum_at(self, trajectory: Trajectory, point: int) -> FloatArray:
        """Optimum per round at a checkpoint, run by run, scaled; by the theory's own program."""
        record = record_of(trajectory)
        counts = record.counts[:, point]
        return np.array(
            [type_optimum(trajectory.game, record.utilities, c / c.sum()) for c in counts]
        )


def record_of(trajectory: Trajectory) -> TypeRecord:
    """Return what the trajectory says about types, or raise."""
    if trajectory.types is None:
        raise PersuasionError("this trajectory was played without types; simulate(types=...)")
    return trajectory.types


def full_support(game: PersuasionGame) -> Assumption:
    """p0 > 0 over all states."""
    least = float(game.prior.min())
    return Assumption("full support", "every state has positive probability", least, least > 0)


def descent_bound(
    sizes: SplitSizes, rounds: FloatArray, cost: float, eta: Any, horizon: int
) -> FloatArray:
    """What mirror descent on splits of the prior loses: ``H* / eta + eta t cost``.

    Parameters
    ----------
    sizes : SplitSizes
    rounds : ndarray (k,)
        The t at which it is wanted.
    cost : float
        What the gains of a round cost at most, per unit of the step.
    eta : float or None
        The constant step; None for ``sqrt(H* / (cost horizon))``, which is best at the horizon.
    horizon : int

    Returns
    -------
    ndarray (k,)
        0 where there is but one split, infinite for a step of 0.

    Examples
    --------
    >>> descent_bound(SplitSizes(8, 2.0), np.array([100.0]), 1 / 8, None, 100).tolist()
    [10.0]
    """
    if sizes.entropy <= 0:
        return np.zeros_like(rounds)
    step = math.sqrt(sizes.entropy / (cost * horizon)) if eta is None else float(eta)
    if step == 0:
        return np.full_like(rounds, np.inf)
    return np.asarray(sizes.entropy / step + step * rounds * cost)


def types_in_words(types: ReceiverTypes) -> str:
    """Say how many types there are and who comes when.

    Examples
    --------
    >>> types_in_words(ReceiverTypes([[[1, 0], [0, 1]]] * 2, Blocks(100)))
    '2 types, Blocks(length=100)'
    """
    return f"{types.n_types} type{'s' if types.n_types > 1 else ''}, {types.sequence!r}"


_SEQUENCES: dict[str, TypeSequence] = {
    "adversary": LargestGap(),
    "independent": IID((0.5, 0.3, 0.2)),
    "blocks": Blocks(100),
    "alternating": Alternating(),
}


def worlds(*kinds: tuple[str, int, int, int, int]) -> tuple[World, ...]:
    """Random games with types in general position.

    Seeds are worth choosing so that persuasion gains and no scheme is best against every type.

    Parameters
    ----------
    *kinds : tuple of (str, int, int, int, int)
        Sequence of types ("adversary", "independent", "blocks", "alternating"), numbers of states,
        actions and types, seed of the game; type k takes the Receiver of the game with seed
        ``seed + k``.
    """
    out = []
    for sequence, n_states, n_actions, n_types, seed in kinds:
        games = [zoo.random_game("uniform", n_states, n_actions, seed + k) for k in range(n_types)]
        named = {**games[0].to_dict(), "name": f"{games[0].name}, seed {seed}"}
        types = ReceiverTypes([g.receiver_utility for g in games], _SEQUENCES[sequence])
        out.append(World(PersuasionGame.from_dict(named), types))
    return tuple(out)
