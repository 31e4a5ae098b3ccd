"""Time and memory of every metric, from 1,000 to 100,000 samples per side.

python -m benchmarks.metrics.cost           # writes results/metrics_cost.csv
python -m benchmarks.metrics.cost --figure  # and draws it, beside
python -m benchmarks.metrics.cost --ratio   # mmd against its bare products and exp

Seconds are of the processor, since the machine may be shared: set OMP_NUM_THREADS=1,
and they are those of one core. A row that the table has is not measured again. A size
is left out where the growth so far says that it takes longer than `--longest` seconds;
where a matrix of all pairs would pass scikit-learn's `working_memory`, the row says so.
"""

import argparse
import os
import time
import tracemalloc
from functools import partial

import numpy as np

from benchmarks.metrics import RESULTS
from benchmarks.records import append, provenance, read
from skalign import metrics
from skalign.plotting._axes import COLORS, MARKERS

TABLE = RESULTS / "metrics_cost.csv"
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
N_FEATURES = 32
GAMMA = 1 / 64
MEASURES = {
    "mmd": partial(metrics.mmd, gamma=GAMMA),
    "mmd, polynomial": partial(metrics.mmd, kernel="polynomial"),
    "block_mmd": partial(metrics.block_mmd, gamma=GAMMA, random_state=0),
    "random_fourier_mmd": partial(
        metrics.random_fourier_mmd, gamma=GAMMA, random_state=0
    ),
    "mmd_test, 99 permutations": partial(
        metrics.mmd_test, gamma=GAMMA, n_permutations=99, random_state=0
    ),
    "energy_distance": metrics.energy_distance,
    "wasserstein_distance": metrics.wasserstein_distance,
    "sinkhorn_divergence": partial(metrics.sinkhorn_divergence, reg=6.0),
    "sliced_wasserstein_distance": partial(
        metrics.sliced_wasserstein_distance, random_state=0
    ),
    "max_sliced_wasserstein_distance": partial(
        metrics.max_sliced_wasserstein_distance, random_state=0
    ),
    "feature_wasserstein_distances": metrics.feature_wasserstein_distances,
    "gaussian_wasserstein_distance": metrics.gaussian_wasserstein_distance,
    "coral_distance": metrics.coral_distance,
    "proxy_a_distance": partial(metrics.proxy_a_distance, random_state=0),
    "retrieval_accuracy": metrics.retrieval_accuracy,
    "cka, linear": metrics.cka,
    "cka, rbf": partial(metrics.cka, kernel="rbf", gamma=GAMMA),
    "cca_similarity": metrics.cca_similarity,
    "procrustes_distance": metrics.procrustes_distance,
    "mutual_knn": metrics.mutual_knn,
    "rsa_correlation": metrics.rsa_correlation,
}


def make_spaces(n_samples, n_features, dtype=np.float64):
    """Return two sets of rows with a small shift between them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    Y = rng.normal(0.1, 1.0, size=(n_samples, n_features)).astype(dtype)
    return X, Y


def cost(measure, X, Y):
    """Return the seconds of one call, and the MiB it held beyond its inputs."""
    tracemalloc.start()
    start = time.process_time()
    try:
        measure(X, Y)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    return seconds, peak


def costs(longest):
    """Measure what the table lacks, from few rows to many, and add it row by row."""
    conditions = {
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        **provenance("numpy", "scipy", "scikit-learn", "POT"),
    }
    found = {
        (row["measure"], int(row["n_samples"])): row["seconds"] for row in read(TABLE)
    }
    for i, n_samples in enumerate(SIZES):
        for name, measure in MEASURES.items():
            if (name, n_samples) in found:
                continue
            before = [found.get((name, size)) for size in SIZES[max(i - 2, 0) : i]]
            if not all(before):
                continue  # a smaller size was refused or left out already
            if i > 1 and float(before[1]) ** 2 / float(before[0]) > longest:
                continue
            measure(*make_spaces(200, N_FEATURES))
            record = {"measure": name, "n_samples": n_samples, "n_features": N_FEATURES}
            try:
                seconds, peak = cost(measure, *make_spaces(n_samples, N_FEATURES))
                record |= {"seconds": f"{seconds:.4f}", "peak_mib": f"{peak:.1f}"}
                record["refused"] = ""
            except ValueError as error:
                record |= {"seconds": "", "peak_mib": "", "refused": str(error)}
            found[name, n_samples] = record["seconds"]
            print(*record.values(), sep=", ", flush=True)
            append(TABLE, record | conditions)


def bare_mmd(X, Y):
    """Form the products and exponentials that mmd needs, and nothing else."""
    n_rows, n_others = 1024, 2048
    for A, B, half in ((X, X, True), (Y, Y, True), (X, Y, False)):
        for start in range(0, len(A), n_rows):
            for first in range(start if half else 0, len(B), n_others):
                block = A[start : start + n_rows] @ B[first : first + n_others].T
                np.exp(block, out=block)


def print_ratio(dtype, n_samples=50_000, n_features=128, turns=2):
    """Time mmd and its bare work in turns."""
    X, Y = make_spaces(n_samples, n_features, dtype)
    X_small, Y_small = X / n_features, Y / n_features  # exponents near zero
    for _ in range(turns):
        start = time.process_time()
        metrics.mmd(X, Y, gamma=1 / 256)
        middle = time.process_time()
        bare_mmd(X_small, Y_small)
        ours, bare = middle - start, time.process_time() - middle
        print(f"{dtype}: {ours:.1f} s, bare {bare:.1f} s, {ours / bare:.2f} x")


def draw():
    """Draw time and memory over rows, a line for each measure."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    records = [row for row in read(TABLE) if row["seconds"]]
    figure, axes = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
    for i, name in enumerate(MEASURES):
        own = [record for record in records if record["measure"] == name]
        n_samples = [int(record["n_samples"]) for record in own]
        for ax, column in zip(axes, ("seconds", "peak_mib"), strict=True):
            values = [float(record[column]) for record in own]
            style = ("-", "--", ":")[i // 7]
            look = {"color": COLORS[i % 7], "marker": MARKERS[i % 7], "ms": 4}
            ax.loglog(n_samples, values, style, **look)
    axes[0].set(xlabel="samples per side", ylabel="seconds of one core")
    axes[1].set(xlabel="samples per side", ylabel="MiB beyond the inputs")
    figure.legend(axes[0].lines, MEASURES, loc="outside right upper", fontsize=8)
    figure.savefig(TABLE.with_suffix(".png"), dpi=100)


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--longest", type=float, default=150, help="seconds of a row")
    parser.add_argument("--figure", action="store_true")
    parser.add_argument("--ratio", action="store_true")
    arguments = parser.parse_args()
    print(f"OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'unset')}")
    if arguments.ratio:
        for dtype in ("float32", "float64"):
            print_ratio(dtype)
        return
    costs(arguments.longest)
    if arguments.figure:
        draw()


if __name__ == "__main__":
    main()
