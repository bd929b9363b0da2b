"""Docstrings are prose: what reStructuredText would take for markup there is meant literally."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

_CODE_OR_BAR = re.compile(r"(`+[^`]*`+)|(?<!\\)\|")


def escaped(lines: list[str]) -> list[str]:
    r"""Escape the bars of ``|x|``, but not in code.

    Examples
    --------
    >>> print(*escaped(["|mu| and `a | b`"]))
    \|mu\| and `a | b`
    """
    written, example = [], False
    for line in lines:
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        written.append(
            line if example else _CODE_OR_BAR.sub(lambda found: found.group(1) or r"\|", line)
        )
    return written


def displayed(lines: list[str]) -> list[str]:
    """Let an indented paragraph after a colon stand as it was typed.

    Examples
    --------
    >>> displayed(["maximise:", "", "    x"])
    ['maximise::', '', '    x']
    """

    def depth(line: str) -> int:
        return len(line) - len(line.lstrip())

    written = list(lines)
    for i, (line, blank, below) in enumerate(zip(lines, lines[1:], lines[2:], strict=False)):
        is_prose = not line.lstrip().startswith((":", "..", "-", "*"))
        if line.endswith(":") and is_prose and not blank.strip() and depth(below) > depth(line):
            written[i] = line.rstrip(":") + "::"
    return written


def _escape(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    lines[:] = displayed(escaped(lines))


def _unlink_sizes(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the words of types, "shape (n_states,)", from being looked up as names."""
    for found in list(doctree.findall(pending_xref)):
        if found.get("refspecific") and found["refdomain"] == "py" and found["reftarget"].islower():
            found.replace_self(found.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", _escape, priority=900)  # after napoleon
    app.connect("doctree-read", _unlink_sizes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
