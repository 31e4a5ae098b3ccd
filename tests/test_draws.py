"""Measures that draw at random draw alike wherever they are called many times."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import FunctionTransformer

from skalign._draws import one_seed, with_fixed_draws
from skalign.metrics import (
    block_mmd,
    bootstrap_interval,
    cka,
    jackknife_interval,
    make_distance_scorer,
    max_sliced_wasserstein_distance,
    mmd,
    mutual_knn,
    proxy_a_distance,
    random_fourier_mmd,
    rv_coefficient,
    sliced_wasserstein_distance,
)
from skalign.model_selection import alignability
from skalign.paired import LinearAligner

DRAWING = {
    "sliced": sliced_wasserstein_distance,
    "partial": partial(sliced_wasserstein_distance, p=1),
    "None by name": partial(sliced_wasserstein_distance, random_state=None),
    "module": partial(sliced_wasserstein_distance, random_state=np.random),
    "generator": partial(
        sliced_wasserstein_distance, random_state=np.random.RandomState(3)
    ),
    "max sliced": max_sliced_wasserstein_distance,
    "fourier": partial(random_fourier_mmd, gamma=0.1),
}


@pytest.fixture
def sets():
    X, Y = np.random.default_rng(0).normal(size=(2, 60, 4))
    return X, Y + [2, 0, 0, 0]


@pytest.mark.parametrize("metric", DRAWING.values(), ids=DRAWING)
@pytest.mark.parametrize(
    "interval",
    [
        partial(jackknife_interval, n_groups=20),
        partial(bootstrap_interval, n_resamples=50),
    ],
    ids=["jackknife", "bootstrap"],
)
def test_intervals_of_measures_that_draw_hold_their_value(metric, interval, sets):
    low, high = interval(metric, *sets)
    values = [with_fixed_draws(metric, seed)(*sets) for seed in range(9)]
    middle = np.mean(values)
    assert abs((low + high) / 2 - middle) < 0.15 * middle + 3 * np.std(values)
    assert 0 < high - low < middle


def test_an_interval_is_that_of_a_seed_given_by_hand(sets):
    kwargs = {"n_groups": 30, "random_state": 5}
    by_hand = partial(sliced_wasserstein_distance, random_state=5)
    assert_array_equal(
        jackknife_interval(sliced_wasserstein_distance, *sets, **kwargs),
        jackknife_interval(by_hand, *sets, **kwargs),
    )


def test_draws_that_cannot_be_seen_are_refused(sets):
    def hidden(X, Y):
        return sliced_wasserstein_distance(X, Y, n_projections=10)

    with pytest.raises(ValueError, match="does not depend on draws"):
        jackknife_interval(hidden, *sets)
    with pytest.raises(ValueError, match="same value for the same samples, but hidden"):
        bootstrap_interval(hidden, *sets, n_resamples=20)


@pytest.mark.parametrize(
    "metric",
    [
        partial(block_mmd, gamma=0.1, block_size=8),
        partial(block_mmd, gamma=0.1, block_size=8, random_state=0),
        proxy_a_distance,
        lambda X, Y: np.abs(X[:10] - Y[:10]).mean(),
    ],
    ids=["linear time", "linear time, seed", "proxy A", "first rows"],
)
def test_the_jackknife_refuses_what_depends_on_the_order_of_rows(metric, sets):
    with pytest.raises(ValueError, match="the order of the samples"):
        jackknife_interval(metric, *sets, random_state=0)


def test_a_strength_estimated_from_some_of_the_rows_is_refused():
    X, Y = np.random.default_rng(0).normal(size=(2, 700, 2))
    with pytest.raises(ValueError, match="gamma"):
        jackknife_interval(mmd, X, Y + 1, n_groups=2)
    jackknife_interval(partial(mmd, gamma=0.5), X, Y + 1, n_groups=2)


@pytest.mark.parametrize("metric", DRAWING.values(), ids=DRAWING)
def test_a_scorer_draws_alike_in_every_call(metric, sets):
    scorer = make_distance_scorer(metric)
    scores = [scorer(FunctionTransformer(), *sets) for _ in range(2)]
    assert scores[0] == scores[1]


def test_a_scorer_without_a_seed_takes_0(sets):
    scorer = make_distance_scorer(sliced_wasserstein_distance, p=1)
    value = sliced_wasserstein_distance(*sets, p=1, random_state=0)
    assert_allclose(scorer(FunctionTransformer(), *sets), -value)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_a_report_measures_all_maps_with_the_same_draws(random_state, sets):
    twins = {"one": LinearAligner(1.0), "two": LinearAligner(1.0)}
    settings = {"aligners": twins, "cv": 3, "learning_curves": False}
    report = alignability(*sets, random_state=random_state, **settings)
    one, two = report.scores["sliced_wasserstein"]
    assert_allclose(one, two)


def test_domain_distances_take_the_same_draws():
    pytest.importorskip("matplotlib").use("agg")
    from skalign.plotting import DomainDistanceDisplay

    X = np.random.default_rng(0).normal(size=(40, 3))
    X = np.vstack([X, X + [1, 0, 0], X + [1, 0, 0]])
    display = DomainDistanceDisplay.from_spaces(
        X, np.repeat([0, 1, 2], 40), metric=sliced_wasserstein_distance
    )
    assert_allclose(display.distances[0, 1], display.distances[0, 2])


def test_one_seed_is_an_int_that_ints_keep():
    assert one_seed(np.int64(7)) == 7
    assert type(one_seed(np.int64(7))) is int
    assert one_seed(np.random.RandomState(0)) == one_seed(np.random.RandomState(0))
    assert type(one_seed(None)) is int


def test_a_generator_is_not_advanced(sets):
    state = np.random.RandomState(0)
    before = state.get_state()[1].copy()
    metric = with_fixed_draws(partial(sliced_wasserstein_distance, random_state=state))
    assert metric(*sets) == metric(*sets)
    assert_array_equal(state.get_state()[1], before)


def test_what_has_no_signature_or_no_draws_stays_as_it_is():
    for metric in (np.dot, max, lambda X, Y: 0.0):
        assert with_fixed_draws(metric) is metric
    seeded = partial(sliced_wasserstein_distance, random_state=1)
    assert with_fixed_draws(seeded) is seeded


@pytest.mark.parametrize("metric", [mutual_knn, cka, rv_coefficient])
def test_measures_of_pairs_are_no_measures_of_rows_drawn_apart(metric, sets):
    X = sets[0]
    Y = X + 0.1 * sets[1]
    with pytest.raises(
        ValueError, match=r"depends on the order of the samples.*paired=True"
    ):
        bootstrap_interval(metric, X, Y, n_resamples=50, random_state=0)
    low, high = bootstrap_interval(
        metric, X, Y, paired=True, n_resamples=50, random_state=0
    )
    assert low < high


@pytest.mark.parametrize(
    "metric", [pytest.param(proxy_a_distance, marks=pytest.mark.long), block_mmd]
)
def test_measures_that_only_divide_the_rows_have_an_interval(metric, sets):
    for seed in range(3):
        bootstrap_interval(metric, *sets, n_resamples=10, random_state=seed)
