"""Gradient methods on the Advisor's policy: baselines to hold against `solve`.

Plain policy gradient climbs what the Sender gets from a Receiver who answers the policy. With an
exact best responder that surface is made of plateaus and cliffs, so no such method can be sure to
reach the optimum (Theorem 7a in docs/theory.md). Exponentiated gradient on the Sender's utility
minus a penalty for disobedience does reach it, at a known rate (Theorem 7c).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.beliefs import TIE_TOLERANCE
from persuasion.errors import PersuasionError, SchemeError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen
from persuasion.receivers import Bayesian, Quantal, Receiver
from persuasion.scheme import SignalingScheme
from persuasion.slater import SlaterScheme, slater_scheme

__all__ = ["PolicyResult", "exponentiated_gradient", "policy_gradient"]

_CHECKPOINTS = 60


@dataclass(frozen=True, eq=False)
class PolicyResult:
    """Where a gradient method started, where it ended, and what it saw on the way.

    Attributes
    ----------
    game : PersuasionGame
    start : ndarray (n_states, n_signals)
        First policy, ``start[state, signal]``.
    kernel : ndarray (n_states, n_signals)
        The answer: the last policy of `policy_gradient`, the average one of
        `exponentiated_gradient`, whose signals are the actions.
    objective : float
        What was climbed, at `kernel`, in utils of the Sender.
    steps : ndarray of int (n_checkpoints,)
    trace : ndarray (n_checkpoints,)
        The objective after so many steps: of the policy, or of the average so far.
    step_size : float
    penalty : float or None
        Utils of the Sender per util of the Receiver lost by obeying.
    slater : SlaterScheme or None
        What `obedient` mixes in.
    """

    game: PersuasionGame
    start: FloatArray
    kernel: FloatArray
    objective: float
    steps: NDArray[np.int64]
    trace: FloatArray
    step_size: float
    penalty: float | None = None
    slater: SlaterScheme | None = field(default=None, repr=False)

    @property
    def n_steps(self) -> int:
        """Steps taken."""
        return int(self.steps[-1])

    @cached_property
    def scheme(self) -> SignalingScheme:
        """The kernel as a scheme, signals that are never sent left out."""
        labels = self.game.actions if self.penalty is not None else None
        sent = np.flatnonzero(self.kernel.any(axis=0)).tolist()
        names = [f"signal {s}" for s in sent] if labels is None else [labels[s] for s in sent]
        return SignalingScheme(self.kernel[:, sent], signals=names)

    @cached_property
    def violation(self) -> float:
        """Sum over recommendations of the largest gain from disobeying one, in Receiver's utils.

        Joint masses; 0 when every recommendation is obeyed. Only of `exponentiated_gradient`.
        """
        self._recommends()
        return float(np.maximum(_gains(self.game, self.kernel).max(axis=1), 0.0).sum())

    @cached_property
    def obedient(self) -> SignalingScheme:
        """The policy mixed with the Slater scheme just enough to be obeyed.

        With weight ``violation / (violation + d)`` on the latter. Only of
        `exponentiated_gradient`; its signals are the actions used.
        """
        slater = self._recommends()
        worst = float(max(_gains(self.game, self.kernel).max(), 0.0))
        weight = worst / (worst + slater.margin)
        mixed = (1 - weight) * self.kernel + weight * slater.kernel
        sent = np.flatnonzero(mixed.any(axis=0)).tolist()
        return SignalingScheme(mixed[:, sent], signals=[self.game.actions[a] for a in sent])

    def _recommends(self) -> SlaterScheme:
        if self.slater is None:
            raise UnsupportedError(
                "the signals of this policy recommend nothing; "
                "exponentiated_gradient(game, ...) returns recommendations"
            )
        return self.slater

    def __repr__(self) -> str:
        return (
            f"PolicyResult(objective={self.objective:.6g}, n_steps={self.n_steps}, "
            f"n_signals={self.kernel.shape[1]})"
        )


def exponentiated_gradient(
    game: PersuasionGame,
    n_steps: int = 10_000,
    *,
    penalty: float | None = None,
    step_size: float | None = None,
    actions: Iterable[int] | None = None,
) -> PolicyResult:
    """Climb the Sender's utility minus a penalty for disobedience; return the average policy.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior.
    n_steps : int, >= 1
    penalty : float, optional
        Utils of the Sender per util that the Receiver loses by obeying; default twice the
        Sender's range over the Slater margin, from where on no disobedience pays.
    step_size : float, optional
        Of the logits, for utilities scaled to [0, 1]; default ``sqrt(2 ln n / n_steps)`` over 1
        plus the size of the penalty.
    actions : iterable of int, optional
        Actions that may be recommended; default those that are the only best response at some
        belief, as others have no Slater margin.

    Returns
    -------
    PolicyResult

    Raises
    ------
    InfeasibleError
        When the actions have no Slater margin.

    Notes
    -----
    The logits of each state move by `step_size` times the supergradient of ``V - penalty *
    violation`` with respect to the policy in that state, given that state: natural policy gradient
    for a softmax policy. The objective is concave, and with n actions allowed and utilities in
    [0, 1] the average of I policies misses the optimum by ``(1 + penalty) sqrt(2 ln n / I)`` at
    most.
    Symbols: penalty = lambda, step_size = eta, n_steps = I, objective = J_lambda.
    Source: own derivation, Theorem 7c in docs/theory.md; the method is that of Kivinen & Warmuth,
    *Exponentiated gradient versus gradient descent*, Information and Computation 132, 1997.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, sender_value
    >>> from persuasion.policy_gradient import exponentiated_gradient
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> result = exponentiated_gradient(game, 20_000)
    >>> 0.55 < sender_value(game, result.obedient) <= 0.6
    True
    """
    n_steps = _steps(n_steps)
    unit, slater = game.rescaled(), slater_scheme(game, actions)
    sender, receiver = game.sender_scale.width, game.receiver_scale.width
    lam = 2 * receiver / slater.margin if penalty is None else penalty * receiver / sender
    if not math.isfinite(lam):
        raise PersuasionError(f"`penalty` must be a finite number; got {penalty}")
    allowed = list(slater.actions)
    eta = step_size
    if eta is None:
        eta = math.sqrt(2 * math.log(len(allowed)) / n_steps) / (1 + abs(lam))
    elif not (eta > 0 and math.isfinite(eta)):
        raise PersuasionError(f"`step_size` must be positive and finite; got {step_size}")
    prior, v, u = unit.prior[:, None], unit.sender_utility, unit.receiver_utility
    own = v[:, allowed].copy()
    columns = u[:, allowed].copy()
    rows, at = np.arange(len(allowed)), np.array(allowed)
    difference = columns[:, :, None] - u[:, None, :]  # state, recommendation, deviation

    logits = np.zeros(own.shape)
    total = np.zeros(own.shape)
    marks = _checkpoints(n_steps)
    trace: list[float] = []
    for step in range(1, n_steps + 1):
        policy = np.exp(logits - logits.max(axis=1, keepdims=True))
        policy /= policy.sum(axis=1, keepdims=True)
        total += policy
        masses = prior * policy
        gains = masses.T @ u
        gains -= gains[rows, at][:, None]  # what each deviation gains, 0 for obeying
        worst = gains.argmax(axis=1)
        missed = gains[rows, worst] > 0
        logits += eta * (own + lam * missed * difference[:, rows, worst])
        if step == marks[len(trace)]:
            trace.append(_penalised(unit, total / step, allowed, lam))
    kernel = np.zeros(v.shape)
    kernel[:, allowed] = total / n_steps
    kernel /= kernel.sum(axis=1, keepdims=True)
    start = np.zeros(v.shape)
    start[:, allowed] = 1 / len(allowed)
    in_utils = game.sender_scale.low + sender * np.array(trace)
    return PolicyResult(
        game=game,
        start=frozen(start),
        kernel=frozen(kernel),
        objective=float(in_utils[-1]),
        steps=marks,
        trace=frozen(in_utils),
        step_size=float(eta),
        penalty=lam * sender / receiver,
        slater=slater,
    )


def policy_gradient(
    game: PersuasionGame,
    receiver: Receiver | None = None,
    *,
    n_steps: int = 1000,
    step_size: float = 1.0,
    n_signals: int | None = None,
    start: Any = None,
    spread: float = 0.1,
    seed: int = 0,
) -> PolicyResult:
    """Climb what the Sender gets from a Receiver who answers the policy, by its exact gradient.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior.
    receiver : Bayesian or Quantal, optional
        Default `Bayesian()`.
    n_steps : int, >= 1
    step_size : float
        Of the logits, for a Sender's utility scaled to [0, 1].
    n_signals : int, optional
        Default one per action.
    start : array-like (n_states, n_signals), optional
        First policy, every entry positive; default the uniform one with logits moved by normal
        noise, without which all signals would mean the same for ever.
    spread : float, >= 0
        Standard deviation of that noise.
    seed : int

    Returns
    -------
    PolicyResult

    Notes
    -----
    Softmax policy, plain gradient ascent, no sampling. A best responder's answer does not change
    under small moves, so where all posteriors lie in one cell the gradient is zero and the policy
    stays for ever, whatever it is worth (Theorem 7a in docs/theory.md). With a `Quantal` Receiver
    the objective is smooth, and all that is sure is that gradients become small. A baseline, not a
    way to solve games: use `solve`.
    Symbols: objective = J, n_steps = I.

    Examples
    --------
    >>> from persuasion import PersuasionGame, Quantal
    >>> from persuasion.policy_gradient import policy_gradient
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> policy_gradient(game).objective  # a plateau
    0.0
    >>> policy_gradient(game, Quantal(10.0)).objective > 0.4
    True
    """
    n_steps = _steps(n_steps)
    if not game.has_common_prior:
        raise UnsupportedError("gradient methods need a common prior; drop `receiver_prior`")
    receiver = Bayesian() if receiver is None else receiver
    if not isinstance(receiver, (Bayesian, Quantal)):
        raise UnsupportedError(
            f"the gradient is known for Bayesian() and Quantal(beta) only; got {receiver!r}"
        )
    for name, value in (("step_size", step_size), ("spread", spread)):
        if not (value >= 0 and math.isfinite(value)):
            raise PersuasionError(f"`{name}` must be finite and >= 0; got {value}")
    policy = _first_policy(game, n_signals, start, spread, seed)
    unit = game.rescaled()
    beta = 0.0
    if isinstance(receiver, Quantal):
        beta = receiver.beta * game.receiver_scale.width  # the same answers in the scaled game
    climbed = _answered(unit, Quantal(beta) if beta else receiver, beta)
    first, logits = policy, np.log(policy)
    marks = _checkpoints(n_steps)
    trace: list[float] = []
    value, slope = climbed(policy)
    for step in range(1, n_steps + 1):
        inner = (policy * slope).sum(axis=1, keepdims=True)
        logits += step_size * policy * (slope - inner)
        policy = np.exp(logits - logits.max(axis=1, keepdims=True))
        policy /= policy.sum(axis=1, keepdims=True)
        value, slope = climbed(policy)
        if step == marks[len(trace)]:
            trace.append(value)
    in_utils = game.sender_scale.low + game.sender_scale.width * np.array(trace)
    return PolicyResult(
        game=game,
        start=frozen(first),
        kernel=frozen(policy),
        objective=float(in_utils[-1]),
        steps=marks,
        trace=frozen(in_utils),
        step_size=float(step_size),
    )


def _answered(
    game: PersuasionGame, receiver: Receiver, beta: float
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    """Objective and its gradient with respect to the policy, as if entries were independent."""
    prior, v, u = game.prior[:, None], game.sender_utility, game.receiver_utility

    def climbed(policy: FloatArray) -> tuple[float, FloatArray]:
        joint = prior * policy
        weight = joint.sum(axis=0)
        posteriors = (joint / weight).T
        answer = receiver.respond(game, posteriors)  # signal, action
        sums = joint.T @ v  # signal, action: Sender's utility if the action were taken
        slope = v @ answer.T
        if beta:
            tilt = beta * answer * (sums - (answer * sums).sum(axis=1, keepdims=True))
            known = posteriors @ u
            slope = slope + (u @ tilt.T - (tilt * known).sum(axis=1)) / weight
        return float((answer * sums).sum()), prior * slope

    return climbed


def _first_policy(
    game: PersuasionGame, n_signals: int | None, start: Any, spread: float, seed: int
) -> FloatArray:
    if start is None:
        size = game.n_actions if n_signals is None else n_signals
        if isinstance(size, bool) or size != int(size) or size < 1:
            raise PersuasionError(f"`n_signals` must be an integer >= 1; got {n_signals}")
        noise = np.random.default_rng(seed).normal(size=(game.n_states, int(size)))
        weights = np.exp(spread * noise)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
    policy = np.array(start, dtype=np.float64)
    if n_signals is not None and policy.shape[-1:] != (n_signals,):
        raise SchemeError(f"`start` has shape {policy.shape} but `n_signals` is {n_signals}")
    if policy.ndim != 2 or len(policy) != game.n_states or not (policy > 0).all():
        raise SchemeError(
            f"`start` must have {game.n_states} rows and positive entries, as a softmax policy "
            f"has; got shape {policy.shape}"
        )
    if np.abs(policy.sum(axis=1) - 1).max() > TIE_TOLERANCE:
        raise SchemeError("every row of `start` must sum to 1; divide it by its sum")
    return policy


def _gains(game: PersuasionGame, kernel: FloatArray) -> FloatArray:
    """What deviating from a to b gains the Receiver, [a, b], joint masses, in utils."""
    against = (game.prior[:, None] * kernel).T @ game.receiver_utility
    return np.asarray(against - np.diag(against)[:, None])


def _penalised(game: PersuasionGame, policy: FloatArray, allowed: list[int], lam: float) -> float:
    kernel = np.zeros(game.sender_utility.shape)
    kernel[:, allowed] = policy
    value = float((game.prior[:, None] * kernel * game.sender_utility).sum())
    return value - lam * float(np.maximum(_gains(game, kernel).max(axis=1), 0.0).sum())


def _steps(n_steps: int) -> int:
    if isinstance(n_steps, bool) or n_steps != int(n_steps) or n_steps < 1:
        raise PersuasionError(f"`n_steps` must be an integer >= 1; got {n_steps}")
    return int(n_steps)


def _checkpoints(n_steps: int) -> NDArray[np.int64]:
    """Steps at which the objective is kept: geometric, the last among them."""
    marks = np.unique(np.geomspace(1, n_steps, min(_CHECKPOINTS, n_steps)).round().astype(np.int64))
    marks.flags.writeable = False
    return marks
