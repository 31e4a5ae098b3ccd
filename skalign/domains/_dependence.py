"""Dependence of one division of samples on another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2
from sklearn.utils import check_consistent_length

from skalign._labels import check_classes, check_domain


class DependenceResult(NamedTuple):
    """Result of :func:`domain_dependence`.

    Attributes
    ----------
    statistic : float
        Chi-square statistic.
    pvalue : float
        Probability of a statistic at least as large if the divisions are independent.

    Examples
    --------
    >>> from skalign.domains import domain_dependence
    >>> domain_dependence([0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]).pvalue
    1.0
    """

    statistic: float
    pvalue: float


def domain_dependence(
    domain: ArrayLike, sample_domain: ArrayLike, y: ArrayLike
) -> DependenceResult:
    r"""Test whether found domains depend on given ones within the classes.

    The statistic is that of Cochran, Mantel and Haenszel, for any number of domains
    [1]_. With the number :math:`n_{cde}` of samples of class :math:`c` in the found
    domain :math:`d` and the given domain :math:`e`, and its mean :math:`m_{cde}` and
    covariance :math:`V_c` if the divisions are independent in each class,

    .. math::

        \delta^\top \Bigl(\sum_c V_c\Bigr)^{+} \delta, \qquad
        \delta_{de} = \sum_c (n_{cde} - m_{cde}), \qquad
        m_{cde} = \frac{n_{cd \cdot} \, n_{c \cdot e}}{n_{c \cdot \cdot}} .

    It has the power of a test of all samples, and classes that are more frequent in one
    domain than in another do not count as dependence.

    Domains found by :func:`partition_domains` follow the best predictor of the classes.
    A shortcut usually holds more often in one given domain than in another, so that the
    found domains depend on the given ones. The cause does not: its exceptions are wrong
    labels, and if labels are wrong **equally often in all given domains**, the found
    domains are independent. A large `pvalue` is therefore a warning that the found
    domains may follow the cause. If the given domains differ in their share of wrong
    labels, a small one proves nothing. Read more in the
    :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    domain : array-like of shape (n_samples,)
        Found domain of each sample.
    sample_domain : array-like of shape (n_samples,)
        Given domain of each sample, numbers or strings.
    y : array-like of shape (n_samples,)
        Class labels.

    Returns
    -------
    result : DependenceResult
        `statistic` and `pvalue`. The p-value is 1 if no class has samples of two found
        and of two given domains.

    Raises
    ------
    ValueError
        If the lengths differ, or a label or a domain is missing.

    References
    ----------
    .. [1] J. R. Landis, E. R. Heyman and G. G. Koch, "Average partial association in
       three-way contingency tables: a review and discussion of alternative tests",
       International Statistical Review 46(3), 1978, pp. 237-254.

    Examples
    --------
    A shortcut holds in 90 % of the samples of one domain, and in 70 % of the other:

    >>> import numpy as np
    >>> from skalign.domains import domain_dependence
    >>> rng = np.random.default_rng(0)
    >>> y, given = rng.integers(2, size=1000), np.repeat(["a", "b"], 500)
    >>> by_shortcut = rng.random(1000) < np.where(given == "a", 0.9, 0.7)
    >>> by_cause = rng.random(1000) < 0.8
    >>> bool(domain_dependence(by_shortcut, given, y).pvalue < 0.01)
    True
    >>> bool(domain_dependence(by_cause, given, y).pvalue < 0.01)
    False
    """
    classes, y = check_classes(y, y)
    check_consistent_length(y, domain, sample_domain)
    of = [
        np.unique(check_domain(part, y), return_inverse=True)[1]
        for part in (domain, sample_domain)
    ]
    table = np.zeros((len(classes), of[0].max() + 1, of[1].max() + 1), dtype=int)
    np.add.at(table, (y, *of), 1)
    size = table[0].size  # a class has n_found x n_given counts
    excess, covariance = np.zeros(size), np.zeros((size, size))
    for of_class in table:
        n, rows, columns = of_class.sum(), of_class.sum(axis=1), of_class.sum(axis=0)
        if n > 1:
            excess += (of_class - np.outer(rows, columns) / n).ravel()
            spreads = (
                n * np.diag(part) - np.outer(part, part) for part in (rows, columns)
            )
            covariance += np.kron(*spreads) / (n**2 * (n - 1))
    n_free = np.linalg.matrix_rank(covariance, hermitian=True)
    if n_free == 0:
        return DependenceResult(0.0, 1.0)
    statistic = excess @ np.linalg.pinv(covariance, hermitian=True) @ excess
    return DependenceResult(float(statistic), float(chi2.sf(statistic, n_free)))
