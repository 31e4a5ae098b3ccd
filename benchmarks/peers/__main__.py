"""Measure all of it and write the page, in about ten minutes of one core.

    # writes results/*.csv and ../RESULTS.md
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.peers
    python -m benchmarks.peers --only cka  # measure tasks named so again
    python -m benchmarks.peers --page  # write the page from the tables

Packages that are not installed are left out, and the page says so. ``--tiny`` runs all
of it in seconds, on samples too few to learn anything from.
"""

import argparse
import os
from pathlib import Path

from benchmarks.peers import RESULTS, growth, paired, unpaired, values
from benchmarks.peers.measure import Size, compare
from benchmarks.peers.page import write_page
from benchmarks.records import HERE, provenance, read, write

PEERS = (
    "numpy", "scipy", "scikit-learn", "POT", "torch", "latentis", "skada",
    "chemotools", "himalaya", "qc-procrustes",
)  # fmt: skip
COLUMNS = (
    "task", "work", "peer", "skipped", "ratio", "ratio_low", "ratio_high", "turns",
    "seconds", "peer_seconds", "measure", "accuracy", "peer_accuracy", "mib",
    "peer_mib",
)  # fmt: skip


def tasks(size):
    """Yield all tasks; their data are made when they are reached."""
    for module in (paired, unpaired, values):
        for make in module.TASKS:
            yield from make(size)


def main(arguments=None):
    """Measure, and write the tables and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="few samples, no peers")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--only", help="measure only tasks whose names contain this")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args(arguments)
    if not options.page:
        measure(options)
    write_page(options.results, options.output)


def measure(options):
    """Write the tables."""
    conditions = {
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        **provenance(*PEERS),
    }
    size = Size(options.tiny)
    quick = {"turns": 0, "only_core": True} if options.tiny else {}
    only = options.only or ""
    path = options.results / "comparisons.csv"
    before = {}
    for row in read(path) if only else ():
        before.setdefault(row["task"], []).append(row)
    for task in (task for task in tasks(size) if only in task.name):
        found = compare(task, **quick)
        before[task.name] = [
            {column: row.get(column, "") for column in COLUMNS} | conditions
            for row in found
        ]
        for row in found:
            print(row["task"], row["peer"], row.get("ratio") or row["skipped"],
                  row.get("accuracy"), row.get("peer_accuracy"), sep=" | ",
                  flush=True)  # fmt: skip
        write(path, [row for rows in before.values() for row in rows])
    if only:
        return
    for name in ("growth", "constants"):
        rows = [row | conditions for row in getattr(growth, name)(size)]
        write(options.results / f"{name}.csv", rows)
        print(name, len(rows), flush=True)


if __name__ == "__main__":
    main()
