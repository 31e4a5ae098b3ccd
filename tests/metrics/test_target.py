"""Retrieval and discrepancy from one product, against the metrics alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign.metrics import Target, mmd, retrieval_accuracy


def draw(n=300, n_features=6, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    Y = rng.normal(size=(n, n_features))
    return Y + noise * rng.normal(size=Y.shape), Y


@pytest.mark.parametrize(
    ("of_target", "of_map", "atol"),
    [
        (np.float64, np.float64, 1e-14),
        (np.float32, np.float32, 1e-7),
        (np.float32, np.float64, 1e-7),
    ],
)
def test_several_sets_are_compared_with_one_target(of_target, of_map, atol):
    target = Target(draw()[1], of_target)
    for noise in (0.1, 1.0, 30.0):
        X, Y = draw(noise=noise)
        accuracy, discrepancy = target.compare(X, of_map)
        assert accuracy == retrieval_accuracy(X, Y)
        expected = mmd(X, Y, gamma="target", unbiased=False)
        assert_allclose(discrepancy, expected, rtol=1e-12, atol=atol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_target_itself_is_found(dtype):
    _, Y = draw()
    accuracy, discrepancy = Target(Y, dtype).compare(Y, dtype)
    assert accuracy == 1
    assert 0 <= discrepancy < 1e-7


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_samples_without_a_direction_and_ties_are_misses(dtype):
    _, Y = draw()
    target = Target(np.vstack([Y, Y]), dtype)
    X = np.zeros((600, 6))
    accuracy, discrepancy = target.compare(X, dtype)
    assert accuracy == 0
    expected = mmd(X, np.vstack([Y, Y]), gamma="target", unbiased=False)
    assert_allclose(discrepancy, expected, rtol=1e-6)
    accuracy, discrepancy = target.compare(np.vstack([Y, Y]), dtype)
    assert accuracy == 0
    assert_allclose(discrepancy, 0, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((300, 7), "X has 7 features, but Y has 6"),
        ((3, 6), "X has 3 samples, but the target has 300"),
    ],
)
def test_a_set_of_another_shape_than_the_target_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        Target(draw()[1], np.float64).compare(np.ones(shape), np.float64)
