"""Classes that are on both sides."""

import warnings

import numpy as np

from skalign._warnings import user_level
from skalign.moments import check_same_kind


def shared_classes(labels, target_labels, *, minimum):
    """Return the sorted classes on both sides; warn about those on one side only.

    Parameters
    ----------
    labels, target_labels : array-like of shape (n_samples,) and (n_target_samples,)
        Classes of the samples, or each class once.
    minimum : int
        Number of shared classes required.

    Raises
    ------
    ValueError
        If there are fewer shared classes than `minimum`.
    """
    source, target = np.unique(labels), np.unique(target_labels)
    check_same_kind(source, target, "labels", "target_labels")
    shared = np.intersect1d(source, target)
    if len(shared) < minimum:
        raise ValueError(
            f"Classes on both sides: {len(shared)}; at least {minimum} are needed. "
            f"labels has {_named(source)}; target_labels has {_named(target)}."
        )
    for name, classes in (("labels", source), ("target_labels", target)):
        if len(one_sided := np.setdiff1d(classes, shared)):
            warnings.warn(
                f"Classes that occur only in {name} are ignored: {_named(one_sided)}.",
                UserWarning,
                stacklevel=user_level(),
            )
    return shared


def _named(classes):
    names = [repr(c) for c in classes[:10].tolist()]
    return ", ".join(names) + (", ..." if len(classes) > 10 else "")
