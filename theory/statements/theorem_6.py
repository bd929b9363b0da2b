"""Theorem 6: what a scheme computed from a measured game is worth, when it is given slack."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.beliefs import indirect_utility
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from theory.constants import constants
from theory.evidence import Evidence, PlugInScheme
from theory.laboratory import Laboratory
from theory.programs import plug_in_margin, receiver_gain
from theory.statements._robust import OWN, common_prior
from theory.theorem import DrawnTheorem, Games, NegativeControl, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "PlugInWithSlack", "half_width"]

_ROUNDING = 1e-9
"""Disobedience below this, in joint masses and scaled utils, is rounding."""
_FAILURE = 0.05
_N_DRAWS = 20
_RANGE_WIDTH = 2.0


class PlugInWithSlack(DrawnTheorem):
    """OPT minus the true value of the plug-in scheme, which must also be obeyed."""

    id: ClassVar[str] = "theorem_6"
    title: ClassVar[str] = "Plug-in with slack, from a measured game"
    statement: ClassVar[str] = (
        "Every cell of both utilities is measured by N independent samples in [0, 1], and bt = "
        "sqrt(ln(4 m n / delta) / (2 N)). If 4 bt <= d, then except with probability delta the "
        "scheme that is optimal in the measured game among those with slack 2 bt is obeyed in the "
        "true one and worth at least OPT - 2 bt - 4 bt OPT / d there."
    )
    latex: ClassVar[str] = (
        r"\mathrm{OPT} - V(\hat x) \le 2 \beta_N + \frac{4 \beta_N\,\mathrm{OPT}}{d}, \quad "
        r"\beta_N = \sqrt{\frac{\ln(4 m n / \delta)}{2 N}} \le \frac{d}{4}"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = "OPT minus the true value of the plug-in scheme"
    unit: ClassVar[str] = "scaled utils per round"
    evidence: ClassVar[type[Evidence]] = PlugInScheme
    sizes: ClassVar[tuple[int, ...]] = (10_000, 30_000, 100_000)
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="no slack is asked for: the optimum of the measured game leaves its Receiver "
        "indifferent, so that about half of the true ones disobey and all is lost",
        parameters={"slack": 0.0},
        game="prosecutor",
        game_parameters={"p": "3/10"},
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior, known; a scheme that persuades with room to spare."""
        one = single(game)
        d = _margin(one)
        return (
            common_prior(one),
            Assumption(
                "margin d",
                "some complete scheme persuades by d, with every recommendation that the optimum "
                "uses, and by d per unit of mass with every other",
                d,
                d > 0,
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
        """Loss at each number of samples per cell (`rounds`); OPT where they are too few.

        `parameters` may hold `failure` (delta) and `range_width`, the width of the interval of the
        samples where utilities span an interval of width 1; by default 0.05 and 2.
        """
        one, given = single(game), dict(parameters or {})
        samples = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        width = given.get("range_width", _RANGE_WIDTH)
        bt = width * half_width(one, samples, given.get("failure", _FAILURE))
        d, optimum = _margin(one), constants(one).optimum
        if d <= 0:
            return np.full(samples.shape, optimum)
        loss = np.where(4 * bt <= d, 2 * bt + 4 * bt * optimum / d, optimum)
        return np.minimum(loss, optimum)

    def gather(
        self, game: PersuasionGame, laboratory: Laboratory, parameters: Mapping[str, Any]
    ) -> Iterator[PlugInScheme]:
        """Draws of the smallest size at which at most half of all can be lost, or the largest."""
        half = self.trivial(game) / 2
        size = next((n for n in self.sizes if self.bound(game, [n])[0] <= half), self.sizes[-1])
        yield from laboratory.plug_in(game, size, _N_DRAWS, parameters.get("slack", 1.0))

    def bound_at(self, value: PlugInScheme) -> float:
        """The bound for the measurement as it was made."""
        made = {"failure": value.failure, "range_width": value.range_width}
        return float(self.bound(value.game, [value.n_samples], made)[0])

    def silent_on(self, value: PlugInScheme) -> str | None:
        """Another slack than twice the half-width."""
        bt = value.range_width * half_width(value.game, value.n_samples, value.failure)
        slack = value.margin / value.game.receiver_scale.width
        if abs(slack - 2 * float(bt)) > 1e-9:
            return (
                f"the scheme was asked for a slack of {slack:.6g} (scaled); the theorem is about "
                f"{2 * float(bt):.6g}"
            )
        return None

    def measured(self, value: PlugInScheme) -> float:
        """Loss when the true Receiver answers, taking what is worst for the Sender on ties."""
        unit = value.game.rescaled()
        sent = np.flatnonzero(value.kernel.any(axis=0))
        scheme = SignalingScheme(value.kernel[:, sent])
        answers = indirect_utility(unit, scheme.posteriors(unit.prior), ties="adversarial")
        return constants(value.game).optimum - float(scheme.signal_probabilities(unit) @ answers)

    def failed(self, value: PlugInScheme, bound: float) -> bool:
        """Disobeyed in the true game, or worth less than stated."""
        unit = value.game.rescaled()
        joint = unit.prior[:, None] * value.kernel
        actions = range(unit.n_actions)
        lost = min(
            float(joint[:, a] @ receiver_gain(unit, a, b))
            for a in actions
            for b in actions
            if a != b
        )
        return lost < -_ROUNDING or self.measured(value) > bound + _ROUNDING

    def failure_probability(self, value: PlugInScheme) -> float:
        """Delta of the measurement."""
        return value.failure

    def trivial(self, game: PersuasionGame) -> float:
        """All that can be lost."""
        return constants(game).optimum


def half_width(game: PersuasionGame, n_samples: ArrayLike, failure: float) -> FloatArray:
    """All cells of both tables are this close to the truth, samples in [0, 1]: bt.

    Examples
    --------
    >>> from persuasion import zoo
    >>> from theory.statements.theorem_6 import half_width
    >>> round(float(half_width(zoo.load("prosecutor"), 400, 0.05)), 4)
    0.0849
    """
    cells = game.n_states * game.n_actions
    n = np.asarray(n_samples, dtype=np.float64)
    return np.sqrt(math.log(4 * cells / failure) / (2 * n))


def _margin(game: PersuasionGame) -> float:
    return plug_in_margin(game.rescaled(), constants(game).recommended)


THEOREM = PlugInWithSlack()
