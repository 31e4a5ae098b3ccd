"""Coefficient of determination of targets in any unit."""

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from skalign._arrays import arrive, beside, floats, join, namespace, to_numpy
from skalign._dask import is_dask, map_and_merge, naming, split
from skalign._rescale import near_one, power_of, times_power
from skalign._validation import check_weight
from skalign.moments import Moments


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
    if is_dask(predicted):
        return _r2_of_dask(y, predicted, sample_weight)
    predicted = arrive(predicted, "predicted", stays=True)
    y = join(arrive(y, "y", stays=True), predicted)
    y, predicted = (
        check_array(rows, dtype=floats(rows), ensure_2d=False, input_name=name)
        for rows, name in ((y, "y"), (predicted, "predicted"))
    )
    xp = namespace(predicted)
    y, predicted = (xp.reshape(rows, (rows.shape[0], -1)) for rows in (y, predicted))
    if y.shape != predicted.shape:
        raise ValueError(
            f"y has shape {tuple(y.shape)}, but the predictions have "
            f"{tuple(predicted.shape)}."
        )
    if sample_weight is not None:
        sample_weight = beside(near_one(check_weight(sample_weight, y)), y)
    power = -power_of(y, axis=None if multioutput == "variance_weighted" else 0)
    with np.errstate(over="ignore"):
        scaled = times_power(predicted, power)
        score = (
            r2_score(
                times_power(y, power),
                scaled,
                sample_weight=sample_weight,
                multioutput=multioutput,
            )
            if xp.all(xp.isfinite(scaled))
            else -np.inf
        )
    if np.isinf(score):
        largest = (to_numpy(xp.max(xp.abs(rows), axis=0)) for rows in (predicted, y))
        of_predicted, of_y = largest
        k = to_numpy(xp.max(xp.abs(scaled), axis=0)).argmax()
        raise ValueError(
            f"R2 overflows {y.dtype}: in column {k} predictions are as large as "
            f"{of_predicted[k]:.3g}, but targets as {of_y[k]:.3g}. Check the scale of "
            "the samples."
        )
    return float(score)


def _r2_of_dask(y, predicted, sample_weight):
    """Compute the uniform average of R2 from sums over the partitions."""
    given = {"y": y, "predicted": predicted, "sample_weight": sample_weight}
    parts = split({name: of for name, of in given.items() if of is not None})
    sums = map_and_merge(_residuals_of_part, None, enumerate(parts))
    if sums is None or sums[0].n_samples < 2:
        raise ValueError("R2 needs at least 2 samples.")
    moments, residual = sums
    total = np.where(moments.varies(), moments.x2, 0)
    # As scikit-learn scores targets that are all equal.
    score = np.where(residual == 0, 1.0, 0.0)
    np.divide(total - residual, total, out=score, where=total > 0)
    return float(score.mean())


def _residuals_of_part(_, i, part):
    """Return sums over the targets of a partition, and over squared residuals."""
    weight = part.get("sample_weight")
    if len(part["y"]) == 0 or (weight is not None and not np.any(weight)):
        return None
    with naming(f"Partition {i}"):
        y, predicted = (
            check_array(part[name], dtype=np.float64, ensure_2d=False, input_name=name)
            for name in ("y", "predicted")
        )
        y, predicted = (rows.reshape(len(rows), -1) for rows in (y, predicted))
        if y.shape != predicted.shape:
            raise ValueError(
                f"y has shape {y.shape}, but the predictions have {predicted.shape}."
            )
        moments = Moments.from_arrays(y, sample_weight=weight, products=("x2",))
        squares = (y - predicted) ** 2
        mass = np.ones(len(y)) if weight is None else np.asarray(weight)
        return moments, mass @ squares
