"""The finite persuasion game: one Sender, one Receiver, finitely many states and actions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from persuasion.errors import GameError
from persuasion.rationals import (
    FloatArray,
    Numbers,
    as_fractions,
    frozen,
    normalised,
    read_numbers,
    to_jsonable,
)

__all__ = ["AffineScale", "ExactGame", "PersuasionGame"]

_PRIOR_SLACK = 1e-9
_FIELDS = (
    "prior",
    "sender_utility",
    "receiver_utility",
    "receiver_prior",
    "states",
    "actions",
    "name",
    "source",
)


@dataclass(frozen=True)
class ExactGame:
    """The exact rational numbers of a game, as nested tuples of `fractions.Fraction`.

    Attributes
    ----------
    prior, receiver_prior : tuple of Fraction, length n_states
    sender_utility, receiver_utility : tuple of tuple of Fraction, (n_states, n_actions)
    """

    prior: tuple[Fraction, ...]
    receiver_prior: tuple[Fraction, ...]
    sender_utility: tuple[tuple[Fraction, ...], ...]
    receiver_utility: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class AffineScale:
    """The map ``original = low + width * unit`` between two units of one utility."""

    low: float
    width: float

    def to_unit(self, utils: float) -> float:
        """Map from the game's own utils to the unit interval."""
        return (utils - self.low) / self.width

    def from_unit(self, unit: float) -> float:
        """Map from the unit interval to the game's own utils."""
        return self.low + self.width * unit


class PersuasionGame:
    """A finite Bayesian persuasion game.

    Nature draws a state from the prior; the Sender, who committed to a signaling scheme, sends
    a signal; the Receiver updates and takes the action that is best for her.

    Parameters
    ----------
    prior : array-like, shape (n_states,)
        Common prior over states. Floats may miss the sum 1 by up to 1e-9 and are then divided by
        their exact sum; fractions, integers and strings must sum to 1 exactly.
    sender_utility, receiver_utility : array-like, shape (n_states, n_actions)
        Payoffs in utils, ``sender_utility[state, action]``. Floats (a float means its exact
        binary value), integers, `fractions.Fraction` or strings such as ``"7/10"``.
    states, actions : sequence of str, optional
        Labels, one each, without repetition.
    name, source : str, optional
        For display; not part of equality.
    receiver_prior : array-like, shape (n_states,), optional
        A subjective prior of the Receiver: her obedience uses it, the Sender's value uses
        `prior`. Must be positive wherever `prior` is.

    Raises
    ------
    GameError
        When the numbers do not describe a game; the message says what is legal.

    Notes
    -----
    Symbols: prior = mu_0, sender_utility = v(omega, a), receiver_utility = u(omega, a).
    Source: Kamenica & Gentzkow, *Bayesian Persuasion*, AER 101(6), 2011, section 2.
    Departures: states and actions are finite; the Receiver may hold a prior of her own.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame(
    ...     ["7/10", "3/10"],
    ...     [[0, 1], [0, 1]],
    ...     [[1, 0], [0, 1]],
    ...     states=["innocent", "guilty"],
    ...     actions=["acquit", "convict"],
    ...     name="prosecutor",
    ... )
    >>> game
    PersuasionGame('prosecutor', n_states=2, n_actions=2)
    >>> game.prior.tolist()
    [0.7, 0.3]
    """

    prior: FloatArray
    sender_utility: FloatArray
    receiver_utility: FloatArray
    receiver_prior: FloatArray
    has_common_prior: bool
    name: str | None
    source: str | None

    def __init__(
        self,
        prior: Any,
        sender_utility: Any,
        receiver_utility: Any,
        *,
        states: Sequence[Hashable] | None = None,
        actions: Sequence[Hashable] | None = None,
        name: str | None = None,
        source: str | None = None,
        receiver_prior: Any = None,
    ) -> None:
        sender = read_numbers(sender_utility, "sender_utility", 2, GameError)
        receiver = read_numbers(receiver_utility, "receiver_utility", 2, GameError)
        weights = read_numbers(prior, "prior", 1, GameError)
        n_states, n_actions = sender.floats.shape
        if n_states == 0 or n_actions == 0:
            raise GameError(
                "a game needs at least one state and one action; "
                f"`sender_utility` has shape {sender.floats.shape}"
            )
        for given, label in ((receiver, "receiver_utility"), (weights, "prior")):
            legal = sender.floats.shape[: given.floats.ndim]
            if given.floats.shape != legal:
                raise GameError(
                    f"`{label}` has shape {given.floats.shape} but `sender_utility` has "
                    f"{sender.floats.shape}; expected {legal}"
                    + (", indexed [state, action]" if given.floats.ndim == 2 else "")
                    + (
                        ". Utilities are indexed [state, action]; if yours are [action, state], "
                        "pass their transpose"
                        if label == "prior" and given.floats.shape == sender.floats.shape[1:]
                        else ""
                    )
                )
        attributes: dict[str, Any] = {
            "_raw_prior": weights,
            "prior": _check_distribution(weights, "prior"),
            "_sender": sender,
            "sender_utility": sender.floats,
            "_receiver": receiver,
            "receiver_utility": receiver.floats,
            "_states": _check_labels(states, n_states, "states"),
            "_actions": _check_labels(actions, n_actions, "actions"),
            "name": name,
            "source": source,
        }
        if receiver_prior is None:
            attributes["_raw_receiver_prior"] = weights
            attributes["receiver_prior"] = attributes["prior"]
        else:
            own = read_numbers(receiver_prior, "receiver_prior", 1, GameError)
            if own.floats.shape != weights.floats.shape:
                raise GameError(
                    f"`receiver_prior` has shape {own.floats.shape}; expected {(n_states,)}"
                )
            attributes["_raw_receiver_prior"] = own
            attributes["receiver_prior"] = _check_distribution(own, "receiver_prior")
            missing = (attributes["receiver_prior"] == 0) & (attributes["prior"] > 0)
            if missing.any():
                raise GameError(
                    "`receiver_prior` must be positive wherever `prior` is, or Bayes' rule says "
                    f"nothing there; it is 0 at state {int(missing.argmax())}"
                )
        attributes["has_common_prior"] = receiver_prior is None or (
            _exact_distribution(attributes["_raw_receiver_prior"]) == _exact_distribution(weights)
        )
        self.__dict__.update(attributes)

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(
            f"a PersuasionGame is frozen; cannot set {key!r}. "
            "Use with_prior, restrict or build another game"
        )

    def __delattr__(self, key: str) -> None:
        raise AttributeError(f"a PersuasionGame is frozen; cannot delete {key!r}")

    # -- sizes and labels ------------------------------------------------------------------

    @property
    def n_states(self) -> int:
        """Number of states."""
        return int(self.sender_utility.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions of the Receiver."""
        return int(self.sender_utility.shape[1])

    @property
    def states(self) -> tuple[str, ...]:
        """Labels of the states."""
        given: tuple[str, ...] | None = self.__dict__["_states"]
        return given if given is not None else tuple(f"state {i}" for i in range(self.n_states))

    @property
    def actions(self) -> tuple[str, ...]:
        """Labels of the actions."""
        given: tuple[str, ...] | None = self.__dict__["_actions"]
        return given if given is not None else tuple(f"action {i}" for i in range(self.n_actions))

    @cached_property
    def exact(self) -> ExactGame:
        """The game's exact rational numbers."""
        n = self.n_actions

        def rows(table: Numbers) -> tuple[tuple[Fraction, ...], ...]:
            flat = as_fractions(table.floats, table.exact)
            return tuple(flat[i : i + n] for i in range(0, len(flat), n))

        return ExactGame(
            prior=_exact_distribution(self.__dict__["_raw_prior"]),
            receiver_prior=_exact_distribution(self.__dict__["_raw_receiver_prior"]),
            sender_utility=rows(self.__dict__["_sender"]),
            receiver_utility=rows(self.__dict__["_receiver"]),
        )

    @property
    def rounds_receiver_utility(self) -> bool:
        """Whether `receiver_utility` is rounded: some exact payoff of hers is no float."""
        table: Numbers = self.__dict__["_receiver"]
        return table.exact is not None

    # -- other games from this one ---------------------------------------------------------

    def parts(self) -> dict[str, Any]:
        """Return constructor arguments that rebuild this game, exact values kept.

        Returns
        -------
        dict
            Tables are arrays, of `fractions.Fraction` where floats would round;
            ``receiver_prior`` is None under a common prior, labels are None where none were given.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> game = PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
        >>> PersuasionGame(**{**game.parts(), "name": "coin"})
        PersuasionGame('coin', n_states=2, n_actions=2)
        """

        def given(table: Numbers) -> Any:
            if table.exact is None:
                return table.floats
            return np.array(table.exact, dtype=object).reshape(table.floats.shape)

        own = self.__dict__
        return {
            "prior": given(own["_raw_prior"]),
            "sender_utility": given(own["_sender"]),
            "receiver_utility": given(own["_receiver"]),
            "receiver_prior": None if self.has_common_prior else given(own["_raw_receiver_prior"]),
            "states": own["_states"],
            "actions": own["_actions"],
            "name": self.name,
            "source": self.source,
        }

    def with_prior(self, prior: Any, *, receiver_prior: Any = None) -> PersuasionGame:
        """Return the same game under another prior, shape (n_states,).

        A subjective `receiver_prior` is not carried over: give it again where it is meant.
        """
        return PersuasionGame(**{**self.parts(), "prior": prior, "receiver_prior": receiver_prior})

    def restrict(
        self,
        *,
        states: Sequence[int | str] | None = None,
        actions: Sequence[int | str] | None = None,
    ) -> PersuasionGame:
        """Return the game on some of the states and actions, in the order given.

        Parameters
        ----------
        states, actions : sequence of int or str, optional
            Positions or labels to keep. The prior is conditioned on the states kept.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> game = PersuasionGame(["1/2", "1/4", "1/4"], [[0, 1]] * 3, [[1, 0], [0, 1], [0, 2]])
        >>> game.restrict(states=[0, 2]).exact.prior
        (Fraction(2, 3), Fraction(1, 3))
        """
        rows = _positions(states, self.states, "states")
        columns = _positions(actions, self.actions, "actions")
        parts = self.parts()
        for key in ("sender_utility", "receiver_utility"):
            parts[key] = parts[key][np.ix_(rows, columns)]
        if states is not None:
            parts["prior"] = _conditioned(self.exact.prior, rows, "prior")
            if not self.has_common_prior:
                parts["receiver_prior"] = _conditioned(
                    self.exact.receiver_prior, rows, "receiver_prior"
                )
        for key, kept in (("states", rows), ("actions", columns)):
            if parts[key] is not None:
                parts[key] = [parts[key][i] for i in kept]
        return PersuasionGame(**parts)

    @cached_property
    def sender_scale(self) -> AffineScale:
        """The map between `sender_utility` and [0, 1] that `rescaled` applies."""
        return _scale(self.sender_utility)

    @cached_property
    def receiver_scale(self) -> AffineScale:
        """The map between `receiver_utility` and [0, 1] that `rescaled` applies."""
        return _scale(self.receiver_utility)

    def rescaled(self) -> PersuasionGame:
        """Return the game with both utilities mapped affinely onto [0, 1].

        One map for the Sender, one for the Receiver (`sender_scale`, `receiver_scale`); a
        constant utility becomes 0. Optimal schemes are the same; values map through
        `sender_scale`. Computed in fractions where the game was given in fractions.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> game = PersuasionGame([0.5, 0.5], [[0, 4], [-4, 0]], [[1, 0], [0, 3]])
        >>> game.rescaled().sender_utility.tolist()
        [[0.5, 1.0], [0.0, 0.5]]
        """
        parts = self.parts()
        for key, given, scale in (
            ("sender_utility", self.__dict__["_sender"], self.sender_scale),
            ("receiver_utility", self.__dict__["_receiver"], self.receiver_scale),
        ):
            if given.has_floats:
                parts[key] = np.clip((given.floats - scale.low) / scale.width, 0.0, 1.0)
            else:
                flat = as_fractions(given.floats, given.exact)
                low, width = min(flat), (max(flat) - min(flat)) or Fraction(1)
                unit = [(x - low) / width for x in flat]
                parts[key] = np.array(unit, dtype=object).reshape(given.floats.shape)
        return PersuasionGame(**parts)

    # -- other ways to build one -----------------------------------------------------------

    @classmethod
    def from_functions(
        cls,
        prior: Any,
        states: Sequence[Any],
        actions: Sequence[Any],
        sender_utility: Callable[[Any, Any], Any],
        receiver_utility: Callable[[Any, Any], Any],
        **options: Any,
    ) -> PersuasionGame:
        """Build a game from payoff functions of (state, action).

        Parameters
        ----------
        prior : array-like (n_states,) or callable
            Weights, or a function of the state.
        states, actions : sequence
            The values the functions are called with; their `str` becomes the label.
        sender_utility, receiver_utility : callable
            ``f(state, action)``, in utils.
        **options
            `name`, `source`, `receiver_prior` as in the constructor.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> PersuasionGame.from_functions(
        ...     ["1/2", "1/2"],
        ...     [0, 1],
        ...     [0, 1],
        ...     lambda state, action: action,
        ...     lambda state, action: -((state - action) ** 2),
        ... ).receiver_utility.tolist()
        [[0.0, -1.0], [-1.0, 0.0]]
        """
        weights = [prior(w) for w in states] if callable(prior) else prior
        return cls(
            weights,
            [[sender_utility(w, a) for a in actions] for w in states],
            [[receiver_utility(w, a) for a in actions] for w in states],
            states=[str(w) for w in states],
            actions=[str(a) for a in actions],
            **options,
        )

    @classmethod
    def from_table(
        cls,
        prior: Mapping[str, Any],
        rows: Iterable[tuple[str, str, Any, Any]],
        **options: Any,
    ) -> PersuasionGame:
        """Build a game from labelled rows (state, action, sender utility, receiver utility).

        Parameters
        ----------
        prior : mapping of state label to probability
        rows : iterable of tuples
            One row for each pair of a state and an action, in any order.
        **options
            `name`, `source` as in the constructor.

        Examples
        --------
        >>> from persuasion import PersuasionGame
        >>> PersuasionGame.from_table(
        ...     {"rain": "1/4", "sun": "3/4"},
        ...     [
        ...         ("rain", "stay", 0, 1),
        ...         ("rain", "go", 1, 0),
        ...         ("sun", "stay", 0, 0),
        ...         ("sun", "go", 1, 1),
        ...     ],
        ... ).actions
        ('stay', 'go')
        """
        states = list(prior)
        cells: dict[tuple[str, str], tuple[Any, Any]] = {}
        actions: dict[str, None] = {}
        for row in rows:
            try:
                state, action, sender, receiver = row
            except (TypeError, ValueError) as cause:
                raise GameError(
                    "each row must be (state, action, sender utility, receiver utility); "
                    f"got {row!r}"
                ) from cause
            if state not in prior:
                raise GameError(f"row {row!r} names state {state!r}, which `prior` does not list")
            if (state, action) in cells:
                raise GameError(f"two rows for state {state!r} and action {action!r}")
            cells[state, action] = (sender, receiver)
            actions[action] = None
        missing = [(w, a) for w in states for a in actions if (w, a) not in cells]
        if missing:
            raise GameError(f"no row for {missing[0]} ({len(missing)} missing in all)")
        return cls(
            list(prior.values()),
            [[cells[w, a][0] for a in actions] for w in states],
            [[cells[w, a][1] for a in actions] for w in states],
            states=states,
            actions=list(actions),
            **options,
        )

    # -- dictionaries ----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` gives an equal game back."""
        own = self.__dict__
        tables = {
            "prior": own["_raw_prior"],
            "sender_utility": own["_sender"],
            "receiver_utility": own["_receiver"],
        }
        if not self.has_common_prior:
            tables["receiver_prior"] = own["_raw_receiver_prior"]
        out = {key: to_jsonable(table) for key, table in tables.items()}
        for key in ("states", "actions"):
            if own[f"_{key}"] is not None:
                out[key] = list(own[f"_{key}"])
        for key in ("name", "source"):
            if own[key] is not None:
                out[key] = own[key]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PersuasionGame:
        """Build a game from the keys that `to_dict` writes; unknown keys are an error."""
        if not isinstance(data, Mapping):
            raise GameError(f"a game file holds one JSON object; got {type(data).__name__}")
        unknown = [key for key in data if key not in _FIELDS]
        if unknown:
            raise GameError(f"unknown key {unknown[0]!r}; legal keys are {', '.join(_FIELDS)}")
        missing = [key for key in _FIELDS[:3] if key not in data]
        if missing:
            raise GameError(f"key {missing[0]!r} is missing; needed are {', '.join(_FIELDS[:3])}")
        return cls(**data)

    # -- identity --------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PersuasionGame):
            return NotImplemented
        if self is other:
            return True
        if not (
            np.array_equal(self.sender_utility, other.sender_utility)
            and np.array_equal(self.receiver_utility, other.receiver_utility)
            and np.array_equal(self.prior, other.prior)
            and np.array_equal(self.receiver_prior, other.receiver_prior)
            and self.states == other.states
            and self.actions == other.actions
        ):
            return False
        return self.exact == other.exact

    @cached_property
    def _hash(self) -> int:
        tables = (self.prior, self.receiver_prior, self.sender_utility, self.receiver_utility)
        numbers = tuple((table + 0.0).tobytes() for table in tables)  # -0.0 becomes 0.0
        return hash((self.n_states, self.n_actions, numbers, self.states, self.actions))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return (PersuasionGame.from_dict, (self.to_dict(),))

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        own = "" if self.has_common_prior else ", subjective priors"
        return f"PersuasionGame({label}n_states={self.n_states}, n_actions={self.n_actions}{own})"

    def _repr_html_(self) -> str:
        from persuasion.html import game_table

        return game_table(self)


def _check_distribution(weights: Numbers, name: str) -> FloatArray:
    """Check signs and sum; return the normalised floats."""
    floats = weights.floats
    if floats.min() < 0:
        where = int(floats.argmin())
        raise GameError(
            f"`{name}` must not be negative; got {float(floats[where])} at state {where}"
        )
    if not weights.has_floats:
        total = sum(as_fractions(floats, weights.exact))
        if total != 1:
            raise GameError(
                f"`{name}` must sum to 1 exactly (got {total}, shape {floats.shape}); "
                f"if these are weights, divide each by {total}"
            )
        return floats
    sum_of_floats = float(floats.sum())
    if abs(sum_of_floats - 1) > _PRIOR_SLACK:
        raise GameError(
            f"`{name}` must sum to 1 (got {sum_of_floats:.12g}, shape {floats.shape}); "
            f"if these are weights, pass `{name} / {name}.sum()`"
        )
    if weights.exact is not None:
        return frozen(np.array([float(x) for x in _exact_distribution(weights)]))
    return normalised(floats)[0]


def _exact_distribution(weights: Numbers) -> tuple[Fraction, ...]:
    values = as_fractions(weights.floats, weights.exact)
    total = sum(values)
    return values if total == 1 else tuple(x / total for x in values)


def _conditioned(prior: tuple[Fraction, ...], rows: list[int], name: str) -> list[Fraction]:
    kept = [prior[i] for i in rows]
    total = sum(kept)
    if total == 0:
        raise GameError(f"the states kept have probability 0 under `{name}`")
    return [x / total for x in kept]


def _check_labels(
    labels: Sequence[Hashable] | None, count: int, name: str
) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise GameError(f"`{name}` must be a sequence of {count} labels; got {labels!r}")
    out = tuple(str(label) for label in labels)
    if len(out) != count:
        raise GameError(f"`{name}` must hold {count} labels; got {len(out)}")
    if len(set(out)) != count:
        repeated = next(label for label in out if out.count(label) > 1)
        raise GameError(f"`{name}` must not repeat a label; {repeated!r} occurs twice")
    return out


def _positions(chosen: Sequence[int | str] | None, labels: tuple[str, ...], name: str) -> list[int]:
    if chosen is None:
        return list(range(len(labels)))
    out = []
    for item in chosen:
        if isinstance(item, str):
            if item not in labels:
                raise GameError(f"no {name[:-1]} is called {item!r}; legal are {', '.join(labels)}")
            out.append(labels.index(item))
        elif 0 <= int(item) < len(labels):
            out.append(int(item))
        else:
            raise GameError(f"{name[:-1]} {item} does not exist; legal are 0..{len(labels) - 1}")
    if not out or len(set(out)) != len(out):
        raise GameError(f"`{name}` must name at least one, each once; got {list(chosen)!r}")
    return out


def _scale(table: FloatArray) -> AffineScale:
    low, high = float(table.min()), float(table.max())
    return AffineScale(low, (high - low) or 1.0)
