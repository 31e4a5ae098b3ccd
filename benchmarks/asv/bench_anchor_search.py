"""Speed of AnchorSearchCV, beside GridSearchCV over AnchoredAligner.

``asv run`` follows the time of a search.
``python -m benchmarks.asv.bench_anchor_search`` prints the ratio of the two, timed in
turn, and how far their scores are apart.
``--full`` searches 5 rules, 6 numbers and 5 folds of 10,000 x 384.
"""

import argparse
from time import perf_counter

import numpy as np
from sklearn.model_selection import GridSearchCV

from skalign import AnchoredAligner, AnchorSearchCV, LinearAligner
from skalign.anchors import (
    ClassBalancedAnchors,
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)

SELECTORS = [
    RandomAnchors(random_state=0),
    ClassBalancedAnchors(random_state=0),
    KMeansAnchors(),
    FarthestPointAnchors(),
    PivotedQRAnchors(),
]


def _spaces(n_samples, width, n_classes=20):
    """Return two noisy views of clustered items, and their classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=n_samples)
    items = rng.normal(size=(n_classes, 64))[labels] + rng.normal(size=(n_samples, 64))
    X, y = (
        items @ rng.normal(size=(64, width)) + 2 * rng.normal(size=(n_samples, width))
        for _ in range(2)
    )
    return X, y, labels


def _search(X, y, labels, n_anchors, n_jobs=None):
    search = AnchorSearchCV(LinearAligner(), SELECTORS, n_anchors, cv=5, n_jobs=n_jobs)
    return search.fit(X, y, labels=labels)


def _grid_search(X, y, labels, n_anchors, n_jobs=None):
    grid = {"selector": SELECTORS, "selector__n_anchors": n_anchors}
    search = GridSearchCV(AnchoredAligner(LinearAligner()), grid, cv=5, n_jobs=n_jobs)
    return search.fit(X, y, labels=labels)


class Search:
    """Times that asv follows."""

    def setup(self):
        self.rows = _spaces(2000, 64)

    def time_anchor_search(self):
        _search(*self.rows, [16, 32, 64, 128, 256])


def _compare(n_samples, width, n_anchors, n_repeats, n_jobs):
    rows = _spaces(n_samples, width)
    times = []
    for _ in range(n_repeats):
        start = perf_counter()
        ours = _search(*rows, n_anchors, n_jobs)
        middle = perf_counter()
        theirs = _grid_search(*rows, n_anchors, n_jobs)
        times.append((middle - start, perf_counter() - middle))
    times = np.array(times)
    ratios = times[:, 0] / times[:, 1]
    apart = np.abs(
        ours.cv_results_["mean_test_score"] - theirs.cv_results_["mean_test_score"]
    )
    print(
        f"{n_samples} x {width}, n_anchors={n_anchors}, n_jobs={n_jobs}: "
        f"{np.median(times[:, 0]):.1f} s / {np.median(times[:, 1]):.1f} s = "
        f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}, "
        f"{n_repeats} runs); scores at most {apart.max():.0e} apart"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="10,000 x 384")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    size = (10_000, 384) if options.full else (2000, 64)
    for counts in ([1, 2, 3, 4, 5, 6], [0.25, 0.5, 1, 2, 3, 4]):
        n_anchors = [int(size[1] * count) for count in counts]
        _compare(*size, n_anchors, options.repeats, options.jobs)
