"""Input checks that more than one room needs."""

import warnings

import numpy as np
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

FLOATS = (np.float64, np.float32)


def check_pairs(estimator, X, y, *, sample_weight=None, reset=True):
    """Validate paired rows for `fit` or, with ``reset=False``, for `partial_fit`.

    Sets `n_features_in_`, `n_targets_` and `_y_ndim` on `estimator`.

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
        ensure_min_samples=2 if reset else 1,
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
            sample_weight, X, dtype=X.dtype, ensure_non_negative=True
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
