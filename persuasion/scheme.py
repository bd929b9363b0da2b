"""Signaling schemes: what the Sender commits to before she sees the state."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.errors import SchemeError
from persuasion.rationals import (
    FloatArray,
    Numbers,
    as_fractions,
    frozen,
    read_numbers,
    to_jsonable,
)

if TYPE_CHECKING:
    from persuasion.game import PersuasionGame
    from persuasion.receivers import Receiver

__all__ = ["SignalingScheme"]

_ROW_SLACK = 1e-9


class SignalingScheme:
    """A signaling scheme: for every state, a distribution over signals.

    Parameters
    ----------
    kernel : array-like, shape (n_states, n_signals)
        ``kernel[state, signal]`` = probability of the signal in that state. Float rows may miss
        the sum 1 by up to 1e-9 and are then divided by their sum; exact rows must sum to 1.
    signals : sequence of str, optional
        Labels of the signals.

    Raises
    ------
    SchemeError
        When a row is not a distribution.

    Notes
    -----
    Symbols: kernel = pi(s | omega).
    Source: Kamenica & Gentzkow, AER 101(6), 2011, section 2.
    Departures: none.

    Examples
    --------
    >>> from persuasion import SignalingScheme
    >>> scheme = SignalingScheme([["4/7", "3/7"], [0, 1]], signals=["acquit", "convict"])
    >>> scheme.posteriors([0.7, 0.3]).round(3).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    kernel: FloatArray

    def __init__(self, kernel: Any, *, signals: Sequence[Hashable] | None = None) -> None:
        table = read_numbers(kernel, "kernel", 2, SchemeError)
        floats = table.floats
        if 0 in floats.shape:
            raise SchemeError(
                f"a scheme needs at least one state and one signal; got shape {floats.shape}"
            )
        if floats.min() < 0:
            where = tuple(int(i) for i in np.unravel_index(floats.argmin(), floats.shape))
            raise SchemeError(
                f"`kernel` must not be negative; got {float(floats[where])} at [state, signal] "
                f"{where}"
            )
        if table.has_floats:
            totals = floats.sum(axis=1)
            worst = int(np.abs(totals - 1).argmax())
            if abs(totals[worst] - 1) > _ROW_SLACK:
                raise SchemeError(
                    f"every row of `kernel` must sum to 1; row {worst} sums to "
                    f"{totals[worst]:.12g}. Rows are states: kernel[state, signal]"
                )
            # a row that misses 1 by no more than rounding stays: dividing again would move it again
            rounding = 4 * floats.shape[1] * np.finfo(np.float64).eps
            totals[np.abs(totals - 1) <= rounding] = 1.0
            floats = frozen(floats / totals[:, None])
            table = Numbers(floats, None, True)
        else:
            width = floats.shape[1]
            flat = as_fractions(floats, table.exact)
            for state in range(floats.shape[0]):
                total = sum(flat[state * width : (state + 1) * width])
                if total != 1:
                    raise SchemeError(
                        f"every row of `kernel` must sum to 1 exactly; row {state} sums to {total}"
                    )
        self.__dict__.update(kernel=floats, _table=table, _signals=None)
        if signals is not None:
            labels = tuple(str(label) for label in signals)
            if len(labels) != floats.shape[1] or len(set(labels)) != len(labels):
                raise SchemeError(
                    f"`signals` must hold {floats.shape[1]} different labels; got {labels!r}"
                )
            self.__dict__["_signals"] = labels

    @classmethod
    def unchecked(cls, kernel: FloatArray, signals: tuple[str, ...] | None) -> SignalingScheme:
        """Wrap a kernel whose rows are known to be distributions, without checks or a copy.

        Parameters
        ----------
        kernel : ndarray, shape (n_states, n_signals)
            Made read-only.
        signals : tuple of str or None
        """
        scheme = cls.__new__(cls)
        table = Numbers(frozen(kernel), None, True)
        scheme.__dict__.update(kernel=kernel, _table=table, _signals=signals)
        return scheme

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"a SignalingScheme is frozen; cannot set {key!r}")

    @property
    def n_states(self) -> int:
        """Number of states."""
        return int(self.kernel.shape[0])

    @property
    def n_signals(self) -> int:
        """Number of signals."""
        return int(self.kernel.shape[1])

    @property
    def signals(self) -> tuple[str, ...]:
        """Labels of the signals."""
        given: tuple[str, ...] | None = self.__dict__["_signals"]
        return given if given is not None else tuple(f"signal {i}" for i in range(self.n_signals))

    @cached_property
    def exact_kernel(self) -> tuple[tuple[Fraction, ...], ...]:
        """The kernel in fractions (a float means its binary value), (n_states, n_signals)."""
        table: Numbers = self.__dict__["_table"]
        flat = as_fractions(table.floats, table.exact)
        n = self.n_signals
        return tuple(flat[i : i + n] for i in range(0, len(flat), n))

    # -- what the Receiver makes of it -----------------------------------------------------

    def signal_probabilities(self, prior: Any) -> FloatArray:
        """Probability of each signal under `prior`, shape (n_signals,)."""
        mass: FloatArray = self._prior(prior) @ self.kernel
        return mass

    def posteriors(self, prior: Any) -> FloatArray:
        """Posterior belief after each signal, shape (n_signals, n_states).

        A signal of probability zero gets the prior itself: it is never seen, and any belief
        would be Bayes-plausible.
        """
        weights = self._prior(prior)
        joint = (weights[:, None] * self.kernel).T
        mass = joint.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(mass > 0, joint / mass, weights)

    def plausibility_gap(self, prior: Any) -> float:
        """Largest deviation of the mean posterior from the prior (zero up to rounding)."""
        weights = self._prior(prior)
        mean = self.signal_probabilities(weights) @ self.posteriors(weights)
        return float(np.abs(mean - weights).max())

    def _prior(self, prior: Any) -> FloatArray:
        weights = np.asarray(getattr(prior, "prior", prior), dtype=np.float64)
        if weights.shape != (self.n_states,):
            raise SchemeError(
                f"the prior has shape {weights.shape}, but the scheme has {self.n_states} states"
            )
        return weights

    # -- other schemes from this one -------------------------------------------------------

    def garble(
        self, garbling: Any, *, signals: Sequence[Hashable] | None = None
    ) -> SignalingScheme:
        """Pass every signal through a noisy channel.

        Parameters
        ----------
        garbling : array-like, shape (n_signals, n_new_signals)
            Row-stochastic; ``garbling[signal, new_signal]``.
        """
        channel = SignalingScheme(garbling)
        if channel.n_states != self.n_signals:
            raise SchemeError(
                f"`garbling` has {channel.n_states} rows; expected one per signal, {self.n_signals}"
            )
        return SignalingScheme(self.kernel @ channel.kernel, signals=signals)

    def combine(self, other: SignalingScheme) -> SignalingScheme:
        """Send this signal and, independently given the state, the other's too.

        The new signal (i, j) stands at position ``i * other.n_signals + j``.
        """
        if other.n_states != self.n_states:
            raise SchemeError(f"the other scheme has {other.n_states} states, not {self.n_states}")
        product = self.kernel[:, :, None] * other.kernel[:, None, :]
        return SignalingScheme(
            product.reshape(self.n_states, -1),
            signals=[f"{a} & {b}" for a in self.signals for b in other.signals],
        )

    def merge(
        self, groups: Iterable[int], *, signals: Sequence[Hashable] | None = None
    ) -> SignalingScheme:
        """Merge signals: signal i becomes signal ``groups[i]`` (numbered from 0 without gaps).

        Examples
        --------
        >>> from persuasion import SignalingScheme
        >>> SignalingScheme.full_disclosure(3).merge([0, 1, 1]).kernel.tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
        """
        target = np.asarray(list(groups), dtype=np.intp)
        if target.shape != (self.n_signals,) or set(target.tolist()) != set(
            range(target.max() + 1)
        ):
            raise SchemeError(
                f"`groups` must give each of the {self.n_signals} signals a group, numbered from 0 "
                f"without gaps; got {target.tolist()}"
            )
        return self.garble(np.eye(int(target.max()) + 1)[target], signals=signals)

    def merge_by_action(
        self, game: PersuasionGame, receiver: Receiver | None = None
    ) -> SignalingScheme:
        """Merge the signals after which the Receiver takes the same action.

        Parameters
        ----------
        game : PersuasionGame
        receiver : Receiver, optional
            Default `Bayesian()`, who obeys the merged signals as before: the revelation principle.

        Returns
        -------
        SignalingScheme
            Its signals are the labels of the actions taken, in the order of the game.

        Raises
        ------
        SchemeError
            When the Receiver mixes.

        Notes
        -----
        Source: Kamenica & Gentzkow, AER 101(6), 2011, Proposition 1.

        Examples
        --------
        >>> from persuasion import PersuasionGame, SignalingScheme
        >>> game = PersuasionGame([0.4, 0.3, 0.3], [[0, 1]] * 3, [[1, 0], [1, 0], [0, 1]])
        >>> merged = SignalingScheme.full_disclosure(3).merge_by_action(game)
        >>> merged.kernel.tolist(), merged.signals
        ([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], ('action 0', 'action 1'))
        """
        from persuasion.receivers import Bayesian

        played = (receiver or Bayesian()).respond(game, self.posteriors(game.receiver_prior))
        if not (played.max(axis=1) == 1.0).all():
            raise SchemeError(
                f"{receiver!r} mixes between actions, so signals induce none to merge by"
            )
        taken, groups = np.unique(played.argmax(axis=1), return_inverse=True)
        return self.merge(groups.tolist(), signals=[game.actions[a] for a in taken])

    # -- standard schemes ------------------------------------------------------------------

    @classmethod
    def no_disclosure(cls, n_states: int) -> SignalingScheme:
        """One signal, sent always: the Receiver keeps her prior."""
        return cls(np.ones((n_states, 1), dtype=np.int64))

    @classmethod
    def full_disclosure(cls, n_states: int) -> SignalingScheme:
        """One signal per state: the Receiver learns the state."""
        return cls(np.eye(n_states, dtype=np.int64))

    @classmethod
    def from_posteriors(
        cls, prior: Any, weights: Any, posteriors: Any, *, signals: Sequence[Hashable] | None = None
    ) -> SignalingScheme:
        """Build the scheme that splits `prior` into `posteriors` with `weights`.

        Parameters
        ----------
        prior : array-like, shape (n_states,)
        weights : array-like, shape (n_signals,)
            Probability of each posterior.
        posteriors : array-like, shape (n_signals, n_states)
            Each row a belief; ``weights @ posteriors`` must equal `prior` within 1e-9.

        Notes
        -----
        In states of prior probability zero signals are sent with `weights`.
        Source: Aumann & Maschler (splitting lemma); Kamenica & Gentzkow 2011, Proposition 1.

        Examples
        --------
        >>> from persuasion import SignalingScheme
        >>> SignalingScheme.from_posteriors(
        ...     [0.5, 0.5], [0.5, 0.5], [[1, 0], [0, 1]]
        ... ).kernel.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        start = read_numbers(prior, "prior", 1, SchemeError).floats
        mass = read_numbers(weights, "weights", 1, SchemeError).floats
        beliefs = read_numbers(posteriors, "posteriors", 2, SchemeError).floats
        if beliefs.shape != (mass.size, start.size):
            raise SchemeError(
                f"`posteriors` has shape {beliefs.shape}; expected {(mass.size, start.size)}, "
                "indexed [signal, state]"
            )
        if mass.min() < 0 or beliefs.min() < 0:
            raise SchemeError("`weights` and `posteriors` must not be negative")
        gap = float(np.abs(mass @ beliefs - start).max())
        if gap > _ROW_SLACK:
            raise SchemeError(
                f"the posteriors are not Bayes-plausible: their mean misses the prior by {gap:.3g}"
            )
        joint = (mass[:, None] * beliefs).T
        totals = joint.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            kernel = np.where(totals > 0, joint / totals, mass / mass.sum())
        return cls(kernel, signals=signals)

    # -- dictionaries and identity ---------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary with keys ``kernel`` and ``signals``."""
        table: Numbers = self.__dict__["_table"]
        out: dict[str, Any] = {"kernel": to_jsonable(table)}
        if self.__dict__["_signals"] is not None:
            out["signals"] = list(self.signals)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SignalingScheme:
        """Build a scheme from the keys that `to_dict` writes; unknown keys are an error."""
        if not isinstance(data, Mapping) or "kernel" not in data:
            raise SchemeError('a scheme file holds one JSON object with the key "kernel"')
        unknown = [key for key in data if key not in ("kernel", "signals")]
        if unknown:
            raise SchemeError(f"unknown key {unknown[0]!r}; legal keys are kernel, signals")
        return cls(data["kernel"], signals=data.get("signals"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SignalingScheme):
            return NotImplemented
        return (
            np.array_equal(self.kernel, other.kernel)
            and self.signals == other.signals
            and self.exact_kernel == other.exact_kernel
        )

    def __hash__(self) -> int:
        return hash((self.kernel.shape, (self.kernel + 0.0).tobytes(), self.signals))

    def __reduce__(self) -> tuple[Any, ...]:
        return (SignalingScheme.from_dict, (self.to_dict(),))

    def __repr__(self) -> str:
        return f"SignalingScheme(n_states={self.n_states}, n_signals={self.n_signals})"

    def _repr_html_(self) -> str:
        from persuasion.html import scheme_table

        return scheme_table(self)
