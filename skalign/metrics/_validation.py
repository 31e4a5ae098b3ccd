"""Input checks that every metric needs."""

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight, check_array

from skalign._arrays import (
    check_rows,
    is_of_another_library,
    namespace,
    to_numpy,
)
from skalign._column_names import column_names
from skalign._rescale import near_one
from skalign._validation import FLOATS

_PAIR_MASS = 1e-8


def check_spaces(X, Y, *, any_library=False):
    """Validate two sets of rows of one space.

    Returns
    -------
    X : ndarray of shape (n_samples_x, n_features)
    Y : ndarray of shape (n_samples_y, n_features)
        Of one dtype: float32 if both came so, else float64. With `any_library`, arrays
        that follow the array API stay what and where they are.

    Raises
    ------
    ValueError
        If the widths differ, or a set is empty, not 2-D or not finite; or if both have
        the same column names in another order.
    """
    named, others = column_names(X), column_names(Y)
    # Other names are no error: a map may have named its columns itself.
    if (
        named is not None
        and others is not None
        and not np.array_equal(named, others)
        and np.array_equal(np.sort(named), np.sort(others))
    ):
        raise ValueError(
            f"X and Y have the same column names in another order: {[*named]} in X, "
            f"{[*others]} in Y."
        )
    X, Y = _check_both(X, Y, any_library)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} columns, but Y has {Y.shape[1]}: both must be rows of "
            "one space."
        )
    return X, Y


def check_paired_rows(X, Y, *, any_library=False):
    """Validate two representations, of any widths, of the same rows.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features_x)
    Y : ndarray of shape (n_samples, n_features_y)
        Of one dtype: float32 if both came so, else float64. With `any_library`, arrays
        that follow the array API stay what and where they are.

    Raises
    ------
    ValueError
        If the lengths differ, or a set is empty, not 2-D or not finite.
    """
    X, Y = _check_both(X, Y, any_library)
    if X.shape[0] != Y.shape[0]:
        raise ValueError(
            f"X has {X.shape[0]} rows, but Y has {Y.shape[0]}: both must be of the "
            "same items."
        )
    return X, Y


def _check_both(X, Y, any_library):
    """Validate rows of two sides, and bring them to one dtype."""
    xp = np
    if any_library and any(is_of_another_library(rows) for rows in (X, Y)):
        xp = namespace(X, Y)
        if X.device != Y.device:
            raise ValueError(f"X is on {X.device}, but Y is on {Y.device}.")
        X, Y = check_rows(X, "X"), check_rows(Y, "Y")
    else:
        X = check_array(X, dtype=FLOATS, input_name="X")
        Y = check_array(Y, dtype=FLOATS, input_name="Y")
    dtype = xp.result_type(X, Y)
    return xp.asarray(X, dtype=dtype), xp.asarray(Y, dtype=dtype)


def check_no_overflow(value, dtype):
    """Return `value` as a float, or say that `dtype` could not hold its sums."""
    value = float(value)
    if not np.isfinite(value):
        raise ValueError(f"Powers of the distances overflow {dtype}: scale the rows.")
    return value


def check_mass(weight, rows):
    """Return the rows of positive weight, and their weights, made to sum to one.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or there are not as many
        as rows.
    """
    xp, n_samples = namespace(rows), rows.shape[0]
    if weight is None:
        weight = np.full(n_samples, 1 / n_samples)
    else:
        weight = to_numpy(weight) if is_of_another_library(weight) else weight
        weight = _check_sample_weight(
            weight, np.empty(n_samples), dtype=np.float64, ensure_non_negative=True
        )
        kept = np.flatnonzero(weight)
        rows = xp.take(rows, xp.asarray(kept, device=rows.device), axis=0)
        weight = near_one(weight[kept])  # no sum of which overflows
        weight /= weight.sum()
    return rows, xp.asarray(weight, device=rows.device)


def check_pair_mass(*masses):
    """Refuse weights, each side's sum being one, under which no two rows count.

    What two different rows share out, ``1 - mass @ mass``, divides the unbiased
    estimates; below `_PAIR_MASS` rounding leaves it fewer than half of its digits.
    """
    for mass in masses:
        if not 1 - float(mass @ mass) >= _PAIR_MASS:
            largest = float(namespace(mass).max(mass))
            raise ValueError(
                "An unbiased estimate needs two rows a side, but one has "
                f"{mass.shape[0]}, with {largest:.6%} of the weight on one of them."
            )


def check_pairs_fit(n, m):
    """Refuse so many pairs that one number for each passes `working_memory`."""
    needed, memory = 8 * n * m / 2**20, get_config()["working_memory"]
    if needed > memory:
        raise ValueError(
            f"A matrix of {n} x {m} pairs takes {needed:.0f} MiB, but working_memory="
            f"{memory} MiB: take fewer rows, a sliced or blockwise measure, or raise "
            "it by sklearn.set_config."
        )
