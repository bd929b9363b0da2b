"""Formulas as MathML, made when the pages are built: no script, no font, no network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_SYNONYMS = {
    r"\thinspace": r"\,",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lceil": "⌈",
    r"\rceil": "⌉",
    r"\arg": r"\mathrm{arg}\,",
}
_AMENDED = {  # what the converter writes, and what browsers need
    r"\{": "{",  # after \Bigl
    r"\}": "}",
    "<mi>:</mi><mo>&#x0003D;</mo>": "<mo>&#x02254;</mo>",
    "<mi>&#x02032;</mi></msup>": "<mo>&#x02032;</mo></msup>",
    "<mo>&#x02016;</mo>": '<mo stretchy="false" lspace="0" rspace="0">&#x02016;</mo>',
    "<mo>&#x0007C;</mo>": '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>',
    "<mo>&#x02223;</mo>": '<mo stretchy="false">&#x02223;</mo>',
}
_UNKNOWN = re.compile(r"\\(?:[A-Za-z]+|.)")


def mathml(tex: str, display: str) -> str:
    r"""Return the markup of a formula; `ValueError` where a command is not understood.

    Examples
    --------
    >>> "<msup>" in mathml("x^2", "inline")
    True
    >>> "\\" in mathml(r"\Bigl\lbrace x \Bigr\rbrace", "block")
    False
    >>> mathml(r"\nonsense", "inline")
    Traceback (most recent call last):
        ...
    ValueError: \nonsense is no command of TeX that can be shown, in: \nonsense
    """
    source = tex
    for name, plain in _SYNONYMS.items():
        source = re.sub(re.escape(name) + r"(?![A-Za-z])", lambda _, p=plain: p, source)
    try:
        markup = convert(source.strip(), display=display)
    except Exception as error:
        raise ValueError(f"{type(error).__name__} {error}, in: {tex}") from error
    for written, meant in _AMENDED.items():
        markup = markup.replace(written, meant)
    if unknown := _UNKNOWN.search(markup):
        raise ValueError(f"{unknown.group()} is no command of TeX that can be shown, in: {tex}")
    return markup


def _write(translator: HTML5Translator, node: nodes.Element, display: str) -> str:
    try:
        return mathml(node.astext(), display)
    except ValueError as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
        return translator.encode(node.astext())


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{_write(translator, node, "inline")}</span>')
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_write(translator, node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
