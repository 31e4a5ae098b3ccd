"""The command line: compare maps, fit one, apply it."""

import argparse
import json
import os
import platform
import stat
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from textwrap import fill

import numpy as np
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import skalign
from skalign._files import (
    check_skops,
    check_writable,
    damaged,
    map_npy,
    npz_keys,
    read_npz,
    writing,
)
from skalign._labels import check_labels
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


_SUFFIXES = {"report": ".json", "fit": ".skops", "apply": ".npy"}
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


class _Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line."""

    def error(self, message):
        self.exit(_fail(f"error: {message}; {self.prog} --help says more"))


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after ``skalign``; those of the process by default.

    Returns
    -------
    status : int
        0; 2 for input that cannot be used or output that cannot be written; 130 after
        an interrupt.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        try:
            options = _parser().parse_args(words or ["report"])
        except SystemExit:  # of --help, too
            _say(end="")
            raise
        _check_output(options)
        with threadpool_limits(limits=1) as options.threads:
            options.run(options)
    except (_InputError, ValueError, NotFittedError) as error:
        return _fail(f"error: {error}")
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception as error:
        return _fail(f"error: {type(error).__name__}: {error}")
    return 0


def _fail(text, status=2):
    with suppress(OSError):
        print("skalign:", *text.split(), file=sys.stderr)
    return status


def _say(*lines, end="\n"):
    """Print, but nothing more once nobody reads it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "\n".join(lines).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # for what is still in its buffer
        os.close(null)
        if not isinstance(error, BrokenPipeError):
            raise _InputError(f"standard output cannot be written: {error}") from None


def _check_output(options):
    """Refuse an output that cannot be written, before anything is computed."""
    path = vars(options).get("output", vars(options).get("json"))
    if path is None:
        return
    if path == "-":
        raise _InputError("output cannot go to standard output (-): name a file.")
    try:
        mode = check_writable(path)
    except IsADirectoryError:
        raise _InputError(f"{path} cannot be written: it is a folder.") from None
    except FileNotFoundError:
        raise _InputError(f"{path} cannot be written: no such folder.") from None
    except OSError as error:
        raise _InputError(f"{path} cannot be written: {error}") from None
    if mode is not None and not stat.S_ISREG(mode):
        return
    suffix = _SUFFIXES[options.command]
    if Path(path).suffix.lower() not in ("", suffix):
        raise _InputError(
            f"{path} must end with {suffix}: {options.command} writes no other format."
        )
    for key in ("source", "target", "labels", "map"):
        if (given := vars(options).get(key)) and mode is not None:
            with suppress(OSError):  # told when it is read
                if os.path.samefile(path, _split(given)[0]):
                    raise _InputError(f"{path} is read from: name another output.")


def _parser():
    parser = _Parser(
        prog="skalign",
        description="Bring two feature spaces together: compare maps, fit one, "
        "apply it. Without a command: skalign report.",
        epilog="Matrices are .npy files, or arrays of .npz files as FILE.npz:KEY.",
    )
    parser.add_argument(
        "--version", action="version", version=f"skalign {skalign.__version__}"
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
    report.add_argument("--seed", type=seed, default=0, help="default: 0")
    report.add_argument("--json", metavar="OUT", help="write every fold's figures")
    report.set_defaults(run=_report)

    fit = commands.add_parser("fit", help="fit a map and store it")
    fit.add_argument("source", help="rows of the source space")
    fit.add_argument("target", help="the same items, target space")
    fit.add_argument("-o", "--output", required=True, help="map.skops")
    fit.add_argument("--aligner", choices=_ALIGNERS, default="linear")
    fit.add_argument("--rank", type=int, help="rank of a linear map")
    fit.add_argument("--anchors", type=count_or_share, help="fit on so many pairs only")
    fit.add_argument(
        "--selector", choices=_SELECTORS, help="of --anchors (default: k-means)"
    )
    fit.add_argument("--seed", type=seed, default=0, help="default: 0")
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
        X, y = _pairs(options)
        labels = None if options.labels is None else _labels(options.labels, len(X))
        source, target = options.source, options.target
    _use_threads_if_large(options, X, y)
    if options.criterion == "accuracy" and labels is None:
        raise _InputError("--criterion accuracy needs --labels.")
    if options.criterion == "r2" and 2 * options.cv > len(X):
        raise _InputError("--criterion r2 needs two pairs in each fold to test on.")
    if not 2 <= options.cv <= len(X):
        raise _InputError(f"--cv {options.cv} must be from 2 to {len(X)}, the rows.")
    with _naming(options.source, options.target):
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
    best = _best(report, options.criterion)
    _say(
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
        with _naming(options.source, options.target):
            found = alignability(
                X,
                y,
                cv=options.cv,
                random_state=options.seed,
                progress=_progress("fits"),
            )
        verdict = found.verdict
    _say(fill(verdict, _LINE_WIDTH))
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
    if options.selector is not None and options.anchors is None:
        raise _InputError("--selector needs --anchors: how many pairs to select.")
    if options.anchors is not None:
        selector = _SELECTORS[options.selector or "k-means"]
        aligner = AnchoredAligner(
            aligner, selector(options.anchors, random_state=options.seed)
        )
    X, y = _pairs(options)
    _use_threads_if_large(options, X, y)
    n_train = len(X) - -(-len(X) // 5)  # of the smallest of 5 folds
    if isinstance(options.anchors, int) and n_train < options.anchors <= len(X):
        _say(f"{options.anchors} anchors leave too few pairs to test on")
    elif len(X) >= 10:
        with _naming(options.source, options.target):
            report = alignment_report(
                X,
                y,
                aligners={options.aligner: aligner},
                random_state=options.seed,
                progress=_progress("folds"),
            )
        for metric in ("relative_error", "hits@1"):
            folds = report.scores[metric][0]
            _say(
                f"{metric.replace('_', ' ')}: {folds.mean():.3f} "
                f"({folds.std(ddof=1):.3f}) on held-out pairs, 5 folds"
            )
    with _naming(options.source, options.target):
        aligner.fit(X, y)
    with _writing(options.output) as unfinished:
        dump(aligner, unfinished)
        _say(f"{aligner!r} fitted on {len(X):,} pairs: {options.output}")


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
    _use_threads_if_large(options, source)
    step = max(1, _BATCH_BYTES // (8 * max(width, aligner.n_targets_)))
    with _writing(options.output) as unfinished, unfinished.open("wb") as file:
        for start in _progress("batches")(range(0, n_samples, step)):
            if isinstance(source, np.memmap):
                # Opened anew, since pages of a mapping once read stay in memory.
                source = _matrix(options.source)
            rows = np.array(source[start : start + step])
            with _naming(options.map, options.source):
                mapped = np.ascontiguousarray(aligner.transform(rows))
                if not np.isfinite(mapped).all():
                    raise ValueError("mapped rows are NaN or infinite")
            if start == 0:
                shape = (n_samples, mapped.shape[1])
                header = {"descr": mapped.dtype.str, "fortran_order": False}
                np.lib.format.write_array_header_2_0(file, header | {"shape": shape})
            file.write(mapped.data)  # tofile says nothing of a full disk
        file.flush()
        _say(f"{n_samples:,} rows mapped: {options.output}")


def _load_map(path):
    """Load an estimator from a skops file, of skalign's own types only."""
    from skops.io import get_untrusted_types, load

    n_stored = _size(path)
    with damaged(f"{path} is not a map stored by skalign fit"):
        check_skops(path, n_stored)
        found = set(get_untrusted_types(file=path))
        if not (foreign := sorted(found.difference(_TRUSTED))):
            aligner = load(path, trusted=sorted(found))
    if foreign:
        raise _InputError(f"{path} holds types that are not trusted: {foreign}.")
    if not hasattr(aligner, "transform") or not all(
        isinstance(getattr(aligner, name, None), int)
        for name in ("n_features_in_", "n_targets_")
    ):
        raise _InputError(f"{path} holds a {type(aligner).__name__}, not a map.")
    return aligner


def _size(path):
    """Return the size of a file to read, in bytes."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise _InputError(f"{path}: no such file.") from None
    except OSError as error:
        raise _InputError(f"{path} cannot be read: {error}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "folder, not a" if stat.S_ISDIR(found.st_mode) else "device or pipe, no"
        raise _InputError(f"{path} is a {kind} file.")
    return found.st_size


def _split(name):
    """Return path and key of FILE.npy or FILE.npz:KEY."""
    path, mark, key = name.partition(".npz:")
    return path + mark.removesuffix(":"), key


def _load(name):
    """Read FILE.npy, memory-mapped, or the array KEY of FILE.npz:KEY."""
    path, key = _split(name)
    _size(path)
    try:
        with open(path, "rb") as file:
            start = file.read(6)
        if start == b"\x93NUMPY" and not key:
            return map_npy(path)
        if not start.startswith(b"PK"):
            raise ValueError("it is neither .npy nor .npz")
        keys = npz_keys(path)
        if not key and len(keys) == 1:
            key = keys[0]
        if key in keys:
            return read_npz(path, [key])[key]
    except (OSError, ValueError) as error:
        raise _InputError(f"{name} cannot be read as an array: {error}") from None
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
    for length, kind in zip(matrix.shape, ("rows", "columns"), strict=True):
        if length == 0:
            raise _InputError(f"{name} has no {kind}.")
    return matrix


def _pairs(options):
    """Read the rows of both sides, as many and all finite."""
    X, y = _matrix(options.source), _matrix(options.target)
    if len(X) != len(y):
        raise _InputError(
            f"{options.source} and {options.target} have inconsistent numbers of "
            f"samples: {len(X)} and {len(y)}."
        )
    for name, rows in ((options.source, X), (options.target, y)):
        if not (finite := np.isfinite(rows).all(axis=1)).all():
            raise _InputError(
                f"{name} holds NaN or infinity, first in row {finite.argmin()} (from "
                "0)."
            )
    return X, y


def _labels(name, n_samples):
    labels = _load(name)
    if labels.ndim != 1 or labels.dtype.kind not in "iubUSf":
        raise _InputError(
            f"{name} must be a list of labels; its shape is {labels.shape}, its dtype "
            f"{labels.dtype}."
        )
    if len(labels) != n_samples:
        raise _InputError(
            f"{name} holds {len(labels)} labels, but there are {n_samples} pairs."
        )
    with _naming(name):
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8")
        labels = check_labels(labels, labels, "labels")
    if len(np.unique(labels)) < 2:
        raise _InputError(f"{name} holds labels of one class; two are needed.")
    return labels


@contextmanager
def _naming(*files):
    """Name the files that an error comes from."""
    try:
        yield
    except ValueError as error:
        names = [file for file in files if file is not None]
        raise _InputError(": ".join([", ".join(names), str(error)])) from None


@contextmanager
def _writing(path):
    try:
        with writing(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise _InputError(f"{path} cannot be written: {error}") from None


def seed(text):
    """A whole number that numpy takes as a seed."""
    if not 0 <= (number := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} must be from 0 to {2**32 - 1}.")
    return number


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
