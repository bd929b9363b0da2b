"""``persuasion bridge``: experiments in which language models persuade and are persuaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from llm_bridge.commands.ahead import estimate, prompts
from llm_bridge.commands.baselines import baselines
from llm_bridge.commands.online import online
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import Json, Quiet, examples
from persuasion.commands.output import note, print_json, print_table, say, show
from persuasion.commands.plugins import new_app
from persuasion.commands.progress import Tell, progress_bar
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.config import ExperimentConfig
    from llm_bridge.experiment import Bar, Outcome
    from persuasion.html import Table

__all__ = ["conduct", "register"]

NEEDED = ("torch", "transformers", "tokenizers", "accelerate", "safetensors")

Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the run: stages, tables, report.html. Called again, it goes on where it "
        "stopped. out/NAME when left out.",
        show_default=False,
    ),
]
Device: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.", show_default=False),
]
ReportTo: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TRACKER",
        help="Hand the learning curves to a tracker too, such as tensorboard (needs "
        "'persuasion[track]').",
        show_default=False,
    ),
]
UnsafeExec: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--unsafe-exec", help="Run programs that models write even where nothing confines them."
    ),
]


class Kind(StrEnum):
    """Receivers that `persuasion bridge config` prints an experiment for."""

    API = "api"
    REPLAY = "replay"
    PATH = "path"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`, below ``bridge``."""
    bridge = new_app(no_args_is_help=True, help="Let language models persuade and be persuaded.")
    shown = examples("persuasion bridge run mine.toml --out out/mine")
    bridge.command("run", epilog=shown)(run)
    bridge.command("default", epilog=examples("persuasion bridge default --out out/bridge"))(
        default
    )
    printed = examples("persuasion bridge config > mine.toml",
                       "persuasion bridge config --receiver api > mine.toml")  # fmt: skip
    bridge.command("config", epilog=printed)(config)
    bridge.command("tasks", epilog=examples("persuasion bridge tasks"))(tasks)
    bridge.command("estimate", epilog=examples("persuasion bridge estimate mine.toml"))(estimate)
    bridge.command(
        "prompts", epilog=examples("persuasion bridge prompts mine.toml --out prompts.jsonl")
    )(prompts)
    played = examples("persuasion bridge online", "persuasion bridge online out/mine -T 1e6 -n 4")
    bridge.command("online", epilog=played)(online)
    tried = examples("persuasion bridge baselines", "persuasion bridge baselines --task grade")
    bridge.command("baselines", epilog=tried)(baselines)
    app.add_typer(bridge, name="bridge")


def run(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml",
            help="See `persuasion bridge config`.",
            show_default=False,
        ),
    ],
    out: Out = None,
    device: Device = None,
    report_to: ReportTo = None,
    unsafe_exec: UnsafeExec = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Carry out the experiment of a file.

    Trains what is to be trained, measures the game that text plays, solves it, trains Advisors
    against it, and tries them on held-out inputs. Each part is kept as soon as it is finished, also
    by a run that is killed. Exit code 1 when a claim is refuted.
    """
    from llm_bridge.config import read_config

    _conduct(read_config(config), out, device, report_to, unsafe_exec, quiet, json)


def default(
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Two seeds, all controls, baselines, more inputs: up to 25 minutes."
        ),
    ] = False,
    out: Out = None,
    device: Device = None,
    report_to: ReportTo = None,
    unsafe_exec: UnsafeExec = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Carry out the embedded experiment: small models, trained here, in minutes.

    See `persuasion bridge run` for what it does. Exit code 1 when a claim is refuted.
    """
    from llm_bridge.config import default_config, full_config

    chosen = full_config() if full else default_config()
    _conduct(chosen, out, device, report_to, unsafe_exec, quiet, json)


def config(
    full: Annotated[
        bool, typer.Option("--full", help="The experiment of `bridge default --full`.")
    ] = False,
    receiver: Annotated[
        Kind | None,
        typer.Option(
            metavar="KIND",
            help="An experiment on word problems in place of it: with a Receiver behind a server "
            "(api), recorded answers (replay), or a model of yours (path).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print an experiment as a file to start from, every setting explained."""
    from llm_bridge.config import commented, default_config, full_config, real_config

    if full and receiver is not None:
        raise PersuasionError("--full and --receiver name two experiments; give one of them")
    chosen = full_config() if full else default_config()
    say(commented(chosen if receiver is None else real_config(receiver.value)).rstrip())


def tasks(json: Json = False, quiet: Quiet = False) -> None:
    """List the tasks: what is hidden, and how the Receiver turns beliefs into actions."""
    from llm_bridge import tasks as known

    found = [known.load(name) for name in known.names()]
    stored = [
        {"name": name, "items": list(known.items_of(name, {})), "needs": "path",
         "about": known.about(name)}
        for name in known.stored()
    ]  # fmt: skip
    if json:
        print_json(
            {
                "tasks": [
                    {
                        "name": task.name,
                        "items": list(task.items),
                        "templates": {t: list(prior) for t, prior in task.priors.items()},
                        "rule": task.rule,
                        "about": known.about(task.name),
                    }
                    for task in found
                ],
                "stored": stored,
            }
        )
    elif quiet:
        say("\n".join(known.known()))
    else:
        rows = [[t.name, ", ".join(t.items), ", ".join(t.priors), t.rule, known.about(t.name)]
                for t in found]  # fmt: skip
        print_table(("task", "items", "templates", "rule", "about"), rows, fold=(1, 2, 4))
        say()
        say("Tasks that read a data set, whose path stands in [task.NAME]:")
        read = [[str(one["name"]), ", ".join(one["items"]), str(one["about"])] for one in stored]
        print_table(("task", "items", "about"), read, fold=(1, 2))


# -- carrying out ------------------------------------------------------------------------------


def conduct(
    config: ExperimentConfig,
    out: Path,
    *,
    unsafe_exec: bool = False,
    bar: Bar | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Carry out an experiment and write tables and report into its folder.

    Parameters
    ----------
    config : ExperimentConfig
    out : path
    unsafe_exec : bool
        Run programs that models write even where nothing confines them.
    bar : callable, optional
        Called with the name of each stage that is worked on.
    tell : callable, optional
        Called with what servers will cost, before anything is asked.

    Raises
    ------
    PersuasionError
        When torch or another requirement is missing, and as `llm_bridge.experiment.run` does.
    """
    from llm_bridge.commands.requirements import need
    from llm_bridge.pages.tracking import check_tracker

    need(*NEEDED)
    check_tracker(config.report_to)
    from llm_bridge.experiment import run as carry_out
    from llm_bridge.staging.local_workshop import LocalWorkshop

    workshop = LocalWorkshop(config, unsafe_exec=unsafe_exec)
    return carry_out(config, out, workshop, bar=bar, note=tell, then=_write)


class _Bars:
    """A bar for each stage, and the memory of what was finished."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self.at = ""
        self.finished = 0

    def __call__(self, text: str) -> AbstractContextManager[Tell]:
        return self._bar(text)

    @contextmanager
    def _bar(self, text: str) -> Iterator[Tell]:
        self.at = text
        with progress_bar(text, quiet=self._quiet) as tell:
            yield tell
        self.finished += 1


def _conduct(
    config: ExperimentConfig,
    out: Path | None,
    device: str | None,
    report_to: str | None,
    unsafe_exec: bool,
    quiet: bool,
    json: bool,
) -> None:
    config = replace(
        config, device=device or config.device, report_to=report_to or config.report_to
    )
    folder = Path("out") / config.name if out is None else out
    bars = _Bars(quiet)
    try:
        tell = None if quiet else note
        outcome = conduct(config, folder, unsafe_exec=unsafe_exec, bar=bars, tell=tell)
    except KeyboardInterrupt:
        where = f" at {bars.at}" if bars.at else ""
        note(
            f"interrupted{where}; {bars.finished} part(s) finished by this call and all earlier "
            f"ones are kept in {folder}. The same command goes on from there"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        say((folder / "results.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        _show(outcome)
    if not json and not quiet:
        note(f"wrote {folder / 'report.html'} and table.csv, table.md, results.json, "
             "examples.jsonl beside it")  # fmt: skip
        if outcome.idle:
            note(
                f"{len(outcome.idle)} finished part(s) of other settings are kept in "
                f"{folder / 'stages'}; delete what is not needed"
            )
    if any(claim.held is False for e in outcome.evaluations.values() for claim in e.claims()):
        raise typer.Exit(ExitCode.NOT_FINE)


def _show(outcome: Outcome) -> None:
    from llm_bridge.meter import added_up, in_words
    from llm_bridge.pages.results import (
        arms_table,
        claims_table,
        comparison_tables,
        controls_table,
        how_many_held,
        tally_table,
        transfer_tables,
        what_was_seen,
    )

    tables = [arms_table(outcome), claims_table(outcome), controls_table(outcome)]
    for table in [*tables, *transfer_tables(outcome).values(), *comparison_tables(outcome)]:
        _print(table)
    if outcome.tallies:
        _print(tally_table(outcome))
    say(what_was_seen(outcome))
    show("claims", how_many_held(outcome))
    show("seconds", f"{outcome.seconds:.1f}")
    for line in outcome.reports:
        say(line)
    if speed := in_words(added_up(stage.effort for stage in outcome.stages)):
        show("speed", speed)


def _print(table: Table) -> None:
    right = [i for i in range(len(table.columns)) if i not in table.left]
    say(table.caption)
    print_table(table.columns, table.rows, fold=(1,), right=right)
    say()


def _write(outcome: Outcome) -> None:
    from llm_bridge.pages.report import report_on
    from llm_bridge.pages.results import curves_of, write_results
    from llm_bridge.pages.tracking import track

    try:
        write_results(outcome, outcome.folder)
        report_on(outcome).write(outcome.folder / "report.html")
    except OSError as cause:
        raise PersuasionError(
            f"the results could not be written to {outcome.folder}: {cause.strerror or cause}. "
            "Everything measured and trained is kept there; free some space and call the same "
            "again"
        ) from cause
    config = outcome.config
    track(
        config.report_to,
        outcome.folder / "tracking",
        config.name,
        {"seeds": str(config.seeds), "mode": config.advisor.mode},
        curves_of(outcome),
    )
