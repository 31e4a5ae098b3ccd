"""skalign report: compare maps by cross-validation."""

import argparse
import platform

from joblib import parallel_config
from sklearn.base import clone

import skalign
from skalign.cli._aligners import PAIRED, make_aligner
from skalign.cli._conditions import any_holds
from skalign.cli._files import naming, read_labels, read_pairs
from skalign.cli._html import as_html, before_and_after, learning_curves
from skalign.cli._kinds import InputError, require_package
from skalign.cli._matrix import ArrayMatrix, are_large
from skalign.cli._output import format_of, writing_to
from skalign.cli._record import choose, maps_of, plain, step
from skalign.cli._render import as_json, as_markdown, as_table
from skalign.cli._terminal import progress, say, use_threads_if_large, width
from skalign.model_selection import alignability

_WITH_PRIOR = "linear, prior"
_MOST_JOBS = 4  # at a time, each with its own copies of the samples
_EXAMPLE = (
    "No files were given. As an example, maps are compared between the latents of two "
    "autoencoders that were trained on the same 1,797 images of digits."
)


def run(options):
    """Compare maps; return 1 if a condition of --fail-if holds, else 0."""
    unpaired = options.unpaired or any(
        value is not None
        for value in (options.target_labels, options.pairs, options.domains)
    )
    _check_metrics(options, unpaired)
    wanted = format_of(options)
    require_package(wanted, f"--format {wanted}")
    report, draw = (_compare_sides if unpaired else _compare_pairs)(options)
    metrics = options.columns or [*report["maps"][0]["values"]]
    n_columns = 80 if options.output else width()
    render = {
        "table": lambda: as_table(report, metrics, n_columns, options.wide),
        "markdown": lambda: as_markdown(report, metrics),
        "json": lambda: as_json(report, metrics),
        "html": lambda: as_html(report, metrics, draw()),
    }
    text = render[wanted]()
    if options.output is None:
        say(text)
    else:
        say(as_table(report, metrics, width(), options.wide))
        with writing_to(options.output) as file:
            file.write(f"{text}\n".encode())
    chosen = next(r for r in report["maps"] if r["name"] == report["recommended"])
    return int(any_holds(options.fail_if, chosen["name"], chosen["values"]))


def _check_metrics(options, unpaired):
    """Raise an error, before any work, for metrics that need what is not given."""
    if options.source is None:
        for key in ("labels", "target_labels", "pairs", "domains"):
            if vars(options)[key] is not None:
                option = f"--{key.replace('_', '-')}"
                raise InputError(f"{option} needs a SOURCE and a TARGET.")
        if options.unpaired:
            raise InputError("--unpaired needs a SOURCE and a TARGET.")
    known = {
        "accuracy": ("--labels", options.labels or options.source is None),
        "r2": ("pairs of all samples", not unpaired),
    }
    if unpaired:
        known |= dict.fromkeys(("relative_error", "hits@1"), ("--pairs", options.pairs))
        labels = "--labels and --target-labels, without --pairs"
        known["accuracy"] = (labels, options.labels and not options.pairs)
    asked = {
        "--criterion": [options.criterion] if options.criterion else [],
        "--columns": options.columns or [],
        "--fail-if": [condition.metric for condition in options.fail_if],
    }
    for option, metrics in asked.items():
        for metric in metrics:
            needed, is_given = known.get(metric, ("", True))
            if not is_given:
                raise InputError(f"{option} {metric} needs {needed}.")


def _compare_pairs(options):
    if options.source is None:
        # Only here, since it takes a tenth of the other imports.
        from skalign.datasets import load_digits_latents

        digits = load_digits_latents(options.seed)
        X, y, labels = digits.data, digits.target, digits.labels
        n_pairs = len(X)
        source, target = "digits seen by one autoencoder", "digits seen by another"
    elif options.target is None:
        raise InputError("SOURCE needs a TARGET with the same items.")
    else:
        X, y, labels, n_pairs = _read(options)
        source, target = options.source, options.target
    n_jobs = min(use_threads_if_large(options, X, y), _MOST_JOBS)
    if options.criterion == "r2" and 2 * options.cv > len(X):
        raise InputError(
            f"--criterion r2 needs at least 2 test pairs in each fold; --cv "
            f"{options.cv} must be at most {len(X) // 2}."
        )
    if not 2 <= options.cv <= len(X):
        raise InputError(
            f"--cv {options.cv} must be from 2 to {len(X)}, the number of pairs."
        )
    # In threads, because fits spend their time in products.
    with naming(options.source, options.target), parallel_config("threading"):
        result = alignability(
            X,
            y,
            labels=labels,
            aligners=_classes(options),
            cv=options.cv,
            random_state=options.seed,
            n_jobs=n_jobs,
            progress=progress("parts"),
        )
    criterion = options.criterion or "relative_error"
    used = "" if result.n_samples == n_pairs else f"{result.n_samples:,} pairs drawn; "
    maps = _maps(result)
    best, recommended, verdict = _choose(result, maps, criterion)
    about = [
        f"source  {n_pairs:,} x {X.shape[1]:,}  {source}",
        f"target  {n_pairs:,} x {y.shape[1]:,}  {target}",
        f"{used}{options.cv} folds: {result.train_sizes[-1]:,} pairs to fit, "
        f"{result.n_test:,} to test; means over folds",
    ]
    if options.source is None:
        about = [_EXAMPLE, "", *about]
    report = {
        "title": "Maps from source to target",
        "about": about,
        **_settings(options),
        "n_train": int(result.train_sizes[-1]),
        "n_test": result.n_test,
        "criterion": criterion,
        "best": best,
        "recommended": recommended,
        "verdict": verdict,
        "maps": maps,
        "reference": _reference(result),
        "next": _next(options, recommended, result, X, y),
    }

    def draw():
        figures = [learning_curves(result)]
        fitted = clone(result.aligners[recommended]).fit(X, y)
        if hasattr(fitted, "transform_target"):
            classes = (labels, labels)
            figures.append(
                before_and_after(recommended, fitted, X, y, *classes, paired=True)
            )
        return figures

    return report, draw


def _compare_sides(options):
    from skalign.cli._unpaired import compare_sides

    report, draw = compare_sides(options)
    return {**report, **_settings(options)}, draw


def _settings(options):
    """Return what was asked for, as a part of the report."""
    return {
        "skalign": skalign.__version__,
        "python": platform.python_version(),
        "source": options.source,
        "target": options.target,
        "labels": options.labels,
        "n_folds": options.cv,
        "seed": options.seed,
    }


def _classes(options):
    """Return the aligners to compare by name; None for the usual ones."""
    if options.aligners is None and options.prior is None:
        return None
    names = options.aligners or ("rigid", "similarity", "linear", "nonlinear")
    for name in names:
        if name not in PAIRED:
            raise InputError(
                f"--aligners {name} is learnt without pairs; choose from "
                f"{', '.join(PAIRED)}, or give --unpaired."
            )
    plain_options = argparse.Namespace(**vars(options) | {"prior": None})
    aligners = {name: make_aligner(name, plain_options) for name in names}
    if options.prior is not None:
        aligners[_WITH_PRIOR] = make_aligner("linear", options)
    return aligners


def _read(options):
    """Return both matrices, or some of their rows, the labels and the number of pairs.

    Of tables that exceed scikit-learn's `working_memory`, some rows are kept.
    """
    pairs = read_pairs(options)
    labels = options.labels and read_labels(options.labels, len(pairs))
    sides = (pairs.source, pairs.target)
    if not are_large(*sides) or all(isinstance(side, ArrayMatrix) for side in sides):
        return *pairs.whole(), labels, len(pairs)
    rows = pairs.sample(options.seed)
    return *pairs.take(rows), None if labels is None else labels[rows], len(pairs)


def _maps(result):
    """Return a record for each class, with its error over all test pairs."""
    maps = maps_of(result.names, result.scores, {"relative_error": result.errors})
    for i, row in enumerate(maps):
        row["error"] = float(result.errors[i])
        row["interval"] = plain(result.intervals[i])
    return maps


def _reference(result):
    own = result.head_accuracy
    if own is None:
        return None
    return {
        "name": "target's own",
        "values": {"accuracy": float(own.mean())},
        "spreads": {"accuracy": float(own.std(ddof=1))},
        "scores": {"accuracy": plain(own)},
    }


def _choose(result, maps, criterion):
    """Return the best map, the one that is recommended, and why."""
    if criterion == "relative_error":
        return result.best, result.name, [result.verdict]
    best, chosen, why = choose(maps, criterion)
    if result.name != chosen:
        why += f" By relative error it would be '{result.name}'."
    return best, chosen, [why]


def _next(options, recommended, result, X, y):
    """Return the commands to run next, with a sentence for each."""
    if options.source is None:
        command = ["skalign", "report", "source.npy", "target.npy"]
        why = (
            "Next, compare maps between files of your own. Row i of both is the same "
            "item, embedded by two models:"
        )
        return [step(why, command)]
    fit = ["skalign", "fit", options.source, options.target, "-o", "map.skops"]
    if recommended == "constant":
        why = (
            "No map is worth storing. Check that row i of both files is the same item; "
            "if the rows are not paired:"
        )
        command = ["skalign", "report", options.source, options.target, "--unpaired"]
    elif recommended == "identity":
        why = "No map is needed: the spaces are the same. To store a rotation anyway:"
        command = [*fit, "--aligner", "rigid"]
    else:
        why = f"Next, fit the map '{recommended}' on all pairs, and store it:"
        command = [*fit, *_aligner_options(options, recommended, result, X, y)]
    return [step(why, command)]


def _aligner_options(options, name, result, X, y):
    if name == "translation":
        return ["--aligner", "linear", "--prior", "identity"]
    if name == _WITH_PRIOR:
        return ["--aligner", "linear", "--prior", options.prior]
    if name == "low rank":
        search = clone(result.aligners[name]).fit(X, y)
        return ["--aligner", "linear", "--rank", str(search.best_params_["rank"])]
    return ["--aligner", name]
