"""Cost of the metrics beside POT and scikit-learn.

asv run --bench Metrics             # tracked over commits
python -m benchmarks.asv.bench_metrics  # ratios, taken in turns in one run
"""

import argparse
import os
import time
import tracemalloc

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

from skalign.metrics import (
    gaussian_wasserstein_distance,
    mmd,
    retrieval_accuracy,
    sliced_wasserstein_distance,
    wasserstein_distance,
)

N_PROJECTIONS = 200
GAMMA = 1 / 128


def make_spaces(n_samples=10_000, n_features=64, dtype=np.float64):
    """Return two sets of rows with a small shift between them."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, n_samples, n_features)).astype(dtype)
    Y += 0.1
    return X, Y


def mmd_by_whole_matrices(X, Y, gamma):
    """Unbiased squared MMD from three calls of scikit-learn's kernel."""
    n, m = len(X), len(Y)
    within_x = (rbf_kernel(X, gamma=gamma).sum() - n) / (n * (n - 1))
    within_y = (rbf_kernel(Y, gamma=gamma).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * rbf_kernel(X, Y, gamma=gamma).sum() / (n * m)


class Metrics:
    """Metrics of 10,000 rows; the exact distance, of 1,000."""

    params = ([64, 512], ["float32", "float64"])
    param_names = ("n_features", "dtype")

    def setup(self, n_features, dtype):
        self.X, self.Y = make_spaces(n_features=n_features, dtype=dtype)

    def time_mmd(self, n_features, dtype):
        mmd(self.X, self.Y)

    def peakmem_mmd(self, n_features, dtype):
        mmd(self.X, self.Y)

    def time_mmd_of_five_kernels(self, n_features, dtype):
        mmd(self.X, self.Y, gamma=np.logspace(-2, 2, 5, base=2) / (2 * n_features))

    def time_sliced_wasserstein(self, n_features, dtype):
        sliced_wasserstein_distance(self.X, self.Y, n_projections=N_PROJECTIONS)

    def peakmem_sliced_wasserstein(self, n_features, dtype):
        sliced_wasserstein_distance(self.X, self.Y, n_projections=N_PROJECTIONS)

    def time_sliced_wasserstein_of_unequal_sizes(self, n_features, dtype):
        sliced_wasserstein_distance(self.X, self.Y[:-1], n_projections=N_PROJECTIONS)

    def time_gaussian_wasserstein(self, n_features, dtype):
        gaussian_wasserstein_distance(self.X, self.Y)

    def time_wasserstein(self, n_features, dtype):
        wasserstein_distance(self.X[:1000], self.Y[:1000])

    def time_retrieval(self, n_features, dtype):
        retrieval_accuracy(self.X, self.Y)

    def time_retrieval_with_csls(self, n_features, dtype):
        retrieval_accuracy(self.X, self.Y, csls=10)

    def peakmem_retrieval_with_csls(self, n_features, dtype):
        retrieval_accuracy(self.X, self.Y, csls=10)


def seconds(function):
    """Return how long one call takes, and what it gives."""
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def compare(name, goal, ours, theirs, repeats):
    """Time two functions in turns and print how much faster the first is."""
    ours(), theirs()
    ratios, our_times, their_times = [], [], []
    for _ in range(repeats):
        our_time, our_value = seconds(ours)
        their_time, their_value = seconds(theirs)
        our_times.append(our_time)
        their_times.append(their_time)
        ratios.append(their_time / our_time)
    low, middle, high = np.quantile(ratios, [0, 0.5, 1])
    print(
        f"{name}: {middle:.1f} x faster ({low:.1f} to {high:.1f}), goal {goal}; "
        f"{np.median(our_times):.2f} s against {np.median(their_times):.2f} s; "
        f"values {our_value:.6g} and {their_value:.6g}"
    )


def main():
    """Print the ratios."""
    import ot

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    print(f"10,000 x 64, {repeats} turns, OMP_NUM_THREADS {threads}")

    for dtype in ("float64", "float32"):
        X, Y = make_spaces(dtype=dtype)
        for side, size in (("equal", None), ("unequal", 9_000)):
            Z = Y[:size]
            compare(
                f"sliced_wasserstein_distance, {dtype}, {side} sizes, against POT",
                8,
                lambda X=X, Z=Z: sliced_wasserstein_distance(
                    X, Z, n_projections=N_PROJECTIONS, random_state=0
                ),
                lambda X=X, Z=Z: ot.sliced_wasserstein_distance(
                    X, Z, n_projections=N_PROJECTIONS, seed=0
                ),
                repeats,
            )
        compare(
            f"mmd, {dtype}, against sums of rbf_kernel",
            2,
            lambda X=X, Y=Y: mmd(X, Y, gamma=GAMMA),
            lambda X=X, Y=Y: mmd_by_whole_matrices(X, Y, GAMMA),
            repeats,
        )
        tracemalloc.start()
        mmd(X, Y)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"mmd, {dtype}: {peak:.1f} MiB beyond the inputs at its peak, goal 64")


if __name__ == "__main__":
    main()
