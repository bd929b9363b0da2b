"""Subcommands that other packages add through the entry-point group ``persuasion.commands``.

In the ``pyproject.toml`` of the other package::

    [project.entry-points."persuasion.commands"]
    theory = "theory.cli:register"

The object named is either a function ``register(app)``, which adds commands to the `typer.Typer`
it is given, or a `typer.Typer` itself, whose commands are then found below the name on the left
(``persuasion theory ...``). Plug-ins are loaded only for ``persuasion --help`` and for a command
that this package does not have; one that fails is named on stderr and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

from persuasion.commands.output import printable

__all__ = ["GROUP", "load_plugins", "new_app"]

GROUP = "persuasion.commands"


def new_app(**options: Any) -> typer.Typer:
    """Return an empty app with the settings that all commands share: plain help, plain errors."""
    return typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, **options
    )


def load_plugins(taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the commands of all plug-ins by name.

    Parameters
    ----------
    taken : mapping
        Commands that exist already; a plug-in does not replace them.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            commands = _commands_of(point)
        except (Exception, SystemExit) as cause:  # a stranger's module may fail in any way
            _warn(point, f"{type(cause).__name__}: {cause}")
            continue
        for name, command in commands.items():
            if name in taken or name in found:
                _warn(point, f"a command {name!r} exists already", what=f"the command {name!r} of ")
            else:
                found[name] = command
    return found


def _commands_of(point: EntryPoint) -> dict[str, Any]:
    loaded = point.load()
    app = new_app()
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=point.name)
    elif callable(loaded):
        loaded(app)
    else:
        raise TypeError(f"{point.value} is neither a typer.Typer nor a function register(app)")
    return dict(typer.main.get_group(app).commands)


def _warn(point: EntryPoint, reason: str, what: str = "") -> None:
    line = printable(" ".join(reason.split()))
    typer.echo(f"warning: {what}plug-in {point.name!r} ({point.value}) left out: {line}", err=True)
