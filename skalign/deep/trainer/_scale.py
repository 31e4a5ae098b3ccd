"""Scales of columns that a network does not learn from."""

import numpy as np

_LARGE, _SMALL, _UNEQUAL = 100, 0.01, 200


def unsuitable_scale(X):
    """Say why rows want scaling before a network is trained on them, or None.

    Columns are compared by their largest deviation from the mean, by which rare columns
    of an encoding or of pictures are as large as others.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    """
    size = float(np.sqrt(np.mean(np.square(X, dtype=np.float64))))
    if size > _LARGE:
        return f"values are of size {size:.1g} (root mean square)"
    if (largest := np.abs(X).max()) < _SMALL:
        return f"no value is larger than {largest:.1g}"
    mean = X.mean(axis=0, dtype=np.float64)
    reach = np.maximum(X.max(axis=0) - mean, mean - X.min(axis=0))
    varies = reach > np.finfo(X.dtype).eps * np.abs(mean)
    if not varies.any():
        return None
    if reach.max() > _UNEQUAL * (middle := np.median(reach[varies])):
        return (
            f"column {reach.argmax()} reaches {reach.max():.1g} beyond its mean, and "
            f"half of the columns no further than {middle:.1g}"
        )
    return None
