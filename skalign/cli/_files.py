"""Input and output files of the command line, and one-line errors."""

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from sklearn.utils import gen_batches

from skalign._files import check_writable, map_npy, npz_keys, read_npz, writing
from skalign._labels import check_labels
from skalign.moments import forget

_BATCH = 2**20  # numbers that are looked at at once
_SUFFIXES = {"report": ".json", "fit": ".skops", "apply": ".npy"}


class InputError(Exception):
    """Error in the user's input, with a message of one line."""


def check_output(options):
    """Raise an error for an output that cannot be written, before the computation."""
    path = vars(options).get("output", vars(options).get("json"))
    if path is None:
        return
    if path == "-":
        raise InputError("output cannot go to standard output (-): name a file.")
    try:
        mode = check_writable(path)
    except IsADirectoryError:
        raise InputError(f"{path} cannot be written: it is a folder.") from None
    except FileNotFoundError:
        raise InputError(f"{path} cannot be written: no such folder.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
    if mode is not None and not stat.S_ISREG(mode):
        return
    suffix = _SUFFIXES[options.command]
    if Path(path).suffix.lower() not in ("", suffix):
        raise InputError(
            f"{path} must end with {suffix}: {options.command} writes no other format."
        )
    for key in ("source", "target", "labels", "map"):
        if (given := vars(options).get(key)) and mode is not None:
            with suppress(OSError):  # reported when the file is read
                if os.path.samefile(path, _split(given)[0]):
                    raise InputError(f"{path} is an input: choose another output.")


def size_of(path):
    """Return the size of a file to read, in bytes."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "folder" if stat.S_ISDIR(found.st_mode) else "device or pipe"
        raise InputError(f"{path} is a {kind}, not a file.")
    return found.st_size


def _split(name):
    """Return the path and the key of FILE.npy or FILE.npz:KEY."""
    path, mark, key = name.partition(".npz:")
    return path + mark.removesuffix(":"), key


def load(name):
    """Memory-map FILE.npy, or read the array KEY of FILE.npz:KEY."""
    path, key = _split(name)
    size_of(path)
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
        raise InputError(f"{name} cannot be read as an array: {error}") from None
    if not keys:
        raise InputError(f"{path} holds no array.")
    raise InputError(f"{path} needs one of its keys, as {path}:{keys[0]}; got "
                      f"{key!r} of {', '.join(keys)}.")  # fmt: skip


def read_matrix(name):
    matrix = load(name)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be a matrix of numbers; its shape is {matrix.shape}, its "
            f"dtype {matrix.dtype}."
        )
    for length, kind in zip(matrix.shape, ("rows", "columns"), strict=True):
        if length == 0:
            raise InputError(f"{name} has no {kind}.")
    return matrix


def read_pairs(options):
    """Read both matrices; their lengths must be equal and their values finite."""
    X, y = read_matrix(options.source), read_matrix(options.target)
    if len(X) != len(y):
        raise InputError(
            f"{options.source} and {options.target} have inconsistent numbers of "
            f"samples: {len(X)} and {len(y)}."
        )
    for name, rows in ((options.source, X), (options.target, y)):
        for batch in gen_batches(len(rows), max(1, _BATCH // rows.shape[1])):
            if not (finite := np.isfinite(rows[batch]).all(axis=1)).all():
                raise InputError(
                    f"{name} holds NaN or infinity, first in row "
                    f"{batch.start + finite.argmin()} (counted from 0)."
                )
            forget(rows)
    return X, y


def read_labels(name, n_samples):
    labels = load(name)
    if labels.ndim != 1 or labels.dtype.kind not in "iubUSf":
        raise InputError(
            f"{name} must be a list of labels; its shape is {labels.shape}, its dtype "
            f"{labels.dtype}."
        )
    if len(labels) != n_samples:
        raise InputError(
            f"{name} holds {len(labels)} labels, but there are {n_samples} pairs."
        )
    with naming(name):
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8")
        labels = check_labels(labels, labels, "labels")
    if len(np.unique(labels)) < 2:
        raise InputError(f"{name} holds labels of one class; at least 2 are needed.")
    return labels


@contextmanager
def naming(*files):
    """Add the names of the files to an error."""
    try:
        yield
    except ValueError as error:
        names = [file for file in files if file is not None]
        raise InputError(": ".join([", ".join(names), str(error)])) from None


@contextmanager
def writing_to(path):
    try:
        with writing(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
