"""What an experiment claims of an Advisor, each sentence with the difference that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_bridge.bootstrap import Interval
from persuasion.html import Table

if TYPE_CHECKING:
    from llm_bridge.evaluation import Evaluation

__all__ = ["GAIN", "NEAR_LP", "NEAR_OPTIMUM", "Claim", "claims_of", "claims_table"]

NEAR_OPTIMUM = 0.03
"""How far below the best scheme, where interests agree, an Advisor may stay."""
NEAR_LP = 0.05
"""The same against the linear program with the same margin, where interests differ."""
GAIN = 0.15
"""Least gain above telling nothing and above telling all, where interests differ."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Claim:
    """``left - right`` is at least `threshold`; above it, where `strict`.

    Attributes
    ----------
    text : str
        The claim in words.
    left, right : str
        Names of the arms compared.
    difference : Interval
        Paired over inputs.
    threshold : float
        In utils.
    strict : bool
    of : {"sender", "receiver"}
        Whose utils, Advisor's or Receiver's.
    """

    text: str
    left: str
    right: str
    difference: Interval
    threshold: float
    strict: bool = False
    of: str = "sender"

    @property
    def held(self) -> bool | None:
        """Whether both limits speak for the claim, or both against it; None: inconclusive."""
        slack = _ROUNDING if self.strict else -_ROUNDING
        if self.difference.lower >= self.threshold + slack:
            return True
        if self.difference.upper < self.threshold + slack:
            return False
        return None

    @property
    def verdict(self) -> str:
        """The same in a word: "held", "refuted" or "inconclusive"."""
        return {True: "held", False: "refuted", None: "inconclusive"}[self.held]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.text} (difference {self.difference})"


def claims_of(evaluation: Evaluation, misaligned: bool) -> list[Claim]:
    """Return the claims of every Advisor of an evaluation; see `Evaluation.claims`.

    Notes
    -----
    That a hint drawn from the prior beats no hint is never claimed: a model that answers the most
    likely item when told nothing may do better.
    """

    def claim(
        text: str,
        left: str,
        right: str,
        threshold: float,
        strict: bool = False,
        of: str = "sender",
    ) -> Claim:
        difference = evaluation.value(left, right, of=of)
        return Claim(text, left, right, difference, threshold, strict, of)

    out: list[Claim] = []
    for name in evaluation.advisors:
        k = evaluation.arms[name].n_signals
        assert k is not None
        out += [
            claim(f"{name}: persuaded above prior-sampled", name, "prior", 0.0, True),
            claim(f"{name}: persuaded above no hint", name, "none", 0.0, True),
            claim(
                f"{name}: persuaded above its signals shuffled", name, f"shuffled {name}", 0.0, True
            ),
            claim(
                f"{name}: the Receiver better off than when misled",
                name,
                f"misled {name}",
                0.0,
                True,
                "receiver",
            ),
        ]
        if misaligned:
            out += [
                claim(f"{name}: at least {GAIN:g} above no hint", name, "none", GAIN),
                claim(f"{name}: at least {GAIN:g} above full disclosure", name, "full", GAIN),
                claim(
                    f"{name}: within {NEAR_LP:g} of the linear program with the same margin",
                    name,
                    f"scheme {k}",
                    -NEAR_LP,
                ),
            ]
            continue
        out.append(claim(f"{name}: at most the oracle", "oracle", name, 0.0))
        if k >= len(evaluation.items):
            out.append(
                claim(
                    f"{name}: within {NEAR_OPTIMUM:g} of the best scheme with as many signals",
                    name,
                    f"scheme {k}",
                    -NEAR_OPTIMUM,
                )
            )
    return out


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return one row per claim."""
    rows = [[c.text, str(c.difference), f"{c.threshold:+g}", c.verdict] for c in claims]
    return Table(["claim", "difference", "at least", "verdict"], rows, left=(0, 3))
