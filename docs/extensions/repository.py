"""What the pages take from the rest of the repository: files they link to, and the statements."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_OUTSIDE = re.compile(r"(?<!!)\[([^\]\n]+)\]\(((?:\.\./)+[\w./-]+\.\w+)(#[\w-]+)?\)")

_LAST_LINE = re.compile(r"^(```python\n(?:(?!^```).)*?)\n\n+```$", re.MULTILINE | re.DOTALL)


def link_files(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn links to files outside the pages into links to copies of them, made by the build."""
    here = posixpath.dirname(docname)

    def copied(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        inside = posixpath.normpath(posixpath.join(here, target))
        if not inside.startswith("../"):
            return match.group()
        if page := {"../CHANGELOG.md": "changelog.md"}.get(inside):
            return f"[{text}]({posixpath.relpath(page, here or '.')}{anchor or ''})"
        return f"{{download}}`{text.replace('`', '')} <{target}>`"

    source[0] = _LAST_LINE.sub(r"\1\n```", _OUTSIDE.sub(copied, source[0]))


class Statements(SphinxDirective):
    """All statements of `theory`, from the objects that judge the runs."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each."""
        from theory import statements
        from theory.papers import entry

        self.env.note_dependency(str(Path(statements.__file__)))
        found: list[nodes.Node] = []
        for theorem in statements.theorems():
            text = f"{entry(theorem)}\n```\npersuasion verify {theorem.id}\n```\n"
            found += self.parse_text_to_nodes(text, allow_section_headings=True)
        return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", link_files)
    app.add_directive("statements", Statements)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
