"""Input files of the command line."""

import os
import stat
from contextlib import contextmanager
from io import BytesIO

import numpy as np

from skalign._files import map_npy, npy_header, npz_keys, read_npz
from skalign._labels import check_labels
from skalign.cli._kinds import (
    InputError,
    copied,
    kind_of,
    require_package,
    split_key,
    standard_input,
)
from skalign.cli._matrix import ArrayMatrix, Pairs, StreamMatrix, TensorMatrix

_NUMBERS = "fiub"  # kinds of dtypes


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


def read_matrix(name, id_name=None, once=False):
    """Open a matrix of numbers: FILE, FILE:KEY or - for standard input.

    If its rows are needed only `once`, they are not copied from standard input first,
    where its format allows for that.
    """
    if once and name == "-" and (matrix := _streamed(standard_input())) is not None:
        return matrix
    with _located(name) as (path, key, kind, held):
        if kind in ("npy", "npz"):
            matrix = ArrayMatrix(name, _check(name, _array(name, path, key, kind)))
        elif kind == "safetensors":
            tensor, first = _tensor(name, path, key)
            matrix = TensorMatrix(name, tensor, _check(name, first).dtype)
        else:
            from skalign.cli._tables import Table, TableMatrix

            matrix = TableMatrix(Table(name, path, kind), key, id_name)
    matrix.kind, matrix.held = kind, held
    return matrix


def read_pairs(options):
    """Open both matrices; their numbers of rows must be equal."""
    return Pairs(
        read_matrix(options.source, options.id), read_matrix(options.target, options.id)
    )


def read_array(name):
    """Read an array: FILE.npy, FILE.npz:KEY, or a column of a table, FILE:COLUMN."""
    with _located(name) as (path, key, kind, _):
        if kind in ("npy", "npz"):
            return _array(name, path, key, kind)
        if kind == "safetensors":
            tensor, first = _tensor(name, path, key)
            return first if first.ndim != 2 else tensor[:]
        from skalign.cli._tables import Table, read_column

        return read_column(Table(name, path, kind), key)


def read_labels(name, n_samples):
    labels = read_array(name)
    if labels.ndim != 1 or labels.dtype.kind not in "iubUSfO":
        raise InputError(
            f"{name} must be a list of labels; its shape is {labels.shape}, its dtype "
            f"{labels.dtype}."
        )
    if len(labels) != n_samples:
        raise InputError(
            f"{name} holds {len(labels)} labels, but there are {n_samples} samples."
        )
    with naming(name):
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8")
        labels = check_labels(labels, labels, "labels")
    if len(np.unique(labels)) < 2:
        raise InputError(f"{name} holds labels of one class; at least 2 are needed.")
    return labels


@contextmanager
def _located(name):
    """Yield the path, the key and the kind of a file, and a temporary file to hold."""
    path, key = split_key(name)
    held = None
    if path == "-":
        held = copied(standard_input())
        path = held.name
    else:
        size_of(path)
    try:
        with open(path, "rb") as opened:
            kind = kind_of(opened, split_key(name)[0])
        require_package(kind, name)
        yield path, key, kind, held
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read as an array: {error}") from None


def _streamed(stream):
    """Return the matrix of a stream that begins as .npy, or None."""
    header = BytesIO(stream.peek())
    try:
        shape, is_fortran, dtype = npy_header(header)
    except ValueError:  # another format, or the header came in parts
        return None
    if len(shape) != 2 or dtype.kind not in _NUMBERS or is_fortran:
        return None
    stream.read(header.tell())
    return StreamMatrix("-", stream, shape, dtype)


def _array(name, path, key, kind):
    """Memory-map an .npy file, or read an array of an .npz file."""
    if kind == "npy":
        if key:
            raise InputError(f"{name}: an .npy file has no keys.")
        return map_npy(path)
    keys = npz_keys(path)
    key = _one_of(name, key, keys, "arrays")
    return read_npz(path, [key])[key]


def _one_of(name, key, keys, what):
    if not key and len(keys) == 1:
        return keys[0]
    if key in keys:
        return key
    if not keys:
        raise InputError(f"{name} holds no {what}.")
    path = split_key(name)[0]
    raise InputError(
        f"{path} needs one of its keys, as {path}:{keys[0]}; got {key!r} of "
        f"{', '.join(keys)}."
    )


def _tensor(name, path, key):
    """Open a tensor of a .safetensors file, of which rows are read as they are needed.

    Returns
    -------
    tensor : slice of safetensors
    first : ndarray
        Its first row, or all of a tensor that is no matrix.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            key = _one_of(name, key, sorted(file.keys()), "tensors")
            tensor = file.get_slice(key)
            if not (shape := tensor.get_shape()):
                return tensor, file.get_tensor(key)
            return tensor, tensor[:1] if len(shape) == 2 else tensor[:]
    except (SafetensorError, TypeError) as error:  # TypeError of bfloat16
        raise ValueError(str(error)) from None


def _check(name, array):
    if array.ndim != 2 or array.dtype.kind not in _NUMBERS:
        raise InputError(
            f"{name} must be a matrix of numbers; its shape is {array.shape}, its "
            f"dtype {array.dtype}."
        )
    return array


@contextmanager
def naming(*files):
    """Add the names of the files to an error."""
    try:
        yield
    except ValueError as error:
        names = [file for file in files if file is not None]
        raise InputError(": ".join([", ".join(names), str(error)])) from None
