"""Accuracy on a target domain without labels, beside skada and POT: two CSVs.

    # all data sets; about an hour on one core
    python -m benchmarks.domain_adaptation.features
    python -m benchmarks.domain_adaptation.features amazon_reviews

In a Python environment with skada 0.6 (``pip install skada==0.6.0``), its columns are
there too; without it they are left out. A run
replaces the rows of its data sets in ``results/domain_adaptation.csv``, the mean over
pairs of domains, and in ``results/domain_adaptation_pairs.csv``. One that was cut off
goes on from ``cache/domain_adaptation_*.jsonl``; delete these to measure anew.

The protocol is that of the table published for Office-Caltech10 with SURF features
(github.com/LeoGautheron/OfficeCaltechDomainAdaptation): rows divided by their sum, then
columns standardised in each domain; a draw of source rows by class; all target rows,
without labels; the nearest source row gives the class. Its settings, 80 components,
linear kernel, entropic strength 2 and class strength 1 in medians of the cost, identity
added to covariances, serve for every data set here, beside the default settings of
OptimalTransportAligner. Nothing is chosen by looking at the labels of a target.
"sd" is that of the draws as they are (divided by their number).
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections import defaultdict
from itertools import permutations

import numpy as np
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import skalign
from benchmarks.domain_adaptation import RESULTS
from benchmarks.records import CACHE, DATA, provenance, read, write
from skalign.datasets import load_idx

SEED = 0
CLASSIFIERS = {
    "1-NN": KNeighborsClassifier(1),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
}
PUBLISHED = {
    "none": 28.1,
    "subspace alignment": 40.2,
    "transfer components": 39.5,
    "class-regularised transport": 41.0,
    "CORAL": 37.3,
}


def normalised(counts):
    """Divide rows by their sum, then standardise columns."""
    rows = counts.reshape(len(counts), -1).astype(np.float64)
    return scale(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12))


def draw_by_class(rng, y, per_class):
    """Return up to `per_class` indices of each class, at random."""
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:per_class] for c in np.unique(y)]
    )


def shrink(images):
    """Cut the margin of 28 x 28 digits and average 20 x 20 pixels into 16 x 16."""
    edges = np.linspace(0, 20, 17)
    cells = np.arange(20)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(
        edges[:-1, None], cells
    )
    weights = overlap.clip(0) / 1.25
    return weights @ images.reshape(-1, 28, 28)[:, 4:24, 4:24] @ weights.T


def office_caltech10():
    """Yield the tasks of the published table."""
    arrays = np.load(DATA / "office_caltech10" / "surf800.npz")
    names = ("amazon", "caltech10", "dslr", "webcam")
    domains = {n: (normalised(arrays[f"X_{n}"]), arrays[f"y_{n}"]) for n in names}
    for pair in permutations(names, 2):
        (X, y), (X_target, y_target) = (domains[name] for name in pair)
        for draw in range(10):
            rng = np.random.default_rng([SEED, draw, *map(names.index, pair)])
            rows = draw_by_class(rng, y, 8 if pair[0] == "dslr" else 20)
            yield pair, X[rows], y[rows], X_target, X_target, y_target


def mnist_usps():
    """Yield tasks between the full sets, 1,000 rows a side, scored on new rows."""
    usps = np.load(DATA / "usps" / "usps.npz")
    domains = {
        "usps": [usps["X_train"], usps["y_train"], usps["X_test"], usps["y_test"]]
    }
    domains["mnist"] = []
    for subset in ("train", "test"):
        mnist = load_idx(DATA / "mnist", subset=subset)
        domains["mnist"] += [shrink(mnist.data), mnist.target]
    for domain in domains.values():
        rows = normalised(np.concatenate([domain[0], domain[2]]))
        domain[0], domain[2] = rows[: len(domain[0])], rows[len(domain[0]) :]
    for pair in permutations(domains):
        X, y, _, _ = domains[pair[0]]
        X_target, _, X_new, y_new = domains[pair[1]]
        for draw in range(5):
            rng = np.random.default_rng([SEED, draw, len(X)])
            rows = draw_by_class(rng, y, 100)
            target = rng.choice(len(X_target), 1000, replace=False)
            new = slice(2000)
            yield pair, X[rows], y[rows], X_target[target], X_new[new], y_new[new]


def halves(path, names, per_class, n_draws):
    """Yield tasks between all domains of a file; all target rows, as they are."""
    arrays = np.load(DATA / path)
    domains = {n: (normalised(arrays[f"X_{n}"]), arrays[f"y_{n}"]) for n in names}
    for pair in permutations(names, 2):
        (X, y), (X_target, y_target) = (domains[name] for name in pair)
        for draw in range(n_draws):
            rng = np.random.default_rng([SEED, draw, *map(names.index, pair)])
            rows = draw_by_class(rng, y, per_class)
            target = rng.permutation(len(X_target))[:1000]
            yield pair, X[rows], y[rows], *[X_target[target]] * 2, y_target[target]


def classic_da_small():
    """Yield tasks between the MNIST and USPS subsets of Long et al."""
    path = "classic_da_small/mnist2000_usps1800_256.npz"
    return halves(path, ("mnist", "usps"), 100, 5)


def amazon_reviews():
    """Yield tasks between the reviews of four sorts of goods."""
    path = "amazon_reviews400/amazon_reviews_400.npz"
    return halves(path, ("books", "dvd", "elec", "kitchen"), 500, 3)


DATASETS = {
    task.__name__: task
    for task in (office_caltech10, mnist_usps, classic_da_small, amazon_reviews)
}


def with_skalign(aligner):
    """Return a function that carries source rows and new target rows together."""

    def adapt(X, y, X_target, X_new):
        labels = {"labels": y} if "OptimalTransport" in type(aligner).__name__ else {}
        fitted = aligner.fit(X, X_target, **labels)
        return fitted.transform(X), fitted.transform_target(X_new)

    return adapt


def with_pot(make):
    def adapt(X, y, X_target, X_new):
        transport = make().fit(Xs=X, ys=y, Xt=X_target)
        return transport.transform(Xs=X), X_new

    return adapt


def with_skada(make):
    def adapt(X, y, X_target, X_new):
        adapter = make(X, X_target)
        rows = np.vstack([X, X_target])
        domain = np.r_[np.ones(len(X)), np.full(len(X_target), -2)].astype(int)
        labels = np.r_[y.astype(int), np.full(len(X_target), -1)]
        mapped = adapter.fit_transform(rows, labels, sample_domain=domain)
        new = adapter.transform(X_new, sample_domain=np.full(len(X_new), -2))
        return np.asarray(mapped)[: len(X)], np.asarray(new)

    return adapt


def all_methods():
    """Return a dict of methods, each a dict of libraries."""
    import ot

    methods = {
        "none": {"": lambda X, y, X_target, X_new: (X, X_new)},
        "mean and variance": {"skalign": with_skalign(skalign.MeanVarianceAligner())},
        "CORAL": {"skalign": with_skalign(skalign.CORALAligner(reg=1))},
        "Gaussian transport": {
            "skalign": with_skalign(skalign.GaussianOTAligner(reg=1)),
            "POT": with_pot(lambda: ot.da.LinearTransport(reg=1)),
        },
        "subspace alignment": {"skalign": with_skalign(skalign.SubspaceAligner(80))},
        "transfer components": {
            "skalign": with_skalign(skalign.TransferComponentAligner(80))
        },
        "class-regularised transport": {
            "skalign": with_skalign(skalign.OptimalTransportAligner(2, class_reg=1)),
            "POT": with_pot(
                lambda: ot.da.SinkhornLpl1Transport(reg_e=2, reg_cl=1, norm="median")
            ),
        },
        "class-regularised transport, defaults": {
            "skalign": with_skalign(skalign.OptimalTransportAligner())
        },
    }
    try:
        from skada import _mapping, _subspace
    except ImportError:
        print("skada is not installed: its rows are left out", file=sys.stderr)
        return methods

    def class_regularised(X, X_target):
        median = np.median(euclidean_distances(X, X_target, squared=True))
        return _mapping.ClassRegularizerOTMappingAdapter(2 * median, median)

    for name, make in {
        # The shrinkage of CORALAdapter cannot add an identity: its default.
        "CORAL": lambda *_: _mapping.CORALAdapter(),
        "Gaussian transport": lambda *_: _mapping.LinearOTMappingAdapter(reg=1),
        "subspace alignment": lambda *_: _subspace.SubspaceAlignmentAdapter(80),
        "transfer components": lambda *_: _subspace.TransferComponentAnalysisAdapter(
            kernel="linear", n_components=80, mu=1
        ),
        "class-regularised transport": class_regularised,
    }.items():
        methods[name]["skada"] = with_skada(make)
    return methods


def measure_task(task, methods):
    """Return accuracies by classifier, method and library, and seconds."""
    _, X, y, X_target, X_new, y_new = task
    outcome = []
    for method, libraries in methods.items():
        for library, adapt in libraries.items():
            start = time.perf_counter()
            try:
                source, new = adapt(X, y, X_target, X_new)
            except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
                print(f"{library} {method}: {type(error).__name__}: {error}")
                source = None
            seconds = time.perf_counter() - start
            for name, classifier in CLASSIFIERS.items():
                accuracy = np.nan
                if source is not None:
                    accuracy = 100 * classifier.fit(source, y).score(new, y_new)
                outcome.append([name, method, library, accuracy, seconds])
    return outcome


def measure(dataset, methods):
    """Return accuracies by (pair, classifier, method, library), and seconds.

    Tasks that a run before has measured are read from the cache.
    """
    accuracies, seconds = defaultdict(list), defaultdict(list)
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"domain_adaptation_{dataset}.jsonl").open("a+") as file:
        file.seek(0)
        measured = [json.loads(line) for line in file]
        for number, task in enumerate(DATASETS[dataset]()):
            if number < len(measured):
                outcome = measured[number]
            else:
                outcome = measure_task(task, methods)
                print(json.dumps(outcome), file=file, flush=True)
            for name, method, library, accuracy, taken in outcome:
                accuracies[" to ".join(task[0]), name, method, library].append(accuracy)
                seconds[method, library].append(taken)
    return accuracies, seconds


def about_the_run(dataset):
    """Return what a reader needs to run it again."""
    return {
        "seed": SEED,
        **provenance("numpy", "scipy", "scikit-learn", "POT", "skada"),
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "command": f"python -m benchmarks.domain_adaptation.features {dataset}",
    }


def tables(dataset, accuracies, seconds):
    """Return the rows of both tables."""
    by_method, pairs = defaultdict(list), []
    for (pair, classifier, method, library), draws in accuracies.items():
        row = {"dataset": dataset, "pair": pair, "classifier": classifier}
        row |= {"method": method, "library": library, "n_draws": len(draws)}
        row |= {"accuracy": f"{np.mean(draws):.2f}", "sd": f"{np.std(draws):.2f}"}
        pairs.append(row)
        by_method[classifier, method, library].append(draws)
    means = []
    for (classifier, method, library), draws in by_method.items():
        published = ""
        if (dataset, classifier) == ("office_caltech10", "1-NN"):
            published = PUBLISHED.get(method, "")
        means.append(
            {
                "dataset": dataset,
                "classifier": classifier,
                "method": method,
                "library": library,
                "accuracy": f"{np.mean(draws):.2f}",
                "published": published,
                "sd_over_draws": f"{np.std(draws, axis=1).mean():.2f}",
                "sd_of_mean": f"{np.mean(draws, axis=0).std():.2f}",
                "n_pairs": len(draws),
                "n_draws": len(draws[0]),
                "seconds": f"{np.mean(seconds[method, library]):.3f}",
                **about_the_run(dataset),
            }
        )
    return means, pairs


def replace_rows(path, dataset, rows):
    """Write rows in place of those of the same data set."""
    kept = [row for row in read(path) if row["dataset"] != dataset]
    order = list(DATASETS)
    write(path, sorted(kept + rows, key=lambda row: order.index(row["dataset"])))


def main():
    """Measure data sets and write both tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("datasets", nargs="*", help=", ".join(DATASETS))
    names = parser.parse_args().datasets or DATASETS
    if unknown := set(names) - DATASETS.keys():
        parser.error(f"{sorted(unknown)} must be among {list(DATASETS)}")
    # POT and skada warn about limits that they ran into; ours raises.
    warnings.filterwarnings("ignore", message="Sinkhorn did not converge")
    warnings.simplefilter("ignore", LinAlgWarning)
    methods = all_methods()
    for dataset in names:
        means, pairs = tables(dataset, *measure(dataset, methods))
        replace_rows(RESULTS / "domain_adaptation.csv", dataset, means)
        replace_rows(RESULTS / "domain_adaptation_pairs.csv", dataset, pairs)
        for row in means:
            print(*list(row.values())[:8], f"{row['seconds']} s", sep="; ")


if __name__ == "__main__":
    main()
