"""skalign report: compare maps by cross-validation."""

import json
import platform
from textwrap import fill

import numpy as np

import skalign
from skalign.cli._files import naming, read_labels, read_pairs
from skalign.cli._output import InputError, writing_to
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.datasets import load_digits_latents
from skalign.model_selection import alignability

_LINE_WIDTH = 79
_HEADINGS = {"relative_error": "rel. error", "sliced_wasserstein": "sliced W."}


def run(options):
    if options.source is None and options.labels is not None:
        raise InputError("--labels needs a SOURCE and a TARGET.")
    if options.source is None:
        digits = load_digits_latents(options.seed)
        X, y, labels = digits.data, digits.target, digits.labels
        source, target = "digits seen by one autoencoder", "digits seen by another"
    elif options.target is None:
        raise InputError("SOURCE needs a TARGET with the same items.")
    else:
        X, y = read_pairs(options)
        labels = None if options.labels is None else read_labels(options.labels, len(X))
        source, target = options.source, options.target
    use_threads_if_large(options, X, y)
    if options.criterion == "accuracy" and labels is None:
        raise InputError("--criterion accuracy needs --labels.")
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
    best = result.names[_best(result, options.criterion)]
    used = "" if result.n_samples == len(X) else f"{result.n_samples:,} pairs drawn; "
    say(
        f"source  {source}  {X.shape[0]:,} x {X.shape[1]:,}",
        f"target  {target}  {y.shape[0]:,} x {y.shape[1]:,}",
        f"{used}{options.cv} folds: {result.train_sizes[-1]:,} pairs to fit, "
        f"{result.n_test:,} to test; mean (standard deviation over folds)",
        "",
        _table(result),
        "",
        f"Best by {options.criterion}: {best}",
        "",
        fill(result.verdict, _LINE_WIDTH),
    )
    if options.json is not None:
        _write_json(options.json, options, result, best)


def _best(result, criterion):
    means = result.scores[criterion].mean(axis=1)
    greater = result.greater_is_better[criterion]
    return int(means.argmax() if greater else means.argmin())


def _table(result):
    """Format one line per map, with a star at the best value of each column."""
    metrics = list(result.scores)
    lines = [["map", *(_HEADINGS.get(metric, metric) for metric in metrics)]]
    for i, name in enumerate(result.names):
        line = [name]
        for metric in metrics:
            folds = result.scores[metric][i]
            best = i == _best(result, metric) and np.isfinite(folds).all()
            star = "*" if best else " "
            digits = 4 if metric in ("mmd", "sliced_wasserstein") else 3
            spread = f"({folds.std(ddof=1):.{digits}f})"
            line.append(f"{folds.mean():.{digits}f} {spread}{star}")
        lines.append(line)
    if result.head_accuracy is not None:
        own = result.head_accuracy
        line = ["(the target's own rows)", *("" for _ in metrics[:-1])]
        lines.append([*line, f"{own.mean():.3f} ({own.std(ddof=1):.3f}) "])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    rows = []
    for line in lines:
        name, *cells = line
        cells = [cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True)]
        rows.append("  ".join([name.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(rows)


def _write_json(path, options, result, best):
    record = {
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
        "recommended": result.name,
        "verdict": result.verdict,
        "maps": [
            {
                "name": name,
                "error": float(result.errors[i]),
                "interval": _plain(result.intervals[i]),
                "scores": {m: _plain(s[i]) for m, s in result.scores.items()},
            }
            for i, name in enumerate(result.names)
        ],
    }
    if result.head_accuracy is not None:
        record["head_accuracy"] = _plain(result.head_accuracy)
    text = json.dumps(record, indent=1, allow_nan=False)
    with writing_to(path) as unfinished:
        unfinished.write_text(text + "\n")


def _plain(values):
    """Convert numbers to JSON values; those that are not finite become null."""
    return [float(v) if np.isfinite(v) else None for v in values]
