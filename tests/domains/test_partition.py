"""Facts about domains that are found in samples."""

import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from skalign.domains import partition_domains

# Where any local model does: the default compares five.
LINEAR = {"local_model": LogisticRegression(), "random_state": 0}


def _gap(domain, agrees):
    """Difference of the shares of rows that follow the shortcut."""
    return abs(agrees[domain == 0].mean() - agrees[domain == 1].mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("local_model", [None, LogisticRegression()])
def test_rows_that_follow_the_shortcut_are_found(make_shortcut, seed, local_model):
    X, y, agrees = make_shortcut(seed=seed)
    found = partition_domains(X, y, local_model=local_model, random_state=seed)
    assert _gap(found.domain, agrees) > 0.99
    assert found.changed <= 0.002


def test_few_samples_of_many_classes_are_divided_by_the_shortcut():
    rng = np.random.default_rng(0)
    n, k = 600, 5
    y, follows = rng.integers(k, size=n), rng.random((n, 2)) < [0.75, 0.85]
    cause, shortcut = (
        np.where(of, y, (y + rng.integers(1, k, size=n)) % k) for of in follows.T
    )
    X = 2 * rng.normal(size=(k, 30))[cause] + 2 * rng.normal(size=(n, 30))
    found = partition_domains(np.c_[X, 6 * np.eye(k)[shortcut]], y, random_state=0)
    assert _gap(found.domain, follows[:, 1]) > 0.9
    assert _gap(found.domain, follows[:, 0]) < 0.1


def test_a_shortcut_that_no_linear_model_sees_is_found():
    rng = np.random.default_rng(0)
    y, follows = rng.integers(2, size=1500), rng.random(1500) < 0.85
    shortcut = np.where(follows, y, 1 - y)
    side = rng.integers(2, size=1500)
    X = np.c_[2 * side - 1, 2 * (side ^ shortcut) - 1] + 0.2 * rng.normal(
        size=(1500, 2)
    )
    found = partition_domains(X, y, random_state=0)
    assert _gap(found.domain, follows) > 0.9


def test_classes_may_be_strings(make_shortcut):
    X, y, _ = make_shortcut(500)
    expected = partition_domains(X, y, **LINEAR).domain
    named = np.array(["cat", "dog"])[y]
    found = partition_domains(X, named, **LINEAR).domain
    assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "local_model", [None, make_pipeline(MLPClassifier(8, solver="lbfgs", max_iter=5))]
)
def test_an_int_seed_repeats_the_partition(make_shortcut, local_model):
    X, y, _ = make_shortcut(200)
    given = {"initial": "random", "max_iter": 3, "tol": 1, "random_state": 3}
    first, second = (
        partition_domains(X, y, local_model=local_model, **given) for _ in range(2)
    )
    assert_array_equal(first.domain, second.domain)


def test_neither_unit_nor_place_of_the_rows_matters(make_shortcut):
    X, y, _ = make_shortcut(500)
    X = X.astype(np.float64)
    expected = partition_domains(X, y, **LINEAR).domain
    moved = partition_domains(2**10 * X + 2**12, y, **LINEAR).domain
    assert_array_equal(moved, expected)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (np.float32, 2.0**63),
        (np.float32, 2.0**-80),
        (float, 2.0**510),
        (float, 2.0**-560),
    ],
)
def test_size_costs_nothing(make_shortcut, dtype, scale):
    X, y, _ = make_shortcut(500)
    X = X.astype(dtype)
    expected = partition_domains(X, y, **LINEAR).domain
    found = partition_domains(X * dtype(scale), y, **LINEAR)
    assert_array_equal(found.domain, expected)
    found = partition_domains(np.c_[X, np.full(500, 1e20)], y, **LINEAR)
    assert found.evidence > 10


def test_weights_of_a_local_model_need_no_request(make_shortcut):
    X, y, agrees = make_shortcut()
    local = CalibratedClassifierCV(LogisticRegression(), cv=2)
    with config_context(enable_metadata_routing=True):
        found = partition_domains(X, y, local_model=local, random_state=0)
    assert _gap(found.domain, agrees) > 0.9


def test_rows_of_the_caller_stay_as_they_are(make_shortcut):
    X, y, _ = make_shortcut(200)
    initial = np.arange(200) % 2
    before = X.copy(), y.copy(), initial.copy()
    partition_domains(X, y, initial=initial, **LINEAR)
    for now, then in zip((X, y, initial), before, strict=True):
        assert_array_equal(now, then)


def test_a_division_that_is_given_is_kept_where_it_is_right(make_shortcut):
    X, y, agrees = make_shortcut()
    found = partition_domains(X, y, initial=agrees.astype(int), **LINEAR)
    assert np.mean(found.domain == agrees) > 0.99
    assert found.n_iter == 1


@pytest.mark.long
def test_three_domains(make_shortcut):
    X, y, _ = make_shortcut(600)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = partition_domains(X, y, 3, **LINEAR).domain
    assert set(found) == {0, 1, 2}


@given(
    sizes=st.lists(st.integers(0, 9), min_size=2, max_size=3),
    n_domains=st.integers(2, 3),
    initial=st.sampled_from(["errors", "random", "one", "class"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_domain_has_two_rows_of_each_class(sizes, n_domains, initial, seed):
    y = np.repeat(np.arange(len(sizes)), [2 * n_domains + size for size in sizes])
    X = np.random.default_rng(seed).normal(size=(len(y), 2)) + y[:, None]
    start = {"one": np.zeros(len(y), int), "class": y % n_domains}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = partition_domains(
            X,
            y,
            n_domains,
            local_model=GaussianNB(),
            initial=start.get(initial, initial),
            max_iter=3,
            random_state=seed % 1000,
        )
    counts = np.zeros((n_domains, len(sizes)), int)
    np.add.at(counts, (found.domain, y), 1)
    assert counts.min() >= 2


def test_confidence_ignores_the_class_of_a_row(make_shortcut):
    X, y, agrees = make_shortcut(1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = partition_domains(
            X, y, assign_by="confidence", initial="random", **LINEAR
        )
    assert _gap(found.domain, agrees) < 0.9


@pytest.mark.long
def test_of_several_starts_the_one_under_which_rows_fit_best_is_kept():
    rng = np.random.default_rng(2)
    y, agrees = rng.integers(2, size=600), rng.random(600) < 0.8
    X = np.c_[2 * np.where(agrees, y, 1 - y), rng.normal(size=(600, 6))]
    settings = {"local_model": LogisticRegression(), "initial": "random"}
    settings |= {"max_iter": 5, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = partition_domains(X, y, n_init=6, random_state=2, **settings)
        rng = np.random.RandomState(2)
        one_by_one = [
            partition_domains(X, y, random_state=rng, **settings).domain
            for _ in range(6)
        ]
    kept = [np.array_equal(found.domain, one) for one in one_by_one]
    gaps = [_gap(one, agrees) for one in one_by_one]
    assert sum(kept) == 1
    assert gaps[np.argmax(kept)] == max(gaps) > gaps[0] + 0.5


def test_rounds_that_were_not_enough_are_told(make_shortcut):
    X, y, _ = make_shortcut(300)
    with pytest.warns(ConvergenceWarning, match=r"last of 1 iterations \(tol=0.0\)"):
        partition_domains(X, y, initial="random", max_iter=1, tol=0.0, **LINEAR)


def test_too_few_rows_of_a_class_are_refused():
    X, y = np.arange(8.0)[:, None], [0, 0, 0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match=r"2 samples for each of 2 .* has 3"):
        partition_domains(X, y)


class Counted(KNeighborsClassifier):
    """Notes how often each class comes."""

    counts = []

    def fit(self, X, y):
        self.counts.append(np.bincount(y).tolist())
        return super().fit(X, y)


@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_a_local_model_without_weights_is_given_classes_equally(
    make_shortcut, class_weight
):
    X, y, agrees = make_shortcut(600)
    rare = (y == 0) | (np.arange(600) % 3 == 0)
    X, y, agrees = X[rare], y[rare], agrees[rare]
    Counted.counts.clear()
    found = partition_domains(
        X, y, local_model=Counted(15), class_weight=class_weight, random_state=0
    )
    alike = [len(set(counts)) == 1 for counts in Counted.counts]
    assert all(alike) == (class_weight is not None)
    if class_weight:
        share = np.mean(found.domain == agrees)
        assert max(share, 1 - share) > 0.95


def test_a_network_of_the_package_can_be_the_local_model(make_shortcut):
    deep = pytest.importorskip("skalign.deep")
    X, y, agrees = make_shortcut(1000)
    X[:, 1] /= 9  # a network wants columns of one size
    network = deep.MultiDomainClassifier(hidden_layer_sizes=(8,), lr=0.02, max_epochs=3)
    found = partition_domains(X, y, local_model=network, random_state=0)
    share = np.mean(found.domain == agrees)
    assert max(share, 1 - share) > 0.95


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (np.arange(300) % 3, r"from 0 to 1; got \[0 1 2\]"),
        (np.zeros(299), "inconsistent numbers of samples"),
    ],
)
def test_a_division_that_does_not_suit_is_refused(make_shortcut, initial, message):
    X, y, _ = make_shortcut(300)
    with pytest.raises(ValueError, match=message):
        partition_domains(X, y, initial=initial)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((300, 2), np.nan), "contains NaN"),
        (np.zeros((299, 2)), "inconsistent numbers of samples"),
    ],
)
def test_bad_rows_are_refused(make_shortcut, X, message):
    _, y, _ = make_shortcut(300)
    with pytest.raises(ValueError, match=message):
        partition_domains(X, y)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda y: np.where(y == 1, np.nan, y), "y holds NaN"),
        (lambda y: np.where(y == 1, None, "a"), "y holds None"),
        (lambda y: np.zeros_like(y), "y holds one class, 0; at least 2 are"),
        (lambda y: np.c_[y, y], "y should be a 1d array"),
    ],
)
def test_classes_that_are_none_are_refused(make_shortcut, spoil, message):
    X, y, _ = make_shortcut(300)
    with pytest.raises(ValueError, match=message):
        partition_domains(X, spoil(y))


def test_evidence_tells_rows_that_foretell_their_classes_from_noise(make_shortcut):
    X, y, _ = make_shortcut(600)
    assert partition_domains(X, y, **LINEAR).evidence > 10
    noise = np.random.default_rng(0).normal(size=X.shape)
    found = partition_domains(noise, y, tol=1, **LINEAR)
    assert found.evidence < 3
