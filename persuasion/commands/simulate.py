"""``persuasion simulate``: play an online Sender and look at the regret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persuasion.commands.arguments import RANDOM, find_game, parse_count, parse_receiver
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.learners import find_learner
from persuasion.commands.options import (
    Backend,
    FirstRun,
    Horizon,
    Jobs,
    Json,
    Keep,
    Parameters,
    Quiet,
    Receiver,
    Runs,
    Scheduler,
    Seed,
    Target,
    examples,
)
from persuasion.commands.output import bare, note, number, print_json, print_table, say, show
from persuasion.commands.progress import progress_bar
from persuasion.commands.targets import check_picture, save_picture
from persuasion.commands.types import Order, Sample, Types, find_types
from persuasion.errors import PersuasionError, UnsupportedError, WorkersLostError

if TYPE_CHECKING:
    from persuasion.trajectory import Trajectory, TypeRecord

__all__ = ["register"]

_DUST = 1e-13
_IN_PYTHON, _HERE = "sampled_posteriors(game, utilities, n_samples)", "--sample-posteriors 200"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    lines = (
        "persuasion simulate prosecutor --learner robust --horizon 1e5 --n-runs 4",
        "persuasion simulate f1 --param m=6 --learner plug_in --learner-param growth=3/2 --json",
        "persuasion simulate prosecutor --learner robust --store runs --out out --plot regret.png",
        "persuasion simulate random:uniform --game-seed 3 --learner oracle --realised --quiet",
        "persuasion simulate prosecutor --types random:K=2,seed=1 --sequence blocks:50 "
        "--learner hedge",
    )
    app.command("simulate", epilog=examples(*lines))(simulate)


def simulate(
    game: Target,
    learner: Annotated[
        str,
        typer.Option(
            "--learner", "-l", metavar="NAME", help="See `persuasion learners`.", show_default=False
        ),
    ],
    learner_param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Parameter of the learner; repeatable.", show_default=False
        ),
    ] = None,
    horizon: Horizon = "10000",
    n_runs: Runs = "1",
    seed: Annotated[int, typer.Option(help="Of states, learner and draws.", min=0)] = 0,
    param: Parameters = None,
    game_seed: Seed = None,
    receiver: Receiver = "bayesian",
    types: Types = None,
    sequence: Order = None,
    sample_posteriors: Sample = None,
    realised: Annotated[
        bool, typer.Option("--realised", help="Also draw signals and actions, and add up payoffs.")
    ] = False,
    jobs: Jobs = None,
    backend: Backend = None,
    scheduler: Scheduler = None,
    first_run: FirstRun = 0,
    store: Keep = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write trajectory.json (everything) and regret.csv there; replaces older ones.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw the regret of every run.", show_default=False),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let an online Sender play and show her regret.

    The Sender does not know the prior of the GAME. Pseudo-regret of a round is the optimum minus
    what the scheme in force is worth when the Receiver, who knows the prior, best-responds to it;
    it is computed, not drawn. With --types Receivers of several types take turns, the prior is
    known, and the optimum is that of the best scheme that never changes; `persuasion verify` with
    the same --types holds such runs to their bounds, with verdicts and plots. With --quiet the
    mean at the horizon only. On Ctrl-C the runs that have finished are shown, and the exit code is
    130.
    """
    from persuasion.simulate import Interrupted
    from persuasion.simulate import simulate as play

    if game_seed is not None and not game.startswith(RANDOM):
        raise PersuasionError("--game-seed applies to random games only, as in random:uniform")
    _check_targets(out, plot)
    found = find_game(game, param, game_seed)
    met = find_types(types, sequence, found, sample_posteriors)
    if met is not None and receiver != "bayesian":
        raise PersuasionError(
            f"--types are the Receivers, all Bayesian; drop --receiver {receiver}, or --types"
        )
    stopped: Interrupted | WorkersLostError | None = None
    with progress_bar(f"{learner} on {game}", quiet=quiet) as tell:
        try:
            result: Trajectory | None = play(
                found,
                find_learner(learner, learner_param),
                horizon=parse_count(horizon, "--horizon"),
                n_runs=parse_count(n_runs, "--n-runs", at_most=10**6),
                seed=seed,
                receiver=parse_receiver(receiver) if met is None else None,
                types=met,
                realised=realised,
                n_jobs=jobs,
                backend=backend,
                scheduler=scheduler,
                first_run=first_run,
                store=store,
                progress=tell,
            )
        except (Interrupted, WorkersLostError) as cause:
            result, stopped = cause.partial, cause
        except UnsupportedError as cause:  # where a sample is the way out, it is an option here
            raise UnsupportedError(str(cause).replace(_IN_PYTHON, _HERE)) from cause
    if result is not None:
        if json:
            print_json(result.to_dict())
        elif quiet:
            say(bare(float(result.mean_regret[-1])))
        else:
            _show(result)
        _write(result, out, plot, quiet)
    if stopped is not None:
        shown = "; what is shown is these runs alone" if result is not None else ""
        if isinstance(stopped, WorkersLostError):
            raise PersuasionError(f"{stopped}{shown}") from stopped
        note(f"{stopped}{shown}")
        raise typer.Exit(ExitCode.INTERRUPTED)


def _check_targets(out: Path | None, plot: Path | None) -> None:
    """Fail before the work is done, not after."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    if plot is not None:
        check_picture(plot)


def _show(result: Trajectory) -> None:
    parameters = ", ".join(
        f"{key}={'none' if value is None else value}" for key, value in result.parameters.items()
    )
    runs = f"{result.n_runs} run" + ("s" if result.n_runs != 1 else "")
    if result.n_runs < result.n_requested:
        runs += f" (of {result.n_requested} asked for)"
    show("game", result.game.name or repr(result.game))
    show("learner", f"{result.learner}({parameters})")
    if result.types is None:
        show("receiver", result.receiver)
    else:
        _show_types(result.types)
    show("optimum", f"{number(result.optimal_value)} per round")
    show("played", f"{runs} of {result.horizon} rounds, seed {result.seed}; "
         f"{result.solves_per_run:.4g} schemes per run")  # fmt: skip
    say()
    titles = ["round", "mean regret", "least", "most", "mean / optimum"]
    if result.payoffs is not None:
        titles.append("mean realised regret")
    print_table(titles, [_row(result, i) for i in _decades(result)], right=range(len(titles)))


def _show_types(met: TypeRecord) -> None:
    """Say who came how often, and among how many splits the Sender chose."""
    n_types, rounds = len(met.utilities), met.counts[:, -1].sum(axis=1).mean()
    shares = ", ".join(f"{count / rounds:.1%}" for count in met.counts[:, -1].mean(axis=0))
    show("receivers", f"{n_types} type{'s' if n_types > 1 else ''}, {met.sequence}; met {shares}")
    listed = "all that can matter" if met.complete else "a sample: better schemes may exist"
    show("posteriors", f"{len(met.posteriors)} to split the prior into ({listed})")


def _decades(result: Trajectory) -> list[int]:
    """Positions of the checkpoints shown: powers of ten and the horizon."""
    rounds = result.checkpoints.tolist()
    decades = {10**k for k in range(1, 20)}
    return [i for i, t in enumerate(rounds) if t in decades or t == result.horizon]


def _row(result: Trajectory, i: int) -> list[str]:
    regret, optimum = result.regret[:, i] + 0.0, float(result.mean_optimum[i])
    regret[abs(regret) <= _DUST * abs(optimum)] = 0.0  # sums of what rounding left
    cells = [
        str(result.checkpoints[i]),
        *(number(float(x)) for x in (regret.mean(), regret.min(), regret.max())),
        f"{regret.mean() / optimum:.2%}" if optimum > 0 else "",
    ]
    if result.payoffs is not None:
        cells.append(number(float(result.realised_regret[:, i].mean())))
    return cells


def _write(result: Trajectory, out: Path | None, plot: Path | None, quiet: bool) -> None:
    written: list[Any] = []
    if out is not None:
        from persuasion.formats import render_json
        from persuasion.whole_file import write_whole

        write_whole(out / "trajectory.json", render_json(result.to_dict()))
        rows = ["run,round,regret", *_csv(result)]
        write_whole(out / "regret.csv", ("\n".join(rows) + "\n").encode())
        written += [out / "trajectory.json", out / "regret.csv"]
    if plot is not None:
        from persuasion.plot import plot_regret

        save_picture(plot_regret(result), plot)
        written.append(plot)
    if not quiet:
        for path in written:
            note(f"wrote {path}")


def _csv(result: Trajectory) -> list[str]:
    """Lines of the table run, round, regret."""
    runs = dict.fromkeys(result.epochs.run.tolist())  # their numbers, in order
    return [
        f"{run},{round_},{regret!r}"
        for run, row in zip(runs, result.regret.tolist(), strict=True)
        for round_, regret in zip(result.checkpoints.tolist(), row, strict=True)
    ]
