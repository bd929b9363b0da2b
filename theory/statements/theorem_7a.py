"""Theorem 7a: against a best responder, policy gradient may never leave its first plateau."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.beliefs import best_responses, indirect_utility
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from theory.constants import constants
from theory.evidence import Evidence, PolicyRun
from theory.laboratory import Laboratory
from theory.statements._robust import OWN, common_prior
from theory.theorem import Games, NegativeControl, StaticTheorem, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "Plateau"]


class Plateau(StaticTheorem):
    """How far the value of the policy has moved, which is not at all."""

    id: ClassVar[str] = "theorem_7a"
    title: ClassVar[str] = "Plateau of policy gradient"
    statement: ClassVar[str] = (
        "Where a Receiver has one best response to the prior, she takes it after every signal of "
        "the uniform policy and of all policies near it. From a policy after each of whose signals "
        "she does, the exact policy gradient against a best responder is zero: after any number of "
        "steps its value J is what it was, whatever the optimum."
    )
    latex: ClassVar[str] = (
        r"|J(\theta_I) - J(\theta_0)| = 0 \quad \text{if}\ \mathrm{BR}(q) = \{a^*(\mu)\}\ "
        r"\text{at every posterior}\ q\ \text{of}\ \pi_{\theta_0}"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = "change of J, the value of the policy against a best responder"
    unit: ClassVar[str] = "scaled utils per round"
    evidence: ClassVar[type[Evidence]] = PolicyRun
    sizes: ClassVar[tuple[int, ...]] = (100, 1000)
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="the gradient is that of a quantal Receiver, whose answers change with every posterior",
        parameters={"beta": 10.0},
        game="prosecutor",
        game_parameters={"p": "3/10"},
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior, and no tie there."""
        one = single(game)
        n_best = int(best_responses(one.rescaled(), one.prior).sum())
        return (
            common_prior(one),
            Assumption(
                "discrete preference at the prior",
                "the Receiver has one best response to the prior",
                float(n_best),
                n_best == 1,
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
        """Zero after any number of steps (`rounds`)."""
        single(game)
        return np.zeros(np.atleast_1d(np.asarray(rounds, dtype=np.float64)).shape)

    def gather(
        self, game: PersuasionGame, laboratory: Laboratory, parameters: Mapping[str, Any]
    ) -> Iterator[PolicyRun]:
        """A run of each number of steps."""
        for n_steps in self.sizes:
            yield laboratory.policy_gradient(game, n_steps, parameters.get("beta"))

    def silent_on(self, value: PolicyRun) -> str | None:
        """Another Receiver, or a start from which some signal is answered otherwise."""
        if value.receiver != "best responder":
            return f"the gradient was that of another Receiver: {value.receiver}"
        if value.averaged or value.penalty:
            return "the theorem is about plain policy gradient, and its last policy"
        unit = value.game.rescaled()
        posteriors = SignalingScheme(value.start).posteriors(unit.prior)
        same = best_responses(unit, posteriors) == best_responses(unit, unit.prior)
        if not same.all():
            return "some signal of the first policy is not answered as the prior is"
        return None

    def measured(self, value: PolicyRun) -> float:
        """Change of J from the first policy to the last."""
        unit = value.game.rescaled()
        return abs(_value(unit, value.kernel) - _value(unit, value.start))

    def trivial(self, game: PersuasionGame) -> float:
        """What J would change by if the optimum were reached from the plateau."""
        unit = game.rescaled()
        return constants(game).optimum - float(indirect_utility(unit, unit.prior))


def _value(game: PersuasionGame, kernel: FloatArray) -> float:
    """J: Sender's value when the Receiver best-responds."""
    scheme = SignalingScheme(kernel)
    answers = indirect_utility(game, scheme.posteriors(game.prior))
    return float(scheme.signal_probabilities(game) @ answers)


THEOREM = Plateau()
