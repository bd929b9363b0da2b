"""Market segmentation: who learns what about the buyers of a monopolist."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo._entry import ZooEntry
from persuasion.zoo._parameters import fractions, uniform

__all__ = ["ENTRY"]


def build(values: Any = (1, 2, 3), prior: Any = None) -> PersuasionGame:
    """Build the game.

    Parameters
    ----------
    values : sequence of positive numbers, increasing
        What the buyer may be willing to pay (the state); also the prices to choose from.
    prior : sequence of probabilities, optional
        Share of each value among the buyers; uniform when left out.

    The Receiver is the monopolist, who sets the price and earns it when the buyer accepts; the
    Sender segments the market for the buyers and earns their surplus.
    """
    worth, shares = _read(values, prior)
    return PersuasionGame(
        shares,
        [[max(w - price, Fraction(0)) for price in worth] for w in worth],
        [[price if price <= w else Fraction(0) for price in worth] for w in worth],
        states=[f"value {w}" for w in worth],
        actions=[f"price {w}" for w in worth],
    )


def value(values: Any, prior: Any) -> Fraction:
    """Total surplus less the monopolist's profit from the best single price."""
    worth, shares = _read(values, prior)
    surplus = sum((p * w for p, w in zip(shares, worth, strict=True)), Fraction(0))
    profit = max(price * sum(shares[i:]) for i, price in enumerate(worth))
    return surplus - profit


def _read(values: Any, prior: Any) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    worth = fractions(values, "values")
    if not worth or worth[0] <= 0 or any(a >= b for a, b in pairwise(worth)):
        raise GameError(f"`values` must be positive and increasing; got {values}")
    shares = uniform(len(worth)) if prior is None else fractions(prior, "prior")
    if len(shares) != len(worth) or min(shares) < 0 or sum(shares) != 1:
        raise GameError(
            f"`prior` must hold {len(worth)} probabilities that sum to 1 exactly, one for each "
            f'value; got {prior}. Write fractions such as "1/3"'
        )
    return worth, shares


ENTRY = ZooEntry(
    name="price_discrimination",
    build=build,
    value=value,
    source=(
        "Bergemann, Brooks & Morris, The Limits of Price Discrimination, AER 105(3), 2015, "
        "Theorem 1: buyers can get all of the surplus above the uniform-price profit"
    ),
    note="consumer-optimal segmentation: total surplus minus uniform-price profit",
)
