"""Input checks that every metric needs."""

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight, check_array

from skalign._validation import FLOATS


def check_spaces(X, Y):
    """Validate two sets of rows of one space.

    Returns
    -------
    X : ndarray of shape (n_samples_x, n_features)
    Y : ndarray of shape (n_samples_y, n_features)
        Of one dtype: float32 if both came so, else float64.

    Raises
    ------
    ValueError
        If the widths differ, or a set is empty, not 2-D or not finite.
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    Y = check_array(Y, dtype=FLOATS, input_name="Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} columns, but Y has {Y.shape[1]}: both must be rows of "
            "one space."
        )
    dtype = np.result_type(X, Y)
    return X.astype(dtype, copy=False), Y.astype(dtype, copy=False)


def check_paired_rows(X, Y):
    """Validate two representations, of any widths, of the same rows.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features_x)
    Y : ndarray of shape (n_samples, n_features_y)
        Of one dtype: float32 if both came so, else float64.

    Raises
    ------
    ValueError
        If the lengths differ, or a set is empty, not 2-D or not finite.
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    Y = check_array(Y, dtype=FLOATS, input_name="Y")
    if len(X) != len(Y):
        raise ValueError(
            f"X has {len(X)} rows, but Y has {len(Y)}: both must be of the same items."
        )
    dtype = np.result_type(X, Y)
    return X.astype(dtype, copy=False), Y.astype(dtype, copy=False)


def check_no_overflow(value, dtype):
    """Return `value` as a float, or say that `dtype` could not hold its sums."""
    if not np.isfinite(value):
        raise ValueError(f"Powers of the distances overflow {dtype}: scale the rows.")
    return float(value)


def check_mass(weight, rows):
    """Return the rows of positive weight, and their weights, made to sum to one.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or there are not as many
        as rows.
    """
    if weight is None:
        return rows, np.full(len(rows), 1 / len(rows))
    weight = _check_sample_weight(
        weight, rows, dtype=np.float64, ensure_non_negative=True
    )
    kept = np.flatnonzero(weight)
    return rows[kept], weight[kept] / weight.sum()


def check_pairs_fit(n, m):
    """Refuse so many pairs that one number for each passes `working_memory`."""
    needed, memory = 8 * n * m / 2**20, get_config()["working_memory"]
    if needed > memory:
        raise ValueError(
            f"A matrix of {n} x {m} pairs takes {needed:.0f} MiB, but working_memory="
            f"{memory} MiB: take fewer rows, a sliced or blockwise measure, or raise "
            "it by sklearn.set_config."
        )
