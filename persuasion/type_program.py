"""The best scheme against a known mixture of Receiver types: a linear program over W*.

The Sender does not know which type she faces and cannot ask. Some optimal split uses beliefs of the
finite set W* of `persuasion.candidates`, so that its weights solve a small linear program, and
prices of the states that cover every candidate bound what any scheme can give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.beliefs import Ties
from persuasion.calling import called_like, require_game
from persuasion.candidates import (
    Candidates,
    candidate_posteriors,
    favourable_responses,
    read_utilities,
    type_games,
)
from persuasion.certificate import Residuals
from persuasion.concave_closure import ConcaveClosure, closure_on_points
from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray, frozen
from persuasion.results import OPTIMAL, WITHIN_BOUND, Solution
from persuasion.scheme import SignalingScheme
from persuasion.type_mixture import TypeMixture
from persuasion.values import first_best, sender_value

if TYPE_CHECKING:
    from persuasion.types import ReceiverTypes

__all__ = ["METHOD", "TypeSolution", "best_split_against", "mixture_of", "solve_types"]

METHOD = "type_program"
"""What `Solution.method` says of answers found here."""

_TOLERANCE = 1e-9
"""Largest duality gap accepted, in units of the range of the Sender's utility."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TypeSolution(Solution):
    """The best scheme against a mixture of types: a `Solution`, and what each type does.

    Its `receiver` is the `TypeMixture`; `state_prices` are at least the mixture's value at every
    candidate, ``prices @ q >= sum_k c_k v_k(q)``, and their mean under the prior is the dual bound.
    Where the candidates were a sample, `upper_bound` is the trivial one, the Sender choosing the
    action herself, and `status` is "within bound".

    Attributes
    ----------
    weights : ndarray (n_signals,)
        Probability of each signal.
    posteriors : ndarray (n_signals, n_states)
    actions : ndarray of int (n_types, n_signals)
        What each type does after each signal.
    complete : bool
        Whether the candidates were all of W*.
    """

    weights: FloatArray
    posteriors: FloatArray
    actions: IntArray
    complete: bool

    @property
    def mixture(self) -> TypeMixture:
        """The Receiver: utilities and probabilities of the types."""
        assert isinstance(self.receiver, TypeMixture)
        return self.receiver

    @property
    def utilities(self) -> FloatArray:
        """``utilities[type, state, action]``."""
        return self.mixture.utilities

    @property
    def type_weights(self) -> FloatArray:
        """Probability of each type, shape (n_types,)."""
        return self.mixture.weights

    @property
    def prices(self) -> FloatArray:
        """`state_prices`, shape (n_states,)."""
        return self.state_prices

    @property
    def plausibility(self) -> float:
        """Largest deviation of the mean posterior from the prior."""
        return self.residuals.plausibility

    @property
    def duality_gap(self) -> float:
        """``upper_bound - value``, in utils."""
        return float(self.upper_bound) - float(self.value)

    def _played(self, ties: Ties) -> float:
        return sender_value(self.game, self.scheme, self.mixture.with_ties(ties))

    def summary(self) -> str:
        """Return a few lines: the value, the bound, the split."""
        names = self.game.actions
        lines = [
            f"{self.game!r} against {len(self.type_weights)} types",
            f"value        {self.value:.9g} (at most {self.upper_bound:.9g})",
            f"certificate  plausibility {self.plausibility:.1e}, gap {self.duality_gap:.1e}"
            + ("" if self.complete else "; candidates are a sample: a better scheme may exist"),
        ]
        for w, q, acts in zip(self.weights, self.posteriors, self.actions.T, strict=True):
            belief = ", ".join(f"{x:.4f}" for x in q)
            lines.append(f"  {w:.4f} x ({belief}): " + ", ".join(names[a] for a in acts))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"TypeSolution(value={self.value:.9g}, upper_bound={self.upper_bound:.9g}, "
            f"n_signals={len(self.weights)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it."""
        arrays = ("utilities", "type_weights", "weights", "posteriors", "actions", "prices")
        return {
            "game": self.game.to_dict(),
            "scheme": self.scheme.to_dict(),
            **{name: getattr(self, name).tolist() for name in arrays},
            "value": self.value,
            "upper_bound": self.upper_bound,
            "status": self.status,
            "residuals": self.residuals.to_dict(),
            "seconds": self.seconds,
            "complete": self.complete,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TypeSolution:
        """Restore what `to_dict` wrote."""
        actions = np.array(data["actions"], dtype=np.intp)
        actions.setflags(write=False)
        return cls(
            game=PersuasionGame.from_dict(data["game"]),
            receiver=TypeMixture(data["utilities"], data["type_weights"]),
            value=data["value"],
            upper_bound=data["upper_bound"],
            status=data["status"],
            residuals=Residuals(**data["residuals"]),
            recommendations=None,
            method=METHOD,
            seconds=data["seconds"],
            given_scheme=SignalingScheme.from_dict(data["scheme"]),
            support_prices=frozen(np.array(data["prices"])),
            weights=frozen(np.array(data["weights"])),
            posteriors=frozen(np.array(data["posteriors"])),
            actions=actions,
            complete=data["complete"],
        )


@called_like("solve_types(game, utilities, weights)")
def solve_types(
    game: PersuasionGame,
    utilities: Any,
    weights: Any,
    *,
    candidates: Candidates | None = None,
) -> TypeSolution:
    """Find the best scheme against Receivers whose type is drawn from a known distribution.

    Parameters
    ----------
    game : PersuasionGame
        Its own Receiver plays no role; the prior is common to all.
    utilities : array-like, shape (n_types, n_states, n_actions)
        ``utilities[type, state, action]``, in each type's own utils.
    weights : array-like, shape (n_types,)
        Probability of each type.
    candidates : Candidates, optional
        Default `candidate_posteriors`; give `sampled_posteriors` where that refuses.

    Returns
    -------
    TypeSolution

    Raises
    ------
    UnsupportedError
        When there are too many candidates to list.
    NotSolvedError
        When the value recomputed from the scheme misses the dual bound by more than 1e-9 of the
        range of the Sender's utility.

    Notes
    -----
    Symbols: weights = c, posteriors = W*, prices = theta.
    Source: own derivation, docs/theory.md, Lemma 3.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.type_program import solve_types
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> lenient, strict = [[1, 0], [0, 3]], [[1, 0], [0, 1]]
    >>> solution = solve_types(game, [lenient, strict], [0.8, 0.2])
    >>> round(solution.value, 9), solution.posteriors.round(9).tolist()
    (0.84, [[0.75, 0.25], [0.5, 0.5]])
    """
    started = perf_counter()
    require_game(game)
    tables = read_utilities(game, utilities)
    mixture = TypeMixture(tables, weights)
    if not game.has_common_prior:
        raise PersuasionError("types share the Sender's prior; drop `receiver_prior` from the game")
    if candidates is None:
        candidates = candidate_posteriors(game, tables)
    elif candidates.posteriors.shape[1] != game.n_states or candidates.n_types != len(tables):
        raise PersuasionError(
            f"{candidates!r} over {candidates.posteriors.shape[1]} states does not belong to "
            f"{len(tables)} types and {game.n_states} states"
        )
    closure = best_split_against(candidates, game.prior, mixture.weights)
    scheme = SignalingScheme.from_posteriors(game.prior, closure.weights, closure.posteriors)
    mass, posteriors = scheme.signal_probabilities(game.prior), scheme.posteriors(game.prior)
    actions, values = favourable_responses(type_games(game, tables), posteriors)
    actions.setflags(write=False)
    value = float(mixture.weights @ values @ mass)
    gap = closure.upper_bound - value
    scale = max(game.sender_scale.width, float(np.abs(values).max()))
    if abs(gap) > _TOLERANCE * scale:
        raise NotSolvedError(
            f"the best split among {candidates.n_posteriors} candidates is worth {value:.12g} when "
            f"it is played, its dual bound is {closure.upper_bound:.12g}"
        )
    upper = max(closure.upper_bound if candidates.complete else first_best(game), value)
    gap = (upper - value) / (game.sender_scale.width or 1.0)
    return TypeSolution(
        game=game,
        receiver=mixture,
        value=value,
        upper_bound=upper,
        status=OPTIMAL if candidates.complete else WITHIN_BOUND,
        residuals=Residuals(scheme.plausibility_gap(game.prior), 0.0, gap),
        recommendations=None,
        method=METHOD,
        seconds=perf_counter() - started,
        given_scheme=scheme,
        support_prices=closure.prices,
        weights=frozen(mass),
        posteriors=frozen(posteriors),
        actions=actions,
        complete=candidates.complete,
    )


def mixture_of(types: ReceiverTypes | TypeMixture) -> TypeMixture:
    """Return the types that are meant where order does not matter.

    Raises
    ------
    PersuasionError
        When the types come in an order, or from an adversary, and so have no law.
    """
    from persuasion.types import IID, ReceiverTypes

    if isinstance(types, TypeMixture):
        return types
    if not isinstance(types, ReceiverTypes):
        raise PersuasionError(
            "`types` must be ReceiverTypes(utilities, IID(weights)) or TypeMixture(utilities, "
            f"weights); got {type(types).__name__}"
        )
    if not isinstance(types.sequence, IID):
        raise PersuasionError(
            f"one scheme against types in the order {types.sequence!r} needs to know how often "
            "each comes; pass TypeMixture(utilities, weights), or play them: simulate(types=...)"
        )
    return TypeMixture(types.utilities, types.sequence.weights)


def best_split_against(
    candidates: Candidates, prior: FloatArray, type_weights: FloatArray
) -> ConcaveClosure:
    """Return the best split of a prior into candidates against a mixture of types.

    Parameters
    ----------
    candidates : Candidates
    prior : ndarray (n_states,)
    type_weights : ndarray (n_types,)
        Not negative; with counts in place of probabilities the value is that of so many rounds.
    """
    return closure_on_points(candidates.posteriors, type_weights @ candidates.values, prior)
