"""Theorem 7c: exponentiated gradient on an exact penalty reaches the optimum at a known rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.evidence import Evidence, PolicyRun
from theory.laboratory import Laboratory
from theory.programs import SlaterScheme, optimal_vertex, receiver_gain, regularity, strict_scheme
from theory.statements._robust import OWN, common_prior
from theory.theorem import Games, NegativeControl, StaticTheorem, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "PenalisedGradient"]

_NO_MARGIN = 1e-9
"""Margins below this (scaled utils) cannot be told from zero in floating point."""
_SAME_PENALTY = 1e-6


class PenalisedGradient(StaticTheorem):
    """What is missing from the optimum, before and after the answer is made obedient."""

    id: ClassVar[str] = "theorem_7c"
    title: ClassVar[str] = "Exponentiated gradient on an exact penalty"
    statement: ClassVar[str] = (
        "Let some complete scheme persuade by d with each of the n actions that may be "
        "recommended. After I steps of exponentiated gradient on V - (2 / d) times the violation "
        "of obedience, the average policy is worth OPT - e_I at least, penalty included, with e_I "
        "= (1 + 2 / d) sqrt(2 ln(n) / I); mixed with that scheme until it is obeyed, OPT - 2 e_I."
    )
    latex: ClassVar[str] = (
        r"\mathrm{OPT} - J_\lambda(\bar\pi_I) \le e_I, \quad \mathrm{OPT} - V(\pi') \le 2 e_I, "
        r"\quad e_I = \Bigl(1 + \frac{2}{d}\Bigr) \sqrt{\frac{2 \ln n}{I}}"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = (
        "OPT minus the penalised value of the average policy, or half of OPT minus the value of "
        "its obedient mixture, whichever is larger"
    )
    unit: ClassVar[str] = "scaled utils per round"
    evidence: ClassVar[type[Evidence]] = PolicyRun
    sizes: ClassVar[tuple[int, ...]] = (1000, 10_000)
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="disobedience costs nothing, so that the policy goes to what the Sender likes best, "
        "which nobody obeys",
        parameters={"penalty": 0.0},
        game="prosecutor",
        game_parameters={"p": "3/10"},
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior; a margin over the actions that are a strict best response somewhere."""
        one = single(game)
        found = _allowed_scheme(one) if one.has_common_prior else None
        d = 0.0 if found is None else found[1].margin
        return (
            common_prior(one),
            Assumption(
                "Slater margin d",
                "some complete scheme persuades by d with every action that may be recommended: "
                "those that are the only best response at some belief",
                d,
                d > _NO_MARGIN,
            ),
        )

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """e_I after each number of steps (`rounds`); infinite where there is no margin."""
        one = single(game)
        steps = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        found = _allowed_scheme(one)
        if found is None:
            return np.full(steps.shape, np.inf)
        allowed, scheme = found
        with np.errstate(divide="ignore"):
            rate = np.sqrt(2 * np.log(float(allowed.sum())) / steps)
        return np.asarray((1 + 2 / scheme.margin) * rate)

    def gather(
        self, game: PersuasionGame, laboratory: Laboratory, parameters: Mapping[str, Any]
    ) -> Iterator[PolicyRun]:
        """A run of each number of steps."""
        for n_steps in self.sizes:
            yield laboratory.exponentiated_gradient(game, n_steps, parameters.get("penalty"))

    def silent_on(self, value: PolicyRun) -> str | None:
        """Another penalty than 2 / d, or a policy that is no average."""
        found = _allowed_scheme(value.game)
        assert found is not None  # an assumption
        used = value.penalty * _exchange(value.game)
        if not value.averaged or value.receiver != "none":
            return "the theorem is about the average policy of the penalised method"
        if abs(used - 2 / found[1].margin) > _SAME_PENALTY * used:
            return (
                f"the penalty was {used:.6g} (scaled); the theorem is about 2 / d = "
                f"{2 / found[1].margin:.6g}"
            )
        return None

    def measured(self, value: PolicyRun) -> float:
        """Shortfall of the policy, or half of that of its obedient mixture."""
        unit, found = value.game.rescaled(), _allowed_scheme(value.game)
        assert found is not None  # an assumption
        allowed, scheme = found
        masses = unit.prior[:, None] * value.kernel
        violations = _violations(unit, masses)
        optimum = optimal_vertex(unit, allowed)[0]
        penalised = float((masses * unit.sender_utility).sum()) - 2 / scheme.margin * float(
            violations.sum()
        )
        worst = float(violations.max())
        weight = worst / (worst + scheme.margin)
        mixed = (1 - weight) * masses + weight * scheme.masses
        worth = float((mixed * unit.sender_utility).sum())
        disobeyed = float(_violations(unit, mixed).max()) > _NO_MARGIN
        return max(optimum - penalised, np.inf if disobeyed else (optimum - worth) / 2)

    def trivial(self, game: PersuasionGame) -> float:
        """All that an obedient policy can miss."""
        found = _allowed_scheme(game)
        return optimal_vertex(game.rescaled(), None if found is None else found[0])[0]


def _violations(game: PersuasionGame, masses: FloatArray) -> FloatArray:
    """For each recommendation, the largest gain from disobeying it, at least 0, joint masses."""
    actions = range(game.n_actions)
    return np.array(
        [
            max(
                [
                    0.0,
                    *(-float(masses[:, a] @ receiver_gain(game, a, b)) for b in actions if b != a),
                ]
            )
            for a in actions
        ]
    )


def _exchange(game: PersuasionGame) -> float:
    """Scaled penalty of one util of the Sender per util of the Receiver."""
    return game.receiver_scale.width / game.sender_scale.width


@lru_cache(maxsize=512)
def _allowed_scheme(game: PersuasionGame) -> tuple[NDArray[np.bool_], SlaterScheme] | None:
    """Actions that may be recommended, and the scheme with the largest margin over them."""
    unit = game.rescaled()
    allowed = np.array([regularity(unit, a) > _NO_MARGIN for a in range(unit.n_actions)])
    if not allowed.any():
        return None
    scheme = strict_scheme(unit, allowed)
    return (allowed, scheme) if scheme.margin > _NO_MARGIN else None


THEOREM = PenalisedGradient()
