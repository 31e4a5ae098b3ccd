"""Fitting of the inner aligner, with the class labels that it accepts."""

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skalign._labels import check_labels


def fit_aligner(aligner, X, y, *, labels=None, target_labels=None):
    """Fit a clone of an unpaired aligner.

    Labels, some of which may be missing, are passed if the aligner's `fit` accepts
    them, unless ``aligner.set_fit_request(labels=False)`` was called.

    Raises
    ------
    ValueError
        If the aligner requires pairs, or labels are not classes: fractional numbers
        that rarely repeat, or more than one column.
    """
    check_unpaired(aligner)
    passed = {}
    for name, values in (("labels", labels), ("target_labels", target_labels)):
        if values is None or not accepts(aligner, name):
            continue
        try:
            values = check_labels(values, values, name, partly=True)
        except ValueError as error:
            raise ValueError(
                f"{error} To keep class labels from {type(aligner).__name__}, call "
                f"aligner.set_fit_request({name}=False)."
            ) from None
        passed[name] = values
    return clone(aligner).fit(X, y, **passed)


def check_unpaired(aligner):
    """Raise an error if an aligner requires pairs."""
    if is_regressor(aligner):
        raise ValueError(
            f"{type(aligner).__name__} requires pairs, but samples of two domains are "
            "not paired. Choose an unpaired aligner."
        )


def accepts(aligner, name):
    """Return whether `fit` of an aligner has a parameter and does not decline it."""
    routing = get_routing_for_object(aligner)
    requests = routing.fit.requests if hasattr(routing, "fit") else {}  # else a router
    return has_fit_parameter(aligner, name) and requests.get(name) is not False


def width_of(aligner, n_features):
    """Return the number of output features of a fitted aligner of any library."""
    if hasattr(aligner, "_n_features_out"):
        return aligner._n_features_out
    return aligner.transform(np.zeros((1, n_features))).shape[1]
