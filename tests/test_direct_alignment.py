"""The benchmark of direct alignment: small on scikit-learn's digits, and its page."""

import csv
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks" / "direct_alignment"
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
    """Tables and cache of the command on scikit-learn's digits."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("direct_alignment")
    subprocess.run(
        [sys.executable, FOLDER, "--quick", "--results", folder / "results"],
        env={
            **os.environ,
            "SKALIGN_BENCHMARK_CACHE": str(folder),
            "OMP_NUM_THREADS": "1",
        },
        check=True,
        capture_output=True,
    )
    return folder


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
    assert counts == [28, 24, 84 + 18, 2 * (8 + 24), 28 + 4, 8 + 4, 32]


def test_second_run_adds_nothing(quick):
    tables = sorted((quick / "results").glob("table_*.csv"))
    before = [path.read_bytes() for path in tables]
    subprocess.run(
        [sys.executable, FOLDER, "--quick", "--results", quick / "results",
         "--steps", "train", "measure"],
        env={**os.environ, "SKALIGN_BENCHMARK_CACHE": str(quick)},
        check=True,
        capture_output=True,
    )  # fmt: skip
    assert [path.read_bytes() for path in tables] == before


def test_more_is_known_is_no_worse_on_average(quick, page):
    # Least squares of all pairs fits every source row; class means only their means.
    one, four = (page.Table(k, quick / "results") for k in (1, 4))
    linear = one.values("linear", latents=10)
    means = four.values("means, linear", latents=10, rows="same")
    assert linear.mean() < means.mean()


def test_claims_are_judged_from_the_tables(quick, page):
    found = page.claims(quick / "results")
    assert len({row["claim"] for row in found}) == len(found) == 15
    assert {row["holds"] for row in found} == {"yes", "no"}


def test_page_shows_the_committed_tables(page):
    text = page.PAGE.read_text()
    expected = page.parts(FOLDER / "results")
    shown = re.findall(r"<!-- (.+?) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert len(shown) > 10
    for name, table in shown:
        assert table == expected[name], name


def test_claims_of_the_page_follow_from_the_tables(page):
    with (FOLDER / "results" / "claims.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == page.claims(FOLDER / "results")
