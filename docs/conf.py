"""Sphinx configuration."""

import ast
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

from docutils import nodes
from numpydoc.xref import DEFAULT_LINKS
from sphinx_gallery.sorting import FileNameSortKey

import skalign

HERE = Path(__file__).parent
LINK = re.compile(r":(?:ref|term):`(.*?)\s*(?:<[^>]*>)?`", re.DOTALL)
sys.path[:0] = [str(HERE), str(HERE.parent)]
import diagrams
import example_figure
import front_figure
import results_pages

project = "skalign"
author = "The skalign developers"
copyright = "2026, the skalign developers"
release = version = skalign.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
myst_heading_anchors = 3
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
nitpicky = True
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give types, and shapes, too
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # words that are not among these
numpydoc_xref_aliases = {word: word for word in DEFAULT_LINKS} | {
    "ndarray": "numpy.ndarray",
    "RandomState": "numpy.random.RandomState",
    "Pipeline": "sklearn.pipeline.Pipeline",
    "Bunch": "sklearn.utils.Bunch",
    "Tensor": "torch.Tensor",
    "Module": "torch.nn.Module",
}
# Inventories of the names that are linked to, so that no build downloads any.
intersphinx_mapping = {
    "joblib": ("https://joblib.readthedocs.io/en/stable/", "inventories/joblib.txt"),
    "pot": ("https://pythonot.github.io/", "inventories/pot.txt"),
    "scipy": ("https://docs.scipy.org/doc/scipy/", "inventories/scipy.txt"),
    "sklearn": ("https://scikit-learn.org/stable/", "inventories/scikit-learn.txt"),
    "numpy": ("https://numpy.org/doc/stable/", "inventories/numpy.txt"),
    "torch": ("https://docs.pytorch.org/docs/stable/", "inventories/torch.txt"),
}
exclude_patterns = ["_build", "results/_*"]
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "skalign"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {path.stem: [] for path in HERE.glob("*.md")}  # they have no sections
copybutton_exclude = ".linenos, .gp, .go"  # prompts and output are not copied

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "within_subsection_order": FileNameSortKey,
    "download_all_examples": False,
    "show_memory": False,
    "thumbnail_size": (800, 560),
    "write_computation_times": False,  # a page that loads scripts of other hosts
    "remove_config_comments": True,
    "reset_modules": ("matplotlib", "seaborn", "figures.set_style"),
    "image_scrapers": ("figures.scrape",),
    "doc_module": ("skalign",),
    "backreferences_dir": "generated/backreferences",
}


def write_pages(app):
    """Draw the front figure and the diagrams, and write the pages of results."""
    front_figure.write(HERE / diagrams.FOLDER)
    diagrams.write(HERE / diagrams.FOLDER)
    results_pages.write(HERE / "results")


def cut_links(app, what, name, obj, options, lines):
    """Turn links of inherited docstrings to pages of scikit-learn into text."""
    if (getattr(obj, "__module__", None) or "").startswith("sklearn."):
        lines[:] = LINK.sub(r"\1", "\n".join(lines)).split("\n")


def trim_code(app, doctree):
    """Cut the empty line that ends a block of doctests."""
    for block in doctree.findall(nodes.literal_block):
        if block.rawsource == block.astext():
            block.rawsource = block.rawsource.rstrip("\n")
            block[:] = [nodes.Text(block.rawsource)]


def find_source(app, module):
    """Return the source of a module, and the lines of its functions and classes.

    Sphinx 9.0 fails at dicts with `**` in the arguments of a decorator.
    """
    code = inspect.getsource(import_module(module))
    tags = {}

    def visit(nodes, prefix=""):
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min(part.lineno for part in (*node.decorator_list, node))
                tags[prefix + node.name] = "def", first, node.end_lineno
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(code).body)
    return code, tags


def setup(app):
    """Connect the functions above."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", cut_links)
    app.connect("doctree-read", trim_code)
    app.connect("viewcode-find-source", find_source)
    app.add_directive("diagram", diagrams.Diagram)
    app.add_directive("example-figure", example_figure.ExampleFigure)
