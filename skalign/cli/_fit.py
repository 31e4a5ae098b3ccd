"""skalign fit: fit a map and store it."""

from functools import partial

from skalign._storage import save
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.cli._files import naming, read_pairs
from skalign.cli._kinds import InputError
from skalign.cli._matrix import are_large
from skalign.cli._output import naming_output
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.model_selection import alignability
from skalign.paired import (
    AnchoredAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)

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
    pairs = read_pairs(options)
    large = are_large(pairs.source, pairs.target)
    if large:  # fitted from sums over all pairs, if the aligner can
        X, y = pairs.take(rows := pairs.sample(options.seed))
        say(f"tested on {len(rows):,} of {len(pairs):,} pairs, fitted on all")
    else:
        X, y = pairs.whole()
    use_threads_if_large(options, pairs.source, pairs.target)
    n_train = len(X) - -(-len(X) // 5)  # smallest training part of 5 folds
    if isinstance(options.anchors, int) and n_train < options.anchors <= len(X):
        say(f"{options.anchors} anchors leave too few pairs to test on")
    elif len(X) >= 20:
        with naming(options.source, options.target):
            result = alignability(
                X,
                y,
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
    if large and not hasattr(aligner, "collect"):
        X, y = pairs.whole()
    with naming(options.source, options.target):
        if large and hasattr(aligner, "collect"):
            aligner.fit(pairs.batches())
        else:
            aligner.fit(X, y)
    with naming_output(options.output):
        save(aligner, options.output)
    say(f"{aligner!r} fitted on {len(pairs):,} pairs: {options.output}")
    return 0
