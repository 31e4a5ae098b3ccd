"""Sphinx configuration."""

import sys
from pathlib import Path

from sphinx_gallery.sorting import FileNameSortKey

import skalign

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import front_figure

project = "skalign"
author = "The skalign developers"
copyright = "2026, the skalign developers"
release = version = skalign.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
myst_heading_anchors = 3
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
autosummary_generate = True
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "skalign"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_static_path = ["_static"]
html_css_files = ["site.css"]
WITHOUT_SIDEBAR = "index", "getting_started", "choosing", "changelog", "contributing"
html_sidebars = {page: [] for page in WITHOUT_SIDEBAR}
copybutton_exclude = ".linenos, .gp, .go"  # prompts and output are not copied

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "within_subsection_order": FileNameSortKey,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}


def setup(app):
    """Draw the figure of the front page before pages are read."""
    app.connect("builder-inited", lambda app: front_figure.write(HERE / "_front"))
