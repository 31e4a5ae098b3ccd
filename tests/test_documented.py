"""Links from the HTML representation of estimators to the pages of the docs."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import skalign
from skalign import ClassMeanAligner, LinearAligner
from skalign._documented import DOCUMENTATION
from skalign.anchors import AnchorSelector

PACKAGE = Path(skalign.__file__).parent
PAGES = re.findall(
    r"^   (\w+(?:\.\w+)*)$", (PACKAGE.parent / "docs" / "api.rst").read_text(), re.M
)


def estimators():
    """Return the public estimators by the names of their pages."""
    found = {}
    for page in PAGES:
        room, _, name = page.rpartition(".")
        try:
            module = importlib.import_module(f"skalign.{room}".rstrip("."))
            value = getattr(module, name)
        except (ImportError, AttributeError):  # without torch
            continue
        is_estimator = inspect.isclass(value) and issubclass(value, BaseEstimator)
        if is_estimator and not inspect.isabstract(value):
            found[page] = value
    return found


@pytest.mark.parametrize("page", estimators())
def test_every_public_estimator_links_to_its_page(page):
    estimator = object.__new__(estimators()[page])
    expected = f"{DOCUMENTATION}/generated/skalign.{page}.html"
    assert estimator._get_doc_link() == expected


def test_the_link_is_in_the_html_representation():
    html = LinearAligner()._repr_html_()
    assert f'href="{DOCUMENTATION}/generated/skalign.LinearAligner.html"' in html
    html = ClassMeanAligner(LinearAligner())._repr_html_()
    assert "skalign.ClassMeanAligner.html" in html
    assert "skalign.LinearAligner.html" in html


def test_classes_that_are_not_public_have_no_link():
    class Mine(AnchorSelector):
        def _choose(self, X, counts, labels):
            return []

    hidden = next(cls for cls in LinearAligner.__mro__ if cls.__name__ == "AffineMixin")
    private = type("Private", (hidden, BaseEstimator), {"__module__": "skalign.paired"})
    assert Mine()._get_doc_link() == ""
    assert private()._get_doc_link() == ""
