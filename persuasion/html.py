"""Games, schemes and solutions as short HTML tables, for notebooks and reports.

Colours are inherited, so the tables suit light and dark pages alike. All text is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.scheme import SignalingScheme

if TYPE_CHECKING:
    from persuasion.results import Solution

__all__ = ["Table", "escaped", "game_table", "scheme_table", "solution_table", "spelled"]

_MOST_ROWS, _MOST_COLUMNS = 20, 10
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_RULE = "border-bottom:1px solid rgba(128,128,128,.4);"


def escaped(text: object) -> str:
    """Return text for HTML, also inside quoted attributes; characters illegal there become �.

    Examples
    --------
    >>> escaped('<b class="x">&')
    '&lt;b class=&quot;x&quot;&gt;&amp;'
    """
    return html.escape(_UNPRINTABLE.sub("\ufffd", str(text)), quote=True)


def spelled(x: float | Fraction) -> str:
    """Write a number shortly: a decimal where four digits say it all, else a short fraction.

    Examples
    --------
    >>> [spelled(x) for x in (Fraction(7, 10), Fraction(1, 3), 0.1 + 0.2, 2 / 3, -0.0)]
    ['0.7', '1/3', '0.3', '0.6667', '0']
    """
    decimal = f"{float(x) + 0.0:.4g}"
    if Fraction(decimal) != x and len(fraction := str(Fraction(x))) <= 9:
        return fraction
    return decimal


@dataclass(frozen=True)
class Table:
    """A table of text; the first cell of each row is its header.

    Parameters
    ----------
    columns : sequence of str
        Headers.
    rows : sequence of sequences of str
        As many cells each as there are columns.
    caption : str
    left : collection of int
        Positions of columns of words; the others hold numbers and are aligned at the right.
    echo : bool
        Whether ``persuasion demo`` also prints the table on the terminal.

    Examples
    --------
    >>> Table(["game", "value"], [["prosecutor", "3/5"]]).to_html().count("<td")
    1
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    left: Collection[int] = field(default=(0,))
    echo: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise PersuasionError(
                    f"every row of a table needs {len(self.columns)} cells, one per column; "
                    f"got {list(row)!r}"
                )

    def to_html(self) -> str:
        """Return the markup, every text escaped."""

        def style(position: int, wrap: str = "") -> str:
            align = "left" if position in self.left else "right"
            return f'style="text-align:{align};padding:.2em .7em;{wrap}{_RULE}"'

        def cell(position: int, text: str) -> str:
            wrap = "" if position in self.left else "white-space:nowrap;"
            return f"<td {style(position, wrap)}>{escaped(text)}</td>"

        parts = ['<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">']
        if self.caption:
            parts.append(
                '<caption style="text-align:left;caption-side:top;padding:.3em 0">'
                f"{escaped(self.caption)}</caption>"
            )
        heads = "".join(
            f'<th scope="col" {style(i)}>{escaped(text)}</th>'
            for i, text in enumerate(self.columns)
        )
        parts.append(f"<thead><tr>{heads}</tr></thead><tbody>")
        for row in self.rows:
            cells = [f'<th scope="row" {style(0)}>{escaped(row[0])}</th>'] if row else []
            cells += [cell(i, row[i]) for i in range(1, len(row))]
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts.append("</tbody></table>")
        return "".join(parts)


def game_table(game: PersuasionGame) -> str:
    """Return prior and utilities of a game as an HTML table; large games are cut.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]], actions=["a", "<b>"])
    >>> "&lt;b&gt;" in game_table(game)
    True
    """
    exact = game.exact
    own = [] if game.has_common_prior else ["Receiver's prior"]
    rows = []
    for w in range(min(game.n_states, _MOST_ROWS)):
        beliefs = [exact.prior[w]] if not own else [exact.prior[w], exact.receiver_prior[w]]
        pairs = zip(exact.sender_utility[w], exact.receiver_utility[w], strict=True)
        cells = [f"{spelled(v)}, {spelled(u)}" for v, u in pairs]
        rows.append([game.states[w], *map(spelled, beliefs), *cells])
    caption = f"{game.name or 'Game'}: utilities of Sender, Receiver by state and action"
    return _cut(["state", "prior", *own, *game.actions], rows, game.n_states, caption)


def scheme_table(
    scheme: SignalingScheme, *, states: Sequence[str] | None = None, caption: str | None = None
) -> str:
    """Return the probabilities of the signals in each state as an HTML table.

    Parameters
    ----------
    scheme : SignalingScheme
    states : sequence of str, optional
        Names of the states.
    caption : str, optional
    """
    names = states or [f"state {w}" for w in range(scheme.n_states)]
    if len(names) != scheme.n_states:
        raise PersuasionError(f"`states` must hold {scheme.n_states} names; got {len(names)}")
    kernel = scheme.exact_kernel
    rows = [[names[w], *map(spelled, kernel[w])] for w in range(min(scheme.n_states, _MOST_ROWS))]
    caption = caption or "Signaling scheme: probability of each signal by state"
    return _cut(["state", *scheme.signals], rows, scheme.n_states, caption)


def solution_table(solution: Solution) -> str:
    """Return what was found, how well it is certified, and the scheme, as HTML."""
    game = solution.game
    rows = [
        ["value", spelled(solution.value)],
        ["upper bound", spelled(solution.upper_bound)],
        ["no disclosure", spelled(solution.no_disclosure)],
        ["full disclosure", spelled(solution.full_disclosure)],
        ["first best", spelled(solution.first_best)],
        ["Receiver", str(solution.receiver)],
        ["status", solution.status],
        ["method", f"{solution.method}, {solution.seconds:.3g} s"],
        ["residuals", str(solution.residuals)],
    ]
    summary = Table(["quantity", "found"], rows, caption=game.name or "Solution", left=(0, 1))
    scheme = scheme_table(
        solution.scheme,
        states=game.states,
        caption="Optimal scheme: probability of each recommendation by state",
    )
    return f"<div>{summary.to_html()}{scheme}</div>"


def _cut(columns: Sequence[str], rows: Sequence[Sequence[str]], n_rows: int, caption: str) -> str:
    """Make a table of at most _MOST_COLUMNS columns and say what was left out."""
    beyond = len(columns) - _MOST_COLUMNS
    if beyond > 0:
        columns = [*columns[:_MOST_COLUMNS], f"… {beyond} more"]
        rows = [[*row[:_MOST_COLUMNS], "…"] for row in rows]
    if n_rows > len(rows):
        rows = [*rows, [f"… {n_rows - len(rows)} more", *["…"] * (len(columns) - 1)]]
    table = Table(columns, rows, caption)
    return f'<div style="overflow-x:auto">{table.to_html()}</div>'
