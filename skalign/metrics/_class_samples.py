"""Samples of several classes, in one or more domains."""

import numpy as np
from sklearn.utils import check_array

from skalign._arrays import (
    arrive,
    as_dtype,
    floats,
    namespace,
    take_rows,
    to_numpy,
)
from skalign._labels import check_classes, check_domain
from skalign._rescale import column_means
from skalign.metrics._procrustes import to_length_one
from skalign.moments import storage_precision

CLASS_SAMPLES = {
    "X": ["array-like"],
    "y": ["array-like"],
    "sample_domain": ["array-like", None],
}
EQUAL_MEANS = "All class means are equal, so they span no simplex."


def check_class_samples(X, y, sample_domain):
    """Validate the samples and group them by domain.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), of float64
    codes : ndarray of shape (n_samples,), class indices from 0 to n_classes - 1
    n_classes : int
    groups : list of ndarray, sample indices of each domain; one group without
    """
    X = read_samples(X)
    classes, codes = check_classes(y, X)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}; at least 2 are needed."
        )
    if sample_domain is None:
        return X, codes, len(classes), [np.arange(len(codes))]
    domain = check_domain(sample_domain, X)
    groups = []
    for value in np.unique(domain):
        groups.append(np.flatnonzero(domain == value))
        missing = np.setdiff1d(np.arange(len(classes)), codes[groups[-1]])
        if len(missing):
            raise ValueError(
                f"Domain {value.item()!r} of sample_domain has no sample of class "
                f"{classes.tolist()[missing[0]]!r}; every class is needed in each."
            )
    return X, codes, len(classes), groups


def read_samples(X):
    """Validate samples as float64, where they are if array API dispatch is enabled."""
    X = arrive(X, "X", stays=True)
    return check_array(X, dtype=floats(X)[0], input_name="X")


def class_means(X, codes, n_classes):
    """Return the mean of each class, on the CPU."""
    groups = (np.flatnonzero(codes == k) for k in range(n_classes))
    return np.stack([to_numpy(column_means(take_rows(X, rows))) for rows in groups])


def column_precision(X):
    """Return the relative precision of the stored values of each column."""
    X = arrive(X, "X", stays=True)
    X = check_array(X, input_name="X")
    is_float = namespace(X).isdtype(X.dtype, "real floating")
    return storage_precision(X if is_float else as_dtype(X, floats(X)[0]))


def in_each_domain(measure, X, y, sample_domain, *arrays):
    """Evaluate a measure on all samples, or on those of each domain."""
    X, codes, n_classes, groups = check_class_samples(X, y, sample_domain)
    values = [
        measure(
            take_rows(X, rows),
            codes[rows],
            n_classes,
            *(array[rows] for array in arrays),
        )
        for rows in groups
    ]
    return float(values[0]) if sample_domain is None else np.array(values)


def unit_means(X, codes, n_classes):
    """Return the class means as rows, centred and of unit Frobenius norm."""
    means = to_length_one(class_means(X, codes, n_classes))
    if not means.any():
        raise ValueError(EQUAL_MEANS)
    return means


def check_one_per_class(array, name, X, n_classes, wanted):
    if array.shape != wanted:
        raise ValueError(
            f"{name} has shape {array.shape}, but {X.shape[1]} features and "
            f"{n_classes} classes need {wanted}."
        )
