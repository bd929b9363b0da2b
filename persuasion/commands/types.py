"""How the words after ``--types`` and ``--sequence`` become Receivers of changing type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from persuasion.commands.arguments import (
    RANDOM,
    did_you_mean,
    find_game,
    looks_like_file,
    parse_count,
    parse_fraction,
)
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from persuasion.game import PersuasionGame
    from persuasion.rationals import FloatArray
    from persuasion.types import ReceiverTypes, TypeSequence

__all__ = ["Order", "Sample", "Types", "find_types"]

Types: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--types",
        metavar="TYPES",
        help="Receivers of changing type: a file (.json, .npz) with utilities[type][state][action]"
        "; random:K=3,seed=1; or games whose Receivers are the types, as strict.json,lenient.json.",
        show_default=False,
    ),
]
Order: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sequence",
        metavar="ORDER",
        help="Who comes when: iid (or iid:0.5,0.3,0.2), blocks (or blocks:100), alternating, "
        "adaptive (an adversary who sees the scheme); iid when left out.",
        show_default=False,
    ),
]
Sample: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--sample-posteriors",
        metavar="N",
        min=1,
        help="Where too many posteriors can matter to be listed: draw N. A heuristic; learner and "
        "optimum then know these alone, and better schemes may exist.",
        show_default=False,
    ),
]

_BLOCK = 100
_KINDS = ("iid", "blocks", "alternating", "adaptive")
_ADVERSARIES = ("gap", "worst")


def find_types(
    text: str | None, sequence: str | None, game: PersuasionGame, sample: int | None = None
) -> ReceiverTypes | None:
    """Return the types that the two options name, None where there are none.

    Parameters
    ----------
    text : str, optional
        What ``--types`` was given.
    sequence : str, optional
        What ``--sequence`` was given.
    game : PersuasionGame
        Random types are drawn for its sizes.
    sample : int, optional
        How many posteriors to draw, instead of listing all that can matter.

    Raises
    ------
    PersuasionError
        When there is a sequence without types, a word is not legal, or types do not fit the game.

    Examples
    --------
    >>> from persuasion import zoo
    >>> find_types("random:K=2,seed=1", "blocks:50", zoo.load("prosecutor"))
    ReceiverTypes(n_types=2, sequence=Blocks(length=50))
    """
    from persuasion.candidates import sampled_posteriors
    from persuasion.types import ReceiverTypes

    if text is None:
        if sequence is not None:
            raise PersuasionError("--sequence says in which order types come; name them: --types")
        if sample is not None:
            raise PersuasionError("--sample-posteriors is about Receivers of --types; name them")
        return None
    utilities, weights = _utilities(text, game)
    legal = (game.n_states, game.n_actions)
    for k, table in enumerate(utilities):
        if table.shape != legal:
            raise PersuasionError(
                f"--types: type {k} of {text!r} has {table.shape[0]} states and {table.shape[1]} "
                f"actions, the game has {legal[0]} and {legal[1]}"
            )
    order = _sequence(sequence, len(utilities), weights)
    if sample is None:
        return ReceiverTypes(utilities, order)
    drawn = sampled_posteriors(game, utilities, sample)
    return ReceiverTypes(utilities, order, posteriors=drawn.posteriors)


def _utilities(text: str, game: PersuasionGame) -> tuple[Sequence[FloatArray], FloatArray | None]:
    """Return utilities of all types, and the weights that stand in a file beside them."""
    if text.startswith(RANDOM):
        return _random(text.removeprefix(RANDOM), game), None
    from persuasion.io import read_types

    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and looks_like_file(text):
        utilities, weights = read_types(Path(text))
        return list(utilities), weights
    tables: list[FloatArray] = []
    for word in words:
        if looks_like_file(word):
            tables.extend(read_types(Path(word))[0])
        else:
            tables.append(find_game(word).receiver_utility)
    return tables, None


def _random(text: str, game: PersuasionGame) -> list[FloatArray]:
    """Type k is the Receiver of the family's game with seed ``seed + k``."""
    from persuasion import zoo

    given = {"K": "3", "seed": "0", "family": "uniform"}
    for word in filter(None, text.split(",")):
        key, equals, value = word.partition("=")
        if not equals:  # random:3
            key, value = "K", word
        key = "K" if key in ("k", "n_types") else key
        if key not in given or not value:
            raise PersuasionError(
                f"--types: {word!r} is not legal after {RANDOM!r}; write {RANDOM}K=3,seed=1 "
                f"(and family={'|'.join(zoo.families())})"
            )
        given[key] = value
    if given["family"] not in zoo.families():
        raise PersuasionError(
            f"--types: no random family is called {given['family']!r}"
            f"{did_you_mean(given['family'], zoo.families())} "
            f"(legal are {', '.join(zoo.families())})"
        )
    n_types = parse_count(given["K"], "--types random:K", at_most=1000)
    seed = 0 if given["seed"] == "0" else parse_count(given["seed"], "--types random:seed")
    sizes = game.n_states, game.n_actions
    return [
        zoo.random_game(given["family"], *sizes, seed + k).receiver_utility for k in range(n_types)
    ]


def _sequence(text: str | None, n_types: int, weights: FloatArray | None) -> TypeSequence:
    from persuasion.types import IID, Alternating, Blocks, LargestGap, WorstType

    kind, colon, rest = (text or "iid").partition(":")
    if kind == "iid":
        if rest:
            shares = [float(parse_fraction(x, "--sequence iid")) for x in rest.split(",")]
        else:
            shares = [1 / n_types] * n_types if weights is None else weights.tolist()
        if len(shares) != n_types or abs(sum(shares) - 1) > 1e-9:
            raise PersuasionError(
                f"--sequence iid: {n_types} types need {n_types} probabilities that sum to 1; "
                f"got {', '.join(f'{x:g}' for x in shares)}"
            )
        return IID(tuple(shares))
    if kind == "blocks":
        return Blocks(parse_count(rest, "--sequence blocks") if rest else _BLOCK)
    if kind == "alternating" and not colon:
        return Alternating()
    if kind == "adaptive" and rest in ("", *_ADVERSARIES):
        return WorstType() if rest == "worst" else LargestGap()
    raise PersuasionError(
        f"--sequence: {text!r} is unknown{did_you_mean(kind, _KINDS)}; legal are iid, "
        "iid:0.5,0.3,0.2, blocks:100, alternating, adaptive, adaptive:gap and adaptive:worst"
    )
