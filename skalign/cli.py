"""The command line: compare maps, fit one, apply it."""

import argparse
import json
import os
import platform
import sys
import zlib
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from textwrap import fill
from zipfile import BadZipFile

import numpy as np
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from skalign._files import writing
from skalign.anchors import (
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.datasets import load_digits_latents
from skalign.model_selection import (
    alignability,
    alignment_report,
    default_aligners,
)
from skalign.model_selection._alignability import MIN_PAIRS
from skalign.model_selection._report import REPORT_METRICS
from skalign.moments import Moments
from skalign.paired import AnchoredAligner, LinearAligner, RigidAligner

_BATCH_BYTES = 8 * 2**20
_THREADED_WORK = 2e9  # multiplications of the largest products, above which threads pay
_LINE_WIDTH = 79
_ALIGNERS = {
    "rigid": RigidAligner,
    "similarity": partial(RigidAligner, scaling=True),
    "linear": LinearAligner,
    "least-squares": partial(LinearAligner, alpha=0.0),
}
_SELECTORS = {
    "random": RandomAnchors,
    "k-means": KMeansAnchors,
    "farthest-point": FarthestPointAnchors,
    "pivoted-qr": PivotedQRAnchors,
}


_HEADINGS = {"relative_error": "rel. error", "sliced_wasserstein": "sliced W."}
_TRUSTED = [
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (
        LinearAligner,
        RigidAligner,
        AnchoredAligner,
        Moments,
        *_SELECTORS.values(),
    )
]


class _InputError(Exception):
    """Something the user gave cannot be used; its text is one line."""


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after ``skalign``; those of the process by default.

    Returns
    -------
    status : int
        0, or 2 for input that cannot be used.
    """
    parser = _parser()
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(words or ["report"])
    try:
        for path in (vars(options).get("output"), vars(options).get("json")):
            if path is None:
                continue
            if not Path(path).absolute().parent.is_dir():
                raise _InputError(f"{path} cannot be written: no such folder.")
            if Path(path).is_dir():
                raise _InputError(f"{path} cannot be written: it is a folder.")
        with threadpool_limits(limits=1) as options.threads:
            options.run(options)
    except (_InputError, ValueError, NotFittedError) as error:
        text = " ".join(str(error).split())
        print(f"skalign: error: {text}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("skalign: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="skalign",
        description="Bring two feature spaces together: compare maps, fit one, "
        "apply it. Without a command: skalign report.",
        epilog="Matrices are .npy files, or arrays of .npz files as FILE.npz:KEY.",
    )
    parser.add_argument(
        "--version", action="version", version=f"skalign {version('skalign')}"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    report = commands.add_parser(
        "report",
        help="compare maps by cross-validation",
        description="Compare maps from SOURCE to TARGET by cross-validation. Without "
        "files: latents of two autoencoders of the scikit-learn digits.",
    )
    report.add_argument("source", nargs="?", help="rows of the source space")
    report.add_argument("target", nargs="?", help="the same items, target space")
    report.add_argument("--labels", help="classes of the items")
    report.add_argument(
        "--anchors",
        type=count_or_share,
        default=0.1,
        help="pairs for the anchored rows: a number, or a share (default: 0.1)",
    )
    report.add_argument("--rank", type=int, help="rank of the reduced-rank row")
    report.add_argument(
        "--cv", type=int, default=5, help="number of folds (default: 5)"
    )
    report.add_argument(
        "--criterion",
        choices=REPORT_METRICS,
        default="relative_error",
        help="what the winner is best at (default: relative_error)",
    )
    report.add_argument("--seed", type=int, default=0, help="default: 0")
    report.add_argument("--json", metavar="OUT", help="write every fold's figures")
    report.set_defaults(run=_report)

    fit = commands.add_parser("fit", help="fit a map and store it")
    fit.add_argument("source", help="rows of the source space")
    fit.add_argument("target", help="the same items, target space")
    fit.add_argument("-o", "--output", required=True, help="map.skops")
    fit.add_argument("--aligner", choices=_ALIGNERS, default="linear")
    fit.add_argument("--rank", type=int, help="rank of a linear map")
    fit.add_argument("--anchors", type=count_or_share, help="fit on so many pairs only")
    fit.add_argument("--selector", choices=_SELECTORS, default="k-means")
    fit.add_argument("--seed", type=int, default=0, help="default: 0")
    fit.set_defaults(run=_fit)

    apply = commands.add_parser("apply", help="apply a stored map, in batches")
    apply.add_argument("map", help="map.skops")
    apply.add_argument("source", help="rows of the source space")
    apply.add_argument("-o", "--output", required=True, help="mapped rows, .npy")
    apply.set_defaults(run=_apply)
    return parser


def _use_threads_if_large(options, *matrices):
    """Lift the limit of one thread; small products take longer with several."""
    n_samples, width = len(matrices[0]), max(matrix.shape[1] for matrix in matrices)
    if n_samples * width * (n_samples + width) >= _THREADED_WORK:
        options.threads.restore_original_limits()


def _report(options):
    if options.source is None and options.labels is not None:
        raise _InputError("--labels needs a SOURCE and a TARGET.")
    if options.source is None:
        digits = load_digits_latents(options.seed)
        X, y, labels = digits.data, digits.target, digits.labels
        source, target = "digits seen by one autoencoder", "digits seen by another"
    elif options.target is None:
        raise _InputError("SOURCE needs a TARGET of the same items.")
    else:
        X, y = _matrix(options.source), _matrix(options.target)
        labels = None if options.labels is None else _load(options.labels)
        source, target = options.source, options.target
    _use_threads_if_large(options, X, y)
    if options.criterion == "accuracy" and labels is None:
        raise _InputError("--criterion accuracy needs --labels.")
    if options.criterion == "r2" and 2 * options.cv > len(X):
        raise _InputError("--criterion r2 needs two pairs in each fold to test on.")
    if not 2 <= options.cv <= len(X):
        raise _InputError(f"--cv {options.cv} must be from 2 to {len(X)}, the rows.")
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
        progress=_progress("fits"),
    )
    print(f"source  {source}  {X.shape[0]:,} x {X.shape[1]:,}")
    print(f"target  {target}  {y.shape[0]:,} x {y.shape[1]:,}")
    print(
        f"{options.cv} folds: {report.n_train:,} pairs to fit, {report.n_test:,} to "
        "test; mean (standard deviation over folds)\n"
    )
    print(_table(report))
    best = _best(report, options.criterion)
    print(f"\nBest by {options.criterion}: {report.names[best]}\n")
    found = None
    if len(X) < MIN_PAIRS:
        verdict = (
            f"Which class of map the pairs support takes at least {MIN_PAIRS} of them "
            f"to tell; there are {len(X)}."
        )
    else:
        found = alignability(
            X,
            y,
            cv=options.cv,
            random_state=options.seed,
            progress=_progress("fits"),
        )
        verdict = found.verdict
    print(fill(verdict, _LINE_WIDTH))
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
        "skalign": version("skalign"),
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
    with _writing(path) as unfinished:
        unfinished.write_text(text + "\n")


def _plain(values):
    """Numbers as JSON has them: null for what is not finite, as a score of one row."""
    return [float(v) if np.isfinite(v) else None for v in values]


def _fit(options):
    from skops.io import dump

    aligner = _ALIGNERS[options.aligner]()
    if options.rank is not None:
        if not isinstance(aligner, LinearAligner):
            raise _InputError(f"--rank needs a linear map, not {options.aligner}.")
        aligner = LinearAligner(aligner.alpha, rank=options.rank)
    if options.anchors is not None:
        selector = _SELECTORS[options.selector]
        aligner = AnchoredAligner(
            aligner, selector(options.anchors, random_state=options.seed)
        )
    X, y = _matrix(options.source), _matrix(options.target)
    _use_threads_if_large(options, X, y)
    n_train = len(X) - -(-len(X) // 5)  # of the smallest of 5 folds
    if isinstance(options.anchors, int) and n_train < options.anchors <= len(X):
        print(f"{options.anchors} anchors leave too few pairs to test on")
    elif len(X) >= 10:
        report = alignment_report(
            X,
            y,
            aligners={options.aligner: aligner},
            random_state=options.seed,
            progress=_progress("folds"),
        )
        for metric in ("relative_error", "hits@1"):
            folds = report.scores[metric][0]
            print(
                f"{metric.replace('_', ' ')}: {folds.mean():.3f} "
                f"({folds.std(ddof=1):.3f}) on held-out pairs, 5 folds"
            )
    aligner.fit(X, y)
    with _writing(options.output) as unfinished:
        dump(aligner, unfinished)
    print(f"{aligner!r} fitted on {len(X):,} pairs: {options.output}")


def _apply(options):
    aligner = _load_map(options.map)
    width = aligner.n_features_in_
    source = _matrix(options.source)
    if source.shape[1] != width:
        raise _InputError(
            f"{options.source} has {source.shape[1]} columns, but the map was fitted "
            f"with {width}."
        )
    n_samples = len(source)
    if n_samples == 0:
        raise _InputError(f"{options.source} has no rows.")
    _use_threads_if_large(options, source)
    step = max(1, _BATCH_BYTES // (8 * max(width, aligner.n_targets_)))
    with _writing(options.output) as unfinished, unfinished.open("wb") as file:
        for start in _progress("batches")(range(0, n_samples, step)):
            if isinstance(source, np.memmap):
                # Opened anew, since pages of a mapping once read stay in memory.
                source = _matrix(options.source)
            rows = np.array(source[start : start + step])
            mapped = np.ascontiguousarray(aligner.transform(rows))
            if start == 0:
                shape = (n_samples, mapped.shape[1])
                header = {"descr": mapped.dtype.str, "fortran_order": False}
                np.lib.format.write_array_header_2_0(file, header | {"shape": shape})
            file.write(mapped.data)  # tofile says nothing of a full disk
    print(f"{n_samples:,} rows mapped: {options.output}")


def _load_map(path):
    """Load an estimator from a skops file, of skalign's own types only."""
    from skops.io import get_untrusted_types, load
    from skops.io.exceptions import UntrustedTypesFoundException

    if not Path(path).is_file():
        raise _InputError(f"{path}: no such file.")
    try:
        found = get_untrusted_types(file=path)
        aligner = load(path, trusted=[kind for kind in found if kind in _TRUSTED])
    except UntrustedTypesFoundException as error:
        raise _InputError(f"{path} holds types that are not trusted: {error}") from None
    except Exception as error:
        raise _InputError(
            f"{path} is not a map stored by skalign fit: {error}"
        ) from None
    if not hasattr(aligner, "transform") or not hasattr(aligner, "n_targets_"):
        raise _InputError(f"{path} holds a {type(aligner).__name__}, not a map.")
    return aligner


def _load(name):
    """Read FILE.npy, memory-mapped, or the array KEY of FILE.npz:KEY."""
    path, _, key = name.partition(".npz:")
    path += ".npz" if key else ""
    if not Path(path).is_file():
        raise _InputError(f"{path}: no such file.")
    try:
        with Path(path).open("rb") as file:
            start = file.read(6)
            if start == b"\x93NUMPY":
                return np.load(path, mmap_mode="r", allow_pickle=False)
            if not start.startswith(b"PK"):
                raise ValueError("it is neither .npy nor .npz")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                keys = list(arrays)
                if not key and len(keys) == 1:
                    key = keys[0]
                if key in keys:
                    if not isinstance(array := arrays[key], np.ndarray):
                        raise ValueError(f"{key} in it is no .npy")
                    return array
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise _InputError(f"{path} cannot be read as an array: {error}") from None
    if not keys:
        raise _InputError(f"{path} holds no array.")
    raise _InputError(f"{path} needs one of its keys, as {path}:{keys[0]}; got "
                      f"{key!r} of {', '.join(keys)}.")  # fmt: skip


def _matrix(name):
    matrix = _load(name)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise _InputError(
            f"{name} must be a matrix of numbers; its shape is {matrix.shape}, its "
            f"dtype {matrix.dtype}."
        )
    return matrix


@contextmanager
def _writing(path):
    try:
        with writing(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise _InputError(f"{path} cannot be written: {error}") from None


def count_or_share(text):
    """A whole number, or a share above 0 and at most 1, as it is written."""
    try:
        return int(text)
    except ValueError:
        share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(
            f"{text} is neither a whole number nor a share above 0 and at most 1."
        )
    return share


def _progress(unit):
    """Return a wrapper that shows a bar after two seconds, on a terminal only."""
    return lambda due: tqdm(due, unit=unit, delay=2, disable=None, leave=False)


if __name__ == "__main__":
    sys.exit(main())
