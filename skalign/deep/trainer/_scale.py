"""Detection of feature scales that prevent a network from learning."""

import numpy as np

_LARGE, _SMALL, _UNEQUAL = 100, 0.01, 200


def unsuitable_scale(X):
    """Return why samples should be scaled before training a network, or None.

    Features are compared by their largest deviation from the mean, so that rare
    features of an encoding, or pixels of images that are rarely set, count as much as
    others.

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
            f"feature {reach.argmax()} deviates from its mean by up to "
            f"{reach.max():.1g}, and half of the features by at most {middle:.1g}"
        )
    return None
