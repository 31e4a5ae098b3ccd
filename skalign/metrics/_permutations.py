"""Results of permutation tests."""

from typing import NamedTuple

import numpy as np


class PermutationTestResult(NamedTuple):
    """Result of a permutation test.

    Attributes
    ----------
    statistic : float
        Value for the given samples.
    pvalue : float
        Share of the permutations, including the identity, with at least as extreme a
        value. At least ``1 / (n_permutations + 1)``.
    null_distribution : ndarray of shape (n_permutations,)
        Values of the other permutations.
    """

    statistic: float
    pvalue: float
    null_distribution: np.ndarray


def permutation_pvalue(values, rounding):
    """Share of values at least as large as the first, up to rounding.

    Parameters
    ----------
    values : ndarray of shape (1 + n_permutations,)
        Values of the identity and of random permutations.
    rounding : float
        Differences up to it count as ties.

    Returns
    -------
    pvalue : float
    """
    return float(np.mean(values >= values[0] - rounding))
