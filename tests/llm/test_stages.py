"""Stages are whole or not there, whatever kills them; one process at a time works on them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from llm_bridge.meter import TRAINING, working
from llm_bridge.staging import stages
from llm_bridge.staging.run_lock import locked
from llm_bridge.staging.stages import NoSpaceError, Stage, Stages
from persuasion.errors import PersuasionError


class Killed(BaseException):
    """Ends a stage as a kill would: nothing after it runs."""


def writing(text: str, calls: list[str] | None = None) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "out.txt").write_text(text)

    return work


def test_a_finished_stage_is_reused_and_other_settings_have_their_own(tmp_path: Path) -> None:
    calls: list[str] = []

    def run(n: int) -> Any:
        return Stages(tmp_path).run(Stage("one", writing(f"{n}", calls), {"n": n}))

    first, again, other, back = run(1), run(1), run(2), run(1)
    assert calls == ["1", "2"]
    assert [x.reused for x in (first, again, other, back)] == [False, True, False, True]
    assert first.folder == again.folder == back.folder != other.folder
    assert (back.folder / "out.txt").read_text() == "1"
    kept = Stages(tmp_path)
    kept.run(Stage("one", writing("1"), {"n": 1}))
    assert kept.others() == [other.folder]


def test_a_stage_is_redone_when_what_it_builds_on_changes(tmp_path: Path) -> None:
    def run(n: int) -> tuple[Any, Any]:
        all_stages = Stages(tmp_path)
        base = all_stages.run(Stage("base", writing(f"{n}"), {"n": n}))
        return base, all_stages.run(Stage("top", writing("t"), {}, inputs=(base,)))

    (_, top), (_, changed), (_, same) = run(1), run(2), run(1)
    assert not changed.reused
    assert same.reused
    assert same.key == top.key != changed.key


def test_what_is_done_again_and_comes_out_the_same_makes_nothing_stale(tmp_path: Path) -> None:
    def run(n: int) -> tuple[Any, Any]:
        all_stages = Stages(tmp_path)
        base = all_stages.run(Stage("base", writing("same"), {"n": n}))
        return base, all_stages.run(Stage("top", writing("t"), {}, inputs=(base,)))

    (base, _), (again, top) = run(1), run(2)
    assert (base.key != again.key, again.reused, top.reused) == (True, False, True)


@pytest.mark.parametrize("code", [(), ("llm_bridge.measure",)], ids=["all", "named"])
@pytest.mark.parametrize("changed", ["torch", "numpy", "code"])
def test_other_code_gives_another_key(
    code: tuple[str, ...], changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage("one", writing("x"), {}, code=code)
    before = stage.key
    versions = dict(stages.bridge_versions())
    if changed == "code":
        monkeypatch.setattr(stages, "source_key", lambda *roots: "other")
        versions["llm_bridge"] = "other"
    else:
        versions[changed] = "other"
    monkeypatch.setattr(stages, "bridge_versions", lambda: versions)
    stages._code.cache_clear()
    try:
        assert stage.key != before
    finally:
        stages._code.cache_clear()


def test_tokens_seconds_and_memory_are_kept(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        with working(TRAINING) as count:
            count(7)

    done = Stages(tmp_path).run(Stage("one", work, {}))
    found = Stages(tmp_path).run(Stage("one", work, {}))
    assert found.effort == done.effort
    assert found.effort["tokens"] == {"training": 7}
    assert found.effort["memory_mib"] > 1


def test_killed_at_work_leaves_no_finished_folder(tmp_path: Path) -> None:
    def dies(folder: Path) -> None:
        (folder / "out.txt").write_text("half")
        raise Killed

    with pytest.raises(Killed):
        Stages(tmp_path).run(Stage("one", dies, {}))
    seen: list[list[str]] = []

    def work(folder: Path) -> None:
        seen.append(sorted(path.name for path in folder.iterdir()))
        (folder / "out.txt").write_text("whole")

    assert Stages(tmp_path).find(Stage("one", work, {})) is None
    done = Stages(tmp_path).run(Stage("one", work, {}))
    assert seen == [[]]  # emptied first
    assert (done.folder / "out.txt").read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == [done.folder.name]


def test_checkpoints_of_a_killed_attempt_are_found_again(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        if not (folder / "step").exists():
            (folder / "step").write_text("7")
            raise Killed

    with pytest.raises(Killed):
        Stages(tmp_path).run(Stage("one", work, {}, keeps_checkpoints=True))
    done = Stages(tmp_path).run(Stage("one", work, {}, keeps_checkpoints=True))
    assert (done.folder / "step").read_text() == "7"


@pytest.mark.parametrize("damage", ["cut", "gone", "record", "no record"])
def test_a_damaged_stage_is_redone(damage: str, tmp_path: Path) -> None:
    stage = Stage("one", writing("whole"), {})
    folder = Stages(tmp_path).run(stage).folder
    match damage:
        case "cut":
            (folder / "out.txt").write_text("wh")
        case "gone":
            (folder / "out.txt").unlink()
        case "record":
            (folder / "done.json").write_text("[")
        case _:
            (folder / "done.json").unlink()
    done = Stages(tmp_path).run(stage)
    assert not done.reused
    assert (done.folder / "out.txt").read_text() == "whole"


def test_a_full_disk_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_stages = Stages(tmp_path)
    first = all_stages.run(Stage("first", writing("1"), {}))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_whole", full)  # the second stage's done.json
        with pytest.raises(NoSpaceError, match=r"1 finished part\(s\) are kept"):
            all_stages.run(Stage("second", writing("2"), {}))
    again = Stages(tmp_path)
    assert again.run(Stage("first", writing("1"), {})).reused
    assert not again.run(Stage("second", writing("2"), {})).reused
    assert (first.folder / "out.txt").read_text() == "1"


def test_libraries_that_say_it_in_their_own_words_are_understood(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    with pytest.raises(NoSpaceError, match="Free some space"):
        Stages(tmp_path).run(Stage("one", work, {}))


def test_other_faults_of_the_system_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        Stages(tmp_path).run(Stage("one", work, {}))


def test_what_is_written_says_by_what(tmp_path: Path) -> None:
    base = Stages(tmp_path).run(Stage("base", writing("b"), {}))
    done = Stages(tmp_path).run(Stage("top", writing("t"), {"n": 3}, inputs=(base,)))
    record = json.loads((done.folder / "done.json").read_text())
    assert record["settings"] == {"n": 3}
    assert record["inputs"] == {"base": base.key}
    assert record["files"] == {"out.txt": 1}
    assert set(record["versions"]) >= {"persuasion", "llm_bridge", "torch", "numpy"}


# -- the lock ----------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from llm_bridge.staging.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_dead_one_is_not_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PersuasionError, match=rf"process {holder.pid} is writing"):
            locked(tmp_path).__enter__()
        holder.kill()
        holder.wait()
    with locked(tmp_path):  # its file still names the dead process
        pass


def test_a_run_that_fails_names_no_holder(tmp_path: Path) -> None:
    """Where the system has no locks, the file is all that another process looks at."""
    with suppress(RuntimeError), locked(tmp_path):
        assert (tmp_path / ".lock").read_text()
        raise RuntimeError
    assert not (tmp_path / ".lock").read_text()


@pytest.mark.parametrize("pid", [None, 2**22 - 1])
def test_without_locks_of_the_system_the_process_named_is_looked_for(
    pid: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_bridge.staging.run_lock.fcntl", None)
    if pid is not None:
        (tmp_path / ".lock").write_text(json.dumps({"pid": pid, "host": os.uname().nodename}))
    with locked(tmp_path):
        pass
    (tmp_path / ".lock").write_text(json.dumps({"pid": os.getppid(), "host": os.uname().nodename}))
    with pytest.raises(PersuasionError, match=f"process {os.getppid()} is writing"):
        locked(tmp_path).__enter__()
