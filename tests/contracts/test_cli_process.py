"""The command line as a program: start-up, exit codes, pipes, Ctrl-C, plug-ins."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import persuasion
from persuasion import cli, zoo

ROOT = Path(__file__).parents[2]
HEAVY = ("matplotlib", "cvxpy", "scipy", "highspy", "flint", "rich.markdown")
PERSUASION = (sys.executable, "-W", "error", "-m", "persuasion")


def environment(*folders: Path, **settings: str) -> dict[str, str]:
    ours = ("FORCE_COLOR", "PY_COLORS", "PYTHONUNBUFFERED")
    plain = {k: v for k, v in os.environ.items() if k not in ours}
    return {**plain, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders))), **settings}


def run(
    *arguments: str, plugins: tuple[Path, ...] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*PERSUASION, *arguments),
        capture_output=True,
        encoding=settings.get("PYTHONIOENCODING", "utf-8"),
        check=False,
        env=environment(*plugins, **settings),
    )


# -- start-up ----------------------------------------------------------------------------------


def heavy_after(code: str) -> list[str]:
    report = f"import sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    result = subprocess.run(
        (
            sys.executable,
            "-c",
            f"import atexit\natexit.register(lambda: exec({report!r}, {{}}))\n{code}",
        ),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert result.returncode == 0, result.stderr
    return re.findall(r"'([\w.]+)'", result.stderr.splitlines()[-1])


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["solve", "--help"]])
def test_nothing_heavy_is_loaded_to_say_what_there_is(arguments: list[str]) -> None:
    code = f"import sys\nsys.argv = {['persuasion', *arguments]}\nimport persuasion.cli as c\n"
    assert heavy_after(f"{code}c.main()") == []


def test_heavy_module_is_caught() -> None:
    assert heavy_after("import scipy") == ["scipy"]


# -- exit codes and streams --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        (["--version"], 0, rf"persuasion {persuasion.__version__}\n", ""),
        (["solve", "prosecutor", "--exact", "-q"], 0, r"3/5\n", ""),
        (["solve", "prosecuter"], 2, "", r"error: .*did you mean 'prosecutor'\?\n"),
        (["solve", "--nonsense"], 2, "", r"Usage: persuasion solve (?s:.*)--nonsense.*\n"),
    ],
)
def test_exit_code_and_streams(arguments: list[str], code: int, stdout: str, stderr: str) -> None:
    result = run(*arguments)
    assert result.returncode == code
    assert re.fullmatch(stdout, result.stdout), result.stdout
    assert re.fullmatch(stderr, result.stderr), result.stderr


def test_check_exits_with_1(tmp_path: Path) -> None:
    scheme = tmp_path / "scheme.json"
    scheme.write_text('{"kernel": [[0, 1], [0, 1]], "signals": ["acquit", "convict"]}')
    result = run("check", "prosecutor", str(scheme))
    assert (result.returncode, result.stderr) == (1, "")
    assert "violated" in result.stdout


def test_mistake_of_ours_keeps_its_traceback_and_has_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(persuasion, "solve", fail)
    monkeypatch.setattr(sys, "argv", ["persuasion", "solve", "prosecutor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 70
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


def test_piped_table_is_plain_and_not_cut() -> None:
    result = run("zoo", COLUMNS="40", TERM="xterm-256color")
    assert "\x1b" not in result.stdout
    for entry in zoo.entries():
        (line,) = [x for x in result.stdout.splitlines() if x.split()[:1] == [entry.name]]
        assert line.endswith(entry.source)


def test_labels_beyond_the_alphabet_of_the_terminal(tmp_path: Path) -> None:
    game = {
        "prior": [0.5, 0.5],
        "sender_utility": [[0, 1]] * 2,
        "receiver_utility": [[1, 0], [0, 1]],
        "states": ["ä", "ω"],
    }
    (tmp_path / "game.json").write_text(json.dumps(game))
    result = run("solve", str(tmp_path / "game.json"), PYTHONIOENCODING="latin-1")
    assert result.returncode == 0, result.stderr
    assert "\nä " in result.stdout
    assert "\n\\u03c9 " in result.stdout


# -- commands of other packages ----------------------------------------------------------------

Install = Callable[[str, str, str], tuple[Path, ...]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Return a function that installs a package `name` with one entry point and its code."""

    def installer(name: str, target: str, code: str) -> tuple[Path, ...]:
        folder = tmp_path / name
        meta = folder / f"{name}-1.0.dist-info"
        meta.mkdir(parents=True)
        (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (meta / "entry_points.txt").write_text(f"[persuasion.commands]\n{name} = {target}\n")
        (folder / f"{name}_code.py").write_text(code)
        return (folder,)

    return installer


REGISTER = """
import typer
def register(app):
    @app.command("greet")
    def greet(name: str) -> None:
        "Greet somebody."
        if name == "nobody":
            from persuasion import PersuasionError
            raise PersuasionError("there is nobody")
        print("hello", name)
"""
OWN_APP = """
import typer
app = typer.Typer()
@app.command()
def one(): print("one")
@app.command()
def two(): print("two")
"""


def test_function_register_adds_its_commands(install: Install) -> None:
    plugins = install("polite", "polite_code:register", REGISTER)
    assert run("greet", "you", plugins=plugins).stdout == "hello you\n"
    assert re.search(r"^  greet +Greet somebody\.$", run("--help", plugins=plugins).stdout, re.M)
    failed = run("greet", "nobody", plugins=plugins)
    assert (failed.returncode, failed.stderr) == (2, "error: there is nobody\n")
    assert "Did you mean 'greet'?" in run("gret", plugins=plugins).stderr
    assert run("greet", "you").returncode == 2  # not installed: no such command


def test_typer_app_is_found_below_its_name(install: Install) -> None:
    plugins = install("numbers", "numbers_code:app", OWN_APP)
    assert run("numbers", "two", plugins=plugins).stdout == "two\n"


@pytest.mark.parametrize(
    ("target", "code", "reason"),
    [
        ("broken_code:register", "import no_such_module", "ModuleNotFoundError: No module named"),
        ("broken_code:register", "raise SystemExit(3)", "SystemExit: 3"),
        ("broken_code:register", "def register(app): 1 / 0", "ZeroDivisionError"),
        ("broken_code:register", "register = 'x'", "TypeError: broken_code:register is neither"),
        ("broken_code:register", "raise ValueError('a\\nb')", "ValueError: a b"),
        ("broken_code:absent", "", "AttributeError"),
    ],
)
def test_broken_plugin_is_named_and_left_out(
    install: Install, target: str, code: str, reason: str
) -> None:
    plugins = install("broken", target, code) + install("polite", "polite_code:register", REGISTER)
    result = run("greet", "you", plugins=plugins)
    assert (result.returncode, result.stdout) == (0, "hello you\n")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"warning: plug-in 'broken' ({target}) left out: {reason}")
    assert run("--help", plugins=plugins).returncode == 0
    assert run("solve", "prosecutor", "-q", plugins=plugins).stderr == ""  # not even looked at


def test_plugin_replaces_no_command(install: Install) -> None:
    code = "def register(app):\n    app.command('solve')(lambda: print('mine'))"
    plugins = install("greedy", "greedy_code:register", code)
    assert run("solve", "prosecutor", "-q", plugins=plugins).stdout == "0.6\n"
    assert "'solve' exists already" in run("--help", plugins=plugins).stderr


@pytest.mark.parametrize("arguments", [("solve", "prosecutor"), ("greet", "you")])
def test_reader_that_went_away_is_no_crash(install: Install, arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        (*PERSUASION, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(*install("polite", "polite_code:register", REGISTER)),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


def test_interrupted(install: Install) -> None:
    code = """
import time
def register(app):
    @app.command("nap")
    def nap():
        print("sleeping", flush=True)
        time.sleep(60)
"""
    process = subprocess.Popen(
        (*PERSUASION, "nap"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(*install("sleepy", "sleepy_code:register", code)),
        # a shell that runs the tests in the background makes its children deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sleeping\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "interrupted\n")
    assert process.returncode == 130
