"""Where environments that are found help, and where they take the cause away.

    # results/partition_limits.csv, ten minutes on one core
    python -m benchmarks.out_of_distribution.partition_limits

Rows are added one a run; runs that are there are not measured again; ``page.py`` then
brings the table of the guide up to date.

Six columns of noise, the first two moved by a cause and by a shortcut that agree with
the class in stated shares of 4,000 training rows; in 2,000 test rows the shortcut
agrees as often as it disagreed before. With more than two classes, there are 1,700
training rows with the class of the cause as one of as many centres in 64 columns, as an
encoder of images gives them, and that of the shortcut as one column each. `gap` is how
differently the environments that were found follow each of the two: 1 where they are
divided by it.
"""

import argparse
import time
import warnings

import numpy as np
import torch

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.colored_mnist import run
from benchmarks.records import provenance, read
from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.deep import Partition

TABLE = RESULTS / "partition_limits.csv"
# Name: (agreement of the cause, of the shortcut, environments to find, classes).
CASES = {
    "shortcut stronger": (0.75, 0.9, 2, 2),
    "shortcut a little stronger": (0.75, 0.8, 2, 2),
    "both alike": (0.85, 0.85, 2, 2),
    "cause stronger": (0.9, 0.75, 2, 2),
    "no shortcut": (0.75, 0.5, 2, 2),
    "nothing to learn": (0.5, 0.5, 2, 2),
    "shortcut stronger, 3 environments": (0.75, 0.9, 3, 2),
    "shortcut stronger, 5 environments": (0.75, 0.9, 5, 2),
    "shortcut stronger, 5 classes": (0.75, 0.85, 2, 5),
    "shortcut stronger, 10 classes": (0.75, 0.85, 2, 10),
    "cause stronger, 10 classes": (0.9, 0.75, 2, 10),
}


def another(rng, of, p, n_classes):
    """`of` with probability p, else one of the others."""
    step = rng.integers(1, n_classes, size=len(of))
    return np.where(rng.random(len(of)) < p, of, (of + step) % n_classes)


def draw_classes(rng, n, cause, shortcut, n_classes):
    """Return what `draw` does, of many classes."""
    centres = np.random.default_rng(0).normal(size=(n_classes, 64))
    y = rng.integers(n_classes, size=n)
    by_cause, by_shortcut = (another(rng, y, p, n_classes) for p in (cause, shortcut))
    X = centres[by_cause] + 1.5 * rng.normal(size=(n, 64))
    X = np.c_[X, 6 * np.eye(n_classes)[by_shortcut]]
    return X, y, np.c_[by_cause == y, by_shortcut == y]


def draw(rng, n, cause, shortcut):
    """Return rows, classes, and which rows follow the cause and the shortcut."""
    y = rng.integers(2, size=n)
    follows = rng.random((n, 2)) < [cause, shortcut]
    X = 0.3 * rng.normal(size=(n, 6))
    X[:, :2] += 3 * np.where(follows, y[:, None], 1 - y[:, None]) - 1.5
    return X, y, follows


def measure(case, seed):
    """Return the row of a run."""
    cause, shortcut, n_environments, n_classes = CASES[case]
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    if n_classes == 2:
        X, y, follows = draw(rng, 4000, cause, shortcut)
        X_test, y_test, _ = draw(rng, 2000, cause, 1 - shortcut)
    else:
        X, y, follows = draw_classes(rng, 1700, cause, shortcut, n_classes)
        X_test, y_test, _ = draw_classes(rng, 2000, cause, 1 - shortcut, n_classes)
    settings = {"max_epochs": 20, "random_state": seed}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ncfal = NCFALClassifier(partition=Partition(n_environments), **settings)
        ncfal.fit(X, y)
    erm = MultiDomainClassifier(**settings).fit(X, y)
    shares = [follows[ncfal.domain_ == e].mean(axis=0) for e in np.unique(
        ncfal.domain_)]  # fmt: skip
    gap = np.ptp(shares, axis=0)
    return {
        "case": case,
        "cause": cause,
        "shortcut": shortcut,
        "environments": n_environments,
        "classes": n_classes,
        "seed": seed,
        "gap_cause": f"{gap[0]:.4f}",
        "gap_shortcut": f"{gap[1]:.4f}",
        "test_ncfal": f"{100 * ncfal.score(X_test, y_test):.2f}",
        "test_erm": f"{100 * erm.score(X_test, y_test):.2f}",
        "warned": int(bool(caught)),
        "seconds": f"{time.perf_counter() - start:.1f}",
        **provenance("torch", "scikit-learn"),
    }


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = {(row["case"], row["seed"]) for row in read(TABLE)}
    tasks = [
        (case, seed)
        for seed in range(options.seeds)
        for case in CASES
        if (case, str(seed)) not in done
    ]
    run(measure, tasks, TABLE, options.jobs)


if __name__ == "__main__":
    main()
