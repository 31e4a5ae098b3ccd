"""Atomic writing of files, and reading with checks of the declared sizes.

A file of a few bytes can declare, or unpack to, more than the available memory. The
declared size is therefore compared with the size of the file before anything is read.
"""

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from io import BytesIO
from math import prod
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy

_FREE, _RATIO = 2**26, 32  # bytes that any file may unpack to; times its size
_LONGEST_HEADER = 10_000  # as in numpy


def check_writable(path):
    """Raise an error if a path cannot be written.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    mode : int or None
        Mode of the existing file, or None if there is none.

    Raises
    ------
    OSError
        If it is a folder, is in no folder, or may not be written.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if not os.fspath(path):
            raise
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise _os_error(errno.EISDIR, path)
    folder = os.path.dirname(os.path.realpath(path))
    if mode is None and not os.path.isdir(folder):
        raise _os_error(errno.ENOENT, folder)
    replaced = mode is None or stat.S_ISREG(mode)
    for part in [path] * (mode is not None) + [folder] * replaced:
        if not os.access(part, os.W_OK):
            raise _os_error(errno.EACCES, part)
    return mode


@contextmanager
def writing(path):
    """Write to a temporary file that replaces `path` once it is complete.

    After a failure or an interrupt, an existing file is unchanged. Links remain links,
    the mode of a file is kept, and devices and pipes are written to directly.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    unfinished : Path

    Raises
    ------
    OSError
        If `path` is a folder or cannot be written.
    """
    mode = check_writable(path)
    if mode is not None and not stat.S_ISREG(mode):
        yield Path(path)
        return
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{uuid4().hex}.part")
    try:
        unfinished.touch(exist_ok=False)
        if mode is not None:  # before it holds a byte: a private file stays private
            shutil.copymode(target, unfinished)
        yield unfinished
        unfinished.replace(target)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _os_error(number, path):
    return OSError(number, os.strerror(number), str(path))


@contextmanager
def damaged(what):
    """Convert any error of reading a file to a ValueError that it is damaged.

    Parameters
    ----------
    what : str
        Beginning of the message, such as ``"map.skops is no map"``.

    Raises
    ------
    OSError
        If the system cannot open the file.
    ValueError
        In place of any other error.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # raised on opening; errors of damaged content have no file name
        text = str(error) or type(error).__name__
        raise ValueError(f"{what}, or damaged: {text}") from error


def check_growth(n_bytes, n_stored, what):
    """Raise an error if content unpacks to much more than the size of its file.

    Parameters
    ----------
    n_bytes : int
        Declared size.
    n_stored : int
        Size of the file on disk.
    what : str
        Name of the content in the error.

    Raises
    ------
    ValueError
        If `n_bytes` is more than 64 MiB and more than 32 times `n_stored`.
    """
    if n_bytes > max(_FREE, _RATIO * n_stored):
        raise ValueError(
            f"{what} declares {n_bytes:,} bytes, more than {_RATIO} times the "
            f"{n_stored:,} that the file takes. If that is right, store it without "
            "compression."
        )


def npy_header(file):
    """Read the header of an .npy file.

    Parameters
    ----------
    file : binary file
        File at its start; it is left at the start of the values.

    Returns
    -------
    shape : tuple of int
    is_fortran : bool
    dtype : dtype

    Raises
    ------
    ValueError
        If it is no .npy file of numbers or text.
    """
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # others have names of fields in Unicode
        raise ValueError(f"a header of version {version} is not read")
    width = 2 * version[0]
    n_header = int.from_bytes(file.read(width), "little")
    if n_header > _LONGEST_HEADER:
        raise ValueError(f"its header declares a length of {n_header:,}")
    header = BytesIO(n_header.to_bytes(width, "little") + file.read(n_header))
    read = npy.read_array_header_1_0 if width == 2 else npy.read_array_header_2_0
    shape, is_fortran, dtype = read(header)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read")
    if min(shape, default=0) < 0:
        raise ValueError(f"its header declares a shape of {shape}")
    return shape, is_fortran, dtype


def check_npy(file, n_bytes):
    """Compare the size of an .npy file with what its header declares.

    Parameters
    ----------
    file : binary file
        File at its start; it is left at the start of the values.
    n_bytes : int
        Size of the file.

    Raises
    ------
    ValueError
        As in `npy_header`, or if it holds fewer or more bytes than its header declares.
    """
    shape, _, dtype = npy_header(file)
    declared = file.tell() + prod(shape) * dtype.itemsize
    empty = dtype.itemsize == 0 and prod(shape)  # as many as one likes, of no bytes
    if empty or declared != n_bytes:
        raise ValueError(
            f"it holds {n_bytes:,} bytes, but its header declares {declared:,}, for "
            f"{dtype} of shape {shape}"
        )


def map_npy(path):
    """Map an .npy file into memory, read-only.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is damaged.
    """
    with damaged(f"{path} is no .npy file"):
        with open(path, "rb") as file:
            check_npy(file, os.fstat(file.fileno()).st_size)
        return np.load(path, mmap_mode="r", allow_pickle=False)


def npz_keys(path):
    """Return the names of the arrays of an .npz file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is damaged.
    """
    with damaged(f"{path} is no .npz file"), ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_npz(path, keys):
    """Read arrays of an .npz file.

    Returns
    -------
    arrays : dict of str to ndarray

    Raises
    ------
    OSError, ValueError
        If it cannot be read, is damaged, or unpacks to far more than its size.
    """
    arrays = {}
    with damaged(f"{path} is no .npz file"), ZipFile(path) as archive:
        n_stored = os.stat(path).st_size
        members = {info.filename: info for info in archive.infolist()}
        members = {key: members.get(f"{key}.npy") or members[key] for key in keys}
        n_bytes = sum(info.file_size for info in members.values())
        check_growth(n_bytes, n_stored, "the file")
        for key, info in members.items():
            with damaged(f"{key} in it is no .npy"), archive.open(info) as file:
                check_npy(file, info.file_size)
                file.seek(0)
                arrays[key] = npy.read_array(file, allow_pickle=False)
    return arrays
