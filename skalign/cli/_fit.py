"""skalign fit: fit a map and store it."""

from skalign._storage import save
from skalign.adaptation import DomainHarmonizer
from skalign.cli._aligners import PAIRED, arguments_of, make_aligner
from skalign.cli._conditions import any_holds
from skalign.cli._files import naming, read_array, read_matrix, read_pairs
from skalign.cli._kinds import InputError
from skalign.cli._matrix import are_large
from skalign.cli._output import naming_output
from skalign.cli._sides import check_known, read_known, read_positions
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.model_selection import alignability


def run(options):
    """Fit a map and store it; return 1, without storing, if --fail-if holds."""
    aligner = make_aligner(options.aligner, options)
    if options.fail_if and (options.domains or options.aligner not in PAIRED):
        raise InputError("--fail-if needs pairs to test on; see skalign report.")
    if options.domains is not None:
        fitted, on = _fit_to_domains(options, aligner)
    elif options.target is None:
        raise InputError("SOURCE needs a TARGET, or --domains.")
    elif options.aligner in PAIRED:
        fitted, on = _fit_to_pairs(options, aligner)
    else:
        fitted, on = _fit_to_sides(options, aligner)
    if fitted is None:
        return 1
    with naming_output(options.output):
        save(fitted, options.output)
    say(f"{fitted!r} fitted on {on}: {options.output}")
    return 0


def _fit_to_domains(options, aligner):
    given = ("target", "labels", "target_labels", "pairs")
    for key in given:
        if vars(options)[key] is not None:
            raise InputError(
                f"--domains needs only SOURCE, whose rows are of several domains; got "
                f"{vars(options)[key]} too."
            )
    if options.aligner in PAIRED:
        raise InputError(
            f"--domains needs an aligner that is learnt without pairs; got "
            f"{options.aligner}."
        )
    source = read_matrix(options.source, options.id)
    domains = read_domains(options.domains, len(source))
    X = source.whole()
    use_threads_if_large(options, X)
    with naming(options.source, options.domains):
        fitted = DomainHarmonizer(aligner).fit(source.named(X), sample_domain=domains)
    return fitted, f"{len(X):,} samples of {len(fitted.domains_)} domains"


def read_domains(name, n_samples):
    """Read the domain of each row."""
    domains = read_array(name)
    if domains.shape != (n_samples,):
        raise InputError(
            f"{name} must hold the domain of each of {n_samples} rows; its shape is "
            f"{domains.shape}."
        )
    return domains


def _fit_to_sides(options, aligner):
    check_known(options)
    source = read_matrix(options.source, options.id)
    target = read_matrix(options.target, options.id)
    known = read_known(options, len(source), len(target))
    known = arguments_of(options.aligner, aligner, known)
    use_threads_if_large(options, source, target)
    with naming(options.source, options.target):
        if are_large(source, target) and hasattr(aligner, "collect"):
            aligner.fit(_batches_of_sides(source, target, **known))
        else:
            X, y = source.named(source.whole()), target.named(target.whole())
            aligner.fit(X, y, **known)
    if hasattr(aligner, "confidence_"):
        say(f"confidence: {aligner.confidence_:.3f}")
    return aligner, f"{len(source):,} source and {len(target):,} target samples"


def _batches_of_sides(source, target, labels=None, target_labels=None):
    """Yield the arguments of `partial_fit`, batch by batch."""
    sides = (("X", "labels", source, labels), ("y", "target_labels", target,
             target_labels))  # fmt: skip
    for name, labels_name, side, classes in sides:
        start = 0
        for _, rows in side.batches():
            batch = {name: side.named(rows)}
            if classes is not None:
                batch[labels_name] = classes[start : start + len(rows)]
            yield batch
            start += len(rows)


def _fit_to_pairs(options, aligner):
    for key in ("labels", "target_labels"):
        if vars(options)[key] is not None:
            arguments_of(options.aligner, aligner, {key: True})
    large = False
    if options.pairs is not None:
        source = read_matrix(options.source, options.id)
        target = read_matrix(options.target, options.id)
        rows = read_positions(options.pairs, len(source), len(target))
        X, y = source.whole()[rows[:, 0]], target.whole()[rows[:, 1]]
        tested, n_pairs = (X, y), len(rows)
    else:
        pairs = read_pairs(options)
        source, target, n_pairs = pairs.source, pairs.target, len(pairs)
        large = are_large(source, target)
        rows = pairs.sample(options.seed)
        if large:  # fitted from sums over all pairs, if the aligner can
            tested = pairs.take(rows)
        else:
            X, y = pairs.whole()
            tested = X[rows], y[rows]
        if len(rows) < n_pairs:
            say(f"tested on {len(rows):,} of {n_pairs:,} pairs, fitted on all")
    use_threads_if_large(options, source, target)
    scores = _test(options, aligner, *tested)
    if any_holds(options.fail_if, options.aligner, scores):
        return None, None
    if large and not hasattr(aligner, "collect"):
        X, y = pairs.whole()
    with naming(options.source, options.target):
        if large and hasattr(aligner, "collect"):
            aligner.fit(pairs.named_batches())
        else:
            aligner.fit(source.named(X), target.named(y))
    return aligner, f"{n_pairs:,} pairs"


def _test(options, aligner, X, y):
    """Print the error on held-out pairs; return the mean scores, empty if too few."""
    n_train = len(X) - -(-len(X) // 5)  # smallest training part of 5 folds
    if isinstance(options.anchors, int) and n_train < options.anchors <= len(X):
        say(f"{options.anchors} anchors leave too few pairs to test on")
        return {}
    if len(X) < 20:
        say(f"{len(X)} pairs are too few to test on")
        return {}
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
    return {metric: folds[0].mean() for metric, folds in result.scores.items()}
