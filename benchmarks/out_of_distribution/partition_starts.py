"""Whether environments are found on coloured digits, from a random start.

    # results/partition_starts.csv
    python -m benchmarks.out_of_distribution.partition_starts

Rows are added one a run; runs that are there are not measured again. The data are the
50,000 training rows of 14 x 14 pixels of the code of invariant risk minimisation:
colour agrees with the class in 80 % and 90 %, shape in 75 %. `gap` is the largest
difference between environments in the share of rows whose colour agrees: 1 where they
are divided by colour, 0 where they are alike; `gap_shape` is the same of the shape.

- ``random``: the random start alone, the control
- ``found``: local models with equal weight of the classes, a row judged by models that
  have not seen it; of three random starts the one under which rows fit best
- ``one start``: the same of one random start, of 2 to 5 environments
- ``no class weights``, ``not cross-fitted``, ``neither``: without one of the two, or
  both, which is the paper to the letter
- ``confidence``: by the largest probability of any class, not that of the right one
"""

import argparse
import time
import warnings

import numpy as np

from benchmarks.out_of_distribution import RESULTS
from benchmarks.records import DATA, append, provenance, read
from skalign.datasets import make_colored_mnist
from skalign.domains import partition_domains

TABLE = RESULTS / "partition_starts.csv"
LONG = {"max_iter": 40}
# Name: (number of environments, seeds, settings).
RUNS = {
    "random": (2, 10, None),
    "found": (2, 10, {"n_init": 3, **LONG}),
    "one start": (2, 10, LONG),
    "no class weights": (2, 10, {"class_weight": None, **LONG}),
    "not cross-fitted": (2, 10, {"cross_fit": False, **LONG}),
    "neither": (2, 10, {"class_weight": None, "cross_fit": False, **LONG}),
    "confidence": (2, 10, {"assign_by": "confidence", **LONG}),
    "one start, 3": (3, 2, LONG),
    "one start, 4": (4, 2, LONG),
    "one start, 5": (5, 2, LONG),
}


def measure(name, seed):
    """Return the row of a run."""
    n_environments, _, settings = RUNS[name]
    digits = make_colored_mnist(variant="irm", data_home=DATA, random_state=seed)
    train = digits.sample_domain < 2
    X, y = digits.data[train].reshape(train.sum(), -1), digits.target[train]
    follows = np.c_[digits.color == digits.target, (digits.digit < 5) == digits.target]
    start, cpu = time.perf_counter(), time.process_time()
    if settings is None:
        rng = np.random.default_rng(seed)
        environment, n_iter, changed = rng.integers(2, size=len(y)), 0, ""
    else:
        with warnings.catch_warnings():
            # `changed` says so.
            warnings.filterwarnings("ignore", ".* changed their domain")
            environment, n_iter, changed, _ = partition_domains(
                X,
                y,
                n_environments,
                initial="random",
                random_state=seed,
                **settings,
            )
        changed = f"{changed:.4f}"
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    parts = [environment == e for e in range(n_environments)]
    gap, gap_shape = np.ptp([follows[train][of].mean(axis=0) for of in parts], axis=0)
    return {
        "partition": name,
        "environments": n_environments,
        "seed": seed,
        "rounds": n_iter,
        "changed": changed,
        "gap": f"{gap:.4f}",
        "gap_shape": f"{gap_shape:.4f}",
        "largest": f"{max(of.mean() for of in parts):.4f}",
        "ones": " ".join(f"{y[of].mean():.2f}" for of in parts),
        "seconds": f"{seconds:.1f}",
        "cpu_seconds": f"{cpu:.1f}",
        **provenance("scikit-learn", "numpy"),
    }


def main():
    """Measure what is not in the table yet."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    done = {(row["partition"], int(row["seed"])) for row in read(TABLE)}
    for name, (_, n_seeds, _) in RUNS.items():
        for seed in range(n_seeds):
            if (name, seed) in done:
                continue
            row = measure(name, seed)
            append(TABLE, row)
            print(*list(row.values())[:11], flush=True)


if __name__ == "__main__":
    main()
