"""Pictures of findings: the longest runs on a game, with every bound that covers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from persuasion.rationals import FloatArray
from persuasion.report import Picture
from persuasion.trajectory import Trajectory
from theory.constants import constants
from theory.experiment import Finding
from theory.papers import power
from theory.plot import Line, Play, plot_bounds
from theory.theorem import LowerBound, PathwiseTheorem, RegretBound, Theorem

__all__ = ["picture_of", "spelled"]


def picture_of(
    findings: Sequence[Finding],
    *,
    controls: Sequence[Finding] = (),
    beside: Sequence[Theorem] = (),
) -> Picture | None:
    """Draw the longest runs on one game, or pair of games, with every bound that covers them.

    Parameters
    ----------
    findings : sequence of Finding
        All on the same game or pair; or negative controls, all on the same.
    controls : sequence of Finding
        Negative controls; those on the same game and horizon are drawn too.
    beside : sequence of Theorem
        Theorems whose bounds are drawn as well, where they cover the runs.

    Returns
    -------
    Picture or None
        None where nothing was played, or nothing lost.
    """
    own = _longest(t for f in findings for t in f.trajectories)
    if not any((t.regret[:, -1] > 0).any() for t in own):
        return None
    games = {t.game for t in own}
    last = max(t.horizon for t in own)
    broken = [t for c in controls for t in c.trajectories if t.game in games and t.horizon == last]
    is_control = findings[0].case.control is not None
    plays = [_play(t, findings, own, is_control=is_control) for t in own]
    plays += [_play(t, (), (), is_control=True) for t in _longest(broken)]
    theorems = list(dict.fromkeys([f.case.theorem for f in findings] + list(beside)))
    lines = [line for theorem in theorems for line in _lines(theorem, findings, own)]
    one_receiver = len(games) == 1 and own[0].types is None
    optimum = constants(own[0].game).optimum if one_receiver else None
    ax = plot_bounds(plays, lines, optimum=optimum)
    title = findings[0].case.title
    names = ", ".join(play.label for play in plays)
    bounds = ", ".join(line.label for line in lines) or "none"
    band = ""
    if any(play.band is not None for play in plays):
        band = (
            " Shaded: confidence band of the mean, on no assumption but that regret lies between 0 "
            "and T · OPT."
        )
    return Picture.of(
        ax,
        f"Cumulated regret over rounds on {title}, logarithmic axes: {names}; bounds: {bounds}.",
        f"{title}, {power(last)} rounds. Thin: single runs. Thick: their mean.{band}",
    )


def _longest(played: Iterable[Trajectory]) -> list[Trajectory]:
    """Of each learner and game keep the most rounds, and of these the most runs."""
    best: dict[str, Trajectory] = {}
    for t in played:
        key = repr((t.game.to_dict(), t.receiver, t.learner, sorted(t.parameters.items(), key=str)))
        if key not in best or (best[key].horizon, best[key].n_runs) < (t.horizon, t.n_runs):
            best[key] = t
    return list(best.values())


def _play(
    trajectory: Trajectory,
    findings: Sequence[Finding],
    beside: Sequence[Trajectory],
    *,
    is_control: bool = False,
) -> Play:
    label = _label(trajectory, beside) + (" (negative control)" if is_control else "")
    play = Play.of(trajectory, label, is_control=is_control)
    return replace(play, band=_band(trajectory, findings))


def _label(trajectory: Trajectory, beside: Sequence[Trajectory]) -> str:
    """Name the learner, and what tells it from the others in the picture."""
    parts = []
    others = [t for t in beside if t is not trajectory]
    if any(t.game != trajectory.game for t in others):
        parts.append(f"OPT {constants(trajectory.game).optimum:.4g}")
    for key, value in trajectory.parameters.items():
        if any(t.parameters.get(key) != value for t in others):
            parts.append(f"{key}={value}")
    return trajectory.learner + (f" ({', '.join(parts)})" if parts else "")


def _band(
    trajectory: Trajectory, findings: Sequence[Finding]
) -> tuple[FloatArray, FloatArray] | None:
    """Confidence limits of the mean, where a theorem about the mean was tried on these runs."""
    for f in findings:
        if f.case.theorem.kind != "expectation" or f.verdict is None:
            continue
        for t, curve in zip(f.trajectories, f.verdict.curves, strict=False):
            if t.same_results(trajectory) and len(curve.rounds) == len(t.checkpoints):
                return np.array(curve.lower), np.array(curve.upper)
    return None


def _lines(
    theorem: Theorem, findings: Sequence[Finding], played: Sequence[Trajectory]
) -> Iterator[Line]:
    """The theorem's bound for the runs drawn, as far as it is one on cumulated regret."""
    if isinstance(theorem, LowerBound):
        own = (f.verdict for f in findings if f.case.theorem == theorem and f.verdict is not None)
        for curve in next((verdict.curves[:1] for verdict in own), ()):
            rounds, bound = np.array(curve.rounds, dtype=float), np.array(curve.bound)
            yield Line(spelled(theorem.id), rounds, bound, "lower")
    elif isinstance(theorem, RegretBound | PathwiseTheorem):
        broken = findings[0].case.control is not None  # then no run is covered
        for t in (t for t in played if broken or theorem.covers(t) is None):
            line = Line.of(theorem, t, spelled(theorem.id))
            if line.values[-1] > 0 and np.isfinite(line.values[-1]):
                yield line
            return


def spelled(identifier: str) -> str:
    """Spell an identifier for reading.

    Examples
    --------
    >>> spelled("theorem_1_slater")
    'theorem 1 slater'
    """
    return identifier.replace("_", " ")
