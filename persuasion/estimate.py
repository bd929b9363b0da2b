"""A persuasion game measured from samples, with a confidence limit for each cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from persuasion.ambiguity import l1_radius
from persuasion.calling import called_like
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.game import AffineScale, PersuasionGame
from persuasion.margin_rules import (
    MARGIN_GRID,
    BootstrapMargins,
    bootstrap_margins,
    solve_with_margin,
)
from persuasion.rationals import FloatArray
from persuasion.results import Solution
from persuasion.samples import UNIT, IntArray, MeasuredTable, common_counts, read_counts

__all__ = ["EstimatedGame", "MarginRule", "estimate"]

MarginRule = Literal["theorem_6", "bootstrap", "root"]
Utility = Literal["sender", "receiver"]
_ROOT_LIMITS = (0.01, 0.05)


@dataclass(frozen=True, eq=False)
class EstimatedGame:
    """A game whose utilities are means of samples; `estimate` builds one.

    Attributes
    ----------
    game : PersuasionGame
        The means, under the prior given (or the empirical one).
    sender_lower, sender_upper, receiver_lower, receiver_upper : ndarray (n_states, n_actions)
        Limits of each cell, each by itself at `confidence`; equal to the cell where a utility was
        given, not sampled.
    counts : ndarray of int (n_states, n_actions)
        Samples of each cell.
    confidence : float
    sender_range, receiver_range : (float, float)
        Declared smallest and largest possible sample.
    sender_samples, receiver_samples : ndarray (n_samples, n_states, n_actions) or None
        NaN where a cell was not sampled; None for a utility that was given.
    prior_counts : ndarray of int (n_states,) or None
        Draws behind an estimated prior.

    Notes
    -----
    Symbols: game = (uh, vh), smallest count = N, n_states = m, n_actions = n.
    """

    game: PersuasionGame
    sender_lower: FloatArray
    sender_upper: FloatArray
    receiver_lower: FloatArray
    receiver_upper: FloatArray
    counts: IntArray
    confidence: float
    sender_range: tuple[float, float] = UNIT
    receiver_range: tuple[float, float] = UNIT
    sender_samples: FloatArray | None = field(default=None, repr=False)
    receiver_samples: FloatArray | None = field(default=None, repr=False)
    prior_counts: IntArray | None = None

    # -- how far off the means can be ------------------------------------------------------

    @property
    def smallest_count(self) -> int:
        """Samples of the cell that has fewest, N."""
        return int(self.counts.min())

    @property
    def n_samples(self) -> int:
        """Rounds of sampling, most of which may have left cells out."""
        table = self.sender_samples if self.receiver_samples is None else self.receiver_samples
        assert table is not None
        return len(table)

    def half_width(self, failure: float = 0.05, *, utility: Utility = "receiver") -> float:
        """Distance within which *all* cells of both tables lie of the truth at once, in utils.

        Parameters
        ----------
        failure : float in (0, 1)
            Probability that some cell does not.
        utility : {"sender", "receiver"}
            In whose utils; 0 for a utility that was given.

        Notes
        -----
        ``width * sqrt(ln(4 m n / failure) / (2 N))``: Hoeffding's inequality for m n cells of two
        tables, two sides each. `sender_lower` and the others are shorter: they speak of one cell.
        Symbols: the result = bt (of width 1).
        """
        _check_probability(failure, "failure")
        if utility not in get_args(Utility):
            raise PersuasionError(f"`utility` must be one of {get_args(Utility)}; got {utility!r}")
        samples = self.sender_samples if utility == "sender" else self.receiver_samples
        if samples is None:
            return 0.0
        cells = self.game.n_states * self.game.n_actions
        deviation = math.sqrt(math.log(4 * cells / failure) / (2 * self.smallest_count))
        return self._scale(utility).width * deviation

    def prior_radius(self, failure: float = 0.05) -> float:
        """L1 radius around the empirical prior that misses the true one with chance `failure`.

        0 where the prior was given. See `persuasion.ambiguity.l1_radius`.
        """
        if self.prior_counts is None:
            _check_probability(failure, "failure")
            return 0.0
        return l1_radius(int(self.prior_counts.sum()), self.game.n_states, failure)

    def epsilon(
        self,
        failure: float = 0.05,
        *,
        slater_margin: float,
        optimum: float | None = None,
        receiver_error: float = 0.0,
        prior_failure: float = 0.05,
        receiver_spread: float | None = None,
    ) -> float:
        """What the plug-in with margin ``margin("theorem_6")`` loses at most, in Sender's utils.

        Parameters
        ----------
        failure : float in (0, 1)
            Probability that the utilities are off by more than `half_width`.
        slater_margin : float
            A margin d of the *true* game, in utils of the Receiver: some complete scheme has
            ``sum_w x_a (u_a - u_b) >= d`` for every recommendation a that an optimal scheme uses,
            and ``>= d sum_w x_a`` for every other. Not known from samples.
        optimum : float, optional
            The true optimum; default the upper end of the Sender's range.
        receiver_error : float
            Loss up to which the Receiver may fail to best-respond, in her utils.
        prior_failure : float in (0, 1)
            The same as `failure` for an estimated prior; the two probabilities add up.
        receiver_spread : float, optional
            With an estimated prior: half of the largest sum of ``max_w (u_a - u_b)+`` and
            ``max_w (u_b - u_a)+`` over a and b; default its largest possible value.

        Returns
        -------
        float
            Never more than ``optimum`` minus the lower end of the range, which is all that can be
            lost, and equal to it where the samples are too few for the theorem.

        Notes
        -----
        With both ranges [0, 1] and a given prior, ``2 bt + 4 bt OPT / d`` if ``4 bt <= d``; with a
        Receiver who errs by alpha, ``4 bt + alpha`` replaces ``4 bt``. With an estimated prior of
        radius e and spread r, ``2 bt + e + (4 bt + 2 r e) OPT / d`` if ``4 bt + 2 r e <= d``,
        for the scheme that has its margin at every prior of the ball, and with a d whose unused
        recommendations have it in each state by itself. Where one utility was given, its own bt
        is 0.
        Symbols: slater_margin = d, optimum = OPT, receiver_error = alpha, receiver_spread = r.
        Source: own derivation, Theorem 6 in docs/theory.md.

        Examples
        --------
        >>> import numpy as np
        >>> from persuasion import estimate
        >>> hits = np.random.default_rng(0).random((20_000, 2, 2)) < [[0.9, 0.1], [0.2, 0.8]]
        >>> measured = estimate([[0, 1], [0, 1]], hits, [0.7, 0.3])
        >>> round(measured.epsilon(slater_margin=0.2, optimum=0.7), 3)
        0.168
        """
        sender, receiver = self._scale("sender"), self._scale("receiver")
        if not slater_margin > 0:
            raise PersuasionError(
                f"`slater_margin` must be positive, or nothing can be said; got {slater_margin}"
            )
        best = 1.0 if optimum is None else sender.to_unit(optimum)
        if not 0 <= best <= 1:
            raise PersuasionError(
                f"`optimum` must lie in the Sender's range {self.sender_range}; got {optimum}"
            )
        _check_error(receiver_error)
        spread = receiver.width if receiver_spread is None else receiver_spread
        radius = self.prior_radius(prior_failure)
        needed = 4 * self.half_width(failure) + receiver_error + 2 * spread * radius
        if needed > slater_margin:
            return best * sender.width
        off = 2 * self.half_width(failure, utility="sender") / sender.width + radius
        return min(best, off + needed * best / slater_margin) * sender.width

    # -- margins ---------------------------------------------------------------------------

    def margin(
        self,
        rule: MarginRule = "theorem_6",
        *,
        failure: float = 0.05,
        receiver_error: float = 0.0,
        n_resamples: int = 50,
        grid: Sequence[float] | None = None,
        seed: int = 0,
    ) -> float:
        """Obedience margin to solve with, in utils of the Receiver, as ``solve(margin=)`` takes it.

        Parameters
        ----------
        rule : {"theorem_6", "bootstrap", "root"}
            "theorem_6": twice `half_width`; obedience then holds in the true game except with
            probability `failure`. Safe, and large when samples are few.
            "bootstrap": the margin that does best when the samples are drawn again from
            themselves, see `bootstrap`; a guess without guarantee.
            "root": 0.1 / sqrt(N) within [0.01, 0.05] of the Receiver's range; a rule of thumb that
            did well in games measured from language models.
        failure : float in (0, 1)
            For "theorem_6".
        receiver_error : float
            For "theorem_6": added, for a Receiver who may forgo that much.
        n_resamples, grid, seed
            For "bootstrap".
        """
        if rule not in get_args(MarginRule):
            raise PersuasionError(f"`rule` must be one of {get_args(MarginRule)}; got {rule!r}")
        _check_error(receiver_error)
        if rule == "theorem_6":
            return 2 * self.half_width(failure) + receiver_error
        if rule == "bootstrap":
            return self.bootstrap(n_resamples=n_resamples, grid=grid, seed=seed).best
        low, high = _ROOT_LIMITS
        share = min(max(0.1 / math.sqrt(self.smallest_count), low), high)
        return share * self._scale("receiver").width

    def bootstrap(
        self, *, n_resamples: int = 50, grid: Sequence[float] | None = None, seed: int = 0
    ) -> BootstrapMargins:
        """Measure again on paper and say what each margin would have been worth.

        Parameters
        ----------
        n_resamples : int, >= 1
        grid : sequence of float, optional
            Margins to compare, in utils of the Receiver; default
            `persuasion.margin_rules.MARGIN_GRID` times the width of her range.
        seed : int

        Notes
        -----
        A resample draws `n_samples` rounds with replacement, each with all its cells and both
        utilities, so that what belongs to one input stays together. A cell that no drawn round
        sampled keeps its mean over all samples. Its optimal scheme with each margin is then played
        in the game of all samples, as `persuasion.margin_rules.bootstrap_margins` says.
        """
        if isinstance(n_resamples, bool) or n_resamples != int(n_resamples) or n_resamples < 1:
            raise PersuasionError(f"`n_resamples` must be an integer >= 1; got {n_resamples}")
        margins = grid
        if margins is None:
            margins = [self._scale("receiver").width * share for share in MARGIN_GRID]
        return bootstrap_margins(self.game, self._resamples(int(n_resamples), seed), margins)

    def _resamples(self, n_resamples: int, seed: int) -> Iterator[PersuasionGame]:
        n, shape = self.n_samples, self.counts.shape
        rng = np.random.default_rng(seed)
        parts = self.game.parts()
        tables = {
            key: (np.nan_to_num(samples).reshape(n, -1), ~np.isnan(samples).reshape(n, -1))
            for key, samples in (
                ("sender_utility", self.sender_samples),
                ("receiver_utility", self.receiver_samples),
            )
            if samples is not None
        }
        for _ in range(n_resamples):
            drawn = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
            for key, (values, seen) in tables.items():
                total, often = drawn @ values, drawn @ seen
                known = getattr(self.game, key).ravel()
                mean = np.where(often > 0, total / np.maximum(often, 1.0), known)
                parts[key] = mean.reshape(shape)
            yield PersuasionGame(**parts)

    def solve(
        self,
        rule: MarginRule = "theorem_6",
        *,
        margin: float | None = None,
        failure: float = 0.05,
        receiver_error: float = 0.0,
        n_resamples: int = 50,
        grid: Sequence[float] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Solution:
        """Solve the game of means with slack.

        Parameters
        ----------
        rule, failure, receiver_error, n_resamples, grid, seed
            As in `margin`.
        margin : float, optional
            Takes the place of the rule, in utils of the Receiver.
        **options
            Passed to `persuasion.solve`.

        Returns
        -------
        Solution
            Of `game`; ``options["margin"]`` is the margin that was met. One that no scheme has is
            halved until some scheme has it; then ``options["margin_asked"]`` is the rule's, and
            Theorem 6 promises nothing.

        Raises
        ------
        UnsupportedError
            When the prior is an estimate too: schemes with a margin at every prior of a ball are
            not computed here.

        Examples
        --------
        >>> import numpy as np
        >>> from persuasion import estimate
        >>> hits = np.random.default_rng(0).random((2000, 2, 2)) < [[0.9, 0.1], [0.2, 0.8]]
        >>> measured = estimate([[0, 1], [0, 1]], hits, [0.7, 0.3])
        >>> solution = measured.solve()
        >>> round(solution.value, 3), round(solution.options["margin"], 3)
        (0.473, 0.076)
        """
        if self.prior_counts is not None:
            raise UnsupportedError(
                "the prior of this game is an estimate, and margins that hold at every prior of a "
                "ball are not computed. Take the empirical prior at its word with "
                "solve(estimated.game, margin=estimated.margin(...)), or the utilities with "
                "solve_robust(estimated.game, l1_ball(estimated.game.prior, "
                "estimated.prior_radius()))"
            )
        if margin is None:
            margin = self.margin(
                rule,
                failure=failure,
                receiver_error=receiver_error,
                n_resamples=n_resamples,
                grid=grid,
                seed=seed,
            )
        return solve_with_margin(self.game, margin, **options)

    def _scale(self, utility: Utility) -> AffineScale:
        low, high = self.sender_range if utility == "sender" else self.receiver_range
        return AffineScale(low, high - low)

    # -- shown -----------------------------------------------------------------------------

    @cached_property
    def widest(self) -> tuple[float, float]:
        """Largest distance between the limits of a cell: Sender's, Receiver's, in utils."""
        sender = float((self.sender_upper - self.sender_lower).max())
        return sender, float((self.receiver_upper - self.receiver_lower).max())

    def summary(self) -> str:
        """Return a few lines that say what was measured and how well.

        Examples
        --------
        >>> import numpy as np
        >>> from persuasion import estimate
        >>> hits = np.random.default_rng(0).random((2000, 2, 2)) < [[0.9, 0.1], [0.2, 0.8]]
        >>> print(estimate([[0, 1], [0, 1]], hits, [0.7, 0.3], name="trial").summary())
        PersuasionGame('trial', n_states=2, n_actions=2)
        samples          2000 to 2000 per cell, of 2000 rounds
        prior            given
        Sender           given
        Receiver         limits at 95%, at most 0.0366 apart
        margin           0.0759 (theorem_6), 0.01 (root)
        """
        lines = [repr(self.game)]
        lines.append(
            f"samples          {self.smallest_count} to {self.counts.max()} per cell, "
            f"of {self.n_samples} rounds"
        )
        prior = "given"
        if self.prior_counts is not None:
            prior = f"{self.prior_counts.sum()} draws, L1 radius {self.prior_radius():.3g} at 95%"
        lines.append(f"prior            {prior}")
        for who, samples, apart in zip(
            ("Sender", "Receiver"),
            (self.sender_samples, self.receiver_samples),
            self.widest,
            strict=True,
        ):
            measured = f"limits at {100 * self.confidence:.4g}%, at most {apart:.3g} apart"
            said = "given" if samples is None else measured
            lines.append(f"{who:<16} {said}")
        lines.append(
            f"margin           {self.margin():.3g} (theorem_6), {self.margin('root'):.3g} (root)"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        name = "" if self.game.name is None else f"{self.game.name!r}, "
        return (
            f"EstimatedGame({name}n_states={self.game.n_states}, n_actions={self.game.n_actions}, "
            f"smallest_count={self.smallest_count})"
        )

    def _repr_html_(self) -> str:
        from persuasion.html import Table, spelled

        parts = []
        for who, means, lower, upper in (
            ("Sender", self.game.sender_utility, self.sender_lower, self.sender_upper),
            ("Receiver", self.game.receiver_utility, self.receiver_lower, self.receiver_upper),
        ):
            rows = [
                [state, spelled(self.game.prior[w])]
                + [
                    f"{means[w, a]:.3g} [{lower[w, a]:.3g}, {upper[w, a]:.3g}]"
                    for a in range(self.game.n_actions)
                ]
                for w, state in enumerate(self.game.states)
            ]
            title = self.game.name or "Estimated game"
            caption = f"{title}: {who}'s utility with {100 * self.confidence:.4g}% limits"
            columns = ["state", "prior", *self.game.actions]
            parts.append(Table(columns, rows, caption=caption).to_html())
        return f"<div>{''.join(parts)}</div>"

    # -- dictionaries ----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, all samples in it; None stands for not sampled."""
        return {
            "game": self.game.to_dict(),
            "sender_samples": _jsonable(self.sender_samples),
            "receiver_samples": _jsonable(self.receiver_samples),
            "confidence": self.confidence,
            "sender_range": list(self.sender_range),
            "receiver_range": list(self.receiver_range),
            "prior_counts": None if self.prior_counts is None else self.prior_counts.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EstimatedGame:
        """Measure again from what `to_dict` writes: means and limits are recomputed."""
        game = PersuasionGame.from_dict(data["game"])
        parts = game.parts()
        counts = data["prior_counts"]
        tables = {
            who: parts[f"{who}_utility"]
            if data[f"{who}_samples"] is None
            else np.array(data[f"{who}_samples"], dtype=np.float64)  # None becomes NaN
            for who in ("sender", "receiver")
        }
        return estimate(
            tables["sender"],
            tables["receiver"],
            None if counts is not None else parts["prior"],
            prior_counts=counts,
            confidence=data["confidence"],
            sender_range=tuple(data["sender_range"]),
            receiver_range=tuple(data["receiver_range"]),
            states=parts["states"],
            actions=parts["actions"],
            name=game.name or "",
        )


@called_like("estimate(sender_utility, receiver_samples, prior)")
def estimate(
    sender_samples: Any,
    receiver_samples: Any,
    prior: Any = None,
    *,
    confidence: float = 0.95,
    states: Sequence[Any] | None = None,
    actions: Sequence[Any] | None = None,
    name: str = "",
    sender_range: tuple[float, float] | None = None,
    receiver_range: tuple[float, float] | None = None,
    prior_counts: Any = None,
) -> EstimatedGame:
    """Measure a game from samples of its utilities.

    Parameters
    ----------
    sender_samples, receiver_samples : array-like, (n_samples, n_states, n_actions)
        Independent rounds. In each, some or all cells are sampled, the others are NaN, in both
        arrays alike; cells of one round may depend on each other (one input tried with every
        action). One of the two may instead be a table (n_states, n_actions) of utilities that are
        known.
    prior : array-like (n_states,)
        As in `PersuasionGame`.
    confidence : float in (0, 1)
        Of the limits of each cell by itself. For limits that hold for all 2 m n cells at once,
        pass ``1 - failure / (2 m n)``.
    states, actions : sequence of str, optional
    name : str
    sender_range, receiver_range : (low, high), optional
        Smallest and largest value that a sample *can* have, known beforehand, not read off the
        samples; default (0, 1) for samples, the extremes of the table for a known utility. For a
        utility of correctness in {0, 1} minus a cost of at most c, say (-c, 1).
    prior_counts : array-like of int (n_states,), optional
        In place of `prior`: how often each state was drawn, independently of the samples.

    Returns
    -------
    EstimatedGame

    Raises
    ------
    PersuasionError
        When samples leave their range, a cell has none, or shapes do not match.

    Notes
    -----
    Limits of a cell are those of Clopper and Pearson when all its samples lie at the two ends of
    the range, else those of Hoeffding's inequality in terms of relative entropy; see
    `persuasion.cell_limits.cell_limits` on that choice. Both are exact in finite samples.
    Source: for what a plug-in from such a game is worth, Theorem 6 in docs/theory.md.

    Examples
    --------
    >>> from persuasion import estimate
    >>> asked = [[[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0, 0], [0, 1]], [[1, 1], [0, None]]]
    >>> measured = estimate([[0, 1], [0, 1]], asked, ["7/10", "3/10"], name="four inputs")
    >>> measured
    EstimatedGame('four inputs', n_states=2, n_actions=2, smallest_count=3)
    >>> measured.game.receiver_utility.tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    >>> measured.receiver_lower.round(3).tolist()
    [[0.194, 0.006], [0.0, 0.292]]
    """
    _check_probability(confidence, "confidence")
    sender = MeasuredTable.read(sender_samples, "sender", sender_range)
    receiver = MeasuredTable.read(receiver_samples, "receiver", receiver_range)
    counts = common_counts(sender, receiver)
    if (prior is None) == (prior_counts is None):
        raise PersuasionError("give either `prior` or `prior_counts`, one of the two")
    draws = None if prior_counts is None else read_counts(prior_counts, counts.shape[0])
    v, v_lower, v_upper = sender.limits(confidence)
    u, u_lower, u_upper = receiver.limits(confidence)
    game = PersuasionGame(
        prior if draws is None else draws / draws.sum(),
        v,
        u,
        states=states,
        actions=actions,
        name=name or None,
    )
    return EstimatedGame(
        game=game,
        sender_lower=v_lower,
        sender_upper=v_upper,
        receiver_lower=u_lower,
        receiver_upper=u_upper,
        counts=counts,
        confidence=float(confidence),
        sender_range=sender.range,
        receiver_range=receiver.range,
        sender_samples=sender.samples,
        receiver_samples=receiver.samples,
        prior_counts=draws,
    )


def _check_probability(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise PersuasionError(f"`{name}` must lie strictly between 0 and 1; got {value}")


def _check_error(receiver_error: float) -> None:
    if not (receiver_error >= 0 and math.isfinite(receiver_error)):
        raise PersuasionError(f"`receiver_error` must be finite and >= 0; got {receiver_error}")


def _jsonable(samples: FloatArray | None) -> Any:
    if samples is None:
        return None
    whole = samples.astype(object)
    whole[np.isnan(samples)] = None
    return whole.tolist()
