"""Regular simplex, and the distance of class means from it."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import norm, qr
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._arrays import arrive
from skalign._validation import Interval
from skalign.metrics._class_samples import (
    CLASS_SAMPLES,
    check_one_per_class,
    in_each_domain,
    unit_means,
)
from skalign.metrics._procrustes import to_length_one


@validate_params(
    {
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "n_features": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def simplex_etf(
    n_classes: int,
    n_features: int,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Vertices of a randomly rotated regular simplex, an equiangular tight frame.

    With :math:`K` classes and a random matrix :math:`P` with orthonormal columns, the
    frame is [1]_

    .. math::

        M = \sqrt{\frac{K}{K - 1}} \, P \Bigl( I - \frac{1}{K} 1 1^\top \Bigr) .

    Its columns are unit vectors as far apart as possible. They are the weights of a
    fixed classifier for collapsed features. Read more in the
    :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    n_classes : int
        Number :math:`K` of vertices, at least 2.
    n_features : int
        Dimension of the space, at least `n_classes`.
    random_state : int, RandomState instance or None, default=None
        Generator of the rotation, which is uniformly distributed. Pass an int for the
        same frame in every call.

    Returns
    -------
    etf : ndarray of shape (n_features, n_classes)
        One vertex per column. Columns have unit norm and sum to zero, and the cosine
        between any two is ``-1 / (n_classes - 1)``.

    Raises
    ------
    ValueError
        If `n_classes` < 2, or `n_features` < `n_classes`.

    See Also
    --------
    etf_distance : Distance of class means from a frame.

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
            "class needs a dimension."
        )
    normal = check_random_state(random_state).standard_normal((n_features, n_classes))
    P, R = qr(normal, mode="economic")
    P *= np.sign(np.diag(R))  # random signs, instead of those of LAPACK
    centring = np.eye(n_classes) - 1 / n_classes
    return np.sqrt(n_classes / (n_classes - 1)) * P @ centring


@validate_params(
    {**CLASS_SAMPLES, "etf": ["array-like"], "squared": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def etf_distance(
    X: ArrayLike,
    y: ArrayLike,
    etf: ArrayLike,
    *,
    squared: bool = False,
    sample_domain: ArrayLike | None = None,
) -> float | np.ndarray:
    r"""Distance of the class means from a fixed frame, such as a simplex.

    With the centred class means as the columns of :math:`H` and the centred frame
    :math:`M`, the distance is

    .. math::

        \Bigl\lVert \frac{H}{\lVert H \rVert_F} - \frac{M}{\lVert M \rVert_F}
        \Bigr\rVert_F .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes.
    etf : array-like of shape (n_features, n_classes)
        Frame to compare the class means with, one column per class in sorted order,
        such as the result of `simplex_etf`. Its columns are centred. With the
        transposed weights of a head, the distance is the self-duality of [1]_, their
        NC3, for any number of classes.
    squared : bool, default=False
        Whether to return the square, as in the code of [2]_.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    distance : float or ndarray of shape (n_domains,)
        Between 0, if the means equal the frame up to shift and scale, and 2 (squared:
        4), if they are opposite to it. Means unrelated to the frame are at about the
        square root of 2. With `sample_domain`, one value per domain, in sorted order,
        each from the samples of that domain alone.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is a single class, a domain lacks a
        class, all class means or all columns of `etf` are equal, or `etf` is not finite
        or not of shape (n_features, n_classes).

    See Also
    --------
    simplex_etf : Random regular simplex.
    nc2_equiangularity : Distance from the nearest simplex, for at least three classes.

    Notes
    -----
    The measure does not depend on the spread within classes, nor on a shift and scaling
    of a whole domain. Means close to the frame in the training domains do not imply the
    same in other domains: a shortcut collapses as well.

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
    >>> print(f"{etf_distance(3 * etf.T + 1, y, etf):.3f}")  # one sample per vertex
    0.000
    >>> print(f"{etf_distance(etf.T[::-1], y, etf):.3f}")  # vertices swapped
    2.000
    """
    etf = arrive(etf, "etf")
    etf = check_array(etf, dtype=np.float64, ensure_min_features=2, input_name="etf")
    frame = to_length_one(etf.T)
    if not frame.any():
        raise ValueError("All columns of etf are equal, so they form no frame.")

    def measure(X, codes, n_classes):
        check_one_per_class(etf, "etf", X, n_classes, (X.shape[1], n_classes))
        distance = norm(unit_means(X, codes, n_classes) - frame)
        return distance**2 if squared else distance

    return in_each_domain(measure, X, y, sample_domain)
