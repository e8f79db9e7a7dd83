"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `from_code`

project = "Spendline"
version = release = installed_version("spendline")

extensions = ["myst_parser", "sphinx_click", "from_code"]
exclude_patterns = ["_build"]
nitpicky = True

highlight_language = "none"  # a fence without a language is a picture
myst_heading_anchors = 3
smartquotes = False  # `--option` stays as it is typed

html_theme = "furo"
html_title = f"Spendline {version}"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
