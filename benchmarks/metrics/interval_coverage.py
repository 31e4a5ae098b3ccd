"""How often do intervals hold the true value? Ways to make them, measure by measure.

python -m benchmarks.metrics.interval_coverage  # adds to results/interval_coverage.csv

Draws of known distributions, 90 % intervals. The true value is known, or that of very
many rows. All ways share the resamples of a draw:

- percentile, basic: as in `scipy.stats.bootstrap`;
- bca: percentiles, corrected for bias and skewness by the jackknife;
- normal: the standard deviation of the resamples about the value, less their bias;
- studentized: quantiles of resamples in units of their own standard error, that of a
  jackknife of ten groups a side;
- jackknife: `skalign.metrics.jackknife_interval`.

"percentile", "basic" and "normal" are the methods of
`skalign.metrics.bootstrap_interval`.
"""

import argparse
import time
from functools import partial

import numpy as np
from scipy.stats import norm

from benchmarks.metrics import RESULTS
from benchmarks.records import append, provenance
from skalign import metrics
from skalign.metrics._jackknife import values_without

LEVEL = 0.9
LOW, HIGH = (1 - LEVEL) / 2, (1 + LEVEL) / 2


def draw_sets(rng, n, m):
    """Two sets of two columns; the second is shifted by 1 and wider."""
    return rng.normal(size=(n, 2)), rng.normal([1.0, 0.0], [1.5, 1.0], size=(m, 2))


def draw_pairs(rng, n, _):
    """Pairs of rows of four and three columns that share a noisy linear map."""
    X = rng.normal(size=(n, 4)) * [2, 1, 1, 0.5]
    mixing = np.random.default_rng(99).normal(size=(4, 3))
    return X, X @ mixing + rng.normal(size=(n, 3))


def distance_of_means(X, Y):
    return np.linalg.norm(X.mean(axis=0) - Y.mean(axis=0))


# Of each measure: how rows are drawn, and how many of them give the true value.
MEASURES = {
    "distance of means": (distance_of_means, draw_sets, 10**6),
    "mmd": (partial(metrics.mmd, gamma=0.25), draw_sets, 20_000),
    "mmd, biased": (
        partial(metrics.mmd, gamma=0.25, unbiased=False),
        draw_sets,
        20_000,
    ),
    "energy_distance": (metrics.energy_distance, draw_sets, 20_000),
    "gaussian_wasserstein_distance": (
        metrics.gaussian_wasserstein_distance,
        draw_sets,
        10**6,
    ),
    "sliced_wasserstein_distance": (
        partial(metrics.sliced_wasserstein_distance, n_projections=20, random_state=0),
        draw_sets,
        300_000,
    ),
    "cka": (metrics.cka, draw_pairs, 10**6),
    "cka, debiased": (partial(metrics.cka, debiased=True), draw_pairs, 10**6),
    "cca_similarity": (metrics.cca_similarity, draw_pairs, 10**6),
    "procrustes_distance": (metrics.procrustes_distance, draw_pairs, 10**6),
    "rsa_correlation": (metrics.rsa_correlation, draw_pairs, 4_000),
}


def jackknife(metric, X, Y, paired, n_groups=100):
    """Return the value, and the jackknife's standard error and acceleration."""
    variance, third = 0.0, 0.0
    for left in values_without(metric, X, Y, paired, n_groups, 0):
        steps = left.mean() - left
        variance += (len(left) - 1) * left.var()
        third += np.sum((len(left) - 1) ** 3 * steps**3) / len(left) ** 3
    return metric(X, Y), np.sqrt(variance), third / (6 * variance**1.5)


def intervals(metric, X, Y, paired, n_resamples, studentized, rng):
    """Return the interval of each way."""
    value, _, acceleration = jackknife(metric, X, Y, paired)
    drawn, ratios = np.empty(n_resamples), np.empty(n_resamples)
    for i in range(n_resamples):
        rows = rng.integers(len(X), size=len(X))
        others = rows if paired else rng.integers(len(Y), size=len(Y))
        A, B = X[rows], Y[others]
        if studentized:
            drawn[i], own, _ = jackknife(metric, A, B, paired, n_groups=10)
            ratios[i] = (drawn[i] - value) / own
        else:
            drawn[i] = metric(A, B)
    low, high = np.quantile(drawn, [LOW, HIGH])
    z = norm.ppf([LOW, HIGH])
    below = np.clip(np.mean(drawn < value), 0.5 / n_resamples, 1 - 0.5 / n_resamples)
    z0 = norm.ppf(below)
    bca = norm.cdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z)))
    found = {
        "percentile": (low, high),
        "basic": (2 * value - high, 2 * value - low),
        "bca": tuple(np.quantile(drawn, bca)),
        "normal": tuple(value - (drawn.mean() - value) + z * drawn.std(ddof=1)),
        "jackknife": metrics.jackknife_interval(
            metric, X, Y, paired=paired, confidence_level=LEVEL, random_state=0
        ),
    }
    if studentized:
        own = jackknife(metric, X, Y, paired, n_groups=10)[1]
        t_low, t_high = np.quantile(ratios, [LOW, HIGH])
        found["studentized"] = value - own * t_high, value - own * t_low
    return found


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=199)
    parser.add_argument("--studentized", action="store_true")
    parser.add_argument("--rows", type=int, nargs="+", default=[40])
    parser.add_argument("--measures", nargs="+", default=list(MEASURES))
    arguments = parser.parse_args()
    for n, name in ((n, name) for n in arguments.rows for name in arguments.measures):
        metric, draw, many = MEASURES[name]
        paired, start = draw is draw_pairs, time.process_time()
        m = n if paired else 3 * n // 2
        truth = np.mean(
            [
                metric(*draw(np.random.default_rng(10**6 + i), many, many))
                for i in (0, 1)
            ]
        )
        held, widths = {}, {}
        for seed in range(arguments.draws):
            rng = np.random.default_rng(seed)
            X, Y = draw(rng, n, m)
            for way, (low, high) in intervals(
                metric, X, Y, paired, arguments.resamples, arguments.studentized, rng
            ).items():
                held.setdefault(way, []).append((low <= truth, truth <= high))
                widths.setdefault(way, []).append(high - low)
        for way, sides in held.items():
            sides = np.array(sides)
            append(
                RESULTS / "interval_coverage.csv",
                {
                    "measure": name,
                    "n_samples_x": n,
                    "n_samples_y": m,
                    "way": way,
                    "nominal": LEVEL,
                    "coverage": f"{sides.all(axis=1).mean():.3f}",
                    "missed_below": f"{np.mean(~sides[:, 0]):.3f}",
                    "missed_above": f"{np.mean(~sides[:, 1]):.3f}",
                    "mean_width": f"{np.mean(widths[way]):.4f}",
                    "true_value": f"{truth:.5f}",
                    "n_draws": arguments.draws,
                    "n_resamples": arguments.resamples,
                    **provenance("numpy", "scipy"),
                },
            )
        shares = {way: f"{np.all(s, axis=1).mean():.3f}" for way, s in held.items()}
        print(n, name, shares, f"{time.process_time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
