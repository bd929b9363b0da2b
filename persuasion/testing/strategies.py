"""Hypothesis strategies for games, beliefs and schemes.

Payoffs are dyadic numbers of few digits (or fractions with small denominators), so that a law which
shifts, doubles or copies them does so without rounding: a counterexample is never an artefact of
the drawing. Everything shrinks towards small integers, few states and few actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme

__all__ = ["SHAPES", "beliefs", "games", "priors", "schemes"]

SHAPES = (
    "ties",
    "ordinary",
    "duplicate_actions",
    "duplicate_states",
    "null_states",
    "near_ties",
    "badly_scaled",
    "trivial",
)
"""Shapes of `games`, from the simplest."""

NEAR = Fraction(1, 2**26)
"""How near the ties of "near_ties" are, 1.5e-8: above the 1e-9 at which a tie is a tie."""

Size = int | tuple[int, int]


def games(
    n_states: Size = (1, 4),
    n_actions: Size = (1, 4),
    *,
    shapes: Iterable[str] = SHAPES,
    exact: bool = False,
    subjective_priors: bool = False,
) -> SearchStrategy[PersuasionGame]:
    """Draw persuasion games of many shapes.

    Parameters
    ----------
    n_states, n_actions : int or (int, int)
        A size, or least and largest size.
    shapes : iterable of str
        - "ties": small integers, so that indifference is common;
        - "ordinary": payoffs with ten binary digits, ties are rare;
        - "duplicate_actions": two actions that the Receiver cannot tell apart, with equal or
          different payoffs of the Sender;
        - "duplicate_states": two states with the same payoffs;
        - "null_states": some states have prior probability zero;
        - "near_ties": small integers, moved by 1.5e-8 here and there in the Receiver's payoffs;
        - "badly_scaled": sizes of payoffs from 1e-8 to 1e4, prior probabilities down to 1e-12;
        - "trivial": a single state or a single action.
    exact : bool
        Give payoffs and prior as fractions, with small denominators.
    subjective_priors : bool
        Draw a prior of the Receiver's own as well; it may deem possible what the Sender does not.

    Raises
    ------
    ValueError
        When a shape is unknown or does not fit the sizes.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from persuasion.testing import games
    >>> @settings(max_examples=5, derandomize=True)
    ... @given(games(n_states=3, exact=True))
    ... def check_sum(game):
    ...     assert sum(game.exact.prior) == 1
    >>> check_sum()
    """
    states, actions = _range(n_states, "n_states"), _range(n_actions, "n_actions")
    chosen = [shape for shape in SHAPES if shape in set(shapes)]
    unknown = sorted(set(shapes) - set(SHAPES))
    if unknown or not chosen:
        raise ValueError(f"`shapes` must be among {SHAPES}; got {unknown or list(shapes)}")
    fitting = [shape for shape in chosen if _fits(shape, states, actions)]
    if not fitting:
        raise ValueError(f"no game of shape {chosen} has {states} states and {actions} actions")
    return _games(states, actions, tuple(fitting), exact, subjective_priors)


def beliefs(n_states: int) -> SearchStrategy[FloatArray]:
    """Draw distributions over states, shape (n_states,), some with zeros.

    Examples
    --------
    >>> from hypothesis import find
    >>> from persuasion.testing import beliefs
    >>> find(beliefs(3), lambda belief: belief[2] > 0.5).tolist()
    [0.0, 0.0, 1.0]
    """
    weights = st.lists(st.integers(0, 16), min_size=n_states, max_size=n_states)
    return weights.filter(any).map(_normalised)


def priors(n_states: int) -> SearchStrategy[FloatArray]:
    """Draw distributions that are positive in every state, shape (n_states,).

    Examples
    --------
    >>> from hypothesis import find
    >>> from persuasion.testing import priors
    >>> find(priors(2), lambda prior: True).tolist()
    [0.5, 0.5]
    """
    return st.lists(st.integers(1, 32), min_size=n_states, max_size=n_states).map(_normalised)


@st.composite
def schemes(draw: DrawFn, n_states: int, n_signals: Size = (1, 4)) -> SignalingScheme:
    """Draw signaling schemes; every state's distribution over signals is one of `beliefs`.

    Examples
    --------
    >>> from hypothesis import find
    >>> from persuasion.testing import schemes
    >>> find(schemes(2, 2), lambda scheme: scheme.kernel[0, 0] != scheme.kernel[1, 0]).n_signals
    2
    """
    low, high = _range(n_signals, "n_signals")
    size = draw(st.integers(low, high))
    return SignalingScheme([draw(beliefs(size)) for _ in range(n_states)])


def _range(size: Size, name: str) -> tuple[int, int]:
    low, high = (size, size) if isinstance(size, int) else size
    if not 1 <= low <= high:
        raise ValueError(f"`{name}` must be a positive integer or (least, largest); got {size!r}")
    return low, high


def _fits(shape: str, states: tuple[int, int], actions: tuple[int, int]) -> bool:
    if shape == "trivial":
        return states[0] == 1 or actions[0] == 1
    if shape in ("duplicate_states", "null_states"):
        return states[1] >= 2
    return shape != "duplicate_actions" or actions[1] >= 2


@st.composite
def _games(
    draw: DrawFn,
    states: tuple[int, int],
    actions: tuple[int, int],
    shapes: tuple[str, ...],
    exact: bool,
    subjective_priors: bool,
) -> PersuasionGame:
    shape = draw(st.sampled_from(shapes))
    states, actions = _sizes(draw, shape, states, actions)
    n = draw(st.integers(*actions))
    # one draw per state: a shrinking counterexample loses whole states
    payoffs = st.lists(_payoff(shape, exact), min_size=n, max_size=n)
    state = st.tuples(_weight(shape), payoffs, payoffs)
    drawn = draw(st.lists(state, min_size=states[0], max_size=states[1]))
    m, count = len(drawn), len(drawn) * n
    weights, sender, receiver = (np.array(part, dtype=object) for part in zip(*drawn, strict=True))
    if shape == "duplicate_actions":
        a, b = draw(_two(n))
        receiver[:, b] = receiver[:, a]
        if draw(st.booleans()):
            sender[:, b] = sender[:, a]
    elif shape == "duplicate_states":
        w, other = draw(_two(m))
        receiver[other], sender[other] = receiver[w], sender[w]
    elif shape == "null_states":
        null, possible = draw(_two(m))
        dropped = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
        dropped[null], dropped[possible] = True, False
        weights[dropped] = 0
    elif shape == "near_ties":
        steps = draw(st.lists(st.integers(-1, 1), min_size=count, max_size=count))
        receiver = receiver + NEAR * np.array(steps, dtype=object).reshape(m, n)
    own = None
    if subjective_priors:
        own = np.array(draw(st.lists(st.integers(1, 8), min_size=m, max_size=m)), dtype=object)
    return PersuasionGame(
        _distribution(weights, exact),
        _numbers(sender, exact),
        _numbers(receiver, exact),
        receiver_prior=None if own is None else _distribution(own, exact),
    )


def _sizes(
    draw: DrawFn, shape: str, states: tuple[int, int], actions: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Narrow the ranges: one of them to 1 for "trivial", else both to 2 or more if possible."""
    if shape != "trivial":
        narrow = [(min(max(low, 2), high), high) for low, high in (states, actions)]
        return narrow[0], narrow[1]
    if states[0] == 1 and (actions[0] != 1 or draw(st.booleans())):
        return (1, 1), actions
    return states, (1, 1)


def _payoff(shape: str, exact: bool) -> SearchStrategy[Fraction]:
    if shape == "badly_scaled":
        # integers with few digits times 2^-27 = 7e-9 up to 2^13 = 8e3
        return st.builds(_scaled, st.integers(-7, 7), st.integers(-27, 11))
    if shape == "ordinary" and not exact:
        return st.integers(-512, 512).map(lambda k: Fraction(k, 256))
    if exact:
        return st.builds(Fraction, st.integers(-4, 4), st.integers(1, 6))
    return st.integers(-3, 3).map(Fraction)


def _scaled(digits: int, exponent: int) -> Fraction:
    return digits * Fraction(2) ** exponent


def _weight(shape: str) -> SearchStrategy[Any]:
    if shape == "badly_scaled":
        return st.integers(0, 40).map(lambda k: Fraction(1, 2**k))
    return st.integers(1, 64 if shape == "ordinary" else 6)


def _two(count: int) -> SearchStrategy[tuple[int, int]]:
    """Draw two different positions."""
    return st.tuples(st.integers(0, count - 1), st.integers(1, count - 1)).map(
        lambda pair: (pair[0], (pair[0] + pair[1]) % count)
    )


def _normalised(weights: Any) -> FloatArray:
    array = np.asarray(weights, dtype=np.float64)
    distribution: FloatArray = array / array.sum()
    return distribution


def _distribution(weights: Any, exact: bool) -> Any:
    if not exact:
        return _normalised(weights)
    total = Fraction(sum(weights.tolist()))
    return [Fraction(x) / total for x in weights]


def _numbers(table: Any, exact: bool) -> Any:
    return table if exact else table.astype(np.float64)
