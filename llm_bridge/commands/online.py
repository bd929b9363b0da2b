"""``persuasion bridge online``: Advisors who learn while they play, on a run's measured games."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import Json, Quiet
from persuasion.commands.output import note, print_table, say, show
from persuasion.commands.progress import Tell, progress_bar
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.config import ExperimentConfig
    from llm_bridge.experiment import Bar
    from llm_bridge.online import OnlineStudy
    from llm_bridge.staging.online_stages import OnlinePlay

__all__ = ["conduct_online", "online"]

_FOLDER = Path("out/default")


def online(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_FOLDER", help="What `persuasion bridge run` or `default` wrote into."
        ),
    ] = _FOLDER,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Which task; repeatable. All whose Receiver best-responds when left out.",
            show_default=False,
        ),
    ] = None,
    horizon: Annotated[
        str,
        typer.Option("--horizon", "-T", metavar="ROUNDS", help="Rounds of a run, as 10000 or 1e4."),
    ] = "1e5",
    n_runs: Annotated[
        str, typer.Option("--n-runs", "-n", metavar="N", help="Runs of the language model.")
    ] = "2",
    seed: Annotated[int, typer.Option(help="Of items, inputs and weights.", min=0)] = 0,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Let Advisors learn while they play, and hold them against theorems.

    On every measured game of a run play the learner `robust`, about which the theorems speak, an
    Advisor who is trained further as her sample doubles, and `plug_in`, a negative control. Exit
    code 1 when a theorem is refuted by the learner that it covers.
    """
    from llm_bridge.config import read_config
    from llm_bridge.staging.online_stages import OnlinePlay
    from persuasion.commands.arguments import parse_count

    how = OnlinePlay(
        horizon=parse_count(horizon, "--horizon", 10**9),
        n_runs=parse_count(n_runs, "--n-runs", 10**4),
        seed=seed,
    )
    if not (folder / "config.toml").exists():
        raise PersuasionError(
            f"{folder} holds no finished run (it has no config.toml); `persuasion bridge default` "
            "makes one in out/default, or name the folder of another"
        )

    def bar(text: str) -> AbstractContextManager[Tell]:
        return progress_bar(text, quiet=quiet)

    try:
        studies = conduct_online(read_config(folder / "config.toml"), folder, how, task, bar=bar)
    except KeyboardInterrupt:
        note(f"interrupted; what had finished is kept in {folder}. The same command goes on")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        say((folder / "online.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        for study in studies:
            _show(study)
        note(f"wrote {folder / 'online.html'} and online.json beside it")
    if not all(study.held for study in studies):
        raise typer.Exit(ExitCode.NOT_FINE)


def conduct_online(
    config: ExperimentConfig,
    folder: Path,
    how: OnlinePlay,
    tasks: list[str] | None = None,
    *,
    unsafe_exec: bool = False,
    bar: Bar | None = None,
) -> list[OnlineStudy]:
    """Play online what a run measured, or find it played, and write ``online.html`` there.

    Parameters
    ----------
    config : ExperimentConfig
        Of the run; Receivers and measurements that are not finished are made first.
    folder : path
    how : OnlinePlay
    tasks : list of str, optional
        Default all whose Receiver best-responds.
    unsafe_exec : bool
        As in `llm_bridge.cli.conduct`.
    bar : callable, optional
        Called with the name of each stage that is worked on.

    Raises
    ------
    PersuasionError
        Before any work when there is no task to play, or something needed is missing.
    """
    from llm_bridge.cli import NEEDED
    from llm_bridge.commands.requirements import need

    chosen = _chosen(config, tasks)
    need(*NEEDED)
    from llm_bridge.experiment import opened
    from llm_bridge.pages.online_report import online_section, write_online
    from llm_bridge.staging.local_workshop import LocalWorkshop
    from llm_bridge.staging.online_stages import online_names, play_online
    from persuasion.report import Report

    workshop = LocalWorkshop(config, unsafe_exec=unsafe_exec)
    loaded = {name: workshop.task(name) for name in chosen}
    names = ["receiver", *(f"receiver-{o.name}" for o in config.other)]
    names += [f"measure-{name}-{config.receiver.name}" for name in chosen]
    names += [stage for one in loaded.values() for stage in online_names(one)]
    studies, keys = [], {}
    with opened(config, folder, workshop, names=names, bar=bar) as steps:
        main = steps.receivers()[0]
        for name, one in loaded.items():
            measured = steps.measured(name, main)
            keys[name] = measured.key
            studies.append(play_online(steps, one, main, measured, how))
        write_online(studies, keys, folder)
        title = f"Learning to persuade while playing: {config.name}"
        Report(title, [online_section(study) for study in studies]).write(folder / "online.html")
    return studies


def _chosen(config: ExperimentConfig, tasks: list[str] | None) -> list[str]:
    """Tasks to play, checked."""
    from llm_bridge import tasks as known
    from llm_bridge.online import check_rule
    from llm_bridge.receivers.rules import rule as rule_named

    section = config.receiver
    options = {} if section.beta is None else {"beta": section.beta}
    rules = {
        t: rule_named(section.rule or known.load(t, **config.parameters(t)).rule, **options)
        for t in config.tasks
    }
    for name in tasks or ():
        if name not in rules:
            raise PersuasionError(
                f"--task: the run has no task {name!r}; it has {', '.join(config.tasks)}"
            )
        check_rule(name, rules[name])
    if tasks:
        return list(dict.fromkeys(tasks))
    fitting = []
    for name, rule in rules.items():
        try:
            check_rule(name, rule)
        except PersuasionError:
            continue
        fitting.append(name)
    if not fitting:
        check_rule(*next(iter(rules.items())))
    return fitting


def _show(study: OnlineStudy) -> None:
    for table in (study.regret_table(), study.verdict_table()):
        right = [i for i in range(len(table.columns)) if i not in table.left]
        say(table.caption)
        print_table(table.columns, table.rows, right=right)
        say()
    show("theorems", "none refuted" if study.held else "REFUTED")
    show("control", "breaks a bound" if study.control_refuted else "breaks no bound here")
