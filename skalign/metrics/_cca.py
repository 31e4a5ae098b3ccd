"""Canonical correlations: how much do two representations share linearly?"""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace, to_numpy
from skalign._autocast import autocast_off
from skalign._parameters import Interval
from skalign.metrics._validation import check_paired_rows
from skalign.moments import rounding_from_norms, storage_precision, truncated_svd


@validate_params(
    {"X": ["array-like"], "Y": ["array-like"]}, prefer_skip_nested_validation=True
)
@autocast_off()
def cca_similarity(X, Y):
    """Mean canonical correlation of two representations of the same rows.

    Blind to any linear map: large and small directions count the same [1]_. Read more
    in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.

    Returns
    -------
    similarity : float
        From 0 to 1; the mean over as many directions as the side of lower rank has. 0
        where all rows of one side are equal.

    Raises
    ------
    ValueError
        If a set is empty or not finite, or the lengths differ.

    See Also
    --------
    svcca : Without directions of little variance.
    sklearn.cross_decomposition.CCA : The directions themselves.

    Notes
    -----
    Needs many times as many rows as columns: with one row more than columns it is 1 for
    any two sets.

    References
    ----------
    .. [1] H. Hotelling, "Relations between two sets of variates", Biometrika 28, 1936,
       pp. 321-377.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import cca_similarity
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 500, 2))
    >>> mixed = np.column_stack([X[:, 0] + 9 * X[:, 1], Y[:, 0]])  # one of two kept
    >>> print(f"{cca_similarity(X, mixed):.2f}")
    0.54
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    return _mean_correlation(_basis(X), _basis(Y))


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "explained_variance": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def svcca(X, Y, *, explained_variance=0.99):
    """Mean canonical correlation of the leading principal directions.

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    explained_variance : float, default=0.99
        Share of the variance that the directions kept of each side explain, at least;
        above 0, at most 1.

    Returns
    -------
    similarity : float
        From 0 to 1. 0 where all rows of one side are equal.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the lengths differ, or `explained_variance` is
        out of its range.

    See Also
    --------
    cca_similarity : Of all directions.

    References
    ----------
    .. [1] M. Raghu, J. Gilmer, J. Yosinski and J. Sohl-Dickstein, "SVCCA: singular
       vector canonical correlation analysis for deep learning dynamics and
       interpretability", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import cca_similarity, svcca
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 4)) * [1, 1, 0.01, 0.01]
    >>> Y = X + 0.05 * rng.normal(size=(500, 4))  # drowns the small directions
    >>> print(f"{cca_similarity(X, Y):.2f} {svcca(X, Y):.2f}")
    0.60 1.00
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    return _mean_correlation(
        _basis(X, explained_variance), _basis(Y, explained_variance)
    )


def _basis(X, explained_variance=1.0):
    """Return an orthonormal basis of the leading directions of the centred rows."""
    xp = namespace(X)
    precision = storage_precision(X)
    X = xp.asarray(X, dtype=xp.float64)
    largest = xp.max(xp.abs(X))
    X = X / xp.where(largest > 0, largest, xp.ones_like(largest))
    norm = to_numpy(xp.linalg.vector_norm(X, axis=0))
    X = X - xp.mean(X, axis=0)
    U, scales, _ = truncated_svd(X, rounding_from_norms(precision, norm, X.shape[0]))
    if explained_variance < 1:
        share = np.cumsum(to_numpy(scales) ** 2)
        rank = np.searchsorted(share, explained_variance * share[-1:]) + 1
        U = U[:, : int(rank.sum())]
    return U


def _mean_correlation(U, V):
    """Return the mean cosine of the angles between two subspaces."""
    n_directions = min(U.shape[1], V.shape[1])
    if n_directions == 0:
        return 0.0
    cosines = to_numpy(namespace(U, V).linalg.svdvals(U.T @ V))
    return float(np.minimum(cosines, 1.0).mean())  # rounding can pass 1
