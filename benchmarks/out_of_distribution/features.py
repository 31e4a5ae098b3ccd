r"""Out-of-distribution accuracy on tables and features with a made shortcut.

    python -m benchmarks.out_of_distribution.features    # results/features.csv
    python -m benchmarks.out_of_distribution.features --data digits "breast cancer"

Rows are added one a run; runs that are there are not measured again. ``page.py`` then
brings the tables of the guide up to date.

The samples of ``features`` are the 2,533 pictures of Office-Caltech10 as
EfficientNet-Lite0 sees them: 64 principal axes, and ten columns for a colour, one of
which is 6 times the deviation of the axes. Each seed draws 1,700 samples to train on
and tests on the other 833. ``digits`` are the 1,797 of scikit-learn, 8 x 8 pixels, of
which 1,200 are trained on, and ``breast cancer`` its table of 569 samples, 30 columns
and two classes, standardised, of which 400 are trained on; both with columns for a
colour as above, one for each class. The colour is that of the label in 90 % and 80 % of
two given environments, and in 10 % of the test samples; else another. In ``shortcut
stronger`` a quarter of the labels is another class, also in the test, so that about
75 % is the most that a model without the colour can reach; in ``cause stronger`` no
label is wrong.

A fifth of the training samples of each environment is held out. The network has one
layer of 64 units and 15 epochs of 32 samples of each environment a step. ``last`` is
the last epoch, ``training`` that with the best mean accuracy over given environments on
held-out samples, and ``found`` that with the best accuracy on the worse half of them by
found domains, the rule of ``early_stopping="found_domains"``. "found" methods train on
those domains. "last layer" trains a logistic regression with equal weight of each
environment and class on the features of plain training, for the held-out samples.
"""

import argparse
import warnings
from itertools import product

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.out_of_distribution import RESULTS
from benchmarks.out_of_distribution.colored_mnist import Recorder
from benchmarks.records import DATA, append, provenance, read
from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.deep import ERM, IRM, GroupDRO, Mask, VREx
from skalign.domains import domain_dependence, partition_domains

TABLE = RESULTS / "features.csv"
CASES = {"shortcut stronger": 0.75, "cause stronger": 1.0}  # share of right labels
N_TRAIN = {"features": 1700, "digits": 1200, "breast cancer": 400}
OBJECTIVES = {"plain": ERM(), "GroupDRO": GroupDRO(), "IRM": IRM(), "VREx": VREx()}
ESTIMATORS = {name: MultiDomainClassifier(one) for name, one in OBJECTIVES.items()}
ESTIMATORS |= {
    "NCFAL, feature mask": NCFALClassifier(mask=Mask("feature")),
    "plain, decay": MultiDomainClassifier(weight_decay=1e-2),
}
METHODS = [(name, kind) for kind in ("given", "found") for name in ESTIMATORS]
METHODS += [("last layer", "given"), ("last layer", "found"), ("plain", "grey")]
# Of the other case, what says when found domains do harm.
HARM = [("plain", "given"), ("plain", "found"), ("NCFAL, feature mask", "found")]


def load(data):
    """Return samples and classes."""
    if data != "features":
        reader = {"digits": load_digits, "breast cancer": load_breast_cancer}[data]
        return reader(return_X_y=True)
    with np.load(DATA / "office_caltech10" / "deep_features.npz") as features:
        return features["efflite0"].astype(np.float32), features["y"].astype(int)


def draw(right, seed, data="features"):
    """Return samples, labels, environments (2 is the test) and what each follows."""
    rng, n_train = np.random.default_rng(seed), N_TRAIN[data]
    X, cause = load(data)
    n_classes = len(np.unique(cause))
    rows = rng.permutation(len(X))
    X, cause = X[rows], cause[rows]
    if data == "breast cancer":
        X = StandardScaler().fit(X[:n_train]).transform(X)
    else:
        n_axes = min(64, X.shape[1])
        X = PCA(n_axes, random_state=0).fit(X[:n_train]).transform(X)
        X /= X[:n_train].std()
    domain = np.where(np.arange(len(X)) < n_train, np.arange(len(X)) % 2, 2)

    def another(of, p):
        step = rng.integers(1, n_classes, size=len(of))
        return np.where(rng.random(len(of)) < p, of, (of + step) % n_classes)

    y = another(cause, right)
    colour = another(y, np.array([0.9, 0.8, 0.1])[domain])
    X = np.c_[X, 6 * np.eye(n_classes)[colour]].astype(np.float32)
    return X, y, domain, np.c_[cause == y, colour == y]


def prepare(data, case, seed):
    """Return a seed's samples, its parts, and the domains that are found."""
    X, y, domain, follows = draw(CASES[case], seed, data)
    n = N_TRAIN[data]
    order = np.random.default_rng(seed).permutation(n)
    rows = {"held_out": order[: n // 5], "train": order[n // 5 :]}
    rows["test"] = np.arange(n, len(X))
    found = np.full(len(X), 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* changed their domain")
        found[:n] = partition_domains(X[:n], y[:n], random_state=seed).domain
    # A class of a found domain that would only be held out is trained on instead.
    cell, held_out = (y.max() + 1) * found + y, rows["held_out"]
    lacking = ~np.isin(cell[held_out], cell[rows["train"]])
    rows["train"] = np.r_[rows["train"], held_out[lacking]]
    rows["held_out"] = held_out[~lacking]
    pvalue = domain_dependence(found[:n], domain[:n], y[:n]).pvalue
    shares = [follows[found == e].mean(axis=0) for e in (0, 1)]
    about = {"data": data, "case": case, "seed": seed, "pvalue": f"{pvalue:.2g}"}
    for name, gap in zip(("cause", "shortcut"), np.ptp(shares, axis=0), strict=True):
        about[f"gap_{name}"] = f"{gap:.4f}"
    return X, y, {"given": domain, "found": found, "grey": domain}, rows, about


def retrained(X, y, environment, rows, network):
    """Return the test accuracy of a last layer trained on the held-out samples."""
    features = network.transform(X)
    of, held_out = (y.max() + 1) * environment + y, rows["held_out"]
    groups, group, counts = np.unique(
        of[held_out], return_inverse=True, return_counts=True
    )
    weight = len(held_out) / (len(groups) * counts[group])
    model = LogisticRegression(C=0.1, max_iter=1000)
    model.fit(features[held_out], y[held_out], sample_weight=weight)
    return model.score(features[rows["test"]], y[rows["test"]])


def measure(name, kind, seed, X, y, environments, rows):
    """Return the test accuracy by each rule."""
    if kind == "grey":
        X = np.ascontiguousarray(X[:, : -(y.max() + 1)])
    trained_on = "given" if name == "last layer" else kind
    estimator = clone(ESTIMATORS["plain" if name == "last layer" else name])
    parts = {
        "held_out": (rows["held_out"], environments["given"]),
        "found": (rows["held_out"], environments["found"]),
        "test": (rows["test"], environments["given"]),
    }
    recorder = Recorder(
        {
            part: [torch.from_numpy(values[of]) for values in (X, y, environment)]
            for part, (of, environment) in parts.items()
        }
    )
    estimator.set_params(
        hidden_layer_sizes=(64,),
        max_epochs=15,
        callbacks=[recorder],
        random_state=seed,
        device="cpu",
    )
    train = rows["train"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        estimator.fit(X[train], y[train], sample_domain=environments[trained_on][train])
    if name == "last layer":
        accuracy = retrained(X, y, environments[kind], rows, estimator)
        return {"last": f"{100 * accuracy:.2f}", "training": "", "found": ""}
    history = estimator.net_.history
    course = 100 * np.array(history[:, ["held_out", "found_worst", "test"]]).T
    chosen = {"last": -1, "training": course[0].argmax(), "found": course[1].argmax()}
    return {rule: f"{course[2][epoch]:.2f}" for rule, epoch in chosen.items()}


def main():
    """Measure what is not in the table yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--few", action="store_true", help="plain and NCFAL alone")
    parser.add_argument("--data", nargs="+", choices=N_TRAIN, default=[*N_TRAIN])
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = {
        (row["data"], row["case"], row["method"], row["environments"], row["seed"])
        for row in read(TABLE)
    }
    for seed, data, case in product(range(options.seeds), options.data, CASES):
        methods = HARM
        if case == "shortcut stronger" and not options.few:
            methods = METHODS
        of = data, case
        missing = [one for one in methods if (*of, *one, str(seed)) not in done]
        *samples, about = prepare(*of, seed) if missing else [None]
        for name, kind in missing:
            row = about | {"method": name, "environments": kind}
            row |= measure(name, kind, seed, *samples)
            append(TABLE, row | provenance("torch", "skorch", "scikit-learn"))
            print(*list(row.values()), flush=True)


if __name__ == "__main__":
    main()
