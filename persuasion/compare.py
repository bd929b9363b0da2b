"""Blackwell's order: which of two schemes tells more, with a witness either way.

A scheme is more informative than another when garbling its signals imitates the other; exactly then
it is worth at least as much in every decision problem. One linear program asks how well the best
garbling imitates. Where it succeeds its solution is the garbling; where it fails its dual is a
decision problem in which the other scheme is worth strictly more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from persuasion.beliefs import receiver_indirect_utility
from persuasion.calling import require_scheme
from persuasion.errors import NotSolvedError, SchemeError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen
from persuasion.scheme import SignalingScheme

__all__ = ["BlackwellComparison", "DecisionProblem", "Relation", "blackwell"]

Relation = Literal["equivalent", "a_more_informative", "b_more_informative", "incomparable"]


@dataclass(frozen=True, repr=False)
class DecisionProblem:
    """A decision problem that tells two schemes apart, and what each is worth in it.

    Attributes
    ----------
    prior : ndarray (n_states,)
    utility : ndarray (n_states, n_actions)
        Decision maker's utils in [0, 1], ``utility[state, action]``; zero in states of prior
        probability zero.
    value_a, value_b : float
        Expected utility of the best decisions after the signals of each scheme.
    """

    prior: FloatArray
    utility: FloatArray
    value_a: float
    value_b: float

    @property
    def advantage_of_a(self) -> float:
        """``value_a - value_b``."""
        return self.value_a - self.value_b

    def __repr__(self) -> str:
        return (
            f"DecisionProblem(n_states={self.utility.shape[0]}, "
            f"n_actions={self.utility.shape[1]}, advantage_of_a={self.advantage_of_a:.3g})"
        )


@dataclass(frozen=True, repr=False)
class BlackwellComparison:
    """What `blackwell` found; every witness was checked after it was computed.

    Attributes
    ----------
    garbling_to_b : ndarray (n_signals_a, n_signals_b) or None
        Row-stochastic; ``kernel_a @ garbling_to_b`` is kernel_b. None when there is none.
    garbling_to_a : ndarray (n_signals_b, n_signals_a) or None
        The same with the roles exchanged.
    favours_b : DecisionProblem or None
        Where scheme b is worth strictly more; given exactly when `garbling_to_b` is not.
    favours_a : DecisionProblem or None
        Where scheme a is worth strictly more; given exactly when `garbling_to_a` is not.
    tolerance : float
        Largest entry of ``|kernel_a @ garbling_to_b - kernel_b|`` that counts as zero.
    """

    garbling_to_b: FloatArray | None
    garbling_to_a: FloatArray | None
    favours_a: DecisionProblem | None
    favours_b: DecisionProblem | None
    tolerance: float

    @property
    def a_garbles_to_b(self) -> bool:
        """Whether b is a garbling of a: a is at least as informative."""
        return self.garbling_to_b is not None

    @property
    def b_garbles_to_a(self) -> bool:
        """Whether a is a garbling of b: b is at least as informative."""
        return self.garbling_to_a is not None

    @property
    def relation(self) -> Relation:
        """One of "equivalent", "a_more_informative", "b_more_informative", "incomparable"."""
        if self.a_garbles_to_b:
            return "equivalent" if self.b_garbles_to_a else "a_more_informative"
        return "b_more_informative" if self.b_garbles_to_a else "incomparable"

    def summary(self) -> str:
        """Say what was found, in a few lines."""
        lines = [self.relation.replace("_", " ")]
        for here, there, garbling, problem in (
            ("a", "b", self.garbling_to_b, self.favours_b),
            ("b", "a", self.garbling_to_a, self.favours_a),
        ):
            if problem is None:
                assert garbling is not None
                shape = " x ".join(map(str, garbling.shape))
                lines.append(f"{there} is a garbling of {here} (matrix {shape})")
            else:
                gain = abs(problem.advantage_of_a)
                lines.append(
                    f"{there} is no garbling of {here}: worth {gain:.3g} more in a decision "
                    f"problem with {problem.utility.shape[1]} actions, utils in [0, 1]"
                )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""

        def problem(found: DecisionProblem | None) -> dict[str, Any] | None:
            if found is None:
                return None
            return {
                "prior": found.prior.tolist(),
                "utility": found.utility.tolist(),
                "value_a": found.value_a,
                "value_b": found.value_b,
            }

        return {
            "relation": self.relation,
            "garbling_to_b": None if self.garbling_to_b is None else self.garbling_to_b.tolist(),
            "garbling_to_a": None if self.garbling_to_a is None else self.garbling_to_a.tolist(),
            "favours_a": problem(self.favours_a),
            "favours_b": problem(self.favours_b),
            "tolerance": self.tolerance,
        }

    def __repr__(self) -> str:
        return f"BlackwellComparison({self.relation!r})"


def blackwell(
    scheme_a: SignalingScheme,
    scheme_b: SignalingScheme,
    *,
    prior: Any = None,
    tolerance: float = 1e-9,
) -> BlackwellComparison:
    """Compare two schemes in Blackwell's order.

    Parameters
    ----------
    scheme_a, scheme_b : SignalingScheme
        With the same states; their numbers of signals may differ.
    prior : array-like, shape (n_states,), optional
        States of probability zero are ignored, and separating decision problems use this prior.
        Default uniform. The order itself does not depend on the other probabilities.
    tolerance : float
        Largest error of a garbling, entry by entry, that counts as zero.

    Returns
    -------
    BlackwellComparison

    Raises
    ------
    SchemeError
        When the schemes or the prior have different numbers of states.
    NotSolvedError
        When neither witness survives its check (numbers too close to tell).

    Notes
    -----
    The program minimises t subject to ``|kernel_a @ G - kernel_b| <= t`` over stochastic G. Its
    dual maximises ``sum U * kernel_b - sum_s max_j (kernel_a' U)[s, j]`` over U with
    ``sum |U| <= 1``: what b earns by taking action j after its signal j, minus the best that a can.
    Symbols: kernel = pi(s | omega), U = prior * utility.
    Source: Blackwell, *Equivalent comparisons of experiments*, Ann. Math. Stat. 24(2), 1953.
    Departures: decided up to `tolerance`; the decision problem has one action per signal.

    Examples
    --------
    >>> from persuasion import SignalingScheme
    >>> from persuasion.compare import blackwell
    >>> sharp = SignalingScheme([[0.9, 0.1], [0.2, 0.8]])
    >>> blurred = sharp.garble([[0.75, 0.25], [0.25, 0.75]])
    >>> comparison = blackwell(sharp, blurred)
    >>> comparison.relation, comparison.garbling_to_b.round(6).tolist()
    ('a_more_informative', [[0.75, 0.25], [0.25, 0.75]])
    >>> comparison.favours_a.advantage_of_a > 0.01
    True
    """
    require_scheme(scheme_a)
    require_scheme(scheme_b)
    if scheme_a.n_states != scheme_b.n_states:
        raise SchemeError(
            f"the schemes have {scheme_a.n_states} and {scheme_b.n_states} states; "
            "only schemes over the same states can be compared"
        )
    weights = _check_prior(prior, scheme_a.n_states)
    garbling_to_b, favours_b = _imitate(scheme_a, scheme_b, weights, tolerance)
    garbling_to_a, favours_a = _imitate(scheme_b, scheme_a, weights, tolerance)
    return BlackwellComparison(
        garbling_to_b=garbling_to_b,
        garbling_to_a=garbling_to_a,
        favours_a=None if favours_a is None else _judge(favours_a, weights, scheme_a, scheme_b),
        favours_b=None if favours_b is None else _judge(favours_b, weights, scheme_a, scheme_b),
        tolerance=tolerance,
    )


def _imitate(
    source: SignalingScheme, target: SignalingScheme, prior: FloatArray, tolerance: float
) -> tuple[FloatArray | None, FloatArray | None]:
    """Return a garbling of `source` into `target`, or a utility under which `target` earns more."""
    possible = prior > 0
    garbling, dual = _nearest_garbling(source.kernel[possible], target.kernel[possible])
    error = np.abs(source.kernel[possible] @ garbling - target.kernel[possible]).max()
    if error <= tolerance:
        return frozen(garbling), None
    utility = np.zeros((len(prior), target.n_signals))
    utility[possible] = dual * (prior[possible].min() / prior[possible, None])
    utility[possible] -= utility[possible].min(axis=1, keepdims=True)  # changes no comparison
    utility /= utility.max() or 1.0
    if _worth(utility, prior, target) <= _worth(utility, prior, source):
        raise NotSolvedError(
            f"the best garbling misses by {error:.3g}, more than the tolerance {tolerance:g}, but "
            "no decision problem tells the schemes apart in floating point; "
            "raise `tolerance` above that"
        )
    return None, frozen(utility)


def _nearest_garbling(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Solve the program of `blackwell`; return G, exactly stochastic, and the dual U."""
    from scipy import sparse
    from scipy.optimize import linprog

    n_from, n_to = source.shape[1], target.shape[1]
    n_entries = target.size
    product = sparse.kron(sparse.csr_matrix(source), sparse.eye(n_to))
    slack = -np.ones((n_entries, 1))
    answer = linprog(
        np.append(np.zeros(n_from * n_to), 1.0),
        A_ub=sparse.vstack([sparse.hstack([product, slack]), sparse.hstack([-product, slack])]),
        b_ub=np.concatenate([target.ravel(), -target.ravel()]),
        A_eq=sparse.hstack(
            [sparse.kron(sparse.eye(n_from), np.ones((1, n_to))), np.zeros((n_from, 1))]
        ),
        b_eq=np.ones(n_from),
        method="highs",
        options={
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
        },
    )
    if answer.x is None:
        raise NotSolvedError(f"the linear program of the garbling failed: {answer.message}")
    garbling = np.maximum(answer.x[:-1].reshape(n_from, n_to), 0.0)
    garbling /= garbling.sum(axis=1, keepdims=True)
    over, under = answer.ineqlin.marginals.reshape(2, *target.shape)
    return garbling, over - under


def _worth(utility: FloatArray, prior: FloatArray, scheme: SignalingScheme) -> float:
    """Value of a scheme to a decision maker; no tolerance for ties, so exact up to rounding."""
    problem = PersuasionGame(prior, np.zeros_like(utility), utility)
    best = receiver_indirect_utility(problem, scheme.posteriors(prior))
    return float(scheme.signal_probabilities(prior) @ best)


def _judge(
    utility: FloatArray, prior: FloatArray, scheme_a: SignalingScheme, scheme_b: SignalingScheme
) -> DecisionProblem:
    return DecisionProblem(
        prior=frozen(prior),
        utility=utility,
        value_a=_worth(utility, prior, scheme_a),
        value_b=_worth(utility, prior, scheme_b),
    )


def _check_prior(prior: Any, n_states: int) -> FloatArray:
    weights = np.full(n_states, 1 / n_states) if prior is None else np.array(prior, dtype=float)
    if weights.shape != (n_states,):
        raise SchemeError(
            f"`prior` has shape {weights.shape}, but the schemes have {n_states} states"
        )
    if weights.min() < 0 or abs(weights.sum() - 1) > 1e-9:
        raise SchemeError(
            f"`prior` must hold probabilities that sum to 1; it sums to {weights.sum():.12g}"
        )
    return weights
