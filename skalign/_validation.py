"""Input checks that more than one room needs."""

import warnings
from functools import wraps

import numpy as np
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    column_or_1d,
    validate_data,
)

FLOATS = (np.float64, np.float32)


def atomic(method):
    """Leave the estimator as it was where `method` fails or is interrupted."""

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return wrapper


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

    Sets `n_features_in_`, `n_targets_` and `_y_ndim` on `estimator`. Who sums over
    the rows by `Moments` may leave the look for NaN to it (`ensure_all_finite`).

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets), of the dtype of `X`
    sample_weight : ndarray of shape (n_samples,) or None
    """
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
    y_ndim, y = y.ndim, y.reshape(len(y), -1).astype(X.dtype, copy=False)
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
    return X, y, sample_weight


def check_target(y, n_targets):
    """Validate rows of the target space: finite floats, `n_targets` columns."""
    y = check_array(y, dtype=FLOATS, ensure_2d=False, input_name="y")
    y = y.reshape(-1, 1) if y.ndim == 1 else y
    if y.shape[1] != n_targets:
        raise ValueError(
            f"y has {y.shape[1]} columns, but the target space has {n_targets}."
        )
    return y


def check_sides(estimator, X, y, *, labels=None, target_labels=None, equal_width=False):
    """Validate source and target rows that do not correspond, for `fit`.

    Sets `n_features_in_` and `n_targets_` on `estimator`. A `y` that is None or
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
    labels = check_labels(labels, X, "labels")
    name = type(estimator).__name__
    if y is None or np.ndim(y) == 1:
        warnings.warn(
            f"y holds no target rows, it is {'None' if y is None else '1-D'}: {name} "
            "is the identity. Pass target rows of shape (n_target_samples, n_targets) "
            "as y, or wrap the aligner in DomainAdapter, which takes X_target.",
            UserWarning,
            stacklevel=4,
        )
        estimator.n_targets_ = X.shape[1]
        return X, None, labels, None
    y = check_array(y, dtype=FLOATS, ensure_min_samples=2, input_name="y")
    if equal_width and y.shape[1] != X.shape[1]:
        raise ValueError(
            f"{name} needs equal widths: X has {X.shape[1]} columns, y has "
            f"{y.shape[1]}."
        )
    estimator.n_targets_ = y.shape[1]
    target_labels = check_labels(target_labels, y, "target_labels")
    return X, y.astype(X.dtype, copy=False), labels, target_labels


def check_labels(labels, rows, name):
    """Validate class labels, strings or numbers, one for each of `rows`; or None."""
    if labels is None:
        return None
    labels = column_or_1d(labels)
    if len(labels) != len(rows):
        raise ValueError(f"{name} has {len(labels)} entries for {len(rows)} rows.")
    return labels
