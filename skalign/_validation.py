"""Validation of the samples of each side."""

import warnings
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from skalign._column_names import (
    check_same_features,
    check_target_names,
    remember_names,
)
from skalign._labels import check_labels, repeats
from skalign._rescale import cast_finite

FLOATS = (np.float64, np.float32)


def check_pairs(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    reset=True,
    ensure_all_finite=True,
    ensure_min_samples=2,
):
    """Validate paired rows for `fit` or, with ``reset=False``, for `partial_fit`.

    Sets `n_features_in_`, `n_targets_`, `_y_ndim` and the names of columns on
    `estimator`. Who sums over the rows by `Moments` may leave the look for NaN to it
    (`ensure_all_finite`).

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets), of the dtype of `X`
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if issparse(y):
        raise TypeError("y is sparse; pass it dense, as y.toarray() gives it.")
    check_target_names(estimator, y, reset=reset)
    n_classes = count_classes(estimator, y)
    X, y = validate_data(
        estimator,
        X,
        y,
        dtype=FLOATS,
        multi_output=True,
        y_numeric=True,
        reset=reset,
        ensure_all_finite=ensure_all_finite,
        ensure_min_samples=ensure_min_samples,
    )
    y_ndim, y = y.ndim, _cast(y.reshape(len(y), -1), X.dtype)
    if reset:
        estimator._y_ndim, estimator.n_targets_ = y_ndim, y.shape[1]
    elif y.shape[1] != estimator.n_targets_:
        raise ValueError(
            f"y has {y.shape[1]} columns, but {type(estimator).__name__} was fitted "
            f"with {estimator.n_targets_}."
        )
    if sample_weight is not None:
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
    check_same_features(estimator)
    warn_of_classes(estimator, n_classes, X.shape[1])
    return X, y, sample_weight


def _cast(y, dtype):
    """Return target rows in the dtype of the source rows, if it holds them."""
    if y.dtype != dtype:
        assert_all_finite(y, input_name="y")
        y = cast_finite(y, dtype, "y")
    return y


def dimensions(y):
    """Number of dimensions of `y`, without functions that its type may lack."""
    # Of a tensor numpy may know no type.
    return y.ndim if hasattr(y, "ndim") else np.asarray(y).ndim


def count_classes(estimator, y):
    """Return the number of classes in a `y` that looks like class labels, else 0.

    That is one dimension of integers of which half or more occurred before.

    Raises
    ------
    ValueError
        If `y` is one dimension of strings.
    """
    if getattr(y, "ndim", 1) != 1 or (values := np.asarray(y)).ndim != 1:
        return 0
    kind, entries = values.dtype.kind, values.tolist() if values.dtype == object else []
    texts = values if kind in "SUT" else [v for v in entries if isinstance(v, str)]
    if len(texts):
        raise ValueError(
            f"y holds strings such as {texts[0]!s:.20}, and {type(estimator).__name__} "
            "needs target rows: numbers of shape (n_samples, n_targets). The class "
            "labels that a Pipeline passes on are none."
        )
    if kind in "iub" or (kind == "O" and all(isinstance(v, Integral) for v in entries)):
        return len(np.unique(values)) if repeats(values) else 0
    return 0


def warn_of_classes(estimator, n_classes, n_features):
    """Say that the `y` of a paired fit looks like `n_classes` class labels."""
    if n_classes and n_features > 1:
        warnings.warn(
            f"y is one column of {n_classes} different integers, as class labels are, "
            f"and {type(estimator).__name__} maps {n_features} columns to it. The "
            "labels that a Pipeline passes on are no target rows: pass these, of shape "
            "(n_samples, n_targets), as y. If y is a target of one column, pass it as "
            "floats or of shape (n_samples, 1).",
            UserWarning,
            stacklevel=6,
        )


def check_no_dates(X):
    """Refuse an array of dates or durations, on which estimators may fail inside."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", None) in ("M", "m"):
        raise TypeError(
            f"X has dtype {dtype}, but numbers are needed; durations are numbers after "
            "a division by a unit, as in X / np.timedelta64(1, 'D')."
        )


def check_varies(y):
    """Refuse a target whose rows are all the same."""
    if np.all(y == y[0]):
        raise ValueError("All rows of y are equal: there is nothing to predict.")


def check_target(y, n_targets):
    """Validate rows of the target space: finite floats, `n_targets` columns."""
    y = check_array(y, dtype=FLOATS, ensure_2d=False, input_name="y")
    y = y.reshape(-1, 1) if y.ndim == 1 else y
    if y.shape[1] != n_targets:
        raise ValueError(
            f"y has {y.shape[1]} columns, but the target space has {n_targets}."
        )
    return y


def check_sides(
    estimator,
    X,
    y,
    *,
    labels=None,
    target_labels=None,
    partly_labeled=False,
):
    """Validate source and target rows that do not correspond, for `fit`.

    Sets `n_features_in_`, `n_targets_` and the names of columns on `estimator`; where
    that has `_same_features`, widths and names must agree. A `y` that is None or
    one-dimensional (the class labels that a Pipeline passes on) holds no target rows:
    a warning says so, and the caller is to be the identity.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_target_samples, n_targets), of the dtype of `X`, or None
    labels : ndarray of shape (n_samples,) or None
    target_labels : ndarray of shape (n_target_samples,) or None
    """
    X = validate_data(estimator, X, dtype=FLOATS, ensure_min_samples=2)
    estimator._dtype, estimator._is_identity = X.dtype.name, False
    labels = check_labels(labels, X, "labels")
    if y is None or dimensions(y) == 1:
        warn_no_target_rows(estimator, y)
        stay_in_source(estimator)
        return X, None, labels, None
    check_target_names(estimator, y, reset=True)
    y = check_array(y, dtype=FLOATS, ensure_min_samples=2, input_name="y")
    if getattr(estimator, "_same_features", False) and y.shape[1] != X.shape[1]:
        raise ValueError(
            f"{estimator!r} needs equal widths: X has {X.shape[1]} columns, y has "
            f"{y.shape[1]}."
        )
    check_same_features(estimator)
    estimator.n_targets_ = y.shape[1]
    target_labels = check_labels(
        target_labels, y, "target_labels", partly=partly_labeled
    )
    return X, _cast(y, X.dtype), labels, target_labels


def stay_in_source(estimator):
    """Make the target space that of the source, of which it has width and names."""
    estimator.n_targets_ = estimator.n_features_in_
    names = getattr(estimator, "feature_names_in_", None)
    remember_names(estimator, names, "target_names_in_")


def warn_no_target_rows(estimator, y):
    """Say that `y` is None or 1-D: an unpaired aligner has no target then."""
    warnings.warn(
        f"y holds no target rows, it is {'None' if y is None else '1-D'}: "
        f"{type(estimator).__name__} is the identity. Pass target rows of shape "
        "(n_target_samples, n_targets) as y, or wrap the aligner in DomainAdapter, "
        "which takes X_target.",
        UserWarning,
        stacklevel=6,
    )
