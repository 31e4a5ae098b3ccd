"""How safe is the choice of a ridge strength where pairs are repeated?

python -m benchmarks.repeated_pairs  # writes results/repeated_pairs.csv

Made pairs, a rotation with noise, of which a share is added again: exactly, with noise
of .1 standard deviations on the source, the target or both, or with the same source
and another draw of the target ("two targets"). Errors are squared errors on 2,000 new
pairs, relative to those of the mean and averaged over seeds; ratios are to "loo" on the
pairs before any was added. Ways to choose among the same strengths:

- gcv, loo: as `LinearAligner` does;
- rows: generalised cross-validation with every row counted;
- distinct: the same, with equal or nearly equal sources counted once;
- modified: rows, with 1.4 times the degrees of freedom;
- robust: rows, times .2 + .8 tr(H^2) / n (Lukas, 2006);
- single: leave-one-out, every row for itself.
"""

import argparse
import shlex
import sys
from itertools import product

import numpy as np
from scipy.linalg import svd

from benchmarks.records import provenance, write
from benchmarks.repeated_pairs import RESULTS
from skalign import LinearAligner
from skalign.datasets import make_paired_spaces
from skalign.paired._distinct import Distinct

N_NEW = 2000
KINDS = ("exact", "source", "target", "both", "two targets")
NOISE = 0.5


def make(kind, n_samples, n_features, share, times, spread, seed):
    """Pairs, the same with a share of them added again, and new pairs."""
    rng = np.random.RandomState(seed)
    X, y = make_paired_spaces(
        n_samples + N_NEW,
        n_features,
        n_features // 2,
        noise=NOISE,
        spread=spread,
        random_state=seed,
        return_X_y=True,
    )
    new, X, y = (X[n_samples:], y[n_samples:]), X[:n_samples], y[:n_samples]
    n_copied = max(1, round(share * n_samples))
    copied = np.repeat(rng.permutation(n_samples)[:n_copied], times)
    again_X, again_y = X[copied], y[copied]
    if kind in ("source", "both"):
        again_X = again_X + 0.1 * X.std(axis=0) * rng.standard_normal(again_X.shape)
    if kind in ("target", "both"):
        again_y = again_y + 0.1 * y.std(axis=0) * rng.standard_normal(again_y.shape)
    if kind == "two targets":
        again_y = again_y + np.sqrt(2) * NOISE * rng.standard_normal(again_y.shape)
    return (X, y), (np.vstack([X, again_X]), np.vstack([y, again_y])), new


def choices(X, y, alphas):
    """Return the strength that each way chooses for the rows."""
    n = len(X)
    n_distinct = Distinct.from_rows(X, y, None).groups.max() + 1
    U, s, _ = svd(X - X.mean(axis=0), full_matrices=False)
    U, s = U[:, s > 1e-10 * s[0]], s[s > 1e-10 * s[0]]
    centred = y - y.mean(axis=0)
    along = U.T @ centred
    errors = {way: [] for way in ("rows", "distinct", "modified", "robust", "single")}
    for alpha in alphas:
        shrunk = s**2 / (s**2 + alpha)
        residual = centred - U @ (shrunk[:, None] * along)
        squares, df = np.square(residual).sum(), 1 + shrunk.sum()
        free = {"rows": n - df, "distinct": n_distinct - df, "modified": n - 1.4 * df}
        gcv = {
            way: squares / left**2 if left > 1e-4 * n else np.inf
            for way, left in free.items()
        }
        gcv["robust"] = gcv["rows"] * (0.2 + 0.8 * (1 + np.sum(shrunk**2)) / n)
        left = 1 - 1 / n - U**2 @ shrunk
        gcv["single"] = np.inf
        if left.min() > 1e-4:
            gcv["single"] = np.sum(np.square(residual) / left[:, None] ** 2)
        for way, error in gcv.items():
            errors[way].append(error)
    return {way: alphas[np.argmin(values)] for way, values in errors.items()}


def measure(kind, ratio, share, times, arguments):
    """Mean errors of every way, and that of "loo" on the pairs before copies."""
    found = {}
    for seed in range(arguments.seeds):
        n_samples = round(ratio * arguments.columns)
        before, rows, (X_new, y_new) = make(
            kind, n_samples, arguments.columns, share, times, arguments.spread, seed
        )
        of_mean = np.mean((y_new - before[1].mean(axis=0)) ** 2)
        fitted = {"before": LinearAligner("loo").fit(*before)}
        for way in ("gcv", "loo"):
            fitted[way] = LinearAligner(way).fit(*rows)
        for way, alpha in choices(*rows, fitted["gcv"].alphas_).items():
            fitted[way] = LinearAligner(alpha).fit(*rows)
        for way, aligner in fitted.items():
            error = np.mean((y_new - aligner.predict(X_new)) ** 2) / of_mean
            found.setdefault(way, []).append(error)
    return {way: np.mean(errors) for way, errors in found.items()}


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.6, 0.8, 1.0, 1.2])
    parser.add_argument("--out", default="repeated_pairs.csv")
    arguments = parser.parse_args()
    settings = [(0.01, 1), (0.03, 1), (0.1, 1), (0.03, 49), (1.0, 1)]
    rows = []
    for kind, ratio, (share, times) in product(KINDS, arguments.ratios, settings):
        errors = measure(kind, ratio, share, times, arguments)
        base = errors.pop("before")
        rows.append(
            {
                "kind": kind,
                "n_features": arguments.columns,
                "rows_per_column": ratio,
                "share": share,
                "times": times,
                "loo_before": f"{base:.4f}",
                **{way: f"{error / base:.3f}" for way, error in errors.items()},
                "spread": arguments.spread,
                "seeds": f"0-{arguments.seeds - 1}",
                "command": shlex.join(
                    ["python", "-m", "benchmarks.repeated_pairs", *sys.argv[1:]]
                ),
                **provenance("numpy", "scipy", "scikit-learn"),
            }
        )
        print({name: rows[-1][name] for name in list(rows[-1])[:13]}, flush=True)
    write(RESULTS / arguments.out, rows)


if __name__ == "__main__":
    main()
