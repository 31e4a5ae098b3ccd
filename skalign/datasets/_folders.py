"""Pictures whose folders say what they are."""

import os
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._parameters import Interval
from skalign.datasets._pictures import find_pictures, read_pictures

_DESCR = """\
Pictures from folders
---------------------

{n_samples} pictures of 3 x {size} x {size} pixels, read from {path}: {contents}.
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
    path,
    *,
    size=64,
    domains=None,
    classes=None,
    dtype="float32",
    data_home=None,
    return_X_y=False,
):
    """Load pictures from a folder a domain, and in it a folder a class.

    As the pictures of Office-Caltech10, PACS or Office-Home are laid out. Needs Pillow.
    Read more in the :ref:`User Guide <pictures>`.

    Parameters
    ----------
    path : str or path-like
        A folder, or a zip file, of pictures ``<domain>/<class>/<name>.jpg``. A class
        may have folders of its own. Files that are no pictures are left out.
    size : int, default=64
        Height and width that pictures are brought to; of a picture that is not square,
        the middle is taken. Photos are turned upright first, as their EXIF data say.
    domains, classes : array-like of str, default=None
        Which to load, and their order; by default all, in sorted order.
    dtype : {"float32", "uint8"}, default="float32"
        Pixels from 0 to 1, or from 0 to 255 in a quarter of the memory.
    data_home : str or path-like, default=None
        Folder that `path` lies in; by default the working directory.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, size, size)
            Pixels, of the type that was asked for.
        target : ndarray of shape (n_samples,)
            Class, an index into `target_names`.
        target_names : list of str
            The classes.
        sample_domain : ndarray of shape (n_samples,)
            Domain, an index into `domain_names`.
        domain_names : list of str
            The domains.
        filenames : list of str
            The pictures, relative to `path`.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Pictures and classes.

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ImportError
        If Pillow is not installed.
    ValueError
        If a folder holds no picture, a picture lies in no folder of a class, a domain
        or a class that was asked for is not there, or a file is damaged or declares
        more pixels than Pillow's limit.

    See Also
    --------
    images_from_folders : A folder a class, without domains.

    Examples
    --------
    >>> from skalign.datasets import domains_from_folders
    >>> office = domains_from_folders(  # doctest: +SKIP
    ...     "office_caltech10/images_128.zip", size=128, data_home="data"
    ... )
    >>> office.data.shape, office.domain_names  # doctest: +SKIP
    ((2533, 3, 128, 128), ['amazon', 'caltech10', 'dslr', 'webcam'])
    """
    path = Path("" if data_home is None else data_home, path).expanduser()
    names = find_pictures(path)
    for name in names:
        if len(name.parts) < 3:
            raise ValueError(f"{name} in {path} is not <domain>/<class>/<picture>.")
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
    path, *, size=64, classes=None, dtype="float32", data_home=None, return_X_y=False
):
    """Load pictures from a folder a class.

    Needs Pillow. Read more in the :ref:`User Guide <pictures>`.

    Parameters
    ----------
    path : str or path-like
        A folder, or a zip file, of pictures ``<class>/<name>.jpg``. Where folders lie
        in folders, the whole way is the class: "desert/sand". Files that are no
        pictures are left out.
    size : int, default=64
        Height and width that pictures are brought to; of a picture that is not square,
        the middle is taken. Photos are turned upright first, as their EXIF data say.
    classes : array-like of str, default=None
        Which to load, and their order; by default all, in sorted order.
    dtype : {"float32", "uint8"}, default="float32"
        Pixels from 0 to 1, or from 0 to 255 in a quarter of the memory.
    data_home : str or path-like, default=None
        Folder that `path` lies in; by default the working directory.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, size, size)
            Pixels, of the type that was asked for.
        target : ndarray of shape (n_samples,)
            Class, an index into `target_names`.
        target_names : list of str
            The classes.
        filenames : list of str
            The pictures, relative to `path`.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Pictures and classes.

    Raises
    ------
    FileNotFoundError
        If `path` is neither a folder nor a zip file.
    ImportError
        If Pillow is not installed.
    ValueError
        If a folder holds no picture, a picture lies in no folder, a class that was
        asked for is not there, or a file is damaged.

    See Also
    --------
    domains_from_folders : With a folder a domain around them.
    make_coco_places : Takes such pictures for scenes.

    Examples
    --------
    >>> from skalign.datasets import images_from_folders
    >>> scenes = images_from_folders(  # doctest: +SKIP
    ...     "scenes/scenes_64.zip",
    ...     classes=["sun/ocean", "sun/desert"],
    ...     data_home="data",
    ... )
    >>> scenes.data.shape  # doctest: +SKIP
    (514, 3, 64, 64)
    """
    path = Path("" if data_home is None else data_home, path).expanduser()
    names = find_pictures(path)
    for name in names:
        if len(name.parts) < 2:
            raise ValueError(f"{name} in {path} is not <class>/<picture>.")
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
    """Return the domains or classes to take: all, or those wanted, if all are there."""
    found = np.unique(found).tolist()
    if wanted is None:
        return found
    wanted = [str(kind) for kind in wanted]
    if len(set(wanted)) < len(wanted) or not wanted:
        raise ValueError(f"Each {name} must be named once, at least one; got {wanted}.")
    for kind in wanted:
        if kind not in found:
            raise ValueError(
                f"There is no {name} {kind!r} in {where}; there is {', '.join(found)}."
            )
    return wanted


def _codes(labels, names):
    return np.array([names.index(label) for label in labels], dtype=np.int64)
