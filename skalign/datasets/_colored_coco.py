"""Objects on a coloured background that goes with their class."""

import os
from collections.abc import Mapping
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._parameters import Interval
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

{n_samples} pictures of 3 x {height} x {width} pixels, 0 to 1, of {classes}, in
environments of {sizes}. The background has the colour of the class with probability
{strengths}; else it has one of {n_colors} other colours, which are others again in the
last environment. No source picture is in two environments.
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
    objects,
    *,
    classes=None,
    strengths=(0.8, 0.9, 0.0),
    shares=(2, 2, 1),
    n_per_class=None,
    class_colors=None,
    n_colors=10,
    data_home=None,
    random_state=None,
    return_X_y=False,
):
    """Paste objects on backgrounds of one colour, which mostly says the class.

    ColoredCOCO [1]_ [2]_: in the training environments a background mostly has the
    colour of the class, in the last one it has a colour that was never seen. Read more
    in the :ref:`User Guide <colored_data>`.

    Parameters
    ----------
    objects : dict-like, str or path-like
        What `load_coco_objects` returns, or an ``.npz`` file of it: `rgb`, `mask`,
        `label`, `image_id` and, if labels are indices, `classes`.
    classes : array-like of str, default=None
        Which to take, and their order; by default all, in sorted order.
    strengths : array-like of shape (n_domains,), default=(0.8, 0.9, 0.0)
        How often the background has the colour of the class, in each environment.
    shares : array-like of shape (n_domains,), default=(2, 2, 1)
        How objects are dealt out to the environments, in whole numbers. All objects of
        one picture go to one environment.
    n_per_class : int or array-like of shape (n_domains,), default=None
        Pictures of each class in each environment; (400, 400, 200) in [2]_. Where an
        environment has fewer objects, all of them are pasted about as often, each time
        on a background of its own. None pastes each object once.
    class_colors : array-like of shape (n_classes, 3), default=None
        Colours of the classes, 0 to 255; by default the ten of [2]_.
    n_colors : int, default=10
        How many other colours there are, drawn at random, at a squared distance above
        2500 from those of the classes; and how many for the last environment, as far
        from both.
    data_home : str or path-like, default=None
        Folder that a file of objects lies in; by default the working directory.
    random_state : int, RandomState instance or None, default=None
        Draws the environments, the colours and the backgrounds.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 3, height, width), of float32
            Pixels, 0 to 1; backgrounds at three quarters of the brightness of colours.
        target : ndarray of shape (n_samples,)
            Class, an index into `target_names`.
        target_names : list of str
            The classes.
        sample_domain : ndarray of shape (n_samples,)
            Environment, 0 up.
        color : ndarray of shape (n_samples, 3), of uint8
            Colour of the background.
        color_class : ndarray of shape (n_samples,)
            The class that the colour is of; -1 for the other colours.
        class_colors, other_colors, unseen_colors : ndarray of shape (n, 3), of uint8
            The colours.
        indices, image_id : ndarray of shape (n_samples,)
            The object, and the picture that it is from.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Pictures and classes.

    Raises
    ------
    FileNotFoundError
        If `objects` is a file that is not there.
    ValueError
        If `objects` lacks something or its shapes do not agree, a class is not among
        them or has too few objects for `shares`, a parameter is out of range, there
        are more classes than class colours, or no room is left for other colours.

    See Also
    --------
    load_coco_objects : Cuts objects out of the pictures of COCO.
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
    """Draw colours at a distance from those that are taken."""
    candidates = rng.randint(256, size=(_N_CANDIDATES, 3))
    offsets = candidates[:, np.newaxis] - taken.astype(int)
    far = np.sum(offsets**2, axis=2).min(axis=1) > _MIN_SQUARED_DISTANCE
    if far.sum() < n_colors:
        raise ValueError(
            f"{len(taken)} colours leave no room for {n_colors} others at a squared "
            f"distance above {_MIN_SQUARED_DISTANCE}."
        )
    return candidates[far][:n_colors].astype(np.uint8)
