"""Whoever computes: the same bits, nothing finished is lost, and no wait without end."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from typer.testing import CliRunner

import persuasion
from persuasion import PersuasionError, Trajectory, cli, cluster, simulate, value_over_priors, zoo
from persuasion import backends as module
from persuasion.backends import Workers
from persuasion.errors import WorkersLostError
from persuasion.learners.fixed import Fixed
from persuasion.many import solve_many
from persuasion.simulate import Interrupted
from persuasion.store import Store
from persuasion.whole_file import write_first

ROOT = Path(__file__).parents[2]
GAME = zoo.load("f1", m=4, beta=2)
RUNS: dict[str, Any] = {"horizon": 10**4, "n_runs": 6, "seed": 7}
LONG: dict[str, Any] = {"horizon": 10**6, "n_runs": 8, "seed": 7}
QUIET = {"silence_logs": 60, "dashboard_address": ":0", "host": "127.0.0.1"}


@pytest.fixture(scope="module")
def two_workers() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **QUIET) as running:
        running.wait_for_workers(2, timeout=30)
        yield running


def played(**options: Any) -> Trajectory:
    return simulate(GAME, "robust", **{**RUNS, **options})


@pytest.fixture(scope="module")
def serial() -> Trajectory:
    return played()


# -- the same bits -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_this_machine_give_the_serial_bits(backend: str, serial: Trajectory) -> None:
    assert played(backend=backend, n_jobs=2).same_results(serial)


def test_a_cluster_gives_the_serial_bits(two_workers: LocalCluster, serial: Trajectory) -> None:
    address = two_workers.scheduler_address
    assert played(backend="dask", scheduler=address).same_results(serial)
    assert not played(backend="dask", scheduler=address, seed=8).same_results(serial)


def test_one_altered_run_is_noticed(monkeypatch: pytest.MonkeyPatch, serial: Trajectory) -> None:
    """By one unit in the last place, at one checkpoint."""

    def altering(function: Any, position: int, cell: Any) -> Any:
        result = function(cell)
        if position == 3:
            result["regret"][-1] = np.nextafter(result["regret"][-1], np.inf)
        return position, result, None

    monkeypatch.setattr(module, "attempt", altering)
    assert not played(backend="threading", n_jobs=2).same_results(serial)


def test_what_joblib_was_told_is_honoured(
    monkeypatch: pytest.MonkeyPatch, serial: Trajectory
) -> None:
    names: set[str] = set()
    real = module.attempt

    def listening(*given: Any) -> Any:
        names.add(threading.current_thread().name)
        return real(*given)

    monkeypatch.setattr(module, "attempt", listening)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert played().same_results(serial)
        assert len(names) == 2
        names.clear()
        assert played(n_jobs=1).same_results(serial)
    assert played().same_results(serial)
    assert names == set()


def test_a_backend_of_the_caller_is_honoured(serial: Trajectory) -> None:
    """Also one that can return results only all at once."""
    from joblib._parallel_backends import ThreadingBackend
    from joblib.parallel import BACKENDS

    class AllAtOnce(ThreadingBackend):  # type: ignore[misc]
        supports_return_generator = False

    joblib.register_parallel_backend("all_at_once", AllAtOnce)
    try:
        assert played(backend="all_at_once", n_jobs=2).same_results(serial)
    finally:
        del BACKENDS["all_at_once"]


def test_a_client_of_the_caller_is_used(two_workers: LocalCluster, serial: Trajectory) -> None:
    with pytest.raises(PersuasionError, match="needs a cluster"):
        played(backend="dask")
    with Client(two_workers.scheduler_address) as client:
        assert played(backend="dask").same_results(serial)
        with joblib.parallel_config(backend="dask"):
            assert played().same_results(serial)
        assert client.status == "running"


def test_a_sweep_and_many_games_on_a_cluster(two_workers: LocalCluster) -> None:
    game = zoo.random_game("state_independent", 10, 8, seed=0)
    priors = np.random.default_rng(0).dirichlet(np.ones(10), size=30)
    alone = value_over_priors(game, priors)
    assert alone.n_solved > 12  # or it would be no test of solving several at once
    with Workers(backend="dask", scheduler=two_workers.scheduler_address) as workers:
        connection = workers._open
        for who in ({"backend": workers}, {"n_jobs": 2, "backend": "threading"}):
            there = value_over_priors(game, priors, **who)
            assert workers._open is connection
            assert np.array_equal(there.values, alone.values)
            assert np.array_equal(there.upper_bounds, alone.upper_bounds)
            assert there.n_solved == alone.n_solved
        games = [game.with_prior(prior) for prior in priors[:20]]
        for here, there in zip(solve_many(games), solve_many(games, backend=workers), strict=True):
            assert np.array_equal(here.scheme.kernel, there.scheme.kernel)


def test_runs_may_be_divided_among_calls(tmp_path: Path, serial: Trajectory) -> None:
    later = played(first_run=4, n_runs=2, store=tmp_path)
    assert np.array_equal(later.regret, serial.regret[4:])
    assert set(later.epochs.run.tolist()) == {4, 5}
    told: list[int] = []
    whole = played(store=tmp_path, progress=lambda done, of: told.append(done))
    assert told == [2, 3, 4, 5, 6]
    assert whole.same_results(serial)
    with pytest.raises(PersuasionError, match="first_run"):
        played(first_run=-1)


# -- workers that die ----------------------------------------------------------------------


def test_a_killed_worker_of_a_cluster_loses_nothing(
    two_workers: LocalCluster, tmp_path: Path
) -> None:
    two_workers.wait_for_workers(2, timeout=30)
    victim = next(iter(two_workers.workers.values())).process.pid
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done == 3 and not killed:
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    found = simulate(
        GAME, "robust", backend="dask", scheduler=two_workers.scheduler_address,
        store=tmp_path, progress=kill_one, **LONG,
    )  # fmt: skip
    assert killed == [victim]
    assert found.n_runs == LONG["n_runs"]
    assert found.same_results(simulate(GAME, "robust", **LONG))
    assert found.same_results(simulate(GAME, "robust", store=tmp_path, **LONG))


@pytest.mark.slow
def test_all_workers_of_a_cluster_killed_one_after_the_other_lose_nothing(
    two_workers: LocalCluster,
) -> None:
    two_workers.wait_for_workers(2, timeout=30)
    victims = [worker.process.pid for worker in two_workers.workers.values()]

    def kill(done: int, total: int) -> None:
        if done in (3, 6) and victims:
            os.kill(victims.pop(), signal.SIGKILL)

    with Workers(backend="dask", scheduler=two_workers.scheduler_address) as workers:
        longer = {**LONG, "n_runs": 12}
        found = simulate(GAME, "robust", backend=workers, progress=kill, **longer)
    assert victims == []
    assert found.same_results(simulate(GAME, "robust", **longer))


def deadly(flag: Path) -> Fixed:
    """Return a learner that kills the process it plays in, once `flag` is there."""

    class Deadly(Fixed):
        def reset(self, view: Any, rng: Any) -> None:
            time.sleep(0.02)
            if flag.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            super().reset(view, rng)

    return Deadly()


@pytest.mark.slow
def test_a_killed_process_is_told_and_the_store_goes_on(tmp_path: Path) -> None:
    flag, store = tmp_path / "flag", tmp_path / "store"
    learner = deadly(flag)

    def order(done: int, total: int) -> None:
        if done == 3:
            flag.touch()

    settings: dict[str, Any] = {"horizon": 100, "n_runs": 16, "store": store}
    with pytest.raises(WorkersLostError, match=r"was killed.*of 16 runs had finished, kept in"):
        simulate(GAME, learner, n_jobs=2, progress=order, **settings)
    kept = len(list(store.glob("*.npz")))
    assert 3 <= kept < 16
    flag.unlink()
    told: list[int] = []
    again = simulate(
        GAME, learner, n_jobs=2, progress=lambda done, of: told.append(done), **settings
    )
    assert told[0] == kept
    assert again.same_results(simulate(GAME, learner, horizon=100, n_runs=16))


@pytest.mark.slow
def test_a_run_that_kills_every_worker_is_given_up(
    two_workers: LocalCluster, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    with pytest.raises(WorkersLostError, match=r"every worker .* was killed, 4 in all"):
        simulate(
            GAME, deadly(flag), horizon=100, n_runs=2, backend="dask",
            scheduler=two_workers.scheduler_address,
        )  # fmt: skip


# -- runs that fail ------------------------------------------------------------------------


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


def failing(cell: int) -> int:
    if cell == 3:
        raise PersuasionError("on purpose")
    if cell == 4:
        raise ZeroDivisionError("a mistake")
    if cell == 5:
        raise UnpicklableError(1, 2)
    return cell * cell


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_what_a_cell_raises_comes_home(backend: str) -> None:
    def one(cell: int) -> int:  # by value: test modules cannot be imported by a worker
        if cell == 3:
            raise PersuasionError("on purpose")
        if cell == 4:
            raise ZeroDivisionError("a mistake")
        return cell * cell

    workers = Workers(2, backend)
    assert sorted(workers.run(one, [1, 2, 5])) == [(0, 1), (1, 4), (2, 25)]
    with pytest.raises(PersuasionError, match="on purpose"):
        list(workers.run(one, [1, 3, 2]))
    with pytest.raises(ZeroDivisionError, match="a mistake") as caught:
        list(workers.run(one, [1, 4, 2]))
    assert "in one" in caught.value.__notes__[0]


def test_an_error_that_does_not_survive_the_way_is_replaced() -> None:
    _, result, failure = module.attempt(failing, 0, 5)
    assert result is None
    assert isinstance(failure, RuntimeError)
    assert "UnpicklableError: 1 2" in str(failure)


def test_a_failing_run_leaves_the_others_in_the_store(tmp_path: Path) -> None:
    lock, count = threading.Lock(), [0]

    class Failing(Fixed):
        def __deepcopy__(self, memo: Any) -> Failing:
            return self

        def reset(self, view: Any, rng: Any) -> None:
            with lock:
                count[0] += 1
                if count[0] == 5:
                    raise PersuasionError("on purpose")
            super().reset(view, rng)

    with pytest.raises(PersuasionError, match="on purpose"):
        simulate(
            GAME, Failing(), horizon=10, n_runs=8, n_jobs=2, backend="threading", store=tmp_path
        )
    assert 2 <= len(list(tmp_path.glob("*.npz"))) < 8


def test_ctrl_c_keeps_the_finished_runs_of_a_cluster(
    two_workers: LocalCluster, tmp_path: Path, serial: Trajectory
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="2 of 6") as caught:
        played(
            backend="dask", scheduler=two_workers.scheduler_address, store=tmp_path, progress=stop
        )
    assert caught.value.partial is not None
    assert caught.value.partial.n_runs == 2
    assert len(list(tmp_path.glob("*.npz"))) == 2
    assert played(store=tmp_path).same_results(serial)


# -- schedulers that are gone --------------------------------------------------------------

CLUSTER = f"""
import time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, **{QUIET})
    print(cluster.scheduler_address, flush=True)
    time.sleep(120)
"""


@contextmanager
def separate_cluster(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a process with a scheduler in it, which has one worker process, and its address."""
    (folder / "cluster.py").write_text(CLUSTER)
    process = subprocess.Popen(
        [sys.executable, str(folder / "cluster.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()  # its worker notices, and ends
        process.wait()
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
def test_a_scheduler_that_vanishes_is_told_and_the_store_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(cluster, "_TO_CONNECT", 5.0)
    monkeypatch.setattr(cluster, "_BETWEEN_LOOKS", 0.5)
    store = tmp_path / "store"
    settings = {**LONG, "n_runs": 200}
    with separate_cluster(tmp_path) as (process, address):

        def strike(done: int, total: int) -> None:
            monkeypatch.setattr(cluster, "_TO_CONNECT", 0.5)  # it did answer; be quick now
            if done == 2:
                process.send_signal(how)

        began = time.monotonic()
        with pytest.raises(WorkersLostError) as caught:
            simulate(
                GAME, "robust", backend="dask", scheduler=address, store=store, progress=strike,
                **settings,
            )  # fmt: skip
        assert time.monotonic() - began < 30
    message = str(caught.value)
    assert f"the Dask scheduler at {address} is gone" in message
    assert f"of 200 runs had finished, kept in {store}" in message
    kept = len(list(store.glob("*.npz")))
    assert kept >= 2
    assert caught.value.partial.n_runs == kept
    again = simulate(GAME, "robust", store=store, **{**settings, "n_runs": 2})
    assert again.same_results(simulate(GAME, "robust", **{**settings, "n_runs": 2}))


def test_no_scheduler_and_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_TO_CONNECT", 0.5)
    monkeypatch.setattr(cluster, "_TO_FIND_WORKERS", 0.3)
    with pytest.raises(WorkersLostError, match=r"answers at tcp://127.0.0.1:9 within 0.5 s"):
        played(backend="dask", scheduler="tcp://127.0.0.1:9")
    monkeypatch.setattr(cluster, "_TO_CONNECT", 10.0)
    with (
        LocalCluster(n_workers=0, **QUIET) as empty,
        pytest.raises(WorkersLostError, match=r"had no workers for 0.3 s.*not kept, because"),
    ):
        played(backend="dask", scheduler=empty.scheduler_address)


def test_something_else_at_the_address_is_no_scheduler() -> None:
    """What a web server says reads as a message of 3.5 quintillion bytes."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:

        def answer() -> None:
            line, _ = stranger.accept()
            with line:
                line.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 4)
                line.recv(1024)

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"tcp://127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(WorkersLostError, match="no Dask scheduler answers"):
            cluster.connect(address)
        thread.join(5)


def test_a_worker_with_other_code_is_refused(two_workers: LocalCluster) -> None:
    def pretend(versions: dict[str, str] | None) -> None:
        from persuasion import cluster, store

        def code_versions() -> dict[str, str]:
            return versions or store.code_versions()

        cluster.code_versions = code_versions  # type: ignore[attr-defined]
        cluster._unpacked.cache_clear()

    with Client(two_workers.scheduler_address, set_as_default=False) as client:
        client.run(pretend, {"numpy": "1.0"})
        try:
            with pytest.raises(PersuasionError, match=r"worker tcp.* other code:.*numpy 1\.0"):
                played(backend="dask", scheduler=two_workers.scheduler_address)
        finally:
            client.run(pretend, None)


# -- what does not fit together ------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "treading"}, "one of dask, loky, threading; got 'treading'"),
        ({"backend": "multiprocessing"}, "waits for ever"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "`backend` is None"),
        ({"scheduler": "tcp://127.0.0.1:1", "backend": "loky"}, "`backend` is 'loky'"),
        ({"backend": "dask", "scheduler": "here"}, "an address like tcp://.*got 'here'"),
        ({"backend": "dask", "scheduler": "udp://a:1"}, "no protocol is called 'udp'"),
        ({"backend": "dask", "scheduler": "a:1", "n_jobs": 3}, "drop `n_jobs`"),
        ({"backend": Workers(2), "n_jobs": 3}, "drop `n_jobs` and `scheduler`"),
        ({"n_jobs": 0}, "`n_jobs` must be a number"),
        ({"n_jobs": True}, "`n_jobs` must be a number"),
    ],
)
def test_bad_combinations_are_refused_before_any_work(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PersuasionError, match=message):
        played(store=tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()
    with pytest.raises(PersuasionError, match=message):
        value_over_priors(GAME, [GAME.prior], **options)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(PersuasionError, match=r"pip install 'persuasion\[cluster\]'"):
        Workers(backend="dask", scheduler="tcp://127.0.0.1:1")


# -- the command line ----------------------------------------------------------------------


def run(line: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, shlex.split(line), prog_name="persuasion")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_commands_take_a_cluster(two_workers: LocalCluster, tmp_path: Path) -> None:
    there = f"--backend dask --scheduler {two_workers.scheduler_address}"
    play = "simulate f1 --learner robust --horizon 1000 --n-runs 3 --quiet"
    assert run(f"{play} {there}") == run(play)
    check = (
        "verify theorem_1_slater --game prosecutor --horizon 2000 --n-runs 2 --quiet "
        f"--store {tmp_path / 'runs'}"
    )
    code, _, _ = run(f"{check} {there}")
    kept = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(kept) > 2
    assert run(check)[0] == code
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == kept


@pytest.mark.parametrize("command", ["simulate f1 --learner robust", "verify theorem_1_slater"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--backend treading", "--backend must be one of dask, loky, threading"),
        ("--scheduler tcp://127.0.0.1:1", "say --backend dask too, or drop --scheduler"),
        ("--backend dask", "--scheduler tcp://HOST:PORT"),
        ("--backend dask --scheduler nowhere", "--scheduler must be an address like"),
    ],
)
def test_commands_refuse_what_does_not_fit(command: str, options: str, words: str) -> None:
    code, shown, message = run(f"{command} {options}")
    assert (code, shown) == (2, "")
    assert words in message


@pytest.mark.parametrize("command", ["simulate f1 --learner robust", "verify theorem_1_slater"])
def test_commands_say_that_nobody_answers(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cluster, "_TO_CONNECT", 0.3)
    there = f"--backend dask --scheduler tcp://127.0.0.1:9 --store {tmp_path / 'runs'}"
    code, shown, message = run(f"{command} {there}")
    assert (code, shown) == (2, "")
    assert "error: no Dask scheduler answers at tcp://127.0.0.1:9" in message


# -- a store that several share ------------------------------------------------------------


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act` in threads that wait for each other; return what came out."""
    barrier, out = threading.Barrier(count), [None] * count

    def one(i: int) -> None:
        barrier.wait()
        try:
            out[i] = act(i)
        except PersuasionError as failure:
            out[i] = failure

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def test_a_store_may_be_founded_by_several_at_once(tmp_path: Path) -> None:
    for attempt in range(10):
        found = at_once(8, lambda i, at=tmp_path / str(attempt): Store(at))
        assert all(isinstance(store, Store) for store in found)
        assert [path.name for path in (tmp_path / str(attempt)).iterdir()] == ["store.json"]


def test_of_two_codes_that_found_a_store_at_once_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {}

    def versions() -> dict[str, str]:
        return {"persuasion": codes[threading.get_ident()]}

    def found(i: int, folder: Path) -> Store:
        codes[threading.get_ident()] = str(i)
        return Store(folder)

    monkeypatch.setattr("persuasion.store.code_versions", versions)
    for attempt in range(10):
        out = at_once(4, lambda i, at=tmp_path / str(attempt): found(i, at))
        assert sum(isinstance(store, Store) for store in out) == 1
        assert sum("other code" in str(failure) for failure in out) == 3


@pytest.mark.parametrize("linked", [True, False])
def test_the_first_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    if not linked:

        def refuse(self: Path, target: Path) -> None:
            raise PermissionError("no links here")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "label"
    assert write_first(path, b"first")
    assert not write_first(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_the_package_loads_no_cluster() -> None:
    heavy = ("distributed", "joblib")
    code = f"import sys, persuasion.simulate; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert shown.stdout == "[]\n"
    assert persuasion.simulate is simulate
