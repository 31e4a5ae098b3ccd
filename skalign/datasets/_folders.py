"""Images labelled by the folders that contain them."""

import os
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._validation import Interval
from skalign.datasets._pictures import find_pictures, read_pictures

_DESCR = """\
Images from folders
---------------------

{n_samples} images of 3 x {size} x {size} pixels, read from {path}: {contents}.
"""

_PARAMETERS = {
    "path": [str, os.PathLike],
    "size": [Interval(Integral, 1, None, closed="left")],
    "classes": ["array-like", None],
    "dtype": [StrOptions({"float32", "uint8"})],
    "data_home": [str, os.PathLike, None],
    "return_X_y": ["boolean"],
}


@validate_params(
    {**_PARAMETERS, "domains": ["array-like", None]}, prefer_skip_nested_validation=True
)
def domains_from_folders(
    path: str | os.PathLike[str],
    *,
    size: int = 64,
    domains: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    dtype: Literal["float32", "uint8"] = "float32",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load images from one folder per domain, with one subfolder per class.

    This is the layout of Office-Caltech10, PACS and Office-Home. Requires Pillow. Read
    more in the :ref:`User Guide <pictures>`.

    Parameters
    ----------
    path : str or path-like
        Folder or zip file with images ``<domain>/<class>/<name>.jpg``. Classes may have
        subfolders. Files that are not images are ignored.
    size : int, default=64
        Height and width of the returned images. Images are turned upright according to
        their EXIF data, cropped to the central square and resized.
    domains, classes : array-like of str, default=None
        Names to load, in the given order. None loads all, sorted.
    dtype : {"float32", "uint8"}, default="float32"
        Type of the pixel values, from 0 to 1 or, in a quarter of the memory, 0 to 255.
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
            Class, as an index into `target_names`.
        target_names : list of str
            Names of the classes.
        sample_domain : ndarray of shape (n_samples,)
            Domain, as an index into `domain_names`.
        domain_names : list of str
            Names of the domains.
        filenames : list of str
            Paths of the images, relative to `path`.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ImportError
        If Pillow is not installed.
    ValueError
        If a folder contains no image, an image is not in a class folder, a requested
        domain or class is missing, or a file is damaged or declares more pixels than
        Pillow's limit.

    See Also
    --------
    images_from_folders : One folder per class, without domains.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skalign.datasets import domains_from_folders
    >>> with TemporaryDirectory() as directory:
    ...     for folder in ("photo/cat", "photo/dog", "sketch/cat", "sketch/dog"):
    ...         Path(directory, folder).mkdir(parents=True)
    ...         Image.new("RGB", (9, 8), "red").save(Path(directory, folder, "1.png"))
    ...     pictures = domains_from_folders(directory, size=4)
    >>> pictures.data.shape, pictures.domain_names, pictures.target_names
    ((4, 3, 4, 4), ['photo', 'sketch'], ['cat', 'dog'])
    """
    path = Path("" if data_home is None else data_home, path).expanduser()
    names = find_pictures(path)
    for name in names:
        if len(name.parts) < 3:
            raise ValueError(f"{name} in {path} is not <domain>/<class>/<image>.")
    domain = np.array([name.parts[0] for name in names])
    label = np.array(["/".join(name.parts[1:-1]) for name in names])
    domains = check_kinds(domain, domains, "domain", path)
    kept = np.isin(domain, domains)
    classes = check_kinds(label[kept], classes, "class", path)
    kept &= np.isin(label, classes)
    domain, label = domain[kept], label[kept]
    # By domain first, then by class, in the orders that were asked for.
    domain, target = _codes(domain, domains), _codes(label, classes)
    order = np.lexsort([target, domain])
    names = [names[place] for place in np.flatnonzero(kept)[order]]
    data = read_pictures(path, names, size, dtype)
    if return_X_y:
        return data, target[order]
    return Bunch(
        data=data,
        target=target[order],
        target_names=classes,
        sample_domain=domain[order],
        domain_names=domains,
        filenames=[str(name) for name in names],
        DESCR=_DESCR.format(
            n_samples=len(data),
            size=size,
            path=path,
            contents=f"{len(classes)} classes in the domains {', '.join(domains)}",
        ),
    )


@validate_params(_PARAMETERS, prefer_skip_nested_validation=True)
def images_from_folders(
    path: str | os.PathLike[str],
    *,
    size: int = 64,
    classes: ArrayLike | None = None,
    dtype: Literal["float32", "uint8"] = "float32",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load images from one folder per class.

    Requires Pillow. Read more in the :ref:`User Guide <pictures>`.

    Parameters
    ----------
    path : str or path-like
        Folder or zip file with images ``<class>/<name>.jpg``. For nested folders, the
        class is the whole relative path, such as "desert/sand". Files that are not
        images are ignored.
    size : int, default=64
        Height and width of the returned images. Images are turned upright according to
        their EXIF data, cropped to the central square and resized.
    classes : array-like of str, default=None
        Names to load, in the given order. None loads all, sorted.
    dtype : {"float32", "uint8"}, default="float32"
        Type of the pixel values, from 0 to 1 or, in a quarter of the memory, 0 to 255.
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
            Class, as an index into `target_names`.
        target_names : list of str
            Names of the classes.
        filenames : list of str
            Paths of the images, relative to `path`.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ImportError
        If Pillow is not installed.
    ValueError
        If a folder contains no image, an image is not in a folder, a requested class is
        missing, or a file is damaged.

    See Also
    --------
    domains_from_folders : One folder per domain, with one subfolder per class.
    make_coco_places : Paste objects onto such images.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skalign.datasets import images_from_folders
    >>> with TemporaryDirectory() as directory:
    ...     for folder in ("cat", "dog"):
    ...         Path(directory, folder).mkdir(parents=True)
    ...         Image.new("RGB", (9, 8), "red").save(Path(directory, folder, "1.png"))
    ...     pictures = images_from_folders(directory, size=4)
    >>> pictures.data.shape, pictures.target_names
    ((2, 3, 4, 4), ['cat', 'dog'])
    """
    path = Path("" if data_home is None else data_home, path).expanduser()
    names = find_pictures(path)
    for name in names:
        if len(name.parts) < 2:
            raise ValueError(f"{name} in {path} is not <class>/<image>.")
    label = np.array([str(name.parent) for name in names])
    classes = check_kinds(label, classes, "class", path)
    kept = np.isin(label, classes)
    target = _codes(label[kept], classes)
    order = np.argsort(target, kind="stable")
    names = [names[place] for place in np.flatnonzero(kept)[order]]
    data = read_pictures(path, names, size, dtype)
    if return_X_y:
        return data, target[order]
    return Bunch(
        data=data,
        target=target[order],
        target_names=classes,
        filenames=[str(name) for name in names],
        DESCR=_DESCR.format(
            n_samples=len(data),
            size=size,
            path=path,
            contents=f"{len(classes)} classes",
        ),
    )


def check_kinds(found, wanted, name, where):
    """Return the domains or classes to load: all, or those requested if all exist."""
    found = np.unique(found).tolist()
    if wanted is None:
        return found
    wanted = [str(kind) for kind in wanted]
    if len(set(wanted)) < len(wanted) or not wanted:
        raise ValueError(f"Expected distinct names, one {name} at least; got {wanted}.")
    for kind in wanted:
        if kind not in found:
            raise ValueError(
                f"There is no {name} {kind!r} in {where}; there is {', '.join(found)}."
            )
    return wanted


def _codes(labels, names):
    return np.array([names.index(label) for label in labels], dtype=np.int64)
