"""Sphinx configuration."""

from sphinx_gallery.sorting import FileNameSortKey

import skalign

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
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath", "amsmath"]
autosummary_generate = True
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "skalign"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_sidebars = {"changelog": [], "contributing": []}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "within_subsection_order": FileNameSortKey,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}
