"""Distances between domains."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import DomainHarmonizer, MeanVarianceAligner
from skalign.metrics import sliced_wasserstein_distance, wasserstein_distance
from skalign.plotting import DomainDistanceDisplay

rng = np.random.default_rng(0)
DOMAIN = np.array(["c", "a", "b"] * 30)
X = rng.normal(size=(90, 4)) + 3.0 * (DOMAIN == "b")[:, None]


def test_values_are_those_of_the_metric_in_sorted_order():
    display = DomainDistanceDisplay.from_spaces(X, DOMAIN, metric=wasserstein_distance)
    expected = wasserstein_distance(X[DOMAIN == "a"], X[DOMAIN == "b"])
    assert list(display.domains) == ["a", "b", "c"]
    assert_allclose(display.distances[0, 1], expected)
    assert_allclose(display.distances, display.distances.T)
    assert_allclose(display.distances.diagonal(), 0)
    assert display.name == "Wasserstein distance"


def test_by_default_the_distance_is_sliced_wasserstein():
    display = DomainDistanceDisplay.from_spaces(X, DOMAIN)
    expected = sliced_wasserstein_distance(
        X[DOMAIN == "a"], X[DOMAIN == "c"], random_state=0
    )
    assert_allclose(display.distances[0, 2], expected)


def test_a_harmonizer_is_told_the_domain_and_brings_them_together():
    harmonizer = DomainHarmonizer(MeanVarianceAligner()).fit(X, sample_domain=DOMAIN)
    before = DomainDistanceDisplay.from_spaces(X, DOMAIN).distances.max()
    display = DomainDistanceDisplay.from_estimator(harmonizer, X, DOMAIN)
    assert display.distances.max() < 0.2 * before


def test_other_transformers_are_told_nothing():
    scaler = StandardScaler().fit(X)
    display = DomainDistanceDisplay.from_estimator(scaler, X, DOMAIN)
    expected = DomainDistanceDisplay.from_spaces(scaler.transform(X), DOMAIN)
    assert_allclose(display.distances, expected.distances)


def test_distances_are_written_off_the_diagonal():
    display = DomainDistanceDisplay.from_spaces(X, DOMAIN)
    assert len(display.ax_.texts) == 6
    assert not display.plot(values_format=None).ax_.texts


def test_a_single_domain_is_refused():
    with pytest.raises(ValueError, match="at least two domains"):
        DomainDistanceDisplay.from_spaces(X, np.zeros(90))


def test_domains_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        DomainDistanceDisplay.from_spaces(X, DOMAIN[:-1])


def test_a_pipeline_that_ends_in_a_harmonizer_is_told_the_domains():
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1], 50)
    X = rng.normal(size=(100, 3)) + 5 * domain[:, None]
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), DomainHarmonizer(MeanVarianceAligner())
        )
        pipeline.fit(X, sample_domain=domain)
        display = DomainDistanceDisplay.from_estimator(pipeline, X, domain)
    assert display.distances.max() < 0.5
