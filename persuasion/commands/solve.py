"""``persuasion solve``: the optimal signaling scheme of a game."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persuasion.commands.arguments import find_game, parse_fraction, parse_receiver
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import (
    Force,
    Json,
    Parameters,
    Quiet,
    Receiver,
    Seed,
    Target,
    examples,
)
from persuasion.commands.output import bare, note, number, print_json, print_table, printable, say
from persuasion.commands.targets import check_new_file, check_picture, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from persuasion.results import Solution

__all__ = ["register"]

_MOST_CELLS = 200


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion solve prosecutor",
        "persuasion solve prosecutor --param p=1/4 --exact --quiet",
        "persuasion solve prosecutor --receiver biased:1/4 --write scheme.json",
        "persuasion solve grading --margin 1/20 --json",
        "persuasion solve random:uniform --param n_states=8 --seed 3 --max-signals 2",
        "persuasion solve prosecutor --plot prosecutor.png",
    )
    app.command("solve", epilog=examples(*lines))(solve)


def solve(
    game: Target,
    param: Parameters = None,
    seed: Seed = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="See `persuasion methods`.")] = "auto",
    exact: Annotated[bool, typer.Option("--exact", help="Solve in fractions.")] = False,
    receiver: Receiver = "bayesian",
    margin: Annotated[
        str,
        typer.Option(
            metavar="EPS", help="Utils by which a recommendation must beat other actions."
        ),
    ] = "0",
    max_signals: Annotated[
        int | None,
        typer.Option(metavar="K", min=1, help="Use at most K signals.", show_default=False),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Stop there and exit with code 3.", show_default=False
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the scheme as .json.", show_default=False),
    ] = None,
    force: Force = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Draw it: the concavification for two states, the simplex for three, else the "
            "scheme. Overwrites.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find an optimal signaling scheme.

    Prints the scheme, its value and its certificate; with --quiet the Sender's value only.
    """
    import persuasion

    chosen = find_game(game, param, seed)
    if write is not None:
        check_new_file(write, force)
    if plot is not None:
        check_picture(plot)
    solution = persuasion.solve(
        chosen,
        method=method,
        receiver=parse_receiver(receiver),
        margin=parse_fraction(margin, "--margin"),
        max_signals=max_signals,
        exact=exact,
        time_limit=time_limit,
    )
    if json:
        print_json(solution.to_dict())
    elif quiet:
        say(bare(solution.value))
    else:
        _show(solution)
    if write is not None:
        from persuasion.io import write_scheme

        write_scheme(solution.scheme, write, overwrite=force)
    if plot is not None:
        save_picture(_drawn(solution), plot)
    for path in (write, plot):
        if path is not None and not quiet:
            note(f"wrote {path}")
    if solution.status == persuasion.results.TIME_LIMIT:
        note(f"time limit reached: the optimum lies between {_bounds(solution)}")
        raise typer.Exit(ExitCode.NOT_SOLVED)


def _bounds(solution: Solution) -> str:
    return f"{number(solution.value)} and {number(solution.upper_bound)}"


def _show(solution: Solution) -> None:
    say("\n".join(printable(line) for line in solution.summary().splitlines()))
    game, scheme = solution.game, solution.scheme
    say()
    if game.n_states * scheme.n_signals > _MOST_CELLS:
        say("the scheme is too large to show; --json prints it, --write FILE saves it")
        return
    table = scheme.to_dict()["kernel"]
    prior = game.to_dict()["prior"]
    print_table(
        ("state", "prior", *(f"P({signal})" for signal in scheme.signals)),
        [
            [state, _cell(p), *map(_cell, row)]
            for state, p, row in zip(game.states, prior, table, strict=True)
        ],
        right=range(1, scheme.n_signals + 2),
    )


def _cell(x: float | str) -> str:
    return x if isinstance(x, str) else number(x)


def _drawn(solution: Solution) -> Axes:
    from persuasion import plot

    game = solution.game
    if game.has_common_prior and game.n_states == 2:
        return plot.plot_concavification(game, solution=solution)
    if game.has_common_prior and game.n_states == 3:
        return plot.plot_simplex(game, solution=solution)
    return plot.plot_scheme(solution)
