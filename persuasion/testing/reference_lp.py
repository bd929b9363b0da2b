"""Plain linear programs by `scipy.optimize.linprog`: the second route of the checks.

Every obedience row is written out, nothing is lazy, and no code is shared with the solvers. The
variables are conditional probabilities ``z[state, action]`` (the joint masses divided by the
state's probability), so that improbable states do not vanish below a tolerance; each row is
divided by its largest coefficient. Meant for small games: time and memory grow with n_actions^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.testing.invariant import stakes
from persuasion.testing.linear_program import maximise

__all__ = [
    "ReferenceSolution",
    "SlaterMargin",
    "margin_price",
    "reference_solution",
    "reference_value",
    "robust_value",
    "slater_margin",
    "value_with_margin",
]

_UNUSED = 1e-12
"""A recommendation that no state sends with more than this probability is not used."""

_FIRST_SHARE = 1e-3
"""Share of the largest margin over which `margin_price` takes a slope."""


@dataclass(frozen=True)
class ReferenceSolution:
    """Answer of the plain program: a vertex, with prices.

    Attributes
    ----------
    value : float
    scheme : SignalingScheme
        Signals are the recommended actions.
    recommendations : tuple of int
    state_prices : ndarray (n_states,)
        Per unit of the Receiver's probability, as `Solution.state_prices`.
    obedience_prices : ndarray (n_actions, n_actions)
    is_vertex : bool
    """

    value: float
    scheme: SignalingScheme
    recommendations: tuple[int, ...]
    state_prices: FloatArray
    obedience_prices: FloatArray
    is_vertex: bool = True


@dataclass(frozen=True)
class SlaterMargin:
    """A scheme whose recommendations are all obeyed with room to spare.

    Attributes
    ----------
    margin : float
        Smallest ``sum_w q(w) z(w, a) (u(w, a) - u(w, b))`` over the allowed a and all b != a, in
        utils of the Receiver, recomputed from the scheme; zero where one of them is best at no
        belief, negative where they cannot all be obeyed, infinite if the Receiver has no choice.
    value : float
        Sender's value of that scheme when it is obeyed.
    """

    margin: float
    value: float


def reference_value(game: PersuasionGame) -> float:
    """Sender's optimal value, by the plain program.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> round(reference_value(game), 9)
    0.6
    """
    return reference_solution(game).value


def reference_solution(
    game: PersuasionGame,
    *,
    actions: Sequence[int] | None = None,
    without: tuple[int, int] | None = None,
) -> ReferenceSolution:
    """Solve the program with every obedience row.

    Parameters
    ----------
    game : PersuasionGame
    actions : sequence of int, optional
        Recommendations allowed; all by default. Deviations are always to every action.
    without : (int, int), optional
        An obedience row (action, deviation) to forget: a fault to test checks with.

    Raises
    ------
    InfeasibleError
        When no scheme that recommends only `actions` is obeyed.
    """
    allowed = list(range(game.n_actions)) if actions is None else list(actions)
    program = _Program(game, allowed)
    rows = [row for row in program.rows if row != without]
    matrix, scale = program.obedience(rows)
    answer = maximise(
        program.gain / stakes(game),
        upper=(-matrix, np.zeros(len(rows))),
        equal=(program.sums, np.ones(program.n_states)),
    )
    z = program.scheme(answer.x)
    prices = np.zeros((game.n_actions, game.n_actions))
    if rows:
        prices[tuple(np.array(rows).T)] = answer.prices * stakes(game) / scale
    used = [a for a in allowed if z[:, a].max() > _UNUSED]
    kernel = z[:, used] / z[:, used].sum(axis=1, keepdims=True)
    return ReferenceSolution(
        value=float((game.prior[:, None] * kernel * game.sender_utility[:, used]).sum()),
        scheme=SignalingScheme(kernel),
        recommendations=tuple(used),
        state_prices=_state_prices(game, allowed, prices),
        obedience_prices=prices,
    )


def slater_margin(game: PersuasionGame, actions: Sequence[int] | None = None) -> SlaterMargin:
    """Largest margin by which recommendations among `actions`, and no others, can be obeyed.

    Parameters
    ----------
    game : PersuasionGame
    actions : sequence of int, optional
        All actions by default. Each of them must be recommended with the margin, against every
        deviation; the margin counts masses, it is not per recommendation.

    Notes
    -----
    Symbols: margin = d in facts F7, F8 and F14 of the theory notes.
    Departures: the scheme recommends only `actions`, so that it stays obedient when the Receiver's
    utility moves a little.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> round(slater_margin(game).margin, 9)
    0.3
    """
    allowed = list(range(game.n_actions)) if actions is None else list(actions)
    program = _Program(game, allowed)
    rows = [(a, b) for a in allowed for b in range(game.n_actions) if a != b]
    if not rows:
        return SlaterMargin(np.inf, float(program.gain.sum()))
    matrix, _ = program.obedience(rows, normalised=False)
    unit = np.abs(matrix).max() or 1.0
    answer = maximise(
        np.append(np.zeros(matrix.shape[1]), 1.0),
        upper=(np.hstack([-matrix / unit, np.ones((len(rows), 1))]), np.zeros(len(rows))),
        equal=(
            np.hstack([program.sums, np.zeros((program.n_states, 1))]),
            np.ones(program.n_states),
        ),
        bounds=[(0, None)] * matrix.shape[1] + [(None, None)],
    )
    z = program.flat(program.scheme(answer.x[:-1]))
    return SlaterMargin(float((matrix @ z).min()), float(program.gain @ z))


def value_with_margin(game: PersuasionGame, actions: Sequence[int], margin: float) -> float:
    """Best value of a scheme on `actions` whose obedience rows all hold with `margin`.

    Raises
    ------
    InfeasibleError
        When the margin is larger than `slater_margin`.
    """
    program = _Program(game, list(actions))
    matrix, scale = program.obedience(program.rows)
    answer = maximise(
        program.gain / stakes(game),
        upper=(-matrix, -margin / scale),
        equal=(program.sums, np.ones(program.n_states)),
    )
    return float(program.gain @ program.flat(program.scheme(answer.x)))


def margin_price(game: PersuasionGame, actions: Sequence[int]) -> float:
    """What obedience margin costs at first, in Sender's utils per util of the Receiver.

    The slope of the value in the margin over the first thousandth of `slater_margin`; infinite
    where no margin is possible. Where the value is linear on that stretch (unless there are near
    ties), this is the largest sum of obedience prices among the optimal duals.

    Notes
    -----
    Symbols: kappa* of the theory notes, section 0, with A+ in place of the persuaded actions, by
    the program given there.
    Departures: the slope is taken over a short stretch, not at 0.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> round(margin_price(game, [0, 1]), 9)
    1.0
    """
    program = _Program(game, list(actions))
    d = slater_margin(game, actions).margin
    if not 0 < d < np.inf:
        return 0.0 if d > 0 else np.inf
    best = reference_solution(game, actions=actions).value
    matrix, scale = program.obedience(program.rows)
    low = (game.prior * game.sender_utility.min(axis=1))[program.support]  # keeps 0 - 0 exact
    gain = program.gain - np.repeat(low, program.width)
    # rows of d rather than 1, so that the largest margin has total mass 1, the first share of it
    # 1 / share; without a bound rounding of 1e-11 in the value would be a ray to infinity
    answer = maximise(
        np.append(gain, low.sum() - best) / stakes(game),
        upper=(np.hstack([-matrix, np.zeros((len(scale), 1))]), -d / scale),
        equal=(
            np.hstack([program.sums, -np.ones((program.n_states, 1))]),
            np.zeros(program.n_states),
        ),
        bounds=[(0, None)] * len(gain) + [(0, 1 / _FIRST_SHARE)],
    )
    return max(-answer.best * stakes(game) / d, 0.0)


def robust_value(game: PersuasionGame, radius: float) -> float:
    """Best value of a scheme that is obeyed at every prior near the given one.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior g.
    radius : float in [0, 2]
        The scheme must be obedient at every distribution mu with ``sum_w |mu(w) - g(w)| <=
        radius``; its value is taken at g.

    Notes
    -----
    For each row let ``z(w) = sigma(a|w) (u(w, a) - u(w, b))``. The worst mu moves at most radius/2
    of mass, at most g(w) from each state, to the lowest z; the dual of that choice puts it into the
    program exactly.
    Symbols: V_rob(g, e). Source: theory notes, section 1 (own derivation).

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> [round(robust_value(game, radius), 9) for radius in (0.0, 0.2, 2.0)]
    [0.6, 0.475, 0.3]
    """
    m, n = game.n_states, game.n_actions
    prior, utility = game.prior, game.receiver_utility
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    pairs = [(a, b) for a, b in pairs if (utility[:, a] != utility[:, b]).any()]
    width = m + 2  # for each pair: tau, zeta, pi(w)
    n_columns = m * n + width * len(pairs)
    upper: list[FloatArray] = []
    for index, (a, b) in enumerate(pairs):
        difference = utility[:, a] - utility[:, b]
        difference = difference / np.abs(difference).max()
        tau = m * n + width * index
        zeta, pi = tau + 1, tau + 2
        row = np.zeros(n_columns)
        row[a : m * n : n] = -prior * difference
        row[tau] = radius / 2
        row[pi : pi + m] = prior
        upper.append(row)
        for w in range(m):
            above = np.zeros(n_columns)
            above[w * n + a], above[tau], above[pi + w], above[zeta] = difference[w], -1, -1, -1
            below = np.zeros(n_columns)
            below[w * n + a], below[zeta] = -difference[w], 1
            upper += [above, below]
    bounds: list[tuple[float | None, float | None]] = [(0, None)] * n_columns
    for index in range(len(pairs)):
        bounds[m * n + width * index + 1] = (None, None)
    gain = np.append((prior[:, None] * game.sender_utility).ravel(), np.zeros(n_columns - m * n))
    sums = np.zeros((m, n_columns))
    sums[:, : m * n] = np.kron(np.eye(m), np.ones(n))
    answer = maximise(
        gain / stakes(game),
        upper=(np.array(upper).reshape(-1, n_columns), np.zeros(len(upper))),
        equal=(sums, np.ones(m)),
        bounds=bounds,
    )
    z = _as_distributions(answer.x[: m * n].reshape(m, n))
    return float((prior[:, None] * z * game.sender_utility).sum())


class _Program:
    """Coefficients over the pairs (possible state, allowed action), state by state."""

    def __init__(self, game: PersuasionGame, allowed: list[int]) -> None:
        self.game = game
        self.allowed: NDArray[np.intp] = np.array(allowed, dtype=np.intp)
        self.support: NDArray[np.intp] = np.flatnonzero(game.receiver_prior > 0)
        self.n_states, self.width = len(self.support), len(allowed)
        table = game.prior[:, None] * game.sender_utility
        self.cells = np.ix_(self.support, self.allowed)
        self.gain: FloatArray = table[self.cells].ravel()
        self.sums: FloatArray = np.repeat(np.eye(self.n_states), self.width, axis=1)
        utility = game.receiver_utility
        self.rows = [
            (a, b)
            for a in allowed
            for b in range(game.n_actions)
            if a != b and (utility[self.support, a] != utility[self.support, b]).any()
        ]

    def obedience(
        self, rows: Sequence[tuple[int, int]], *, normalised: bool = True
    ) -> tuple[FloatArray, FloatArray]:
        """Matrix of the rows and what each was divided by."""
        game = self.game
        matrix = np.zeros((len(rows), self.n_states, self.width))
        for i, (a, b) in enumerate(rows):
            difference = game.receiver_utility[:, a] - game.receiver_utility[:, b]
            column = int(np.flatnonzero(self.allowed == a)[0])
            matrix[i, :, column] = (game.receiver_prior * difference)[self.support]
        flat = matrix.reshape(len(rows), self.n_states * self.width)
        scale = np.abs(flat).max(axis=1) if normalised else np.ones(len(rows))
        return flat / scale[:, None], scale

    def scheme(self, x: FloatArray) -> FloatArray:
        """Conditional probabilities over all states and actions, rows summing to 1 exactly.

        In a state that nobody deems possible the action best for the Receiver is recommended.
        """
        game = self.game
        z = np.zeros((game.n_states, game.n_actions))
        best = np.argmax(game.receiver_utility[:, self.allowed], axis=1)
        z[np.arange(game.n_states), self.allowed[best]] = 1.0
        z[self.support] = 0.0
        z[self.cells] = x.reshape(self.n_states, self.width)
        return _as_distributions(z)

    def flat(self, z: FloatArray) -> FloatArray:
        return z[self.cells].ravel()


def _as_distributions(z: FloatArray) -> FloatArray:
    z = np.where(z > _UNUSED, z, 0.0)
    rows: FloatArray = z / z.sum(axis=1, keepdims=True)
    return rows


def _state_prices(game: PersuasionGame, allowed: list[int], prices: FloatArray) -> FloatArray:
    """Smallest state prices that go with these obedience prices."""
    p, q, u = game.prior, game.receiver_prior, game.receiver_utility
    ratio = np.divide(p, q, out=np.ones_like(p), where=q > 0)
    pull = u * prices.sum(axis=1) - u @ prices.T
    theta: FloatArray = (ratio[:, None] * game.sender_utility + pull)[:, allowed].max(axis=1)
    return theta
