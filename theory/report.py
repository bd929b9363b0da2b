"""The page of ``persuasion verify --out``: verdicts, pictures, controls, how to redo it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from persuasion.game import PersuasionGame
from persuasion.report import Paragraph, Picture, Report, Section, Table
from theory.constants import constants
from theory.experiment import Finding
from theory.papers import control_in_words
from theory.pictures import picture_of, spelled
from theory.theorem import PathwiseTheorem, RegretBound, Theorem
from theory.type_theorem import SplitSizes, TypeTheorem, record_of
from theory.verification import COLUMNS, Verification, spelled_outcome

__all__ = ["READING", "command_of", "report_on", "verdict_table"]

_LEAD = (
    "Regret bounds with explicit constants, under stated assumptions, held against simulated play. "
    "A run can refute a bound, never establish it."
)
READING = (
    "Measured and bound are in units in which the Sender's utilities span [0, 1], at the place "
    "where they come closest. Limits are simultaneous over all rounds judged. Bound / measured "
    "says how much room is left; for a lower bound it is below 1. The control is an experiment "
    "that breaks the theorem's assumptions on purpose: there the check has to refute."
)


def report_on(result: Verification) -> Report:
    """Return the page.

    Parameters
    ----------
    result : Verification
    """
    sections = [
        Section("Verdicts", [Paragraph(result.words()), verdict_table(result), Paragraph(READING)])
    ]
    upper = [f.case.theorem for f in result.findings if isinstance(f.case.theorem, RegretBound)]
    sections += [_section(group, upper) for group in _by_games(result.findings)]
    sections += [*_controls(result), _statements(result), _repeat(result)]
    return Report("Regret bounds against simulated play", sections, _LEAD)


def verdict_table(result: Verification, *, echo: bool = False) -> Table:
    """Return the verdicts; with `echo` the demo prints them on the terminal too."""
    rows = [[spelled(theorem), *cells] for theorem, *cells in result.rows()]
    return Table(COLUMNS, rows, left=(0, 1, 2, 3), echo=echo)


# -- sections ----------------------------------------------------------------------------------


def _section(findings: list[Finding], upper: Sequence[Theorem]) -> Section:
    """What was found on one game; a pair of games is drawn with the upper bounds too."""
    blocks: list[Paragraph | Table | Picture] = []
    picture = picture_of(findings, beside=upper if len(findings[0].case.games) > 1 else ())
    if picture is not None:
        blocks.append(picture)
    if findings[0].case.types is None:
        blocks.append(_constants_table(findings[0].case.games))
    elif any(f.trajectories for f in findings):
        blocks.append(_types_table(findings))
    rows = [
        [spelled(f.case.theorem.id), _together(spelled_outcome(f.outcome)), _explained(f)]
        for f in findings
    ]
    blocks.append(Table(["theorem", "outcome", "in words"], rows, left=(0, 1, 2)))
    return Section(findings[0].case.title, blocks)


def _explained(finding: Finding) -> str:
    if finding.verdict is None:
        return finding.failure
    failing = [a.name for a in finding.verdict.assumptions if not a.holds]
    fails = f" (fails: {', '.join(failing)})" if failing else ""
    return finding.verdict.words + fails


def _constants_table(games: Sequence[PersuasionGame]) -> Table:
    """The constants on which the bounds depend."""
    heads = ["game", "OPT", "states m", "least prior p0", "persuaded k", "regularity D"]
    heads += ["margin d*", "price kappa*"]
    rows = []
    for game in games:
        c = constants(game)
        numbers = (c.min_prior, c.n_persuaded, c.regularity, c.slater_margin, c.multiplier_norm)
        rows.append(
            [
                game.name or repr(game),
                f"{c.optimum:.4g}",
                str(game.n_states),
                *("infinite" if math.isinf(x) else f"{x:.4g}" for x in numbers),
            ]
        )
    return Table(heads, rows, "Constants of the bounds, utilities scaled to [0, 1]")


def _types_table(findings: Sequence[Finding]) -> Table:
    """Who came how often, and what the bounds depend on."""
    heads = ["theorem", "rounds T", "types met", "posteriors N", "entropy H*", "bound at T"]
    rows = []
    for f in findings:
        for t in f.trajectories:
            sizes, counts = SplitSizes.of(t), record_of(t).counts[:, -1].mean(axis=0)
            assert isinstance(f.case.theorem, TypeTheorem)
            bound = float(f.case.theorem.bound_on(t, [t.horizon])[0])
            met = ", ".join(f"{count:.4g}" for count in counts)
            numbers = (str(sizes.n_candidates), f"{sizes.entropy:.4g}", f"{bound:.4g}")
            rows.append([spelled(f.case.theorem.id), str(t.horizon), met, *numbers])
    caption = "How often each type came, mean over runs, and what the bounds depend on"
    return Table(heads, rows, caption, left=(0, 2))


def _controls(result: Verification) -> Iterator[Section]:
    if not result.controls:
        return
    rows = []
    for c in result.controls:
        assert c.case.control is not None
        verdict = c.verdict
        seen = verdict is not None and not math.isnan(verdict.measured)
        rows.append(
            [
                spelled(c.case.theorem.id),
                control_in_words(c.case.control),
                f"{verdict.measured:.5g}" if seen and verdict is not None else "",
                f"{verdict.bound:.5g}" if seen and verdict is not None else "",
                _together(spelled_outcome(c.outcome) + ("" if c.caught else " (!)")),
            ]
        )
    heads = ["theorem", "experiment", "measured", "bound", "outcome"]
    words = (
        "A check that nothing can fail is worth nothing. Each of these experiments breaks what its "
        "theorem assumes; the check was told that the theorem covers it, and has to refute."
    )
    blocks: list[Paragraph | Table | Picture] = [
        Paragraph(words),
        Table(heads, rows, left=(0, 1, 4)),
    ]
    for group in _by_games(result.controls):
        drawn = [c for c in group if isinstance(c.case.theorem, RegretBound | PathwiseTheorem)]
        picture = picture_of(drawn) if drawn else None
        if picture is not None:
            blocks.append(picture)
    yield Section("Negative controls", blocks)


def _statements(result: Verification) -> Section:
    tried = dict.fromkeys(f.case.theorem for f in result.findings)
    rows = [[spelled(t.id), t.statement, t.source] for t in tried]
    return Section("What the theorems say", [Table(["theorem", "statement", "source"], rows,
                                                   left=(0, 1, 2))])  # fmt: skip


def _repeat(result: Verification) -> Section:
    words = (
        "The same command with the same versions gives the same numbers; verify.json beside this "
        "page holds the games, arguments and verdicts."
    )
    rows = [["command", command_of(result.arguments)]]
    rows += [["alpha of the table", f"{result.alpha:g}"]]
    rows += [["alpha of a row", f"{result.alpha_each:.3g}"]]
    rows += [[name, version] for name, version in result.versions.items()]
    rows += [["seconds", f"{result.seconds:.1f}"]]
    return Section("How to repeat this", [Paragraph(words), Table(["", ""], rows, left=(0, 1))])


def command_of(arguments: Mapping[str, Any]) -> str:
    """Return the command line that asks for the same."""
    words = ["persuasion", "verify", *arguments.get("theorems", ())]
    for option, key in (("--game", "games"), ("--param", "param")):
        words += [word for value in arguments.get(key) or () for word in (option, str(value))]
    for key in ("game_seed", "types", "sequence", "horizon", "n_runs", "seed", "alpha"):
        if arguments.get(key) is not None:
            words += [f"--{key.replace('_', '-')}", str(arguments[key])]
    return shlex.join([*words, "--quick"] if arguments.get("quick") else words)


def _by_games(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings with the same games together, in the order of their first appearance."""
    groups: dict[tuple[tuple[PersuasionGame, ...], str], list[Finding]] = {}
    for finding in findings:
        met = "" if finding.case.types is None else finding.case.title
        groups.setdefault((finding.case.games, met), []).append(finding)
    return list(groups.values())


def _together(text: str) -> str:
    """Keep the words of a cell on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")
