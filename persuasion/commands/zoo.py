"""``persuasion zoo``: games with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persuasion.commands.arguments import RANDOM, find_game, parse_parameters
from persuasion.commands.options import Force, Json, Parameters, Quiet, Seed, examples
from persuasion.commands.output import bare, note, number, print_json, print_table, say, show

if TYPE_CHECKING:
    from fractions import Fraction

    from persuasion.game import PersuasionGame

__all__ = ["register"]

_MOST_PAYOFFS = 200


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion zoo",
        "persuasion zoo prosecutor --param p=1/4",
        "persuasion zoo prosecutor --write prosecutor.json",
        "persuasion zoo random:uniform --param n_states=5 --seed 3",
    )
    app.command("zoo", epilog=examples(*lines))(zoo)


def zoo(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A game of the zoo, or random:FAMILY.", show_default=False
        ),
    ] = None,
    param: Parameters = None,
    seed: Seed = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the game as .json or .npz.", show_default=False),
    ] = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List games with known values, or show one.

    With --write the one game is saved as a file, with --json it is printed as the text of a game
    file. With --quiet names only, or the value of the game.
    """
    if name is None:
        if param or seed is not None or write is not None:
            raise typer.BadParameter("--param, --seed and --write need the NAME of a game")
        _list(json, quiet)
        return
    game = find_game(name, param, seed, files=False)
    if write is not None:
        from persuasion.io import write_game

        write_game(game, write, overwrite=force)
    if json:
        from persuasion.formats import render_json

        say(render_json(game.to_dict()).decode().rstrip())
    elif write is None:
        value = None if name.startswith(RANDOM) else _value(name, param)
        if not quiet:
            _show(name, game, value)
        elif value is not None:
            say(bare(value))
    elif not quiet:
        note(f"wrote {write}")


def _value(name: str, param: list[str] | None) -> Fraction | None:
    from persuasion import zoo

    return zoo.entry(name).value_at(**parse_parameters(param or ()))


def _list(json: bool, quiet: bool) -> None:
    from persuasion import zoo

    if quiet:
        say("\n".join(zoo.names()))
        return
    rows = []
    for entry in zoo.entries():
        game, value = entry.load(), entry.value_at()
        rows.append(
            {
                "name": entry.name,
                "n_states": game.n_states,
                "n_actions": game.n_actions,
                "value": None if value is None else str(value),
                "parameters": {key: str(default) for key, default in entry.parameters.items()},
                "note": entry.note,
                "source": entry.source,
            }
        )
    if json:
        print_json(rows)
        return
    keys = ("name", "n_states", "n_actions", "value", "source")
    print_table(
        ("name", "states", "actions", "value", "source"),
        [["" if row[key] is None else str(row[key]) for key in keys] for row in rows],
        right=(1, 2, 3),
        fold=(4,),
    )
    say()
    print_table(
        ("random games", "about"),
        [[RANDOM + family, zoo.family(family).note] for family in zoo.families()],
        fold=(1,),
    )


def _show(name: str, game: PersuasionGame, value: Fraction | None) -> None:
    from persuasion import zoo

    show("game", game.name or name)
    show("sizes", f"{game.n_states} states, {game.n_actions} actions")
    if name.startswith(RANDOM):
        show("about", zoo.family(name.removeprefix(RANDOM)).note)
    else:
        entry = zoo.entry(name)
        show("value", "not known in closed form" if value is None else number(value))
        show("about", entry.note)
        show("source", entry.source)
        defaults = ", ".join(f"{key}={_plain(value)}" for key, value in entry.parameters.items())
        show("defaults", defaults or "no parameters")
    say()
    if game.n_states * game.n_actions > _MOST_PAYOFFS:
        say("too many payoffs to show; --json prints them, --write FILE saves them")
        return
    table = game.to_dict()
    print_table(
        ("state", "prior", *(f"{action}: v, u" for action in game.actions)),
        [
            [
                state,
                _plain(prior),
                *(f"{_plain(v)}, {_plain(u)}" for v, u in zip(sender, receiver, strict=True)),
            ]
            for state, prior, sender, receiver in zip(
                game.states,
                table["prior"],
                table["sender_utility"],
                table["receiver_utility"],
                strict=True,
            )
        ],
        right=range(1, game.n_actions + 2),
    )
    say()
    say("v: utility of the Sender, u: utility of the Receiver")


def _plain(x: Any) -> str:
    if isinstance(x, tuple | list):
        return ",".join(map(_plain, x))
    return f"{x:.6g}" if isinstance(x, float) else str(x)
