"""skalign report: compare maps by cross-validation."""

import json
import platform
from textwrap import fill

import numpy as np

import skalign
from skalign.cli._files import InputError, naming, read_labels, read_pairs, writing_to
from skalign.cli._terminal import progress, say, use_threads_if_large
from skalign.datasets import load_digits_latents
from skalign.model_selection import alignability, alignment_report, default_aligners
from skalign.model_selection._alignability import MIN_PAIRS
from skalign.model_selection._report import REPORT_METRICS

_LINE_WIDTH = 79
_HEADINGS = {"relative_error": "rel. error", "sliced_wasserstein": "sliced W."}


def run_report(options):
    if options.source is None and options.labels is not None:
        raise InputError("--labels needs a SOURCE and a TARGET.")
    if options.source is None:
        digits = load_digits_latents(options.seed)
        X, y, labels = digits.data, digits.target, digits.labels
        source, target = "digits seen by one autoencoder", "digits seen by another"
    elif options.target is None:
        raise InputError("SOURCE needs a TARGET of the same items.")
    else:
        X, y = read_pairs(options)
        labels = None if options.labels is None else read_labels(options.labels, len(X))
        source, target = options.source, options.target
    use_threads_if_large(options, X, y)
    if options.criterion == "accuracy" and labels is None:
        raise InputError("--criterion accuracy needs --labels.")
    if options.criterion == "r2" and 2 * options.cv > len(X):
        raise InputError("--criterion r2 needs two pairs in each fold to test on.")
    if not 2 <= options.cv <= len(X):
        raise InputError(f"--cv {options.cv} must be from 2 to {len(X)}, the rows.")
    with naming(options.source, options.target):
        aligners = default_aligners(
            X.shape[1],
            y.shape[1],
            n_anchors=options.anchors,
            rank=options.rank,
            seed=options.seed,
        )
        report = alignment_report(
            X,
            y,
            labels=labels,
            aligners=aligners,
            cv=options.cv,
            random_state=options.seed,
            progress=progress("fits"),
        )
    best = _best(report, options.criterion)
    say(
        f"source  {source}  {X.shape[0]:,} x {X.shape[1]:,}",
        f"target  {target}  {y.shape[0]:,} x {y.shape[1]:,}",
        f"{options.cv} folds: {report.n_train:,} pairs to fit, {report.n_test:,} to "
        "test; mean (standard deviation over folds)",
        "",
        _table(report),
        "",
        f"Best by {options.criterion}: {report.names[best]}",
        "",
    )
    found = None
    if len(X) < MIN_PAIRS:
        verdict = (
            f"Which class of map the pairs support takes at least {MIN_PAIRS} of them "
            f"to tell; there are {len(X)}."
        )
    else:
        with naming(options.source, options.target):
            found = alignability(
                X,
                y,
                cv=options.cv,
                random_state=options.seed,
                progress=progress("fits"),
            )
        verdict = found.verdict
    say(fill(verdict, _LINE_WIDTH))
    if options.json is not None:
        _write_json(options.json, options, report, report.names[best], found)


def _best(report, criterion):
    means = report.scores[criterion].mean(axis=1)
    return int(means.argmax() if REPORT_METRICS[criterion] else means.argmin())


def _table(report):
    """Lay out one row a map, the best of each column marked by a star."""
    metrics = list(report.scores)
    lines = [["map", *(_HEADINGS.get(metric, metric) for metric in metrics)]]
    for i, name in enumerate(report.names):
        line = [name]
        for metric in metrics:
            folds = report.scores[metric][i]
            best = i == _best(report, metric) and np.isfinite(folds).all()
            star = "*" if best else " "
            digits = 4 if metric in ("mmd", "sliced_wasserstein") else 3
            spread = f"({folds.std(ddof=1):.{digits}f})"
            line.append(f"{folds.mean():.{digits}f} {spread}{star}")
        lines.append(line)
    if report.head_accuracy is not None:
        own = report.head_accuracy
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


def _write_json(path, options, report, best, found):
    record = {
        "skalign": skalign.__version__,
        "python": platform.python_version(),
        "source": options.source,
        "target": options.target,
        "labels": options.labels,
        "n_folds": options.cv,
        "seed": options.seed,
        "n_train": report.n_train,
        "n_test": report.n_test,
        "criterion": options.criterion,
        "best": best,
        "maps": [
            {
                "name": name,
                "scores": {m: _plain(s[i]) for m, s in report.scores.items()},
            }
            for i, name in enumerate(report.names)
        ],
    }
    if report.head_accuracy is not None:
        record["head_accuracy"] = _plain(report.head_accuracy)
    record["alignability"] = found and {
        "name": found.name,
        "best": found.best,
        "verdict": found.verdict,
        "n_train": int(found.train_sizes[-1]),
        "classes": [
            {"name": name, "error": error, "interval": _plain(interval)}
            for name, error, interval in zip(
                found.names, _plain(found.errors), found.intervals, strict=True
            )
        ],
    }
    text = json.dumps(record, indent=1, allow_nan=False)
    with writing_to(path) as unfinished:
        unfinished.write_text(text + "\n")


def _plain(values):
    """Numbers as JSON has them: null for what is not finite, as a score of one row."""
    return [float(v) if np.isfinite(v) else None for v in values]
