"""Detection of samples on a scale that indicates missing preprocessing."""

import numpy as np

_SCALED, _AWAY, _OTHER_UNIT, _MOST = 10, 300, 100, 0.95
_ENOUGH_ROWS, _FAR, _TIMES = 10, 3, 10


@np.errstate(over="ignore", invalid="ignore")
def columns_of(rows):
    """Means and standard deviations of the columns."""
    mean = rows.mean(axis=0, dtype=np.float64)
    return mean, rows.std(axis=0, dtype=np.float64)


@np.errstate(over="ignore", invalid="ignore")
def beside_scaled(source, target):
    """Describe how far the target is from a scaled source; None if it is near.

    If the features of the source have unit scale, as after a scaler, and those of the
    target are 100 times as large or 300 standard deviations away, the scaler was not
    applied to the target.
    """
    (mean, std), (target_mean, target_std) = columns_of(source), columns_of(target)
    varies = std > 0
    mean, std, target_mean, target_std = (
        part[varies] for part in (mean, std, target_mean, target_std)
    )
    is_scaled = (np.abs(mean) < _SCALED) & (std < _SCALED) & (std > 1 / _SCALED)
    if not len(std) or not is_scaled.all():
        return None
    # Some columns may be almost constant in the source.
    far = np.quantile(np.abs(target_mean - mean) / std, _MOST, method="higher")
    if far > _AWAY:
        return f"its means are up to {far:.1g} standard deviations away"
    times = np.quantile(target_std / std, _MOST, method="higher")
    if times > _OTHER_UNIT:
        return f"its standard deviations are up to {times:.1g} times as large"
    return None


@np.errstate(over="ignore", invalid="ignore")
def unlike(rows, mean, std):
    """Describe how far new samples are from the training samples; None if near.

    At least half of the features must differ by 3 standard deviations or a factor of
    10, which is rare for a subset of the samples or a single class.
    """
    varies = std > 0
    if len(rows) < _ENOUGH_ROWS or not varies.any():
        return None
    new_mean, new_std = columns_of(rows)
    far = np.median(np.abs(new_mean - mean)[varies] / std[varies])
    if far > _FAR:
        return f"in half of the columns the mean is {far:.1g} standard deviations away"
    ratio = np.median(new_std[varies] / std[varies])
    if ratio > _TIMES or 0 < ratio < 1 / _TIMES:
        return f"in half of the columns the spread is {ratio:.1g} times as large"
    return None
