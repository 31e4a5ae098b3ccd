"""Optimal transport between Gaussians."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._determined import warn_undetermined
from skalign._parameters import Interval
from skalign._validation import check_sides
from skalign.moments import SideStreamingMixin, Spectrum
from skalign.unpaired._second_moments import (
    inverse_root,
    is_svd_better,
    warn_of_stretch,
)


def monge_map(source, target, reg):
    """Symmetric matrix that carries one covariance to the other.

    Parameters
    ----------
    source, target : Spectrum
        Both sides.
    reg : float
        Added to the diagonal of both covariances.

    Returns
    -------
    coef : ndarray of shape (n_features, n_features)
        ``Cs^(-1/2) @ (Cs^(1/2) @ Ct @ Cs^(1/2))^(1/2) @ Cs^(-1/2)``.
    """
    n_features, n_known = source.vectors.shape
    basis = source.vectors
    if n_known < n_features:
        # The first columns stay, up to sign, the eigenvectors of the source.
        basis, _ = np.linalg.qr(np.hstack([basis, target.vectors]))
    variances = np.full(basis.shape[1], float(reg))
    variances[:n_known] = source.values + reg
    root, inverse = np.sqrt(variances), inverse_root(variances)
    turned, rest = basis.T @ target.vectors, np.sqrt(reg)
    target_root = (turned * (np.sqrt(target.values + reg) - rest)) @ turned.T
    target_root.flat[:: len(target_root) + 1] += rest
    # The root of M.T @ M by the SVD of M: its square would halve the digits.
    _, s, Vt = np.linalg.svd(target_root * root)
    inner = (Vt.T * s) @ Vt
    inner *= np.outer(inverse, inverse)
    if len(inner) == n_features or not reg:
        return basis @ inner @ basis.T
    # Both are reg * I outside the basis, and the map is the identity there.
    inner.flat[:: len(inner) + 1] -= 1
    coef = basis @ inner @ basis.T
    coef.flat[:: n_features + 1] += 1
    return coef


class GaussianOTAligner(SideStreamingMixin, AffineMixin, BaseEstimator):
    """The linear map to the target's mean and covariance that moves rows least.

    It is the optimal-transport (Monge) map between the Gaussians of both sides [1]_,
    and the best linear guess for any two clouds of equal shape [2]_. Takes a few
    hundred rows more than columns to be worth its covariances. Read more in the
    :ref:`User Guide <second_moments>`.

    Parameters
    ----------
    reg : float, default=1e-6
        Added to the diagonal of both covariances, in squared units of the features;
        a larger value pulls the map toward a mere shift of the mean. Not negative.
        With 0 the inverse is the pseudo-inverse: directions in which the source does
        not vary are lost. A small value stretches new rows there, and a warning says
        so if it is more than a hundredfold.

    solver : {"auto", "moments", "svd"}, default="auto"
        "moments" sums products of columns and takes eigenvectors of both covariances,
        "svd" takes those of the centred rows, which is faster with fewer rows than
        columns, and keeps more digits where a covariance is nearly singular. "auto"
        is "svd" where both sides have fewer rows than columns. `partial_fit` and
        `merge` always work from the sums.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_features)
        Map from centred source rows to centred target rows; symmetric, with no
        negative eigenvalue.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target rows.

    determined_rank_ : int
        Number of directions in which the source varies. What becomes of the others is
        up to `reg`; with 0 they are mapped to the mean, and a warning says so.

    solver_ : {"moments", "svd"} or None
        The solver used; None if there were no target rows.

    source_moments_, target_moments_ : Moments or None
        The sums of each side, if the map was made of them.

    n_targets_ : int
        Width of the target space, equal to `n_features_in_`.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source columns, where `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target columns, where `y` had any.

    See Also
    --------
    CORALAligner : The same moments by another map.
    OptimalTransportAligner : Transport of the rows themselves.

    Notes
    -----
    With :math:`C = \\Sigma + \\mathrm{reg} \\cdot I` the map is
    :math:`x \\mapsto (x - m_s) C_s^{-1/2} (C_s^{1/2} C_t C_s^{1/2})^{1/2} C_s^{-1/2}
    + m_t` (Remark 2.31 of [1]_).

    References
    ----------
    .. [1] G. Peyré and M. Cuturi, "Computational optimal transport", Foundations and
       Trends in Machine Learning 11(5-6), 2019, pp. 355-607.

    .. [2] R. Flamary, K. Lounici and A. Ferrari, "Concentration bounds for linear Monge
       mapping estimation and optimal transport domain adaptation", arXiv:1905.10155,
       2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import GaussianOTAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> y = X[::-1] @ [[2, 1], [1, 3]] + 5  # no row meets its partner
    >>> GaussianOTAligner(reg=0).fit(X, y).coef_.round(6)
    array([[2., 1.],
           [1., 3.]])
    """

    _same_features = True
    _parameter_constraints = {
        "reg": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", "moments", "svd"})],
    }

    def __init__(self, reg=1e-6, *, solver="auto"):
        self.reg = reg
        self.solver = solver

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the map from samples of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.
        y : array-like of shape (n_target_samples, n_features)
            Samples of the target space, of the same width. With a `y` that holds no
            target samples (None, or the class labels that a Pipeline passes on) the
            aligner is the identity and warns.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If widths or names of columns differ, a side has fewer than two samples, or
            a value is not finite.
        """
        X, y, *_ = check_sides(self, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            return self._be_identity(source_moments_=self._sum(X), solver_=None)
        if is_svd_better(self.solver, X, y):
            axes = Spectrum.from_rows(X), Spectrum.from_rows(y, "y")
            return self._learn_axes("svd", *axes)
        self.source_moments_ = self._sum(X)
        self.target_moments_ = self._sum(y, name="y")
        self._learn(self.source_moments_, self.target_moments_)
        return self

    @property
    def _streams(self):
        if self.solver == "svd":
            raise AttributeError("solver='svd' decomposes samples and keeps no sums.")
        return True

    def _needed(self, n_features, n_targets):
        return ("xx",)

    def _learn(self, source, target):
        source, target = map(Spectrum.from_moments, (source, target))
        self._learn_axes("moments", source, target)

    def _learn_axes(self, solver, source, target):
        warn_of_stretch(self, source, target)
        coef = monge_map(source, target, self.reg)
        self._set_map(coef, source.mean, target.mean, self._dtype, target.precision)
        self.solver_, self.determined_rank_ = solver, source.vectors.shape[1]
        if not self.reg:
            warn_undetermined(self)
        return self
