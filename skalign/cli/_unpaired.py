"""Comparison of maps between two sides whose rows are not paired."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import has_fit_parameter

from skalign._routing import transform_target
from skalign.cli._aligners import PAIRED, UNPAIRED, make_aligner
from skalign.cli._files import read_labels, read_matrix
from skalign.cli._fit import read_domains
from skalign.cli._html import before_and_after
from skalign.cli._kinds import InputError
from skalign.cli._record import choose, maps_of, step
from skalign.cli._sides import Sides, read_sides
from skalign.cli._terminal import progress, use_threads_if_large
from skalign.metrics import mmd, retrieval_accuracy, sliced_wasserstein_distance


@dataclass
class Result:
    """Scores of maps, of shape (n_maps, n_folds) by metric, and what went wrong."""

    names: list
    scores: dict
    failed: dict
    doubts: dict
    n_train: tuple
    n_test: tuple


_ONLY_DISTRIBUTIONS = (
    "Only distributions are compared: a small distance does not show that samples are "
    "mapped to their own targets. To test that, give some --pairs, or --labels and "
    "--target-labels."
)


def compare_sides(options):
    """Return a report on maps between sides that are not paired, or between domains."""
    sides = _domains(options) if options.domains else read_sides(options)
    criterion = options.criterion or (
        "hits@1"
        if sides.pairs is not None
        else "sliced_wasserstein"
        if sides.labels is None
        else "accuracy"
    )
    use_threads_if_large(options, sides.X, sides.y)
    smaller = sides.some(options.seed)
    most = len(smaller.X) if sides.pairs is None else len(sides.pairs)
    most = min(most, len(smaller.y))
    if sides.domains is None and not 2 <= options.cv <= most:
        raise InputError(f"--cv {options.cv} must be from 2 to {most}.")
    result = compare(smaller, options.aligners, options, progress("fits"))
    maps = maps_of(result.names, result.scores)
    best, recommended, why = choose(maps, criterion)
    verdict = [why]
    if criterion in ("sliced_wasserstein", "mmd"):
        verdict.append(_ONLY_DISTRIBUTIONS)
    verdict += [f"In a fold: {said}" for said in result.doubts[recommended][:1]]
    verdict += [f"'{name}' is left out: {said}" for name, said in result.failed.items()]
    report = {
        "title": "Maps between sides that are not paired",
        "about": _about(options, sides, smaller, result),
        "target_labels": options.target_labels,
        "pairs": options.pairs,
        "domains": options.domains,
        "criterion": criterion,
        "best": best,
        "recommended": recommended,
        "verdict": verdict,
        "maps": maps,
        "failed": result.failed,
        "reference": None,
        "next": [_next(options, recommended)],
    }

    def draw():
        if recommended == "identity" or sides.domains is not None:
            return []
        fitted = _fitted(recommended, make_aligner(recommended, options), smaller)
        X, y = smaller.X, smaller.y
        classes = (smaller.labels, smaller.target_labels)
        return [before_and_after(recommended, fitted, X, y, *classes, paired=False)]

    return report, draw


def _domains(options):
    """Return the rows of all domains as both sides."""
    if options.target or options.target_labels or options.pairs:
        raise InputError(
            "--domains needs only SOURCE, whose rows are of several domains."
        )
    source = read_matrix(options.source, options.id)
    domains = read_domains(options.domains, len(source))
    labels = options.labels and read_labels(options.labels, len(source))
    X = source.whole()
    return Sides(X, X, labels, labels, n_rows=(len(X), len(X)), domains=domains)


def _about(options, sides, smaller, result):
    n_source, n_target = sides.n_rows
    (n_train, n_train_target), (n_test, n_test_target) = result.n_train, result.n_test
    if options.domains:
        n_domains = len(np.unique(sides.domains))
        return [
            f"source  {n_source:,} x {sides.X.shape[1]:,}  {options.source}",
            f"each of {n_domains} domains against the others, on halves of their rows; "
            "means over domains",
        ]
    used = "" if len(smaller.X) + len(smaller.y) == n_source + n_target else (
        f"{len(smaller.X):,} and {len(smaller.y):,} rows drawn; "
    )  # fmt: skip
    if sides.pairs is None:
        folds = (
            f"{n_train:,} and {n_train_target:,} rows to fit, {n_test:,} and "
            f"{n_test_target:,} to test"
        )
    else:
        folds = f"all rows to fit, {len(sides.pairs):,} known pairs to fit and to test"
    return [
        f"source  {n_source:,} x {sides.X.shape[1]:,}  {options.source}",
        f"target  {n_target:,} x {sides.y.shape[1]:,}  {options.target}",
        f"{used}{options.cv} folds: {folds}; means over folds",
    ]


def _next(options, recommended):
    """Return the command to run next."""
    sides = [options.source] if options.domains else [options.source, options.target]
    if recommended == "identity":
        why = "No map is needed: no other is better. To test more rows, or other folds:"
        known = _given(options, ("labels", "target_labels", "pairs", "domains"))
        unpaired = [] if known else ["--unpaired"]
        other = [*unpaired, *known, "--seed", str(options.seed + 1)]
        return step(why, ["skalign", "report", *sides, *other])
    known = _given(options, ("domains",))
    kind = (PAIRED | UNPAIRED)[recommended]
    able = [
        key
        for key in ("labels", "target_labels", "pairs")
        if recommended not in PAIRED and has_fit_parameter(kind, key)
    ]
    if recommended in PAIRED:
        able = ["pairs"]
    if not options.domains:
        known = _given(options, able)
    fit = [
        "skalign",
        "fit",
        *sides,
        *known,
        "-o",
        "map.skops",
        "--aligner",
        recommended,
    ]
    return step(f"Next, fit the map '{recommended}' on all samples, and store it:", fit)


def _given(options, keys):
    given = [(key, vars(options)[key]) for key in keys]
    return [
        word
        for key, value in given
        if value is not None
        for word in (f"--{key.replace('_', '-')}", value)
    ]


def compare(sides, names, options, progress):
    """Compare maps on folds of both sides, or of the known pairs.

    Parameters
    ----------
    sides : Sides
    names : list of str or None
        Aligners, or "identity". None chooses those that suit what is known.
    options : Namespace
    progress : callable
        Wrapper of the list of fits.

    Returns
    -------
    result : Result

    Raises
    ------
    InputError
        If no map can be fitted, or one of `names` needs what is not known.
    """
    names = names or _default_names(sides)
    folds = [*_folds(sides, options.cv, options.seed)]
    aligners = {name: _aligner(name, sides, options) for name in names}
    found, failed, doubts = {name: [] for name in names}, {}, {}
    for name, fold in progress([(name, fold) for name in names for fold in folds]):
        if name in failed:
            continue
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                found[name].append(_evaluate(name, aligners[name], sides, fold))
            doubts.setdefault(name, []).extend(str(w.message) for w in warned)
        except ValueError as error:
            failed[name] = " ".join(str(error).split())
    names = [name for name in names if name not in failed]
    if not names:
        raise InputError(f"no map can be fitted: {next(iter(failed.values()))}")
    metrics = [*found[names[0]][0]]
    scores = {
        metric: np.array([[fold[metric] for fold in found[name]] for name in names])
        for metric in metrics
    }
    n_train, n_test = ((len(rows[0]), len(rows[1])) for rows in folds[0][:2])
    return Result(names, scores, failed, doubts, n_train, n_test)


def _default_names(sides):
    if sides.domains is not None:
        return ["identity", "mean-variance", "coral", "gaussian-ot"]
    same_width = sides.X.shape[1] == sides.y.shape[1]
    names = ["identity", "mean-variance", "coral"] if same_width else []
    if sides.pairs is not None:
        names.append("rigid")
    if sides.labels is not None:
        names += ["class-means", "moments", "icp"]
    return [*names, "wasserstein-procrustes"]


def _aligner(name, sides, options):
    if name in PAIRED and sides.pairs is None:
        raise InputError(f"the map {name} needs pairs; give --pairs, or two files of "
                         "the same items without --unpaired.")  # fmt: skip
    if name == "identity":
        if sides.X.shape[1] != sides.y.shape[1]:
            raise InputError("the map identity needs equal numbers of columns.")
        return FunctionTransformer()
    return make_aligner(name, options)


def _folds(sides, n_folds, seed):
    """Yield training and test rows of both sides, and training and test pairs."""
    if sides.domains is not None:
        yield from _folds_of_domains(sides.domains, seed)
        return
    if sides.pairs is not None:
        every = np.arange(len(sides.X)), np.arange(len(sides.y))
        splits = KFold(n_folds, shuffle=True, random_state=seed).split(sides.pairs)
        for train, test in splits:
            yield every, every, (sides.pairs[train], sides.pairs[test])
        return
    splits = (
        KFold(n_folds, shuffle=True, random_state=seed).split(rows)
        for rows in (sides.X, sides.y)
    )
    for source, target in zip(*splits, strict=True):
        yield *zip(source, target, strict=True), (None, None)


def _folds_of_domains(domains, seed):
    """Yield halves of the rows of each domain, and of those of all others."""
    order = np.random.default_rng(seed).permutation(len(domains))
    for domain in np.unique(domains):
        inside = domains[order] == domain
        source, target = order[inside], order[~inside]
        halves = [(rows[::2], rows[1::2]) for rows in (source, target)]
        if min(len(test) for _, test in halves) < 2:
            raise InputError(f"domain {domain!r}, or all others, has less than 4 rows.")
        yield *zip(*halves, strict=True), (None, None)


def _fitted(name, aligner, sides):
    """Fit an aligner to sides, with what it uses of the known."""
    if name in PAIRED:
        return aligner.fit(sides.X[sides.pairs[:, 0]], sides.y[sides.pairs[:, 1]])
    known = {k: v for k, v in sides.known.items() if v is not None}
    known = {k: v for k, v in known.items() if has_fit_parameter(aligner, k)}
    return aligner.fit(sides.X, sides.y, **known)


def _evaluate(name, aligner, sides, fold):
    """Fit a map on the training rows, and score it on the test rows."""
    (source, target), (source_test, target_test), (pairs, pairs_test) = fold
    labels, target_labels = sides.labels, sides.target_labels
    if labels is not None:
        labels, target_labels = labels[source], target_labels[target]
    train = Sides(sides.X[source], sides.y[target], labels, target_labels, pairs)
    aligner = _fitted(name, clone(aligner), train)
    X, y = sides.X[source_test], sides.y[target_test]
    mapped, moved = np.asarray(aligner.transform(X)), transform_target(aligner, y)
    scores = {
        "sliced_wasserstein": sliced_wasserstein_distance(
            mapped, moved, random_state=0
        ),
        "mmd": mmd(mapped, moved, gamma="target", unbiased=False),
    }
    if pairs_test is not None:
        centre = moved.mean(axis=0)
        wrong = mapped[pairs_test[:, 0]] - moved[pairs_test[:, 1]]
        spread = moved[pairs_test[:, 1]] - centre
        scores = {
            "hits@1": retrieval_accuracy(
                mapped[pairs_test[:, 0]] - centre,
                moved - centre,
                relevant=np.column_stack(
                    [np.arange(len(pairs_test)), pairs_test[:, 1]]
                ),
            ),
            "relative_error": np.sum(wrong**2) / np.sum(spread**2),
        } | scores
    elif sides.labels is not None:
        head = LogisticRegression(max_iter=1000)
        head.fit(
            transform_target(aligner, sides.y[target]), sides.target_labels[target]
        )
        accuracy = head.score(mapped, sides.labels[source_test])
        scores = {"accuracy": accuracy} | scores
    return scores
