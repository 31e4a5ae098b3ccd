"""Dependence of one division of samples on another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, chi2_contingency
from sklearn.utils import check_consistent_length

from skalign._labels import check_classes, check_domain


class DependenceResult(NamedTuple):
    """Result of :func:`domain_dependence`.

    Attributes
    ----------
    statistic : float
        Sum of the chi-square statistics of the classes.
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

    The statistic is the sum over the classes :math:`c` of that of a chi-square test of
    the table of numbers of samples :math:`n_{cde}` in the found domain :math:`d` and
    the given domain :math:`e`,

    .. math::

        \sum_{c, d, e} \frac{(n_{cde} - m_{cde})^2}{m_{cde}}, \qquad
        m_{cde} = \frac{n_{cd \cdot} \, n_{c \cdot e}}{n_{c \cdot \cdot}} .

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
    statistic, n_free = 0.0, 0
    for of_class in table:
        filled = of_class[of_class.any(axis=1)][:, of_class.any(axis=0)]
        if min(filled.shape) > 1:
            found = chi2_contingency(filled, correction=False)
            statistic, n_free = statistic + found.statistic, n_free + found.dof
    return DependenceResult(
        float(statistic), float(chi2.sf(statistic, n_free)) if n_free else 1.0
    )
