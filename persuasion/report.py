"""Reports: one HTML file with prose, tables and pictures that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import persuasion
from persuasion.errors import PersuasionError
from persuasion.html import Table, escaped
from persuasion.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Block", "Paragraph", "Picture", "Report", "Section", "Table", "png_of", "svg_of"]


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str

    def to_html(self) -> str:
        """Return the markup."""
        return f"<p>{escaped(self.text)}</p>"


@dataclass(frozen=True)
class Picture:
    """A drawing with the words that replace it for readers who cannot see it.

    Parameters
    ----------
    image : str or bytes
        Markup of an SVG as `svg_of` returns it, or the bytes of a PNG.
    alt : str
        What the picture shows, in a sentence.
    caption : str
    """

    image: str | bytes
    alt: str
    caption: str = ""

    @classmethod
    def of(cls, ax: Axes, alt: str, caption: str = "", *, format: str = "svg") -> Picture:
        """Take the figure that `ax` belongs to, as "svg" or "png"."""
        if format not in ("svg", "png"):
            raise PersuasionError(f"`format` must be 'svg' or 'png'; got {format!r}")
        return cls(svg_of(ax) if format == "svg" else png_of(ax), alt, caption)

    def to_html(self) -> str:
        """Return the markup."""
        alt, caption = escaped(self.alt), f"<figcaption>{escaped(self.caption)}</figcaption>"
        if isinstance(self.image, bytes):
            data = base64.b64encode(self.image).decode("ascii")
            image = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
        else:
            image = self.image.replace("<svg ", f'<svg role="img" aria-label="{alt}" ', 1)
        return f"<figure>{image}{caption if self.caption else ''}</figure>"


Block = Paragraph | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]

    def to_html(self, anchor: str) -> str:
        """Return the markup; `anchor` is the id of the section."""
        parts = [f'<section id="{anchor}"><h2>{escaped(self.title)}</h2>']
        for block in self.blocks:
            markup = block.to_html()
            if isinstance(block, Table):
                name = escaped(block.caption or self.title)
                frame = f'class="wide" role="region" tabindex="0" aria-label="{name}"'
                markup = f"<div {frame}>{markup}</div>"
            parts.append(markup)
        return "".join(parts) + "</section>"


@dataclass(frozen=True)
class Report:
    """A page of sections.

    Parameters
    ----------
    title : str
    sections : sequence of Section
    lead : str
        A sentence or two below the title.

    Examples
    --------
    >>> report = Report("Values", [Section("Prosecutor", [Paragraph("3/5 > 0")])])
    >>> "3/5 &gt; 0" in report.to_html()
    True
    """

    title: str
    sections: Sequence[Section]
    lead: str = ""

    def to_html(self) -> str:
        """Return the whole page."""
        links = "".join(
            f'<li><a href="#s{i}">{escaped(section.title)}</a></li>'
            for i, section in enumerate(self.sections)
        )
        bodies = (section.to_html(f"s{i}") for i, section in enumerate(self.sections))
        return _PAGE.format(
            title=escaped(self.title),
            style=_STYLE,
            lead=f'<p class="lead">{escaped(self.lead)}</p>' if self.lead else "",
            links=f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if links else "",
            body=_unique_ids("\n".join(bodies)),
            version=escaped(persuasion.__version__),
        )

    def write(self, path: Path | str) -> Path:
        """Write the page to `path`; a reader of the file sees the old page or the new, whole.

        Missing folders are made. Returns the path.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return write_whole(target, self.to_html().encode())


def png_of(ax: Axes) -> bytes:
    """Return the figure of `ax` as the bytes of a PNG, 144 dots per inch."""
    buffer = io.BytesIO()
    figure = ax.get_figure(root=True)
    if figure is None:
        raise PersuasionError("`ax` belongs to no figure any more")
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


def svg_of(ax: Axes) -> str:
    """Return the figure of `ax` as SVG to stand inside a page.

    Text is drawn as outlines, so no font is needed; ink, paper and muted grey become the CSS
    variables ``--ink``, ``--paper`` and ``--muted`` of the page, so that the picture follows its
    theme. The same figure gives the same text.
    """
    import matplotlib

    from persuasion.plot.canvas import INK, MUTED, PAPER

    figure = ax.get_figure(root=True)
    if figure is None:
        raise PersuasionError("`ax` belongs to no figure any more")
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "persuasion"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # matplotlib's rules would apply to the whole page; put them on this drawing alone
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg style="stroke-linejoin:round;stroke-linecap:butt" ', 1)
    for color, variable in ((INK, "ink"), (PAPER, "paper"), (MUTED, "muted")):
        text = text.replace(color, f"var(--{variable})")
    return text


def _unique_ids(markup: str) -> str:
    """Give the ids inside each SVG a prefix of its own; drawings share their names for glyphs."""
    counter = iter(range(markup.count("<svg") + 1))

    def prefixed(match: re.Match[str]) -> str:
        prefix = f"v{next(counter)}-"
        return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}", match.group(0))

    return re.sub(r"<svg .*?</svg>", prefixed, markup, flags=re.DOTALL)


_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1c; --paper: #fefefd; --muted: #66666b;
  --line: #d8d8dc; --link: #0060a0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececee; --paper: #17181b; --muted: #a0a0a8; --line: #3c3d43; --link: #7fc0f0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 58rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .6rem; }
section { margin-top: 2.5rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
p { max-width: 42rem; }
.lead { font-size: 1.1rem; }
a { color: var(--link); }
nav ul { list-style: none; margin: 1rem 0 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .3rem 1.2rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
.wide:focus-visible { outline: 2px solid var(--link); }
table { font-size: .9rem; line-height: 1.35; min-width: min(100%, 26rem); }
caption, figcaption, footer { color: var(--muted); font-size: .9rem; }
td, th { vertical-align: top; }
th { font-weight: 600; }
tbody th { font-weight: 400; min-width: 7rem; }
figure { margin: 1.2rem 0; }
figure svg, figure img { display: block; max-width: 100%; height: auto; }
footer { margin-top: 3rem; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --muted: #444; --line: #bbb;
    --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>{lead}{links}</header>
<main>
{body}
</main>
<footer>Made by persuasion {version}.</footer>
</body>
</html>
"""
