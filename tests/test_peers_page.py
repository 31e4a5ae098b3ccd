"""The comparison with other packages runs, and its page shows what was measured."""

import importlib
import inspect
from pathlib import Path

import pytest

import skalign
from skalign import metrics

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)


@pytest.fixture
def module(monkeypatch):
    """Return a function that imports a module of the comparison by name."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of the ways of others
def test_everything_is_measured_on_few_samples_and_shown(module, tmp_path):
    page = tmp_path / "RESULTS.md"

    module("peers.__main__").main(
        ["--tiny", "--results", str(tmp_path), "--output", str(page)]
    )

    rows = module("records").read(tmp_path / "comparisons.csv")
    assert {row["task"] for row in rows} >= {"LinearAligner, given strength", "cka"}
    assert all(float(row["ratio"]) > 0 for row in rows)
    text = page.read_text()
    assert all(f"`{row['task'].partition(',')[0]}`" in text for row in rows)


def test_page_shows_the_committed_tables(module):
    page, results = module("peers.page"), module("peers").RESULTS
    assert (ROOT / "benchmarks" / "RESULTS.md").read_text() == page.text(results)


def test_rows_that_are_behind_say_why(module):
    page, results = module("peers.page"), module("peers").RESULTS
    peers, _, _ = page.split(module("records").read(results / "comparisons.csv"))
    behind = {(row["task"], row["peer"]) for row in peers if page.is_behind(row)}
    assert behind - module("peers.reasons").REASONS.keys() == set()


def test_all_estimators_and_metrics_are_on_the_page():
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    estimators = [name for name in skalign.__all__ if name.endswith(CLASSES)]
    functions = [
        name
        for name in metrics.__all__
        if inspect.isfunction(getattr(metrics, name)) and "scorer" not in name
    ]
    names = estimators + functions
    assert len(names) > 50
    assert [name for name in names if f"`{name}" not in text] == []


CLASSES = ("Aligner", "CV", "Classifier", "Regressor", "Adapter", "Harmonizer",
           "Retriever", "Procrustes", "Splitter", "Representation", "Only")  # fmt: skip
