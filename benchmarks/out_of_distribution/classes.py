"""Training past a shortcut with two, five and ten classes.

    python -m benchmarks.out_of_distribution.classes  # an hour and a half on one core
    python -m benchmarks.out_of_distribution.classes --jobs 2

Rows are added to ``results/classes.csv``, one a run; runs that are there are not
measured again, so a run that was cut off goes on; ``page.py`` then brings the table
of the guide up to date.

Coloured digits as columns: the 14 x 14 pixels of a digit of MNIST, and one column for
each colour, of which there are as many as classes; one is 1. With two classes they are
the digits below five and the others, with five two digits each. A quarter of the labels
is another class, drawn evenly, so that 75 % is about the most that shape can give. The
colour is that of the label in 90 % and 80 % of 10,000 rows each, with three
environments 70 % of 10,000 more, and in 10 % of 10,000 test rows; else another, drawn
evenly.

All estimators are as they come but for the length of training, 12 epochs, and the width
of both hidden layers, 256. "Weight 1000" and so on is that of the penalty. "Inferred"
are two environments, found by the estimator; IRM and VREx are given those that NCFAL
finds. "Grey" has no colours, in training or in the test. Test accuracies are of the
last step. No method is searched. That the penalty of NCFAL takes the derivative that it
does was seen on other rows, made of noise.

`f_test` is the F-norm of the method's own simplex in the test environment; `nc2_train`
and `nc2_test` are the distance from the nearest simplex, which any method has if there
are at least three classes (empty where all class means are equal).
"""

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.base import clone

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.colored_mnist import run
from benchmarks.records import DATA, provenance, read
from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.datasets import load_idx
from skalign.deep import DANN, ERM, IRM, MMD, DeepCORAL, GroupDRO, SimplexHead, VREx
from skalign.metrics import etf_distance, nc2_equiangularity

TABLE = RESULTS / "classes.csv"
N_ROWS = 10_000  # of an environment
AGREES = (0.9, 0.8, 0.7)
SEEDS = 10
CASES = [(n_classes, 2) for n_classes in (2, 5, 10)] + [(10, 3)]

METHODS = {
    "ERM": MultiDomainClassifier(),
    "ERM, grey": MultiDomainClassifier(),
    "IRM": MultiDomainClassifier(IRM()),
    "VREx": MultiDomainClassifier(VREx()),
    "VREx, weight 1000": MultiDomainClassifier(VREx(1000.0)),
    "GroupDRO": MultiDomainClassifier(GroupDRO()),
    "MMD": MultiDomainClassifier(MMD()),
    "CORAL": MultiDomainClassifier(DeepCORAL()),
    "DANN": MultiDomainClassifier(DANN()),
    "NCFAL": NCFALClassifier(),
    "NCFAL, no penalty": NCFALClassifier(ERM()),
    "NCFAL, linear head": NCFALClassifier(head=SimplexHead(fixed=False)),
    "NCFAL, as VREx": NCFALClassifier(VREx(100.0)),
    "NCFAL, as VREx, weight 1000": NCFALClassifier(VREx(1000.0)),
    "NCFAL, weight 1": NCFALClassifier(IRM(1.0)),
    "NCFAL, F-norm": NCFALClassifier(head=SimplexHead(distance_weight=1.0)),
    "NCFAL, inferred": NCFALClassifier(),
    "NCFAL, inferred, linear head": NCFALClassifier(head=SimplexHead(fixed=False)),
    "VREx, inferred": MultiDomainClassifier(VREx()),
    "VREx, inferred, weight 100": MultiDomainClassifier(VREx(100.0)),
    "IRM, inferred": MultiDomainClassifier(IRM()),
}


def draw(n_classes, n_environments, seed):
    """Return rows, labels, environments, of which the last is the test, and cues."""
    rng = np.random.default_rng(seed)
    mnist = load_idx("mnist", data_home=DATA)
    agrees = np.r_[AGREES[:n_environments], 0.1]
    domain = np.repeat(np.arange(len(agrees)), N_ROWS)
    rows = rng.permutation(len(mnist.images))[: len(domain)]
    shape = mnist.target[rows].astype(int) * n_classes // 10

    def another(of, p):
        """`of` with probability p, else one of the others."""
        step = rng.integers(1, n_classes, size=len(of))
        return np.where(rng.random(len(of)) < p, of, (of + step) % n_classes)

    y = another(shape, 0.75)
    colour = another(y, agrees[domain])
    pixels = mnist.images[rows, ::2, ::2].reshape(len(rows), -1) / np.float32(255)
    X = np.hstack([pixels, np.eye(n_classes, dtype=np.float32)[colour]])
    return X, y, domain, colour == y


def nearest_simplex(features, y):
    """Return the distance of the class means from the nearest simplex, as text."""
    if len(np.unique(y)) < 3:
        return ""
    try:
        return f"{nc2_equiangularity(features, y):.3f}"
    except ValueError:  # all class means are equal
        return ""


def environments(name):
    """Return which environments a method has."""
    return next((kind for kind in ("inferred", "grey") if kind in name), "given")


def measure(n_classes, n_environments, name, seed):
    """Return the row of a run."""
    torch.set_num_threads(1)
    X, y, domain, agree = draw(n_classes, n_environments, seed)
    if "grey" in name:
        X[:, -n_classes:] = 0
    train, test = domain < n_environments, domain == n_environments
    estimator = clone(METHODS[name]).set_params(
        hidden_layer_sizes=(256, 256), max_epochs=12, random_state=seed, device="cpu"
    )
    environment, finds = domain[train], "inferred" in name
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        if finds and not name.startswith("NCFAL"):
            found = clone(METHODS["NCFAL, inferred"]).set_params(
                max_epochs=1, random_state=seed
            )
            environment = found.fit(X[train], y[train]).domain_
        given = None if finds and name.startswith("NCFAL") else environment
        estimator.fit(X[train], y[train], sample_domain=given)
    seconds = time.perf_counter() - start
    environment = getattr(estimator, "domain_", environment)
    shares = [agree[train][environment == e].mean() for e in np.unique(environment)]
    predicted = estimator.predict(X)
    features = estimator.transform(X)
    f_test = ""
    if getattr(estimator, "vertices_", None) is not None:
        f_test = f"{etf_distance(features[test], y[test], estimator.vertices_):.3f}"
    return {
        "n_classes": n_classes,
        "n_environments": n_environments,
        "method": name,
        "seed": seed,
        "environments": environments(name),
        "gap": f"{np.ptp(shares):.4f}",
        "test": f"{100 * np.mean(predicted[test] == y[test]):.2f}",
        "train": f"{100 * np.mean(predicted[train] == y[train]):.2f}",
        "f_test": f_test,
        "nc2_train": nearest_simplex(features[train], y[train]),
        "nc2_test": nearest_simplex(features[test], y[test]),
        "warned": int(any("learnt next to" in str(one.message) for one in caught)),
        "seconds": f"{seconds:.1f}",
        **provenance("scikit-learn", "torch", "skorch", "numpy"),
    }


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    options = parser.parse_args()
    key = ("n_classes", "n_environments", "method", "seed")
    done = {tuple(str(row[name]) for name in key) for row in read(TABLE)}
    tasks = [
        (*case, name, seed)
        for seed in range(SEEDS)
        for case in CASES
        for name in options.methods
        if tuple(map(str, (*case, name, seed))) not in done
    ]
    run(measure, tasks, TABLE, options.jobs)


if __name__ == "__main__":
    main()
