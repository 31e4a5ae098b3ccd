"""Class means in each domain, and their distance between domains."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import norm
from sklearn.utils._param_validation import validate_params

from skalign._arrays import beside, namespace, take_rows, to_numpy
from skalign._labels import check_classes, check_domain
from skalign._rescale import near_one
from skalign.metrics._class_samples import (
    CLASS_SAMPLES,
    check_class_samples,
    class_means,
    column_precision,
    read_samples,
)


@validate_params(CLASS_SAMPLES, prefer_skip_nested_validation=True)
def class_prototypes(
    X: ArrayLike, y: ArrayLike, *, sample_domain: ArrayLike | None = None
) -> np.ndarray:
    r"""Mean of each class, or of each class in each domain.

    The prototype of class :math:`k` in domain :math:`d`, with the samples
    :math:`S_{dk}`, is

    .. math::

        \mu_{dk} = \frac{1}{|S_{dk}|} \sum_{i \in S_{dk}} x_i .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes.
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample. Each domain must hold a sample of every class.

    Returns
    -------
    prototypes : ndarray of shape (n_classes, n_features)
        Prototypes of the classes in sorted order, that of ``np.unique``. With
        `sample_domain`, an array of shape (n_domains, n_classes, n_features), with the
        domains in sorted order.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is a single class, a domain lacks a
        class.

    Examples
    --------
    >>> from skalign.metrics import class_prototypes
    >>> X, y = [[0, 0], [2, 0], [0, 4], [0, 6]], ["cat", "dog", "cat", "dog"]
    >>> class_prototypes(X, y)
    array([[0., 2.],
           [1., 3.]])
    >>> class_prototypes(X, y, sample_domain=[0, 0, 1, 1]).shape
    (2, 2, 2)
    """
    X, codes, n_classes, groups = check_class_samples(X, y, sample_domain)
    prototypes = [
        class_means(take_rows(X, rows), codes[rows], n_classes) for rows in groups
    ]
    return beside(prototypes[0] if sample_domain is None else np.stack(prototypes), X)


@validate_params(
    {**CLASS_SAMPLES, "sample_domain": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def prototype_distance(X: ArrayLike, y: ArrayLike, sample_domain: ArrayLike) -> float:
    r"""Mean distance between the prototypes of a class in different domains.

    With the class means :math:`\mu_{dk}` of :math:`D` domains and :math:`K` classes,
    the distance is

    .. math::

        \frac{2}{D(D - 1) K} \sum_{d < d'} \sum_{k=1}^{K} \Bigl\lVert
        \frac{\mu_{dk}}{\lVert \mu_{dk} \rVert}
        - \frac{\mu_{d'k}}{\lVert \mu_{d'k} \rVert} \Bigr\rVert .

    Read more in the :ref:`User Guide <neural_collapse>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features, as passed to the head, without centring.
    y : array-like of shape (n_samples,)
        Class labels of at least two classes.
    sample_domain : array-like of shape (n_samples,)
        Domain of each sample, of at least two domains. Each domain must hold a sample
        of every class.

    Returns
    -------
    distance : float
        Between 0, if the mean of every class has the same direction in all domains, and
        2, if there are two domains with opposite directions.

    Raises
    ------
    ValueError
        If lengths differ, `X` is not finite, there is a single class or a single
        domain, a domain lacks a class, or a class mean is zero.

    See Also
    --------
    class_prototypes : Class means in each domain.

    Notes
    -----
    The distance depends on the directions of the class means only. It is also 0 if all
    classes have the same mean.

    Examples
    --------
    >>> from skalign.metrics import prototype_distance
    >>> X, y = [[1, 0], [0, 1], [5, 0], [0, 3]], [0, 1, 0, 1]
    >>> print(prototype_distance(X, y, sample_domain=[0, 0, 1, 1]))
    0.0
    >>> X[2:] = X[3:1:-1]  # swap the classes in domain 1
    >>> print(f"{prototype_distance(X, y, sample_domain=[0, 0, 1, 1]):.3f}")
    1.414
    """
    precision = column_precision(X)
    X = near_one(read_samples(X))
    prototypes = to_numpy(class_prototypes(X, y, sample_domain=sample_domain))
    if len(prototypes) < 2:
        raise ValueError("sample_domain must hold at least 2 domains; got 1.")
    length = norm(prototypes, axis=2, keepdims=True)
    largest = namespace(X).max(namespace(X).abs(X), axis=0)
    rounding = norm(4 * precision * to_numpy(largest))
    if (length <= rounding).any():
        domain, code, _ = np.argwhere(length <= rounding)[0]
        classes, _ = check_classes(y, X)
        domains = np.unique(check_domain(sample_domain))
        raise ValueError(
            f"The mean of class {classes.tolist()[code]!r} in domain "
            f"{domains.tolist()[domain]!r} is zero: it has no direction."
        )
    prototypes = prototypes / length
    first, second = np.triu_indices(len(prototypes), k=1)
    return float(norm(prototypes[first] - prototypes[second], axis=2).mean())
