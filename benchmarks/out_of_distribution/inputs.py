"""What standardising the inputs of a trained classifier costs and brings.

    python -m benchmarks.out_of_distribution.inputs    # results/inputs.csv

Rows are added one a run; runs that are there are not measured again. Half of the breast
cancer data of scikit-learn is held out; features are those of ``features.py`` with the
stronger shortcut, in the environments that are given, and their test is the one where
the shortcut is turned round. `MultiDomainClassifier` has one layer of 64 units and 15
epochs. `test` is the accuracy at the last step; `decay` is that with a weight decay of
1e-2. `warned` says whether the classifier asked for scaling.
"""

import argparse
import warnings

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.features import CASES, draw
from benchmarks.records import append, provenance, read
from skalign import MultiDomainClassifier

TABLE = RESULTS / "inputs.csv"


def samples(data, seed):
    """Return samples, labels, domains and which samples are those of the test."""
    if data == "features":
        X, y, domain, _ = draw(CASES["shortcut stronger"], seed)
        return X, y, domain, domain == 2
    X, y = load_breast_cancer(return_X_y=True)
    test = np.random.default_rng(seed).permutation(len(y)) % 2 == 1
    return X, y, None, test


def measure(data, scaled, seed):
    """Return the row of a run."""
    X, y, domain, test = samples(data, seed)
    if scaled:
        X = StandardScaler().fit(X[~test]).transform(X)
    row = {"data": data, "standardised": int(scaled), "seed": seed}
    given = None if domain is None else domain[~test]
    for column, decay in (("test", 0.0), ("decay", 1e-2)):
        classifier = MultiDomainClassifier(
            hidden_layer_sizes=(64,),
            max_epochs=15,
            weight_decay=decay,
            random_state=seed,
            device="cpu",
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            classifier.fit(X[~test], y[~test], sample_domain=given)
        row[column] = f"{100 * classifier.score(X[test], y[test]):.2f}"
    row["warned"] = int(any("need scaling" in str(one.message) for one in caught))
    return row | provenance("torch", "skorch", "scikit-learn")


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = {tuple(list(row.values())[:3]) for row in read(TABLE)}
    for seed in range(options.seeds):
        for data in ("breast cancer", "features"):
            for scaled in (False, True):
                if (data, str(int(scaled)), str(seed)) not in done:
                    row = measure(data, scaled, seed)
                    append(TABLE, row)
                    print(*list(row.values())[:6], flush=True)


if __name__ == "__main__":
    main()
