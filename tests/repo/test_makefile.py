"""The set-up says what is wrong, does not repeat itself and recovers from an interruption."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def fake_python(checkout: Path, script: str) -> None:
    """Put a `python3` in front of the others."""
    file = checkout / "bin" / "python3"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def lie(statement: str) -> str:
    """Script of a python that believes `statement` before it runs the code after `-c`."""
    return f"""exec {sys.executable} -c 'import sys; {statement}; exec(sys.argv[2])' "$@" """


def test_help_lists_every_target(checkout: Path) -> None:
    result = make(checkout)
    assert result.returncode == 0
    for target in ("demo", "test", "test-all", "lint", "bench", "notebooks", "docs", "clean"):
        assert f"make {target} " in result.stdout


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lie("sys.version_info = (3, 9, 18)"), "needs Python 3.11 or later, but 'python3' is 3.9"),
        (lie('sys.modules["ensurepip"] = None'), "apt install python3-venv"),
    ],
    ids=["too-old", "no-ensurepip"],
)
def test_unfit_python_is_named(script: str, message: str, checkout: Path) -> None:
    fake_python(checkout, script)
    result = make(checkout, "test")
    assert result.returncode != 0
    assert message in result.stdout
    assert not (checkout / ".venv").exists()


def test_missing_python_is_named(checkout: Path) -> None:
    result = make(checkout, "test", "PYTHON=python3.0")
    assert result.returncode != 0
    assert "'python3.0' was not found" in result.stdout


def test_interrupted_install_is_redone_and_a_complete_one_is_kept(checkout: Path) -> None:
    log = checkout / "log"
    # Its `-m venv` makes a python that logs its arguments and fails at pip while `broken` exists.
    fake_python(
        checkout,
        f"""[ "$2" = venv ] || exec {sys.executable} "$@"
mkdir -p .venv/bin; echo create >> log
printf '#!/bin/sh\\necho "$2" >> log; [ "$2" != pip ] || [ ! -e broken ]' > .venv/bin/python
chmod +x .venv/bin/python""",
    )

    def steps(expect_success: bool) -> list[str]:
        log.write_text("")
        result = make(checkout, "test")
        assert (result.returncode == 0) is expect_success, result.stdout
        return log.read_text().split()

    (checkout / "broken").touch()
    assert steps(expect_success=False) == ["create", "pip"]
    (checkout / "broken").unlink()
    assert steps(expect_success=True) == ["create", "pip", "persuasion.compiled", "pytest"]
    assert steps(expect_success=True) == ["pytest"]
    with (checkout / "constraints.txt").open("a") as file:
        file.write("\n# changed\n")
    assert steps(expect_success=True) == ["pip", "persuasion.compiled", "pytest"]
    (checkout / "pyproject.toml").touch()
    assert steps(expect_success=True) == ["pytest"]

    with (checkout / "constraints.txt").open("a") as file:
        file.write("# changed again\n")
    (checkout / "broken").touch()
    assert steps(expect_success=False) == ["pip"]
    (checkout / "broken").unlink()
    assert steps(expect_success=True) == ["create", "pip", "persuasion.compiled", "pytest"]
