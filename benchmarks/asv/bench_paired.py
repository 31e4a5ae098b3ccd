"""Speed of the paired aligners, beside the bare products they are made of.

``asv run`` follows each time; ``python -m benchmarks.asv.bench_paired`` prints the
ratios, A and B timed in turn.
"""

import argparse
import resource
import subprocess
import sys
from time import perf_counter

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LinearRegression

from skalign import LinearAligner, RigidAligner


def _spaces(n_samples, width, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, width), dtype=dtype)
    coef = rng.standard_normal((width, width), dtype=dtype) / np.sqrt(
        width, dtype=dtype
    )
    return X, X @ coef + rng.standard_normal((n_samples, width), dtype=dtype)


class Fit:
    """Times that asv follows."""

    params = ("float32", "float64")
    param_names = ("dtype",)

    def setup(self, dtype):
        self.X, self.y = _spaces(20_000, 256, np.dtype(dtype))

    def time_linear_gcv(self, dtype):
        LinearAligner().fit(self.X, self.y)

    def time_linear_loo(self, dtype):
        LinearAligner("loo").fit(self.X[:2000], self.y[:2000])

    def time_rigid(self, dtype):
        RigidAligner().fit(self.X, self.y)

    def peakmem_linear_gcv(self, dtype):
        LinearAligner().fit(self.X, self.y)


def _ratio(first, second, n_repeats):
    """Median and range of the ratios of times, the two timed in turn."""
    first(), second()
    ratios = []
    for _ in range(n_repeats):
        start = perf_counter()
        first()
        middle = perf_counter()
        second()
        ratios.append((middle - start) / (perf_counter() - middle))
    return f"{np.median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


def _growth():
    """MiB that fitting 1,000,000 x 256 -> 256 from batches adds to the process."""
    rng = np.random.default_rng(0)
    batch = rng.standard_normal((2, 10_000, 256))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    aligner = LinearAligner()
    for _ in range(100):
        aligner.partial_fit(*batch)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _import_times(n_repeats):
    def run(module):
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    return _ratio(
        lambda: run("skalign"), lambda: run("sklearn.linear_model"), n_repeats
    )


def _compare(X, y, n_repeats):
    def linear():
        return LinearAligner().fit(X, y)

    print(f"{X.shape[0]:,} x {X.shape[1]} -> {y.shape[1]}, {X.dtype}")
    products = _ratio(linear, lambda: (X.T @ X, X.T @ y), n_repeats)
    print("  LinearAligner() / the two bare products            ", products)
    rigid = _ratio(
        lambda: RigidAligner().fit(X, y), lambda: orthogonal_procrustes(X, y), n_repeats
    )
    print("  RigidAligner() / scipy.linalg.orthogonal_procrustes", rigid)
    if X.dtype == np.float32:
        peer = _ratio(lambda: LinearRegression().fit(X, y), linear, 1)
        print("  LinearRegression() / LinearAligner()               ", peer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-samples", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--growth", action="store_true", help=_growth.__doc__)
    options = parser.parse_args()
    if options.growth:
        print(f"partial_fit of 1,000,000 x 256 adds {_growth():.0f} MiB")
        return
    for dtype in (np.float32, np.float64):
        _compare(*_spaces(options.n_samples, options.width, dtype), options.repeats)
    print(
        "import skalign / import sklearn.linear_model", _import_times(options.repeats)
    )
    grown = subprocess.run(
        [sys.executable, __file__, "--growth"],
        capture_output=True,
        text=True,
        check=True,
    )
    print(grown.stdout, end="")


if __name__ == "__main__":
    main()
