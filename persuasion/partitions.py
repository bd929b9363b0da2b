"""Schemes that reveal in which block of a partition the state lies: the best one, exactly.

What the Sender gets from one signal depends on the states that it stands for alone, so the best
partition follows from the values of all sets of states, by dynamic programming over sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian, Receiver
from persuasion.receivers.posterior_sampling import PosteriorSampling
from persuasion.scheme import SignalingScheme
from persuasion.values import sender_value

__all__ = ["MOST_STATES", "BestPartition", "best_partition", "has_convex_value"]

MOST_STATES = 14
"""With more states the 3^n pairs of nested sets take too long."""
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class BestPartition:
    """The best scheme that sends the same signal always in the same state.

    Attributes
    ----------
    game : PersuasionGame
    receiver : Receiver
    n_signals : int
        Signals allowed; `scheme` may need fewer.
    value : float
        Sender's expected utility, in utils.
    scheme : SignalingScheme
        One signal per block, in the order of `blocks`.
    blocks : tuple of tuple of int
        States of each block, ordered by their first state.
    convex : bool or None
        True: Sender's indirect utility is convex in the belief, and no scheme whatever with as
        many signals is worth more. False: it is not, and one that mixes may be. None: not decided
        for this Receiver.
    """

    game: PersuasionGame
    receiver: Receiver
    n_signals: int
    value: float
    scheme: SignalingScheme
    blocks: tuple[tuple[int, ...], ...]
    convex: bool | None

    def summary(self) -> str:
        """Return the blocks by name, the value, and whether mixing could do better."""
        names = self.game.states
        blocks = " | ".join(", ".join(names[w] for w in block) for block in self.blocks)
        claim = {
            True: "no scheme with as many signals is worth more",
            False: "a scheme that mixes may be worth more",
            None: "whether mixing is worth more was not decided for this Receiver",
        }[self.convex]
        return f"value {self.value:.6g} with {len(self.blocks)} signals: {blocks}\n{claim}"

    def __repr__(self) -> str:
        return f"BestPartition(value={self.value:.6g}, blocks={self.blocks}, convex={self.convex})"


def best_partition(
    game: PersuasionGame, n_signals: int, receiver: Receiver | None = None
) -> BestPartition:
    """Find the best deterministic scheme with at most `n_signals` signals.

    Parameters
    ----------
    game : PersuasionGame
        At most `MOST_STATES` states.
    n_signals : int, >= 1
    receiver : Receiver, optional
        Default `Bayesian()`. Her response to a posterior must not depend on other posteriors.

    Returns
    -------
    BestPartition
        Of least many blocks among those of equal value.

    Raises
    ------
    UnsupportedError
        When there are too many states.

    Notes
    -----
    With b(S) the value of a signal for the set S of states, the best partition of S into at most j
    blocks is worth ``B_j(S) = max(b(S), max_T b(T) + B_{j-1}(S - T))`` over the proper subsets T
    that hold the first state of S.
    Source: own; for why partitions, see `has_convex_value`.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.partitions import best_partition
    >>> same = [[1.0, 0.0, 0.9], [0.0, 1.0, 0.0], [0.9, 0.0, 1.0]]
    >>> found = best_partition(PersuasionGame(["1/4", "1/2", "1/4"], same, same), 2)
    >>> round(found.value, 12), found.blocks, found.convex
    (0.975, ((0, 2), (1,)), True)
    """
    receiver = Bayesian() if receiver is None else receiver
    if isinstance(n_signals, bool) or n_signals != int(n_signals) or n_signals < 1:
        raise PersuasionError(f"`n_signals` must be an integer >= 1; got {n_signals}")
    if game.n_states > MOST_STATES:
        raise UnsupportedError(
            f"the best of all partitions is found for at most {MOST_STATES} states; this game has "
            f"{game.n_states}. Merge states, or use solve(game, max_signals=) against a Receiver "
            "who best-responds"
        )
    worth = _values_of_sets(game, receiver)
    most = min(int(n_signals), game.n_states)
    best, first = _best_of_sets(worth, game.n_states, most)
    everything = (1 << game.n_states) - 1
    totals = best[:, everything]
    slack = _ROUNDING * max(1.0, float(np.abs(game.sender_utility).max()))
    fewest = int(np.argmax(totals >= totals.max() - slack))
    blocks, left, allowed = [], everything, fewest
    while left:
        block = int(first[allowed, left])
        blocks.append(tuple(w for w in range(game.n_states) if block >> w & 1))
        left, allowed = left & ~block, allowed - 1
    kernel = np.zeros((game.n_states, len(blocks)), dtype=np.int64)
    for signal, states in enumerate(blocks):
        kernel[list(states), signal] = 1
    scheme = SignalingScheme(kernel)
    return BestPartition(
        game=game,
        receiver=receiver,
        n_signals=int(n_signals),
        value=sender_value(game, scheme, receiver),
        scheme=scheme,
        blocks=tuple(blocks),
        convex=has_convex_value(game, receiver),
    )


def has_convex_value(game: PersuasionGame, receiver: Receiver | None = None) -> bool | None:
    """Whether Sender's indirect utility v-hat is convex in the Receiver's belief.

    Returns
    -------
    bool or None
        None where it was not decided: for `Bayesian` only utilities that differ, for given
        states, by a factor and a term without the action are recognised (then it is convex);
        other Receivers than `Bayesian` and `PosteriorSampling` are not looked at.

    Notes
    -----
    A signal of masses ``x[state]`` is worth ``f(x) = sum(x) v_hat(x / sum(x))``. f is homogeneous,
    and convex iff v-hat is. A scheme with k signals is worth ``sum_s f(x_s)``, and the kernels form
    a product of simplices, one for each state, whose corners are the partitions into at most k
    blocks: a convex function is largest at a corner. Under posterior sampling ``v_hat(q) = q' v q``
    (rows of v times prior / receiver's prior, where these differ), convex on the beliefs with the
    prior's support iff the symmetric part of v is positive semidefinite on differences of beliefs,
    vectors that sum to zero. Where a game's numbers come just so to the border, rounding decides.
    Source: own.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.partitions import has_convex_value
    >>> from persuasion.receivers.posterior_sampling import PosteriorSampling
    >>> agree, differ = [[1, 0], [0, 1]], [[0, 1], [1, 0]]
    >>> [
    ...     has_convex_value(PersuasionGame([0.5, 0.5], v, agree), PosteriorSampling())
    ...     for v in (agree, differ)
    ... ]
    [True, False]
    """
    receiver = Bayesian() if receiver is None else receiver
    if isinstance(receiver, PosteriorSampling):
        receiver.respond(game, game.receiver_prior)  # refuses games whose actions are no guesses
        likely = np.flatnonzero(game.receiver_prior > 0)
        weight = game.prior[likely] / game.receiver_prior[likely]
        table = weight[:, None] * game.sender_utility[np.ix_(likely, likely)]
        centred = table - table.mean(axis=0)
        centred -= centred.mean(axis=1, keepdims=True)
        least = float(np.linalg.eigvalsh(centred + centred.T).min())
        return least >= -_ROUNDING * likely.size * float(np.abs(table).max())
    if isinstance(receiver, Bayesian) and game.has_common_prior:
        likely = np.flatnonzero(game.prior > 0)
        v, u = game.sender_utility[likely], game.receiver_utility[likely]
        v, u = v - v.mean(axis=1, keepdims=True), u - u.mean(axis=1, keepdims=True)
        size = float((u * u).sum())
        factor = float((u * v).sum()) / size if size else 0.0
        off = float(np.abs(v - factor * u).max())
        if factor >= 0 and off <= _ROUNDING * max(float(np.abs(v).max()), np.finfo(float).tiny):
            return True
    return None


def _values_of_sets(game: PersuasionGame, receiver: Receiver) -> FloatArray:
    """Value of a signal for each set of states, the set in binary; (2^n,), 0 for the empty set."""
    sets = np.arange(1, 1 << game.n_states)
    inside = (sets[:, None] >> np.arange(game.n_states) & 1).astype(np.float64)
    joint = inside * game.receiver_prior
    mass = joint.sum(axis=1, keepdims=True)
    posteriors = np.where(mass > 0, joint / np.where(mass > 0, mass, 1.0), game.receiver_prior)
    responses = receiver.respond(game, posteriors)
    worth = np.einsum("sw,sa,wa->s", inside * game.prior, responses, game.sender_utility)
    return np.concatenate([[0.0], worth])


def _best_of_sets(
    worth: FloatArray, n_states: int, most: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Best value of splitting each set into at most j + 1 blocks, and the block of its first state.

    Both (most, 2^n_states).
    """
    best = np.tile(worth, (most, 1))
    first = np.tile(np.arange(worth.size), (most, 1))
    if most == 1:
        return best, first
    for whole in range(1, worth.size):
        lowest = whole & -whole
        blocks = np.array([lowest])
        for w in range(lowest.bit_length(), n_states):
            if whole >> w & 1:
                blocks = np.concatenate([blocks, blocks | 1 << w])
        blocks = blocks[:-1]  # all but the set itself
        if blocks.size == 0:
            continue
        totals = worth[blocks] + best[:-1, whole & ~blocks]
        chosen = totals.argmax(axis=1)
        found = totals[np.arange(most - 1), chosen]
        better = np.flatnonzero(found > best[1:, whole])
        best[better + 1, whole] = found[better]
        first[better + 1, whole] = blocks[chosen[better]]
    return best, first
