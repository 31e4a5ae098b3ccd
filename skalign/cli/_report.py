"""skalign report: compare maps by cross-validation."""

import platform
import shlex

import numpy as np
from sklearn.base import clone

import skalign
from skalign.cli._files import naming, read_labels, read_pairs
from skalign.cli._html import as_html, figures_of
from skalign.cli._kinds import InputError, require_package
from skalign.cli._matrix import ArrayMatrix, are_large
from skalign.cli._output import format_of, writing_to
from skalign.cli._render import as_json, as_markdown, as_table
from skalign.cli._terminal import fail, progress, say, use_threads_if_large, width
from skalign.datasets import load_digits_latents
from skalign.model_selection import alignability

_EXAMPLE = (
    "No files were given. As an example, maps are compared between the latents of two "
    "autoencoders that were trained on the same 1,797 images of digits."
)


def run(options):
    """Compare maps; return 1 if a condition of --fail-if holds, else 0."""
    _check_metrics(options)
    wanted = format_of(options)
    require_package(wanted, f"--format {wanted}")
    report, draw = _compare_pairs(options)
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
    return _check_conditions(options, report)


def _check_metrics(options):
    """Raise an error, before any work, for metrics that need what is not given."""
    if options.source is None and options.labels is not None:
        raise InputError("--labels needs a SOURCE and a TARGET.")
    if options.source is None or options.labels is not None:
        return
    asked = {
        "--criterion": [options.criterion],
        "--columns": options.columns or [],
        "--fail-if": [condition.metric for condition in options.fail_if],
    }
    for option, metrics in asked.items():
        if "accuracy" in metrics:
            raise InputError(f"{option} accuracy needs --labels.")


def _check_conditions(options, report):
    values = next(
        row["values"] for row in report["maps"] if row["name"] == report["recommended"]
    )
    held = []
    for condition in options.fail_if:
        value = values[condition.metric]
        if condition.holds(np.nan if value is None else value):
            found = "not finite" if value is None else f"{value:.4g}"
            held.append(f"{condition} ({condition.metric} is {found})")
    if held:
        fail(f"failed: {report['recommended']}: {', '.join(held)}")
    return int(bool(held))


def _compare_pairs(options):
    if options.source is None:
        digits = load_digits_latents(options.seed)
        X, y, labels = digits.data, digits.target, digits.labels
        n_pairs = len(X)
        source, target = "digits seen by one autoencoder", "digits seen by another"
    elif options.target is None:
        raise InputError("SOURCE needs a TARGET with the same items.")
    else:
        X, y, labels, n_pairs = _read(options)
        source, target = options.source, options.target
    use_threads_if_large(options, X, y)
    if options.criterion == "r2" and 2 * options.cv > len(X):
        raise InputError(
            f"--criterion r2 needs at least 2 test pairs in each fold; --cv "
            f"{options.cv} must be at most {len(X) // 2}."
        )
    if not 2 <= options.cv <= len(X):
        raise InputError(
            f"--cv {options.cv} must be from 2 to {len(X)}, the number of pairs."
        )
    with naming(options.source, options.target):
        result = alignability(
            X,
            y,
            labels=labels,
            cv=options.cv,
            random_state=options.seed,
            progress=progress("parts"),
        )
    used = "" if result.n_samples == n_pairs else f"{result.n_samples:,} pairs drawn; "
    maps = _maps(result)
    best, recommended, verdict = _choose(result, maps, options.criterion)
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
        "skalign": skalign.__version__,
        "python": platform.python_version(),
        "source": options.source,
        "target": options.target,
        "labels": options.labels,
        "n_folds": options.cv,
        "seed": options.seed,
        "n_train": int(result.train_sizes[-1]),
        "n_test": result.n_test,
        "criterion": options.criterion,
        "best": best,
        "recommended": recommended,
        "verdict": verdict,
        "maps": maps,
        "reference": _reference(result),
        "next": _next(options, recommended, result, X, y),
    }

    def draw():
        fitted = clone(result.aligners[recommended]).fit(X, y)
        shown = fitted if hasattr(fitted, "transform_target") else None
        return figures_of(result, recommended, shown, X, y, labels)

    return report, draw


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
    """Return a record for each map, with the metrics by which it is the best."""
    values = {m: folds.mean(axis=1) for m, folds in result.scores.items()}
    values["relative_error"] = result.errors  # of all test pairs, as the verdict
    best_by = {}
    for metric, means in values.items():
        best = means.argmax() if result.greater_is_better[metric] else means.argmin()
        if np.isfinite(result.scores[metric][best]).all():
            best_by[metric] = best
    return [
        {
            "name": name,
            "error": float(result.errors[i]),
            "interval": _plain(result.intervals[i]),
            "values": _plain({m: v[i] for m, v in values.items()}),
            "spreads": _plain(
                {m: folds[i].std(ddof=1) for m, folds in result.scores.items()}
            ),
            "best_by": [metric for metric, best in best_by.items() if best == i],
            "scores": {m: _plain(s[i]) for m, s in result.scores.items()},
        }
        for i, name in enumerate(result.names)
    ]


def _reference(result):
    own = result.head_accuracy
    if own is None:
        return None
    return {
        "name": "target's own",
        "values": {"accuracy": float(own.mean())},
        "spreads": {"accuracy": float(own.std(ddof=1))},
        "scores": {"accuracy": _plain(own)},
    }


def _choose(result, maps, criterion):
    """Return the best map, the one that is recommended, and why."""
    if criterion == "relative_error":
        return result.best, result.name, [result.verdict]
    values = np.array([row["values"][criterion] for row in maps], dtype=float)
    losses = -values if result.greater_is_better[criterion] else values
    best = int(np.nanargmin(losses))
    folds = result.scores[criterion][best]
    limit = losses[best] + folds.std(ddof=1) / np.sqrt(len(folds))
    chosen = int(np.argmax(losses <= limit))
    name, least = result.names[chosen], result.names[best]
    verdict = f"By {criterion}, '{name}' is recommended: {values[chosen]:.3g}"
    if chosen == best:
        verdict += ", the best of all maps."
    else:
        verdict += (
            f", the simplest map within one standard error of the best, "
            f"{values[best]:.3g} by '{least}'."
        )
    if result.name != name:
        verdict += f" By relative error it would be '{result.name}'."
    return least, name, [verdict]


def _next(options, recommended, result, X, y):
    """Return the commands to run next, with a sentence for each."""
    if options.source is None:
        command = ["skalign", "report", "source.npy", "target.npy"]
        why = (
            "Next, compare maps between files of your own. Row i of both is the same "
            "item, embedded by two models:"
        )
        return [{"why": why, "command": command}]
    fit = ["skalign", "fit", options.source, options.target, "-o", "map.skops"]
    if recommended == "constant":
        why = (
            "No map is worth storing. Check that row i of both files is the same item. "
            "To look at the errors of every fold:"
        )
        command = ["skalign", "report", options.source, options.target]
        command += ["--format", "json"]
    elif recommended == "identity":
        why = "No map is needed: the spaces are the same. To store a rotation anyway:"
        command = [*fit, "--aligner", "rigid"]
    else:
        why = f"Next, fit the map '{recommended}' on all pairs, and store it:"
        command = [*fit, *_aligner_options(recommended, result, X, y)]
    return [{"why": why, "command": [shlex.quote(word) for word in command]}]


def _aligner_options(name, result, X, y):
    if name == "translation":
        return ["--aligner", "linear", "--prior", "identity"]
    if name == "low rank":
        search = clone(result.aligners[name]).fit(X, y)
        return ["--aligner", "linear", "--rank", str(search.best_params_["rank"])]
    return ["--aligner", name]


def _plain(values):
    """Convert numbers to JSON values; those that are not finite become null."""
    if isinstance(values, dict):
        return dict(zip(values, _plain(values.values()), strict=True))
    return [float(v) if np.isfinite(v) else None for v in values]
