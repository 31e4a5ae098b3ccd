"""Objects pasted onto a coloured background that correlates with their class."""

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval
from skalign.datasets._pasting import (
    check_environments,
    deal_out,
    draw_kinds,
    paste,
    read_objects,
)

_CLASS_COLORS = (
    (0, 100, 0),
    (188, 143, 143),
    (255, 0, 0),
    (255, 215, 0),
    (0, 255, 0),
    (65, 105, 225),
    (0, 225, 225),
    (0, 0, 255),
    (255, 20, 147),
    (160, 160, 160),
)
_BRIGHTNESS = 0.75
_MIN_SQUARED_DISTANCE = 2500
_N_CANDIDATES = 10_000

_DESCR = """\
Objects on coloured backgrounds
-------------------------------

{n_samples} images of 3 x {height} x {width} pixels, 0 to 1, of {classes}, in
environments of sizes {sizes}. The background has the colour of the class with
probability {strengths}; otherwise one of {n_colors} other colours, which are different
in the last environment. No source image occurs in two environments.
"""


@validate_params(
    {
        "objects": [Mapping, str, os.PathLike],
        "classes": ["array-like", None],
        "strengths": ["array-like"],
        "shares": ["array-like"],
        "n_per_class": ["array-like", Integral, None],
        "class_colors": ["array-like", None],
        "n_colors": [Interval(Integral, 1, None, closed="left")],
        "data_home": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_colored_coco(
    objects: dict[Any, Any] | str | os.PathLike[str],
    *,
    classes: ArrayLike | None = None,
    strengths: ArrayLike = (0.8, 0.9, 0.0),
    shares: ArrayLike = (2, 2, 1),
    n_per_class: int | ArrayLike | None = None,
    class_colors: ArrayLike | None = None,
    n_colors: int = 10,
    data_home: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Paste objects onto plain backgrounds whose colour correlates with their class.

    This is ColoredCOCO [1]_ [2]_: in the training environments most backgrounds have
    the colour of the class; in the last environment they have colours that do not occur
    in training. Read more in the :ref:`User Guide <colored_data>`.

    Parameters
    ----------
    objects : dict-like, str or path-like
        Result of `load_coco_objects`, or an ``.npz`` file with the same entries: `rgb`,
        `mask`, `label`, `image_id` and, if labels are indices, `classes`.
    classes : array-like of str, default=None
        Classes to use, in the given order. None uses all classes, sorted.
    strengths : array-like of shape (n_domains,), default=(0.8, 0.9, 0.0)
        Probability that the background has the colour of the class, for each
        environment.
    shares : array-like of shape (n_domains,), default=(2, 2, 1)
        Relative sizes of the environments, as whole numbers, by which the objects are
        distributed. All objects of one source image go to the same environment.
    n_per_class : int or array-like of shape (n_domains,), default=None
        Number of images of each class in each environment; (400, 400, 200) in [2]_. If
        an environment has fewer objects, each is pasted about equally often, every time
        onto a newly drawn background. None pastes each object once.
    class_colors : array-like of shape (n_classes, 3), default=None
        Colours of the classes, from 0 to 255. None uses the ten colours of [2]_.
    n_colors : int, default=10
        Number of other colours, drawn at random with a squared distance above 2500 from
        the class colours. As many are drawn for the last environment, at the same
        distance from both groups.
    data_home : str or path-like, default=None
        Folder that contains the file of objects. None is the working directory.
    random_state : int, RandomState instance or None, default=None
        Seed of the environments, the colours and the backgrounds.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, height, width), of float32
            Pixel values, from 0 to 1; background colours are scaled by 0.75.
        target : ndarray of shape (n_samples,)
            Class, as an index into `target_names`.
        target_names : list of str
            Names of the classes.
        sample_domain : ndarray of shape (n_samples,)
            Environment, numbered from 0.
        color : ndarray of shape (n_samples, 3), of uint8
            Colour of the background.
        color_class : ndarray of shape (n_samples,)
            Class that the colour belongs to; -1 for other colours.
        class_colors, other_colors, unseen_colors : ndarray of shape (n, 3), of uint8
            Colours of the classes, other colours, and colours of the last environment.
        indices, image_id : ndarray of shape (n_samples,)
            Position of the object in `objects`, and the source image it was cut from.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If `objects` is a file that does not exist.
    ValueError
        If `objects` is incomplete or its shapes are inconsistent, a class is missing or
        has too few objects for `shares`, a parameter is out of range, there are more
        classes than class colours, or no room is left for other colours.

    See Also
    --------
    load_coco_objects : Cut objects out of the images of COCO.
    make_coco_places : Scenes as backgrounds.

    References
    ----------
    .. [1] F. Ahmed, Y. Bengio, H. van Seijen and A. Courville, "Systematic
       generalisation with group invariant predictions", ICLR 2021.
    .. [2] M. Zhang, J. Yuan, Y. He, W. Li, Z. Chen and K. Kuang, "MAP: towards balanced
       generalization of IID and OOD through model-agnostic adapters", ICCV 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.datasets import make_colored_coco
    >>> rng = np.random.default_rng(0)
    >>> objects = {  # noise, in place of cats and dogs
    ...     "rgb": rng.integers(256, size=(40, 8, 8, 3), dtype=np.uint8),
    ...     "mask": np.tile(np.repeat(np.uint8([0, 255]), 4), (40, 8, 1)),
    ...     "label": np.tile(["cat", "dog"], 20),
    ...     "image_id": np.arange(40),
    ... }
    >>> pictures = make_colored_coco(objects, n_per_class=50, random_state=0)
    >>> pictures.data.shape, np.bincount(pictures.sample_domain)
    ((300, 3, 8, 8), array([100, 100, 100]))
    >>> agree = pictures.color_class == pictures.target
    >>> [f"{agree[pictures.sample_domain == e].mean():.2f}" for e in range(3)]
    ['0.76', '0.94', '0.00']
    """
    objects = read_objects(objects, classes, data_home)
    strengths, shares, n_per_class = check_environments(strengths, shares, n_per_class)
    colors = _check_colors(class_colors, objects.classes)
    rng = check_random_state(random_state)
    other = _draw_colors(colors, n_colors, rng)
    unseen = _draw_colors(np.concatenate([colors, other]), n_colors, rng)
    rows, domain = deal_out(objects, shares, n_per_class, rng)
    target = objects.label[rows]
    n_classes = len(colors)
    others = [n_classes + np.arange(n_colors)] * (len(shares) - 1)
    others.append(n_classes + n_colors + np.arange(n_colors))
    kinds = draw_kinds(target, domain, strengths, others, rng)
    palette = np.concatenate([colors, other, unseen])
    backgrounds = (_BRIGHTNESS / 255 * palette).astype(np.float32)
    data = paste(objects, rows, backgrounds[:, :, np.newaxis, np.newaxis], kinds)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=objects.classes,
        sample_domain=domain,
        color=palette[kinds],
        color_class=np.where(kinds < n_classes, kinds, -1),
        class_colors=colors,
        other_colors=other,
        unseen_colors=unseen,
        indices=objects.indices[rows],
        image_id=objects.image_id[rows],
        DESCR=_DESCR.format(
            n_samples=len(data),
            height=data.shape[2],
            width=data.shape[3],
            classes=", ".join(objects.classes),
            sizes=", ".join(map(str, np.bincount(domain))),
            strengths=", ".join(f"{strength:g}" for strength in strengths),
            n_colors=n_colors,
        ),
    )


def _check_colors(class_colors, classes):
    """Return a colour for each class."""
    given = np.asarray(_CLASS_COLORS if class_colors is None else class_colors)
    in_range = ((given >= 0) & (given <= 255)).all()
    if given.ndim != 2 or given.shape[1] != 3 or not in_range:
        raise ValueError(
            f"class_colors, of shape {given.shape}, must be of shape (n_classes, 3), "
            "numbers from 0 to 255."
        )
    if len(given) < len(classes):
        raise ValueError(
            f"There are {len(classes)} classes, but {len(given)} class_colors."
        )
    return given[: len(classes)].astype(np.uint8)


def _draw_colors(taken, n_colors, rng):
    """Draw colours at a minimum distance from those already in use."""
    candidates = rng.randint(256, size=(_N_CANDIDATES, 3))
    offsets = candidates[:, np.newaxis] - taken.astype(int)
    far = np.sum(offsets**2, axis=2).min(axis=1) > _MIN_SQUARED_DISTANCE
    if far.sum() < n_colors:
        raise ValueError(
            f"{len(taken)} colours leave no room for {n_colors} others at a squared "
            f"distance above {_MIN_SQUARED_DISTANCE}."
        )
    return candidates[far][:n_colors].astype(np.uint8)
