"""Ensembles over partitions, on coloured digits.

    python -m benchmarks.out_of_distribution.ensemble --jobs 2    # results/ensemble.csv

Rows are added one an ensemble; those that are there are not measured again. Data and
training are those of ``colored_mnist.py`` at width 128, for up to 300 steps. A member
finds its own environments from a random start, holds out a tenth of its rows, and keeps
the epoch whose accuracy on them is best, the mean over its environments: all of it by
`NCFALClassifier`, and for VREx by `partition_domains` before. Members differ in
partition, held-out rows and first weights. `member` is the mean of their accuracies on
the test environment, `ensemble` that of the mean of their class probabilities, as
``VotingClassifier(voting="soft")`` takes it.
"""

import argparse

import numpy as np
import torch
from sklearn.base import clone

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.colored_mnist import (
    IRM_DECAY,
    IRM_LR,
    METHODS,
    STARTS,
    STEPS,
    run,
    split,
)
from benchmarks.records import provenance, read
from skalign.deep import Partition
from skalign.domains import partition_domains

TABLE = RESULTS / "ensemble.csv"
SIZES = (3, 5)
WIDTH, N_EPOCHS = 128, 30


def probabilities(name, member, X, y, X_test):
    """Class probabilities of test rows by one member."""
    estimator = clone(METHODS[name][1]).set_params(
        hidden_layer_sizes=(WIDTH, WIDTH),
        lr=IRM_LR,
        weight_decay=IRM_DECAY,
        batch_size=None,
        steps_per_epoch=STEPS,
        max_epochs=N_EPOCHS,
        early_stopping=True,
        random_state=member,
    )
    if name.startswith("NCFAL"):
        estimator.set_params(partition=Partition(**STARTS))
        return estimator.fit(X, y).predict_proba(X_test)
    found = partition_domains(X, y, random_state=member, **STARTS)
    estimator.fit(X, y, sample_domain=found.domain)
    return estimator.predict_proba(X_test)


def measure(name, seed):
    """Return a row with the accuracies of ensembles of each size."""
    torch.set_num_threads(1)
    digits, rows = split(seed)
    X, y = digits.data.reshape(len(digits.data), -1), digits.target
    train, test = digits.sample_domain < 2, rows["test"]
    of_members = np.array(
        [probabilities(name, k, X[train], y[train], X[test]) for k in range(max(SIZES))]
    )  # (n_members, n_samples, n_classes)
    right = of_members.argmax(axis=2) == y[test]
    row = {"method": name, "seed": seed, "member": f"{100 * right.mean():.2f}"}
    for size in SIZES:
        right = of_members[:size].mean(axis=0).argmax(axis=1) == y[test]
        row[f"ensemble_{size}"] = f"{100 * right.mean():.2f}"
    return row | {
        "width": WIDTH,
        "steps": STEPS * N_EPOCHS,
        **provenance("scikit-learn", "torch", "skorch", "numpy"),
    }


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="ensembles at a time")
    options = parser.parse_args()
    done = {(row["method"], int(row["seed"])) for row in read(TABLE)}
    tasks = [
        (name, seed)
        for seed in range(options.seeds)
        for name in ("NCFAL, inferred", "VREx, inferred")
        if (name, seed) not in done
    ]
    run(measure, tasks, TABLE, options.jobs)


if __name__ == "__main__":
    main()
