"""Maps between the means and covariances of two sides."""

import warnings
from numbers import Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._arrays import settle
from skalign._determined import warn_undetermined
from skalign._validation import Interval, check_sides
from skalign._warnings import user_level
from skalign.moments import SideStreamingMixin, Spectrum

_MAX_STRETCH = 100.0


def _inverse_root(values):
    """One over the square root; zero where `values` is zero (pseudo-inverse)."""
    root = np.sqrt(values)
    return np.divide(1, root, out=np.zeros_like(root), where=root > 0)


def coral_map(source, target, reg):
    """Return the matrix that whitens by one covariance and colours by the other.

    Parameters
    ----------
    source, target : Spectrum
        Both sides.
    reg : float
        Constant added to the diagonal of both covariances.

    Returns
    -------
    coef : ndarray of shape (n_features, n_features)
        ``(Cs + reg * I)^(-1/2) @ (Ct + reg * I)^(1/2)``.
    """
    V, W = source.vectors, target.vectors
    whiten = _inverse_root(source.values + reg)
    colour = np.sqrt(target.values + reg)
    n_features = len(V)
    # Where no vector is known, a side is a multiple of the identity. A root is that
    # multiple plus what the known vectors add to it.
    whiten_rest = _inverse_root(np.float64(reg)) if V.shape[1] < n_features else 0.0
    colour_rest = np.sqrt(reg) if W.shape[1] < n_features else 0.0
    coloured = (V.T @ W * (colour - colour_rest)) @ W.T + colour_rest * V.T
    coef = (V * (whiten - whiten_rest)) @ coloured
    if whiten_rest:
        coef += (W * (whiten_rest * (colour - colour_rest))) @ W.T
        coef.flat[:: n_features + 1] += whiten_rest * colour_rest
    return coef


def monge_map(source, target, reg):
    """Return the symmetric matrix that maps one covariance to the other.

    Parameters
    ----------
    source, target : Spectrum
        Both sides.
    reg : float
        Constant added to the diagonal of both covariances.

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
    root, inverse = np.sqrt(variances), _inverse_root(variances)
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


class _SecondMomentAligner(SideStreamingMixin, AffineMixin, BaseEstimator):
    """Base of aligners that match mean and covariance.

    Subclasses have the parameters `reg` and `solver`, and define
    `_map_between(source, target)`, the matrix of the map between two `Spectrum`.
    """

    _same_features = True
    _parameter_constraints = {
        "reg": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", "moments", "svd"})],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the map from samples of both spaces, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_features)
            Samples in the target space, with the same features. If `y` has no target
            samples (None, or the class labels that a Pipeline passes on), the aligner
            is the identity and a warning is raised.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If numbers or names of features differ, a side has fewer than two samples,
            or a value is not finite.
        """
        X, y = check_sides(self, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            self._be_identity(source_moments_=self._sum(X), solver_=None)
        elif _is_svd_better(self.solver, X, y):
            self._learn_axes("svd", Spectrum.from_rows(X), Spectrum.from_rows(y, "y"))
        else:
            self.source_moments_ = self._sum(X)
            self.target_moments_ = self._sum(y, name="y")
            self._learn(self.source_moments_, self.target_moments_)
        return settle(self, X)

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
        _warn_of_stretch(self, source, target)
        coef = self._map_between(source, target)
        self._set_map(coef, source.mean, target.mean, self._dtype, target.precision)
        self.solver_, self.determined_rank_ = solver, source.vectors.shape[1]
        if not self.reg:
            warn_undetermined(self)


class CORALAligner(_SecondMomentAligner):
    """Correlation alignment: match mean and covariance by whitening and colouring.

    The mapped source samples have the mean and the covariance of the target samples
    [1]_. Use it as a fast baseline if two domains have the same features; it is often
    sufficient for a linear classifier. Many maps match the covariances;
    :class:`GaussianOTAligner` is the one with the smallest mean squared displacement.
    Read more in the :ref:`User Guide <second_moments>`.

    Parameters
    ----------
    reg : float, default=1.0
        Constant added to the diagonal of both covariances, in squared units of the
        features; not negative. The value of the paper, 1, suits standardised features.
        With larger values the map is closer to a shift of the mean. With 0, the
        pseudo-inverse is used, and directions in which the source does not vary are
        lost. A small value stretches new samples in these directions; a warning is
        raised if the factor exceeds 100.

    solver : {"auto", "moments", "svd"}, default="auto"
        Algorithm. "moments" computes eigenvectors of both covariances from sums of
        products of features. "svd" decomposes the centred samples, which is faster with
        fewer samples than features and more accurate if a covariance is nearly
        singular. "auto" is "svd" if both sides have fewer samples than features.
        `partial_fit` and `merge` always use the sums.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_features)
        Map from centred source samples to centred target samples.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target samples.

    determined_rank_ : int
        Number of directions in which the source varies. How the others are mapped
        depends on `reg`; with 0 they are mapped to the mean, and a warning is raised.

    solver_ : {"moments", "svd"} or None
        Solver used. None if there were no target samples.

    source_moments_, target_moments_ : Moments or None
        Sums of each side, if the map was computed from them.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    GaussianOTAligner : Map between the same means and covariances with the smallest
        displacement.
    MeanVarianceAligner : Mean and variance of each feature, for few samples.

    Notes
    -----
    The paper assumes that both sides are centred; here the means are aligned too. With
    :math:`C = \\Sigma + \\mathrm{reg} \\cdot I`, the map is
    :math:`x \\mapsto (x - m_s) C_s^{-1/2} C_t^{1/2} + m_t` (Algorithm 1 of [1]_). The
    covariance of the mapped source is that of the target exactly with ``reg=0`` and
    full rank, and nearly so otherwise.

    References
    ----------
    .. [1] B. Sun, J. Feng and K. Saenko, "Return of frustratingly easy domain
       adaptation", AAAI 2016, pp. 2058-2065.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CORALAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)) * [1, 2, 3]
    >>> y = rng.normal(size=(400, 3)) * [3, 1, 1] + 5
    >>> mapped = CORALAligner(reg=0).fit(X, y).transform(X)
    >>> bool(np.allclose(np.cov(mapped.T), np.cov(y.T)))
    True
    """

    def __init__(
        self, reg: float = 1.0, *, solver: Literal["auto", "moments", "svd"] = "auto"
    ) -> None:
        self.reg = reg
        self.solver = solver

    def _map_between(self, source, target):
        return coral_map(source, target, self.reg)


class GaussianOTAligner(_SecondMomentAligner):
    """Optimal transport between Gaussians with the means and covariances of both sides.

    Among the maps that match mean and covariance, it minimises the mean squared
    displacement of the samples (Monge map) [1]_. It is optimal if the two distributions
    are Gaussian, or of the same shape up to such a map [2]_. Use it if there are a few
    hundred samples more than features. Read more in the
    :ref:`User Guide <second_moments>`.

    Parameters
    ----------
    reg : float, default=1e-6
        Constant added to the diagonal of both covariances, in squared units of the
        features; not negative. With larger values the map is closer to a shift of the
        mean. With 0, the pseudo-inverse is used, and directions in which the source
        does not vary are lost. A small value stretches new samples in these directions;
        a warning is raised if the factor exceeds 100.

    solver : {"auto", "moments", "svd"}, default="auto"
        Algorithm. "moments" computes eigenvectors of both covariances from sums of
        products of features. "svd" decomposes the centred samples, which is faster with
        fewer samples than features and more accurate if a covariance is nearly
        singular. "auto" is "svd" if both sides have fewer samples than features.
        `partial_fit` and `merge` always use the sums.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_features)
        Map from centred source samples to centred target samples, symmetric and
        positive semi-definite.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target samples.

    determined_rank_ : int
        Number of directions in which the source varies. How the others are mapped
        depends on `reg`; with 0 they are mapped to the mean, and a warning is raised.

    solver_ : {"moments", "svd"} or None
        Solver used. None if there were no target samples.

    source_moments_, target_moments_ : Moments or None
        Sums of each side, if the map was computed from them.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    CORALAligner : Another map that matches the same moments.
    OptimalTransportAligner : Optimal transport between the samples themselves.

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
    >>> y = X[::-1] @ [[2, 1], [1, 3]] + 5  # not paired
    >>> GaussianOTAligner(reg=0).fit(X, y).coef_.round(6)
    array([[2., 1.],
           [1., 3.]])
    """

    def __init__(
        self, reg: float = 1e-6, *, solver: Literal["auto", "moments", "svd"] = "auto"
    ) -> None:
        self.reg = reg
        self.solver = solver

    def _map_between(self, source, target):
        return monge_map(source, target, self.reg)


def _is_svd_better(solver, X, y):
    """Return whether to decompose the samples instead of their sums."""
    few = max(X.shape[0], y.shape[0]) < X.shape[1]
    return solver == "svd" or (solver == "auto" and few)


def _warn_of_stretch(aligner, source, target):
    """Warn if the map stretches directions in which only the target varies."""
    known = source.vectors
    n_features, n_known = known.shape
    if n_known == n_features or not aligner.reg:
        return
    shared = target.values @ ((target.vectors.T @ known) ** 2).sum(axis=1)
    hidden = max(target.values.sum() - shared, 0) / (n_features - n_known)
    if (stretch := np.sqrt(1 + hidden / aligner.reg)) > _MAX_STRETCH:
        warnings.warn(
            f"The source samples vary in {n_known} of {n_features} directions, and the "
            f"target also in others: {type(aligner).__name__} stretches new samples "
            f"by a factor of {stretch:.0f} in these. Increase reg={aligner.reg} to "
            "about the variance of a feature, or remove these directions by reg=0.",
            UserWarning,
            stacklevel=user_level(),
        )
