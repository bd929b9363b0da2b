"""Sets of priors around an estimate, and the worst prior in them in closed form.

Whoever has only an estimate of the prior can ask for what holds at every prior of a set

    { mu in the simplex : sum_w |mu(w) - center(w)| <= radius,  lower <= mu <= upper }.

The least mean of z over it needs no linear program: mass moves from the states of the largest z
(down to `lower`) to those of the smallest (up to `upper`), at most half the radius in total,
because each moved unit counts twice in the L1 norm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from persuasion.cell_limits import binomial_limits
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray, frozen, normalised, read_numbers

__all__ = [
    "AmbiguitySet",
    "RadiusForm",
    "box",
    "clopper_pearson",
    "intersection",
    "l1_ball",
    "l1_radius",
]

RadiusForm = Literal["sum", "mcdiarmid", "product", "min"]

_SLACK = 1e-9
"""By how much a center may miss the sum 1 or a bound before it is refused."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class AmbiguitySet:
    """All priors within an L1 distance of an estimate and within bounds for each state.

    Parameters
    ----------
    center : array-like, shape (n_states,)
        The estimate, itself a member of the set. Floats may miss the sum 1 by up to 1e-9.
    radius : float, >= 0
        Largest L1 distance, twice the total variation distance; 2 or more is no restriction.
    lower, upper : array-like, shape (n_states,), optional
        Bounds for each probability; default 0 and 1.

    Raises
    ------
    PersuasionError
        When `center` is no distribution or violates the bounds.

    Notes
    -----
    Symbols: center = g, radius = e, the set without bounds = B(g, e).
    Departures: always intersected with the simplex.

    Examples
    --------
    >>> from persuasion.ambiguity import l1_ball
    >>> ball = l1_ball([0.5, 0.3, 0.2], radius=0.4)
    >>> value, prior = ball.worst_case([1.0, 0.0, -1.0])
    >>> round(float(value), 12), prior.round(12).tolist()
    (-0.1, [0.3, 0.3, 0.4])
    """

    center: FloatArray
    radius: float
    lower: FloatArray
    upper: FloatArray

    def __init__(
        self, center: Any, radius: float = 2.0, lower: Any = None, upper: Any = None
    ) -> None:
        estimate = _distribution(center)
        if not radius >= 0:
            raise PersuasionError(
                f"`radius` must be an L1 distance, 0 or more (2 is no restriction); got {radius}"
            )
        least = _bounds(lower, "lower", np.zeros_like(estimate))
        most = _bounds(upper, "upper", np.ones_like(estimate))
        outside = np.maximum(least - estimate, estimate - most)
        worst = int(outside.argmax())
        if outside[worst] > _SLACK:
            raise PersuasionError(
                f"`center` must satisfy the bounds; at state {worst} it is {estimate[worst]}, "
                f"outside [{least[worst]}, {most[worst]}]. Give a center that is a member of "
                "the set, such as the empirical frequencies"
            )
        self.__dict__.update(
            center=estimate,
            radius=min(float(radius), 2.0),
            lower=frozen(np.minimum(least, estimate)),
            upper=frozen(np.maximum(most, estimate)),
        )

    @property
    def n_states(self) -> int:
        """Number of states."""
        return int(self.center.size)

    @cached_property
    def highest(self) -> FloatArray:
        """Largest probability that a prior of the set gives each state, shape (n_states,)."""
        gives = self.center - self.lower
        room = np.minimum(self.upper - self.center, gives.sum() - gives)
        return frozen(self.center + np.minimum(room, self.radius / 2))

    @property
    def is_simplex(self) -> bool:
        """Whether every prior is a member, up to rounding."""
        return bool(self.highest.min() >= 1.0 - 1e-15)

    def contains(self, prior: Any, *, tolerance: float = 1e-12) -> bool:
        """Whether `prior`, shape (n_states,), is a member up to `tolerance` in each condition.

        Examples
        --------
        >>> from persuasion.ambiguity import l1_ball
        >>> ball = l1_ball([0.5, 0.5], 0.2)
        >>> ball.contains([0.6, 0.4]), ball.contains([0.61, 0.39]), ball.contains([0.6, 0.5])
        (True, False, False)
        """
        mu = np.asarray(prior, dtype=np.float64)
        if mu.shape != self.center.shape:
            raise PersuasionError(f"`prior` has shape {mu.shape}; expected {self.center.shape}")
        return bool(
            abs(mu.sum() - 1) <= tolerance
            and np.abs(mu - self.center).sum() <= self.radius + tolerance
            and (mu >= self.lower - tolerance).all()
            and (mu <= self.upper + tolerance).all()
        )

    def worst_case(self, z: Any, *, ties: Any = None) -> tuple[FloatArray, FloatArray]:
        """Least mean of `z` over the set, and a prior that attains it.

        Parameters
        ----------
        z : array-like, shape (n_states,) or (k, n_states)
            One function of the state, or k of them.
        ties : array-like, shape of z, optional
            Second criterion: among priors that attain the minimum, take from states of large
            `ties` and give to states of small ones. Default the order of the states.

        Returns
        -------
        value : ndarray, shape () or (k,)
            ``min over mu of sum_w mu(w) z(w)``, the mean of z under `prior`.
        prior : ndarray, shape of z
            Extreme points of the set.

        Examples
        --------
        >>> from persuasion.ambiguity import box
        >>> members = box([0.4, 0.1, 0.1], [0.6, 0.4, 0.3], center=[0.5, 0.3, 0.2])
        >>> members.worst_case([[1, 0, 0], [0, 0, 1]])[0].round(12).tolist()
        [0.4, 0.1]
        """
        table = np.asarray(z, dtype=np.float64)
        if table.ndim not in (1, 2) or table.shape[-1] != self.n_states:
            raise PersuasionError(
                f"`z` must have shape ({self.n_states},) or (k, {self.n_states}); got {table.shape}"
            )
        if table.ndim == 1:
            second = None if ties is None else np.asarray(ties)[None]
            value, prior = self.worst_case(table[None], ties=second)
            return value[0], prior[0]
        if self.n_states == 1 or len(table) == 0:
            return table.sum(axis=1), np.ones_like(table)
        # receivers of mass stand first, givers last
        order = table.argsort(axis=1) if ties is None else np.lexsort((ties, table), axis=1)
        room = (self.upper - self.center)[order]
        gives = (self.center - self.lower)[order]
        received = room.cumsum(axis=1)
        given = gives[:, ::-1].cumsum(axis=1)[:, ::-1]
        # mass moves while some receiver stands before some giver with anything left
        moved = np.minimum(received[:, :-1], given[:, 1:]).max(axis=1)
        moved = np.minimum(moved, self.radius / 2)[:, None]
        change = np.clip(moved - (received - room), 0.0, room)
        change -= np.clip(moved - (given - gives), 0.0, gives)
        prior = np.empty_like(table)
        prior[np.arange(len(table))[:, None], order] = self.center[order] + change
        return np.einsum("kw,kw->k", prior, table), prior

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` gives the same set back."""
        return {
            "center": self.center.tolist(),
            "radius": self.radius,
            "lower": self.lower.tolist(),
            "upper": self.upper.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AmbiguitySet:
        """Build a set from the keys that `to_dict` writes; unknown keys are an error."""
        if not isinstance(data, Mapping) or "center" not in data:
            raise PersuasionError('an ambiguity set is a mapping with the key "center"')
        legal = ("center", "radius", "lower", "upper")
        unknown = [key for key in data if key not in legal]
        if unknown:
            raise PersuasionError(f"unknown key {unknown[0]!r}; legal keys are {', '.join(legal)}")
        return cls(**data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AmbiguitySet):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.center.tobytes(), self.radius))

    def __repr__(self) -> str:
        bounded = self.lower.any() or (self.upper < 1).any()
        bounds = ", with bounds" if bounded else ""
        return f"AmbiguitySet(n_states={self.n_states}, radius={self.radius:.6g}{bounds})"


def l1_ball(center: Any, radius: float) -> AmbiguitySet:
    """All priors within L1 distance `radius` of `center`; see `AmbiguitySet`."""
    return AmbiguitySet(center, radius)


def box(lower: Any, upper: Any, center: Any) -> AmbiguitySet:
    """All priors with ``lower <= mu <= upper``, of which `center` is one; see `AmbiguitySet`."""
    return AmbiguitySet(center, 2.0, lower, upper)


def intersection(first: AmbiguitySet, second: AmbiguitySet) -> AmbiguitySet:
    """Priors in both of two sets around the same center.

    Raises
    ------
    PersuasionError
        When the centers differ by more than 1e-9: the worst case of the common part of two balls
        has no closed form here.

    Examples
    --------
    >>> from persuasion.ambiguity import box, intersection, l1_ball
    >>> both = intersection(
    ...     l1_ball([0.5, 0.5], 0.6), box([0.3, 0.1], [0.9, 0.7], center=[0.5, 0.5])
    ... )
    >>> both.worst_case([[1, 0], [0, 1]])[0].round(12).tolist()
    [0.3, 0.2]
    """
    if (
        first.n_states != second.n_states
        or np.abs(first.center - second.center).max(initial=0.0) > _SLACK
    ):
        raise PersuasionError(
            "two sets can be intersected when they have the same center; got "
            f"{first.center.tolist()} and {second.center.tolist()}"
        )
    return AmbiguitySet(
        first.center,
        min(first.radius, second.radius),
        np.maximum(first.lower, second.lower),
        np.minimum(first.upper, second.upper),
    )


def l1_radius(n_samples: int, n_states: int, delta: float, *, form: RadiusForm = "sum") -> float:
    """Radius within which the empirical frequencies lie of the prior, except with chance `delta`.

    Parameters
    ----------
    n_samples : int, >= 0
        Independent draws of the state; 0 gives the radius 2 of the whole simplex.
    n_states : int, >= 1
    delta : float in (0, 1)
        Failure probability.
    form : {"sum", "mcdiarmid", "product", "min"}
        ``sum``: sqrt(2 (ln(2^m - 2) + ln(1/delta)) / n); ``mcdiarmid``: sqrt((m - 1) / n) +
        sqrt(2 ln(1/delta) / n), better when m exceeds about 54 ln(1/delta); ``product``:
        sqrt(m / n) (1 + sqrt(ln(1/delta))), never better; ``min``: the lesser of the first two.

    Returns
    -------
    float
        L1 distance, at most 2.

    Notes
    -----
    Symbols: n_samples = n, n_states = m, the radius = e_n(delta).
    Source: Weissman, Ordentlich, Seroussi, Verdu & Weinberger, *Inequalities for the L1 deviation
    of the empirical distribution*, HP Labs HPL-2003-97, 2003 (sum); McDiarmid's inequality.
    Departures: none.

    Examples
    --------
    >>> from persuasion.ambiguity import l1_radius
    >>> round(l1_radius(10_000, 5, 0.05), 4), l1_radius(0, 5, 0.05)
    (0.0358, 2.0)
    """
    if form not in get_args(RadiusForm):
        raise PersuasionError(f"`form` must be one of {get_args(RadiusForm)}; got {form!r}")
    _check_delta(delta)
    if n_samples < 0 or n_states < 1:
        raise PersuasionError(
            "`n_samples` must be 0 or more and `n_states` 1 or more; "
            f"got {n_samples} and {n_states}"
        )
    if n_states == 1:
        return 0.0
    if n_samples == 0:
        return 2.0
    n, m, log = float(n_samples), n_states, math.log(1 / delta)
    subsets = m * math.log(2) + math.log1p(-(2.0 ** (1 - m)))  # ln(2^m - 2), any m
    by_sum = math.sqrt(2 * (subsets + log) / n)
    by_mcdiarmid = math.sqrt((m - 1) / n) + math.sqrt(2 * log / n)
    radius = {
        "sum": by_sum,
        "mcdiarmid": by_mcdiarmid,
        "product": math.sqrt(m / n) * (1 + math.sqrt(log)),
        "min": min(by_sum, by_mcdiarmid),
    }[form]
    return min(2.0, radius)


def clopper_pearson(counts: Any, delta: float) -> AmbiguitySet:
    """Box that holds the prior except with chance `delta`, around the empirical frequencies.

    Parameters
    ----------
    counts : array-like of int, shape (n_states,)
        How often each state was drawn. All zero gives the whole simplex around the uniform prior.
    delta : float in (0, 1)
        Failure probability: each side of each of the m intervals gets ``delta / (2 m)``.

    Notes
    -----
    Source: Clopper & Pearson, *The use of confidence or fiducial limits illustrated in the case of
    the binomial*, Biometrika 26, 1934; union bound over states.
    Departures: none.

    Examples
    --------
    >>> from persuasion.ambiguity import clopper_pearson
    >>> members = clopper_pearson([0, 10], 0.1)
    >>> members.lower.round(4).tolist(), members.upper.round(4).tolist()
    ([0.0, 0.6915], [0.3085, 1.0])
    """
    _check_delta(delta)
    k = read_numbers(counts, "counts", 1, PersuasionError).floats
    if k.size == 0 or k.min() < 0 or (k != np.floor(k)).any():
        raise PersuasionError(f"`counts` must be whole numbers, 0 or more; got {k.tolist()}")
    n, tail = float(k.sum()), delta / (2 * k.size)
    if n == 0:
        return AmbiguitySet(np.full(k.size, 1 / k.size))
    lower, upper = binomial_limits(k, n, tail)
    return AmbiguitySet(k / n, 2.0, lower, upper)


def _distribution(weights: Any) -> FloatArray:
    center = read_numbers(weights, "center", 1, PersuasionError).floats
    if center.size == 0 or center.min() < 0 or abs(float(center.sum()) - 1) > _SLACK:
        raise PersuasionError(
            f"`center` must be a distribution over states; got {center.tolist()} with sum "
            f"{float(center.sum()):.12g}. If these are weights, divide them by their sum"
        )
    return frozen(normalised(center)[0])


def _bounds(given: Any, name: str, default: FloatArray) -> FloatArray:
    if given is None:
        return default
    bounds = np.clip(read_numbers(given, name, 1, PersuasionError).floats, 0.0, 1.0)
    if bounds.shape != default.shape:
        raise PersuasionError(f"`{name}` has shape {bounds.shape}; expected {default.shape}")
    return bounds


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise PersuasionError(f"`delta` must lie between 0 and 1; got {delta}")
