"""Fits on arrays of NumPy and torch, beside the bare products that they need.

python -m benchmarks.arrays --rows 100000 --columns 256
python -m benchmarks.arrays --rows 1000000 --columns 1024 --device cuda  # needs a GPU

Each command adds a row for each library and estimator to results/arrays.csv. Samples
are float32, with as many columns on both sides. The two are timed in turn; seconds are
medians, and `ratio` is the median of the ratios. The products of a paired fit are
``X.T @ X`` and ``X.T @ y``, of an unpaired one ``X.T @ X`` and ``y.T @ y``, of
"transform" ``X @ X[:n_columns]``.
"""

import argparse
import os
import platform
import shlex
import sys
import time
import warnings
from pathlib import Path

os.environ["SCIPY_ARRAY_API"] = "1"  # before SciPy is imported

import numpy as np
import torch
from sklearn import config_context

from benchmarks.records import append, provenance
from skalign import (
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    RigidAligner,
)

RESULTS = Path(__file__).parent / "results" / "arrays.csv"


def timed(function, device):
    """Return the seconds that a call takes, with what it started on the device."""
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def calls(X, y):
    """Return pairs of a call and its bare products, by name."""
    paired, unpaired = lambda: (X.T @ X, X.T @ y), lambda: (X.T @ X, y.T @ y)
    head, fitted = X[: X.shape[1]], LinearAligner(1.0).fit(X, y)
    return {
        "LinearAligner": (lambda: LinearAligner().fit(X, y), paired),
        "RigidAligner": (lambda: RigidAligner().fit(X, y), paired),
        "CORALAligner": (lambda: CORALAligner().fit(X, y), unpaired),
        "GaussianOTAligner": (lambda: GaussianOTAligner().fit(X, y), unpaired),
        "MeanVarianceAligner": (lambda: MeanVarianceAligner().fit(X, y), unpaired),
        "LinearAligner.transform": (lambda: fitted.transform(X), lambda: X @ head),
    }


def measure(given):
    generator = torch.Generator(given.device).manual_seed(0)
    size = given.rows, given.columns
    X, y = (
        torch.randn(*size, generator=generator, device=given.device) for _ in range(2)
    )
    libraries = {f"torch {given.device}": (X, y)}
    if given.device == "cpu":
        libraries["numpy"] = (X.numpy(), y.numpy())
    for library, sides in libraries.items():
        for name, (fit, bare) in calls(*sides).items():
            timed(fit, given.device), timed(bare, given.device)
            turns = np.array(
                [
                    (timed(fit, given.device), timed(bare, given.device))
                    for _ in range(given.turns)
                ]
            )
            seconds, of_products = np.median(turns, axis=0)
            yield {
                "library": library,
                "call": name,
                "rows": given.rows,
                "columns": given.columns,
                "turns": given.turns,
                "threads": torch.get_num_threads(),
                "seconds": f"{seconds:.4g}",
                "products": f"{of_products:.4g}",
                "ratio": f"{np.median(turns[:, 0] / turns[:, 1]):.3g}",
                "lowest": f"{np.min(turns[:, 0] / turns[:, 1]):.3g}",
            }


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrays")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=256)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    device = platform.processor()
    if given.device != "cpu":
        device = torch.cuda.get_device_name(given.device)
    command = f"python -m benchmarks.arrays {shlex.join(sys.argv[1:])}"
    own = provenance("numpy", "torch", "scikit-learn")
    with config_context(array_api_dispatch=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of samples without relation
        for row in measure(given):
            print(row)
            row |= {"device": device, "seed": 0, "command": command} | own
            append(RESULTS, row)


if __name__ == "__main__":
    main()
