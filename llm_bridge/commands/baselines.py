"""``persuasion bridge baselines``: other ways of using what the Advisors of a run know."""

from __future__ import annotations

from contextlib import AbstractContextManager
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
    from llm_bridge.compare import Comparison
    from llm_bridge.config import ExperimentConfig
    from llm_bridge.experiment import Bar
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
            help="all_items, best_of_n, corrector or fine_tuned; repeatable. All that can be tried "
            "when left out.",
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
        found = conduct_baselines(config, folder, task, baseline, bar=bar)
    except KeyboardInterrupt:
        note(f"interrupted; what had finished is kept in {folder}. The same command goes on")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        say((folder / "baselines.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        for one in found.values():
            table = one.table()
            say(table.caption)
            print_table(table.columns, table.rows, right=range(1, len(table.columns)))
            say()
        note(f"wrote {folder / 'baselines.html'} and baselines.json beside it")


def conduct_baselines(
    config: ExperimentConfig,
    folder: Path,
    tasks: list[str] | None = None,
    names: list[str] | None = None,
    *,
    workshop: Workshop | None = None,
    unsafe_exec: bool = False,
    bar: Bar | None = None,
) -> dict[str, Comparison]:
    """Try baselines on what a run measured, or find them tried; write ``baselines.html`` there.

    Parameters
    ----------
    config : ExperimentConfig
        Of the run; what of it is not finished is made first.
    folder : path
    tasks, names : list of str, optional
        Which tasks and baselines; default all.
    workshop : Workshop, optional
    unsafe_exec : bool
        As in `llm_bridge.cli.conduct`.
    bar : callable, optional
        Called with the name of each stage that is worked on.

    Returns
    -------
    dict of str to Comparison
        By task.

    Raises
    ------
    PersuasionError
        Before any work when a task or baseline does not exist, or something needed is missing.
    """
    from json import dumps

    from llm_bridge.cli import NEEDED
    from llm_bridge.commands.requirements import need

    need(*NEEDED)
    from llm_bridge import baselines as known
    from llm_bridge.experiment import opened
    from llm_bridge.staging.baseline_stages import compared, plan_compared
    from llm_bridge.staging.local_workshop import LocalWorkshop
    from llm_bridge.staging.plan import stage_names
    from persuasion.report import Paragraph, Report, Section
    from persuasion.whole_file import write_whole

    for what, given, legal in (
        ("--task", tasks, config.tasks),
        ("--baseline", names, known.names()),
    ):
        for name in given or ():
            if name not in legal:
                raise PersuasionError(
                    f"{what}: there is no {name!r}{did_you_mean(name, legal)} (legal are "
                    f"{', '.join(legal)})"
                )
    shop = workshop or LocalWorkshop(config, unsafe_exec=unsafe_exec)
    chosen = list(dict.fromkeys(tasks or config.tasks))
    loaded = {name: shop.task(name) for name in chosen}
    found = {}
    stages = [*stage_names(config), *(f"baselines-{name}" for name in chosen)]
    with opened(config, folder, shop, names=stages, bar=bar) as steps:
        seat = steps.receivers()[0]
        for name, one in loaded.items():
            measured = steps.measured(name, seat)
            solved = steps.solved(name, measured)
            advised = steps.advised(plan_compared(steps, name), measured, solved)
            found[name] = compared(steps, one, seat, measured, advised, names)
        content = {name: one.to_dict() for name, one in found.items()}
        write_whole(folder / "baselines.json", dumps(content).encode())
        words = Paragraph(
            "Each baseline learns from the inputs that the Advisor learned from, with as many "
            "operations as her training took; what an answer takes is counted beside it. A control "
            "is the same baseline with its source of gain taken away."
        )
        sections = [Section(f"Task {name}", [words, one.table()]) for name, one in found.items()]
        title = f"Persuasion beside other ways: {config.name}"
        Report(title, sections).write(folder / "baselines.html")
    return found
