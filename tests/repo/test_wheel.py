"""The wheel works away from the checkout, data files and command included."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("persuasion", "theory", "llm_bridge")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def missing(names: set[str]) -> set[str]:
    """Files of the packages in the checkout that `names` lacks."""
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return files - names


def test_every_package_file_is_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert missing(names) == set()
    assert {f"{package}/__init__.py" for package in PACKAGES} <= names
    assert "persuasion/py.typed" in names
    assert any(name.startswith("persuasion/zoo/") and not name.endswith(".py") for name in names)
    assert missing(names - {"persuasion/py.typed"}) == {"persuasion/py.typed"}


def test_wheel_works_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    # Dependencies come from here; a path inside a .pth file does not bring the editable install.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    for package in PACKAGES:
        code = f"import {package}; print({package}.__file__)"
        assert Path(run(python, "-c", code, cwd=tmp_path)).is_relative_to(site)
    version = run(python, "-c", "import persuasion; print(persuasion.__version__)", cwd=tmp_path)
    assert version in run(venv / "bin" / "persuasion", "--version", cwd=tmp_path)
