"""Are p-values of similarity_test uniform if two representations are unrelated?

python -m benchmarks.metrics.similarity_tests  # writes results/similarity_tests.csv

Both sides are independent normal samples with columns of different variances. For each
metric and size, 500 draws with 99 permutations each (19 for 256 samples). The columns:
the shares of p-values up to .05 and .1 (uniform: .05 and .1, with standard errors of
.01 and .013), their mean (uniform: .505 or .525), the largest difference between their
distribution and the uniform one, and the p-value of that difference (chi-square test of
ten classes). Canonical correlations of as many features as samples less one are 1 in
any order: p is 1. Overlaps of few neighbours take few values, so that ties make
p-values larger.
"""

import time
from functools import partial
from itertools import product

import numpy as np
from scipy.stats import chisquare

from benchmarks.metrics import RESULTS
from benchmarks.records import provenance, read, write
from skalign import metrics

N_DRAWS = 500
METRICS = {
    "cka": metrics.cka,
    "cka, debiased": partial(metrics.cka, debiased=True),
    "cka, rbf": partial(metrics.cka, kernel="rbf"),
    "rv_coefficient, modified": partial(metrics.rv_coefficient, modified=True),
    "rsa_correlation": metrics.rsa_correlation,
    "mutual_knn": metrics.mutual_knn,
    "cca_similarity": metrics.cca_similarity,
    "svcca": partial(metrics.svcca, explained_variance=0.9),
    "procrustes_distance": metrics.procrustes_distance,
}


def draw(n_samples, n_features, seed):
    rng = np.random.default_rng([n_samples, n_features, seed])
    spread = np.linspace(1, 0.2, n_features)
    return rng.normal(size=(2, n_samples, n_features)) * spread


def measure(name, n_samples, n_features):
    start, pvalues = time.process_time(), []
    n_permutations = 99 if n_samples < 256 else 19
    for seed in range(N_DRAWS):
        X, Y = draw(n_samples, n_features, seed)
        result = metrics.similarity_test(
            METRICS[name], X, Y, n_permutations=n_permutations, random_state=seed
        )
        pvalues.append(result.pvalue)
    n_values = 1 + n_permutations
    ranks = np.round(n_values * np.array(pvalues)).astype(int)
    counts = np.bincount((ranks - 1) * 10 // n_values, minlength=10)
    below = np.cumsum(np.bincount(ranks, minlength=1 + n_values))[1:] / N_DRAWS
    uniform = np.arange(1, 1 + n_values) / n_values
    return {
        "metric": name,
        "n_samples": n_samples,
        "n_features": n_features,
        "up_to_05": f"{np.mean(ranks <= 0.05 * n_values):.3f}",
        "up_to_10": f"{np.mean(ranks <= 0.1 * n_values):.3f}",
        "mean": f"{np.mean(pvalues):.3f}",
        "largest_difference": f"{np.abs(below - uniform).max():.3f}",
        "chi_square_p": f"{chisquare(counts).pvalue:.3f}",
        "n_draws": N_DRAWS,
        "n_permutations": n_permutations,
        "seconds": f"{time.process_time() - start:.0f}",
        **provenance("numpy", "scipy"),
    }


if __name__ == "__main__":
    path = RESULTS / "similarity_tests.csv"
    rows = read(path)
    done = {(r["metric"], int(r["n_samples"]), int(r["n_features"])) for r in rows}
    for cell in product(METRICS, (16, 64, 256), (4, 32, 512)):
        if cell not in done:
            rows.append(measure(*cell))
            write(path, rows)
            print(*list(rows[-1].values())[:8], flush=True)
