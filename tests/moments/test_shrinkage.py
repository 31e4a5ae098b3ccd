"""relative_ridge: the share of the mean variance of a direction."""

import numpy as np
from numpy.testing import assert_allclose

from skalign.moments import relative_ridge


def test_the_ridge_is_a_share_of_the_mean_eigenvalue_of_the_gram_matrix():
    X = np.random.default_rng(0).normal(size=(9, 4)) + 5
    eigenvalues = np.linalg.eigvalsh(8 * np.cov(X.T))
    assert_allclose(relative_ridge(0.3, X), 0.3 * eigenvalues.mean())
