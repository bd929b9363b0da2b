"""What signaling could reach at best in the measured games, and what doing without it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from llm_bridge.measurement import Measurement
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.estimate import EstimatedGame, MarginRule
from persuasion.html import Table
from persuasion.partitions import best_partition
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian, Quantal, Receiver, is_best_responder
from persuasion.results import OPTIMAL
from persuasion.scheme import SignalingScheme
from persuasion.solve import solve
from persuasion.values import sender_value

__all__ = ["Optimum", "TemplateOptimum", "optimum"]

_ARMS = ("none", "prior", "full", "oracle", "optimum")


@dataclass(frozen=True, eq=False)
class TemplateOptimum:
    """One measured game: its best scheme and four yardsticks, in utils of the Advisor.

    Attributes
    ----------
    optimum : float
        Value of `scheme` in the measured game.
    scheme : SignalingScheme
    exact : bool
        Whether no scheme with as many signals (and the margin) is worth more, up to what `method`
        says.
    method : str
        How the scheme was found, and what is known of it.
    margin : float
        Obedience slack that was met, in utils of the Receiver; 0 where she does not best-respond.
    none : float
        She is told nothing: her replies to prompts without a hint.
    prior : float
        She believes an item drawn from the prior, whatever is true.
    full : float
        A signal for each item, of which she makes what her rule says.
    oracle : float
        She believes the true item.
    """

    optimum: float
    scheme: SignalingScheme
    exact: bool
    method: str
    margin: float
    none: float
    prior: float
    full: float
    oracle: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**vars(self), "scheme": self.scheme.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TemplateOptimum:
        """Restore what `to_dict` wrote."""
        return cls(**{**data, "scheme": SignalingScheme.from_dict(data["scheme"])})


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best scheme of each template and the average over templates.

    Attributes
    ----------
    n_signals : int
        Signals allowed.
    templates : mapping of str to TemplateOptimum
    weights : mapping of str to float
        Share of each template.
    """

    n_signals: int
    templates: Mapping[str, TemplateOptimum]
    weights: Mapping[str, float]

    def average(self, arm: str = "optimum") -> float:
        """Return the weighted mean of "optimum", "none", "prior", "full" or "oracle"."""
        if arm not in _ARMS:
            raise PersuasionError(f"`arm` must be one of {', '.join(_ARMS)}; got {arm!r}")
        return float(
            sum(self.weights[t] * getattr(part, arm) for t, part in self.templates.items())
        )

    @property
    def value(self) -> float:
        """Weighted mean of the optima, in utils of the Advisor."""
        return self.average()

    @property
    def exact(self) -> bool:
        """Whether it is the optimum in every template."""
        return all(part.exact for part in self.templates.values())

    @property
    def schemes(self) -> dict[str, SignalingScheme]:
        """The scheme of each template."""
        return {template: part.scheme for template, part in self.templates.items()}

    def table(self) -> Table:
        """Return one row per template and the average."""
        rows = [
            [t, *(f"{getattr(part, arm):.3f}" for arm in _ARMS), f"{part.margin:.3g}", part.method]
            for t, part in self.templates.items()
        ]
        rows.append(["average", *(f"{self.average(arm):.3f}" for arm in _ARMS), "", ""])
        return Table(
            ["template", *_ARMS, "margin", "scheme found"],
            rows,
            caption=f"Advisor's value in the measured games, at most {self.n_signals} signals",
            left=(0, len(_ARMS) + 2),
        )

    def summary(self) -> str:
        """Return one line."""
        values = ", ".join(f"{arm} {self.average(arm):.4g}" for arm in _ARMS)
        return f"{self.n_signals} signals: {values}{'' if self.exact else ' (not exact)'}"

    def __repr__(self) -> str:
        return f"Optimum(n_signals={self.n_signals}, value={self.value:.6g}, exact={self.exact})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "n_signals": self.n_signals,
            "templates": {t: part.to_dict() for t, part in self.templates.items()},
            "weights": dict(self.weights),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Optimum:
        """Restore what `to_dict` wrote."""
        parts = {t: TemplateOptimum.from_dict(part) for t, part in data["templates"].items()}
        return cls(data["n_signals"], parts, dict(data["weights"]))


def optimum(
    measurement: Measurement,
    rule: Receiver,
    n_signals: int,
    *,
    margin: float | MarginRule = 0.0,
    weights: Mapping[str, float] | None = None,
) -> Optimum:
    """Find what the best signaling with `n_signals` signals is worth in each measured game.

    Parameters
    ----------
    measurement : Measurement
    rule : Receiver
        How she turns posteriors into believed items.
    n_signals : int, >= 1
    margin : float or {"root", "bootstrap", "theorem_6"}
        Obedience slack against a Receiver who best-responds, in her utils, or the rule of
        `EstimatedGame.margin`; halved where no scheme has it. Other Receivers obey nothing, and it
        is left out.
    weights : mapping of str to float, optional
        Share of each template; default equal.

    Returns
    -------
    Optimum

    Notes
    -----
    Best response: the linear program, exact for any number of signals (`persuasion.solve`).
    Posterior sampling: the best partition, exact where Advisor's value is convex in the belief
    (`persuasion.partitions.has_convex_value`). Quantal response: the concave closure where it needs
    no more signals than allowed. In all other cases the best partition, of which only is known that
    it can be reached: ``exact`` is False then.
    """
    if isinstance(n_signals, bool) or n_signals != int(n_signals) or n_signals < 1:
        raise PersuasionError(f"`n_signals` must be an integer >= 1; got {n_signals}")
    if isinstance(margin, str) and margin not in get_args(MarginRule):
        raise PersuasionError(
            f"`margin` must be a number or one of {', '.join(get_args(MarginRule))}; got {margin!r}"
        )
    shares = measurement.weights(weights)
    parts = {}
    for template, estimated in measurement.estimates.items():
        scheme, found = _best_scheme(estimated, rule, int(n_signals), margin)
        parts[template] = TemplateOptimum(
            scheme=scheme,
            **found,
            **_yardsticks(estimated, rule, measurement.sender_unhinted[template]),
        )
    return Optimum(int(n_signals), parts, shares)


def _yardsticks(estimated: EstimatedGame, rule: Receiver, unhinted: FloatArray) -> dict[str, Any]:
    game = estimated.game
    prior, v = game.prior, game.sender_utility
    return {
        "none": float(prior @ unhinted.mean(axis=0)),
        "prior": float(prior @ v @ prior),
        "full": sender_value(game, SignalingScheme.full_disclosure(game.n_states), rule),
        "oracle": float(prior @ np.diag(v)),
    }


def _best_scheme(
    estimated: EstimatedGame, rule: Receiver, n_signals: int, margin: float | MarginRule
) -> tuple[SignalingScheme, dict[str, Any]]:
    game = estimated.game
    if is_best_responder(rule):
        receiver = replace(rule, ties="sender") if isinstance(rule, Bayesian) else rule
        options: dict[str, Any] = {"receiver": receiver, "max_signals": n_signals}
        if isinstance(margin, str):
            solution = estimated.solve(margin, **options)
        else:
            solution = estimated.solve(margin=margin, **options)
        met = float(solution.options.get("margin", 0.0))
        return solution.scheme, {
            "optimum": float(solution.value),
            "exact": solution.status == OPTIMAL,
            "method": f"linear program, {solution.status}",
            "margin": met,
        }
    if isinstance(rule, Quantal):
        try:
            solution = solve(game, receiver=rule)
        except UnsupportedError:
            pass
        else:
            if solution.scheme.n_signals <= n_signals:
                width = float(solution.upper_bound) - float(solution.value)
                return solution.scheme, {
                    "optimum": float(solution.value),
                    "exact": True,
                    "method": f"concave closure, at most {max(width, 0.0):.2g} below the optimum",
                    "margin": 0.0,
                }
    found = best_partition(game, n_signals, rule)
    known = "optimal" if found.convex else "mixing may do better"
    return found.scheme, {
        "optimum": found.value,
        "exact": found.convex is True,
        "method": f"best partition, {known}",
        "margin": 0.0,
    }
