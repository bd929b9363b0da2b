"""``persuasion verify`` and ``persuasion theorems``.

The one place where the theory meets the code it judges: games are played and robust programs
solved here, and handed to `theory.experiment` as data.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persuasion.commands.arguments import did_you_mean, find_game, parse_count
from persuasion.commands.exit_codes import ExitCode
from persuasion.commands.options import (
    Backend,
    Jobs,
    Json,
    Keep,
    Parameters,
    Quiet,
    Scheduler,
    Seed,
    examples,
)
from persuasion.commands.output import note, print_json, print_table, say, show
from persuasion.commands.progress import progress_bar
from persuasion.commands.types import Order, Types, find_types
from persuasion.errors import PersuasionError, WorkersLostError

if TYPE_CHECKING:
    from persuasion.backends import Workers
    from persuasion.game import PersuasionGame
    from persuasion.trajectory import Trajectory
    from persuasion.types import ReceiverTypes
    from theory.evidence import PlugInScheme, PolicyRun
    from theory.experiment import Finding
    from theory.laboratory import Setup
    from theory.theorem import Theorem
    from theory.verification import Verification

__all__ = ["PackageLaboratory", "register"]

FAMILY = "family"
"""What --game calls the games that are played when none is named."""


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    lines = (
        "persuasion verify --store runs --jobs 2 --out out/verify",
        "persuasion verify corollary_1 theorem_1_slater --quick",
        "persuasion verify --store runs --backend dask --scheduler tcp://10.0.0.1:8786",
        "persuasion verify --game prosecutor --types random:K=2,seed=1 --sequence adaptive",
        "persuasion verify theorem_1_growth --game f1 --param m=6 --horizon 1e5 --n-runs 8 --json",
    )
    app.command("verify", epilog=examples(*lines))(verify)
    shown = examples("persuasion theorems", "persuasion theorems corollary_1")
    app.command("theorems", epilog=shown)(theorems)


# -- the laboratory ----------------------------------------------------------------------------


class PackageLaboratory:
    """Plays and measures games, solves robust programs and trains policies with this package.

    Parameters
    ----------
    store : path
        Folder of finished runs; setups that differ only in the number of runs share theirs.
    seed : int
    jobs : int, optional
        Processes.
    workers : Workers, optional
        Who plays, in place of `jobs`.
    tell : callable, optional
        Told how many more runs have finished.
    """

    def __init__(
        self,
        store: Path | str,
        *,
        seed: int = 0,
        jobs: int | None = None,
        workers: Workers | None = None,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self._store, self._seed, self._tell = store, seed, tell
        self._jobs, self._workers = jobs, workers
        self._values: dict[tuple[PersuasionGame, float], float] = {}

    def play(self, setup: Setup) -> Trajectory:
        """Return the runs of a setup."""
        from persuasion.learners import load
        from persuasion.simulate import simulate

        finished = 0

        def progress(done: int, total: int) -> None:
            nonlocal finished
            if self._tell is not None:
                self._tell(done - finished)
            finished = done

        return simulate(
            setup.game,
            load(setup.learner, **setup.parameters),
            horizon=setup.horizon,
            n_runs=setup.n_runs,
            types=setup.types,
            seed=self._seed,
            n_jobs=self._jobs,
            backend=self._workers,
            store=self._store,
            progress=progress,
        )

    def robust_value(self, game: PersuasionGame, radius: float) -> float:
        """Value of the best scheme persuasive throughout the L1 ball around the prior."""
        from persuasion.ambiguity import l1_ball
        from persuasion.robust import solve_robust

        key = (game, radius)
        if key not in self._values:
            self._values[key] = float(solve_robust(game, l1_ball(game.prior, radius)).value)
        return self._values[key]

    def plug_in(
        self, game: PersuasionGame, n_samples: int, n_draws: int, slack: float = 1.0
    ) -> list[PlugInScheme]:
        """Measure a game by hits and misses and solve with `slack` times Theorem 6's margin.

        Samples are the ends of an interval twice as wide as the range of the utility, centred, so
        that every cell is measured with noise.
        """
        import numpy as np

        from persuasion.estimate import estimate
        from theory.evidence import PlugInScheme

        unit, failure = game.rescaled(), 0.05
        seeds = np.random.SeedSequence([self._seed, n_samples]).spawn(n_draws)
        found = []
        for draw, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            tables = [
                (rng.random((n_samples, *table.shape)) < 0.25 + table / 2) * 2.0 - 0.5
                for table in (unit.sender_utility, unit.receiver_utility)
            ]
            span = (-0.5, 1.5)
            measured = estimate(
                tables[0], tables[1], unit.prior, sender_range=span, receiver_range=span
            )
            margin = slack * measured.margin("theorem_6", failure=failure)
            solution = measured.solve(margin=margin)
            assert solution.recommendations is not None
            kernel = np.zeros(unit.sender_utility.shape)
            kernel[:, list(solution.recommendations)] = solution.scheme.kernel
            asked = float(solution.options.get("margin", 0)) * game.receiver_scale.width
            found.append(PlugInScheme(game, n_samples, kernel, asked, failure, 2.0, draw))
        return found

    def exponentiated_gradient(
        self, game: PersuasionGame, n_steps: int, penalty: float | None = None
    ) -> PolicyRun:
        """Train by exponentiated gradient; None is the penalty from where on it is exact."""
        from persuasion.policy_gradient import exponentiated_gradient
        from theory.evidence import PolicyRun

        run = exponentiated_gradient(game, n_steps, penalty=penalty)
        used = run.penalty or 0.0
        return PolicyRun(game, n_steps, run.start, run.kernel, "none", used, averaged=True)

    def policy_gradient(
        self, game: PersuasionGame, n_steps: int, beta: float | None = None
    ) -> PolicyRun:
        """Train by policy gradient against a best responder, or a quantal one of precision beta."""
        from persuasion.policy_gradient import policy_gradient
        from persuasion.receivers import Bayesian, Quantal
        from theory.evidence import PolicyRun

        receiver = Bayesian() if beta is None else Quantal(beta)
        run = policy_gradient(game, receiver, n_steps=n_steps, spread=0.01, seed=self._seed)
        name = "best responder" if beta is None else "quantal"
        return PolicyRun(game, n_steps, run.start, run.kernel, name)


# -- persuasion verify -------------------------------------------------------------------------


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[THEOREM]...",
            help="See `persuasion theorems`; all when left out.",
            show_default=False,
        ),
    ] = None,
    game: Annotated[
        list[str] | None,
        typer.Option(
            "--game",
            metavar="GAME",
            help="A game file, a game of the zoo, random:FAMILY, or the word family for the games "
            "that are played when this is left out: F1(4, 2), the prosecutor, two random games. "
            "Repeatable.",
            show_default=False,
        ),
    ] = None,
    param: Parameters = None,
    game_seed: Seed = None,
    types: Types = None,
    sequence: Order = None,
    horizon: Annotated[
        str | None,
        typer.Option(
            "--horizon",
            "-T",
            metavar="ROUNDS",
            show_default=False,
            help="Rounds of a run; when left out, long enough for the bounds to say something.",
        ),
    ] = None,
    n_runs: Annotated[
        str | None,
        typer.Option(
            "--n-runs",
            "-n",
            metavar="N",
            help="Runs of each setup; when left out 96, or 4 where each round is judged.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the runs.", min=0)] = 0,
    alpha: Annotated[
        float, typer.Option(help="Probability of refuting any true theorem of the table.")
    ] = 0.05,
    jobs: Jobs = None,
    backend: Backend = None,
    scheduler: Scheduler = None,
    store: Keep = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write report.html and verify.json there; replaces older ones.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Fewer games and runs, for a first look: too few to judge means."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hold regret bounds against simulated play, and their negative controls too.

    Every theorem is a bound with explicit constants under stated assumptions; a run can refute it,
    never establish it. For each, an experiment that breaks its assumptions is carried out as well
    and has to be refuted, else the check is worth nothing. Exit code 1 when a theorem is REFUTED
    or a negative control is not. Finished runs are kept with --store, so that an interrupted call
    goes on where it stopped.
    """
    from persuasion.backends import Workers
    from persuasion.store import code_versions
    from theory.experiment import control_of, plan
    from theory.verification import investigate

    chosen = find_theorems(names)
    workers = Workers(jobs, backend, scheduler)
    games = _games(game, param, game_seed)
    met = _met(types, sequence, games)
    if met is not None:
        chosen = _about_types(chosen, met, named=bool(names))
    elif games is not None:
        chosen = _about_one_game(chosen, named=bool(names))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    rounds = None if horizon is None else parse_count(horizon, "--horizon")
    runs = None if n_runs is None else parse_count(n_runs, "--n-runs", at_most=10**6)
    cases = plan(chosen, games, types=met, horizon=rounds, n_runs=runs, quick=quick)
    controls = [control_of(theorem) for theorem in chosen]
    total = sum(case.total_runs for case in (*cases, *controls))
    done: list[Finding] = []
    with (
        _kept(store) as folder,
        workers,
        progress_bar("runs", quiet=quiet) as bar,
    ):
        played = 0

        def tell(more: int) -> None:
            nonlocal played
            played += more
            bar(min(played, total), total)

        laboratory = PackageLaboratory(folder, seed=seed, workers=workers, tell=tell)
        arguments = {
            "theorems": [theorem.id for theorem in chosen],
            "games": game or [FAMILY],
            "param": param or [],
            "game_seed": game_seed,
            "types": types,
            "sequence": sequence,
            "horizon": rounds,
            "n_runs": runs,
            "seed": seed,
            "alpha": alpha,
            "quick": quick,
        }
        try:
            result = investigate(
                cases,
                controls,
                laboratory,
                alpha=alpha,
                arguments=arguments,
                versions={"python": platform.python_version(), **code_versions()},
                tell=done.append,
            )
        except (KeyboardInterrupt, WorkersLostError) as cause:
            where = f"finished runs are kept in {store}" if store else "pass --store to keep runs"
            where = f"after {len(done)} of {len(cases) + len(controls)} checks; {where}"
            if isinstance(cause, WorkersLostError):
                raise PersuasionError(f"{cause.__cause__ or cause} ({where})") from cause
            note(f"interrupted {where}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if json:
        print_json(result.to_dict())
    elif not quiet:
        _show(result)
    if out is not None:
        _write(result, out, quiet)
    for fault in result.faults:
        note(f"fault: {fault}")
    if result.refuted or result.uncaught:
        raise typer.Exit(ExitCode.NOT_FINE)
    if result.failed:
        raise typer.Exit(ExitCode.NOT_SOLVED)


def find_theorems(names: Sequence[str] | None) -> list[Theorem]:
    """Return the theorems called `names`, each once, or all.

    Raises
    ------
    PersuasionError
        When there is no such theorem.
    """
    from theory import statements

    for name in names or ():
        if name not in statements.names():
            raise PersuasionError(
                f"no theorem is called {name!r}{did_you_mean(name, statements.names())} "
                f"(legal are {', '.join(statements.names())})"
            )
    return [statements.load(name) for name in dict.fromkeys(names or statements.names())]


def _games(
    targets: Sequence[str] | None, param: Sequence[str] | None, game_seed: int | None
) -> list[PersuasionGame] | None:
    """Games named on the command line; None for the family."""
    wanted = [target for target in targets or () if target != FAMILY]
    if (param or game_seed is not None) and len(wanted) != 1:
        raise PersuasionError("--param and --game-seed need exactly one --game that they belong to")
    if not wanted:
        return None
    if len(wanted) < len(targets or ()):
        raise PersuasionError(f"--game {FAMILY} stands alone; drop the other games, or it")
    games = [find_game(target, param, game_seed) for target in wanted]
    for game in games:
        if game.n_states < 2 or game.n_actions < 2:
            raise PersuasionError(
                f"there is nothing to learn with {game.n_states} state(s) and {game.n_actions} "
                "action(s); a theorem needs at least two of each"
            )
    return list(dict.fromkeys(games))


def _about_one_game(chosen: Sequence[Theorem], *, named: bool) -> list[Theorem]:
    """Leave out theorems that bring games of their own: pairs, or with types of Receiver."""
    single = [theorem for theorem in chosen if not theorem.brings_games]
    pairs = ", ".join(theorem.id for theorem in chosen if theorem.brings_games)
    if pairs and named:
        raise PersuasionError(f"{pairs}: brings games of its own; leave --game out")
    if pairs:
        note(f"left out, because they bring their own games: {pairs}")
    return single


def _met(
    types: str | None, sequence: str | None, games: Sequence[PersuasionGame] | None
) -> ReceiverTypes | None:
    """Types named on the command line, for the one game that is named too."""
    if types is not None and (games is None or len(games) != 1):
        raise PersuasionError("--types needs exactly one --game, in which the types turn up")
    if types is None or games is None:
        if sequence is not None:
            raise PersuasionError("--sequence says in which order types come; name them: --types")
        return None
    return find_types(types, sequence, games[0])


def _about_types(chosen: Sequence[Theorem], met: ReceiverTypes, *, named: bool) -> list[Theorem]:
    """Keep theorems about Receivers of changing type that speak about this sequence."""
    from theory.type_theorem import TypeTheorem

    kept: list[Theorem] = []
    for theorem in chosen:
        reason: str | None = "it speaks of one Receiver; leave --types out"
        if isinstance(theorem, TypeTheorem):
            reason = theorem.silent_about(met)
        if reason is None:
            kept.append(theorem)
        elif named:
            raise PersuasionError(f"{theorem.id}: {reason}")
    return kept


@contextmanager
def _kept(store: Path | None) -> Iterator[Path]:
    """Yield the folder of finished runs: that of --store, or one that is gone afterwards."""
    from persuasion.store import Store

    if store is not None:
        Store(store)  # refused now or never
        yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _show(result: Verification) -> None:
    from theory.verification import COLUMNS

    print_table(COLUMNS, result.rows(), right=(4, 5, 6, 7, 8), fold=(0, 1))
    say()
    for finding in result.open_questions:
        assert finding.verdict is not None
        say(f"{finding.case.theorem.id} on {finding.case.title}: {finding.verdict.words}")
    if result.open_questions:
        say()
    show("result", result.words())
    show("alpha", f"{result.alpha:g} for the table, {result.alpha_each:.3g} for each row")
    show("seconds", f"{result.seconds:.1f}")


def _write(result: Verification, out: Path, quiet: bool) -> None:
    import json

    from persuasion.whole_file import write_whole
    from theory.report import report_on

    text = json.dumps(result.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    write_whole(out / "verify.json", f"{text}\n".encode())
    report_on(result).write(out / "report.html")
    if not quiet:
        note(f"wrote {out / 'verify.json'}")
        note(f"wrote {out / 'report.html'}")


# -- persuasion theorems -----------------------------------------------------------------------


def theorems(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[THEOREM]", help="Show this one.", show_default=False),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the theorems, and the static facts that every solved game must satisfy.

    With a THEOREM, show what it says, in words and as a formula, on what it rests and which
    experiment its check has to refute.
    """
    from theory.papers import described

    chosen = find_theorems(None if name is None else [name])
    facts = [] if name is not None else _facts()
    if json:
        records = [described(theorem) for theorem in chosen]
        print_json(records[0] if name is not None else {"theorems": records, "facts": facts})
    elif quiet:
        say("\n".join(theorem.id for theorem in chosen))
    elif name is not None:
        for key, value in described(chosen[0]).items():
            show(key.replace("_", " "), str(value))
    else:
        rows = [[t.id, t.kind.replace("_", " "), t.statement, t.source] for t in chosen]
        print_table(("theorem", "kind", "statement", "source"), rows, fold=(2, 3))
        say()
        rows = [[fact["fact"], fact["name"], fact["statement"]] for fact in facts]
        print_table(("fact", "check", "statement"), rows, fold=(2,))
        say()
        say("facts are checked by `persuasion.testing`, theorems by `persuasion verify`")


def _facts() -> list[dict[str, str]]:
    from persuasion.testing import all_checks

    return [
        {"fact": check.number, "name": check.name, "statement": check.statement}
        for check in all_checks()
    ]
