"""Facts about validation on a share of domains."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_validate

from skalign.domains import (
    LeaveOneDomainOut,
    OracleDomainSplit,
    TrainingDomainSplit,
)
from skalign.metrics import MeanDomainScorer, WorstDomainScorer


class OneColumn(ClassifierMixin, BaseEstimator):
    """Predicts the sign of one column; a search can choose which."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return (np.asarray(X)[:, self.column] > 0).astype(int)


def make_shortcut(seed=0):
    """Column 0 is right in 75 % everywhere, column 1 in 95, 85 and 10 %."""
    rng = np.random.default_rng(seed)
    domain = rng.permutation(np.repeat([0, 1, 2], 2000))
    y = rng.integers(2, size=len(domain))
    right = np.array([[0.75, 0.95], [0.75, 0.85], [0.75, 0.1]])[domain]
    agrees = rng.uniform(size=right.shape) < right
    return np.where(agrees, 1, -1) * (2 * y - 1)[:, np.newaxis], y, domain


SPLITTERS = [
    TrainingDomainSplit(0.2, random_state=0),
    TrainingDomainSplit(0.2, test_domain=2, random_state=0, n_splits=3),
    OracleDomainSplit(2, 0.2, random_state=0, n_splits=3),
]


def test_a_share_of_every_training_domain_is_validated_on():
    domain = np.random.default_rng(0).permutation(np.repeat([0, 1, 5], [40, 55, 100]))
    X = np.zeros((195, 1))
    ((train, test),) = TrainingDomainSplit(random_state=0).split(X, None, domain)
    assert_array_equal(np.bincount(domain[test], minlength=6)[[0, 1, 5]], [4, 5, 10])
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(195))


def test_the_test_domain_is_left_out_or_validated_on_but_never_trained_on():
    domain = np.array(["lab", "web", "zoo"])[np.arange(90) % 3]
    X = np.zeros((90, 1))
    for splitter, validated in (
        (TrainingDomainSplit(0.2, test_domain="web", n_splits=4), {"lab", "zoo"}),
        (OracleDomainSplit("web", 0.2, n_splits=4), {"web"}),
    ):
        splits = list(splitter.split(X, sample_domain=domain))
        assert len(splits) == splitter.get_n_splits(X, None, domain) == 4
        for train, test in splits:
            assert set(domain[train]) == {"lab", "zoo"}
            assert set(domain[test]) == validated
            assert len(train) == 48
            assert len(test) == 6 * len(validated)
            assert not set(train) & set(test)
        assert not np.array_equal(splits[0][0], splits[1][0])


def test_both_rules_train_on_the_same_rows():
    domain = np.arange(90) % 3
    training, oracle = (
        list(splitter.split(np.zeros(90), None, domain)) for splitter in SPLITTERS[1:]
    )
    for (train, _), (other, _) in zip(training, oracle, strict=True):
        assert_array_equal(train, other)


def test_target_rows_are_in_every_training_set_and_in_no_test_set():
    domain = np.random.default_rng(0).integers(-2, 3, 200)
    for splitter in SPLITTERS:
        for train, test in splitter.split(np.zeros(200), None, domain):
            assert np.isin(np.flatnonzero(domain < 0), train).all()
            assert (domain[test] >= 0).all()


def test_the_rules_choose_as_their_names_say():
    X, y, domain = make_shortcut()
    rows = domain < 2
    best = {}
    with config_context(enable_metadata_routing=True):
        for name, splitter, kept in (
            ("training-domain", TrainingDomainSplit(0.2, random_state=0), rows),
            ("test domain left out", SPLITTERS[1], slice(None)),
            ("leave one out", LeaveOneDomainOut(), rows),
            ("oracle", SPLITTERS[2], slice(None)),
        ):
            search = GridSearchCV(
                OneColumn(), {"column": [0, 1]}, cv=splitter, refit=False
            ).fit(X[kept], y[kept], sample_domain=domain[kept])
            best[name] = search.best_params_["column"]
        worst = GridSearchCV(
            OneColumn(),
            {"column": [0, 1]},
            cv=TrainingDomainSplit(0.2, random_state=0),
            scoring=WorstDomainScorer(),
        ).fit(X, y, sample_domain=domain)
    assert best == {
        "training-domain": 1,
        "test domain left out": 1,
        "leave one out": 1,
        "oracle": 0,
    }
    assert worst.best_params_ == {"column": 0}


@pytest.mark.parametrize("splitter", SPLITTERS, ids=repr)
def test_searches_pass_on_the_domains(splitter):
    X, y, domain = make_shortcut()
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            OneColumn(1),
            X,
            y,
            cv=splitter,
            scoring={"worst": WorstDomainScorer(), "mean": MeanDomainScorer()},
            params={"sample_domain": domain},
        )
    assert len(scores["test_worst"]) == splitter.n_splits
    assert (scores["test_worst"] <= scores["test_mean"]).all()


@pytest.mark.parametrize("splitter", [*SPLITTERS, LeaveOneDomainOut()], ids=repr)
def test_without_metadata_routing_groups_are_the_domains(splitter):
    X, y, domain = make_shortcut()
    for (a, b), (c, d) in zip(
        splitter.split(X, y, groups=domain), splitter.split(X, y, domain), strict=True
    ):
        assert_array_equal(a, c)
        assert_array_equal(b, d)
    scores = cross_validate(OneColumn(1), X, y, cv=splitter, groups=domain)
    assert len(scores["test_score"]) == splitter.get_n_splits(X, y, groups=domain)
    search = GridSearchCV(OneColumn(), {"column": [0, 1]}, cv=splitter)
    assert search.fit(X, y, groups=domain).best_params_["column"] in (0, 1)
    with pytest.raises(ValueError, match=r"requires sample_domain.*as groups"):
        search.fit(X, y)
    with pytest.raises(ValueError, match="sample_domain and groups have the same"):
        list(splitter.split(X, y, domain, groups=domain))


def test_the_same_seed_gives_the_same_splits():
    domain = np.arange(60) % 2
    splitter = TrainingDomainSplit(random_state=3)
    first, second = (next(splitter.split(np.zeros(60), None, domain)) for _ in "ab")
    assert_array_equal(first[1], second[1])
    assert splitter == TrainingDomainSplit(random_state=3)
    assert "random_state=3" in repr(splitter)


@pytest.mark.parametrize(
    ("splitter", "sample_domain", "message"),
    [
        (SPLITTERS[0], None, "TrainingDomainSplit requires sample_domain"),
        (SPLITTERS[0], [0, 1], "inconsistent numbers of samples"),
        (SPLITTERS[2], [0] * 9 + [1], r"test_domain=2 must be one of .*\[0, 1\]"),
        (SPLITTERS[2], [2] * 10, "OracleDomainSplit found no source domain"),
        (SPLITTERS[0], [-1] * 10, "found no source domain"),
        (
            SPLITTERS[0],
            [0] * 6 + [1] * 4,
            r"Domain 1 has 4 samples, of which test_size=0\.2",
        ),
        (SPLITTERS[0], [0] * 9 + [np.nan], "sample_domain holds NaN"),
    ],
)
def test_domains_that_do_not_suit_are_refused(splitter, sample_domain, message):
    with pytest.raises(ValueError, match=message):
        list(splitter.split(np.zeros((10, 1)), sample_domain=sample_domain))


@pytest.mark.parametrize(
    "parameter",
    [{"test_size": 0}, {"test_size": 1.0}, {"n_splits": 0}, {"test_domain": None}],
)
def test_parameters_out_of_range_are_refused(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        OracleDomainSplit(**{"test_domain": 2, **parameter})


def test_the_share_is_not_cut_by_rounding():
    splitter = TrainingDomainSplit(0.29)
    ((_, test),) = splitter.split(np.zeros((100, 1)), sample_domain=np.zeros(100))
    assert len(test) == 29


def test_a_share_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="test_size='a' must be between 0 and 1"):
        TrainingDomainSplit("a")
