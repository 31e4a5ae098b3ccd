"""The largest similarity that noise in repeated measurements allows."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign.metrics import (
    cka,
    noise_ceiling,
    procrustes_distance,
    proxy_a_distance,
    rsa_correlation,
)


def _correlation(X, Y):
    return np.corrcoef(X.ravel(), Y.ravel())[0, 1]


def _measured(n_repetitions, noise, n_samples=60, seed=0):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n_samples, 4)) * [2, 1.5, 1, 0.5]
    return signal, signal + noise * rng.normal(size=(n_repetitions, n_samples, 4))


def test_two_repetitions_follow_the_formula():
    _, X = _measured(2, 1.0)
    s = rsa_correlation(X[0], X[1])
    result = noise_ceiling(rsa_correlation, X, n_splits=3)
    assert_allclose(result.x_reliability, 2 * s / (1 + s))
    assert_allclose(result.ceiling, np.sqrt(result.x_reliability))
    assert result.y_reliability == 1


def test_the_ceiling_of_both_sides_is_the_root_of_the_product():
    (_, X), (_, Y) = _measured(4, 1.0), _measured(6, 0.5, seed=1)
    both = noise_ceiling(rsa_correlation, X, Y, n_splits=5, random_state=0)
    one = noise_ceiling(rsa_correlation, X, n_splits=5, random_state=0)
    assert both.x_reliability == one.x_reliability
    assert_allclose(both.ceiling, np.sqrt(both.x_reliability * both.y_reliability))


def test_the_reliability_of_correlations_is_that_of_the_model():
    signal, X = _measured(10, 2.0, n_samples=5000)
    variance = signal.var()
    expected = variance / (variance + 4 / 10)
    found = noise_ceiling(_correlation, X, n_splits=20, random_state=0)
    assert_allclose(found.x_reliability, expected, atol=0.01)


@pytest.mark.parametrize(
    "metric",
    [partial(cka, debiased=True), partial(rsa_correlation, correlation="pearson")],
    ids=["cka", "rsa"],
)
def test_the_ceiling_is_the_similarity_to_what_was_measured(metric):
    found = []
    for seed in range(8):
        signal, X = _measured(6, 1.0, seed=seed)
        ceiling = noise_ceiling(metric, X, n_splits=10, random_state=0).ceiling
        found.append([metric(X.mean(axis=0), signal), ceiling])
    similarity, ceiling = np.mean(found, axis=0)
    assert_allclose(ceiling, similarity, atol=0.02)


def test_measurements_without_noise_have_the_ceiling_one():
    _, X = _measured(3, 0.0)
    assert_allclose(noise_ceiling(rsa_correlation, X, X, n_splits=3), (1, 1, 1))


def test_noise_alone_has_a_ceiling_near_zero():
    X = np.random.default_rng(0).normal(size=(6, 80, 4))
    result = noise_ceiling(partial(cka, debiased=True), X, n_splits=20, random_state=0)
    assert 0 <= result.ceiling < 0.3


def test_metrics_that_are_no_similarities_are_refused():
    _, X = _measured(4, 1.0)
    for metric in (procrustes_distance, partial(proxy_a_distance, random_state=0)):
        with pytest.raises(ValueError, match="must be a similarity that is 1 for equ"):
            noise_ceiling(metric, X)


@pytest.mark.parametrize("shape", [(5, 3), (1, 5, 3), (2, 2, 5, 3)])
def test_shapes_without_repetitions_are_refused(shape):
    X = np.random.default_rng(0).normal(size=shape)
    with pytest.raises(ValueError, match=r"X has shape .*; expected \(n_repetitions"):
        noise_ceiling(rsa_correlation, X)


def test_sides_must_hold_the_same_samples():
    _, X = _measured(4, 1.0)
    with pytest.raises(ValueError, match="X has 60 samples, but Y has 59"):
        noise_ceiling(rsa_correlation, X, X[:, 1:])


def test_values_must_be_finite():
    _, X = _measured(4, 1.0)
    X[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        noise_ceiling(rsa_correlation, X)
