"""A basis of the obedience program in integers.

The program of `persuasion.problem` has one equation per state and one inequality per obedience
row. Neither kind enters the matrix that is inverted as a whole:

- of the basic cells of every state one is its *key*: it carries whatever the state's other basic
  cells leave over (generalised upper bounding);
- a row whose slack is basic ("loose") only measures; it takes no part in solving.

What remains is a square table of the basic cells that are not keys against the tight rows, as many
of the one as of the other, and few: an optimal scheme mixes few states. The table says how these
cells respond to the slacks of the tight rows, as integers over one common denominator (the
determinant), so that no pivot computes a greatest common divisor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from persuasion.problem import ExactProblem, Vertex

__all__ = ["Basis", "IntegerProgram", "Table", "coprime", "fastest_integer"]

Integer = Callable[[int], Any]
Table = list[list[Any]]


def fastest_integer() -> Integer:
    """Return `flint.fmpz` where python-flint is installed, else `int`."""
    try:
        from flint import fmpz
    except ImportError:
        return int
    number: Integer = fmpz
    return number


def coprime(values: Iterable[Fraction]) -> tuple[list[int], Fraction]:
    """Return coprime integers and the factor that turned `values` into them.

    Examples
    --------
    >>> coprime([Fraction(2, 3), Fraction(-4)])
    ([1, -6], Fraction(3, 2))
    """
    given = list(values)
    shared = lcm(*(x.denominator for x in given))
    whole = [x.numerator * (shared // x.denominator) for x in given]
    divisor = gcd(*whole) or 1
    return [x // divisor for x in whole], Fraction(shared, divisor)


class IntegerProgram:
    """The program with every number an integer.

    Parameters
    ----------
    problem : ExactProblem
    actions : sequence of int
        Recommendations allowed.
    integer : callable
        Integer type.

    Attributes
    ----------
    weights : list, length n_states
    gains : nested list, ``[state][action]``
    rows : list of dict, ``rows[state][action][deviation]``
        Advantage of an allowed recommendation over a deviation, margin deducted.
    heights : list, length n_states
        Largest absolute advantage in each state.
    mass_unit : list of Fraction, length n_states
        What one unit of mass in the state is in the problem's own terms.
    price_unit : Fraction
        Likewise for prices of obedience.
    """

    def __init__(self, problem: ExactProblem, actions: Sequence[int], integer: Integer) -> None:
        self.actions = tuple(sorted(set(actions)))
        self.n_states, self.n_actions = n_states, n = len(problem.weights), len(problem.gains[0])
        self.integer = integer
        self.rows: list[dict[int, list[Any]]] = []
        stretch: list[Fraction] = []  # per state, so that denominators do not pile up
        for utils, slack in zip(problem.payoffs, problem.slack, strict=True):
            common = lcm(slack.denominator, *(u.denominator for u in utils))
            own = [u.numerator * (common // u.denominator) for u in utils]
            margin = slack.numerator * (common // slack.denominator)
            table = {
                a: [own[a] - u - margin if b != a else 0 for b, u in enumerate(own)]
                for a in self.actions
            }
            shared = gcd(*(d for row in table.values() for d in row)) or 1
            self.rows.append({a: [integer(d // shared) for d in row] for a, row in table.items()})
            stretch.append(Fraction(common, shared))
        flat, factor = coprime(p / s for p, s in zip(problem.weights, stretch, strict=True))
        self.weights = [integer(p) for p in flat]
        self.mass_unit = [s / factor for s in stretch]
        flat, factor = coprime(
            g * s for row, s in zip(problem.gains, stretch, strict=True) for g in row
        )
        self.gains = [[integer(g) for g in flat[w * n : w * n + n]] for w in range(n_states)]
        self.price_unit = 1 / factor
        self.heights = [max(abs(d) for r in row.values() for d in r) or 1 for row in self.rows]

    def best_disclosed(self, state: int) -> int:
        """Recommendation that the Sender likes best among those closest to obeyed in the state."""
        own, gains = self.rows[state], self.gains[state]
        return max(self.actions, key=lambda a: (min(own[a]), gains[a]))


class Basis:
    """A basis that can be asked where it stands and be changed by one exchange at a time.

    Variables are numbered: cell (w, a) is ``w * n_actions + a``, the slack of obedience row (a, b)
    is ``n_cells + a * n_actions + b``. Numbers are numerators over the common denominator `scale`.
    """

    def __init__(self, program: IntegerProgram, start: Vertex | None = None) -> None:
        self.program = program
        self.n = program.n_actions
        self.n_cells = program.n_states * self.n
        self.keys = [program.best_disclosed(w) for w in range(program.n_states)]
        self.cells: list[int] = []  # basic cells that are not keys: the lines of the table
        self.tight: list[int] = []  # nonbasic slacks: its columns
        self.table: Table = []
        self.scale = program.integer(1)
        if start is not None:
            self._take(start)

    def _take(self, start: Vertex) -> None:
        """Pivot towards `start`, leaving out what is illegal or linearly dependent in it."""
        program = self.program
        basic: dict[int, list[int]] = {}
        for w, a in start.cells.tolist():
            if w in range(program.n_states) and a in program.actions and a not in basic.get(w, ()):
                basic.setdefault(w, []).append(a)
        loose = [
            self.slack(a, b)
            for a, b in dict.fromkeys(map(tuple, start.rows.tolist()))
            if a in program.actions and b in range(self.n) and a != b
        ]
        for w, chosen in basic.items():
            self.keys[w] = chosen[0]
        for w, chosen in basic.items():
            for a in chosen[1:]:
                cell = w * self.n + a
                column = self.response(cell)
                for slack in loose:  # any row that tells this cell from the earlier ones
                    if self._slack_response(slack, cell, column) != 0:
                        self.exchange(cell, slack, column)
                        loose.remove(slack)
                        break

    def slack(self, action: int, deviation: int) -> int:
        """Return the number of a row's slack."""
        return self.n_cells + action * self.n + deviation

    def row(self, slack: int) -> tuple[int, int]:
        """Return the obedience row (action, deviation) of a slack."""
        return divmod(slack - self.n_cells, self.n)

    def slacks(self) -> list[int]:
        """Numbers of all slacks."""
        return [self.slack(a, b) for a in self.program.actions for b in range(self.n) if b != a]

    def basic_cells(self) -> list[int]:
        """Numbers of the basic cells, keys first."""
        return [*(w * self.n + key for w, key in enumerate(self.keys)), *self.cells]

    def vertex(self) -> Vertex:
        """Return the basis as arrays."""
        return Vertex(
            np.array([divmod(v, self.n) for v in self.basic_cells()], dtype=np.intp),
            np.array([self.row(v) for v in self.tight], dtype=np.intp).reshape(-1, 2),
        )

    # -- how things respond ----------------------------------------------------------------

    def _coefficient(self, slack: int, cell: int) -> Any:
        """Advantage that row `slack` gains as mass moves from the key of its state to `cell`."""
        a, b = self.row(slack)
        w, c = divmod(cell, self.n)
        if c == a:
            return self.program.rows[w][a][b]
        return -self.program.rows[w][a][b] if self.keys[w] == a else 0

    def response(self, entering: int) -> list[Any]:
        """Change of the table's cells per unit of a nonbasic variable."""
        if entering >= self.n_cells:
            at = self.tight.index(entering)
            return [line[at] for line in self.table]
        tells = [self._coefficient(slack, entering) for slack in self.tight]
        return [-sum(x * c for x, c in zip(line, tells, strict=True) if c) for line in self.table]

    def _slack_response(self, slack: int, entering: int, column: list[Any]) -> Any:
        """Change of a loose slack per unit of `entering`, given that of the cells."""
        own = self._coefficient(slack, entering) * self.scale if entering < self.n_cells else 0
        return own + sum(
            self._coefficient(slack, cell) * x for cell, x in zip(self.cells, column, strict=True)
        )

    def changes(self, entering: int, column: list[Any]) -> dict[int, Any]:
        """Change of every basic variable per unit of `entering`, nonzero ones only."""
        cells: dict[int, Any] = {}
        drawn: dict[int, Any] = {}
        for cell, x in zip(self.cells, column, strict=True):
            if x:
                cells[cell] = x
                drawn[cell // self.n] = drawn.get(cell // self.n, 0) - x
        own = {}
        if entering < self.n_cells:
            own = {entering: self.scale}
            drawn[entering // self.n] = drawn.get(entering // self.n, 0) - self.scale
        for w, x in drawn.items():
            if x:
                cells[w * self.n + self.keys[w]] = x
        return {**cells, **{v: x for v, x in self._loose_slacks({**cells, **own}).items() if x}}

    # -- where the basis stands ------------------------------------------------------------

    def point(self) -> dict[int, Any]:
        """Value of every basic variable; slacks of unused recommendations are zero and left out."""
        program = self.program
        alone = []  # slack of every tight row if the keys carried everything
        for slack in self.tight:
            a, b = self.row(slack)
            parts = zip(program.weights, program.rows, self.keys, strict=True)
            alone.append(sum(p * row[a][b] for p, row, key in parts if key == a))
        masses: dict[int, Any] = {}
        rest = [p * self.scale for p in program.weights]
        for cell, line in zip(self.cells, self.table, strict=True):
            x = masses[cell] = -sum(c * s for c, s in zip(line, alone, strict=True) if s)
            rest[cell // self.n] -= x
        for w, key in enumerate(self.keys):
            masses[w * self.n + key] = rest[w]
        return {**masses, **self._loose_slacks(masses)}

    def _loose_slacks(self, masses: Mapping[int, Any]) -> dict[int, Any]:
        """Slack of every loose row of the recommendations that carry `masses`."""
        totals: dict[int, list[Any]] = {}
        for cell, x in masses.items():
            w, a = divmod(cell, self.n)
            own = self.program.rows[w][a]
            if a in totals:
                totals[a] = [t + x * d for t, d in zip(totals[a], own, strict=True)]
            else:
                totals[a] = [x * d for d in own]
        tight = set(self.tight)
        return {
            v: x
            for a, line in totals.items()
            for b, x in enumerate(line)
            if a != b and (v := self.slack(a, b)) not in tight
        }

    def prices(self, gains: Table) -> tuple[list[Any], Table]:
        """Price of every tight row, and how much better than its state's key each cell is.

        Parameters
        ----------
        gains : nested list ``[state][action]``
            The objective; an optimal basis has no negative price and no positive cell.
        """
        extra = [
            gains[cell // self.n][cell % self.n] - gains[cell // self.n][self.keys[cell // self.n]]
            for cell in self.cells
        ]
        prices = [
            -sum(g * line[j] for g, line in zip(extra, self.table, strict=True) if g)
            for j in range(len(self.tight))
        ]
        adjusted = [[g * self.scale for g in row] for row in gains]
        for slack, y in zip(self.tight, prices, strict=True):
            if y:
                a, b = self.row(slack)
                for mine, row in zip(adjusted, self.program.rows, strict=True):
                    mine[a] += y * row[a][b]
        for mine, key in zip(adjusted, self.keys, strict=True):
            theta = mine[key]
            mine[:] = [x - theta for x in mine]
        return prices, adjusted

    # -- changing it -----------------------------------------------------------------------

    def exchange(self, entering: int, leaving: int, column: list[Any]) -> None:
        """Swap a nonbasic for a basic variable; `column` is the response to `entering`."""
        if leaving < self.n_cells and self.keys[leaving // self.n] == leaving % self.n:
            moved = self._free_key(entering, leaving, column)
            if moved is None:
                return
            column = moved
        if leaving < self.n_cells:
            at = self.cells.index(leaving)
            line, pivot = self.table[at], column[at]
        else:
            tells = [self._coefficient(leaving, cell) for cell in self.cells]
            line = [
                sum(c * own[j] for c, own in zip(tells, self.table, strict=True) if c)
                for j in range(len(self.tight))
            ]
            pivot = self._slack_response(leaving, entering, column)
        sign = 1 if pivot > 0 else -1
        size, old = abs(pivot), self.scale
        kept = [j for j, slack in enumerate(self.tight) if slack != entering]
        becomes_tight = leaving >= self.n_cells
        table: Table = []
        cells: list[int] = []
        for cell, own, change in zip(self.cells, self.table, column, strict=True):
            if cell != leaving:
                turn = sign * change
                new = [(own[j] * size - turn * line[j]) // old for j in kept]  # divides exactly
                table.append([*new, turn] if becomes_tight else new)
                cells.append(cell)
        if entering < self.n_cells:
            new = [-sign * line[j] for j in kept]
            table.append([*new, sign * old] if becomes_tight else new)
            cells.append(entering)
        self.tight = [self.tight[j] for j in kept] + [leaving] * becomes_tight
        self.table, self.cells, self.scale = table, cells, size

    def _free_key(self, entering: int, leaving: int, column: list[Any]) -> list[Any] | None:
        """Make another cell the key of the state whose key leaves.

        Return the column with the old key in it, or None when the entering cell is the new key:
        then the state has no other basic cell, and the table stays as it is.
        """
        w = leaving // self.n
        mates = [i for i, cell in enumerate(self.cells) if cell // self.n == w]
        if not mates:
            self.keys[w] = entering % self.n
            return None
        first = mates[0]  # becomes the key; the old key takes its line
        line = [-sum(parts) for parts in zip(*(self.table[i] for i in mates), strict=True)]
        change = -sum(column[i] for i in mates)
        if entering // self.n == w:  # no slack's number is that small
            change -= self.scale
        self.keys[w] = self.cells[first] % self.n
        self.cells[first], self.table[first] = leaving, line
        return [change if i == first else x for i, x in enumerate(column)]

    def copy(self) -> Basis:
        """Return a basis that can be changed without changing this one."""
        twin = object.__new__(Basis)
        twin.__dict__.update(self.__dict__)
        twin.keys, twin.cells = list(self.keys), list(self.cells)
        twin.tight, twin.table = list(self.tight), list(self.table)
        return twin
