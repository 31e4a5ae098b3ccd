"""The guide's page on training past a shortcut shows what was measured."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)


def test_page_shows_the_committed_tables(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    page = importlib.import_module("benchmarks.out_of_distribution.page")
    expected = page.parts()
    text = page.PAGE.read_text()
    shown = re.findall(r"<!-- (.+?) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert dict(shown) == expected
