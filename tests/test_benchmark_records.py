"""Rows of the committed tables say what they were measured with."""

import csv
import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not in this distribution", allow_module_level=True)

# Tables with rows that lack a command, a commit or the model of the processor. A table
# that is measured anew leaves this list; none is added.
NOT_RECORDED = {
    "asv/results/deep_speed",
    "cross_lingual/results/cross_lingual",
    *(f"direct_alignment/results/table_{number}" for number in range(1, 8)),
    "domain_adaptation/results/digits_adaptation",
    "domain_adaptation/results/domain_adaptation_pairs",
    "federated/results/federated",
    "metrics/results/interval_coverage",
    "metrics/results/metrics_cost",
    "out_of_distribution/results/colored_mnist",
    "out_of_distribution/results/colored_mnist_search",
    "out_of_distribution/results/ensemble",
    "out_of_distribution/results/pictures",
}
# Figures of a publication, and what is derived from tables.
NOT_MEASURED = {"direct_alignment/published", "direct_alignment/results/claims"}
TABLES = sorted(
    path.relative_to(ROOT / "benchmarks").with_suffix("").as_posix()
    for path in (ROOT / "benchmarks").rglob("*.csv")
    if "cache" not in path.parts
)


def _is_recorded(row):
    """Whether a row has a command, a commit and the model of a processor."""
    commit = row.get("commit") or re.findall(
        r"\bskalign=\S+\+([0-9a-f]{7,})", row.get("versions") or ""
    )
    machine = row.get("machine") or ""
    named = machine and not re.match(r"x86_64|aarch64|arm64|not recorded", machine)
    command = row.get("command") or "not recorded"
    return bool(commit and named and command != "not recorded")


@pytest.mark.parametrize("table", [t for t in TABLES if t not in NOT_MEASURED])
def test_rows_are_recorded_unless_they_are_old(table):
    with (ROOT / "benchmarks" / f"{table}.csv").open(newline="") as file:
        recorded = [_is_recorded(row) for row in csv.DictReader(file)]
    assert all(recorded) == (table not in NOT_RECORDED)


def test_the_lists_name_tables_that_exist():
    assert {*TABLES} >= NOT_RECORDED | NOT_MEASURED


@pytest.fixture
def records(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.records")


def test_a_row_says_what_it_was_measured_with(records):
    row = records.provenance("numpy", "no-such-package")
    assert row["command"].split()[0] == "python"
    assert "no-such-package=absent" in row["versions"]
    assert set(row) == {"command", "machine", "versions"}
    assert sys.orig_argv[-1] in row["command"]


def test_older_rows_of_a_table_get_the_column_of_the_command(records, tmp_path):
    table = tmp_path / "table.csv"
    records.write(table, [{"seed": 0, "machine": "m"}])
    records.append(table, {"seed": 1, "machine": "m", "command": "c"})
    assert [row["command"] for row in records.read(table)] == ["not recorded", "c"]
    with pytest.raises(ValueError, match="differ in"):
        records.append(table, {"seed": 1, "rank": 1})
