"""``persuasion methods``: what can be passed as ``--method``."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from persuasion.commands.arguments import find_game, parse_receiver
from persuasion.commands.options import Json, Parameters, Quiet, Receiver, Seed, examples
from persuasion.commands.output import as_options, print_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion methods",
        "persuasion methods prosecutor --receiver quantal:2",
    )
    app.command("methods", epilog=examples(*lines))(methods)


def methods(
    game: Annotated[
        str | None,
        typer.Argument(
            metavar="[GAME]", help="Say which methods apply to this game.", show_default=False
        ),
    ] = None,
    param: Parameters = None,
    seed: Seed = None,
    receiver: Receiver = "bayesian",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the methods of solve and what they support.

    With a GAME, say which of them apply to it and why the others do not.
    """
    rows = _describe() if game is None else _apply(game, param, seed, receiver)
    if json:
        print_json(rows)
    elif quiet:
        say("\n".join(row["method"] for row in rows if row.get("applies", True)))
    else:
        titles = list(rows[0])
        table = [[_spell(row[title]) for title in titles] for row in rows]
        print_table(titles, table, fold=range(1, len(titles)))


def _describe() -> list[dict[str, Any]]:
    from persuasion import solvers

    return [
        {
            "method": name,
            "supports": _first_line(solvers.load(name).supports),
            "about": _first_line(type(solvers.load(name))),
        }
        for name in solvers.names()
    ]


def _apply(
    target: str, param: list[str] | None, seed: int | None, receiver: str
) -> list[dict[str, Any]]:
    from persuasion import solvers
    from persuasion.problem import Problem

    problem = Problem.of(find_game(target, param, seed), parse_receiver(receiver))
    refusals = {name: solvers.load(name).supports(problem) for name in solvers.names()}
    return [
        {"method": name, "applies": reason is None, "reason": reason and as_options(reason)}
        for name, reason in refusals.items()
    ]


def _first_line(documented: Any) -> str:
    paragraph = (inspect.getdoc(documented) or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def _spell(cell: bool | str | None) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return cell or ""
