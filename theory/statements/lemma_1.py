"""Lemma 1: what robustness costs, by mixing with a scheme that persuades with room to spare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.constants import constants
from theory.evidence import Evidence, RobustValue
from theory.family import RADII
from theory.laboratory import Laboratory
from theory.statements._robust import OWN, common_prior
from theory.theorem import Games, NegativeControl, StaticTheorem, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "RobustnessCost"]


class RobustnessCost(StaticTheorem):
    """OPT minus the value robust within an L1 ball around the prior."""

    id: ClassVar[str] = "lemma_1"
    title: ClassVar[str] = "Cost of robust persuasion"
    statement: ClassVar[str] = (
        "Asking for obedience at every prior within L1 distance e of the true one costs at most "
        "(r e / d*) (OPT - V_S) when r e <= d*; always at most OPT min(1, k r e / (p0 D)), and "
        "never more than OPT minus the value of full revelation."
    )
    latex: ClassVar[str] = (
        r"\mathrm{OPT} - V_{\mathrm{rob}}(\mu^*, e) \le \frac{r e}{d^*} (\mathrm{OPT} - V_S) "
        r"\ \text{if}\ r e \le d^*, \quad \le \mathrm{OPT} \min\Bigl\{1, \frac{k r e}{p_0 D}\Bigr\}"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = "OPT minus the robust value"
    unit: ClassVar[str] = "scaled utils per round"
    evidence: ClassVar[type[Evidence]] = RobustValue
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="the value robust within 4 e is passed off as the one within e; the bound is within "
        "10 % of the cost on this family, so that it cannot hold",
        game="f1",
        game_parameters={"m": 12, "beta": 2},
        parameters={"radius_factor": 4.0},
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior; with margin 0 only the comparison with full revelation is left."""
        c = constants(single(game))
        margin = "margin of the complete scheme mixed in; at 0 only V_FR bounds the cost"
        return (
            common_prior(single(game)),
            Assumption("Slater margin d*", margin, c.slater_margin, True),
            Assumption("regularity D", "used in the bound by p0, D and k", c.regularity, True),
        )

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Smallest of the bounds at each radius (`rounds` holds radii)."""
        c = constants(single(game))
        e = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        cost = np.full(e.shape, c.optimum - c.full_revelation)
        if c.regularity > 0:
            linear = c.n_persuaded * c.spread * e / (c.min_prior * c.regularity)
            cost = np.minimum(cost, c.optimum * np.minimum(1, linear))
        if c.slater_margin > 0:
            share = c.spread * e / c.slater_margin
            mixed = share * (c.optimum - c.slater_value)
            cost = np.where(share <= 1, np.minimum(cost, mixed), cost)
        return cost

    def gather(
        self, game: PersuasionGame, laboratory: Laboratory, parameters: Mapping[str, Any]
    ) -> Iterator[RobustValue]:
        """Robust values at some radii; a control passes off those at multiples of them."""
        factor = parameters.get("radius_factor", 1.0)
        for radius in RADII:
            value = laboratory.robust_value(game, min(factor * radius, 2.0))
            yield RobustValue(game, radius, value)

    def measured(self, value: RobustValue) -> float:
        """Cost in scaled utils."""
        return constants(value.game).optimum - value.game.sender_scale.to_unit(value.value)

    def trivial(self, game: PersuasionGame) -> float:
        """OPT minus the value of full revelation, which is persuasive under every prior."""
        c = constants(game)
        return c.optimum - c.full_revelation


THEOREM = RobustnessCost()
