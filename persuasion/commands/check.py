"""``persuasion check``: is a scheme obeyed, and how far is it from the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persuasion.commands.arguments import did_you_mean, find_game
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import Json, Parameters, Quiet, Seed, Target, examples
from persuasion.commands.output import number, print_json, print_table, printable, say, show
from persuasion.errors import SchemeError

if TYPE_CHECKING:
    from persuasion.game import PersuasionGame
    from persuasion.rationals import FloatArray
    from persuasion.scheme import SignalingScheme

__all__ = ["Obeys", "Report", "SignalReport", "register", "report_on"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion solve prosecutor --write scheme.json",
        "persuasion check prosecutor scheme.json",
        "persuasion check prosecutor scheme.json --recommend acquit,convict --json",
    )
    app.command("check", epilog=examples(*lines))(check)


def check(
    game: Target,
    scheme: Annotated[
        Path,
        typer.Argument(
            metavar="SCHEME", help="Scheme file (.json, .npz) with a kernel.", show_default=False
        ),
    ],
    recommend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACTIONS",
            help="What each signal recommends, in their order: labels or positions, separated by "
            "commas or in repeated options. Left out: the label of each signal where all are "
            "actions, else her best response.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Loss that still counts as obeying, unit-free (rounding)."
        ),
    ] = 1e-9,
    param: Parameters = None,
    seed: Seed = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a signaling scheme against a game.

    Is it Bayes-plausible, is every recommendation obeyed, how far is it from the optimum? Exits
    with 0 when the scheme is fine and with 1 when it is not; --quiet prints nothing else.
    """
    from persuasion.io import read_scheme

    chosen = find_game(game, param, seed)
    given = read_scheme(scheme)
    report = report_on(chosen, given, _recommended(chosen, given, recommend), tolerance)
    if json:
        print_json(asdict(report))
    elif not quiet:
        _show(report)
    if not (report.plausible and report.obedient):
        raise typer.Exit(ExitCode.NOT_FINE)


@dataclass(frozen=True)
class SignalReport:
    """One signal: what it recommends and what the Receiver would rather do.

    Attributes
    ----------
    probability : float
        Under the Receiver's prior.
    best_response : str
        Her best action after the signal; among several the recommended one, if it is there.
    expected, best : float
        Her expected utils, given the signal, from the recommendation and from the best response.
    """

    signal: str
    probability: float
    recommended: str
    best_response: str
    obeyed: bool
    expected: float
    best: float

    def in_words(self) -> str:
        """Say which obedience constraint is violated, and by how much."""
        return (
            f"after {self.signal!r} (probability {number(self.probability)}) the Receiver should "
            f"take {self.recommended!r} for {number(self.expected)} utils but expects "
            f"{number(self.best)} from {self.best_response!r}"
        )


@dataclass(frozen=True)
class Report:
    """What `check` found; utils are the Sender's unless said otherwise.

    Attributes
    ----------
    plausibility_gap : float
        Largest deviation of the mean posterior from the prior.
    obedience_gap : float
        Receiver's expected utils lost at the worst constraint, `persuasion.values.obedience_gap`.
    value_if_obeyed : float
        Sender's value if every recommendation is followed.
    value : float
        Sender's value when the Receiver best-responds, ties in the Sender's favour.
    optimum : float
        Value of the best scheme.
    gap : float
        ``optimum - value``.
    relative_gap : float
        `gap` as a share of the spread of the Sender's utility: it has no unit.
    """

    plausible: bool
    plausibility_gap: float
    obedient: bool
    obedience_gap: float
    signals: tuple[SignalReport, ...]
    value_if_obeyed: float
    value: float
    optimum: float
    gap: float
    relative_gap: float


@dataclass(frozen=True)
class Obeys:
    """The Receiver who follows recommendations, best or not."""

    recommendations: tuple[int, ...]

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Put probability one on the recommended action, shape (n_signals, n_actions)."""
        import numpy as np

        return np.eye(game.n_actions)[list(self.recommendations)]


def report_on(
    game: PersuasionGame,
    scheme: SignalingScheme,
    recommendations: Sequence[int] | None,
    tolerance: float,
) -> Report:
    """Compare a scheme with the game.

    Parameters
    ----------
    game : PersuasionGame
    scheme : SignalingScheme
    recommendations : sequence of int or None
        Action of each signal; None for the Receiver's best responses, which are always obeyed.
    tolerance : float
        See `persuasion.beliefs.best_responses`.
    """
    from persuasion import solve
    from persuasion.beliefs import best_responses, expected_utilities
    from persuasion.receivers import Bayesian
    from persuasion.values import obedience_gap, sender_value

    value = sender_value(game, scheme)
    posteriors = scheme.posteriors(game.receiver_prior)
    preferred = Bayesian().respond(game, posteriors).argmax(axis=1)
    chosen = tuple(map(int, preferred if recommendations is None else recommendations))
    optimal = best_responses(game, posteriors, tolerance=tolerance)
    expected = expected_utilities(game, posteriors)
    mass = scheme.signal_probabilities(game.receiver_prior)
    signals = []
    for s, action in enumerate(chosen):
        obeyed = bool(optimal[s, action] or mass[s] == 0)
        best = action if obeyed else int(expected[s].argmax())
        signals.append(
            SignalReport(
                signal=scheme.signals[s],
                probability=float(mass[s]),
                recommended=game.actions[action],
                best_response=game.actions[best],
                obeyed=obeyed,
                expected=float(expected[s, action]),
                best=float(expected[s, best]),
            )
        )
    plausibility_gap = scheme.plausibility_gap(game.receiver_prior)
    optimum = float(solve(game).value)
    return Report(
        plausible=plausibility_gap <= max(tolerance, 1e-12),
        plausibility_gap=plausibility_gap,
        obedient=all(signal.obeyed for signal in signals),
        obedience_gap=max(obedience_gap(game, scheme, chosen), 0.0),
        signals=tuple(signals),
        value_if_obeyed=sender_value(game, scheme, Obeys(chosen)),
        value=value,
        optimum=optimum,
        gap=optimum - value,
        relative_gap=(optimum - value) / game.sender_scale.width,
    )


def _recommended(
    game: PersuasionGame, scheme: SignalingScheme, given: list[str] | None
) -> list[int] | None:
    if not given:
        if all(signal in game.actions for signal in scheme.signals):
            return [game.actions.index(signal) for signal in scheme.signals]
        return None
    words = given if len(given) == scheme.n_signals else [w for x in given for w in x.split(",")]
    if len(words) != scheme.n_signals:
        raise SchemeError(
            f"--recommend: the scheme has {scheme.n_signals} signals "
            f"({', '.join(scheme.signals)}); got {len(words)} recommendations"
        )
    return [_position(game, word.strip()) for word in words]


def _position(game: PersuasionGame, word: str) -> int:
    if word in game.actions:
        return game.actions.index(word)
    if word.isdecimal() and int(word) < game.n_actions:
        return int(word)
    raise SchemeError(
        f"--recommend: no action is called {word!r}{did_you_mean(word, game.actions)} "
        f"(legal are {', '.join(game.actions)}, or positions 0 to {game.n_actions - 1})"
    )


def _show(report: Report) -> None:
    titles = ("signal", "probability", "recommended", "best response", "obeyed")
    rows = [
        (s.signal, number(s.probability), s.recommended, s.best_response, _yes(s.obeyed))
        for s in report.signals
    ]
    print_table(titles, rows, right=(1,))
    say()
    show("plausible", f"{_yes(report.plausible)}, off by {report.plausibility_gap:.1e}")
    show("obedient", _yes(report.obedient))
    for signal in report.signals:
        if not signal.obeyed:
            say(f"  violated: {printable(signal.in_words())}")
    show("value", f"{number(report.value)} when the Receiver best-responds")
    if abs(report.value_if_obeyed - report.value) > 1e-9 * max(1.0, abs(report.value)):
        show("if obeyed", number(report.value_if_obeyed))
    show("optimum", number(report.optimum))
    short = f"{number(max(report.gap, 0.0))} utils"
    show(
        "gap", f"{short}, {max(report.relative_gap, 0.0):.2g} of the spread of the Sender's utility"
    )


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
