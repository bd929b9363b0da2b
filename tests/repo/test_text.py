"""No file of the project names a path of somebody's computer."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE_PATH = re.compile(r"(?<![\w.~}])/(?:work|root|home|Users)/\w+")


def project_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def private_paths(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # an image
        return []
    return PRIVATE_PATH.findall(text)


def test_no_private_path() -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = {file.relative_to(ROOT).as_posix(): private_paths(file) for file in files}
    assert {name: paths for name, paths in found.items() if paths} == {}


@pytest.mark.parametrize("folder", ["work", "root", "home", "Users"])
def test_private_path_is_caught(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text(f'open("/{folder}/ann/x.csv")')
    assert private_paths(file) == [f"/{folder}/ann"]
    file.write_text(f"https://example.org/{folder}/ann docs/{folder}/ann")
    assert private_paths(file) == []
