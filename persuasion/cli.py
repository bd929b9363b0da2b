"""The command line: ``persuasion solve prosecutor``, ``persuasion --help``."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from persuasion import __version__
from persuasion.commands import (
    check,
    convert,
    demo,
    learners,
    methods,
    simulate,
    solve,
    zoo,
)
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.output import as_options, printable, say
from persuasion.commands.plugins import load_plugins, new_app
from persuasion.errors import NotSolvedError, PersuasionError

__all__ = ["app", "main"]


class Commands(TyperGroup):
    """The subcommands; plug-ins are looked for when a name is unknown or all are listed."""

    _plugins_loaded = False

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return the command called `cmd_name`, or None."""
        if cmd_name not in self.commands:
            self._load_plugins()
        return self.commands.get(cmd_name)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names of all commands, ours first."""
        self._load_plugins()
        return list(self.commands)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; an error on purpose becomes a message and an exit code."""
        return ending_with_a_code(lambda: super(Commands, self).invoke(ctx))

    def _load_plugins(self) -> None:
        if not self._plugins_loaded:
            self._plugins_loaded = True
            self.commands.update(load_plugins(self.commands))


def ending_with_a_code(run: Callable[[], Any]) -> Any:
    """Call `run`; turn what a user can cause into `typer.Exit` with a message on stderr."""
    try:
        return run()
    except NotSolvedError as cause:
        _fail(str(cause), ExitCode.NOT_SOLVED)
    except PersuasionError as cause:
        _fail(str(cause), ExitCode.BAD_INPUT)
    except BrokenPipeError:
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except OSError as cause:
        where = f"{cause.filename}: " if cause.filename else ""
        _fail(f"{where}{cause.strerror or cause}", ExitCode.BAD_INPUT)
    except MemoryError:
        _fail("not enough memory for a game of this size", ExitCode.BAD_INPUT)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _fail(message: str, code: ExitCode) -> None:
    lines = "\n".join(printable(line) for line in as_options(message).splitlines())
    typer.echo(f"error: {lines}", err=True)
    raise typer.Exit(code) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"persuasion {__version__}")
        raise typer.Exit


app = new_app(cls=Commands, no_args_is_help=True)


@app.callback()
def persuasion(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Finite Bayesian persuasion: solve games, check signaling schemes, look up known answers.

    Exit codes: 0 done; 1 what was checked did not hold up; 2 bad input; 3 not solved to
    tolerance or in time; 130 interrupted.
    """


for _command in (solve, zoo, methods, check, convert, simulate, learners, demo):
    _command.register(app)


def main() -> None:
    """Run the command line and exit: the entry point ``persuasion``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # labels beyond the terminal's alphabet
    try:
        code = _exit_code()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.BROKEN_PIPE
    sys.exit(code)


def _exit_code() -> int:
    try:
        app(prog_name="persuasion")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except Exception:  # what is left is a mistake of ours, never of the user
        traceback.print_exc()
        return ExitCode.BUG
    return ExitCode.DONE
