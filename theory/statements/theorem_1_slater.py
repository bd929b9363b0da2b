"""Theorem 1 with the constant in the Slater margin d*: never weaker than the one in p0, D and k."""

from __future__ import annotations

from typing import ClassVar

from theory.constants import constants
from theory.statements._robust import common_prior, slater
from theory.statements.theorem_1_growth import GrowthBound
from theory.theorem import Games, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "SlaterBound"]


class SlaterBound(GrowthBound):
    """Regret of RAI(g, delta), with ``C = 1 + 2 r OPT / d*``."""

    id: ClassVar[str] = "theorem_1_slater"
    title: ClassVar[str] = "Regret of the robust learner, by the Slater margin"
    statement: ClassVar[str] = (
        "With probability 1 - delta the regret of the robust learner with growth factor g is at "
        "most 1 + sum over s < T of min(OPT, C sqrt(2 g L / s)), where C = 1 + 2 r OPT / d* and "
        "d* is the largest margin with which a complete scheme can persuade."
    )
    latex: ClassVar[str] = (
        r"R_T \le 1 + \sum_{s=1}^{T-1} \min\{\mathrm{OPT}, C \sqrt{2 g L / s}\}, \quad "
        r"C = 1 + \frac{2 r\,\mathrm{OPT}}{d^*}, \quad L = \ln(2^m - 2) + \ln\frac{J(J+1)}{\delta}"
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A positive margin and a common prior."""
        return common_prior(single(game)), slater(single(game))

    def constant(self, game: Games) -> float:
        """Regret per unit of radius."""
        return constants(single(game)).C_slater


THEOREM = SlaterBound()
