"""What `solve_robust` returns: the best robust scheme with everything needed to check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from persuasion.ambiguity import AmbiguitySet
from persuasion.certificate import Residuals
from persuasion.cutting_plane import Cuts
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen
from persuasion.results import OPTIMAL
from persuasion.scheme import SignalingScheme

__all__ = ["RobustSolution"]


@dataclass(frozen=True, eq=False)
class RobustSolution:
    """An optimal robust scheme and its certificate.

    Attributes
    ----------
    game : PersuasionGame
    ambiguity : AmbiguitySet
    objective_prior : ndarray (n_states,)
        Prior at which the Sender's value is maximised.
    kernel : ndarray (n_states, n_actions)
        Probability of each recommendation in each state, those of estimated probability zero too.
    value : float
        Sender's value at `objective_prior`, the Receiver obeying, in utils.
    upper_bound : float
        No robust scheme is worth more: weak duality from `cuts`, each valid on its own.
    worst_slack : float
        What obeying gains the Receiver, in utils: the least over priors of the set, actions used
        and deviations better in some state. At most rounding below 0; 0 where there are none.
    residuals : Residuals
        Unit-free; `obedience` is the largest worst-case loss from obeying against the largest that
        one state could show at a prior of the set.
    cuts : Cuts
        Rows with a positive price.
    status : str
        "optimal"; "within bound" when the gap to `upper_bound` exceeds the tolerance; "time limit"
        when the method was stopped: then the state is told.
    method : str
        "closed form", "structured", "highs" or "scipy".
    n_cuts, n_rounds : int
        Rows that entered, and linear programs solved.
    seconds : float
    """

    game: PersuasionGame
    ambiguity: AmbiguitySet
    objective_prior: FloatArray
    kernel: FloatArray
    value: float
    upper_bound: float
    worst_slack: float
    residuals: Residuals
    cuts: Cuts
    status: str = OPTIMAL
    method: str = ""
    n_cuts: int = 0
    n_rounds: int = 0
    seconds: float = 0.0

    @cached_property
    def recommendations(self) -> tuple[int, ...]:
        """Actions recommended with positive probability in some state."""
        return tuple(np.flatnonzero(self.kernel.any(axis=0)).tolist())

    @cached_property
    def scheme(self) -> SignalingScheme:
        """The kernel as a scheme; its signals are the actions of `recommendations`."""
        labels = tuple(self.game.actions[a] for a in self.recommendations)
        return SignalingScheme.unchecked(self.kernel[:, list(self.recommendations)], labels)

    def summary(self) -> str:
        """Return a few lines that say what was found and how it was checked.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> from persuasion.ambiguity import l1_ball
        >>> from persuasion.robust import solve_robust
        >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
        >>> print(solve_robust(game, l1_ball(game.prior, 0.1)).summary())  # doctest: +ELLIPSIS
        PersuasionGame(n_states=2, n_actions=2)
        ambiguity    AmbiguitySet(n_states=2, radius=0.1)
        value        0.5333333333 (optimal, method structured)
        signals      action 0, action 1
        certificate  plausibility ..., obedience ..., duality gap ...
        """
        bound = "" if self.status == OPTIMAL else f", at most {self.upper_bound:.10g}"
        return "\n".join(
            [
                repr(self.game),
                f"ambiguity    {self.ambiguity!r}",
                f"value        {self.value:.10g}{bound} ({self.status}, method {self.method})",
                f"signals      {', '.join(self.scheme.signals)}",
                f"certificate  {self.residuals}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores all of it."""
        return {
            "game": self.game.to_dict(),
            "ambiguity": self.ambiguity.to_dict(),
            "objective_prior": self.objective_prior.tolist(),
            "kernel": self.kernel.tolist(),
            "value": self.value,
            "upper_bound": self.upper_bound,
            "worst_slack": self.worst_slack,
            "residuals": self.residuals.to_dict(),
            "status": self.status,
            "cuts": self.cuts.to_dict(),
            "n_cuts": self.n_cuts,
            "n_rounds": self.n_rounds,
            "method": self.method,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RobustSolution:
        """Build an answer from what `to_dict` writes; nothing is recomputed."""
        return cls(
            **{
                **data,
                "game": PersuasionGame.from_dict(data["game"]),
                "ambiguity": AmbiguitySet.from_dict(data["ambiguity"]),
                "objective_prior": frozen(np.array(data["objective_prior"])),
                "kernel": frozen(np.array(data["kernel"])),
                "residuals": Residuals(**data["residuals"]),
                "cuts": Cuts.from_dict(data["cuts"]),
            }
        )

    def __repr__(self) -> str:
        return (
            f"RobustSolution(value={self.value:.10g}, status={self.status!r}, "
            f"method={self.method!r}, n_signals={len(self.recommendations)})"
        )

    def _repr_html_(self) -> str:
        from persuasion.html import Table, scheme_table, spelled

        rows = [
            ["value", spelled(self.value)],
            ["upper bound", spelled(self.upper_bound)],
            ["ambiguity", repr(self.ambiguity)],
            ["status", self.status],
            ["method", f"{self.method}, {self.seconds:.3g} s"],
            ["residuals", str(self.residuals)],
        ]
        caption = self.game.name or "Robust solution"
        summary = Table(["quantity", "found"], rows, caption=caption, left=(0, 1))
        scheme = scheme_table(
            self.scheme,
            states=self.game.states,
            caption="Optimal robust scheme: probability of each recommendation by state",
        )
        return f"<div>{summary.to_html()}{scheme}</div>"
