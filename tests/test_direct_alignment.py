"""The benchmark of direct alignment: small on scikit-learn's digits, and its page."""

import csv
import importlib.util
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gmean

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "direct_alignment"
if not FOLDER.exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("page", FOLDER / "page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Tables, tables after a second run, and cache of the command on digits."""
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("direct_alignment")
    words = [str(FOLDER), "--quick", "--results", str(folder / "results")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setenv("SKALIGN_BENCHMARK_CACHE", str(folder))
        patch.delenv("LATENTIS_PYTHON", raising=False)
        patch.syspath_prepend(ROOT)
        runpy.run_module("benchmarks.direct_alignment", run_name="__main__")
        shutil.copytree(folder / "results", folder / "first")
        words += ["--steps", "train", "measure"]
        runpy.run_module("benchmarks.direct_alignment", run_name="__main__")
    for name in [*sys.modules]:  # they know where the cache is
        if name.startswith("benchmarks."):
            del sys.modules[name]
    return folder


@pytest.mark.long
def test_quick_run_fills_every_table_and_draws_it(quick):
    counts = []
    for table in range(1, 8):
        with (quick / "results" / f"table_{table}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        counts.append(len(rows))
        assert all(float(row["ratio"]) > 0.5 for row in rows)
        assert all(row["versions"] and row["device"] for row in rows)
        picture = quick / "direct_alignment" / "figures" / f"table_{table}_digits.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    # 2 networks make 2 ordered pairs; settings x pairs x methods, and own codes.
    assert counts == [14, 16, 56 + 18, 8 + 24, 28 + 4, 8 + 4, 32]


@pytest.mark.long
def test_second_run_adds_nothing(quick):
    for path in (quick / "first").glob("table_*.csv"):
        assert path.read_bytes() == (quick / "results" / path.name).read_bytes()


@pytest.mark.long
def test_more_is_known_is_no_worse_on_average(quick, page):
    # Least squares of all pairs fits every source row; class means only their means.
    one, four = (page.Table(k, quick / "results") for k in (1, 4))
    linear = one.values("linear", latents=4)
    means = four.values("means, linear", latents=4, samples="same")
    assert linear.mean() < means.mean()


@pytest.mark.long
def test_claims_are_judged_from_the_tables(quick, page):
    found = page.claims(quick / "results")
    assert len({row["claim"] for row in found}) == len(found) == 15
    assert {row["holds"] for row in found} == {"yes", "no"}


def test_pages_show_the_committed_tables(page):
    text = "".join(path.read_text() for path in page.PAGES)
    expected = page.parts(FOLDER / "results")
    shown = re.findall(r"<!-- (.+?) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert len(shown) > 10
    for name, table in shown:
        assert table == expected[name], name


def test_comparisons_divide_errors_of_the_same_pair_of_networks(page):
    tables = [pd.read_csv(FOLDER / "results" / f"table_{k}.csv") for k in (1, 4)]
    key = ["latents", "source_seed", "target_seed"]
    one, four = (table.set_index(key) for table in tables)
    free = four.query(
        "method == 'nothing, Wasserstein-Procrustes' and samples == 'halves'"
    )
    ratios = (free.ratio / one.query("method == 'linear'").ratio).loc[30].dropna()
    expected = f"{gmean(ratios):.3g} ({ratios.min():.3g} to {ratios.max():.3g})"
    method = "nothing, Wasserstein-Procrustes / linear"
    line = f"| {method} | 1 and 4 | 30 latents | 6 | {expected} |"
    shown = page.render_comparisons(FOLDER / "results").splitlines()
    assert line in shown
    assert len(shown) - 2 == len(set(shown[2:])) > 100


def test_ranges_in_words_are_those_of_a_comparison(page):
    numbers = r"(\d\.\d+)"
    triple = rf"{numbers} \({numbers} to {numbers}\)"
    table = page.render_comparisons(FOLDER / "results")
    shown = [tuple(map(float, found)) for found in re.findall(triple, table)]
    said = re.findall(triple, " ".join(page.PAGES[0].read_text().split()))
    assert len(said) > 15
    for texts in said:
        places = [len(text.partition(".")[2]) for text in texts]
        assert any(
            all(
                abs(value - float(text)) <= 0.50001 * 10.0**-n
                for value, text, n in zip(values, texts, places, strict=True)
            )
            for values in shown
        ), texts


def test_claims_of_the_page_follow_from_the_tables(page):
    with (FOLDER / "results" / "claims.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    for name, unit in page.UNITS.items():
        of_unit = [row for row in written if row["unit"] == name]
        assert of_unit == page.claims(FOLDER / "results", unit)
        written = [row for row in written if row["unit"] != name]
    assert not written


def test_centre_is_the_median_where_the_deviation_is_as_large_as_the_mean(page):
    even, skewed = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 60.0])
    assert (page.centre(even), page.centre(skewed)) == (2.0, 2.0)
    assert page.centre(np.array([1.0, 2.0, 6.0])) == 3.0
    assert page.cell(even) == "2 ± 1"
    assert page.cell(skewed) == "2 (1 to 60)"
