"""Cross-validation from sums, beside one fit and beside scikit-learn's search.

``OMP_NUM_THREADS=1 python -m benchmarks.cross_validation`` appends to
``results/cross_validation.csv``, with ``--peer`` also the time and the scores of
`GridSearchCV`. Times are those of the processor, which other processes change less.
"""

import argparse
import os
from time import process_time

import numpy as np
from sklearn.model_selection import GridSearchCV

from benchmarks import records
from skalign import LinearAligner, StreamingSearchCV

TABLE = records.HERE / "cross_validation" / "results" / "cross_validation.csv"


def make_pairs(n_samples, n_features, n_targets, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    coef = rng.normal(size=(n_features, n_targets)).astype(dtype)
    y = X @ coef
    y += (n_features**0.5 * rng.normal(size=y.shape)).astype(dtype)
    return X, y


def seconds(function):
    start = process_time()
    function()
    return process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--targets", type=int, default=512)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--strengths", type=int, default=25)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--output", type=type(TABLE), default=TABLE)
    options = parser.parse_args()
    X, y = make_pairs(options.samples, options.features, options.targets, options.dtype)
    grid = {"alpha": options.samples * np.logspace(-6, 1, options.strengths)}
    search = StreamingSearchCV(LinearAligner(), grid, cv=options.folds)
    fit = LinearAligner(alpha=grid["alpha"][0])
    times = []
    for _ in range(options.turns):
        times.append([
            seconds(lambda: fit.fit(X, y)),
            seconds(lambda: search.fit(X, y)),
        ])  # fmt: skip
    times = np.array(times)
    ratios = times[:, 1] / times[:, 0]
    row = {
        "samples": options.samples,
        "features": options.features,
        "targets": options.targets,
        "dtype": options.dtype,
        "folds": options.folds,
        "strengths": options.strengths,
        "turns": options.turns,
        "fit_seconds": f"{np.median(times[:, 0]):.3f}",
        "search_seconds": f"{np.median(times[:, 1]):.3f}",
        "ratio": f"{np.median(ratios):.2f}",
        "lowest_ratio": f"{ratios.min():.2f}",
        "highest_ratio": f"{ratios.max():.2f}",
        "peer_seconds": "",
        "largest_difference": "",
        "seed": 0,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    if options.peer:
        peer = GridSearchCV(LinearAligner(), grid, cv=options.folds)
        row["peer_seconds"] = f"{seconds(lambda: peer.fit(X, y)):.1f}"
        scores = [
            [each.cv_results_[f"split{k}_test_score"] for k in range(options.folds)]
            for each in (search, peer)
        ]
        difference = np.abs(np.subtract(*scores)).max()
        row["largest_difference"] = f"{difference:.1e}"
    records.append(options.output, row | records.provenance("numpy", "scikit-learn"))
    print(row)


if __name__ == "__main__":
    main()
