"""Hostile programs are stopped with the host unharmed, and their verdicts cannot be forged."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import dataclasses
import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_bridge.sandbox import Output, Run, Sandbox, UnsafeError, judge, layers
from llm_bridge.sandbox import __main__ as command
from llm_bridge.sandbox.cache import RunCache
from llm_bridge.sandbox.child import watch
from llm_bridge.sandbox.errors import FrameError
from llm_bridge.sandbox.frame import read_frame
from llm_bridge.sandbox.inside import seccomp
from llm_bridge.sandbox.inside.encode import NotALiteralError, encode
from llm_bridge.sandbox.interpreter import HOME, bare_command
from llm_bridge.sandbox.layers import Layers
from llm_bridge.sandbox.literals import equal, parse
from tests.llm.attacks import EXHAUSTION, FILES, FORGERIES, NETWORK, PROCESSES, Attack

ROOT = Path(__file__).parents[2]
ATTACKS = (*NETWORK, *FILES, *PROCESSES)
BASE = ("seccomp", "rlimits", "session")
WALLS = {
    "landlock": ("landlock", *BASE),
    "oldest-landlock": ("landlock", *BASE),
    "bwrap": ("bwrap", *BASE),
    "all": ("landlock", "bwrap", *BASE),
}


@contextlib.contextmanager
def listening(kind: int, family: int, address: object) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as server:
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
        yield server


class Host:
    """What a program might harm, and whether it did."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.secret_text = secrets.token_hex(16)
        self.secret = folder / "secret"
        self.secret.write_text(self.secret_text)
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.unix = f"{os.path.relpath(folder)}/s" if len(str(folder)) > 90 else f"{folder}/s"
        self.abstract = f"\0{secrets.token_hex(8)}"
        stream, packet, inet, unix = (
            socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_UNIX,
        )  # fmt: skip
        self.servers = [
            stack.enter_context(listening(*where))
            for where in (
                (stream, inet, ("127.0.0.1", 0)),
                (packet, inet, ("127.0.0.1", 0)),
                (stream, unix, self.unix),
                (stream, unix, self.abstract),
            )
        ]
        self.victim = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
        stack.callback(self.victim.wait)
        stack.callback(self.victim.kill)
        self._before = self._state()

    def arm(self, attack: Attack) -> str:
        return attack.program.format(
            secret=str(self.secret),
            outside=str(self.outside),
            tcp=self.servers[0].getsockname()[1],
            udp=self.servers[1].getsockname()[1],
            unix=self.unix,
            abstract=self.abstract,
            victim=self.victim.pid,
        )

    def harm(self) -> list[str]:
        found = []
        if self._state() != self._before:
            found.append("files")
        if self.victim.poll() is not None:
            found.append("victim")
        for server in self.servers:
            with contextlib.suppress(BlockingIOError):
                if server.type == socket.SOCK_STREAM:
                    server.accept()[0].close()
                else:
                    server.recv(1)
                found.append(f"network {server.getsockname()!r}")
        return found

    def _state(self) -> object:
        stat = self.secret.stat() if self.secret.exists() else None
        return (
            stat and (stat.st_mode, stat.st_uid, stat.st_mtime_ns, stat.st_nlink, stat.st_size),
            self.secret.read_text() if stat else None,
            sorted(os.listdir(self.outside)),
            sorted(os.listdir(self.secret.parent)),
            Path(os.__file__).with_name("poison_of_a_test.py").exists(),
        )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with contextlib.ExitStack() as stack:
        yield Host(tmp_path, stack)


def works(walls: str) -> bool:
    return set(WALLS[walls]) <= set(layers().names)


WORKING = [walls for walls in WALLS if sys.platform.startswith("linux") and works(walls)]


def sandbox(walls: str | None = None, **options: object) -> Sandbox:
    """Make a sandbox with these walls, or with the first that work."""
    if walls is None and not WORKING:
        with pytest.raises(UnsafeError, match="cannot be run safely here"):
            Sandbox()
        pytest.skip(f"nothing holds a program here, and it was refused: {layers().missing()}")
    walls = walls or WORKING[0]
    options.setdefault("timeout_s", 30.0)
    box = Sandbox(only=WALLS[walls], **options)
    if walls == "oldest-landlock":
        box.layers = dataclasses.replace(box.layers, landlock=1)
    return box


def living_session_members() -> set[int]:
    """Sandboxed children of this process, by their command lines."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            if b"inside.runner" in words and os.getpid() == int(
                Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]
            ):
                found.add(int(name))
    return found


# --- attacks ---------------------------------------------------------------------------------


def test_there_are_enough_attacks() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)
    assert len(names) + len(EXHAUSTION) + len(FORGERIES) >= 24


@pytest.mark.parametrize("walls", WORKING)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_stopped(attack: Attack, walls: str, host: Host) -> None:
    run = sandbox(walls).evaluate(host.arm(attack), ["attack()"])
    said = repr(run)
    assert "escaped" not in said
    assert host.secret_text not in said
    assert host.harm() == []
    assert run.status in ("ok", "killed"), said
    assert set(run.layers) == set(WALLS[walls])
    assert living_session_members() == set()


@pytest.mark.parametrize(
    "attack", [attack for attack in ATTACKS if attack.harmless], ids=lambda attack: attack.name
)
def test_attack_succeeds_where_nothing_stops_it(attack: Attack, host: Host) -> None:
    box = Sandbox(unsafe=True, only=("session",), timeout_s=10.0)
    (output,) = box.evaluate(host.arm(attack), ["attack()"]).outputs
    time.sleep(0.01)
    assert "escaped" in str(output.literal) or host.harm(), output
    if attack.name.startswith("read-"):
        assert host.secret_text in str(output.literal)


@pytest.mark.parametrize("name", EXHAUSTION)
def test_exhaustion_ends(name: str) -> None:
    status, program = EXHAUSTION[name]
    box = sandbox(timeout_s=0.5 if status == "timeout" else 20.0, memory_mb=128)
    started = time.monotonic()
    run = box.evaluate(program, ["attack()"])
    assert run.status == status, run
    assert time.monotonic() - started < (10.0 if status == "timeout" else 20.0)
    assert len(run.stderr) <= 4096
    (output,) = run.outputs
    assert output.literal is None
    assert living_session_members() == set()


@pytest.mark.parametrize("name", FORGERIES)
def test_verdict_is_not_forged(name: str) -> None:
    first, second = secrets.token_hex(4), secrets.token_hex(4)
    program = FORGERIES[name].replace("{first}", first).replace("{second}", second)
    run = sandbox().evaluate(program, ["attack()"])
    expected = True if name == "search-for-the-answer" else 42
    assert judge(run, [expected]) == (False,), run
    assert not run.weaker


def test_the_search_finds_what_is_there() -> None:
    program = FORGERIES["search-for-the-answer"].replace("{first}", "ab").replace("{second}", "yz")
    run = sandbox().evaluate(program, ["attack()", "'abyz'"])
    assert run.outputs[0].literal == "True"


def test_one_honest_frame_passes_as_the_programs_own_answer() -> None:
    """Writing the report oneself is no forgery: the program has chosen its own output."""
    program = FORGERIES["frame-and-more"].replace("v42.!", "v42.")
    assert judge(sandbox().evaluate(program, ["attack()"]), [42]) == (True,)


def test_a_run_leaves_no_file_and_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    box = sandbox(timeout_s=0.5)
    for program in ("x = 1", "while True: pass", "import os; os._exit(3)"):
        box.evaluate(program, ["x"])
    assert len(os.listdir("/proc/self/fd")) == before
    assert list(tmp_path.iterdir()) == []
    assert living_session_members() == set()


def test_processes_of_the_session_are_ended_where_they_can_be_made() -> None:
    program = "import os, time\nchild = os.fork()\nif child == 0:\n    time.sleep(60)"
    box = Sandbox(unsafe=True, only=("session",), timeout_s=10.0)
    child = box.evaluate(program, ["child"]).outputs[0].value
    assert not is_alive(child)


KILLED_PARENT = """
import os, sys, threading, time
from llm_bridge.sandbox import Sandbox
from tests.llm.test_sandbox import living_session_members
box = Sandbox(unsafe=True, only={only!r}, timeout_s=60.0)
threading.Thread(target=box.evaluate, args=("import time; time.sleep(60)", []), daemon=True).start()
while not (children := living_session_members()):
    time.sleep(0.01)
time.sleep(0.2)
print(*children, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("walls", WORKING)
def test_the_child_dies_with_its_parent(walls: str, tmp_path: Path) -> None:
    program = KILLED_PARENT.format(only=WALLS[walls])
    said = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert said.returncode == -signal.SIGKILL, said.stderr
    (child,) = map(int, said.stdout.split())
    deadline = time.monotonic() + 5.0
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"  # dead, and not yet reaped by the process that adopted it


def test_limits_and_capabilities_are_taken_for_good() -> None:
    """Behind the filter nobody can look at them; so they are looked at without it."""
    code = textwrap.dedent(
        """
        import os, resource, sys
        sys.path.insert(0, sys.argv[1])
        from inside import limits
        limits.die_with_parent(os.getppid())
        limits.set_limits(7, 1 << 30)
        limits.drop_capabilities()
        for name in ("CPU", "AS", "FSIZE", "NPROC", "CORE"):
            limit = getattr(resource, "RLIMIT_" + name)
            print(name, *resource.getrlimit(limit))
            try:
                resource.setrlimit(limit, (-1, -1))
            except (ValueError, OSError):
                print("kept")
        for line in open("/proc/self/status"):
            if line.startswith(("CapEff", "CapPrm", "NoNewPrivs")):
                print(*line.split())
        """
    )
    said = subprocess.run(
        bare_command("-c", code, str(HOME)), capture_output=True, text=True, check=True, env={}
    ).stdout
    kept = "".join(
        f"{name} {value} {value}\nkept\n"
        for name, value in (("CPU", 7), ("AS", 1 << 30), ("FSIZE", 0), ("NPROC", 0), ("CORE", 0))
    )
    assert said.startswith(kept)
    assert said.removeprefix(kept).split() == [
        "CapPrm:", "0" * 16, "CapEff:", "0" * 16, "NoNewPrivs:", "1",
    ]  # fmt: skip


# --- refusing --------------------------------------------------------------------------------


@pytest.mark.parametrize("walls", WALLS)
def test_walls_hold_or_are_refused(walls: str) -> None:
    """Every kind of wall is either among those that the attacks are tried on, or refused."""
    if walls in WORKING:
        assert Sandbox(only=WALLS[walls]).evaluate("", ["1"]).layers
    else:
        standing = set(WALLS[walls]) & set(layers().names)
        without = tuple(standing - ({"landlock", "bwrap"} if walls == "all" else set()))
        with pytest.raises(UnsafeError, match="cannot be run safely here"):
            Sandbox(only=without)


@pytest.mark.parametrize(
    "left",
    [(), ("session",), BASE, ("landlock", "seccomp"), ("landlock", "rlimits", "session")],
    ids=lambda left: "+".join(left) or "nothing",
)
def test_refuses_without_the_layers_it_needs(left: tuple[str, ...]) -> None:
    with pytest.raises(UnsafeError, match="landlock") as caught:
        Sandbox(only=left)
    assert "bubblewrap" in str(caught.value)
    assert "unsafe=True" in str(caught.value)
    assert Sandbox(only=left, unsafe=True).evaluate("", ["1 + 1"]).outputs[0].literal == "2"


def test_a_child_that_cannot_be_locked_runs_nothing(tmp_path: Path) -> None:
    box = Sandbox(unsafe=True, only=("session", "rlimits"))
    box.layers = dataclasses.replace(box.layers, landlock=-1)
    with pytest.raises(UnsafeError, match="nothing was run"):
        box.evaluate(f"open({str(tmp_path / 'ran')!r}, 'w')", [])
    assert list(tmp_path.iterdir()) == []


def test_layers_say_what_they_are() -> None:
    found = layers()
    assert found is layers()
    assert set(found.names) <= {"landlock", "seccomp", "rlimits", "session", "bwrap"}
    assert (found.missing() == "") == found.safe
    assert Layers(seccomp=True, rlimits=True, session=True, bwrap="bwrap").safe
    assert not Layers(rlimits=True, session=True, bwrap="bwrap").safe
    with pytest.raises(ValueError, match="no such layer: lock"):
        found.only(["lock"])


@pytest.mark.parametrize(
    "options",
    [{"timeout_s": 0}, {"timeout_s": float("inf")}, {"memory_mb": 1}, {"output_bytes": 0}],
    ids=str,
)
def test_wrong_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Sandbox(**options)


def test_the_self_test_passes_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    status = command.main()
    said = capsys.readouterr().out
    assert (status == 0) == layers().safe
    assert ("every attack was stopped" in said) == layers().safe


# --- the system call filter, instruction by instruction --------------------------------------


def decide(code: bytes, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter as the kernel would."""
    call = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    place, accumulator = 0, 0
    while True:
        operation, yes, no, value = struct.unpack_from("=HBBI", code, 8 * place)
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", call, value)
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value,
                     0x45: bool(accumulator & value)}[operation]  # fmt: skip
            place += yes if holds else no


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_filter_allows_its_list_and_nothing_else(machine: str) -> None:
    audit, calls = seccomp.ARCHITECTURES[machine]
    code = seccomp.program(machine)
    allowed = {number for number in range(1024) if decide(code, audit, number) == seccomp.ALLOW}
    assert allowed == set(calls.values())
    assert len(set(calls.values())) == len(calls)
    for number in (0, 1, 59, 0x4000_0000, 0x4000_0001, 0xFFFF_FFFF):
        assert decide(code, 0x4000_0003, number) == seccomp.KILL_ACTION  # 32 bit code
    assert decide(code, audit, 0x4000_0001) == seccomp.KILL_ACTION
    for flags in range(1 << 12):
        verdict = decide(code, audit, calls["openat"], (0, 0, flags))
        writes = flags & (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        assert verdict == (seccomp.EPERM_ACTION if writes else seccomp.ALLOW)
    for order in range(2000):
        verdict = decide(code, audit, calls["fcntl"], (2, order))
        assert (verdict == seccomp.ALLOW) == (order in seccomp.FCNTL_COMMANDS)
    assert {"clone", "fork", "execve", "socket", "kill", "ptrace", "prctl"}.isdisjoint(calls)


def test_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="no list of system calls for 'vax'"):
        seccomp.program("vax")


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_numbers_are_those_of_libseccomp(machine: str) -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp, the other source of these numbers, is not installed")
    resolve = ctypes.CDLL(name).seccomp_syscall_resolve_name_arch
    audit, calls = seccomp.ARCHITECTURES[machine]
    theirs = {call: resolve(ctypes.c_uint32(audit), call.encode()) for call in calls}
    assert theirs == dict(calls)


# --- ordinary programs -----------------------------------------------------------------------

ORDINARY = textwrap.dedent(
    """
    from __future__ import annotations
    import bisect, collections, dataclasses, datetime, decimal, enum, fractions, functools, hashlib
    import heapq, io, itertools, json, math, operator, random, re, statistics, string, time, typing
    import contextlib, copy, textwrap, unittest, zlib, bz2, lzma, sqlite3, uuid, asyncio.queues

    @dataclasses.dataclass
    class Point:
        x: int

    def everything(n):
        with contextlib.redirect_stdout(io.StringIO()):
            print("quiet")
        random.seed(1)
        time.sleep(0.001)
        table = sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()
        return {
            "digest": hashlib.sha256(bytes(n)).hexdigest()[:8],
            "point": Point(n).x,
            "fraction": str(fractions.Fraction(n, 6)),
            "day": datetime.date(2020, 1, 1).isoformat(),
            "table": table,
            "set": {1, 2.5, "a", None, (True, b"\\x00")},
            "json": json.loads('[1, {"a": null}]'),
            "big": 10**50,
        }
    """
)


@pytest.mark.parametrize("walls", WORKING)
def test_ordinary_program_runs(walls: str) -> None:
    run = sandbox(walls).evaluate(
        ORDINARY, ["everything(4)", "Point", "1 / 0", "nothing", "1 +", "input()"]
    )
    assert run.status == "ok", run
    first, *others = run.outputs
    assert first.value == {
        "digest": "df3f6198",
        "point": 4,
        "fraction": "2/3",
        "day": "2020-01-01",
        "table": (42,),
        "set": {1, 2.5, "a", None, (True, b"\0")},
        "json": [1, {"a": None}],
        "big": 10**50,
    }
    assert others[0] == Output("value", None, "a type is no literal")
    assert [output.message.partition(":")[0] for output in others[1:]] == [
        "ZeroDivisionError",
        "NameError",
        "SyntaxError",
        "EOFError",
    ]


@pytest.mark.parametrize("walls", WORKING)
def test_a_crash_has_its_own_status(walls: str) -> None:
    run = sandbox(walls).evaluate(EXHAUSTION["null-pointer"][1], ["1"])
    assert (run.status, run.message) == ("killed", f"died by signal {signal.SIGSEGV.value}")


def test_runs_repeat_themselves() -> None:
    program = "def f():\n    return list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})"
    box = sandbox()
    assert len({box.evaluate(program, ["f()"]).outputs for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [
        ("def", "error", "SyntaxError"),
        ("raise ValueError('no')", "error", "ValueError: no"),
        ("import numpy", "error", "ModuleNotFoundError"),
        ("x = '\0'", "error", "null bytes"),
        ("x = '\ud800'", "ok", ""),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "error", "E"),
        ("import os; os.kill(0, 9)", "error", "PermissionError"),
    ],
)
def test_statuses(program: str, status: str, words: str) -> None:
    run = sandbox().evaluate(program, ["1", "2"])
    assert run.status == status
    assert words in run.message
    assert len(run.outputs) == 2


def test_prints_are_kept_and_cut() -> None:
    run = sandbox(output_bytes=10_000).evaluate("print('a' * 9000 + 'end')", ["1"])
    assert run.status == "ok"
    assert run.stderr.endswith("aend\n")
    assert len(run.stderr) == 4096


# --- literals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [0, -5, 10**4000, 0.1, -1e-300, float("inf"), -float("inf"), True, None, "", "é'\"\\\n\0\ud800",
     b"\xff'", [], (), (1,), set(), {1}, {}, {"a": [(), {}]}, [[[1]]], {(1, "a"): {b"": None}}],
    ids=lambda value: repr(value)[:20].encode("unicode_escape").decode(),
)  # fmt: skip
def test_literals_come_back(value: object) -> None:
    text = encode(value, 10_000)
    assert parse(text) == value
    assert equal(parse(text), value)


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), 1j, frozenset(), range(3), 10**5000, "a" * 10_001, [0] * 10_000,
     type("L", (list,), {})(), [type("I", (int,), {})(3)]],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_no_literal(value: object) -> None:
    with pytest.raises(NotALiteralError):
        encode(value, 10_000)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1 + 1", "--1", "'a' 'b'", "[1](2)", "[1][0]", "f''", "[", "]", "(" * 99 + ")" * 99,
     "{[]: 1}", "{1: 2, 3}", "1if 1else 2", "'\\d'", "'\\N{BULLET}'", "0x10", "1_000", "1j", "...",
     "'a\nb'", "1\n", "# 1", "9" * 5000, "lambda: 1", "{**{}}", "[*[]]", "012", "True" * 9, "1 2"],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_hostile_literals_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no literal|nested"):
        parse(text)


@pytest.mark.parametrize(
    ("given", "expected", "tolerance", "same"),
    [
        (1, 1, None, True),
        (True, 1, None, False),
        (1, 1.0, None, False),
        (1, 1.0, 1e-9, True),
        (True, 1.0, 1e-9, False),
        (0.1 + 0.2, 0.3, None, False),
        ([0.1 + 0.2], [0.3], 1e-9, True),
        (0.3001, 0.3, 1e-9, False),
        ([1], (1,), None, False),
        ({1: "a"}, {True: "a"}, None, False),
        ({1: 2, 3: 4}, {3: 4, 1: 2}, None, True),
        ({1, (2, 3)}, {(2, 3), 1}, None, True),
        ({(1,)}, {(True,)}, None, False),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, 1e-9, True),
        (10**400, 1.0, 1e-9, False),
        ("a", b"a", None, False),
        (None, None, None, True),
        (object, object, None, False),
    ],
)
def test_equal(given: object, expected: object, tolerance: float | None, same: bool) -> None:
    assert equal(given, expected, tolerance) is same
    assert equal(expected, given, tolerance) is same


@pytest.mark.parametrize(
    "content",
    [b"", b"z", b"k", b"k0:", b"k0:3:v4", b"k:3:v42.", b"k-1:.", b"k0:3:v42..", b"k0:2:w1.",
     b"k0:3:v\xff\xfe.", b"k0:.", b"k0:1:e1:e.", b"k00000000000000000:1:e."],
    ids=repr,
)  # fmt: skip
def test_malformed_frames_are_refused(content: bytes) -> None:
    with pytest.raises(FrameError):
        read_frame(content, 1)


def test_judge_wants_one_expected_value_per_call() -> None:
    run = Run("ok", (Output("value", "1"), Output("error", None, "E")), "", 0.0, ())
    assert judge(run, [1, None]) == (True, False)
    with pytest.raises(ValueError, match="3 expected values for 2 outputs"):
        judge(run, [1, 2, 3])


# --- tests inside the child ------------------------------------------------------------------

CHECK = "def check(candidate):\n    assert candidate(20) == 41\n    assert helper(1) == 2\n"
HELPER = "def helper(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    ("program", "passed"),
    [
        ("def f(x): return 2 * x + 1", True),
        ("def f(x): return 2 * x", False),
        ("def f(x): import os; os._exit(0)", False),
        ("def f(x): raise SystemExit(0)", False),
        ("class Y:\n    __eq__ = lambda *a: True\ndef f(x): return Y()", False),
        ("class Y(int):\n    __eq__ = lambda *a: True\ndef f(x): return Y()", False),
        ("def g(x): return 2 * x + 1", False),
        (FORGERIES["frame-and-more"].replace("v42.!", "v42."), False),
        (FORGERIES["frame-and-more"].replace("3:v42.!", f"35:v'{'0' * 32}'."), False),
    ],
    ids=range(9),
)
def test_check_inside(program: str, passed: bool) -> None:
    run = sandbox().evaluate_check(HELPER + program, CHECK, "f")
    assert run.weaker
    assert judge(run, [True]) == (passed,), run


def test_why_a_check_inside_is_called_weaker() -> None:
    """A program made for the purpose fetches the random number itself."""
    program = textwrap.dedent(
        """
        import os
        def f(x):
            for handle in range(3, 32):
                try:
                    nonce = os.read(handle, 32)
                    break
                except OSError:
                    pass
            for handle in range(3, 32):
                try:
                    os.write(handle, b"k0:35:v'%s'." % nonce)
                except OSError:
                    pass
            os._exit(0)
        """
    )
    run = sandbox().evaluate_check(HELPER + program, CHECK, "f")
    assert judge(run, [True]) == (True,)
    assert run.weaker


# --- many programs, and keeping their runs ---------------------------------------------------


def test_many_in_order() -> None:
    jobs = [(f"x = {n}", ["x", "x + 1"]) for n in range(20)]
    seen: list[int] = []
    runs = sandbox().evaluate_many(iter(jobs), workers=3, progress=seen.append)
    assert [run.outputs[0].value for run in runs] == list(range(20))
    assert seen == list(range(1, 21))
    assert sandbox().evaluate_many([]) == []
    with pytest.raises(ValueError, match="`workers` must be at least 1"):
        sandbox().evaluate_many(jobs, workers=0)


def test_an_interrupted_batch_ends_its_children() -> None:
    box = sandbox(timeout_s=60.0)
    before = set(threading.enumerate())  # other tests leave threads of libraries

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        box.evaluate_many(
            [("x = 1", []), *[("while True: pass", [])] * 5], workers=2, progress=interrupt
        )
    assert time.monotonic() - started < 20.0
    assert living_session_members() == set()
    assert set(threading.enumerate()) <= before


def test_cache_answers_without_running(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    box = sandbox(cache=file)
    first = box.evaluate("import time", ["time.time()"])
    assert box.evaluate("import time", ["time.time()"]) == first
    assert sandbox(cache=file).evaluate("import time", ["time.time()"]) == first
    assert sandbox(cache=file, memory_mb=128).evaluate("import time", ["time.time()"]) != first
    assert box.evaluate("import time ", ["time.time()"]) != first
    assert box.evaluate_check("def f(): pass", "def check(c): pass", "f").weaker
    assert not box.evaluate("def f(): pass", []).weaker
    assert len(RunCache(file)) == 5


def test_cache_keeps_no_timeout(tmp_path: Path) -> None:
    box = sandbox(cache=tmp_path / "runs.jsonl", timeout_s=0.2)
    assert box.evaluate("while True: pass", []).status == "timeout"
    assert len(RunCache(tmp_path / "runs.jsonl")) == 0


WRITER = """
import os, sys
from llm_bridge.sandbox.cache import RunCache
from llm_bridge.sandbox.run import Output, Run
cache = RunCache(sys.argv[1])
n = len(cache)
while True:
    cache.put(str(n), Run("ok", (Output("value", repr("x" * 3000)),), "", 0.0, ()))
    os.write(1, b"%d\\n" % n)
    n += 1
"""


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, cwd=ROOT
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                said = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().splitlines()
        last = int(rest[-1] if rest else said)
        with file.open("ab") as handle:  # the worst place to be killed at
            handle.write(b'{"key": "torn", "status": "ok", "outp')
        kept = RunCache(file)
        assert all(kept.get(str(n)) is not None for n in range(last + 1))
        assert kept.get("torn") is None
    lines = [line for line in file.read_bytes().splitlines() if not line.startswith(b'{"key": "t')]
    assert len({json.loads(line)["key"] for line in lines}) == len(lines)


def test_cache_says_when_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in a folder that exists"):
        sandbox(cache=tmp_path / "nowhere" / "runs.jsonl")


def test_watch_takes_a_large_request(tmp_path: Path) -> None:
    request = bytes(5_000_000)
    ended = watch(
        [sys.executable, "-S", "-c", "import sys; print(len(sys.stdin.buffer.read()))"],
        request,
        cwd=tmp_path,
        timeout_s=30.0,
        result_limit=10,
        log_limit=100,
    )
    assert (ended.reason, ended.returncode, ended.log) == ("exit", 0, b"5000000\n")
