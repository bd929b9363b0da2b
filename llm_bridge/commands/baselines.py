"""``persuasion bridge baselines``: other ways of using what the Advisors of a run know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persuasion.commands.arguments import did_you_mean
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import Json, Quiet
from persuasion.commands.output import note, print_table, say
from persuasion.commands.progress import Tell, progress_bar
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.comparison import Comparison
    from llm_bridge.config import ExperimentConfig
    from llm_bridge.experiment import Bar
    from llm_bridge.staging.experiment_stages import ExperimentStages
    from llm_bridge.staging.plan import Seat
    from llm_bridge.staging.workshop import Workshop

__all__ = ["baselines", "conduct_baselines"]

_FOLDER = Path("out/default")


def baselines(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_FOLDER", help="What `persuasion bridge run` or `default` wrote into."
        ),
    ] = _FOLDER,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Which task; repeatable. All when left out."),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="all_items, best_of_n, corrector or fine_tuned; repeatable. Those of the run, or "
            "all, when left out.",
        ),
    ] = None,
    receiver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another Receiver of the run, with whom they are tried too; repeatable. Those "
            "that the run names when left out.",
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Hold a run's Advisors against fine-tuning, correcting, choosing and listing.

    Each baseline learns from the same inputs with as many operations as the Advisor's training
    took, and has a control that is bound to gain nothing. Baselines that win are shown like others.
    """
    from llm_bridge.config import read_config

    if not (folder / "config.toml").exists():
        raise PersuasionError(
            f"{folder} holds no finished run (it has no config.toml); `persuasion bridge default` "
            "makes one in out/default, or name the folder of another"
        )

    def bar(text: str) -> AbstractContextManager[Tell]:
        return progress_bar(text, quiet=quiet)

    config = read_config(folder / "config.toml")
    try:
        tell = None if quiet else note
        found = conduct_baselines(config, folder, task, baseline, receiver, bar=bar, tell=tell)
    except KeyboardInterrupt:
        note(f"interrupted; what had finished is kept in {folder}. The same command goes on")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        say((folder / "baselines.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        for one in (one for by_receiver in found.values() for one in by_receiver.values()):
            for table in (one.table(), one.controls_table()):
                right = [i for i in range(len(table.columns)) if i not in table.left]
                say(table.caption)
                print_table(table.columns, table.rows, right=right)
                say()
        note(f"wrote {folder / 'baselines.html'} and baselines.json beside it")


def conduct_baselines(
    config: ExperimentConfig,
    folder: Path,
    tasks: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    receivers: Sequence[str] | None = None,
    *,
    workshop: Workshop | None = None,
    unsafe_exec: bool = False,
    bar: Bar | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, dict[str, Comparison]]:
    """Try baselines on what a run measured, or find them tried; write ``baselines.html`` there.

    Parameters
    ----------
    config : ExperimentConfig
        Of the run; what of it is not finished is made first.
    folder : path
    tasks : sequence of str, optional
        Default all.
    names : sequence of str, optional
        Which baselines; default those of `config`, or else all. What cannot be tried with a
        Receiver is left out, and the table says why.
    receivers : sequence of str, optional
        Other Receivers; default those of `config`.
    workshop : Workshop, optional
    unsafe_exec : bool
        As in `llm_bridge.cli.conduct`.
    bar : callable, optional
        Called with the name of each stage that is worked on.
    tell : callable, optional
        Called with what servers will cost, before anything is asked, and with what came of it.

    Returns
    -------
    dict of str to dict of str to Comparison
        By task and Receiver.

    Raises
    ------
    PersuasionError
        Before any work when a task, baseline or Receiver does not exist, or something needed is
        missing.
    """
    from json import dumps

    from llm_bridge.cli import NEEDED
    from llm_bridge.commands.requirements import need

    need(*NEEDED)
    from llm_bridge import baselines as known
    from llm_bridge.experiment import opened, unheard
    from llm_bridge.pages.comparison import comparison_section
    from llm_bridge.sections import BaselinesSection
    from llm_bridge.staging.local_workshop import LocalWorkshop
    from llm_bridge.staging.plan import stage_names
    from persuasion.report import Report
    from persuasion.whole_file import write_whole

    others = [other.name for other in config.other]
    for what, given, legal in (
        ("--task", tasks, config.tasks),
        ("--baseline", names, known.names()),
        ("--receiver", receivers, others),
    ):
        for name in given or ():
            if name not in legal:
                raise PersuasionError(
                    f"{what}: there is no {name!r}{did_you_mean(name, legal)} (legal are "
                    f"{', '.join(legal) or 'none'})"
                )
    chosen = BaselinesSection(
        tuple(dict.fromkeys(names or config.baselines.names or known.names())),
        tuple(dict.fromkeys(config.baselines.receivers if receivers is None else receivers)),
    )
    config = replace(config, baselines=chosen)
    told = tell or unheard
    shop = workshop or LocalWorkshop(config, unsafe_exec=unsafe_exec)
    with opened(config, folder, shop, names=stage_names(config), bar=bar) as steps:
        for line in steps.check_ahead().lines():
            told(line)
        try:
            seats = steps.receivers()
            found = {
                name: _compared(steps, name, seats) for name in dict.fromkeys(tasks or config.tasks)
            }
        finally:
            for line in shop.reports():
                told(line)
        content = {
            task: {name: one.to_dict() for name, one in by_receiver.items()}
            for task, by_receiver in found.items()
        }
        write_whole(folder / "baselines.json", dumps(content).encode())
        title = f"Persuasion beside other ways: {config.name}"
        Report(title, list(comparison_section(found))).write(folder / "baselines.html")
    return found


def _compared(steps: ExperimentStages, name: str, seats: Sequence[Seat]) -> dict[str, Comparison]:
    """Stages of one task up to the baselines with each Receiver with whom they are tried."""
    from llm_bridge.staging.baseline_stages import compared
    from llm_bridge.staging.plan import plan_compared, plans_of

    config, task, (main, *others) = steps.config, steps.task(name), seats
    measured = steps.measured(name, main)
    solved = steps.solved(name, measured)
    trained = {plan: steps.advised(plan, measured, solved) for plan in plans_of(config, name)}
    advised = trained[plan_compared(config, name)]
    judged = steps.evaluated(name, main, measured, trained)
    found = {main.name: compared(steps, task, main, measured, advised, judged)}
    for other in others:
        if other.name in config.baselines.receivers:
            theirs = steps.measured(name, other)
            judged = steps.transferred(name, other, theirs, trained)
            found[other.name] = compared(steps, task, other, theirs, advised, judged)
    return found
