"""Validation of the inputs of metrics."""

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight, check_array

from skalign._arrays import (
    arrive,
    check_rows,
    is_of_another_library,
    namespace,
    to_numpy,
)
from skalign._dask import as_array, is_dask, one_sample
from skalign._rescale import near_one
from skalign._validation import FLOATS, column_names

SPACES = {"X": ["array-like"], "Y": ["array-like"]}
WEIGHTED_SPACES = {
    **SPACES,
    "X_weight": ["array-like", None],
    "Y_weight": ["array-like", None],
}
PAIR_MASS = 1e-8


def check_spaces(X, Y, *, any_library=False, dask=False):
    """Validate two sets of samples of one space.

    Returns
    -------
    X : ndarray of shape (n_samples_x, n_features)
    Y : ndarray of shape (n_samples_y, n_features)
        Both of one dtype: float32 if both were float32, else float64. With
        `any_library`, arrays of other array API libraries stay in their library and on
        their device. With `dask`, samples of Dask are returned as Dask arrays, which
        are not computed.

    Raises
    ------
    ValueError
        If the numbers of features differ; if `X` or `Y` is empty, not 2-D or not
        finite; or if both have the same column names in different order.
    """
    named, others = column_names(X), column_names(Y)
    # Other names are allowed: a map may have named its columns itself.
    if (
        named is not None
        and others is not None
        and not np.array_equal(named, others)
        and np.array_equal(np.sort(named), np.sort(others))
    ):
        raise ValueError(
            f"X and Y have the same column names in different order: {[*named]} in X, "
            f"{[*others]} in Y."
        )
    X, Y = _check_both(X, Y, any_library, dask)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but Y has {Y.shape[1]}: both must be in the "
            "same space."
        )
    return X, Y


def check_paired_rows(X, Y, *, any_library=False, dask=False):
    """Validate two representations of the same samples.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features_x)
    Y : ndarray of shape (n_samples, n_features_y)
        Both of one dtype: float32 if both were float32, else float64. With
        `any_library`, arrays of other array API libraries stay in their library and on
        their device. With `dask`, samples of Dask are returned as Dask arrays, which
        are not computed.

    Raises
    ------
    ValueError
        If the numbers of samples differ, or `X` or `Y` is empty, not 2-D or not finite.
    """
    X, Y = _check_both(X, Y, any_library, dask)
    if X.shape[0] != Y.shape[0] and not (is_dask(X) or is_dask(Y)):  # see `split`
        raise ValueError(
            f"X has {X.shape[0]} samples, but Y has {Y.shape[0]}: both must hold the "
            "same samples."
        )
    return X, Y


def _check_both(X, Y, any_library, dask):
    """Validate both sides, and convert them to one dtype."""
    if dask and (is_dask(X) or is_dask(Y)):
        sides = {"X": X, "Y": Y}
        made = {k: one_sample(v, k) if is_dask(v) else v for k, v in sides.items()}
        checked = _check_both(*made.values(), any_library, False)
        return [
            as_array(rows).astype(of.dtype) if is_dask(rows) else of
            for rows, of in zip(sides.values(), checked, strict=True)
        ]
    xp = np
    if any_library and any(is_of_another_library(rows) for rows in (X, Y)):
        xp = namespace(X, Y)
        if X.device != Y.device:
            raise ValueError(f"X is on {X.device}, but Y is on {Y.device}.")
        X, Y = check_rows(X, "X"), check_rows(Y, "Y")
    else:
        X, Y = (
            check_array(arrive(rows, name), dtype=FLOATS, input_name=name)
            for rows, name in ((X, "X"), (Y, "Y"))
        )
    dtype = xp.result_type(X, Y)
    return xp.asarray(X, dtype=dtype), xp.asarray(Y, dtype=dtype)


def check_no_overflow(value, dtype):
    """Return `value` as a float, or raise if it overflowed `dtype`."""
    value = float(value)
    if not np.isfinite(value):
        raise ValueError(f"Powers of the distances overflow {dtype}: rescale the data.")
    return value


def check_mass(weight, rows):
    """Return the samples of positive weight and their normalised weights.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all weights are zero, or their number
        differs from the number of samples.
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
        weight = near_one(weight[kept])  # so that the sum cannot overflow
        weight /= weight.sum()
    return rows, xp.asarray(weight, device=rows.device)


def check_pair_mass(*masses):
    """Raise if the weights of a side, which sum to one, leave no pairs of samples.

    Unbiased estimates are divided by the weight of pairs of different samples, ``1 -
    mass @ mass``; below `PAIR_MASS`, less than half of the digits are correct.
    """
    for mass in masses:
        if not 1 - float(mass @ mass) >= PAIR_MASS:
            largest = float(namespace(mass).max(mass))
            raise ValueError(
                "An unbiased estimate needs at least 2 samples per set; one set has "
                f"{mass.shape[0]}, with {largest:.6%} of the weight on one of them."
            )


def check_pairs_fit(n, m):
    """Raise if one number for each pair of samples exceeds `working_memory`."""
    needed, memory = 8 * n * m / 2**20, get_config()["working_memory"]
    if needed > memory:
        raise ValueError(
            f"A matrix of {n} x {m} pairs takes {needed:.0f} MiB, but working_memory="
            f"{memory} MiB: use fewer samples or a sliced or blockwise metric, or "
            "increase it by sklearn.set_config."
        )
