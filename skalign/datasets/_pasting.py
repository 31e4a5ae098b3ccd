"""Pasting of objects onto backgrounds that correlate with their class."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import Bunch, check_consistent_length, gen_batches

from skalign._files import npz_keys, read_npz
from skalign._labels import check_names
from skalign._validation import check_numbers, is_whole
from skalign.datasets._folders import check_kinds

_KEYS = ["rgb", "mask", "label", "image_id"]


def read_objects(objects, classes, data_home):
    """Validate cut-out objects from a mapping or an .npz file, and select classes.

    Returns
    -------
    objects : Bunch with rgb (n, height, width, 3), mask (n, height, width), label (n,)
        an index into classes, classes a list of str, image_id (n,), and indices (n,)
        into what was given
    """
    where = "objects"
    if isinstance(objects, str | os.PathLike):
        where = path = Path("" if data_home is None else data_home, objects)
        path = path.expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        keys = npz_keys(path)
        objects = read_npz(path, [key for key in (*_KEYS, "classes") if key in keys])
    if not isinstance(objects, Mapping) or not all(key in objects for key in _KEYS):
        raise ValueError(f"{where} must hold {', '.join(_KEYS)}.")
    rgb, mask, label, image_id = (np.asarray(objects[key]) for key in _KEYS)
    if label.ndim != 1 or image_id.ndim != 1 or rgb.ndim == 0 or mask.ndim == 0:
        raise ValueError(
            f"{where} must hold a label and an image_id for each object; their shapes "
            f"are {label.shape} and {image_id.shape}."
        )
    check_consistent_length(rgb, mask, label, image_id)
    if len(rgb) == 0:
        raise ValueError(f"{where} contains no object.")
    suits = rgb.ndim == 4 and rgb.shape[3] == 3 and rgb.shape[:3] == mask.shape
    if not suits or rgb.dtype != np.uint8 or mask.dtype != np.uint8:
        raise ValueError(
            f"{where} has rgb {rgb.dtype} {rgb.shape} and mask {mask.dtype} "
            f"{mask.shape}; expected uint8 of shapes (n, height, width, 3) and "
            "(n, height, width)."
        )
    if "classes" in objects:
        names = np.ravel(objects["classes"])
        if label.dtype.kind not in "iu" or not 0 <= label.min() <= label.max() < len(
            names
        ):
            raise ValueError(
                f"The labels of {where} are not indices into its {len(names)} classes."
            )
        label = names[label]
    check_names(image_id, f"image_id of {where}")
    label = label.astype(str)
    classes = check_kinds(label, classes, "class", where)
    kept = np.flatnonzero(np.isin(label, classes))
    return Bunch(
        rgb=rgb[kept],
        mask=mask[kept],
        label=np.array([classes.index(name) for name in label[kept]]),
        classes=classes,
        image_id=image_id[kept],
        indices=kept,
    )


def check_environments(strengths, shares, n_per_class):
    """Validate the parameters of the environments.

    Returns
    -------
    strengths : ndarray of shape (n_domains,)
    shares : ndarray of shape (n_domains,), of integers
    n_per_class : ndarray of shape (n_domains,), of integers, or None
    """
    strengths = check_numbers(strengths, "strengths", most=1)
    shares = _check_whole(shares, "shares", len(strengths))
    if is_whole(n_per_class):
        n_per_class = [n_per_class] * len(strengths)
    if n_per_class is not None:
        n_per_class = _check_whole(n_per_class, "n_per_class", len(strengths))
    return strengths, shares, n_per_class


def _check_whole(values, name, n):
    entries = np.asarray(values, dtype=object)
    if entries.shape != (n,) or not all(
        is_whole(v) and 1 <= v < 2**63 for v in entries
    ):
        raise ValueError(
            f"{name}={values!r} must be whole numbers above 0, one for each of {n} "
            "environments."
        )
    return entries.astype(np.int64)


def deal_out(objects, shares, n_per_class, rng):
    """Distribute objects over environments; each source image goes to one environment.

    Returns
    -------
    rows : ndarray of shape (n_samples,), objects, some of them more than once
    domain : ndarray of shape (n_samples,), their environments, in sorted order
    """
    counts = np.bincount(objects.label, minlength=len(objects.classes))
    n_parts = int(np.sum(shares))
    if counts.min() < n_parts:
        raise ValueError(
            f"Class {objects.classes[counts.argmin()]!r} has {counts.min()} objects; "
            f"shares={shares.tolist()} want at least {n_parts}."
        )
    pictures, of_picture = np.unique(objects.image_id, return_inverse=True)
    if len(pictures) < n_parts:
        raise ValueError(
            f"The objects are from {len(pictures)} source images; "
            f"shares={shares.tolist()} want at least {n_parts}."
        )
    seed = rng.randint(2**31 - 1)
    parts = [np.arange(len(objects.label))]
    if n_parts > 1:
        splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
        folds = splitter.split(objects.label, objects.label, of_picture)
        parts = [part for _, part in folds]
    ends = np.cumsum(shares)
    rows = []
    for e, (start, end) in enumerate(zip(ends - shares, ends, strict=True)):
        own = np.concatenate(parts[start:end])
        dealt = []
        for k, name in enumerate(objects.classes):
            of_class = rng.permutation(own[objects.label[own] == k])
            if len(of_class) == 0:
                raise ValueError(
                    f"Environment {e} has no object of class {name!r}, whose "
                    f"{counts[k]} objects are in few images; another random_state "
                    "may deal them out better."
                )
            n = len(of_class) if n_per_class is None else n_per_class[e]
            dealt.append(np.resize(of_class, n))  # again from the start if too few
        rows.append(np.concatenate(dealt))
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), list(map(len, rows)))


def draw_kinds(target, domain, strengths, others, rng):
    """Draw a kind of background for each object: that of its class, or another one.

    Parameters
    ----------
    others : list of n_domains ndarray, kinds to draw from in an environment, but for
        the own one; None for those of the classes

    Returns
    -------
    kinds : ndarray of shape (n_samples,), below n_classes that of a class
    """
    n_classes = target.max() + 1
    kinds = target.copy()
    away = np.flatnonzero(rng.uniform(size=len(target)) >= strengths[domain])
    for place in away:
        choice = others[domain[place]]
        choice = np.arange(n_classes) if choice is None else choice
        choice = choice[choice != target[place]]
        kinds[place] = choice[rng.randint(len(choice))]
    return kinds


def paste(objects, rows, backgrounds, which):
    """Paste objects onto backgrounds with their soft masks.

    Parameters
    ----------
    rows : ndarray of shape (n_samples,), of `objects`
    backgrounds : ndarray of shape (n, 3, height, width) or (n, 3, 1, 1), of float32
    which : ndarray of shape (n_samples,), of `backgrounds`

    Returns
    -------
    data : ndarray of shape (n_samples, 3, height, width), of float32, 0 to 1
    """
    height, width = objects.mask.shape[1:]
    data = np.empty((len(rows), 3, height, width), dtype=np.float32)
    for batch in gen_batches(len(rows), 512):
        of_batch = rows[batch]
        alpha = objects.mask[of_batch][:, np.newaxis] / np.float32(255)
        rgb = objects.rgb[of_batch].transpose(0, 3, 1, 2) / np.float32(255)
        data[batch] = alpha * rgb + (1 - alpha) * backgrounds[which[batch]]
    return data
