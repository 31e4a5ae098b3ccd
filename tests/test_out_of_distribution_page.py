"""The guide's page on training past a shortcut shows what was measured."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_rel

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)

NUMBERS = r"([+-]?\d+\.\d){}([+-]?\d+\.\d){}([+-]?\d+\.\d){}"


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.out_of_distribution.page")


def test_pages_show_the_committed_tables(page):
    text = "\n".join(path.read_text() for path in page.PAGES)
    shown = re.findall(r"<!-- (.+?) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert dict(shown) == page.parts()


def test_differences_are_those_of_common_seeds(page):
    rows = [
        {"method": method, "seed": str(seed), "test_last": str(value)}
        for method, values in {"a": [1, 2, 4, 9], "b": [0, 3, 1]}.items()
        for seed, value in enumerate(values)
    ]
    n, mean, half = page.difference(rows, ("a", "last"), ("b", "last"))
    interval = ttest_rel([1, 2, 4], [0, 3, 1]).confidence_interval(0.95)
    assert n == 3
    np.testing.assert_allclose([mean - half, mean + half], interval)


def test_intervals_in_words_stand_in_the_tables(page):
    """Differences in words are those of a table, without their sign."""
    shown = {
        tuple(sorted(abs(float(number)) for number in (low, mean, high)))
        for part in page.parts().values()
        for mean, low, high in re.findall(NUMBERS.format(r" \[", ", ", r"\]"), part)
    }
    found = 0
    for path in [*page.PAGES, page.GUIDE / "neural_collapse.md"]:
        text = re.sub(
            r"<!-- (.+?) -->\n.*?\n<!-- end -->", "", path.read_text(), flags=re.S
        )
        text = text.replace("95 % interval ", "")
        for numbers in re.findall(
            NUMBERS.format(r"(?:\s+points)?\s+\(", " to ", ""), text
        ):
            assert tuple(sorted(map(abs, map(float, numbers)))) in shown, numbers
            found += 1
    assert found > 30


def test_rank_correlations_in_words_follow_from_the_rows(page):
    rows = [
        row
        for row in page.read(page.RESULTS / "classes.csv")
        if row["environments"] == "given" and row["method"] != "MMD"
    ]
    found = []
    for column in ("nc2_train", "nc2_test"):
        for case in (("5", "2"), ("10", "2"), ("10", "3")):
            means = {}
            for row in rows:
                if (row["n_classes"], row["n_environments"]) == case:
                    pair = float(row[column]), float(row["test"])
                    means.setdefault(row["method"], []).append(pair)
            points = np.array([np.mean(of, axis=0) for of in means.values()])
            assert len(points) == 14
            found.append(f"{spearmanr(*points.T).statistic:.2f}"[1:])
    text = " ".join(page.PAGES[1].read_text().split())
    said = "is {}, {} and {} in the three cases on the training environments, and {}, "
    said += "{} and {} on the test environment"
    assert said.format(*found) in text
