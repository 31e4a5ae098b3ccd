"""What every metric refuses, and what it takes."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context

from skalign.metrics import (
    block_mmd,
    coral_distance,
    energy_distance,
    feature_wasserstein_distances,
    frechet_distance,
    gaussian_wasserstein_distance,
    max_sliced_wasserstein_distance,
    mean_reciprocal_rank,
    mmd,
    proxy_a_distance,
    random_fourier_mmd,
    retrieval_accuracy,
    sinkhorn_divergence,
    sliced_wasserstein_distance,
    wasserstein_distance,
)


def seeded(metric):
    def with_seed(X, Y, **keywords):
        return metric(X, Y, random_state=0, **keywords)

    with_seed.__name__ = metric.__name__
    return with_seed


def mean_feature_wasserstein(X, Y, **keywords):
    return float(feature_wasserstein_distances(X, Y, **keywords).mean())


TRANSPORT = [
    seeded(sliced_wasserstein_distance),
    seeded(max_sliced_wasserstein_distance),
    mean_feature_wasserstein,
    wasserstein_distance,
    sinkhorn_divergence,
]
GAUSSIAN = [gaussian_wasserstein_distance, frechet_distance]
WEIGHTED = [
    mmd,
    seeded(block_mmd),
    seeded(random_fourier_mmd),
    energy_distance,
    *TRANSPORT,
    *GAUSSIAN,
    coral_distance,
    seeded(proxy_a_distance),
]
# A shift is all that makes a kernel or a classifier say more, up to its own range.
SEES_SHIFTS = [mmd, energy_distance, *TRANSPORT, *GAUSSIAN, seeded(random_fourier_mmd)]
DISTANCES = [*SEES_SHIFTS, coral_distance, seeded(proxy_a_distance)]
METRICS = [
    *DISTANCES,
    seeded(block_mmd),
    retrieval_accuracy,
    mean_reciprocal_rank,
]


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
    with pytest.raises(ValueError, match=r"X has 4 features, but Y has 3"):
        metric(X, Y[:, :3])


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_columns_in_another_order_are_refused(metric, spaces):
    X, Y = (pd.DataFrame(rows, columns=list("abcd")) for rows in spaces)
    with pytest.raises(ValueError, match="same column names in different order"):
        metric(X, Y[list("badc")])
    named = metric(X, Y.set_axis(list("efgh"), axis=1))  # as a map may have named them
    assert named == pytest.approx(metric(*spaces), rel=1e-12)


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


@pytest.mark.parametrize("metric", SEES_SHIFTS)
def test_a_distance_grows_with_a_shift(metric, spaces):
    X, _ = spaces
    values = [metric(X, X + shift) for shift in (0.1, 0.5, 1.0, 2.0)]
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_distance_does_not_change_when_the_two_sides_change_places(metric, spaces):
    X, Y = spaces
    rtol = 1e-8 if metric is sinkhorn_divergence else 1e-12  # which is iterative
    assert_allclose(metric(X, Y[:20]), metric(Y[:20], X), rtol=rtol)


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_distance_does_not_depend_on_where_the_origin_is(metric, spaces):
    X, Y = spaces
    assert_allclose(metric(X + 1e4, Y + 1e4), metric(X, Y), rtol=1e-8)


@pytest.mark.parametrize("metric", DISTANCES)
def test_sets_of_equal_rows_never_give_nan(metric):
    X, Y = np.ones((5, 3)), np.full((7, 3), 2.0)
    assert_allclose(metric(X, X), 0, atol=1e-12)
    assert np.isfinite(metric(X, Y))
    if metric is not coral_distance:  # which sees covariances only
        assert metric(X, Y) > 0


@pytest.mark.parametrize("metric", [mmd, energy_distance, *TRANSPORT, *GAUSSIAN])
def test_distances_that_overflow_are_an_error(metric, spaces):
    X, Y = spaces
    if metric is mean_feature_wasserstein:
        metric = partial(metric, p=2)
    with pytest.raises(ValueError, match="overflow float64"):
        metric(1e200 * X, Y)


@pytest.mark.parametrize("metric", WEIGHTED)
def test_even_weights_change_nothing_and_zero_weights_drop_rows(metric, spaces):
    X, Y = spaces
    expected = metric(X[:20], Y)
    weight = np.repeat([3.0, 0.0], [20, 10])
    assert_allclose(metric(X, Y, X_weight=weight), expected, rtol=1e-6)
    assert_allclose(metric(Y, X, Y_weight=weight), expected, rtol=1e-6)
    even = metric(X, Y, X_weight=np.full(30, 0.1), Y_weight=np.full(30, 7))
    assert_allclose(even, metric(X, Y), rtol=1e-6)


@pytest.mark.parametrize("metric", WEIGHTED)
def test_weights_that_mean_nothing_are_refused(metric, spaces):
    X, Y = spaces
    with pytest.raises(ValueError, match="Negative values"):
        metric(X, Y, X_weight=-np.ones(30))
    with pytest.raises(ValueError, match="at least one non-zero"):
        metric(X, Y, Y_weight=np.zeros(30))
    with pytest.raises(ValueError, match=r"\(3,\), expected \(30,\)"):
        metric(X, Y, Y_weight=np.ones(3))


@pytest.mark.parametrize("metric", [wasserstein_distance, sinkhorn_divergence])
def test_a_matrix_beyond_working_memory_is_refused(metric):
    X = np.arange(400.0)[:, None]
    with (
        config_context(working_memory=1),
        pytest.raises(
            ValueError, match=r"400 x 400 pairs takes 1 MiB, but working_mem"
        ),
    ):
        metric(X, X)
