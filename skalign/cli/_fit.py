"""skalign fit: fit a map and store it."""

from functools import partial

import numpy as np
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.random import sample_without_replacement

from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.cli._files import naming, read_pairs
from skalign.cli._output import InputError, writing_to
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.model_selection import alignability
from skalign.moments import exceed_memory, forget
from skalign.paired import (
    AnchoredAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)

_MOST_TEST_PAIRS = 10_000  # of files that exceed scikit-learn's working_memory
ALIGNERS = {
    "rigid": RigidAligner,
    "similarity": partial(RigidAligner, scaling=True),
    "linear": LinearAligner,
    "least-squares": partial(LinearAligner, alpha=0.0),
    "nonlinear": KernelAligner,
}
SELECTORS = {
    "random": RandomAnchors,
    "k-means": KMeansAnchors,
    "farthest-point": FarthestPointAnchors,
    "pivoted-qr": PivotedQRAnchors,
}


def run(options):
    from skops.io import dump

    aligner = ALIGNERS[options.aligner]()
    if isinstance(aligner, KernelAligner):
        aligner.set_params(random_state=options.seed)
    if options.rank is not None:
        if not isinstance(aligner, LinearAligner):
            raise InputError(
                f"--rank needs --aligner linear or least-squares; got "
                f"{options.aligner}."
            )
        aligner.set_params(rank=options.rank)
    if options.prior is not None:
        if not isinstance(aligner, LinearAligner):
            raise InputError(f"--prior needs --aligner linear; got {options.aligner}.")
        aligner.set_params(prior=options.prior)
    if options.selector is not None and options.anchors is None:
        raise InputError("--selector needs --anchors, the number of pairs to select.")
    if options.anchors is not None:
        selector = SELECTORS[options.selector or "k-means"]
        aligner = AnchoredAligner(
            aligner, selector(options.anchors, random_state=options.seed)
        )
    X, y = read_pairs(options)
    use_threads_if_large(options, X, y)
    n_train = len(X) - -(-len(X) // 5)  # smallest training part of 5 folds
    if isinstance(options.anchors, int) and n_train < options.anchors <= len(X):
        say(f"{options.anchors} anchors leave too few pairs to test on")
    elif len(X) >= 20:
        with naming(options.source, options.target):
            result = alignability(
                *_to_test_on(X, y, options.seed),
                aligners={options.aligner: aligner},
                learning_curves=False,
                max_samples=None,
                random_state=options.seed,
                progress=progress("folds"),
            )
        for metric in ("relative_error", "hits@1"):
            folds = result.scores[metric][0]
            say(
                f"{metric.replace('_', ' ')}: {folds.mean():.3f} "
                f"({folds.std(ddof=1):.3f}) on held-out pairs, 5 folds"
            )
    with naming(options.source, options.target):
        aligner.fit(X, y)
    with writing_to(options.output) as unfinished:
        dump(aligner, unfinished)
        say(f"{aligner!r} fitted on {len(X):,} pairs: {options.output}")
    return 0


def _to_test_on(X, y, seed):
    """Return all pairs; of files that exceed scikit-learn's `working_memory` some.

    On such files the map is fitted from sums over all pairs.
    """
    if not exceed_memory({"X": X, "y": y}):
        return X, y
    most = get_config()["working_memory"] * 2**20 // (X[0].nbytes + y[0].nbytes)
    n_test = min(_MOST_TEST_PAIRS, max(20, int(most)))
    rows = np.sort(sample_without_replacement(len(X), n_test, random_state=seed))
    say(f"tested on {n_test:,} of {len(X):,} pairs, fitted on all")
    return _take(X, rows), _take(y, rows)


def _take(array, rows):
    """Return rows of a memory map, which makes far more than their pages resident."""
    taken = np.empty((len(rows), array.shape[1]), dtype=array.dtype)
    for block in gen_batches(len(rows), 16):
        taken[block] = array[rows[block]]
        forget(array)
    return taken
