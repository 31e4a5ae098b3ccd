"""Projection of paired spaces into a common space by canonical correlations."""

from numbers import Integral, Real
from typing import Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context

from skalign._arrays import as_dtype, dtype_name, settle
from skalign._canonical import canonical_maps, check_n_components
from skalign._layers import affine
from skalign._validation import Interval, cast_finite, check_pairs
from skalign.moments import centre
from skalign.paired._common_space import CommonSpaceMixin


class CanonicalAligner(CommonSpaceMixin, BaseEstimator):
    r"""Projection of paired spaces into a common space by canonical correlations.

    Each space has a linear map to the common space. For centred :math:`X` and
    :math:`Y`, the directions :math:`a` and :math:`b` of each component maximise

    .. math::
        \frac{a^\top X^\top Y b}
        {\sqrt{a^\top (X^\top X + \alpha_x I) a} \;
        \sqrt{b^\top (Y^\top Y + \alpha_y I) b}}

    among directions uncorrelated with those of earlier components (canonical ridge
    [1]_). Use it for retrieval between spaces that share only a part of their
    information, such as images and captions: the remaining information has little
    weight in the common space. Read more in the
    :ref:`User Guide <cross_space_retrieval>`.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the common space, at most ``min(n_features, n_targets)``. None is
        the smaller rank of the two sides.

    shrinkage : float, default=1.0
        Penalty relative to the variance: :math:`\alpha_x` and :math:`\alpha_y` are
        `shrinkage` times the mean eigenvalue of the Gram matrix of the side. Not
        negative. Use a larger value with fewer pairs than features, and about 0.1 with
        many pairs. With 0 and fewer pairs than features, all canonical correlations
        are 1.

    Attributes
    ----------
    x_coef_ : ndarray of shape (n_features, n_components)
        Map from centred source samples to the common space.

    y_coef_ : ndarray of shape (n_targets, n_components)
        Map from centred target samples to the common space.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the training samples.

    correlations_ : ndarray of shape (n_components,)
        Canonical correlations of the training samples, from 0 to 1, in decreasing
        order. They are smaller than those without penalty.

    n_components_ : int
        Dimension of the common space.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    ContrastiveAligner : Starts from these maps and minimises a contrastive loss.
    GeneralizedProcrustes : Consensus of more than two spaces.

    Notes
    -----
    Components are multiplied by their correlation, so that each side is the best linear
    prediction of the components of the other. Retrieval is then more accurate than with
    components of equal variance [2]_.

    References
    ----------
    .. [1] H. D. Vinod, "Canonical ridge and econometrics of joint production", Journal
       of Econometrics 4(2), 1976, pp. 147-166.

    .. [2] Y. Gong, Q. Ke, M. Isard and S. Lazebnik, "A multi-view embedding space for
       modeling internet images, tags, and their semantics", International Journal of
       Computer Vision 106(2), 2014, pp. 210-233: section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CanonicalAligner
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(300, 5))
    >>> X, y = (np.c_[shared, 3 * rng.normal(size=(300, 5))] for _ in range(2))
    >>> aligner = CanonicalAligner(5, shrinkage=0.1).fit(X[:200], y[:200])
    >>> aligner.score(X[200:], y[200:]) > 0.9
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, n_components: int | None = None, *, shrinkage: float = 1.0
    ) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage

    _any_library = True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn the common space from pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If lengths differ, there are fewer than two pairs, a value is not finite,
            all samples of a side are equal, the map to the common space or the sum of a
            feature overflows, or `n_components` is too large.
        """
        X, y, _ = check_pairs(self, X, y)
        n_components = check_n_components(self.n_components, X, y)
        *coefs, self.correlations_ = canonical_maps(X, y, self.shrinkage, n_components)
        self.x_coef_, self.y_coef_ = (
            cast_finite(coef, dtype_name(X), f"The map of {name}")
            for coef, name in zip(coefs, "Xy", strict=True)
        )
        means = (centre(rows)[1] for rows in (X, y))
        self.x_mean_, self.y_mean_ = (mean.astype(dtype_name(X)) for mean in means)
        self.n_components_ = len(self.correlations_)
        return settle(self, X)

    @property
    def _placed(self):
        return self.x_mean_

    def _map(self, X):
        return _apply(X, self.x_mean_, self.x_coef_)

    def _layers(self):
        return (affine(self.x_mean_, self.x_coef_),)

    def _map_target(self, y):
        return _apply(y, self.y_mean_, self.y_coef_)


def _apply(rows, mean, coef):
    return (rows - as_dtype(mean, rows.dtype)) @ as_dtype(coef, rows.dtype)
