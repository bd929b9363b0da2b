"""What the commands print: plain when piped, folded to the window on a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from typing import Any

import typer

__all__ = [
    "as_options",
    "bare",
    "note",
    "number",
    "print_json",
    "print_table",
    "printable",
    "say",
    "show",
]

_PIPE_WIDTH = 1_000_000  # columns; nothing is cut or folded for a program or a file
_FOLDED_WIDTH = 12
_OPTIONS = {
    "overwrite=True": "--force",
    "exact=True": "--exact",
    "exact=False": "--float",
    "`n_jobs`": "--jobs",
    "`backend`": "--backend",
    "`backend='dask'`": "--backend dask",
    "`scheduler`": "--scheduler",
    "`scheduler='tcp://HOST:PORT'`": "--scheduler tcp://HOST:PORT",
    "`store`": "--store",
    "`first_run`": "--first-run",
    "`types`": "--types",
}


def printable(text: str) -> str:
    r"""Return `text` with control characters spelled out, so that no label can move the cursor.

    Examples
    --------
    >>> print(printable("a\tb\x1b[31m"))
    a\tb\x1b[31m
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def as_options(message: str) -> str:
    """Return a message written for Python callers with its keywords as options.

    Examples
    --------
    >>> as_options("pass overwrite=True to replace it"), as_options("use method='lp'")
    ('pass --force to replace it', 'use --method lp')
    """
    for keyword, option in _OPTIONS.items():
        message = message.replace(keyword, option)
    return re.sub(r"method='(\w+)'", r"--method \1", message)


def bare(x: float | Fraction) -> str:
    """Spell a number for another program: a fraction, or twelve significant digits.

    Examples
    --------
    >>> bare(Fraction(3, 5)), bare(2 / 3)
    ('3/5', '0.666666666667')
    """
    return str(x) if isinstance(x, Fraction) else f"{x:.12g}"


def number(x: float | Fraction) -> str:
    """Spell a number: six significant digits, and the fraction itself where there is one.

    Examples
    --------
    >>> number(2 / 3), number(Fraction(3, 5)), number(Fraction(2)), number(1.0)
    ('0.666667', '3/5 = 0.6', '2', '1')
    """
    if isinstance(x, Fraction) and x.denominator != 1:
        return f"{x} = {float(x):.6g}"
    return str(int(x)) if isinstance(x, Fraction) else f"{x:.6g}"


def say(text: str = "") -> None:
    """Print to stdout."""
    typer.echo(text)


def show(label: str, text: str) -> None:
    """Print one labelled line to stdout."""
    say(f"{label + ':':<12} {printable(text)}")


def note(text: str) -> None:
    """Print a remark to stderr, so that stdout holds the result alone."""
    typer.echo(printable(text), err=True)


def print_json(data: Any) -> None:
    """Print strict JSON (no NaN, no infinity) to stdout, one innermost list per line."""
    say(_json(data, "\n"))


def _json(value: Any, newline: str) -> str:
    inner = newline + "  "
    if isinstance(value, dict) and value:
        pairs = (f"{json.dumps(key)}: {_json(item, inner)}" for key, item in value.items())
        return "{" + inner + f",{inner}".join(pairs) + newline + "}"
    if isinstance(value, list | tuple) and any(isinstance(x, dict | list | tuple) for x in value):
        return "[" + inner + f",{inner}".join(_json(x, inner) for x in value) + newline + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def print_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    fold: Collection[int] = (),
    right: Collection[int] = (),
) -> None:
    """Print a table.

    Parameters
    ----------
    titles : sequence of str
        One per column.
    rows : iterable of sequences of str
    fold : collection of int
        Positions of the columns that a narrow terminal may fold; the others are never cut.
    right : collection of int
        Positions of the columns to align at the right.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    least = 0  # width below which a number would be cut
    for position, title in enumerate(titles):
        widest = max(cell_len(cell) for cell in (title, *(row[position] for row in cells)))
        least += (min(widest, _FOLDED_WIDTH) if position in fold else widest) + 2
        table.add_column(
            Text(title),
            justify="right" if position in right else "left",
            no_wrap=position not in fold,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console()
    console.width = max(console.width, least) if sys.stdout.isatty() else _PIPE_WIDTH
    with console.capture() as captured:
        console.print(table)
    text = captured.get()
    say("\n".join(line.rstrip() for line in text.splitlines()))
