"""Time and memory of streaming aligners against samples, and constants of their work.

`fit` takes an iterable of batches of 1,000 samples of 64 features, from one batch to
three decades more. Batches are views of eight that are in memory, so that only what
`fit` keeps can grow.
"""

from itertools import cycle, islice

import numpy as np

from benchmarks.cross_validation.__main__ import make_pairs
from benchmarks.peers.measure import peak, seconds
from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    RigidAligner,
)

BATCH, N_FEATURES, DOUBLINGS = 1000, 64, 10
LABELS = np.arange(BATCH) % 70
CLASSES = {"labels": LABELS, "target_labels": LABELS}
STREAMING = {
    "LinearAligner": (LinearAligner(), {}),
    "RigidAligner": (RigidAligner(), {}),
    "CORALAligner": (CORALAligner(), {}),
    "GaussianOTAligner": (GaussianOTAligner(), {}),
    "MeanVarianceAligner": (MeanVarianceAligner(), {}),
    "ClassMeanAligner": (ClassMeanAligner(), CLASSES),
}
WIDTHS = (64, 256, 512)


def batches(n_batches, stored, of_samples):
    """Generate so many batches, as arguments of `partial_fit`."""
    for X, y in islice(cycle(stored), n_batches):
        yield {"X": X, "y": y} | of_samples


def growth(size):
    """Yield a row for each streaming aligner and number of samples."""
    turns = 1 if size.tiny else 2
    d = size.features(N_FEATURES)
    stored = [make_pairs(BATCH, d, d, "float32") for _ in range(2 if size.tiny else 8)]
    n_batches = [2**k for k in range(2 if size.tiny else 1 + DOUBLINGS)]
    ends = n_batches[0], n_batches[-1]
    for name, (aligner, of_samples) in STREAMING.items():

        def fit(n, aligner=aligner, of_samples=of_samples):
            aligner.fit(batches(n, stored, of_samples))

        fit(1)
        taken = np.array([
            [seconds(lambda n=n: fit(n), max(1, 8 // n)) for n in n_batches]
            for _ in range(turns)
        ])  # fmt: skip
        for n, of_size in zip(n_batches, taken.T, strict=True):
            low, middle, high = np.quantile(of_size, [0, 0.5, 1])
            yield {
                "estimator": name,
                "n_samples": n * BATCH,
                "n_features": d,
                "seconds": f"{middle:.4g}",
                "lowest": f"{low:.4g}",
                "highest": f"{high:.4g}",
                "turns": turns,
                "mib": f"{peak(lambda n=n: fit(n)):.2f}" if n in ends else "",
            }


def constants(size):
    """Yield what a sample costs, and what is sent and stored, for some widths."""
    turns = 1 if size.tiny else 5
    n = 200 if size.tiny else 20_000
    for d in WIDTHS[:1] if size.tiny else WIDTHS:
        yield constants_of(n, d, turns)


def constants_of(n, d, turns):
    X, y = make_pairs(n, d, d, "float32")
    aligner = LinearAligner()
    sums = aligner.collect(X, y)
    other = aligner.collect(X[: n // 2], y[: n // 2])
    fitted = LinearAligner().fit_sums(sums)
    steps = {
        "collect": lambda: aligner.collect(X, y),
        "products": lambda: (X.T @ X, X.T @ y),
        "merge": lambda: sums.merge(other),
        "fit_sums": lambda: LinearAligner().fit_sums(sums),
        "transform": lambda: fitted.transform(X),
    }
    taken = {name: [] for name in steps}
    for _ in range(turns):
        for name, step in steps.items():
            taken[name].append(seconds(step, 1 if n * d > 10**6 else 5))
    arrays = sums.to_dict()
    return {
        "n_samples": n,
        "n_features": d,
        **{f"{name}_seconds": f"{np.median(of):.4g}" for name, of in taken.items()},
        "sums_bytes": sum(np.asarray(array).nbytes for array in arrays.values()),
        "turns": turns,
    }


def doublings(rows):
    """Return, of the rows of one aligner, the ratios of times at double the samples."""
    taken = np.array([float(row["seconds"]) for row in rows])
    return taken[1:] / taken[:-1]


def exponent(rows, least=30_000):
    """Return the slope of log seconds on log samples, of at least so many samples."""
    n, taken = (
        np.array([float(row[column]) for row in rows])
        for column in ("n_samples", "seconds")
    )
    large = n >= min(least, n[-2])
    return float(np.polyfit(np.log(n[large]), np.log(taken[large]), 1)[0])
