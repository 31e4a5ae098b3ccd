"""Canonical correlation similarities of two representations."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace, to_numpy
from skalign._autocast import autocast_off
from skalign._validation import Interval
from skalign.metrics._validation import SPACES, check_paired_rows
from skalign.moments import rounding_from_norms, storage_precision, truncated_svd


@validate_params(SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def cca_similarity(X: ArrayLike, Y: ArrayLike) -> float:
    r"""Mean canonical correlation of two representations of the same samples.

    The mean is taken over the canonical correlations :math:`\rho_i`, the cosines of the
    principal angles between the column spaces of the centred representations,

    .. math::

        \frac{1}{r} \sum_{i=1}^{r} \rho_i, \qquad
        \rho_i = \sigma_i(U_X^\top U_Y), \qquad
        r = \min(\operatorname{rank} X, \operatorname{rank} Y),

    where the columns of :math:`U_X` and :math:`U_Y` are orthonormal bases of these
    spaces [1]_. The similarity is invariant to invertible linear maps of either side,
    so directions of small and of large variance have equal weight. Read more in the
    :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.

    Returns
    -------
    similarity : float
        Between 0 and 1. It is 0 if all samples of one side are equal.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, or if their numbers of samples differ.

    See Also
    --------
    svcca : Canonical correlations of the leading principal directions.
    sklearn.cross_decomposition.CCA : The canonical directions themselves.

    Notes
    -----
    Many times as many samples as features are needed: with at most one sample more than
    features, the similarity of any two sets of full rank is 1.

    References
    ----------
    .. [1] H. Hotelling, "Relations between two sets of variates", Biometrika 28, 1936,
       pp. 321-377.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import cca_similarity
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 500, 2))
    >>> mixed = np.column_stack([X[:, 0] + 9 * X[:, 1], Y[:, 0]])  # one shared axis
    >>> print(f"{cca_similarity(X, mixed):.2f}")
    0.54
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    return _mean_correlation(basis(X), basis(Y))


@validate_params(
    {
        **SPACES,
        "explained_variance": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def svcca(X: ArrayLike, Y: ArrayLike, *, explained_variance: float = 0.99) -> float:
    r"""Mean canonical correlation of the leading principal directions.

    Each representation is reduced to the fewest principal directions that explain a
    given share of its variance [1]_. With the left singular vectors :math:`U_X` and
    :math:`U_Y` of these directions, :math:`k_X` and :math:`k_Y` in number, the
    similarity is

    .. math::

        \frac{1}{k} \sum_{i=1}^{k} \sigma_i(U_X^\top U_Y), \qquad k = \min(k_X, k_Y) .

    Suits representations whose directions of small variance are noise. Read more in the
    :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    explained_variance : float, default=0.99
        Minimum share of the variance explained by the directions kept on each side;
        above 0 and at most 1.

    Returns
    -------
    similarity : float
        Between 0 and 1. It is 0 if all samples of one side are equal.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of samples differ, or
        `explained_variance` is out of its range.

    See Also
    --------
    cca_similarity : Canonical correlations of all directions.

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
    >>> Y = X + 0.05 * rng.normal(size=(500, 4))  # noise exceeds the small directions
    >>> print(f"{cca_similarity(X, Y):.2f} {svcca(X, Y):.2f}")
    0.60 1.00
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    return _mean_correlation(basis(X, explained_variance), basis(Y, explained_variance))


def basis(X, explained_variance=1.0):
    """Return left singular vectors of the leading principal directions."""
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
    return float(np.minimum(cosines, 1.0).mean())  # rounding may exceed 1
