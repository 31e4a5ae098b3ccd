"""The proxy A-distance against its definition."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from skalign.metrics import proxy_a_distance


def test_sets_apart_are_two_apart_and_a_set_and_itself_zero():
    X = np.random.default_rng(0).uniform(size=(60, 3))
    assert proxy_a_distance(X, X + 2) == 2
    assert proxy_a_distance(X, X) == 0


def test_is_two_less_four_times_the_error_of_the_best_threshold():
    X = np.linspace(0, 1, 4001)[:, None]  # a third of each set is past the middle
    value = proxy_a_distance(X, X + 1 / 3, random_state=0)
    assert_allclose(value, 2 - 4 / 3, atol=0.01)


def test_sets_count_the_same_however_many_rows_they_have():
    X = np.linspace(0, 1, 400)[:, None]
    few, many = X[::10] + 0.5, X + 0.5
    value = proxy_a_distance(X, few, random_state=0)
    assert_allclose(value, proxy_a_distance(X, many, random_state=0), atol=0.15)


@given(n=st.integers(10, 40), m=st.integers(10, 40), seed=st.integers(0, 1000))
def test_does_not_change_when_the_two_sides_change_places(n, m, seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, 2)), rng.normal(0.7, 1.0, size=(m, 2))
    value = proxy_a_distance(X, Y, random_state=seed)
    assert 0 <= value <= 2
    assert_allclose(proxy_a_distance(Y, X, random_state=seed), value, atol=1e-12)


def test_sees_what_its_classifier_sees():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(200, 2)), 4 * rng.normal(size=(200, 2))  # one inside
    forest = RandomForestClassifier(20, random_state=0)
    assert proxy_a_distance(X, Y, random_state=0) < 0.5
    assert proxy_a_distance(X, Y, classifier=forest, random_state=0) > 1
    assert not hasattr(forest, "estimators_")


def test_the_folds_are_those_of_the_random_state():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 2)), rng.normal(0.7, 1, size=(40, 2))
    near = KNeighborsClassifier(1)
    values = [
        proxy_a_distance(X, Y, classifier=near, random_state=seed)
        for seed in (0, 0, 1, 2)
    ]
    assert values[0] == values[1]
    assert len(set(values)) > 1


def test_weights_decide_which_rows_are_told_apart():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 200, 2))
    Y[100:] += 6
    first = np.repeat([1.0, 0.001], 100)
    near = proxy_a_distance(X, Y, Y_weight=first, random_state=0)
    far = proxy_a_distance(X, Y, Y_weight=first[::-1], random_state=0)
    assert near < 0.5 < 1.9 < far
    weighted = proxy_a_distance(
        X, Y, Y_weight=first, classifier=RandomForestClassifier(20, random_state=0)
    )
    assert weighted < 0.5


def test_a_classifier_without_weights_is_refused_if_there_are_any():
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(TypeError, match="sample_weight"):
        proxy_a_distance(X, X, X_weight=np.ones(20), classifier=KNeighborsClassifier())


def test_fewer_rows_than_folds_are_refused():
    X = np.zeros((4, 1))
    with pytest.raises(ValueError, match=r"cv=5 folds need .* X has 4 and Y has 4"):
        proxy_a_distance(X, X)
    with pytest.raises(ValueError, match="'cv' parameter"):
        proxy_a_distance(X, X, cv=1)
