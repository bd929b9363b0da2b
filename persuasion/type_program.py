"""The best scheme against a known mixture of Receiver types: a linear program over W*.

The Sender does not know which type she faces and cannot ask. Some optimal split uses beliefs of the
finite set W* of `persuasion.candidates`, so that its weights solve a small linear program, and
prices of the states that cover every candidate bound what any scheme can give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from persuasion.candidates import (
    Candidates,
    candidate_posteriors,
    favourable_responses,
    read_utilities,
    type_games,
)
from persuasion.concave_closure import ConcaveClosure, closure_on_points
from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray, frozen
from persuasion.scheme import SignalingScheme
from persuasion.values import first_best

__all__ = ["TypeSolution", "best_split_against", "solve_types"]

_TOLERANCE = 1e-9
"""Largest duality gap accepted, in units of the range of the Sender's utility."""


@dataclass(frozen=True, repr=False)
class TypeSolution:
    """The best scheme against a mixture of types, with its certificate.

    Attributes
    ----------
    game : PersuasionGame
    utilities : ndarray (n_types, n_states, n_actions)
    type_weights : ndarray (n_types,)
    value : float
        Sender's expected utility of `scheme`, recomputed from the scheme, in utils.
    scheme : SignalingScheme
    weights : ndarray (n_signals,)
        Probability of each signal.
    posteriors : ndarray (n_signals, n_states)
    actions : ndarray of int (n_types, n_signals)
        What each type does after each signal.
    prices : ndarray (n_states,)
        At least the mixture's value at every candidate, ``prices @ q >= sum_k c_k v_k(q)``; their
        mean under the prior is the dual bound.
    upper_bound : float
        No scheme gives more. Without complete candidates it is the trivial bound, the Sender
        choosing the action herself.
    plausibility : float
        Largest deviation of the mean posterior from the prior.
    complete : bool
        Whether the candidates were all of W*.
    """

    game: PersuasionGame
    utilities: FloatArray
    type_weights: FloatArray
    value: float
    scheme: SignalingScheme
    weights: FloatArray
    posteriors: FloatArray
    actions: IntArray
    prices: FloatArray
    upper_bound: float
    plausibility: float
    complete: bool

    @property
    def duality_gap(self) -> float:
        """``upper_bound - value``, in utils."""
        return self.upper_bound - self.value

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
            "plausibility": self.plausibility,
            "complete": self.complete,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TypeSolution:
        """Restore what `to_dict` wrote."""
        own: dict[str, Any] = {
            name: frozen(np.array(value)) if isinstance(value, list) else value
            for name, value in data.items()
        }
        own["game"] = PersuasionGame.from_dict(data["game"])
        own["scheme"] = SignalingScheme.from_dict(data["scheme"])
        return cls(**own)


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
    tables = read_utilities(game, utilities)
    mixture = np.asarray(weights, dtype=np.float64)
    if mixture.shape != (len(tables),) or not (mixture >= 0).all():
        raise PersuasionError(
            f"`weights` must hold one probability per type, shape ({len(tables)},); "
            f"got {np.array2string(mixture)}"
        )
    if abs(mixture.sum() - 1) > 1e-9:
        raise PersuasionError(
            f"`weights` must sum to 1 (got {mixture.sum():.12g}); if these are counts, pass "
            "`counts / counts.sum()`"
        )
    if not game.has_common_prior:
        raise PersuasionError("types share the Sender's prior; drop `receiver_prior` from the game")
    if candidates is None:
        candidates = candidate_posteriors(game, tables)
    elif candidates.posteriors.shape[1] != game.n_states or candidates.n_types != len(tables):
        raise PersuasionError(
            f"{candidates!r} over {candidates.posteriors.shape[1]} states does not belong to "
            f"{len(tables)} types and {game.n_states} states"
        )
    closure = best_split_against(candidates, game.prior, mixture)
    scheme = SignalingScheme.from_posteriors(game.prior, closure.weights, closure.posteriors)
    mass, posteriors = scheme.signal_probabilities(game.prior), scheme.posteriors(game.prior)
    actions, values = favourable_responses(type_games(game, tables), posteriors)
    actions.setflags(write=False)
    value = float(mixture @ values @ mass)
    gap = closure.upper_bound - value
    if abs(gap) > _TOLERANCE * max(game.sender_scale.width, float(np.abs(values).max())):
        raise NotSolvedError(
            f"the best split among {candidates.n_posteriors} candidates is worth {value:.12g} when "
            f"it is played, its dual bound is {closure.upper_bound:.12g}"
        )
    return TypeSolution(
        game=game,
        utilities=tables,
        type_weights=frozen(mixture.copy()),
        value=value,
        scheme=scheme,
        weights=frozen(mass),
        posteriors=frozen(posteriors),
        actions=actions,
        prices=closure.prices,
        upper_bound=max(closure.upper_bound if candidates.complete else first_best(game), value),
        plausibility=scheme.plausibility_gap(game.prior),
        complete=candidates.complete,
    )


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
