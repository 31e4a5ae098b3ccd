"""The site shows every committed table of the benchmarks as it is."""

import csv
import html
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "docs").exists():
    pytest.skip("the docs are not in this distribution", allow_module_level=True)


@pytest.fixture
def results_pages(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("results_pages")


def test_every_row_of_every_table_is_on_the_page_of_its_study(results_pages, tmp_path):
    results_pages.write(tmp_path)
    tables = sorted((ROOT / "benchmarks").glob("*/results/*.csv"))
    assert len(tables) > 30
    for path in tables:
        page = (tmp_path / f"{path.parts[-3]}.md").read_text()
        _, _, page = page.partition(f"`{path.relative_to(ROOT)}`")
        lines = page.partition("</table>")[0].splitlines()
        shown = [line for line in lines if line.startswith("<tr><td>")]
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert len(shown) == len(rows), path
        last = [html.escape(rows[-1][name]) for name in list(rows[-1])[:2]]
        assert all(f"<td>{value}</td>" in shown[-1] for value in last), path


def test_every_package_of_the_comparison_is_summarized(results_pages):
    summary = results_pages.peers_summary()
    for package in ("latentis", "skada", "POT", "chemotools", "scikit-learn"):
        assert f"| {package} |" in summary
