"""skalign fit: fit a map and store it."""

from functools import partial

from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.cli._files import InputError, naming, read_pairs, writing_to
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


def run_fit(options):
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
        aligner = LinearAligner(aligner.alpha, rank=options.rank)
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
    with naming(options.source, options.target):
        aligner.fit(X, y)
    with writing_to(options.output) as unfinished:
        dump(aligner, unfinished)
        say(f"{aligner!r} fitted on {len(X):,} pairs: {options.output}")
