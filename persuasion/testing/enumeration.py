"""Exact optima of small games by enumerating where beliefs matter, in fractions.

The set of beliefs at which an action is optimal for the Receiver is a polytope, her cell. On a cell
the Sender's utility from that action is linear, so some optimal split uses vertices of cells only.
Those vertices are enumerated, and the small program over them is solved by a textbook simplex
method: no float, no tolerance, and nothing in common with the solvers.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, gcd, lcm

from persuasion.errors import UnsupportedError
from persuasion.game import PersuasionGame

__all__ = ["cell_vertices", "enumeration_size", "exact_value"]

LIMIT = 400
"""Largest `enumeration_size` that `exact_value` takes on (some tens of milliseconds)."""

Integers = tuple[int, ...]


def enumeration_size(game: PersuasionGame) -> int:
    """Count the small linear systems that `cell_vertices` solves."""
    m = sum(p > 0 for p in game.exact.prior)
    n = game.n_actions
    return n * comb(m + n - 1, m - 1)


def cell_vertices(game: PersuasionGame) -> dict[tuple[Fraction, ...], Fraction]:
    """Vertices of all cells and the Sender's indirect utility there.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior.

    Returns
    -------
    dict
        ``{belief: v-hat(belief)}``, beliefs over the states of positive prior, in their order, ties
        broken for the Sender.

    Notes
    -----
    Symbols: the set W* of the theory notes, Lemma 3, with one type of Receiver.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> for belief, utils in sorted(cell_vertices(game).items()):
    ...     print(*belief, "->", utils)
    0 1 -> 1
    1/2 1/2 -> 1
    1 0 -> 0
    """
    sender, receiver = _supported_tables(game)
    n_states, n_actions = len(receiver), len(receiver[0])
    facets = [tuple(int(i == w) for i in range(n_states)) for w in range(n_states)]
    seen: set[Integers] = set()
    for a in range(n_actions):
        surplus = [_integers([row[a] - row[b] for row in receiver]) for b in range(n_actions)]
        walls = facets + [row for row in set(surplus) if any(row)]
        for chosen in combinations(walls, n_states - 1):
            ray = _common_ray(chosen, n_states)
            if ray is not None and all(_dot(row, ray) >= 0 for row in surplus):
                seen.add(ray)
    return {
        tuple(Fraction(x, sum(ray)) for x in ray): _indirect(ray, sender, receiver) for ray in seen
    }


def exact_value(game: PersuasionGame) -> Fraction:
    """Sender's optimal value as a fraction: the concave closure of v-hat at the prior.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior; payoffs and prior are taken at their exact values.

    Raises
    ------
    UnsupportedError
        When the priors differ, or `enumeration_size` is above 400.

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, Corollary 2, for the concave closure.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> exact_value(game)
    Fraction(3, 5)
    """
    if not game.has_common_prior:
        raise UnsupportedError("enumeration needs a common prior; use reference_value")
    if enumeration_size(game) > LIMIT:
        raise UnsupportedError(
            f"enumeration would solve {enumeration_size(game)} systems, more than {LIMIT}; "
            "use reference_value"
        )
    prior = [p for p in game.exact.prior if p > 0]
    return _best_split(prior, cell_vertices(game))


def _supported_tables(
    game: PersuasionGame,
) -> tuple[list[tuple[Fraction, ...]], list[tuple[Fraction, ...]]]:
    numbers = game.exact
    kept = [w for w, p in enumerate(numbers.prior) if p > 0]
    return (
        [numbers.sender_utility[w] for w in kept],
        [numbers.receiver_utility[w] for w in kept],
    )


def _integers(row: list[Fraction]) -> Integers:
    """Scale by a positive number to coprime integers."""
    common = lcm(*(x.denominator for x in row))
    scaled = [int(x * common) for x in row]
    divisor = gcd(*scaled) or 1
    return tuple(x // divisor for x in scaled)


def _dot(left: Integers, right: Integers) -> int:
    return sum(x * y for x, y in zip(left, right, strict=True))


def _common_ray(rows: tuple[Integers, ...], n_states: int) -> Integers | None:
    """Return the one nonnegative direction in which all `rows` vanish, or None."""
    table = [[Fraction(x) for x in row] for row in rows]
    pivots: list[int] = []
    for column in range(n_states):
        at = len(pivots)
        pivot = next((i for i in range(at, len(table)) if table[i][column]), None)
        if pivot is None:
            continue
        table[at], table[pivot] = table[pivot], table[at]
        head = table[at][column]
        table[at] = [x / head for x in table[at]]
        for i, row in enumerate(table):
            if i != at and row[column]:
                factor = row[column]
                table[i] = [x - factor * y for x, y in zip(row, table[at], strict=True)]
        pivots.append(column)
    free = [column for column in range(n_states) if column not in pivots]
    if len(free) != 1:
        return None
    ray = [Fraction(0)] * n_states
    ray[free[0]] = Fraction(1)
    for row, column in zip(table, pivots, strict=True):
        ray[column] = -row[free[0]]
    return None if any(x < 0 for x in ray) else _integers(ray)


def _indirect(
    ray: Integers, sender: list[tuple[Fraction, ...]], receiver: list[tuple[Fraction, ...]]
) -> Fraction:
    def expected(table: list[tuple[Fraction, ...]]) -> list[Fraction]:
        columns = zip(*table, strict=True)
        weighted = [sum(p * x for p, x in zip(ray, column, strict=True)) for column in columns]
        return [Fraction(x) / sum(ray) for x in weighted]

    utils = expected(receiver)
    best = max(utils)
    return max(v for u, v in zip(utils, expected(sender), strict=True) if u == best)


def _best_split(prior: list[Fraction], utils_at: dict[tuple[Fraction, ...], Fraction]) -> Fraction:
    """Maximise sum_q t_q utils_at[q] subject to sum_q t_q q = prior, t >= 0.

    Primal simplex by Bland's rule on the full tableau. The sure beliefs are among the vertices and
    form the first basis, with weights `prior` > 0, so that no phase one is needed.
    """
    m = len(prior)
    beliefs = sorted(utils_at, reverse=True)
    basis = [tuple(Fraction(int(i == w)) for i in range(m)) for w in range(m)]
    tableau = [[*(q[w] for q in beliefs), prior[w]] for w in range(m)]
    reduced = [
        utils_at[q] - sum(utils_at[e] * x for e, x in zip(basis, q, strict=True)) for q in beliefs
    ]
    value = sum((utils_at[e] * p for e, p in zip(basis, prior, strict=True)), Fraction(0))
    while True:
        entering = next((j for j, gain in enumerate(reduced) if gain > 0), None)
        if entering is None:
            return value
        ratios = [
            (row[-1] / row[entering], beliefs.index(basis[i]), i)
            for i, row in enumerate(tableau)
            if row[entering] > 0
        ]
        step, _, leaving = min(ratios)
        value += step * reduced[entering]
        head = tableau[leaving][entering]
        tableau[leaving] = pivot_row = [x / head for x in tableau[leaving]]
        for i, row in enumerate(tableau):
            if i != leaving and row[entering]:
                factor = row[entering]
                tableau[i] = [x - factor * y for x, y in zip(row, pivot_row, strict=True)]
        factor = reduced[entering]
        reduced = [x - factor * y for x, y in zip(reduced, pivot_row, strict=False)]
        basis[leaving] = beliefs[entering]
