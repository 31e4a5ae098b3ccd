"""Paired aligners against their definitions, computed another way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skalign import LinearAligner, RelativeRepresentation
from skalign.anchors import RandomAnchors


def _pairs(n=40, d=3, k=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 2
    return X, X @ rng.normal(size=(d, k)) + 0.3 * rng.normal(size=(n, k)) + 5


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_noise_without_an_intercept_is_that_of_the_residuals(alpha):
    X, y = _pairs()
    aligner = LinearAligner(alpha, fit_intercept=False).partial_fit(X, y)
    gram = X.T @ X
    coef = np.linalg.solve(gram + alpha * np.eye(3), X.T @ y)
    squares = ((y - X @ coef) ** 2).sum(axis=0)
    df = np.trace(np.linalg.solve(gram + alpha * np.eye(3), gram))
    assert_allclose(aligner.coef_, coef, rtol=1e-9)
    assert_allclose(aligner.noise_variance_, squares / (len(X) - df), rtol=1e-9)


def test_noise_of_a_reduced_rank_counts_the_slopes_of_each_target():
    X, y = _pairs(k=3)

    aligner = LinearAligner(2.0, rank=1).fit(X, y)
    centred, target = X - X.mean(axis=0), y - y.mean(axis=0)
    gram = centred.T @ centred
    full = np.linalg.solve(gram + 2 * np.eye(3), centred.T @ target)
    # Ridge is least squares on rows stacked with sqrt(alpha) times the identity.
    stacked = np.vstack([centred, np.sqrt(2) * np.eye(3)]) @ full
    _, _, Vt = np.linalg.svd(stacked, full_matrices=False)
    projection = Vt[:1].T @ Vt[:1]
    squares = ((target - centred @ full @ projection) ** 2).sum(axis=0)
    slopes = np.trace(np.linalg.solve(gram + 2 * np.eye(3), gram))
    df = 1 + slopes * np.diag(projection)
    assert_allclose(aligner.noise_variance_, squares / (len(X) - df), rtol=1e-8)


@pytest.mark.parametrize("similarity", ["seuclidean", "mahalanobis"])
def test_scaled_distances_take_the_unbiased_covariance_of_the_rows(similarity):
    X, _ = _pairs()
    relative = RelativeRepresentation(
        RandomAnchors(5, random_state=0), similarity=similarity
    ).fit(X)
    spread = (
        {"V": X.var(axis=0, ddof=1)}
        if similarity == "seuclidean"
        else {"VI": np.linalg.inv(np.cov(X.T))}
    )
    expected = cdist(X, X[relative.anchor_indices_], similarity, **spread)
    assert_allclose(np.abs(relative.transform(X)), expected, rtol=1e-9)
