"""Cross-validation that keeps a domain in one piece."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_validate

from skalign.domains import LeaveOneDomainOut


@pytest.mark.parametrize(
    "values", [[0, 1, 2], [5.0, 0.5, 2.5], ["lab", "field", "web"]], ids=str
)
def test_source_domains_are_split_as_groups_are(values):
    sample_domain = np.random.default_rng(0).choice(values, 30)
    X = np.zeros((30, 1))
    splitter = LeaveOneDomainOut()
    expected = list(LeaveOneGroupOut().split(X, groups=sample_domain))
    folds = list(splitter.split(X, sample_domain=sample_domain.tolist()))
    assert splitter.get_n_splits(sample_domain=sample_domain) == len(folds) == 3
    for fold, other in zip(folds, expected, strict=True):
        assert_array_equal(fold[0], other[0])
        assert_array_equal(fold[1], other[1])


def test_target_rows_are_in_every_training_set_and_in_no_test_set():
    sample_domain = np.random.default_rng(0).integers(-2, 3, 50)
    target = np.flatnonzero(sample_domain < 0)
    folds = list(LeaveOneDomainOut().split(np.zeros(50), None, sample_domain))
    assert len(folds) == 3
    for train, test in folds:
        assert np.isin(target, train).all()
        assert len(np.unique(sample_domain[test])) == 1
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(50))


def test_cross_validation_passes_on_the_domains():
    rng = np.random.default_rng(0)
    X, y, sample_domain = rng.normal(size=(60, 2)), np.arange(60) % 2, np.arange(60) % 4
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            LogisticRegression(),
            X,
            y,
            cv=LeaveOneDomainOut(),
            params={"sample_domain": sample_domain},
        )["test_score"]
        search = GridSearchCV(
            LogisticRegression(), {"C": [0.1, 1]}, cv=LeaveOneDomainOut()
        ).fit(X, y, sample_domain=sample_domain)
    assert len(scores) == search.n_splits_ == 4
    assert repr(LeaveOneDomainOut()) == "LeaveOneDomainOut()"


def test_numbers_kept_as_objects_are_numbers():
    domain = np.array([0, 0, 1, 1, -1, -2], dtype=object)
    splits = LeaveOneDomainOut().split(np.zeros((6, 1)), sample_domain=domain)
    assert [test.tolist() for _, test in splits] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("sample_domain", "message"),
    [
        (None, "requires sample_domain"),
        ([0, 0, -1, -2], r"at least 2 source domains.* got \[0\]"),
        ([-1, -1, -2, -2], r"at least 2 source domains.* got \[\]"),
        ([0, 1, 2], r"inconsistent numbers of samples: \[4, 3\]"),
        ([0, 1, 2, np.nan], "sample_domain holds NaN"),
    ],
)
def test_domains_that_do_not_suit_are_refused(sample_domain, message):
    with pytest.raises(ValueError, match=message):
        list(LeaveOneDomainOut().split(np.zeros((4, 1)), sample_domain=sample_domain))
    with pytest.raises(ValueError, match=message):
        LeaveOneDomainOut().get_n_splits(np.zeros((4, 1)), None, sample_domain)
