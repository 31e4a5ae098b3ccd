"""The IDX file format of MNIST, Fashion-MNIST and KMNIST.

A file starts with two zero bytes, the type and the number of dimensions, followed by
the dimensions as big-endian 32-bit integers and the values, also big-endian [1]_.

References
----------
.. [1] Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten
   digits", http://yann.lecun.com/exdb/mnist/, section "File formats".
"""

import gzip
import os
import zlib
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._files import check_growth

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_DIMENSIONS = 64  # of numpy
_PREFIXES = {"train": "train", "test": "t10k"}

_DESCR = """\
Images in the MNIST file format
-------------------------------

{n_samples} images of {shape} pixels, read from {files}.
"""


def read_idx(path):
    """Return the array in a file in the IDX format, compressed by gzip or not.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file does not start like an IDX file, has fewer or more bytes than its
        header declares, is damaged gzip, or expands to many times its size.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path} is not a regular file.")
    with open(path, "rb") as file:
        n_stored = os.fstat(file.fileno()).st_size
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not packed:
            return _read_values(file, path, n_stored)
        try:
            with gzip.GzipFile(fileobj=file) as content:
                return _read_values(content, path, n_stored, packed=True)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is damaged gzip: {error}") from error


def _read_values(file, path, n_stored, packed=False):
    """Read header and values, after checking that the header fits the file size."""
    head = file.read(4)
    if len(head) < 4:
        raise ValueError(f"{path} holds {len(head)} bytes; an IDX file has at least 4.")
    dtype, n_dims = _DTYPES.get(head[2]), head[3]
    if head[:2] != b"\0\0" or dtype is None or not 0 < n_dims <= _MOST_DIMENSIONS:
        raise ValueError(
            f"{path} starts with the bytes {head.hex(' ')}. An IDX file starts with 00 "
            f"00, a type among {', '.join(f'{code:02x}' for code in _DTYPES)}, and the "
            f"number of dimensions, at least 1 and at most {_MOST_DIMENSIONS}."
        )
    start = 4 + 4 * n_dims
    head += file.read(4 * n_dims)
    if len(head) < start:
        raise ValueError(
            f"{path} holds {len(head)} bytes, but its header of {n_dims} dimensions "
            f"takes {start}."
        )
    shape = tuple(np.frombuffer(head, ">u4", offset=4).tolist())
    dtype = np.dtype(dtype)
    expected = start + prod(shape) * dtype.itemsize
    n_bytes = n_stored
    if packed:
        check_growth(expected, n_stored, path)
    if packed or expected == n_stored:
        content = file.read(
            expected - start + 1
        )  # one more byte, to detect trailing data
        n_bytes = start + len(content)
    if n_bytes != expected:
        more = " or more" * (packed and n_bytes > expected)
        raise ValueError(
            f"{path} holds {n_bytes} bytes{more}, but its header announces {expected}: "
            f"{dtype.newbyteorder('=')} values of shape {shape}."
        )
    if prod(max(n, 1) for n in shape) * dtype.itemsize >= 2**63:
        raise ValueError(
            f"{path} announces the shape {shape}, which no array can have."
        )
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="))  # a writable copy


@validate_params(
    {
        "directory": [str, os.PathLike],
        "subset": [StrOptions({"train", "test", "all"})],
        "data_home": [str, os.PathLike, None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_idx(
    directory: str | os.PathLike[str],
    *,
    subset: Literal["train", "test", "all"] = "train",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load images and labels from a directory in the MNIST file format.

    Reads the files of MNIST, Fashion-MNIST and KMNIST as distributed; nothing is
    downloaded. Read more in the :ref:`User Guide <datasets>`.

    Parameters
    ----------
    directory : str or path-like
        Directory with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and, for
        the test set, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``. A dot
        before ``idx`` and the suffix ``.gz`` are accepted; uncompressed files take
        precedence.
    subset : {"train", "test", "all"}, default="train"
        Samples to load; "all" appends the test set to the training set.
    data_home : str or path-like, default=None
        Folder that contains `directory`. None is the working directory.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    images : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, n_pixels)
            Pixel values in the type of the file, usually uint8.
        images : ndarray of shape (n_samples, height, width)
            `data` as images.
        target : ndarray of shape (n_samples,)
            Labels.
        filenames : list of str
            Paths of the files that were read.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Pixels and labels.

    Raises
    ------
    FileNotFoundError
        If the directory or a file in it does not exist; the message lists the expected
        names.
    ValueError
        If a file is not a valid IDX file or has the wrong number of dimensions, the
        numbers of labels and images differ, or the images of the two subsets differ in
        size.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skalign.datasets import load_idx
    >>> sizes = [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]  # two images, 1 x 2
    >>> files = {
    ...     "t10k-images-idx3-ubyte": [0, 0, 8, 3, *sizes, 10, 20, 30, 40],
    ...     "t10k-labels-idx1-ubyte": [0, 0, 8, 1, *sizes[:4], 7, 1],
    ... }
    >>> with TemporaryDirectory() as directory:
    ...     for name, content in files.items():
    ...         _ = Path(directory, name).write_bytes(bytes(content))
    ...     digits = load_idx(directory, subset="test")
    >>> digits.images.shape, digits.data.tolist(), digits.target.tolist()
    ((2, 1, 2), [[10, 20], [30, 40]], [7, 1])
    """
    directory = Path("" if data_home is None else data_home, directory).expanduser()
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no directory {directory}.")
    subsets = ["train", "test"] if subset == "all" else [subset]
    paths, images, target = [], [], []
    for prefix in (_PREFIXES[name] for name in subsets):
        image_path = _find(directory, f"{prefix}-images", "idx3-ubyte")
        label_path = _find(directory, f"{prefix}-labels", "idx1-ubyte")
        paths += [str(image_path), str(label_path)]
        images.append(_read(image_path, n_dims=3))
        target.append(_read(label_path, n_dims=1))
        if len(images[-1]) != len(target[-1]):
            raise ValueError(
                f"{image_path} holds {len(images[-1])} images, but {label_path} "
                f"{len(target[-1])} labels."
            )
    sizes = [part.shape[1:] for part in images]
    if sizes[0] != sizes[-1]:
        raise ValueError(
            f"The training and test images in {directory} differ in size: {sizes}."
        )
    images = images[0] if len(images) == 1 else np.concatenate(images)
    target = target[0] if len(target) == 1 else np.concatenate(target)
    data = images.reshape(len(images), prod(images.shape[1:]))
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        images=images,
        target=target,
        filenames=paths,
        DESCR=_DESCR.format(
            n_samples=len(images),
            shape=" x ".join(map(str, images.shape[1:])),
            files=", ".join(paths),
        ),
    )


def _find(directory, stem, kind):
    names = [stem + mark + kind + end for end, mark in product(("", ".gz"), "-.")]
    for name in names:
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"{directory} holds none of {', '.join(names)}.")


def _read(path, n_dims):
    array = read_idx(path)
    if array.ndim != n_dims:
        raise ValueError(
            f"{path} holds an array of shape {array.shape}; {n_dims} dimensions were "
            "expected."
        )
    return array
