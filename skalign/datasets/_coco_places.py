"""Objects pasted onto scenes of a place that correlates with their class."""

import os
from collections.abc import Mapping
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign.datasets._folders import check_kinds, images_from_folders
from skalign.datasets._pasting import (
    check_environments,
    deal_out,
    draw_kinds,
    paste,
    read_objects,
)

_DESCR = """\
Objects in places
-----------------

{n_samples} images of 3 x {height} x {width} pixels, 0 to 1, of {classes}, in
environments of sizes {sizes}. The background is a scene of the place of the class with
probability {strengths}; otherwise a scene of {others} or, in the last environment, of
{unseen}. No source image and no scene occurs in two environments.
"""


@validate_params(
    {
        "objects": [Mapping, str, os.PathLike],
        "scenes": [Mapping, str, os.PathLike],
        "classes": ["array-like", None],
        "superclasses": [Mapping, None],
        "places": ["array-like", None],
        "other_places": ["array-like", None],
        "unseen_places": ["array-like", None],
        "strengths": ["array-like"],
        "shares": ["array-like"],
        "n_per_class": ["array-like", Integral, None],
        "data_home": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_coco_places(
    objects: dict[Any, Any] | str | os.PathLike[str],
    scenes: dict[Any, Any] | str | os.PathLike[str],
    *,
    classes: ArrayLike | None = None,
    superclasses: dict[Any, Any] | None = None,
    places: ArrayLike | None = None,
    other_places: ArrayLike | None = None,
    unseen_places: ArrayLike | None = None,
    strengths: ArrayLike = (0.8, 0.9, 0.1),
    shares: ArrayLike = (2, 2, 1),
    n_per_class: int | ArrayLike | None = None,
    data_home: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Paste objects onto scenes of places that correlate with their class.

    This is COCOPlaces [1]_ [2]_: in the training environments most objects are in the
    place of their class; in the last environment most are not. Read more in the
    :ref:`User Guide <colored_data>`.

    Parameters
    ----------
    objects : dict-like, str or path-like
        Result of `load_coco_objects`, or an ``.npz`` file with the same entries: `rgb`,
        `mask`, `label`, `image_id` and, if labels are indices, `classes`.
    scenes : dict-like, str or path-like
        Result of `images_from_folders`, in the size of the objects; or a folder or zip
        file to read it from.
    classes : array-like of str, default=None
        Classes to use, in the given order. None uses all classes, sorted.
    superclasses : dict of str to array-like of str, default=None
        Names and classes of the superclasses, as an alternative to `classes`; `target`
        is then the superclass. Animals and vehicles in two places are the binary
        version of [2]_.
    places : array-like of str, default=None
        Place of each class or superclass. None uses the first places of `scenes`.
    other_places : array-like of str, default=None
        Places of the objects that are not in the place of their class, for all
        environments but the last. May include the places of other classes. None uses
        the places of the other classes, as in the binary version.
    unseen_places : array-like of str, default=None
        Same as `other_places`, for the last environment. None uses `other_places`.
    strengths : array-like of shape (n_domains,), default=(0.8, 0.9, 0.1)
        Probability that an object is in the place of its class, for each environment.
    shares : array-like of shape (n_domains,), default=(2, 2, 1)
        Relative sizes of the environments, as whole numbers, by which the objects and
        the scenes of each place are distributed. All objects of one source image go to
        the same environment.
    n_per_class : int or array-like of shape (n_domains,), default=None
        Number of images of each class in each environment; (400, 400, 200) in [2]_. If
        an environment has fewer objects, each is pasted about equally often, every time
        onto a newly drawn scene. None pastes each object once.
    data_home : str or path-like, default=None
        Folder that contains the files of objects and scenes. None is the working
        directory.
    random_state : int, RandomState instance or None, default=None
        Seed of the environments, the places and the scenes.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, height, width), of float32
            Pixel values, from 0 to 1.
        target : ndarray of shape (n_samples,)
            Class or superclass, as an index into `target_names`.
        target_names : list of str
            Names of the classes or superclasses.
        sample_domain : ndarray of shape (n_samples,)
            Environment, numbered from 0.
        category : ndarray of shape (n_samples,), of str
            Class of the object, even if `target` is a superclass.
        place : ndarray of shape (n_samples,), of str
            Place of the scene.
        place_class : ndarray of shape (n_samples,)
            Class or superclass that the place belongs to; -1 for other places.
        indices, image_id : ndarray of shape (n_samples,)
            Position of the object in `objects`, and the source image it was cut from.
        scene_indices : ndarray of shape (n_samples,)
            Position of the scene in `scenes`.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If `objects` or `scenes` is a file or folder that does not exist.
    ValueError
        If `objects` or `scenes` is incomplete or their sizes differ, a class or place
        is missing or has too few entries for `shares`, the numbers of places and
        classes differ, both `classes` and `superclasses` are given, or a parameter is
        out of range.

    See Also
    --------
    images_from_folders : Load scenes.
    load_coco_objects : Cut objects out of the images of COCO.
    make_colored_coco : Backgrounds of one colour.

    References
    ----------
    .. [1] F. Ahmed, Y. Bengio, H. van Seijen and A. Courville, "Systematic
       generalisation with group invariant predictions", ICLR 2021.
    .. [2] M. Zhang, J. Yuan, Y. He, W. Li, Z. Chen and K. Kuang, "MAP: towards balanced
       generalization of IID and OOD through model-agnostic adapters", ICCV 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.datasets import make_coco_places
    >>> rng = np.random.default_rng(0)
    >>> objects = {  # noise, in place of dogs and boats
    ...     "rgb": rng.integers(256, size=(40, 8, 8, 3), dtype=np.uint8),
    ...     "mask": np.tile(np.repeat(np.uint8([0, 255]), 4), (40, 8, 1)),
    ...     "label": np.tile(["dog", "boat"], 20),
    ...     "image_id": np.arange(40),
    ... }
    >>> scenes = {
    ...     "data": rng.uniform(size=(20, 3, 8, 8)),
    ...     "target": np.tile([0, 1], 10),
    ...     "target_names": ["grass", "sea"],
    ... }
    >>> pictures = make_coco_places(
    ...     objects,
    ...     scenes,
    ...     classes=["boat", "dog"],
    ...     places=["sea", "grass"],
    ...     n_per_class=50,
    ...     random_state=0,
    ... )
    >>> at_home = pictures.place_class == pictures.target
    >>> [f"{at_home[pictures.sample_domain == e].mean():.2f}" for e in range(3)]
    ['0.85', '0.92', '0.11']
    """
    if superclasses is not None:
        if classes is not None:
            raise ValueError(
                "classes and superclasses cannot both be given; choose one."
            )
        if not all(len(group) for group in superclasses.values()):
            raise ValueError("A superclass has no classes; expected at least one.")
        classes = [name for group in superclasses.values() for name in group]
    objects = read_objects(objects, classes, data_home)
    strengths, shares, n_per_class = check_environments(strengths, shares, n_per_class)
    groups = {name: [name] for name in objects.classes}
    groups = groups if superclasses is None else superclasses
    group_of = {
        name: place for place, group in enumerate(groups.values()) for name in group
    }
    group_of = np.array([group_of[name] for name in objects.classes])
    wanted = None  # without the names of all places, all scenes are read
    if places is not None:
        lists = [places, other_places, unseen_places]
        lists = [names for names in lists if names is not None]
        wanted = list(dict.fromkeys(chain(*lists)))
    scenes = _read_scenes(scenes, wanted, objects, data_home)
    names, others = _check_places(
        scenes, places, other_places, unseen_places, len(groups), len(shares)
    )
    rng = check_random_state(random_state)
    rows, domain = deal_out(objects, shares, n_per_class, rng)
    target = group_of[objects.label[rows]]
    kinds = draw_kinds(target, domain, strengths, others, rng)
    which = _draw_scenes(scenes, names, kinds, domain, shares, rng)
    data = paste(objects, rows, scenes.data, which)
    if return_X_y:
        return data, target
    described = [
        "those of the other classes"
        if choice is None
        else ", ".join(names[kind] for kind in choice)
        for choice in (others[0], others[-1])
    ]
    return Bunch(
        data=data,
        target=target,
        target_names=list(groups),
        sample_domain=domain,
        category=np.array(objects.classes)[objects.label[rows]],
        place=np.array(names)[kinds],
        place_class=np.where(kinds < len(groups), kinds, -1),
        indices=objects.indices[rows],
        image_id=objects.image_id[rows],
        scene_indices=which,
        DESCR=_DESCR.format(
            n_samples=len(data),
            height=data.shape[2],
            width=data.shape[3],
            classes=", ".join(groups),
            sizes=", ".join(map(str, np.bincount(domain))),
            strengths=", ".join(f"{strength:g}" for strength in strengths),
            others=described[0],
            unseen=described[1],
        ),
    )


def _read_scenes(scenes, wanted, objects, data_home):
    """Return scenes in the size of the objects, as float32 from 0 to 1."""
    height, width = objects.mask.shape[1:]
    if isinstance(scenes, str | os.PathLike):
        if height != width:
            raise ValueError(f"Objects of {height} x {width} pixels are not square.")
        scenes = images_from_folders(
            scenes, size=height, classes=wanted, data_home=data_home
        )
    keys = ["data", "target", "target_names"]
    if not all(key in scenes for key in keys):
        raise ValueError(f"scenes must hold {', '.join(keys)}.")
    data, target = np.asarray(scenes["data"]), np.asarray(scenes["target"])
    if data.shape != (len(target), 3, height, width):
        raise ValueError(
            f"scenes has data of shape {data.shape} and {len(target)} targets; "
            f"expected ({len(target)}, 3, {height}, {width}), the size of the objects."
        )
    if data.dtype == np.uint8:
        data = data / np.float32(255)
    elif not (data.min() >= 0 and data.max() <= 1):
        raise ValueError(
            f"scenes has {data.dtype} values from {data.min()} to {data.max()}; "
            "expected uint8, or numbers from 0 to 1."
        )
    names = np.asarray(scenes["target_names"]).astype(str)
    if target.dtype.kind not in "iu" or not np.isin(target, range(len(names))).all():
        raise ValueError(
            f"The targets of scenes are not indices into its {len(names)} places."
        )
    names = names[target]
    return Bunch(data=data.astype(np.float32, copy=False), names=names)


def _check_places(scenes, places, other, unseen, n_classes, n_domains):
    """Return the names of the places, those of the classes first, and the alternatives.

    Returns
    -------
    names : list of str
    others : list of n_domains ndarray, indices into `names`; None for the places of the
        other classes
    """
    if places is None:
        places = np.unique(scenes.names)[:n_classes]
    places = check_kinds(scenes.names, places, "place", "scenes")
    if len(places) != n_classes:
        raise ValueError(
            f"There are {n_classes} classes, but {len(places)} places: "
            f"{', '.join(places)}."
        )
    names, choices = list(places), [None, None]
    for which, wanted in enumerate([other, unseen]):
        if wanted is None:
            continue
        wanted = check_kinds(scenes.names, wanted, "place", "scenes")
        names += [name for name in wanted if name not in names]
        choices[which] = np.array([names.index(name) for name in wanted])
    if unseen is None:
        choices[1] = choices[0]
    for choice in choices:
        if choice is not None and len(choice) == 1 and choice[0] < n_classes:
            raise ValueError(
                f"The class with the place {names[choice[0]]!r} has no other place; "
                "add one to other_places or unseen_places."
            )
    if n_classes == 1 and (choices[0] is None or choices[1] is None):
        raise ValueError("With one class, other_places must be given.")
    return names, [choices[0]] * (n_domains - 1) + [choices[1]]


def _draw_scenes(scenes, names, kinds, domain, shares, rng):
    """Draw a scene of the right place for each image, from those of its environment."""
    which = np.empty(len(kinds), dtype=np.int64)
    ends = np.cumsum(shares) / np.sum(shares)
    for kind in np.unique(kinds):
        of_place = rng.permutation(np.flatnonzero(scenes.names == names[kind]))
        parts = np.split(of_place, np.round(len(of_place) * ends[:-1]).astype(int))
        for e in np.unique(domain[kinds == kind]):
            rows = np.flatnonzero((kinds == kind) & (domain == e))
            if len(parts[e]) == 0:
                raise ValueError(
                    f"Place {names[kind]!r} has {len(of_place)} scenes, too few for "
                    f"shares={np.asarray(shares).tolist()}."
                )
            which[rows] = rng.choice(parts[e], size=len(rows))
    return which
