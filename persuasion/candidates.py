"""The finitely many beliefs that matter to a Sender who faces several types of Receiver.

Give every type an action: the beliefs at which each of these actions is a best response of its type
form a polytope. On it the Sender's payoff against any mixture of types is at least a linear
function, so that some optimal split, whatever the mixture, uses vertices of such polytopes only.
Their set W* does not depend on the prior, nor on who will turn up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, islice
from typing import Any

import numpy as np

from persuasion.beliefs import best_responses
from persuasion.cell_vertices import FEASIBLE, intersections
from persuasion.errors import GameError, PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray, frozen

__all__ = [
    "DISTINCT",
    "MAX_SYSTEMS",
    "VERTEX_TIES",
    "Candidates",
    "candidate_posteriors",
    "candidates_among",
    "favourable_responses",
    "n_candidate_systems",
    "read_utilities",
    "sampled_posteriors",
    "type_games",
]

DISTINCT = 1e-9
"""Beliefs closer than this in every coordinate are one."""
VERTEX_TIES = 1e-8
"""Tie tolerance at candidates: above `DISTINCT`, so that no vertex loses a tie to its rounding."""
MAX_SYSTEMS = 2_000_000
"""Linear systems that `candidate_posteriors` looks at before it refuses (some seconds)."""
_MAX_BYTES = 2 * 2**30
_CHUNK = 20_000


@dataclass(frozen=True, repr=False)
class Candidates:
    """Beliefs to choose among, and what happens there.

    Attributes
    ----------
    posteriors : ndarray (n_posteriors, n_states)
        Each row a belief; the first n_states rows are the sure beliefs, in order.
    actions : ndarray of int (n_types, n_posteriors)
        What each type does there: her best response, ties broken for the Sender.
    values : ndarray (n_types, n_posteriors)
        Sender's expected utility v_k(q), in utils.
    complete : bool
        Whether all of W* is there. If not, better schemes may exist than those found among these.
    """

    posteriors: FloatArray
    actions: IntArray
    values: FloatArray
    complete: bool

    @property
    def n_posteriors(self) -> int:
        """Number of beliefs, N."""
        return len(self.posteriors)

    @property
    def n_types(self) -> int:
        """Number of types, K."""
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"Candidates(n_posteriors={self.n_posteriors}, n_types={self.n_types}, "
            f"complete={self.complete})"
        )


def candidate_posteriors(
    game: PersuasionGame, utilities: Any, *, max_systems: int = MAX_SYSTEMS
) -> Candidates:
    """Enumerate W*: all beliefs that some optimal split against some mixture of types may need.

    Parameters
    ----------
    game : PersuasionGame
        Its Sender; its own Receiver and prior play no role.
    utilities : array-like, shape (n_types, n_states, n_actions)
        ``utilities[type, state, action]``, in each type's own utils.
    max_systems : int
        Refuse to look at more linear systems than that.

    Returns
    -------
    Candidates
        Complete. Beliefs of W* closer than 1e-9 are one; sure beliefs come first, the others in
        lexicographic order.

    Raises
    ------
    UnsupportedError
        When there would be more than `max_systems` linear systems, or the answer might need more
        than 2 GiB; the message states the count.

    Notes
    -----
    A vertex lies on n_states - 1 planes, each a face of the simplex or a tie of two best responses
    of one type; all sets of so many planes are tried, C(m + K n (n - 1) / 2, m - 1) at most.
    Symbols: posteriors = W*, values = v_k(q), N = |W*|.
    Source: own derivation, docs/theory.md, Lemma 3; for one type the vertices behind Kamenica &
    Gentzkow's concavification.
    Departures: none. A belief too many would do no harm, a missing one would.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.candidates import candidate_posteriors
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> bold = [[1, 0], [0, 3]]
    >>> found = candidate_posteriors(game, [game.receiver_utility, bold])
    >>> found.posteriors.tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.75, 0.25], [0.5, 0.5]]
    >>> found.values.tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]]
    """
    tables = read_utilities(game, utilities)
    n_states, n_types = game.n_states, len(tables)
    n_systems = n_candidate_systems(tables)
    size = n_systems * 8 * (n_states + 2 * n_types)
    if n_systems > max_systems or size > _MAX_BYTES:
        limit = (
            f"at most {max_systems} are looked at (`max_systems`)"
            if n_systems > max_systems
            else f"the answer might take {size / 2**30:.3g} GiB, more than {_MAX_BYTES / 2**30:g}"
        )
        raise UnsupportedError(
            f"{n_types} types with {n_states} states and {game.n_actions} actions need "
            f"{n_systems} linear systems to list their candidate posteriors; {limit}. Take fewer "
            "states, actions or types, or a sample: sampled_posteriors(game, utilities, n_samples)"
        )
    posteriors = _vertices(tables.tobytes(), tables.shape)
    return Candidates(posteriors, *favourable_responses(type_games(game, tables), posteriors), True)


def candidates_among(game: PersuasionGame, utilities: Any, posteriors: Any) -> Candidates:
    """Take the beliefs given, and the sure ones, as candidates.

    Parameters
    ----------
    game : PersuasionGame
    utilities : array-like, shape (n_types, n_states, n_actions)
    posteriors : array-like, shape (k, n_states)
        Each row a belief.

    Returns
    -------
    Candidates
        Not complete: what is best among these need not be best.
    """
    tables = read_utilities(game, utilities)
    beliefs = np.asarray(posteriors, dtype=np.float64)
    if beliefs.ndim != 2 or beliefs.shape[1] != game.n_states:
        raise PersuasionError(
            f"`posteriors` must have shape (k, {game.n_states}); got {beliefs.shape}"
        )
    if beliefs.size and not (
        beliefs.min() >= 0 and np.abs(beliefs.sum(axis=1) - 1).max() <= DISTINCT
    ):
        raise PersuasionError("`posteriors` must be beliefs: not negative, each row summing to 1")
    kept = _ordered(beliefs, game.n_states)
    return Candidates(kept, *favourable_responses(type_games(game, tables), kept), False)


def sampled_posteriors(
    game: PersuasionGame, utilities: Any, n_samples: int, *, seed: int = 0
) -> Candidates:
    """Draw elements of W* where it is too large to list: a heuristic, without any guarantee.

    Parameters
    ----------
    game : PersuasionGame
    utilities : array-like, shape (n_types, n_states, n_actions)
    n_samples : int, >= 1
        Each draw is one small linear program (about 2 ms): the types' best responses at a random
        belief, and a vertex of the polytope on which they stay optimal, extreme in a direction that
        is random or, every other time, what the Sender gets from a random mixture of the types.
    seed : int

    Returns
    -------
    Candidates
        At most n_states + n_samples beliefs, `complete` False.
    """
    from scipy.optimize import linprog

    tables = read_utilities(game, utilities)
    if n_samples < 1:
        raise PersuasionError(f"`n_samples` must be at least 1; got {n_samples}")
    rng = np.random.default_rng(seed)
    games = type_games(game, tables)
    found = []
    for sample in range(n_samples):
        belief = rng.dirichlet(np.full(game.n_states, 0.5))
        actions = favourable_responses(games, belief[None])[0][:, 0]
        rows = np.concatenate(
            [table - table[:, [a]] for table, a in zip(tables, actions, strict=True)], axis=1
        ).T
        size = np.abs(rows).max(axis=1)
        rows = rows[size > 0] / size[size > 0, None]
        direction = rng.standard_normal(game.n_states)
        if sample % 2:
            direction = game.sender_utility[:, actions] @ rng.dirichlet(np.ones(len(tables)))
        answer = linprog(
            -direction,
            A_ub=rows if len(rows) else None,
            b_ub=np.zeros(len(rows)) if len(rows) else None,
            A_eq=np.ones((1, game.n_states)),
            b_eq=np.ones(1),
            method="highs-ds",
        )
        if answer.status == 0:
            vertex = np.maximum(answer.x, 0.0)
            found.append(vertex / vertex.sum())
    return candidates_among(game, tables, np.array(found).reshape(-1, game.n_states))


def n_candidate_systems(utilities: Any) -> int:
    """Number of linear systems that `candidate_posteriors` looks at.

    Planes that coincide (types who agree, actions with equal payoffs) count once.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.candidates import n_candidate_systems
    >>> n_candidate_systems(np.random.default_rng(0).random((5, 6, 4)))
    376992
    """
    tables = np.asarray(utilities, dtype=np.float64)
    planes, _ = _planes(tables)
    return math.comb(len(planes), tables.shape[1] - 1)


def read_utilities(game: PersuasionGame, utilities: Any) -> FloatArray:
    """Return type utilities as one array (n_types, n_states, n_actions), checked against the game.

    Raises
    ------
    GameError
        When there is no type, or one does not fit the game.
    """
    legal = (game.n_states, game.n_actions)
    tables = []
    for number, table in enumerate(utilities):
        array = np.asarray(table, dtype=np.float64)
        if array.shape != legal:
            raise GameError(
                f"the utility of type {number} has shape {array.shape}; every type needs "
                f"(n_states, n_actions) = {legal}, indexed [state, action], as the game"
            )
        if not np.isfinite(array).all():
            raise GameError(f"the utility of type {number} must be finite numbers")
        tables.append(array)
    if not tables:
        raise GameError("`utilities` must hold at least one type: utilities[type, state, action]")
    return frozen(np.stack(tables))


def type_games(game: PersuasionGame, utilities: FloatArray) -> tuple[PersuasionGame, ...]:
    """Return the game against each type alone."""
    return tuple(
        PersuasionGame(game.prior, game.sender_utility, table, actions=game.actions)
        for table in utilities
    )


def favourable_responses(
    games: Sequence[PersuasionGame], beliefs: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Each type's best response at each belief, ties broken for the Sender, and what she gets.

    Parameters
    ----------
    games : sequence of PersuasionGame
        One per type, see `type_games`.
    beliefs : ndarray (k, n_states)

    Returns
    -------
    actions : ndarray of int (n_types, k)
    values : ndarray (n_types, k)
        Symbols: v_k(q), the indirect utility of `persuasion.beliefs` with tolerance 1e-8.
    """
    sender = beliefs @ games[0].sender_utility
    actions = np.empty((len(games), len(beliefs)), dtype=np.intp)
    for k, game in enumerate(games):
        optimal = best_responses(game, beliefs, tolerance=VERTEX_TIES)
        actions[k] = np.where(optimal, sender, -np.inf).argmax(axis=1)
    values: FloatArray = sender[np.arange(len(beliefs)), actions]
    return actions, values


# -- enumeration -------------------------------------------------------------------------------


def _planes(tables: FloatArray) -> tuple[FloatArray, list[list[tuple[int, int, int]]]]:
    """Return faces of the simplex and tie planes, and which ties (type, a, b) each plane means."""
    n_types, n_states, n_actions = tables.shape
    planes = [np.eye(n_states)[w] for w in range(n_states)]
    meanings: list[list[tuple[int, int, int]]] = [[] for _ in range(n_states)]
    known: dict[tuple[float, ...], int] = {}
    for k in range(n_types):
        for a, b in combinations(range(n_actions), 2):
            normal = tables[k, :, a] - tables[k, :, b]
            largest = normal[np.abs(normal).argmax()]
            if largest == 0:
                continue
            normal = normal / largest
            if normal.min() >= 0:
                continue  # meets the simplex in a face only: an intersection of faces above
            key = tuple((normal.round(12) + 0.0).tolist())
            if key not in known:
                known[key] = len(planes)
                planes.append(normal)
                meanings.append([])
            meanings[known[key]].append((k, a, b))
    return np.array(planes), meanings


@lru_cache(maxsize=16)
def _vertices(content: bytes, shape: tuple[int, int, int]) -> FloatArray:
    """W* of the utilities whose bytes these are."""
    tables = np.frombuffer(content).reshape(shape)
    n_states = shape[1]
    planes, meanings = _planes(tables)
    games = type_games(PersuasionGame(np.eye(n_states)[0], tables[0], tables[0]), tables)
    found = [np.zeros((0, n_states))]
    for chosen in _chunks(len(planes), n_states - 1):
        points, systems = intersections(planes[chosen])
        inside = points.min(axis=1) >= -FEASIBLE
        points, chosen = np.maximum(points[inside], 0.0), chosen[systems[inside]]
        points /= points.sum(axis=1, keepdims=True)
        optimal = [best_responses(game, points, tolerance=VERTEX_TIES) for game in games]
        tight = np.zeros((len(points), len(planes)), dtype=bool)
        tight[:, :n_states] = True
        for plane, ties in enumerate(meanings):
            for k, a, b in ties:
                tight[:, plane] |= optimal[k][:, a] & optimal[k][:, b]
        kept = points[np.take_along_axis(tight, chosen, axis=1).all(axis=1)]
        found.append(kept[np.unique(kept.round(12), axis=0, return_index=True)[1]])
    return _ordered(np.concatenate(found), n_states)


def _chunks(n_planes: int, size: int) -> Iterator[IntArray]:
    """Yield all sets of `size` planes, some thousands at a time, shape (n_systems, size)."""
    every = combinations(range(n_planes), size)
    while True:
        flat = np.fromiter(chain.from_iterable(islice(every, _CHUNK)), dtype=np.intp)
        if len(flat) == 0:
            return
        yield flat.reshape(-1, size)


def _ordered(points: FloatArray, n_states: int) -> FloatArray:
    """Drop repetitions; sure beliefs first, the others in lexicographic order, largest first."""
    order = np.lexsort(-points.T[::-1])
    return frozen(_distinct(np.concatenate([np.eye(n_states), points[order]])))


def _distinct(points: FloatArray) -> FloatArray:
    """Keep of points closer than `DISTINCT` to one another the first."""
    generic = np.sqrt(np.arange(2, points.shape[1] + 2)) % 1  # no two beliefs of interest agree
    along = points @ generic
    order = np.argsort(along, kind="stable")
    kept = np.ones(len(points), dtype=bool)
    for offset in range(1, len(points)):
        first, second = order[:-offset], order[offset:]
        near = along[second] - along[first] <= DISTINCT * generic.sum()
        if not near.any():
            break
        first, second = first[near], second[near]
        same = np.abs(points[first] - points[second]).max(axis=1) <= DISTINCT
        kept[np.maximum(first, second)[same]] = False
    return points[kept]
