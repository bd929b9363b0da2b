"""The pages, built once for all tests that look at them."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages of a folder as `make docs` does."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    return subprocess.run(
        [*command, "-c", str(ROOT / "docs"), str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PERSUASION_COMPILE": "0"},
    )


@cache
def built() -> Path:
    """Return the folder of the pages; fails with the warnings of the build."""
    target = Path(tempfile.mkdtemp(prefix="pages-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    result = build(ROOT / "docs", target)
    assert result.returncode == 0, result.stderr
    return target
