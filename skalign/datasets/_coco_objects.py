"""Objects cut out of the images of COCO."""

import json
import os
import reprlib
import warnings
from functools import partial
from itertools import islice
from numbers import Integral, Real
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skalign._files import damaged
from skalign._validation import Interval
from skalign._warnings import user_level
from skalign.datasets._folders import check_kinds
from skalign.datasets._pictures import import_pillow, open_picture, read_picture

_N_REASONS = 5  # that a warning names
_DESCR = """\
Objects of COCO with their masks
--------------------------------

{n_samples} objects of {n_classes} classes, {size} x {size} pixels, from {n_images}
images of {path}.
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
    annotations: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    classes: ArrayLike | None = None,
    min_area: float = 10_000,
    crop: bool = False,
    size: int = 64,
    data_home: str | os.PathLike[str] | None = None,
) -> Any:
    """Load objects of COCO, cut out of their images along the annotated outlines.

    The largest object of each class in each image is used; crowds are skipped. Requires
    Pillow. Read more in the :ref:`User Guide <colored_data>`.

    An object is skipped, and the next largest one used, if its annotation is incomplete
    or inconsistent, if its outline is run-length encoded, extends beyond the image or
    covers no pixel, or if its image does not have the declared width and height. A
    warning gives the number of skipped objects and the first one for each reason.

    Photos may be stored rotated, with the orientation in their EXIF data. Outlines are
    assumed to refer to the stored or to the upright image, whichever has the declared
    width and height; objects are skipped if both have it, as in a square image. All
    returned images are upright.

    Parameters
    ----------
    annotations : str or path-like
        Annotation file with object instances, such as ``instances_train2017.json``.
    images : str or path-like
        Folder with the images.
    classes : array-like of str, default=None
        Classes to load, in the given order. None loads all classes in the file, sorted.
    min_area : float, default=10000
        Minimum number of pixels of an object in its image.
    crop : bool, default=False
        Whether to resize the square around the object. If False, the whole image is
        resized, as in ColoredCOCO.
    size : int, default=64
        Height and width of the returned images.
    data_home : str or path-like, default=None
        Folder that contains `annotations` and `images`. None is the working directory.

    Returns
    -------
    objects : :class:`~sklearn.utils.Bunch`
        With the attributes

        rgb : ndarray of shape (n_objects, size, size, 3), of uint8
            Pixel values, 0 outside the mask.
        mask : ndarray of shape (n_objects, size, size), of uint8
            Opacity, from 0 outside the object to 255 inside, with a soft edge.
        label : ndarray of shape (n_objects,)
            Class, as an index into `classes`.
        classes : list of str
            Names of the classes.
        image_id : ndarray of shape (n_objects,)
            Image that the object was cut from.
        area : ndarray of shape (n_objects,)
            Number of pixels of the object in its image.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If the annotation file, the folder or an image does not exist.
    ImportError
        If Pillow is not installed.
    ValueError
        If the file contains no instance annotations or not all of `classes`, an image
        is damaged or exceeds Pillow's size limit, or no object is large enough or can
        be cut out.

    Warns
    -----
    UserWarning
        If objects are skipped because they cannot be cut out.

    See Also
    --------
    make_colored_coco, make_coco_places : Paste objects onto backgrounds.

    Examples
    --------
    A red image of 8 x 8 pixels with a dog, annotated by the square around it:

    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skalign.datasets import load_coco_objects
    >>> dog = {"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0, "area": 16}
    >>> dog["segmentation"] = [[2, 2, 6, 2, 6, 6, 2, 6]]
    >>> content = {
    ...     "images": [{"id": 7, "file_name": "7.png", "width": 8, "height": 8}],
    ...     "annotations": [dog],
    ...     "categories": [{"id": 18, "name": "dog"}],
    ... }
    >>> with TemporaryDirectory() as directory:
    ...     _ = Path(directory, "instances.json").write_text(json.dumps(content))
    ...     Image.new("RGB", (8, 8), "red").save(Path(directory, "7.png"))
    ...     objects = load_coco_objects(
    ...         "instances.json", "", min_area=10, size=4, data_home=directory
    ...     )
    >>> objects.rgb.shape, objects.label, objects.classes
    ((1, 4, 4, 3), array([0]), ['dog'])
    """
    home = Path("" if data_home is None else data_home).expanduser()
    path, folder = home / annotations, home / images
    if not path.is_file():
        raise FileNotFoundError(f"There is no annotation file {path}.")
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no directory {folder}.")
    content = _read_annotations(path)
    names = {key: entry["name"] for key, entry in content["categories"].items()}
    if not names:
        raise ValueError(f"{path} contains no category.")
    classes = check_kinds(list(names.values()), classes, "class", path)
    candidates, left_out = _candidates(content, classes, min_area)
    if not candidates and not left_out:
        raise ValueError(
            f"{path} contains no object of {', '.join(classes)} with at least "
            f"min_area={min_area} pixels."
        )
    rgb = np.empty((len(candidates), size, size, 3), dtype=np.uint8)
    mask = np.empty((len(candidates), size, size), dtype=np.uint8)
    found = []
    for entries in candidates:
        for entry in entries:  # the largest first
            try:
                cut = _cut_out(folder, entry, content["images"], crop, size)
            except _Unsuitable as reason:
                left_out.append((entry, reason))
            else:
                rgb[len(found)], mask[len(found)] = cut
                found.append(entry)
                break
    _report(left_out, path, anything_left=bool(found))
    image_id = np.array([entry["image_id"] for entry in found])
    return Bunch(
        rgb=rgb[: len(found)],
        mask=mask[: len(found)],
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


class _Unsuitable(Exception):
    """Reason why an object cannot be cut out."""


def _report(left_out, path, anything_left):
    """Report how many objects were skipped, with the first one for each reason."""
    if not left_out:
        return
    reasons = {}
    for entry, reason in left_out:
        which = entry.get("id") if isinstance(entry, dict) else entry
        reasons.setdefault(str(reason), []).append(reprlib.repr(which))
    told = [
        f"object {ids[0]}{f' and {len(ids) - 1} more' * (len(ids) > 1)}: {reason}"
        for reason, ids in islice(reasons.items(), _N_REASONS)
    ]
    if len(reasons) > _N_REASONS:
        told.append(f"and {len(reasons) - _N_REASONS} other reasons")
    text = f"Objects of {path} skipped, as they cannot be cut out: {len(left_out)}. "
    text += "; ".join(told)
    if not anything_left:
        raise ValueError(f"{text}. No object is left.")
    warnings.warn(f"{text}.", stacklevel=user_level())


def _read_annotations(path):
    """Return the annotations, and the images and categories by id."""
    with damaged(f"{path} is not valid JSON"):
        content = json.loads(path.read_text(encoding="utf-8"))
    wanted = ["images", "annotations", "categories"]
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in wanted
    ):
        raise ValueError(
            f"{path} must contain the lists {', '.join(wanted)} of the COCO format."
        )
    return {
        "annotations": content["annotations"],
        "images": _by_id(content["images"], "file_name"),
        "categories": _by_id(content["categories"], "name"),
    }


def _by_id(entries, wanted):
    """Return complete entries by id, without ids that have two different entries."""
    found, doubtful = {}, set()
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(wanted), str):
            continue
        if _is_id(key := entry.get("id")) and found.setdefault(key, entry) != entry:
            doubtful.add(key)
    return {key: entry for key, entry in found.items() if key not in doubtful}


def _is_id(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return isinstance(value, str)


def _is_number(value):
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < 2**53  # and no NaN


def _candidates(content, classes, min_area):
    """Return the objects of each class in each image, in order of decreasing area.

    Returns
    -------
    candidates : list of lists of dict, in order of images
    left_out : list of tuple of an annotation and the reason
    """
    groups, left_out = {}, []
    for entry in content["annotations"]:
        try:
            name = _entry_of(content["categories"], entry, "category_id")["name"]
            if name not in classes:
                continue
            if (crowd := entry.get("iscrowd", 0)) not in (0, 1):
                raise _Unsuitable(f"iscrowd {crowd!r} must be 0 or 1")
            if crowd:
                continue
            if not _is_number(area := entry.get("area")) or area <= 0:
                raise _Unsuitable(f"area {area!r} must be a number above 0")
            if area >= min_area:
                _entry_of(content["images"], entry, "image_id")
                groups.setdefault((entry["image_id"], name), []).append(entry)
        except _Unsuitable as reason:
            left_out.append((entry, reason))
    ordered = sorted(groups, key=lambda key: (isinstance(key[0], str), key))
    by_size = partial(sorted, key=itemgetter("area"), reverse=True)
    return [by_size(groups[key]) for key in ordered], left_out


def _entry_of(entries, annotation, key):
    """Return the image or the category that an annotation refers to."""
    if not isinstance(annotation, dict):
        raise _Unsuitable("an annotation must be an object of JSON")
    if not _is_id(value := annotation.get(key)) or value not in entries:
        raise _Unsuitable(
            f"{key} {reprlib.repr(value)} refers to no entry, an incomplete one or "
            "two different ones"
        )
    return entries[value]


def _cut_out(folder, entry, images, crop, size):
    """Return pixels and mask of an object whose outline is a list of polygons."""
    PIL = import_pillow()
    outline = _outline(entry)
    image = images[entry["image_id"]]
    name = PurePosixPath(image["file_name"].replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise _Unsuitable(f"its image {image['file_name']!r} is not in {folder}")
    path = folder / image["file_name"]
    if not path.is_file():
        raise FileNotFoundError(f"There is no image {path}.")
    picture, turn = _as_outlined(
        *read_picture(partial(open_picture, path), path), image
    )
    _check_within(np.concatenate(outline), picture.size, "outline")
    mask = PIL.Image.new("L", picture.size)
    for polygon in outline:
        PIL.ImageDraw.Draw(mask).polygon(polygon.ravel().tolist(), fill=255)
    if crop:
        box = _square(entry.get("bbox"), picture.size)
        picture, mask = picture.crop(box), mask.crop(box)
    picture, mask = picture.resize((size, size)), mask.resize((size, size))
    if turn is not None:
        picture, mask = picture.transpose(turn), mask.transpose(turn)
    rgb, mask = np.array(picture), np.array(mask)
    if not mask.any():
        raise _Unsuitable(f"its outline covers no pixel of the image at size={size}")
    rgb[mask == 0] = 0
    return rgb, mask


def _outline(entry):
    """Return the polygons of an object, each of shape (n_points, 2)."""
    polygons = entry.get("segmentation")
    if isinstance(polygons, dict):
        raise _Unsuitable("its outline is run-length encoded; only polygons are read")
    if not isinstance(polygons, list) or not polygons:
        raise _Unsuitable(
            f"its outline must be polygons of three points or more; got {polygons!r}"
        )
    for polygon in polygons:
        if (
            not isinstance(polygon, list)
            or len(polygon) < 6
            or len(polygon) % 2
            or not all(map(_is_number, polygon))
        ):
            raise _Unsuitable(
                "its outline must be polygons of three points or more, as [x1, y1, x2, "
                f"y2, x3, y3]; got {reprlib.repr(polygon)}"
            )
    outline = [np.asarray(polygon, float).reshape(-1, 2) for polygon in polygons]
    if all(map(_is_flat, outline)):
        raise _Unsuitable("its outline is a line")
    return outline


def _is_flat(points):
    ways = points - points[0]
    x, y = far = ways[np.argmax(np.sum(ways**2, axis=1))]
    return np.abs(x * ways[:, 1] - y * ways[:, 0]).max() <= 1e-9 * (far @ far)


def _as_outlined(picture, turn, image):
    """Return an image as it was annotated, and the transposition that turns it upright.

    Some tools annotate the pixels as stored, others the image as displayed. If the two
    differ by the EXIF orientation, the declared width and height determine which one
    was annotated, unless both match.
    """
    PIL = import_pillow()
    turns = PIL.Image.Transpose
    back = {turns.ROTATE_90: turns.ROTATE_270, turns.ROTATE_270: turns.ROTATE_90}
    shown = [(picture, None)]
    if turn is not None:
        shown.append((picture.transpose(back.get(turn, turn)), turn))
    declared = image.get("width"), image.get("height")
    fitting = [
        (picture, turn)
        for picture, turn in shown
        if all(
            n in (None, have) for n, have in zip(declared, picture.size, strict=True)
        )
    ]
    if not fitting:
        width, height = picture.size
        raise _Unsuitable(
            f"its image {image['file_name']!r} has {width} x {height} pixels, but is "
            f"declared as {declared[0]} x {declared[1]}"
        )
    if len(fitting) > 1:
        raise _Unsuitable(
            f"its image {image['file_name']!r} is stored rotated, by its EXIF data, "
            "and the declared width and height do not determine which orientation "
            "was annotated: store it upright"
        )
    return fitting[0]


def _check_within(points, size, what):
    """Refuse points that lie outside the image by more than a pixel."""
    if points.min() < -1 or (points > np.add(size, 1)).any():
        raise _Unsuitable(
            f"its {what} extends beyond the image of {size[0]} x {size[1]} pixels"
        )


def _square(bbox, size):
    """Return the box of the square around a bounding box, in whole pixels."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        raise _Unsuitable(
            f"bbox must be [x, y, width, height]; got {reprlib.repr(bbox)}"
        )
    left, top, width, height = bbox
    _check_within(np.array([[left, top], [left + width, top + height]]), size, "bbox")
    half = max(width, height) / 2
    x, y = left + width / 2, top + height / 2
    box = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
    if min(width, height) <= 0 or box[0] == box[2] or box[1] == box[3]:
        raise _Unsuitable(f"bbox {bbox} covers no pixel")
    return box
