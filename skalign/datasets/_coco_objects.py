"""Objects cut out of the pictures of COCO."""

import json
import os
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from skalign.datasets._folders import check_kinds
from skalign.datasets._pictures import import_pillow, read_picture

_DESCR = """\
Objects of COCO with their masks
--------------------------------

{n_samples} objects of {n_classes} classes, {size} x {size} pixels, from {n_images}
pictures of {path}.
"""


@validate_params(
    {
        "annotations": [str, os.PathLike],
        "images": [str, os.PathLike],
        "classes": ["array-like", None],
        "min_area": [Interval(Real, 0, None, closed="left")],
        "crop": ["boolean"],
        "size": [Interval(Integral, 1, None, closed="left")],
        "data_home": [str, os.PathLike, None],
    },
    prefer_skip_nested_validation=True,
)
def load_coco_objects(
    annotations,
    images,
    *,
    classes=None,
    min_area=10_000,
    crop=False,
    size=64,
    data_home=None,
):
    """Cut objects out of the pictures of COCO by their outlines.

    Of each class, the largest object of a picture is taken; crowds are left out. Needs
    Pillow. Read more in the :ref:`User Guide <colored_data>`.

    Parameters
    ----------
    annotations : str or path-like
        Annotation file of instances, such as ``instances_train2017.json``.
    images : str or path-like
        Folder of the pictures.
    classes : array-like of str, default=None
        Which to take, and their order; by default all in the file, in sorted order.
    min_area : float, default=10000
        Objects of fewer pixels in the picture are left out.
    crop : bool, default=False
        If True, the square around the object is resized; else the whole picture is,
        as ColoredCOCO has it.
    size : int, default=64
        Height and width that objects are brought to.
    data_home : str or path-like, default=None
        Folder that `annotations` and `images` lie in; by default the working directory.

    Returns
    -------
    objects : :class:`~sklearn.utils.Bunch`
        With the attributes

        rgb : ndarray of shape (n_objects, size, size, 3), of uint8
            Pixels, 0 outside the mask.
        mask : ndarray of shape (n_objects, size, size), of uint8
            0 outside the object to 255 in it, soft at its edge.
        label : ndarray of shape (n_objects,)
            Class, an index into `classes`.
        classes : list of str
            The classes.
        image_id : ndarray of shape (n_objects,)
            The picture that the object is from.
        area : ndarray of shape (n_objects,)
            Pixels of the object in its picture.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If the annotation file, the folder or a picture is not there.
    ImportError
        If Pillow is not installed.
    ValueError
        If the file holds no annotations of instances, or some that do not belong
        together, a class is not in it, an outline is run-length encoded, which is not
        read, or none, a picture is damaged, or no object is large enough.

    See Also
    --------
    make_colored_coco, make_coco_places : Paste objects on backgrounds.

    Examples
    --------
    >>> from skalign.datasets import load_coco_objects
    >>> objects = load_coco_objects(  # doctest: +SKIP
    ...     "annotations/instances_train2017.json", "train2017", data_home="coco"
    ... )
    """
    home = Path("" if data_home is None else data_home).expanduser()
    path, folder = home / annotations, home / images
    if not path.is_file():
        raise FileNotFoundError(f"There is no annotation file {path}.")
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no directory {folder}.")
    content = _read_annotations(path)
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    classes = check_kinds(list(names.values()), classes, "class", path)
    found = _largest(content["annotations"], names, classes, min_area)
    if not found:
        raise ValueError(
            f"{path} holds no object of {', '.join(classes)} of at least {min_area} "
            "pixels."
        )
    files = {entry["id"]: entry["file_name"] for entry in content["images"]}
    unknown = {entry["image_id"] for entry in found} - set(files)
    if unknown:
        raise ValueError(f"{path} has objects of picture {min(unknown)}, but no such.")
    rgb = np.empty((len(found), size, size, 3), dtype=np.uint8)
    mask = np.empty((len(found), size, size), dtype=np.uint8)
    for place, entry in enumerate(found):
        picture = folder / files[entry["image_id"]]
        rgb[place], mask[place] = _cut_out(picture, entry, crop, size)
    image_id = np.array([entry["image_id"] for entry in found])
    return Bunch(
        rgb=rgb,
        mask=mask,
        label=np.array([classes.index(names[entry["category_id"]]) for entry in found]),
        classes=classes,
        image_id=image_id,
        area=np.array([entry["area"] for entry in found]),
        DESCR=_DESCR.format(
            n_samples=len(found),
            n_classes=len(classes),
            size=size,
            n_images=len(np.unique(image_id)),
            path=path,
        ),
    )


def _read_annotations(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    wanted = ["images", "annotations", "categories"]
    if not isinstance(content, dict) or not all(key in content for key in wanted):
        raise ValueError(f"{path} must hold {', '.join(wanted)}, as those of COCO do.")
    return content


def _largest(entries, names, classes, min_area):
    """Return the largest object of each class of each picture, in order of pictures."""
    largest = {}
    for entry in entries:
        if entry["category_id"] not in names:
            raise ValueError(
                f"Object {entry.get('id')} is of category {entry['category_id']}, "
                "which the annotations do not name."
            )
        key = entry["image_id"], names[entry["category_id"]]
        if key[1] not in classes or entry.get("iscrowd"):
            continue
        if entry["area"] > largest.get(key, {"area": 0})["area"]:
            largest[key] = entry
    return [largest[key] for key in sorted(largest) if largest[key]["area"] >= min_area]


def _cut_out(path, entry, crop, size):
    """Return pixels and mask of an object whose outline is a list of polygons."""
    PIL = import_pillow()
    if not isinstance(entry["segmentation"], list):
        raise ValueError(
            f"The outline of object {entry.get('id')} in {path.name} is run-length "
            "encoded; only polygons are read."
        )
    if min(map(len, entry["segmentation"]), default=0) < 6:
        raise ValueError(
            f"The outline of object {entry.get('id')} in {path.name} must be polygons "
            "of three points or more."
        )
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture {path}.")
    picture = read_picture(path, str(path))
    mask = PIL.Image.new("L", picture.size)
    for polygon in entry["segmentation"]:
        PIL.ImageDraw.Draw(mask).polygon(polygon, fill=255)
    if crop:
        left, top, width, height = entry["bbox"]
        half = max(width, height) / 2
        x, y = left + width / 2, top + height / 2
        box = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
        picture, mask = picture.crop(box), mask.crop(box)
    rgb, mask = (np.array(part.resize((size, size))) for part in (picture, mask))
    rgb[mask == 0] = 0
    return rgb, mask
