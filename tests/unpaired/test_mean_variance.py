import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import StandardScaler

from skalign import MeanVarianceAligner


def test_scaling_the_source_and_unscaling_as_the_target_is_the_same():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)) * [1, 2, 3, 4], rng.normal(size=(50, 4)) + 5
    expected = (
        StandardScaler().fit(y).inverse_transform(StandardScaler().fit_transform(X))
    )
    assert_allclose(MeanVarianceAligner().fit_transform(X, y), expected)


def test_variances_are_those_of_samples_of_any_two_sizes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(7, 4)) * [1, 2, 3, 4], rng.normal(size=(50, 4)) + 5
    mapped = MeanVarianceAligner().fit_transform(X, y)
    assert_allclose(mapped.var(axis=0, ddof=1), y.var(axis=0, ddof=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_is_shifted_but_not_stretched(dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(999, 3)), rng.normal(size=(888, 3))
    X[:, 0] = 0.1
    y[:, 1] = 0.3
    X[:, 2], y[:, 2] = 0.7, 1234.56
    aligner = MeanVarianceAligner().fit(X.astype(dtype), y.astype(dtype))
    assert_allclose(aligner.scale_, [1, 0, 1], atol=0)
    new = np.array([[0.2, 5.0, 0.8]], dtype=dtype)
    expected = [[0.1 + y[:, 0].mean(), 0.3, 1234.66]]
    assert_allclose(aligner.transform(new), expected, rtol=1e-5)
    back = aligner.inverse_transform(aligner.transform(new))
    assert_allclose(back, [[0.2, X[:, 1].mean(), 0.8]], rtol=1e-3)


def test_reg_is_added_to_both_variances():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), 9 * rng.normal(size=(30, 2))
    expected = (y.var(axis=0, ddof=1) + 0.5) / (X.var(axis=0, ddof=1) + 0.5)
    assert_allclose(MeanVarianceAligner(reg=0.5).fit(X, y).scale_ ** 2, expected)


def test_coef_is_the_diagonal_matrix_of_the_scale():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), 9 * rng.normal(size=(30, 2))
    aligner = MeanVarianceAligner().fit(X, y)
    expected = (X - aligner.x_mean_) @ aligner.coef_ + aligner.y_mean_
    assert_allclose(aligner.transform(X), expected)


def test_a_small_spread_of_many_rows_is_no_constant():
    rng = np.random.default_rng(0)
    X = (100 + 3e-3 * rng.normal(size=(100_000, 1))).astype(np.float32)
    y = (100 + 0.3 * rng.normal(size=(100_000, 1))).astype(np.float32)
    assert_allclose(MeanVarianceAligner().fit(X, y).scale_, 100, rtol=0.02)
    for dtype in (np.float32, np.float64):
        constant = np.full_like(X, 0.1, dtype=dtype)
        assert MeanVarianceAligner().fit(constant, y.astype(dtype)).scale_ == 1
