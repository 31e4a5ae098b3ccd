"""The guide's page on training past a shortcut shows what was measured."""

import importlib
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)


def test_page_shows_the_committed_tables(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    page = importlib.import_module("ood_page")
    expected = page.parts()
    text = page.PAGE.read_text()
    shown = re.findall(r"<!-- (.+?) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert dict(shown) == expected
