"""Neural collapse: how near the classes are to the corners of one simplex.

Class means are the rows of a matrix here, its centre is the mean of the class means and
a covariance within classes is averaged over classes: every class counts the same, of
however many rows. With classes of equal size that is as in the papers.
"""

from numbers import Integral

import numpy as np
from scipy.linalg import norm, qr
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import column_or_1d

from skalign._labels import check_classes
from skalign._parameters import Interval
from skalign._rescale import near_one
from skalign.metrics._procrustes import to_length_one
from skalign.metrics._prototypes import (
    CLASS_SAMPLES,
    check_class_samples,
    class_means,
    column_precision,
)
from skalign.moments import rounding_from_norms, truncated_svd

_EQUAL_MEANS = "All class means are equal: the classes span no simplex."


@validate_params(
    {
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "n_features": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def simplex_etf(n_classes, n_features, random_state=None):
    """Corners of a regular simplex, turned at random: an equiangular tight frame.

    What a fixed classifier of collapsed features holds [1]_: as many directions as
    classes, all of length one and as far apart as can be. Read more in the
    :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    n_classes : int
        Number of corners, at least 2.
    n_features : int
        Width of the space, at least `n_classes`.
    random_state : int, RandomState instance or None, default=None
        Draws the directions, every rotation being as likely as any other. Pass a
        number for the same frame in every call.

    Returns
    -------
    etf : ndarray of shape (n_features, n_classes)
        A corner a column. Columns have length one, sum to zero, and the cosine of any
        two is ``-1 / (n_classes - 1)``.

    Raises
    ------
    ValueError
        If `n_classes` < 2, or `n_features` < `n_classes`.

    See Also
    --------
    etf_distance : How far class means are from the frame.

    References
    ----------
    .. [1] Y. Yang, S. Chen, X. Li, L. Xie, Z. Lin and D. Tao, "Inducing neural collapse
       in imbalanced learning: do we really need a learnable classifier at the end of
       deep neural network?", NeurIPS 2022: equation 1.

    Examples
    --------
    >>> from skalign.metrics import simplex_etf
    >>> etf = simplex_etf(3, 5, random_state=0)
    >>> etf.shape
    (5, 3)
    >>> (etf.T @ etf).round(2)
    array([[ 1. , -0.5, -0.5],
           [-0.5,  1. , -0.5],
           [-0.5, -0.5,  1. ]])
    """
    if n_features < n_classes:
        raise ValueError(
            f"n_features={n_features} must be at least n_classes={n_classes}: each "
            "class needs a direction of its own."
        )
    normal = check_random_state(random_state).standard_normal((n_features, n_classes))
    P, R = qr(normal, mode="economic")
    P *= np.sign(np.diag(R))  # else LAPACK, not chance, would choose the signs
    centring = np.eye(n_classes) - 1 / n_classes
    return np.sqrt(n_classes / (n_classes - 1)) * P @ centring


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc1_variability(X, y, *, sample_domain=None):
    r"""NC1: spread within classes, where class means differ, over that of the means.

    ``trace(within @ pinv(between)) / n_classes`` of the two covariances [1]_. Read more
    in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Classes, at least two, one of them with two rows.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    variability : float or ndarray of shape (n_domains,)
        From 0, where every row is the mean of its class, up; has no unit. With
        `sample_domain` a value for each domain, in sorted order, from its rows
        alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is one class only, a domain
        lacks a class, all class means are equal, or no class has two rows.

    See Also
    --------
    nc1_trace_ratio : Counts all directions.

    Notes
    -----
    Blind to spread in directions in which class means do not differ; where the means of
    two classes are equal, that is one more such direction, and the value may fall.

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
        # A direction in which means differ by the rounding of the rows is none.
        largest = np.sqrt(n_classes) * largest
        rounding = rounding_from_norms(precision, largest, n_classes)
        _, scale, axes = truncated_svd(means, rounding)
        if len(scale) == 0:
            raise ValueError(_EQUAL_MEANS)
        # Variance over that of the means, direction by direction: a pseudo-inverse
        # of the d x d matrix between classes is never formed.
        spread = np.sum((residual @ axes.T) ** 2, axis=0)
        return np.sum(spread / scale**2) / n_classes

    return _in_each(measure, X, y, sample_domain)


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc1_trace_ratio(X, y, *, sample_domain=None):
    """NC1, the plain form: variance within classes over that of the class means.

    ``trace(within) / trace(between)`` of the two covariances. Read more in the
    :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Classes, at least two, one of them with two rows.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    ratio : float or ndarray of shape (n_domains,)
        From 0, where every row is the mean of its class, up; has no unit. With
        `sample_domain` a value for each domain, in sorted order, from its rows
        alone.

    Raises
    ------
    ValueError
        As `nc1_variability`.

    See Also
    --------
    nc1_variability : Counts each direction by how much the means differ in it.

    Examples
    --------
    >>> from skalign.metrics import nc1_trace_ratio
    >>> X, y = [[1, 0], [3, 9], [-1, 0], [-3, 9]], [0, 0, 1, 1]
    >>> print(f"{nc1_trace_ratio(X, y):.3f}")  # (1 + 81 / 4) / 4
    5.312
    """

    def measure(X, codes, n_classes):
        means, residual, _ = _between_and_within(X, codes, n_classes)
        return np.sum(residual**2) / np.sum(means**2)

    return _in_each(measure, X, y, sample_domain)


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def nc2_equiangularity(X, y, *, sample_domain=None):
    """NC2: how far class means are from a regular simplex of any size and rotation.

    Distance of the Gram matrix of the centred class means from that of a simplex, both
    of Frobenius norm one [1]_. Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Classes, at least three.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        From 0, a simplex, to ``sqrt(2 - 2 / sqrt(n_classes - 1))``, all means on one
        line. With `sample_domain` a value for each domain, in sorted order, from
        its rows alone.

    Raises
    ------
    ValueError
        If there are two classes, since any two points are a regular simplex and the
        value would be 0 whatever `X` is: take `etf_distance`. If lengths differ, `X` is
        not finite, there is one class only, a domain lacks a class, or all class
        means are equal.

    See Also
    --------
    etf_distance : Distance from one simplex, which does not turn with the means.

    Notes
    -----
    Blind to the spread within classes, and to a simplex that turns from one domain
    to the next.

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
        means = _unit_means(X, codes, n_classes)
        return _from_simplex_gram(means @ means.T, "NC2")

    return _in_each(measure, X, y, sample_domain)


@validate_params(
    {**CLASS_SAMPLES, "coef": ["array-like"]}, prefer_skip_nested_validation=True
)
def nc3_duality(X, y, coef, *, sample_domain=None):
    """NC3: how far a linear head and the class means are from one simplex.

    Distance of the products of the head's weights and the centred class means from the
    Gram matrix of a simplex, both of Frobenius norm one [1]_. Read more in the
    :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features, as they enter the head.
    y : array-like of shape (n_samples,)
        Classes, at least three.
    coef : array-like of shape (n_classes, n_features)
        Weights of the head, a row for each class in sorted order, such as `coef_` of
        :class:`~sklearn.linear_model.LogisticRegression`.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        From 0, weights and means are the same simplex up to size, to 2, they are
        opposite. With `sample_domain` a value for each domain, in sorted order,
        from its rows alone.

    Raises
    ------
    ValueError
        If there are two classes, since two opposite weights would show no more than a
        sign: take `etf_distance`. If `coef` is not of shape (n_classes, n_features), or
        orthogonal to all class means; else as `nc2_equiangularity`.

    See Also
    --------
    etf_distance : With ``coef.T`` for a frame, distance of the weights themselves from
        the means; for any number of classes.

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
    coef = near_one(check_array(coef, dtype=np.float64, input_name="coef"))

    def measure(X, codes, n_classes):
        _check_shape(coef, "coef", X, n_classes, (n_classes, X.shape[1]))
        product = coef @ _unit_means(X, codes, n_classes).T
        if norm(product) <= 4 * np.finfo(float).eps * norm(coef):
            raise ValueError("coef is orthogonal to all centred class means, or zero.")
        return _from_simplex_gram(product, "NC3")

    return _in_each(measure, X, y, sample_domain)


@validate_params(
    {**CLASS_SAMPLES, "y_pred": ["array-like"]}, prefer_skip_nested_validation=True
)
def nc4_disagreement(X, y, y_pred, *, sample_domain=None):
    """NC4: share of rows that a head does not give the class of the nearest mean.

    At collapse both agree [1]_. Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Classes, at least two.
    y_pred : array-like of shape (n_samples,)
        What the head predicts for the rows.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    share : float or ndarray of shape (n_domains,)
        From 0, the head does what the nearest class mean does, to 1. With
        `sample_domain` a value for each domain, in sorted order, from its rows
        alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is one class only, a domain
        lacks a class, or `y_pred` holds a class that `y` does not.

    Notes
    -----
    Does not say that the head is right: the class of a row counts for the means only.

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
    y_pred = column_or_1d(y_pred)
    check_consistent_length(X, y_pred)
    classes, _ = check_classes(y, X)
    unknown = np.setdiff1d(y_pred, classes)
    if len(unknown):
        raise ValueError(
            f"y_pred holds classes that y does not: {unknown.tolist()[:5]}; y has "
            f"{classes.tolist()[:5]}."
        )

    def measure(X, codes, n_classes, predicted):
        X = to_length_one(X)  # products of rows far from the origin are all rounding
        means = class_means(X, codes, n_classes)
        return np.mean(pairwise_distances_argmin(X, means) != predicted)

    predicted = np.searchsorted(classes, y_pred)
    return _in_each(measure, X, y, sample_domain, predicted)


@validate_params(
    {**CLASS_SAMPLES, "etf": ["array-like"], "squared": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def etf_distance(X, y, etf, *, squared=False, sample_domain=None):
    """Distance of the class means from one fixed frame, such as a simplex.

    The F-norm ``|H / |H| - etf / |etf||`` with a centred class mean in each column of
    `H`. Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Classes, at least two.
    etf : array-like of shape (n_features, n_classes)
        Frame that the means are to be at, a column for each class in sorted order, such
        as what `simplex_etf` returns. It is centred too. With the transposed weights
        of a head, this is the self-duality of [1]_, their NC3, for any number of
        classes.
    squared : bool, default=False
        If True, return the square, as the code of [2]_ does.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each row. Each must hold a row of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        From 0, the means are the frame up to shift and size, to 2 (squared: 4), they
        are the opposite of it; means that have nothing to do with it are at the root of
        2. With `sample_domain` a value for each domain, in sorted order, from its
        rows alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` or `etf` is not finite, there is one class only, an
        domain lacks a class, all class means or all columns of `etf` are equal, or
        `etf` is not of shape (n_features, n_classes).

    See Also
    --------
    simplex_etf : Makes a frame.
    nc2_equiangularity : Distance from the nearest simplex; three classes at least.

    Notes
    -----
    Blind to the spread within classes and to a shift and scaling of a domain as
    a whole. Means near the frame in the training domains say nothing of others: a
    shortcut collapses as well.

    References
    ----------
    .. [1] V. Papyan, X. Y. Han and D. L. Donoho, "Prevalence of neural collapse during
       the terminal phase of deep learning training", PNAS 117(40), 2020,
       pp. 24652-24663.
    .. [2] Y. Yang, S. Chen, X. Li, L. Xie, Z. Lin and D. Tao, "Inducing neural collapse
       in imbalanced learning: do we really need a learnable classifier at the end of
       deep neural network?", NeurIPS 2022.

    Examples
    --------
    >>> from skalign.metrics import etf_distance, simplex_etf
    >>> etf, y = simplex_etf(2, 4, random_state=0), [0, 1]
    >>> print(f"{etf_distance(3 * etf.T + 1, y, etf):.3f}")  # a sample a corner
    0.000
    >>> print(f"{etf_distance(etf.T[::-1], y, etf):.3f}")  # corners exchanged
    2.000
    """
    etf = check_array(etf, dtype=np.float64, ensure_min_features=2, input_name="etf")
    frame = to_length_one(etf.T)
    if not frame.any():
        raise ValueError("All columns of etf are equal: there is no frame.")

    def measure(X, codes, n_classes):
        _check_shape(etf, "etf", X, n_classes, (X.shape[1], n_classes))
        distance = norm(_unit_means(X, codes, n_classes) - frame)
        return distance**2 if squared else distance

    return _in_each(measure, X, y, sample_domain)


def _in_each(measure, X, y, sample_domain, *arrays):
    """Call a measure on all rows, or on those of each domain."""
    X, codes, n_classes, groups = check_class_samples(X, y, sample_domain)
    values = [
        measure(X[rows], codes[rows], n_classes, *(array[rows] for array in arrays))
        for rows in groups
    ]
    return float(values[0]) if sample_domain is None else np.array(values)


def _unit_means(X, codes, n_classes):
    """Return class means, centred and of Frobenius norm one, a class a row."""
    means = to_length_one(class_means(X, codes, n_classes))
    if not means.any():
        raise ValueError(_EQUAL_MEANS)
    return means


def _between_and_within(X, codes, n_classes):
    """Return centred class means, and rows about them, by the root of class sizes.

    In one unit, of which the squares cannot overflow; the sums of squares are
    n_classes times the two covariances. And the largest value of each column of `X`.
    """
    counts = np.bincount(codes)
    if counts.max() == 1:
        raise ValueError("No class has two rows: there is no spread within classes.")
    _unit_means(X, codes, n_classes)  # raises where all are equal
    means = class_means(X, codes, n_classes)
    centred = means - means.mean(axis=0)
    size = np.abs(centred).max()
    residual = (X - means[codes]) / size / np.sqrt(counts[codes])[:, np.newaxis]
    return centred / size, residual, np.abs(X).max(axis=0) / size


def _from_simplex_gram(gram, name):
    """Distance of a matrix of shape (n_classes, n_classes) from that of a simplex."""
    n_classes = len(gram)
    if n_classes == 2:
        raise ValueError(
            f"{name} needs at least 3 classes, got 2: any two points are a regular "
            "simplex, so that it says nothing. etf_distance compares with a fixed one."
        )
    simplex = (np.eye(n_classes) - 1 / n_classes) / np.sqrt(n_classes - 1)
    return norm(gram / norm(gram) - simplex)


def _check_shape(array, name, X, n_classes, wanted):
    if array.shape != wanted:
        raise ValueError(
            f"{name} has shape {array.shape}, but {X.shape[1]} features and "
            f"{n_classes} classes want {wanted}."
        )
