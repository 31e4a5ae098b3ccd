"""Coefficient of determination of targets in any unit."""

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import _check_sample_weight, check_array

from skalign._rescale import near_one, power_of
from skalign._validation import FLOATS


def r2(y, predicted, *, sample_weight=None, multioutput="uniform_average"):
    """Compute R2 as scikit-learn does, where squares would overflow or underflow too.

    Targets and predictions are divided by a power of two, which changes no digit.

    Parameters
    ----------
    y, predicted : array-like of shape (n_samples,) or (n_samples, n_targets)
    sample_weight : array-like of shape (n_samples,), default=None
    multioutput : {"uniform_average", "variance_weighted"}, default="uniform_average"

    Returns
    -------
    r2 : float
        At most 1; NaN, with a warning, for a single sample.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or the score overflows.
    """
    y, predicted = (
        check_array(rows, dtype=FLOATS, ensure_2d=False, input_name=name)
        for rows, name in ((y, "y"), (predicted, "predicted"))
    )
    y, predicted = (rows.reshape(len(rows), -1) for rows in (y, predicted))
    if y.shape != predicted.shape:
        raise ValueError(
            f"y has shape {y.shape}, but the predictions have {predicted.shape}."
        )
    if sample_weight is not None:
        sample_weight = near_one(_check_sample_weight(sample_weight, y))
    power = -power_of(y, axis=None if multioutput == "variance_weighted" else 0)
    with np.errstate(over="ignore"):
        scaled = np.ldexp(predicted, power)
        score = (
            r2_score(
                np.ldexp(y, power),
                scaled,
                sample_weight=sample_weight,
                multioutput=multioutput,
            )
            if np.isfinite(scaled).all()
            else -np.inf
        )
    if np.isinf(score):
        k = np.abs(scaled).max(axis=0).argmax()
        raise ValueError(
            f"R2 overflows {y.dtype}: in column {k} predictions are as large as "
            f"{np.abs(predicted[:, k]).max():.3g}, but targets as "
            f"{np.abs(y[:, k]).max():.3g}. Check the scale of the samples."
        )
    return float(score)
