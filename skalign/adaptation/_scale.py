"""Scales by which rows cannot be what they are taken for."""

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
    """Say by how much target rows differ from source rows that are scaled, or None.

    Where the columns of the source are of size 1, as a scaler leaves them, and those of
    the target are 100 times as large, or 300 deviations away, the scaler has not seen
    the target.
    """
    (mean, std), (target_mean, target_std) = columns_of(source), columns_of(target)
    varies = std > 0
    mean, std, target_mean, target_std = (
        part[varies] for part in (mean, std, target_mean, target_std)
    )
    is_scaled = (np.abs(mean) < _SCALED) & (std < _SCALED) & (std > 1 / _SCALED)
    if not len(std) or not is_scaled.all():
        return None
    # A few columns may be all but constant in the source.
    far = np.quantile(np.abs(target_mean - mean) / std, _MOST, method="higher")
    if far > _AWAY:
        return f"their means lie up to {far:.1g} standard deviations away"
    times = np.quantile(target_std / std, _MOST, method="higher")
    if times > _OTHER_UNIT:
        return f"their standard deviations are up to {times:.1g} times as large"
    return None


@np.errstate(over="ignore", invalid="ignore")
def unlike(rows, mean, std):
    """Say by how much new rows differ from those with these columns, or None.

    Half of the columns must differ by 3 standard deviations or a factor of 10: what a
    part of the rows, or those of one class, rarely do.
    """
    varies = std > 0
    if len(rows) < _ENOUGH_ROWS or not varies.any():
        return None
    new_mean, new_std = columns_of(rows)
    far = np.median(np.abs(new_mean - mean)[varies] / std[varies])
    if far > _FAR:
        return f"in half of the columns the mean lies {far:.1g} standard deviations off"
    ratio = np.median(new_std[varies] / std[varies])
    if ratio > _TIMES or 0 < ratio < 1 / _TIMES:
        return f"in half of the columns the deviation is {ratio:.1g} times as large"
    return None
