"""``persuasion bridge estimate`` and ``prompts``: what an experiment will ask, before it asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persuasion.commands.arguments import did_you_mean
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import Json, Quiet
from persuasion.commands.output import note, print_json, print_table, say
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.staging.ahead import Bills

__all__ = ["estimate", "prompts"]


def estimate(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml", help="See `persuasion bridge config`.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the run, whose answered requests are not asked again. out/NAME when "
            "left out.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Say what Receivers behind servers will cost; nothing is sent.

    Likely: prompts at `bytes_per_token`, answers of full length. At most: prompts at one byte per
    token. Exit code 1 when the likely cost does not fit into what is left of a budget.
    """
    from llm_bridge.cli import NEEDED
    from llm_bridge.commands.requirements import need
    from llm_bridge.config import read_config

    settings = read_config(config)
    need(*NEEDED)
    from llm_bridge.experiment import labels_of
    from llm_bridge.requests.budget import CapReachedError
    from llm_bridge.staging.ahead import look_ahead, seats_ahead
    from llm_bridge.staging.local_workshop import LocalWorkshop

    folder = Path("out") / settings.name if out is None else out
    workshop = LocalWorkshop(settings, asking=False, unsafe_exec=True)  # no program is run either
    try:
        tasks = {name: workshop.task(name) for name in settings.tasks}
        seats = seats_ahead(settings, labels_of(settings, workshop), folder)
        bills = look_ahead(settings, tasks, seats, workshop)
    finally:
        workshop.close()
    if not bills.budgets:
        raise PersuasionError(
            f"{config} names no Receiver behind a server, so nothing is paid for; "
            "`persuasion bridge config --receiver api` prints one that does"
        )
    if json:
        print_json({"receivers": {name: _bill(bills, name) for name in bills.budgets}})
    elif not quiet:
        _show(bills)
    problems = []
    for name in bills.budgets:
        try:
            bills.check(name)
        except CapReachedError as cause:
            problems.append(f"{name}: {cause}")
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(ExitCode.NOT_FINE)


def _bill(bills: Bills, receiver: str) -> dict[str, Any]:
    stages = {stage: part for (name, stage), part in bills.parts.items() if name == receiver}
    budget, total = bills.budgets[receiver], bills.total(receiver)

    def spelled(part: Any) -> Mapping[str, float]:
        return {
            "requests": part.requests,
            "cached": part.cached,
            "likely_tokens": part.likely.tokens,
            "most_tokens": part.most.tokens,
            "likely_money": part.likely_cost,
            "most_money": part.most_cost,
        }

    return {
        "stages": {stage: spelled(part) for stage, part in stages.items()},
        "total": spelled(total),
        "spent_tokens": bills.spent[receiver].tokens,
        "cap_tokens": budget.tokens,
        "cap_money": budget.money,
    }


def _show(bills: Bills) -> None:
    parts = [(name, stage, part) for (name, stage), part in bills.parts.items()]
    parts += [(name, "in all", bills.total(name)) for name in bills.budgets]
    rows = [
        [
            name,
            stage,
            f"{part.requests:,}",
            f"{part.cached:,}",
            f"{part.likely.tokens:,}",
            f"{part.most.tokens:,}",
            f"{part.likely_cost:.4g}" if bills.budgets[name].prices else "",
            f"{part.most_cost:.4g}" if bills.budgets[name].prices else "",
        ]
        for name, stage, part in parts
    ]
    columns = ("Receiver", "stage", "requests", "answered", "tokens, likely", "at most",
               "money, likely", "at most")  # fmt: skip
    print_table(columns, rows, right=range(2, len(columns)))
    for line in bills.lines():
        say(line)


def prompts(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml", help="See `persuasion bridge config`.", show_default=False
        ),
    ],
    receiver: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which Receiver, by the name that tables call her. The first when left out.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to. Printed when left out.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write every prompt that an experiment will put to a Receiver, as JSON lines.

    Each has `prompt` and `max_new_tokens`, and `n` where so many answers are drawn. Answers that
    are got elsewhere, lines of prompt, text and n_tokens, take part as [receiver.replay].
    """
    from json import dumps

    from llm_bridge.config import read_config
    from llm_bridge.staging.ahead import ahead_of
    from persuasion.whole_file import write_whole

    settings = read_config(config)
    legal = [settings.receiver.name, *(other.name for other in settings.other)]
    name = legal[0] if receiver is None else receiver
    if name not in legal:
        raise PersuasionError(
            f"--receiver: there is no {name!r}{did_you_mean(name, legal)} (legal are "
            f"{', '.join(legal)})"
        )
    lines: dict[str, None] = {}
    for ahead in ahead_of(settings, settings.load_tasks()):
        if ahead.receiver == name:
            for asked in ahead.asked:
                row: dict[str, Any] = {"prompt": asked.prompt}
                row["max_new_tokens"] = ahead.max_new_tokens
                lines[dumps({**row, "n": asked.n} if asked.n else row)] = None
    text = "\n".join(lines)
    if out is None:
        say(text)
        return
    write_whole(out, f"{text}\n".encode())
    if not quiet:
        note(f"wrote {len(lines)} prompts to {out}")
