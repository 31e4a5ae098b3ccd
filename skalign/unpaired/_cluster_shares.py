"""Whether two sides fill the same clusters alike."""

import numpy as np
from sklearn.cluster import KMeans

_CLUSTERS = 20
_CLUSTERED_ROWS = 10_000


def share_difference(mapped, y, random_state):
    """Difference of the shares of clusters of `y`, beyond what chance explains.

    Parameters
    ----------
    mapped : ndarray of shape (n_samples, n_targets)
        Mapped source rows.
    y : ndarray of shape (n_target_samples, n_targets)
        Target rows; at most 10,000 of them are clustered.
    random_state : RandomState
        Determines the clusters.

    Returns
    -------
    difference : float
        Total variation distance of the shares, less its expectation for two samples
        of one distribution; at most 1, and about 0 where the shares are equal.
    """
    rows = y
    if len(y) > _CLUSTERED_ROWS:
        rows = y[random_state.permutation(len(y))[:_CLUSTERED_ROWS]]
    clusters = KMeans(min(_CLUSTERS, len(rows)), random_state=random_state).fit(rows)
    k = clusters.n_clusters
    p, q = (
        np.bincount(clusters.predict(side), minlength=k) / len(side)
        for side in (mapped, y)
    )
    pooled = (p * len(mapped) + q * len(y)) / (len(mapped) + len(y))
    variances = pooled * (1 - pooled) * (1 / len(mapped) + 1 / len(y))
    expected = np.sqrt(2 / np.pi * variances).sum() / 2
    return float(np.abs(p - q).sum() / 2 - expected)
