"""Ridge penalty relative to the variance of the data."""

import numpy as np

from skalign._arrays import is_of_another_library, namespace


def relative_ridge(shrinkage, X):
    """Ridge penalty as a multiple of the mean eigenvalue of the Gram matrix.

    Parameters
    ----------
    shrinkage : float
        Non-negative factor.
    X : ndarray of shape (n_samples, n_features)
        Samples; their mean is subtracted.

    Returns
    -------
    alpha : float
        Ridge to add to the diagonal of the Gram matrix of the centred samples.

    Examples
    --------
    >>> from skalign.moments import relative_ridge
    >>> print(relative_ridge(0.5, [[0.0, 1.0], [2.0, 3.0]]))
    1.0
    """
    X = X if is_of_another_library(X) else np.asarray(X)
    xp = namespace(X)
    squares = xp.square(X - xp.mean(X, axis=0))
    return shrinkage * float(xp.sum(squares)) / X.shape[1]
