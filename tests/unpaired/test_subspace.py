import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from skalign import SubspaceAligner


def sides(n_samples=60, n_target_samples=45, n_features=8, seed=0):
    rng = np.random.default_rng(seed)
    spread = np.linspace(3, 0.5, n_features)
    X, y = (
        rng.normal(size=(n, n_features))
        * spread
        @ ortho_group.rvs(n_features, random_state=k)
        for k, n in enumerate((n_samples, n_target_samples))
    )
    return X - 2, y + 3


@pytest.mark.parametrize("shape", [(60, 45, 8), (7, 9, 20), (60, 9, 20)])
def test_the_map_is_that_of_the_paper(shape):
    X, y = sides(*shape)
    P, Q = (PCA(3, svd_solver="full").fit(rows).components_.T for rows in (X, y))
    aligner = SubspaceAligner(3).fit(X, y)
    mapped = (X - X.mean(axis=0)) @ P @ P.T @ Q
    assert_allclose(np.abs(aligner.transform(X)), np.abs(mapped), atol=1e-8)
    target = (y - y.mean(axis=0)) @ Q
    assert_allclose(np.abs(aligner.transform_target(y)), np.abs(target), atol=1e-8)
    assert_allclose(  # signs of both agree
        aligner.transform(X) @ aligner.transform_target(y).T,
        mapped @ target.T,
        atol=1e-8,
    )


def test_a_source_with_the_axes_of_the_target_keeps_its_coordinates():
    X, _ = sides()
    aligner = SubspaceAligner(2).fit(X, X + 7)
    assert_allclose(aligner.transform(X), aligner.transform_target(X + 7), atol=1e-10)
    assert_allclose(aligner.coef_, aligner.target_coef_, atol=1e-10)


def test_the_inverse_gives_back_what_the_subspace_holds():
    X, y = sides()
    full = SubspaceAligner().fit(X, y)
    assert full.n_components_ == 8
    assert_allclose(full.inverse_transform(full.transform(X)), X, atol=1e-8)
    few = SubspaceAligner(3).fit(X, y)
    once = few.inverse_transform(few.transform(X))
    leading = PCA(3, svd_solver="full").fit(X)
    assert_allclose(once, leading.inverse_transform(leading.transform(X)), atol=1e-8)


def test_the_source_may_span_less_than_the_subspace():
    X, y = sides(n_samples=4)
    with pytest.warns(UserWarning, match="determine 3 of 6 directions"):
        aligner = SubspaceAligner(6).fit(X, y)
    assert aligner.transform(X).shape == (4, 6)
    assert np.linalg.matrix_rank(aligner.coef_) == 3
    assert SubspaceAligner().fit(X, y).n_components_ == 3


def test_signs_do_not_depend_on_the_order_of_rows():
    X, y = sides()
    aligner = SubspaceAligner(4).fit(X, y)
    shuffled = SubspaceAligner(4).fit(X[::-1], np.roll(y, 5, axis=0))
    assert_allclose(shuffled.coef_, aligner.coef_, atol=1e-10)
    assert_allclose(shuffled.target_coef_, aligner.target_coef_, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_components", "rank"), [(1, 1), (2, 1), (5, 1), (6, 6)])
def test_axes_of_equal_variance_are_counted_and_kept(dtype, n_components, rank):
    rng = np.random.default_rng(0)
    X = PCA(whiten=True).fit_transform(rng.normal(size=(200, 6)) * np.arange(1, 7))
    X[:, 0] *= 3
    turn = np.eye(6)
    turn[1:, 1:] = ortho_group.rvs(5, random_state=0)  # of axes that tie
    y = (X @ turn.T)[rng.permutation(200)] + 5
    X, y = (X @ turn).astype(dtype), y.astype(dtype)
    aligner = SubspaceAligner(n_components)
    if rank == n_components:
        aligner.fit(X, y)  # no warning
    else:
        with pytest.warns(UserWarning, match=f"determine 1 of {n_components} direct"):
            aligner.fit(X, y)
    assert aligner.determined_rank_ == rank
    here, there = aligner.transform(X), aligner.transform_target(X + y.mean(axis=0))
    assert_allclose(here, there, atol=200 * np.finfo(dtype).eps * np.abs(y).max())


def test_smooth_spectra_raise_no_alarm():
    X, y = sides()
    for n_components in range(1, 9):
        aligner = SubspaceAligner(n_components).fit(X, y)
        assert aligner.determined_rank_ == n_components


def test_what_spans_too_little_is_refused():
    X, y = sides(n_target_samples=5)
    with pytest.raises(ValueError, match="n_components=5 must be at most 4, the rank"):
        SubspaceAligner(5).fit(X, y)
    with pytest.raises(ValueError, match="All samples of X are equal"):
        SubspaceAligner().fit(np.ones((6, 8)), y)
    with pytest.raises(ValueError, match="y has 3 columns, but transform returns 2"):
        SubspaceAligner(2).fit(X, y).inverse_transform(X[:, :3])
    with pytest.raises(ValueError, match="y has 3 columns, but the target space has 8"):
        SubspaceAligner(2).fit(X, y).transform_target(y[:, :3])


def test_the_narrower_of_two_subspaces_sets_the_number_of_components():
    rng = np.random.default_rng(0)
    full, narrow = rng.normal(size=(30, 5)), rng.normal(size=(40, 3)) @ np.eye(3, 5)
    for X, y in ((full, narrow), (narrow, full)):
        aligner = SubspaceAligner().fit(X, y)
        assert aligner.n_components_ == 3
        assert aligner.coef_.shape == aligner.target_coef_.shape == (5, 3)
