import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes, sqrtm
from scipy.spatial.transform import Rotation

from skalign.unpaired._covariance_map import VarianceMap, spread_of


def test_a_rotation_with_the_scale_of_the_variances(make_clouds):
    clouds = make_clouds()
    X, y = clouds.X, clouds.y[:2000]
    aligner = VarianceMap(whiten=False).fit(X, y)
    rotation, _ = orthogonal_procrustes(X - X.mean(axis=0), y - y.mean(axis=0))
    scale = np.sqrt(y.var(axis=0).sum() / X.var(axis=0).sum())
    assert_allclose(aligner.coef_, scale * rotation)


@pytest.mark.parametrize("whiten", [True, False])
def test_variance_is_that_of_the_sides_whatever_the_pairs(make_clouds, whiten):
    clouds = make_clouds()
    rng = np.random.default_rng(0)
    wrong = rng.permutation(2100)[:2000]  # pairs that are none
    aligner = VarianceMap(
        whiten, source=spread_of(clouds.X), target=spread_of(clouds.y)
    )
    mapped = aligner.fit(clouds.X, clouds.y[wrong]).transform(clouds.X)
    variances = np.cov(mapped.T, ddof=0), np.cov(clouds.y.T, ddof=0)
    assert_allclose(*map(np.trace, variances))
    assert_allclose(mapped.mean(axis=0), clouds.y.mean(axis=0))
    if whiten:
        assert_allclose(*variances, atol=1e-10)


@pytest.mark.parametrize("sign", [1, -1])
def test_exact_pairs_give_any_linear_map_and_mirror(make_clouds, sign):
    mirror = np.diag([1.0, 1.0, sign])
    coef = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.4], [0.2, 0.0, 1.2]]) @ mirror
    X = make_clouds().X
    assert_allclose(VarianceMap().fit(X, X @ coef + 1).coef_, coef, atol=1e-12)
    rigid = VarianceMap(whiten=False).fit(X, X @ mirror)
    assert_allclose(rigid.coef_, mirror, atol=1e-12)


def test_a_weight_of_two_is_a_row_twice(make_clouds):
    clouds = make_clouds()
    X, y = clouds.X[:50], clouds.y[:50]
    weights = np.arange(50) % 2 + 1.0
    twice = np.repeat(np.arange(50), np.arange(50) % 2 + 1)
    weighted = VarianceMap().fit(X, y, sample_weight=weights)
    assert_allclose(weighted.coef_, VarianceMap().fit(X[twice], y[twice]).coef_)


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_a_narrow_cloud_in_a_wide_space(make_clouds, widths):
    X = make_clouds().X
    wide = X @ np.random.default_rng(0).normal(size=(3, 5)) + 2
    X, y = (X, wide) if widths == (3, 5) else (wide, X)
    assert_allclose(VarianceMap().fit(X, y).transform(X), y, atol=1e-8)


@pytest.mark.parametrize("whiten", [False, True])
def test_reflections_are_refused_on_request(make_clouds, whiten):
    clouds = make_clouds(coef=np.diag([1.0, 1.0, -1.0]), same_rows=True)
    X, y = clouds.X, clouds.truth(clouds.X)
    coef = VarianceMap(whiten, allow_reflection=False).fit(X, y).coef_
    Xc, yc = X - X.mean(axis=0), y - y.mean(axis=0)
    if whiten:
        first, second = (sqrtm(np.cov(rows.T)) for rows in (Xc, yc))
        rows = Xc @ np.linalg.inv(first), yc @ np.linalg.inv(second)
        turn = Rotation.align_vectors(rows[1], rows[0])[0].as_matrix().T
        expected = np.linalg.inv(first) @ turn @ second
    else:
        expected = Rotation.align_vectors(yc, Xc)[0].as_matrix().T
    assert_allclose(coef, expected, atol=1e-7)
    assert np.linalg.det(coef) > 0
