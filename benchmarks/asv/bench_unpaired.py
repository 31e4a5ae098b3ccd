"""Cost of the unpaired aligners beside the forms that others use.

asv run --bench Unpaired             # tracked over commits
# ratios, in one run; the sqrtm form takes minutes
python -m benchmarks.asv.bench_unpaired
"""

import argparse
import os
import time

import numpy as np
from scipy.linalg import inv, sqrtm

from skalign import (
    CORALAligner,
    GaussianOTAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

ALIGNERS = {
    "coral": CORALAligner(),
    "coral_svd": CORALAligner(solver="svd"),
    "gaussian_ot": GaussianOTAligner(),
    "mean_variance": MeanVarianceAligner(),
    "optimal_transport": OptimalTransportAligner(),
    "subspace": SubspaceAligner(20),
    "transfer_component": TransferComponentAligner(20),
}


def make_sides(n_samples, n_features, n_new=0, seed=0):
    """Return source rows, target rows and new source rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples + n_new, n_features))
    y = 1.3 * rng.normal(size=(n_samples, n_features)) + 0.5
    return X[:n_samples], y, X[n_samples:]


class Unpaired:
    """Fit on 1,000 rows a side, and transform 10,000."""

    params = (list(ALIGNERS), [64, 512])
    param_names = ("aligner", "n_features")

    def setup(self, name, n_features):
        self.X, self.y, self.new = make_sides(1000, n_features, 10_000)
        self.aligner = ALIGNERS[name].fit(self.X, self.y)

    def time_fit(self, name, n_features):
        self.aligner.fit(self.X, self.y)

    def peakmem_fit(self, name, n_features):
        self.aligner.fit(self.X, self.y)

    def time_transform(self, name, n_features):
        self.aligner.transform(self.new)


def coral_by_sqrtm(X, y):
    """CORAL as it is published, with scipy's matrix square roots."""
    identity = np.eye(X.shape[1])
    white = inv(np.real(sqrtm(np.cov(X, rowvar=False) + identity)))
    return white @ np.real(sqrtm(np.cov(y, rowvar=False) + identity))


def seconds(function, *args):
    start = time.perf_counter()
    value = function(*args)
    return time.perf_counter() - start, value


def compare_coral(n_features, turns):
    X, y, _ = make_sides(1000, n_features)
    ours = [seconds(lambda: CORALAligner().fit(X, y).coef_) for _ in range(turns)]
    theirs, expected = seconds(coral_by_sqrtm, X, y)
    times, coefs = zip(*ours, strict=True)
    difference = np.abs(coefs[0] - expected).max()
    report("CORALAligner.fit", "the sqrtm form", 20, times, [theirs])
    print(
        f"    {n_features} columns, 1,000 rows a side; largest difference "
        f"{difference:.1e}"
    )


def compare_transport(turns):
    import ot

    X, y, new = make_sides(2000, 50, 10_000)
    aligner = OptimalTransportAligner(on_nonconvergence="warn").fit(X, y)
    pot = ot.da.EMDTransport().fit(Xs=X[:2], Xt=y[:2])
    pot.xs_, pot.xt_, pot.coupling_ = X, y, aligner.plan_  # the same plan
    ours, theirs, values = [], [], []
    for _ in range(turns):
        taken, mapped = seconds(aligner.transform, new)
        ours.append(taken)
        taken, expected = seconds(lambda: pot.transform(Xs=new))
        theirs.append(taken)
        values.append(np.abs(mapped - expected).max())
    report("OptimalTransportAligner.transform", "POT's", 10, ours, theirs)
    print(
        f"    10,000 new rows, 50 columns, plan of 2,000 x 2,000; largest difference "
        f"{max(values):.1e}"
    )


def report(name, other, goal, ours, theirs):
    ratio = np.median(theirs) / np.median(ours)
    low, high = min(theirs) / max(ours), max(theirs) / min(ours)
    print(
        f"{name}: {ratio:.0f} x faster than {other} ({low:.0f} to {high:.0f}), goal "
        f"{goal}; {np.median(ours):.2f} s against {np.median(theirs):.2f} s"
    )


def main():
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--n-features", type=int, default=4096)
    options = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    print(f"{os.cpu_count()} cores, OMP_NUM_THREADS {threads}, {options.turns} turns")
    compare_transport(options.turns)
    compare_coral(options.n_features, options.turns)


if __name__ == "__main__":
    main()
