import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.cross_decomposition import CCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from skalign import AlignedRetriever, CanonicalAligner, LinearAligner, RigidAligner
from skalign.metrics import get_scorer, retrieval_accuracy


def _pairs(n_samples=300, n_shared=5, n_own=10, seed=0):
    """Two sides that share some columns, and have louder ones of their own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_samples, n_shared))
    sides = (
        np.c_[shared, 3 * rng.normal(size=(n_samples, n))] for n in (n_own, n_own + 2)
    )
    X, y = (rows @ ortho_group.rvs(rows.shape[1], random_state=rng) for rows in sides)
    return X + 0.1 * rng.normal(size=X.shape), y + 0.1 * rng.normal(size=y.shape)


def test_without_a_ridge_the_correlations_are_those_of_scikit_learn():
    X, y = _pairs()
    aligner = CanonicalAligner(4, shrinkage=0).fit(X, y)
    theirs = CCA(4, tol=1e-12, max_iter=10_000).fit(X, y).transform(X, y)
    ours = aligner.transform(X), aligner.transform_target(y)
    for k in range(4):
        own = np.corrcoef(ours[0][:, k], ours[1][:, k])[0, 1]
        assert_allclose(own, aligner.correlations_[k], rtol=1e-10)
        assert_allclose(own, np.corrcoef(theirs[0][:, k], theirs[1][:, k])[0, 1])


def test_coordinates_are_uncorrelated_and_as_long_as_their_correlation():
    X, y = _pairs()
    aligner = CanonicalAligner(shrinkage=0).fit(X, y)
    for rows in (aligner.transform(X), aligner.transform_target(y)):
        expected = np.diag(aligner.correlations_**2)
        assert_allclose(np.cov(rows.T, bias=True), expected, atol=1e-10)
        assert_allclose(rows.mean(axis=0), 0, atol=1e-10)


def test_each_side_is_the_regression_of_the_coordinates_of_the_other():
    X, y = _pairs()
    aligner = CanonicalAligner(shrinkage=0).fit(X, y)
    goal = aligner.transform_target(y) / aligner.correlations_
    told = LinearAligner(alpha=0).fit(X, goal).transform(X)
    assert_allclose(aligner.transform(X), told, atol=1e-9)


def test_what_one_side_knows_alone_takes_no_part():
    X, y = _pairs(600, n_shared=8)
    aligner = CanonicalAligner(8, shrinkage=0.01).fit(X[:400], y[:400])
    X_new, y_new = X[400:], y[400:]
    found = retrieval_accuracy(
        aligner.transform(X_new), aligner.transform_target(y_new)
    )
    rigid = RigidAligner().fit(X[:400], y[:400])
    assert found > 0.95
    assert retrieval_accuracy(rigid.transform(X_new), y_new) < 0.6


def test_a_rotation_of_either_side_changes_no_similarity():
    X, y = _pairs()
    turned = y @ ortho_group.rvs(y.shape[1], random_state=1) + 5
    plain, other = (CanonicalAligner().fit(X, rows) for rows in (y, turned))
    assert_allclose(
        plain.transform(X) @ plain.transform_target(y).T,
        other.transform(X) @ other.transform_target(turned).T,
        atol=1e-9,
    )


def test_the_sides_are_treated_alike():
    X, y = _pairs()
    aligner, swapped = CanonicalAligner().fit(X, y), CanonicalAligner().fit(y, X)
    assert_allclose(
        aligner.transform(X) @ aligner.transform_target(y).T,
        (swapped.transform(y) @ swapped.transform_target(X).T).T,
        atol=1e-9,
    )


def test_units_do_not_matter_to_the_ridge():
    X, y = _pairs(20)
    assert_allclose(
        CanonicalAligner().fit(X, y).correlations_,
        CanonicalAligner().fit(1e3 * X, 1e-3 * y).correlations_,
    )


def test_a_ridge_tells_chance_from_what_is_shared():
    X, y = np.random.default_rng(0).normal(size=(2, 20, 30))  # nothing is shared
    assert CanonicalAligner(shrinkage=0).fit(X, y).correlations_.min() > 0.999
    assert CanonicalAligner(shrinkage=10).fit(X, y).correlations_.max() < 0.7


def test_the_width_is_what_the_rows_span():
    X, y = _pairs(8)
    aligner = CanonicalAligner().fit(X, y)
    assert aligner.n_components_ == aligner.transform(X).shape[1] == 7
    assert len(aligner.get_feature_names_out()) == 7


@pytest.mark.parametrize("ranks", [(2, 3), (3, 2)])
def test_the_width_is_what_both_sides_span(ranks):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(40, r)) @ rng.normal(size=(r, 5)) for r in ranks)
    aligner = CanonicalAligner(shrinkage=0).fit(X, y)
    assert aligner.transform(X).shape == aligner.transform_target(y).shape == (40, 2)
    bases = (np.linalg.svd(rows - rows.mean(axis=0))[0] for rows in (X, y))
    cosines = [basis[:, :r] for basis, r in zip(bases, ranks, strict=True)]
    expected = np.linalg.svd(cosines[0].T @ cosines[1])[1]
    assert_allclose(aligner.correlations_, expected)


def test_columns_of_the_common_space_are_not_those_of_the_target():
    X, y = _pairs()
    y = pd.DataFrame(y).add_prefix("y")
    names = CanonicalAligner(2).fit(X, y).get_feature_names_out()
    assert list(names) == ["canonicalaligner0", "canonicalaligner1"]


def test_searches_retrievers_and_pipelines_take_it():
    X, y = _pairs(300, n_shared=8)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), CanonicalAligner()),
        {"canonicalaligner__shrinkage": [0.01, 100.0]},
        scoring=get_scorer("retrieval_accuracy"),
        cv=3,
    ).fit(X, y)
    assert search.best_params_["canonicalaligner__shrinkage"] == 0.01
    own = search.best_estimator_.score(X, y)
    assert own == get_scorer("retrieval_accuracy")(search.best_estimator_, X, y) > 0.9
    retriever = AlignedRetriever(CanonicalAligner(shrinkage=0.01)).fit(X[:200], y[:200])
    found = retriever.add(y[200:]).kneighbors(X[200:], 1, return_distance=False)
    assert np.mean(found[:, 0] == np.arange(200, 300)) > 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    X, y = (rows.astype(dtype) for rows in _pairs(50))
    aligner = CanonicalAligner().fit(X, y)
    assert aligner.transform(X).dtype == aligner.transform_target(y).dtype == dtype


def test_a_large_mean_costs_no_digits():
    X, y = _pairs(50)
    near, far = CanonicalAligner().fit(X, y), CanonicalAligner().fit(X + 1e6, y - 1e6)
    assert_allclose(far.correlations_, near.correlations_, rtol=1e-7)
    assert_allclose(
        normalize(far.transform(X + 1e6)), normalize(near.transform(X)), atol=1e-6
    )


def test_the_rows_of_the_caller_are_left_alone():
    X, y = _pairs(50)
    kept = X.copy(), y.copy()
    CanonicalAligner().fit(X, y).transform_target(y)
    assert_array_equal(X, kept[0])
    assert_array_equal(y, kept[1])


def test_impossible_widths_and_constant_sides_are_refused():
    X, y = _pairs(50)
    with pytest.raises(ValueError, match=r"n_components=16 must be at most .*=15\."):
        CanonicalAligner(16).fit(X, y)
    for value in (1, 0.1):  # the mean of 0.1 is rounded
        with pytest.raises(ValueError, match="All samples of y are equal"):
            CanonicalAligner().fit(X, np.full((50, 3), value))
    aligner = CanonicalAligner().fit(X, y)
    with pytest.raises(ValueError, match="y has 3 columns, but the target space has"):
        aligner.transform_target(y[:, :3])


@pytest.mark.parametrize("scale", [2.0**-510, 2.0**510])
def test_correlations_are_those_of_rows_of_any_size(scale):
    X, noise = np.random.default_rng(0).normal(size=(2, 60, 3))
    expected = CanonicalAligner().fit(X, X + noise)
    aligner = CanonicalAligner().fit(scale * X, scale * (X + noise))
    assert_allclose(aligner.correlations_, expected.correlations_)
    assert_allclose(aligner.transform(scale * X), expected.transform(X))


def test_what_overflows_is_refused():
    X, y = np.eye(5, 3), np.eye(5, 3)[::-1].copy()
    with pytest.raises(ValueError, match="The map of X overflows float32"):
        CanonicalAligner().fit(X.astype("f4") * np.float32(1e-42), y)
    with pytest.raises(ValueError, match="The sums overflow float64"):
        CanonicalAligner().fit(X, 1.7e308 * (1 - y / 2))
    aligner = CanonicalAligner().fit(X, y)
    for scale in (2.0**-1000, 2.0**900):
        scaled = CanonicalAligner().fit(X, y * scale)
        assert_allclose(scaled.x_coef_, aligner.x_coef_)
        assert_allclose(scaled.y_coef_ * scale, aligner.y_coef_)
