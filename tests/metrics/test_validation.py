"""What every metric refuses, and what it takes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skalign.metrics import (
    gaussian_wasserstein_distance,
    mean_reciprocal_rank,
    mmd,
    retrieval_accuracy,
    sliced_wasserstein_distance,
    wasserstein_distance,
)


def sliced(X, Y):
    return sliced_wasserstein_distance(X, Y, random_state=0)


DISTANCES = [mmd, sliced, gaussian_wasserstein_distance, wasserstein_distance]
METRICS = [*DISTANCES, retrieval_accuracy, mean_reciprocal_rank]


@pytest.fixture
def spaces():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_by_name(metric, bad, spaces):
    X, Y = spaces
    for name, changed in (("X", X), ("Y", Y)):
        broken = changed.copy()
        broken[3, 1] = bad
        pair = (broken, Y) if name == "X" else (X, broken)
        with pytest.raises(ValueError, match=f"Input {name} contains"):
            metric(*pair)


@pytest.mark.parametrize("metric", METRICS)
def test_unequal_widths_are_refused_naming_both(metric, spaces):
    X, Y = spaces
    with pytest.raises(ValueError, match=r"X has 4 columns, but Y has 3"):
        metric(X, Y[:, :3])


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_set_is_refused(metric, spaces):
    X, Y = spaces
    with pytest.raises(ValueError, match="0 sample"):
        metric(X[:0], Y)
    with pytest.raises(ValueError, match="0 sample"):
        metric(X, Y[:0])


@pytest.mark.parametrize("metric", METRICS)
def test_rows_must_be_two_dimensional(metric, spaces):
    X, Y = spaces
    with pytest.raises(ValueError, match="Expected 2D array"):
        metric(X[:, 0], Y[:, 0])


@pytest.mark.parametrize("metric", METRICS)
def test_arrays_frames_and_lists_give_one_float_and_stay_as_they_are(metric, spaces):
    X, Y = spaces
    before = X.copy(), Y.copy()
    value = metric(X, Y)
    assert type(value) is float
    assert_allclose(metric(pd.DataFrame(X), Y.tolist()), value, rtol=1e-12)
    assert (before[0] == X).all()
    assert (before[1] == Y).all()


@pytest.mark.parametrize("metric", METRICS)
def test_single_precision_gives_the_same_value_to_its_digits(metric, spaces):
    X, Y = (space.astype(np.float32) for space in spaces)
    value = metric(X, Y)
    assert_allclose(value, metric(X.astype(float), Y.astype(float)), rtol=2e-6)
    # Rows of two precisions are compared in the better one.
    assert metric(X, Y.astype(float)) == metric(X.astype(float), Y.astype(float))


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_distance_grows_with_a_shift(metric, spaces):
    X, _ = spaces
    values = [metric(X, X + shift) for shift in (0.1, 0.5, 1.0, 2.0)]
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_distance_does_not_change_when_the_two_sides_change_places(metric, spaces):
    X, Y = spaces
    assert_allclose(metric(X, Y[:20]), metric(Y[:20], X), rtol=1e-12)


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_distance_does_not_depend_on_where_the_origin_is(metric, spaces):
    X, Y = spaces
    assert_allclose(metric(X + 1e4, Y + 1e4), metric(X, Y), rtol=1e-8)


@pytest.mark.parametrize("metric", DISTANCES)
def test_sets_of_equal_rows_never_give_nan(metric):
    X, Y = np.ones((5, 3)), np.full((7, 3), 2.0)
    assert_allclose(metric(X, X), 0, atol=1e-12)
    assert np.isfinite(metric(X, Y))
    assert metric(X, Y) > 0


@pytest.mark.parametrize("metric", DISTANCES)
def test_distances_that_overflow_are_an_error(metric, spaces):
    X, Y = spaces
    with pytest.raises(ValueError, match="overflow float64"):
        metric(1e200 * X, Y)
