"""NICO: images of animals and vehicles in contexts that correlate with the class."""

import csv
import os
from itertools import chain
from numbers import Integral
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._files import damaged
from skalign._validation import Interval
from skalign.datasets._folders import check_kinds
from skalign.datasets._pictures import read_pictures

_CLASSES = ["animal", "vehicle"]
_ENVIRONMENTS = ("train1", "train2", "val", "test")

_DESCR = """\
NICO, mixed
-----------

{n_samples} images of 3 x {size} x {size} pixels of animals and vehicles on snow, in a
forest, on a beach and on grass, as {splits} deals them out to the environments {sizes}.
"""


@validate_params(
    {
        "path": [str, os.PathLike],
        "splits": [str, os.PathLike],
        "environments": ["array-like"],
        "size": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "uint8"})],
        "data_home": [str, os.PathLike, None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_nico(
    path: str | os.PathLike[str] = "NICO",
    *,
    splits: str | os.PathLike[str] = "mixed_split_corrected",
    environments: ArrayLike = _ENVIRONMENTS,
    size: int = 224,
    dtype: Literal["float32", "uint8"] = "float32",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load NICO in the environments of OoD-Bench.

    In the two training environments most animals are in a forest or on grass, and most
    vehicles on snow or on a beach. The correlation is reversed in the test environment
    and absent in the validation environment. Requires Pillow. Read more in the
    :ref:`User Guide <pictures>`.

    Parameters
    ----------
    path : str or path-like, default="NICO"
        Folder with the images [1]_, such as ``animal/images/bear/on_snow/1.jpg``; the
        level ``images`` is optional.
    splits : str or path-like, default="mixed_split_corrected"
        Folder with the published ``env_train1.csv``, ``env_train2.csv``,
        ``env_val.csv`` and ``env_test.csv`` [2]_, relative to `path` unless absolute.
        Each line lists image, category, context and class.
    environments : array-like of str, default=("train1", "train2", "val", "test")
        Environments to load, in the given order.
    size : int, default=224
        Height and width of the returned images. Images are turned upright according to
        their EXIF data, cropped to the central square and resized.
    dtype : {"float32", "uint8"}, default="float32"
        Type of the pixel values, from 0 to 1 or, in a quarter of the memory, 0 to 255.
        All images at the default size take 2.5 GB or 0.6 GB.
    data_home : str or path-like, default=None
        Folder that contains `path`. None is the working directory.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, size, size)
            Pixel values, of type `dtype`.
        target : ndarray of shape (n_samples,)
            0 for an animal, 1 for a vehicle.
        target_names : list of str
            Names of the classes.
        sample_domain : ndarray of shape (n_samples,)
            Environment, as an index into `domain_names`.
        domain_names : list of str
            Names of the environments.
        category, context : ndarray of shape (n_samples,), of str
            Kind of animal or vehicle, such as "bear", and its surroundings, such as
            "on_snow".
        filenames : list of str
            Paths of the images, relative to `path`.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If the folder, a split file or an image listed in a split file does not exist.
    ImportError
        If Pillow is not installed.
    ValueError
        If an environment is unknown; if a line of a split file does not have four
        entries, has an unknown class or points outside the folder; or if a file is
        damaged or declares more pixels than Pillow's limit.

    References
    ----------
    .. [1] Y. He, Z. Shen and P. Cui, "Towards non-I.I.D. image classification: a
       dataset and baselines", Pattern Recognition 110, 2021.
    .. [2] N. Ye, K. Li, H. Bai, R. Yu, L. Hong, F. Zhou, Z. Li and J. Zhu, "OoD-Bench:
       quantifying and understanding two dimensions of out-of-distribution
       generalization", CVPR 2022.

    Examples
    --------
    A folder with one image, and the file that lists it:

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skalign.datasets import load_nico
    >>> with TemporaryDirectory() as directory:
    ...     folder = Path(directory, "animal", "images", "bear", "on_snow")
    ...     folder.mkdir(parents=True)
    ...     Image.new("RGB", (9, 8), "red").save(folder / "1.png")
    ...     _ = Path(directory, "env_test.csv").write_text(
    ...         "bear/on_snow/1.png,bear,on_snow,animal"
    ...     )
    ...     nico = load_nico(directory, splits="", environments=["test"], size=4)
    >>> nico.data.shape, nico.category, nico.context
    ((1, 3, 4, 4), array(['bear'], dtype='<U4'), array(['on_snow'], dtype='<U7'))
    """
    path = Path("" if data_home is None else data_home, path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"There is no directory {path}.")
    environments = check_kinds(
        list(_ENVIRONMENTS), environments, "environment", "NICO, mixed"
    )
    lines = [_read_split(path / splits / f"env_{name}.csv") for name in environments]
    sizes = [len(part) for part in lines]
    picture, category, context, label = zip(*chain(*lines), strict=True)
    names = [
        _place(path, name, kind) for name, kind in zip(picture, label, strict=True)
    ]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(names)} images are not in {path}, such as "
            f"{missing[0]}."
        )
    data = read_pictures(path, names, size, dtype)
    target = np.array([_CLASSES.index(kind) for kind in label], dtype=np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=list(_CLASSES),
        sample_domain=np.repeat(np.arange(len(sizes)), sizes),
        domain_names=environments,
        category=np.array(category),
        context=np.array(context),
        filenames=names,
        DESCR=_DESCR.format(
            n_samples=len(data),
            size=size,
            splits=path / splits,
            sizes=", ".join(
                f"{name} ({n})" for name, n in zip(environments, sizes, strict=True)
            ),
        ),
    )


def _read_split(path):
    """Return the lines of a split file: image, category, context and class."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no split file {path}.")
    with (
        damaged(f"{path} is no split file"),
        path.open(newline="", encoding="utf-8") as file,
    ):
        lines = list(csv.reader(file))
    if not lines:
        raise ValueError(f"{path} is empty.")
    for number, line in enumerate(lines, start=1):
        if len(line) != 4 or line[3] not in _CLASSES:
            raise ValueError(
                f"Line {number} of {path} is {','.join(line)!r}; image, category, "
                "context and class (animal or vehicle) are expected."
            )
        picture = PureWindowsPath(line[0])
        if picture.anchor or ".." in picture.parts:
            raise ValueError(
                f"Line {number} of {path} points outside the folder: {line[0]!r}."
            )
    return lines


def _place(path, picture, label):
    """Return the relative path of an image given as a Windows path in a split file."""
    picture = picture.replace("\\", "/")
    if (path / label / "images").is_dir():
        return f"{label}/images/{picture}"
    return f"{label}/{picture}"
