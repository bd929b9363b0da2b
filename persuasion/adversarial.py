"""The most a Sender can get when the Receiver breaks ties against her.

With such ties the Sender's payoff is no longer upper semicontinuous and a best scheme need not
exist, but the supremum is the value of a linear program:

- an action counts only if it is the one best action at some belief, duplicates (actions that
  give the Receiver the same in every possible state) taken as one; cells of lower dimension are
  lost to a rival that ties all over them;
- recommendations of the actions that count need only be obeyed weakly: mixing in a little of a
  scheme that is obeyed strictly breaks every tie;
- among duplicates the Receiver takes the one worst for the Sender in expectation, a minimum of
  linear functions of the joint masses, hence concave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persuasion.adversarial_program import NIL, AdversarialProgram, Face
from persuasion.calling import called_like, require_game
from persuasion.errors import NotSolvedError, PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian
from persuasion.scheme import SignalingScheme
from persuasion.values import sender_value

__all__ = ["AdversarialSupremum", "supremum_adversarial"]

_AGAINST = Bayesian(ties="adversarial")
_CLEAR = 1e-6
"""From this on a number of a program is not rounding; below, down to `NIL`, nothing is decided."""


@dataclass(frozen=True, eq=False)
class AdversarialSupremum:
    """Supremum of the Sender's value over schemes, with ties broken against her.

    Attributes
    ----------
    game : PersuasionGame
    value : float
        The supremum, in utils.
    upper_bound : float
        Bound by weak duality over recommendations of `actions`; equals `value` up to rounding.
    attained : bool or None
        Whether some scheme is worth `value`; None where rounding leaves it open.
    reason : str
        Why, in words.
    actions : tuple of int
        Actions that are the one best response somewhere; of duplicates the first.
    limit : SignalingScheme
        Scheme worth `value` if recommendations are obeyed. Schemes near it approach the supremum.
    recommendations : tuple of int
        Action that each signal of `limit` recommends.
    """

    game: PersuasionGame
    value: float
    upper_bound: float
    attained: bool | None
    reason: str
    actions: tuple[int, ...]
    limit: SignalingScheme
    recommendations: tuple[int, ...]
    _best: SignalingScheme | None = field(default=None, repr=False)
    _program: Any = field(default=None, repr=False)
    _shares: Any = field(default=None, repr=False)

    def scheme(self, epsilon: float) -> SignalingScheme:
        """Return a scheme worth at least ``value - epsilon`` although ties go against the Sender.

        Parameters
        ----------
        epsilon : float
            In utils. Zero is legal where the supremum is attained.

        Returns
        -------
        SignalingScheme
            One that attains the supremum, where one is known; else every recommendation is obeyed
            strictly. Its value has been recomputed with ``Bayesian(ties="adversarial")``.

        Raises
        ------
        UnsupportedError
            When `epsilon` is zero though the supremum is not attained, or so small that the
            Receiver's ties could not be told from strict preferences.
        """
        if not epsilon >= 0:
            raise PersuasionError(f"`epsilon` must be a number >= 0 in utils; got {epsilon}")
        if self._best is not None:
            return self._best
        if epsilon == 0:
            raise UnsupportedError(
                f"no scheme is known that attains the supremum ({self.reason}); "
                "give an `epsilon` > 0, in utils of the Sender"
            )
        program: AdversarialProgram = self._program
        strict = program.strictest()
        cost = self.value - program.worth(strict)
        part = 1.0 if cost <= epsilon else epsilon / cost
        scheme, _ = program.scheme((1 - part) * self._shares + part * strict)
        found = sender_value(self.game, scheme, _AGAINST)
        if found < self.value - epsilon - 1e-12 * (abs(self.value) + program.spread):
            raise UnsupportedError(
                f"epsilon = {epsilon:g} is too small: the scheme would leave the Receiver closer "
                "to ties than her tie tolerance; give a larger `epsilon`"
            )
        return scheme

    def summary(self) -> str:
        """Return a few lines that say what was found."""
        names = self.game.actions
        known = {True: "attained", False: "not attained", None: "undecided"}[self.attained]
        return "\n".join(
            [
                repr(self.game),
                f"supremum, ties against the Sender   {self.value:.10g} ({known})",
                f"because                             {self.reason}",
                f"actions that count                  {', '.join(names[a] for a in self.actions)}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary of what is reported."""
        return {
            "game": self.game.to_dict(),
            "value": self.value,
            "upper_bound": self.upper_bound,
            "attained": self.attained,
            "reason": self.reason,
            "actions": list(self.actions),
            "limit": self.limit.to_dict(),
            "recommendations": list(self.recommendations),
        }

    def __repr__(self) -> str:
        return f"AdversarialSupremum(value={self.value:.10g}, attained={self.attained})"


@called_like("supremum_adversarial(game)")
def supremum_adversarial(game: PersuasionGame, *, tolerance: float = 1e-9) -> AdversarialSupremum:
    """Find the supremum of the Sender's value when ties are broken against her.

    Parameters
    ----------
    game : PersuasionGame
    tolerance : float
        Largest residual accepted, unit-free as in `solve`; also, an action counts only where at
        some belief its expected advantage over each rival is more than `tolerance` times the
        expected absolute payoff difference between the two, as in `best_responses`.

    Returns
    -------
    AdversarialSupremum

    Raises
    ------
    NotSolvedError
        When the answer does not pass its certificate.

    Notes
    -----
    The supremum is attained exactly when on the face of optimal masses every tie can be broken or
    is harmless to the Sender: ties that hold on the whole face must be harmless, which cuts the
    face, and so on until nothing changes.
    Symbols: the concave closure of the lower envelope of v-hat.
    Source: own derivation; ties as in Kamenica & Gentzkow, AER 101(6), 2011, section 2, there
    always in the Sender's favour.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> found = supremum_adversarial(game)
    >>> round(found.value, 9), found.attained
    (0.6, False)
    >>> found.scheme(0.01).posteriors(game).round(3).tolist()
    [[1.0, 0.0], [0.492, 0.508]]
    """
    require_game(game)
    if not (0 < tolerance < 1):
        raise PersuasionError(f"`tolerance` must be between 0 and 1, like 1e-9; got {tolerance}")
    program = AdversarialProgram.of(game, tolerance)
    shares, upper_bound, face = program.optimum(tolerance)
    value = program.worth(shares)
    try:
        attained, reason, best = _attained(program, face, shares, value)
    except NotSolvedError as failure:
        attained, reason, best = None, f"left open by rounding: {failure}", None
    limit, recommendations = program.scheme(shares)
    return AdversarialSupremum(
        game=game,
        value=value,
        upper_bound=upper_bound,
        attained=attained,
        reason=reason,
        actions=tuple(program.actions.tolist()),
        limit=limit,
        recommendations=recommendations,
        _best=best,
        _program=program,
        _shares=shares,
    )


# -- attainment ----------------------------------------------------------------------------


def _attained(
    program: AdversarialProgram, face: Face, shares: FloatArray, value: float
) -> tuple[bool | None, str, SignalingScheme | None]:
    """Decide whether some scheme is worth the supremum, and give it."""
    game = program.problem.game

    def worth_it(scheme: SignalingScheme) -> bool:
        return sender_value(game, scheme, _AGAINST) >= value - NIL * program.spread

    for scheme, name in (
        (SignalingScheme.no_disclosure(game.n_states), "no disclosure"),
        (SignalingScheme.full_disclosure(game.n_states), "full disclosure"),
        (program.scheme(shares)[0], "an optimal scheme"),
    ):
        if worth_it(scheme):
            return True, f"{name} attains it", scheme
    names = game.actions
    harmless: list[int] = []  # pairs that tie in every optimum left and must cost nothing
    points, broken = [shares], set[int]()
    while True:
        middle = np.mean(points, axis=0)
        surplus = program.surplus(middle)
        tied = [
            p
            for p, (i, _) in enumerate(program.pairs)
            if p not in harmless
            and p not in broken
            and middle[:, i].any()
            and surplus[p] <= _CLEAR
            and program.harm(middle, p) > NIL
        ]
        if not tied:
            scheme, _ = program.scheme(middle)
            if worth_it(scheme):
                return True, "an optimal scheme without harmful ties attains it", scheme
            return None, "what is left are ties within rounding", None
        wider, gains = _break_ties(program, face, harmless, tied)
        if gains.max() > _CLEAR:
            points.append(wider)
            broken.update(p for p, gain in zip(tied, gains, strict=True) if gain > _CLEAR)
            continue
        if gains.max() > NIL:
            return None, "some ties can be broken only within rounding", None
        harmless += tied
        point, missing = _make_harmless(program, face, harmless)
        i, b = program.pairs[tied[0]]
        story = f"{names[program.actions[i]]} ties with {names[b]} in every optimal scheme"
        if missing > _CLEAR:
            return False, f"{story}, at a loss to the Sender", None
        if missing > NIL:
            return None, f"{story}, at a loss within rounding", None
        points, broken = [point], set()


def _harm_rows(program: AdversarialProgram, harmless: list[int]) -> FloatArray:
    """Rows <= 0 that say: taking the rival costs the Sender nothing."""
    m, k = len(program.problem.weights), len(program.actions)
    pairs = [program.pairs[p] for p in harmless]
    cases = [(i, d) for i, b in pairs for d in program.alike[b]]
    rows = np.zeros((len(cases), m * k + k))
    for row, (i, d) in zip(rows, cases, strict=True):
        row[i : m * k : k] = program.loss[:, d]
        row[m * k + i] = -1.0
    return rows


def _break_ties(
    program: AdversarialProgram, face: Face, harmless: list[int], tied: list[int]
) -> tuple[FloatArray, FloatArray]:
    """An optimal point with the largest total advantage over the rivals tied, and each of them."""
    held = _harm_rows(program, harmless)
    advantage = program.rows[tied].toarray()
    width, t = advantage.shape[1], len(tied)
    extra = np.zeros((len(held) + t, width + t))
    extra[: len(held), :width] = held
    extra[len(held) :, :width] = advantage
    extra[len(held) :, width:] = np.eye(t)
    x = program.run(np.append(np.zeros(width), -np.ones(t)), face, extra).x
    return program.shares(x), x[width:]


def _make_harmless(
    program: AdversarialProgram, face: Face, harmless: list[int]
) -> tuple[FloatArray, float]:
    """An optimal point where the ties that always hold cost least, and what they cost."""
    rows = _harm_rows(program, harmless)
    extra = np.hstack([rows, -np.ones((len(rows), 1))])
    x = program.run(np.append(np.zeros(rows.shape[1]), 1.0), face, extra).x
    return program.shares(x), float(x[-1])
