"""Neural collapse: measures of how close class means are to a regular simplex.

Class means are the rows of a matrix, their centre is the mean of the class means, and
covariances within classes are averaged over classes: every class has the same weight,
whatever its number of samples. For classes of equal size, this agrees with the papers.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import norm
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import column_or_1d

from skalign._arrays import arrive, beside, namespace, take_rows, to_numpy
from skalign._labels import as_written, check_classes
from skalign._rescale import near_one
from skalign.metrics._class_samples import (
    CLASS_SAMPLES,
    EQUAL_MEANS,
    check_one_per_class,
    class_means,
    column_precision,
    in_each_domain,
    unit_means,
)
from skalign.metrics._procrustes import to_length_one
from skalign.moments import rounding_from_norms, truncated_svd


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc1_variability(
    X: ArrayLike, y: ArrayLike, *, sample_domain: ArrayLike | None = None
) -> float | np.ndarray:
    r"""NC1: within-class variability relative to the spread of the class means.

    With the covariances :math:`\Sigma_W` within and :math:`\Sigma_B` between the
    :math:`K` classes, the variability is [1]_

    .. math::

        \frac{1}{K} \operatorname{tr} \bigl( \Sigma_W \Sigma_B^{+} \bigr) .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes, one of them with two samples.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    variability : float or ndarray of shape (n_domains,)
        At least 0, and 0 if every sample equals its class mean; dimensionless. With
        `sample_domain`, one value per domain, in sorted order, each from the samples of
        that domain alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is a single class, a domain lacks a
        class, all class means are equal, or no class has two samples.

    See Also
    --------
    nc1_trace_ratio : Ratio of traces, which includes all directions.

    Notes
    -----
    Directions in which the class means do not differ are ignored. If the means of two
    classes coincide, there is one more such direction, and the value may decrease.

    References
    ----------
    .. [1] V. Papyan, X. Y. Han and D. L. Donoho, "Prevalence of neural collapse during
       the terminal phase of deep learning training", PNAS 117(40), 2020,
       pp. 24652-24663.

    Examples
    --------
    >>> from skalign.metrics import nc1_variability
    >>> X, y = [[1, 0], [3, 9], [-1, 0], [-3, 9]], [0, 0, 1, 1]
    >>> print(f"{nc1_variability(X, y):.3f}")  # 1 / 4 along the means, over 2 classes
    0.125
    """

    precision = column_precision(X)

    def measure(X, codes, n_classes):
        means, residual, largest = _between_and_within(X, codes, n_classes)
        # Ignore directions in which the means differ by rounding errors only.
        largest = np.sqrt(n_classes) * largest
        rounding = rounding_from_norms(precision, largest, n_classes)
        _, scale, axes = truncated_svd(means, rounding)
        if len(scale) == 0:
            raise ValueError(EQUAL_MEANS)
        # Variance ratios along the singular directions, without a pseudo-inverse of
        # the covariance between classes.
        along = residual @ beside(axes.T, residual)
        spread = to_numpy(namespace(along).sum(along**2, axis=0))
        return np.sum(spread / scale**2) / n_classes

    return in_each_domain(measure, X, y, sample_domain)


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc1_trace_ratio(
    X: ArrayLike, y: ArrayLike, *, sample_domain: ArrayLike | None = None
) -> float | np.ndarray:
    r"""NC1 as a ratio of traces: variance within classes over that between them.

    With the covariances :math:`\Sigma_W` within and :math:`\Sigma_B` between classes,
    the ratio is

    .. math::

        \frac{\operatorname{tr} \Sigma_W}{\operatorname{tr} \Sigma_B} .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes, one of them with two samples.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    ratio : float or ndarray of shape (n_domains,)
        At least 0, and 0 if every sample equals its class mean; dimensionless. With
        `sample_domain`, one value per domain, in sorted order, each from the samples of
        that domain alone.

    Raises
    ------
    ValueError
        As in `nc1_variability`.

    See Also
    --------
    nc1_variability : Variability relative to the spread of the means in each direction.

    Examples
    --------
    >>> from skalign.metrics import nc1_trace_ratio
    >>> X, y = [[1, 0], [3, 9], [-1, 0], [-3, 9]], [0, 0, 1, 1]
    >>> print(f"{nc1_trace_ratio(X, y):.3f}")  # (1 + 81 / 4) / 4
    5.312
    """

    def measure(X, codes, n_classes):
        means, residual, _ = _between_and_within(X, codes, n_classes)
        return float(namespace(residual).sum(residual**2)) / np.sum(means**2)

    return in_each_domain(measure, X, y, sample_domain)


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc2_equiangularity(
    X: ArrayLike, y: ArrayLike, *, sample_domain: ArrayLike | None = None
) -> float | np.ndarray:
    r"""NC2: distance of the class means from a regular simplex.

    With the centred class means as the columns of :math:`H`, the distance is [1]_

    .. math::

        \Bigl\lVert \frac{H^\top H}{\lVert H^\top H \rVert_F}
        - \frac{1}{\sqrt{K - 1}} \Bigl( I - \frac{1}{K} 1 1^\top \Bigr)
        \Bigr\rVert_F .

    It does not depend on the size and the orientation of the simplex. Read more in the
    :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least three classes.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        Between 0, for a regular simplex, and ``sqrt(2 - 2 / sqrt(n_classes - 1))``, for
        means on a line. With `sample_domain`, one value per domain, in sorted order,
        each from the samples of that domain alone.

    Raises
    ------
    ValueError
        If there are two classes: any two points form a regular simplex, so the value
        would always be 0; use `etf_distance`. If lengths differ, `X` is not finite,
        there is a single class, a domain lacks a class, or all class means are equal.

    See Also
    --------
    etf_distance : Distance from one fixed frame.

    Notes
    -----
    The measure does not depend on the spread within classes, nor on rotations of the
    simplex between domains.

    References
    ----------
    .. [1] Z. Zhu, T. Ding, J. Zhou, X. Li, C. You, J. Sulam and Q. Qu, "A geometric
       analysis of neural collapse with unconstrained features", NeurIPS 2021.

    Examples
    --------
    >>> from skalign.metrics import nc2_equiangularity
    >>> X, y = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 2]
    >>> print(f"{nc2_equiangularity(X, y):.3f}")
    0.000
    >>> line = [[0.0], [1.0], [2.0]]
    >>> print(f"{nc2_equiangularity(line, y):.3f}")
    0.765
    """

    def measure(X, codes, n_classes):
        means = unit_means(X, codes, n_classes)
        return _from_simplex_gram(means @ means.T, "NC2")

    return in_each_domain(measure, X, y, sample_domain)


@validate_params(
    {**CLASS_SAMPLES, "coef": ["array-like"]}, prefer_skip_nested_validation=True
)
def nc3_duality(
    X: ArrayLike,
    y: ArrayLike,
    coef: ArrayLike,
    *,
    sample_domain: ArrayLike | None = None,
) -> float | np.ndarray:
    r"""NC3: distance of a linear head and the class means from a common simplex.

    With the weights of the head as the rows of :math:`W` and the centred class means as
    the columns of :math:`H`, the distance is [1]_

    .. math::

        \Bigl\lVert \frac{W H}{\lVert W H \rVert_F}
        - \frac{1}{\sqrt{K - 1}} \Bigl( I - \frac{1}{K} 1 1^\top \Bigr)
        \Bigr\rVert_F .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features, as passed to the head.
    y : array-like of shape (n_samples,)
        Class labels of at least three classes.
    coef : array-like of shape (n_classes, n_features)
        Weights of the head, one row per class in sorted order, such as `coef_` of
        :class:`~sklearn.linear_model.LogisticRegression`.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        Between 0, if weights and means are the same simplex up to scale, and 2, if they
        are opposite. With `sample_domain`, one value per domain, in sorted order, each
        from the samples of that domain alone.

    Raises
    ------
    ValueError
        If there are two classes, for which the value depends on a sign only; use
        `etf_distance`. If `coef` is not of shape (n_classes, n_features), or is
        orthogonal to all class means. Otherwise as in `nc2_equiangularity`.

    See Also
    --------
    etf_distance : With ``coef.T`` as the frame, distance of the weights from the means,
        for any number of classes.

    References
    ----------
    .. [1] Z. Zhu, T. Ding, J. Zhou, X. Li, C. You, J. Sulam and Q. Qu, "A geometric
       analysis of neural collapse with unconstrained features", NeurIPS 2021.

    Examples
    --------
    >>> from skalign.metrics import nc3_duality
    >>> X, y = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 2]
    >>> print(f"{nc3_duality(X, y, coef=[[2, 0, 0], [0, 2, 0], [0, 0, 2]]):.3f}")
    0.000
    >>> print(f"{nc3_duality(X, y, coef=[[0, 2, 0], [2, 0, 0], [0, 0, 2]]):.3f}")
    1.414
    """
    coef = arrive(coef, "coef")
    coef = near_one(check_array(coef, dtype=np.float64, input_name="coef"))

    def measure(X, codes, n_classes):
        check_one_per_class(coef, "coef", X, n_classes, (n_classes, X.shape[1]))
        product = coef @ unit_means(X, codes, n_classes).T
        if norm(product) <= 4 * np.finfo(float).eps * norm(coef):
            raise ValueError("coef is zero, or orthogonal to all centred class means.")
        return _from_simplex_gram(product, "NC3")

    return in_each_domain(measure, X, y, sample_domain)


@validate_params(
    {**CLASS_SAMPLES, "y_pred": ["array-like"]}, prefer_skip_nested_validation=True
)
def nc4_disagreement(
    X: ArrayLike,
    y: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_domain: ArrayLike | None = None,
) -> float | np.ndarray:
    r"""NC4: share of samples on which a head and the nearest class mean disagree.

    With the predictions :math:`\hat y_i` of the head and the class means :math:`\mu_k`,
    the share is

    .. math::

        \frac{1}{n} \sum_{i=1}^{n} \mathbf{1} \bigl[ \hat y_i \ne
        \operatorname*{arg\,min}_k \lVert x_i - \mu_k \rVert \bigr] .

    It is 0 at collapse [1]_. Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes.
    y_pred : array-like of shape (n_samples,)
        Predictions of the head.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    share : float or ndarray of shape (n_domains,)
        Between 0, if every sample is predicted to be of the class with the nearest
        mean, and 1. With `sample_domain`, one value per domain, in sorted order, each
        from the samples of that domain alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is a single class, a domain lacks a
        class, or `y_pred` holds a class that `y` does not.

    Notes
    -----
    The share is not an error rate: the labels `y` are used for the class means only.

    References
    ----------
    .. [1] V. Papyan, X. Y. Han and D. L. Donoho, "Prevalence of neural collapse during
       the terminal phase of deep learning training", PNAS 117(40), 2020,
       pp. 24652-24663: figure 7.

    Examples
    --------
    >>> from skalign.metrics import nc4_disagreement
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> print(nc4_disagreement(X, y, y_pred=["a", "b", "b", "b"]))
    0.25
    """
    y_pred = column_or_1d(as_written(y_pred))
    check_consistent_length(X, y_pred)
    classes, _ = check_classes(y, X)
    unknown = np.setdiff1d(y_pred, classes)
    if len(unknown):
        raise ValueError(
            f"y_pred holds classes that y does not: {unknown.tolist()[:5]}; y has "
            f"{classes.tolist()[:5]}."
        )

    def measure(X, codes, n_classes, predicted):
        X = to_numpy(to_length_one(X))  # centred, for precision
        means = class_means(X, codes, n_classes)
        return np.mean(pairwise_distances_argmin(X, means) != predicted)

    predicted = np.searchsorted(classes, y_pred)
    return in_each_domain(measure, X, y, sample_domain, predicted)


def _between_and_within(X, codes, n_classes):
    """Return centred class means, scaled deviations from them, and column maxima.

    Deviations are divided by the square root of the class size. All are in a common
    unit in which squares cannot overflow; the sums of squares are `n_classes` times the
    two covariances. The maxima are the largest absolute values of the columns of `X`.
    """
    counts = np.bincount(codes)
    if counts.max() == 1:
        raise ValueError(
            "At least one class must have two samples to have a spread within classes."
        )
    unit_means(X, codes, n_classes)  # raises if all are equal
    means = class_means(X, codes, n_classes)
    centred = means - means.mean(axis=0)
    size = float(np.abs(centred).max())
    xp, own = namespace(X), take_rows(beside(means, X), codes)
    residual = (X - own) / size / beside(np.sqrt(counts[codes]), X)[:, None]
    return centred / size, residual, to_numpy(xp.max(xp.abs(X), axis=0)) / size


def _from_simplex_gram(gram, name):
    """Return the distance of a normalised matrix from the Gram matrix of a simplex."""
    n_classes = len(gram)
    if n_classes == 2:
        raise ValueError(
            f"{name} needs at least 3 classes; got 2. Any two points form a regular "
            "simplex, so it would always be 0. Use etf_distance."
        )
    simplex = (np.eye(n_classes) - 1 / n_classes) / np.sqrt(n_classes - 1)
    return norm(gram / norm(gram) - simplex)
