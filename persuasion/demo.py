"""The demo: a few games solved, drawn and written up in one page.

Sections come from producers: functions that take a progress callback and return sections. Those
of this package stand in `CORE`; other packages add theirs through the entry-point group
``persuasion.demo``::

    [project.entry-points."persuasion.demo"]
    theory = "theory.demo:sections"

A producer whose work takes long keeps it in the folder that `kept` returns; the next demo finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from persuasion.errors import PersuasionError
from persuasion.html import spelled
from persuasion.report import Paragraph, Picture, Report, Section, Table

if TYPE_CHECKING:
    from persuasion.game import PersuasionGame
    from persuasion.results import Solution

__all__ = ["CORE", "GROUP", "DemoResult", "Producer", "Progress", "kept", "producers", "run"]

GROUP = "persuasion.demo"

Progress = Callable[[str], None]
"""Called with what is being done, before anything that may take a while."""
Producer = Callable[[Progress], Iterable[Section]]

_OUT: ContextVar[Path | None] = ContextVar("_OUT", default=None)

_SENDERS = {
    "engagement": "any submission earns the Sender 1",
    "commission": "a submission earns the Sender 1/4, 1/2, 3/4 or 1, by model",
}


@dataclass(frozen=True)
class DemoResult:
    """What a demo left behind.

    Attributes
    ----------
    report : Path
        The page.
    sections : tuple of Section
        What it shows, in order.
    seconds : float
        Wall time.
    """

    report: Path
    sections: tuple[Section, ...]
    seconds: float


def run(out: Path | str, quiet: bool = False) -> DemoResult:
    """Solve the demo's games, print their values and write ``out/report.html``.

    Parameters
    ----------
    out : path
        Folder of the report; made when missing. The report replaces an older one whole.
    quiet : bool
        Print nothing.

    Returns
    -------
    DemoResult

    Raises
    ------
    PersuasionError
        When a producer of another package fails; after the report of all others is written.
    """
    began = perf_counter()
    Path(out).mkdir(parents=True, exist_ok=True)  # fails now, not after the work
    token = _OUT.set(Path(out))
    try:
        return _run(Path(out), quiet, began)
    finally:
        _OUT.reset(token)


def kept(name: str) -> Path | None:
    """Folder in which a producer keeps what the next demo need not do again.

    Parameters
    ----------
    name : str
        Of the producer's own folder; the producer makes it.

    Returns
    -------
    Path or None
        Below the folder of the report; None while no demo runs.

    Examples
    --------
    >>> kept("models") is None
    True
    """
    out = _OUT.get()
    return None if out is None else out / name


def _run(out: Path, quiet: bool, began: float) -> DemoResult:
    sections: list[Section] = []
    failures: list[str] = []
    with _progress(quiet) as progress:
        for produce in CORE:
            sections += produce(progress)
        for name, produce in producers():
            progress(name)
            try:
                sections += list(produce(progress))
            except Exception as cause:  # named in the report and raised below
                failures.append(f"{name}: {type(cause).__name__}: {cause}")
                sections.append(Section(name, [Paragraph(f"This section failed: {failures[-1]}")]))
        progress("writing the report")
        lead = "Games of persuasion, solved and certified by the package that made this page."
        report = Report("persuasion: a demo", sections, lead).write(out / "report.html")
    result = DemoResult(report, tuple(sections), perf_counter() - began)
    if not quiet:
        _print(result)
    if failures:
        raise PersuasionError(
            f"{len(failures)} section(s) of the demo failed: {'; '.join(failures)}. "
            f"The others are in {report}"
        )
    return result


def producers() -> Iterator[tuple[str, Producer]]:
    """Yield name and producer of each entry point of the group ``persuasion.demo``, by name.

    One that cannot be imported comes as a producer that raises.
    """
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):

        def produce(progress: Progress, load: Callable[[], Producer] = point.load) -> list[Section]:
            return list(load()(progress))

        yield point.name, produce


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """Show on stderr what is going on: a spinner on a terminal, else nothing."""
    if quiet:
        yield lambda text: None
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    with console.status(Text("starting")) as status:
        yield lambda text: status.update(Text(text))


def _print(result: DemoResult) -> None:
    """Print the tables marked `echo` and where the report is."""
    from persuasion.commands.output import print_table, say, show

    for section in result.sections:
        for table in section.blocks:
            if isinstance(table, Table) and table.echo:
                right = [i for i in range(len(table.columns)) if i not in table.left]
                print_table(table.columns, table.rows, fold=table.left, right=right)
                say()
    show("report", str(result.report))
    show("seconds", f"{result.seconds:.1f}")


# -- the sections of this package --------------------------------------------------------------


@cache
def _games() -> dict[str, PersuasionGame]:
    """The games shown, by the name they carry here."""
    from persuasion import zoo

    games = {name: zoo.load(name) for name in ("prosecutor", "grading")}
    for sender in _SENDERS:
        games[f"GSM8K committee, {sender}"] = zoo.load("gsm8k_committee", sender=sender)
    return games


def _values(progress: Progress) -> list[Section]:
    """All games of the demo in one table: benchmarks, optimum, certificate."""
    from persuasion.solve import solve

    rows = []
    for title, game in _games().items():
        progress(f"solving {title}")
        quick, exact = solve(game), solve(game, exact=True)
        error = float(abs(Fraction(quick.value) - Fraction(exact.value)))
        rows.append(
            [
                title,
                spelled(exact.no_disclosure),
                spelled(exact.full_disclosure),
                f"{float(quick.value):.6g}",
                str(exact.value),
                f"{exact.gain:+.4g}",
                quick.method,
                f"{'exact' if exact.certificate.optimal else 'FAILED'}, float error {error:.0e}",
            ]
        )
    columns = ["game", "no disclosure", "full disclosure", "optimum", "exact", "gain", "method",
               "certificate"]  # fmt: skip
    words = (
        "A Sender who commits to what she will reveal can earn more than by silence or by telling "
        "everything. Values are the Sender's expected utility; the gain is the optimum minus no "
        "disclosure. Each optimum was found twice: in floating point by the method named, and in "
        "rational arithmetic, where the value of the scheme equals the bound given by its prices."
    )
    table = Table(columns, rows, "Values to the Sender", left=(0, 6, 7), echo=True)
    return [Section("What persuasion is worth", [Paragraph(words), table])]


def _prosecutor(progress: Progress) -> list[Section]:
    """Two states: concavification and value over priors."""
    from persuasion.plot import plot_concavification, plot_value_over_priors
    from persuasion.solve import solve

    progress("drawing the prosecutor")
    game = _games()["prosecutor"]
    solution = solve(game, exact=True)
    words = (
        "A judge convicts when guilt is at least as likely as innocence. The prosecutor lets some "
        "innocent defendants look guilty: just so many that the judge, seeing the evidence, is "
        "indifferent. She convicts twice as often as defendants are guilty."
    )
    closure = Picture.of(
        plot_concavification(game, solution=solution),
        f"Indirect utility of the prosecutor and its concave closure; at the prior "
        f"{spelled(game.exact.prior[1])} the closure is worth {spelled(solution.value)}.",
        "The optimal scheme splits the prior into the two posteriors at the ends of the chord.",
    )
    priors = Picture.of(
        plot_value_over_priors(game),
        "Value of optimal, full and no disclosure as the prior of guilt runs from 0 to 1.",
        "From prior 1/2 on nothing need be said.",
    )
    scheme = _scheme(solution, "Probability of each recommendation by state")
    return [Section("The prosecutor: two states", [Paragraph(words), closure, scheme, priors])]


def _grading(progress: Progress) -> list[Section]:
    """Three states: the simplex."""
    from persuasion.plot import plot_scheme, plot_simplex
    from persuasion.solve import solve

    progress("drawing the grading game")
    game = _games()["grading"]
    solution = solve(game, exact=True)
    words = (
        "A school grades students of three abilities; an employer assigns jobs by what the grade "
        "says. The school earns 0, 1 or 3 by job. The better grades lead to the borders of their "
        "regions, where the employer is just willing to give the better job."
    )
    simplex = Picture.of(
        plot_simplex(game, solution=solution),
        "Triangle of beliefs over low, middle and high ability, divided by the job assigned; the "
        "posteriors of the optimal scheme lie on the borders.",
        "The larger a dot, the more students receive that grade.",
    )
    matrix = Picture.of(
        plot_scheme(solution),
        "Matrix of the probability of each recommendation by ability.",
        "The scheme: probability of each recommendation by ability.",
    )
    return [Section("Grading: three states", [Paragraph(words), simplex, matrix])]


def _committee(progress: Progress) -> list[Section]:
    """The real game: which of four language models to trust."""
    from persuasion.solve import solve

    blocks: list[Paragraph | Table] = [
        Paragraph(
            "Real answers of four language models to 1319 school mathematics problems. The state "
            "says which models are right; the prior is the share of questions. The user earns 1 "
            "by submitting a right answer and loses 3 by a wrong one, so she follows advice that "
            "is right with chance 3/4. An advisor who knows the state is paid for submissions."
        )
    ]
    for sender, pay in _SENDERS.items():
        progress(f"solving the committee, {sender}")
        game = _games()[f"GSM8K committee, {sender}"]
        solution = solve(game, exact=True)
        assert solution.recommendations is not None
        beliefs = solution.scheme.posteriors(game)
        mass = solution.scheme.signal_probabilities(game)
        rows = []
        for s, action in enumerate(solution.recommendations):
            right = float(beliefs[s] @ (game.receiver_utility[:, action] > 0))
            paid = game.actions[action] != "abstain"
            rows.append([game.actions[action], f"{mass[s]:.4f}", f"{right:.4f}" if paid else "–"])
        caption = f"{sender.capitalize()}: {pay}. Value {solution.value}"
        heads = ["recommendation", "how often", "chance that it is right"]
        blocks += [
            Table(heads, rows, caption),
            _scheme(solution, f"{sender.capitalize()}: recommendation by who is right"),
        ]
    blocks.append(
        Paragraph(
            "The first scheme is one of many: where several models are right, recommending another "
            "of them earns the same."
        )
    )
    return [Section("Which language model to trust: real answers", blocks)]


def _scheme(solution: Solution, caption: str) -> Table:
    """The optimal scheme with its prior as a table."""
    game = solution.game
    rows = [
        [label, spelled(p), *("0" if x == 0 else spelled(x) for x in row)]
        for label, p, row in zip(
            game.states, game.exact.prior, solution.scheme.exact_kernel, strict=True
        )
    ]
    return Table(["state", "prior", *solution.scheme.signals], rows, caption)


CORE: tuple[Producer, ...] = (_values, _prosecutor, _grading, _committee)
