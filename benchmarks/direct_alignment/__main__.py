"""The tables of "On the direct alignment of latent spaces", and columns beyond them.

    python -m benchmarks.direct_alignment  # everything: hours on 2 cores
    python -m benchmarks.direct_alignment --tables 3  # one table, and what it needs
    python -m benchmarks.direct_alignment --quick            # on scikit-learn's digits
    python -m benchmarks.direct_alignment --steps page  # the page of the docs again

Trains the networks that are not in ``benchmarks/cache/direct_alignment`` yet, adds the
rows that are not in the tables yet, and draws the figures; so a run that was cut off
goes on. Tables are in ``results/table_*.csv``; ``docs/user_guide/direct_alignment.md``
shows them beside the published ones. The columns of latentis 0.0.8 need an environment
that holds it, whose interpreter ``LATENTIS_PYTHON`` names.
"""

import argparse
from pathlib import Path

import joblib
import torch
from tqdm import tqdm

from benchmarks.direct_alignment.figures import draw
from benchmarks.direct_alignment.networks import CACHE, train
from benchmarks.direct_alignment.page import write_claims, write_pages
from benchmarks.direct_alignment.tables import (
    FULL,
    HERE,
    QUICK,
    TABLES,
    add,
    left,
    measure,
    recipes,
)

STEPS = ("train", "measure", "figures", "page")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", nargs="+", type=int, default=list(TABLES), choices=TABLES
    )
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--quick", action="store_true", help="scikit-learn's digits")
    parser.add_argument("--results", type=Path, help="where the tables go")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = QUICK if options.quick else FULL
    results = options.results or (
        CACHE / "quick" if options.quick else HERE / "results"
    )
    for table in options.tables:
        if "train" in options.steps:
            missing = [r for r in recipes(table, size) if not r.path.exists()]
            # Those that read distances to latents wait for the networks of these.
            for waits in (False, True):
                batch = [r for r in missing if (r.code == "relative decoder") == waits]
                jobs = (joblib.delayed(train)(recipe) for recipe in batch)
                parallel = joblib.Parallel(
                    options.jobs, return_as="generator_unordered"
                )
                name = f"table {table}, networks"
                for _ in tqdm(parallel(jobs), name, len(batch), disable=not batch):
                    pass
        if "measure" in options.steps:
            wanted = left(table, size, results)
            for run in tqdm(wanted, f"table {table}, rows", disable=not wanted):
                add(table, measure(run, size), results)
        if "figures" in options.steps:
            draw(table, size)
    if "page" in options.steps and not options.quick:
        write_claims(results)
        write_pages(results)


if __name__ == "__main__":
    main()
