"""Changes of a game that must not change its optimum, or change it by a formula (F11)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from persuasion import solve as default_solve
from persuasion.game import PersuasionGame
from persuasion.testing.invariant import (
    TOLERANCE,
    InvariantError,
    SolutionLike,
    Solve,
    expect_equal,
    law,
    recommendations_of,
    stakes,
    value_of,
)

__all__ = [
    "check_duplicate_action",
    "check_inputs_unchanged",
    "check_null_state",
    "check_receiver_units",
    "check_relabelling",
    "check_sender_units",
    "check_split_state",
]

_CARRIED = Fraction(1, 10**12)
"""A shift of u is tried where floats keep every payoff difference to this relative accuracy."""


def check_inputs_unchanged(game: PersuasionGame, call: Callable[[PersuasionGame], Any]) -> bool:
    """Check that calling ``call(game)`` leaves the game as it was.

    Compared are all numbers, exact ones included, labels, and the read-only flags of the arrays.

    Raises
    ------
    InvariantError

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> from persuasion.testing import check_inputs_unchanged
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> check_inputs_unchanged(game, solve)
    True
    """
    before = copy.deepcopy(game.to_dict())
    arrays = ("prior", "receiver_prior", "sender_utility", "receiver_utility")
    copies = {name: getattr(game, name).copy() for name in arrays}
    call(game)
    for name in arrays:
        array = getattr(game, name)
        if not np.array_equal(array, copies[name]):
            raise InvariantError(
                f"the call changed `{name}` of the game from {copies[name].tolist()} to "
                f"{array.tolist()}"
            )
        if array.flags.writeable:
            raise InvariantError(f"the call made `{name}` of the game writeable")
    if game.to_dict() != before:
        raise InvariantError(f"the call changed the game from {before} to {game.to_dict()}")
    return True


@law("F11", "a solver leaves its input alone", solves=True)
def check_input_kept(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Apply `check_inputs_unchanged` to ``solve``, on a copy of the game."""
    return check_inputs_unchanged(PersuasionGame.from_dict(game.to_dict()), solve)


@law("F11", "u -> c u + f(w), c > 0, leaves OPT alone", solves=True)
def check_receiver_units(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that the Receiver's units do not matter.

    For c > 0 and any f: the game with ``c u(w, a) + f(w)`` has the same OPT. The factor must be the
    same in all states: a factor c(w) is a change of the Receiver's prior. Tried with c = 2^-30 and
    c = 1024 (powers of two lose no digits) and f(w) about as large as u(w, .), left out in states
    where floats could not carry it without changing payoff differences. No proviso.
    """
    table = np.array(game.exact.receiver_utility, dtype=object)
    for scale in (Fraction(1, 2**30), Fraction(1024)):
        moved = scale * table
        for w, row in enumerate(moved):
            sign = 1 if w % 2 else -1
            shift = sign * max(abs(x) for x in row)
            if _carries(row, shift):
                moved[w] = row + shift
        other = _rebuilt(game, receiver_utility=moved)
        expect_equal(
            value_of(solve(other)),
            value_of(solution),
            unit=stakes(game),
            tolerance=tolerance,
            because=f"OPT after u -> {scale} u + f(w) against OPT",
        )
    return True


@law("F11", "v -> c v + f(w), c >= 0, maps OPT to c OPT + E f", solves=True)
def check_sender_units(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check that OPT moves with the Sender's units.

    For c >= 0 and any f: the game with ``c v(w, a) + f(w)`` has the optimum ``c OPT + sum_w mu(w)
    f(w)``. Tried with c = 2^-20 and c = 1000, f(w) about as large as c v(w, .), and with c = 0.
    No proviso.
    """
    table = np.array(game.exact.sender_utility, dtype=object)
    for scale in (Fraction(1, 2**20), Fraction(1000), Fraction(0)):
        signs = np.array([1 if w % 2 else -1 for w in range(game.n_states)], dtype=object)
        shift = signs * (np.abs(table).max(axis=1) + 1) * (scale or 1)
        other = _rebuilt(game, sender_utility=scale * table + shift[:, None])
        expect_equal(
            value_of(solve(other)),
            float(scale) * value_of(solution) + float(game.prior @ shift.astype(np.float64)),
            unit=max(float(scale) * stakes(game), stakes(other)),
            tolerance=tolerance,
            because=f"OPT after v -> {scale} v + f(w) against the map applied to OPT",
        )
    return True


@law("F11", "the order of states and of actions does not matter", solves=True)
def check_relabelling(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT with the states in reverse order and the actions rotated by one. No proviso."""
    states = np.arange(game.n_states)[::-1]
    actions = np.roll(np.arange(game.n_actions), 1)
    parts = game.parts()
    other = _rebuilt(
        game,
        prior=parts["prior"][states],
        receiver_prior=None if game.has_common_prior else parts["receiver_prior"][states],
        sender_utility=parts["sender_utility"][np.ix_(states, actions)],
        receiver_utility=parts["receiver_utility"][np.ix_(states, actions)],
    )
    return _same(game, solution, solve(other), tolerance, "OPT after relabelling against OPT")


@law("F11", "a copy of an action, as good or worse for the Sender, changes nothing", solves=True)
def check_duplicate_action(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT with two more actions that the Receiver cannot tell from an old one.

    One is an exact copy, the other gives the Sender less in every state; both are copies of the
    first recommendation, or of action 0 where the solver names none. No proviso.
    """
    a = (recommendations_of(game, solution) or [0])[0]
    parts = game.parts()
    v, u = parts["sender_utility"], parts["receiver_utility"]
    loss = Fraction(stakes(game)) if v.dtype == object else stakes(game)
    other = _rebuilt(
        game,
        sender_utility=np.column_stack([v[:, a] - loss, v, v[:, a]]),
        receiver_utility=np.column_stack([u[:, a], u, u[:, a]]),
    )
    text = f"OPT with copies of action {a} put first and last against OPT"
    return _same(game, solution, solve(other), tolerance, text)


@law("F11", "splitting a state into identical halves changes nothing", solves=True)
def check_split_state(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT with the likeliest state replaced by two copies, 1/4 and 3/4 of its weight.

    Both get the same payoffs; with a Receiver's prior of her own, that splits in the same ratio.
    No proviso.
    """
    w = int(game.prior.argmax())
    parts = game.parts()

    def split(weights: Any) -> Any:
        quarter = weights[w] / 4
        return np.concatenate([weights[:w], [quarter, weights[w] - quarter], weights[w + 1 :]])

    rows = [*range(w + 1), *range(w, game.n_states)]
    other = _rebuilt(
        game,
        prior=split(parts["prior"]),
        receiver_prior=None if game.has_common_prior else split(parts["receiver_prior"]),
        sender_utility=parts["sender_utility"][rows],
        receiver_utility=parts["receiver_utility"][rows],
    )
    text = f"OPT with state {w} split against OPT"
    return _same(game, solution, solve(other), tolerance, text)


@law("F11", "states of prior probability zero change nothing", solves=True)
def check_null_state(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT with two impossible states added, first and last.

    Their payoffs are far from harmless: the Sender's are larger than any other, the Receiver's are
    those of a possible state in reverse. With subjective priors both deem them impossible.
    No proviso.
    """
    parts = game.parts()
    v, u = parts["sender_utility"], parts["receiver_utility"]
    zero = v[0, 0] * 0
    high = np.full((1, game.n_actions), 2 * np.abs(v).max() + 1, dtype=v.dtype)

    def padded(weights: Any) -> Any:
        return np.concatenate([[zero], weights, [zero]])

    other = _rebuilt(
        game,
        prior=padded(parts["prior"]),
        receiver_prior=None if game.has_common_prior else padded(parts["receiver_prior"]),
        sender_utility=np.concatenate([high, v, -high]),
        receiver_utility=np.concatenate([u[:1, ::-1], u, 2 * u[-1:, ::-1]]),
    )
    text = "OPT with two impossible states added against OPT"
    return _same(game, solution, solve(other), tolerance, text)


def _same(
    game: PersuasionGame, solution: SolutionLike, other: Any, tolerance: float, because: str
) -> bool:
    expect_equal(
        value_of(other),
        value_of(solution),
        unit=stakes(game),
        tolerance=tolerance,
        because=because,
    )
    return True


def _rebuilt(game: PersuasionGame, **changes: Any) -> PersuasionGame:
    """Return the game with other numbers, exact ones kept, and without labels."""
    plain = {"states": None, "actions": None, "name": None, "source": None}
    return PersuasionGame(**{**game.parts(), **plain, **changes})


def _carries(row: Any, shift: Fraction) -> bool:
    """Whether rounding ``row + shift`` to floats keeps every difference of two entries."""
    floats = [Fraction(float(x + shift)) for x in row]
    return all(
        abs((floats[i] - floats[j]) - (row[i] - row[j])) <= _CARRIED * abs(row[i] - row[j])
        for i in range(len(row))
        for j in range(i)
    )
