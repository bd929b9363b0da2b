"""How the pages are built: `make docs`, without network; a warning is an error."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions")]

import persuasion  # noqa: E402

project = "persuasion"
author = "The persuasion authors"
copyright = author
version = release = persuasion.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "mathml",
    "repository",
]
exclude_patterns = ["_build", "images", "extensions"]
# A class that two modules offer, such as `Trajectory`, may be linked to either place.
suppress_warnings = ["ref.python"]
needs_sphinx = "9.0"
default_role = "literal"  # docstrings write `name` for code
smartquotes = False
html_math_renderer = "mathml"

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = ["Legal values"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"persuasion {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_search_summary = False  # would be fetched, which browsers forbid in pages from a disk
html_show_sphinx = False
html_last_updated_fmt = None
