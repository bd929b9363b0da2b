"""Games with exact published or derived values, for any test that needs known answers."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from persuasion import PersuasionGame

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """A game, its value under sender-preferred ties, two benchmarks and one vector of prices."""

    name: str
    source: str
    note: str
    game: PersuasionGame
    value: Fraction
    no_information_value: Fraction
    full_information_value: Fraction
    state_prices: tuple[Fraction, ...]


def _read() -> dict[str, Case]:
    text = Path(__file__).with_name("persuasion_games.json").read_text(encoding="utf-8")
    cases = [
        Case(
            name=row["name"],
            source=row["source"],
            note=row["note"],
            game=PersuasionGame(
                row["prior"],
                row["sender_utility"],
                row["receiver_utility"],
                name=row["name"],
                source=row["source"],
            ),
            value=Fraction(row["value_exact"]),
            no_information_value=Fraction(row["no_information_value"]),
            full_information_value=Fraction(row["full_information_value"]),
            state_prices=tuple(map(Fraction, row["state_prices"])),
        )
        for row in json.loads(text)["cases"]
    ]
    by_name = {case.name: case for case in cases}
    assert len(by_name) == len(cases), "two cases share a name"
    return by_name


CASES = _read()
