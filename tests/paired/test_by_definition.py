"""Paired aligners against their definitions, computed another way."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.utils import get_tags

from skalign import (
    AlignedRetriever,
    CORALAligner,
    GeneralizedProcrustes,
    LinearAligner,
    RelativeRepresentation,
)
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


def test_as_many_candidates_as_csls_asks_for_are_enough():
    X, y = _pairs(n=12, d=3, k=3)
    AlignedRetriever(csls=12).fit(X, y).kneighbors(X)
    with pytest.raises(ValueError, match="csls=12 must be at most"):
        AlignedRetriever(csls=12).fit(X, y, candidates=y[:11])


def test_a_retriever_takes_many_targets_and_names_anew():
    X, y = _pairs()
    retriever = AlignedRetriever()
    assert get_tags(retriever).target_tags.multi_output
    retriever.fit(X, pd.DataFrame(y, columns=["u", "v"]))
    retriever.fit(X, pd.DataFrame(y, columns=["w", "v"]))
    assert retriever.target_names_in_.tolist() == ["w", "v"]


def test_a_retriever_takes_other_names_but_where_features_keep_their_meaning():
    X, y = _pairs(d=2)
    X, y = pd.DataFrame(X, columns=["a", "b"]), pd.DataFrame(y, columns=["c", "d"])
    AlignedRetriever(clone(LinearAligner())).fit(X, y)
    with pytest.raises(ValueError, match="same columns in X and in y"):
        AlignedRetriever(CORALAligner()).fit(X, y)


def test_spaces_of_a_consensus_are_named_by_their_own_columns():
    X, y = _pairs(k=2)
    rows = pd.DataFrame(np.c_[X, y, X[:, :2]], columns=list("abcdefg"))
    aligner = GeneralizedProcrustes(space_sizes=[3, 2, 2], kind="linear").fit(rows)
    for space, names in enumerate((list("abc"), list("de"), list("fg"))):
        aligner.to_consensus(rows[names], space)
        with pytest.raises(ValueError, match="feature names"):
            aligner.to_consensus(rows[names[::-1]], space)
