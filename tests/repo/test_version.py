"""One version number, stated twice and equal."""

import re
from importlib.metadata import version
from pathlib import Path

import persuasion

ROOT = Path(__file__).parents[2]


def test_citation_and_installed_metadata_agree_with_the_package() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert cited.group(1) == persuasion.__version__ == version("persuasion")
