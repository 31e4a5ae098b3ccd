"""Fit the aligner inside a lift, with the class labels that it takes."""

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skalign._labels import check_labels


def fit_aligner(aligner, X, y, *, labels=None, target_labels=None):
    """Fit a clone of an unpaired aligner.

    Labels are passed on where the aligner's `fit` takes them and the aligner has not
    declined them, ``aligner.set_fit_request(labels=False)``. Some may be missing.

    Raises
    ------
    ValueError
        If the aligner needs pairs, or labels are no classes: fractions that hardly
        repeat, or more than one column.
    """
    if is_regressor(aligner):
        raise ValueError(
            f"{type(aligner).__name__} needs pairs, row i of both sides the same item; "
            "the rows of two domains are none. Choose an unpaired aligner."
        )
    passed, routing = {}, get_routing_for_object(aligner)
    requests = routing.fit.requests if hasattr(routing, "fit") else {}  # else a router
    for name, values in (("labels", labels), ("target_labels", target_labels)):
        if values is None or not has_fit_parameter(aligner, name):
            continue
        if requests.get(name) is False:  # declined
            continue
        try:
            values = check_labels(values, values, name, partly=True)
        except ValueError as error:
            raise ValueError(
                f"{error} {type(aligner).__name__} declines class labels after "
                f"aligner.set_fit_request({name}=False)."
            ) from None
        passed[name] = values
    return clone(aligner).fit(X, y, **passed)


def width_of(aligner, n_features):
    """Columns that a fitted aligner, of whatever library, maps `n_features` to."""
    if hasattr(aligner, "_n_features_out"):
        return aligner._n_features_out
    return aligner.transform(np.zeros((1, n_features))).shape[1]
