"""Input files of the command line."""

import os
import stat
from contextlib import contextmanager

import numpy as np
from sklearn.utils import gen_batches

from skalign._files import map_npy, npz_keys, read_npz
from skalign._labels import check_labels
from skalign.cli._output import InputError, split_key
from skalign.moments import forget

_BATCH = 2**20  # numbers that are looked at at once


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


def load(name):
    """Memory-map FILE.npy, or read the array KEY of FILE.npz:KEY."""
    path, key = split_key(name)
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
