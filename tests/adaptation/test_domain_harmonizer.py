"""Many domains brought to one."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skalign import (
    CORALAligner,
    DomainHarmonizer,
    GaussianOTAligner,
    LabeledOnly,
    LinearAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

ALIGNERS = [MeanVarianceAligner(), CORALAligner(reg=0), GaussianOTAligner()]


class RecordingAligner(MeanVarianceAligner):
    """Keeps what `fit` was given."""

    def fit(self, X, y=None, *, labels=None, target_labels=None):
        self.seen_ = {"X": X, "y": y, "labels": labels, "target_labels": target_labels}
        return super().fit(X, y)


class CommonSpaceAligner(BaseEstimator):
    """Both sides meet in one column: of the target alone, or of the pair."""

    def __init__(self, of_pair=False):
        self.of_pair = of_pair

    def fit(self, X, y):
        self.axis_ = y.std(axis=0)[:, None]
        self.axis_ = self.axis_ + X.std(axis=0)[:, None] * self.of_pair
        self._n_features_out = 1
        return self

    def transform(self, X):
        return X @ self.axis_

    transform_target = transform


def make_domains(names=("a", "b", "c"), n_samples=150, seed=0):
    """Two classes; each domain is stretched and shifted in its own way."""
    rng = np.random.default_rng(seed)
    sample_domain = rng.choice(names, n_samples)
    y = rng.integers(0, 2, n_samples)
    X = rng.normal(size=(n_samples, 3)) + 4 * y[:, None]
    for i, name in enumerate(names):
        X[sample_domain == name] *= [1 + i, 1 / (1 + i), 1 + 9 * i]
        X[sample_domain == name] += [20 * i, -5 * i, 40 * i]
    return X, y, sample_domain


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_all_domains_get_the_mean_and_covariance_of_the_reference(aligner):
    X, y, sample_domain = make_domains()
    harmonizer = DomainHarmonizer(aligner, reference="b")
    harmonized = harmonizer.fit_transform(X, y, sample_domain=sample_domain)
    rows = {name: sample_domain == name for name in "abc"}
    assert_array_equal(harmonized[rows["b"]], X[rows["b"]])
    for name in "ac":
        assert_allclose(harmonized[rows[name]].mean(0), X[rows["b"]].mean(0))
        assert_allclose(harmonized[rows[name]].std(0), X[rows["b"]].std(0), rtol=0.05)
    assert sorted(harmonizer.aligners_) == ["a", "c"]
    assert_array_equal(harmonizer.domains_, ["a", "b", "c"])


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_pooled_domains_get_the_mean_of_all_rows(aligner):
    X, y, sample_domain = make_domains((3, 5, -2))
    harmonizer = DomainHarmonizer(aligner)
    harmonized = harmonizer.fit_transform(X, y, sample_domain=sample_domain)
    for name in (3, 5, -2):
        rows = sample_domain == name
        assert_allclose(harmonized[rows].mean(0), X.mean(0))
        expected = type(aligner)(**aligner.get_params()).fit(X[rows], X)
        assert_allclose(harmonized[rows], expected.transform(X[rows]))
    assert list(harmonizer.aligners_) == [-2, 3, 5]


@pytest.mark.parametrize("reference", ["pooled", "b"])
@pytest.mark.parametrize(
    "aligner",
    [CORALAligner(), OptimalTransportAligner(reg=5.0), SubspaceAligner(2)],
    ids=lambda aligner: type(aligner).__name__,
)
def test_interleaved_domains_give_the_same_as_sorted_ones(aligner, reference):
    X, y, sample_domain = make_domains()
    order = np.argsort(sample_domain, kind="stable")
    mixed = DomainHarmonizer(aligner, reference=reference)
    mixed = mixed.fit_transform(X, y, sample_domain=sample_domain)
    in_order = DomainHarmonizer(aligner, reference=reference)
    in_order = in_order.fit_transform(
        X[order], y[order], sample_domain=sample_domain[order].tolist()
    )
    assert_allclose(mixed[order], in_order, rtol=1e-6, atol=1e-8)


def test_new_rows_follow_the_aligner_of_their_domain():
    X, _, sample_domain = make_domains()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    expected = harmonizer.fit_transform(X, sample_domain=sample_domain)
    assert_array_equal(harmonizer.transform(X, sample_domain=sample_domain), expected)
    few = np.array([7, 3, 50])
    found = harmonizer.transform(X[few], sample_domain[few])
    assert_allclose(found, expected[few], rtol=1e-12)


def test_both_sides_can_meet_in_a_space_of_the_reference():
    X, _, sample_domain = make_domains()
    harmonizer = DomainHarmonizer(CommonSpaceAligner(), reference="a")
    harmonized = harmonizer.fit_transform(X, sample_domain=sample_domain)
    axis = X[sample_domain == "a"].std(axis=0)[:, None]
    assert_allclose(harmonized, X @ axis)


@pytest.mark.parametrize("reference", ["a", "pooled"])
@pytest.mark.parametrize(
    "aligner",
    [CommonSpaceAligner(of_pair=True), TransferComponentAligner(2)],
    ids=lambda aligner: type(aligner).__name__,
)
def test_a_space_of_its_own_for_each_domain_is_refused(aligner, reference):
    X, _, sample_domain = make_domains()
    harmonizer = DomainHarmonizer(aligner, reference=reference)
    with pytest.raises(ValueError, match="maps the reference to a different place"):
        harmonizer.fit(X, sample_domain=sample_domain)


def test_a_single_domain_stays_where_it_is():
    X, *_ = make_domains()
    harmonizer = DomainHarmonizer(MeanVarianceAligner(), reference=4)
    domain = np.full(len(X), 4)
    harmonized = harmonizer.fit_transform(X, sample_domain=domain)
    assert_array_equal(harmonized, X)
    assert harmonizer.aligners_ == {}
    assert_array_equal(harmonizer.get_feature_names_out()[:1], ["domainharmonizer0"])
    with pytest.raises(ValueError, match=r"has domains \[5\] that were not seen"):
        harmonizer.transform(X, sample_domain=domain + 1)


def test_labels_reach_an_aligner_that_takes_them():
    X, y, sample_domain = make_domains()
    y = np.array(["no", "yes"])[y]
    harmonizer = DomainHarmonizer(RecordingAligner(), reference="b")
    seen = harmonizer.fit(X, y, sample_domain=sample_domain).aligners_["c"].seen_
    assert_array_equal(seen["labels"], y[sample_domain == "c"])
    assert_array_equal(seen["target_labels"], y[sample_domain == "b"])
    harmonizer = DomainHarmonizer(RecordingAligner())
    seen = harmonizer.fit(X, y.tolist(), sample_domain=sample_domain).aligners_["a"]
    assert_array_equal(seen.seen_["target_labels"], y)


def test_labels_stay_behind_where_a_domain_has_none():
    X, y, sample_domain = make_domains((0, 1, -1))
    y = np.where(sample_domain < 0, -1, y)
    harmonizer = DomainHarmonizer(RecordingAligner())
    for aligner in harmonizer.fit(X, y, sample_domain=sample_domain).aligners_.values():
        assert aligner.seen_["labels"] is None
        assert aligner.seen_["target_labels"] is None


def test_the_callers_rows_are_not_changed_and_not_shared():
    X, y, sample_domain = make_domains()
    before = X.copy(), y.copy(), sample_domain.copy()
    harmonizer = DomainHarmonizer(MeanVarianceAligner(), reference="a")
    harmonizer.fit_transform(X, y, sample_domain=sample_domain)[:] = 0
    harmonizer.transform(X, sample_domain=np.full(len(X), "a"))[:] = 0
    for array, copy in zip((X, y, sample_domain), before, strict=True):
        assert_array_equal(array, copy)
    X = X.astype(np.float32)
    harmonized = harmonizer.fit_transform(X, sample_domain=sample_domain)
    assert harmonized.dtype == np.float32


def test_without_domains_rows_stay_and_a_warning_says_so():
    X, y, _ = make_domains()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    with pytest.warns(UserWarning, match="sample_domain was not passed"):
        harmonized = harmonizer.fit_transform(X, y)
    assert_array_equal(harmonized, X)
    assert_array_equal(harmonizer.transform(X + 1), X + 1)


@pytest.mark.parametrize(
    ("parameters", "sample_domain", "message"),
    [
        (
            {"reference": "d"},
            None,
            r"reference='d' must be .* one of \['a', 'b', 'c'\]",
        ),
        ({"reference": 0}, None, "reference=0 must be 'pooled' or one of"),
        ({"aligner": LinearAligner()}, None, "LinearAligner requires pairs"),
        ({}, ["a"] * 149 + ["z"], "Domain 'z' has 1 sample; at least 2"),
        ({}, [1.0] * 149 + [np.nan], "sample_domain holds NaN"),
        ({}, ["a"] * 149, r"inconsistent numbers of samples: \[150, 149\]"),
    ],
)
def test_what_does_not_suit_fit_is_refused(parameters, sample_domain, message):
    X, y, domains = make_domains()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    harmonizer.fit(X, sample_domain=domains)
    harmonized = harmonizer.transform(X, sample_domain=domains)
    harmonizer.set_params(**parameters)
    sample_domain = domains if sample_domain is None else sample_domain
    with pytest.raises(ValueError, match=message):
        harmonizer.fit(X, y, sample_domain=sample_domain)
    assert_array_equal(harmonizer.transform(X, sample_domain=domains), harmonized)


def test_what_does_not_suit_transform_is_refused():
    X, _, sample_domain = make_domains()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    harmonizer.fit(X, sample_domain=sample_domain)
    with pytest.raises(ValueError, match="sample_domain is required"):
        harmonizer.transform(X)
    with pytest.raises(
        ValueError, match=r"has domains \['d', 'e'\] that were not seen"
    ):
        harmonizer.transform(X[:3], sample_domain=["d", "a", "e"])
    with pytest.raises(ValueError, match="X has 2 features, but DomainHarmonizer"):
        harmonizer.transform(X[:, :2], sample_domain=sample_domain)


def test_pipelines_and_searches_pass_on_the_domains(tmp_path):
    X, y, sample_domain = make_domains(n_samples=300)
    params = {"sample_domain": sample_domain}
    cv = KFold(2, shuffle=True, random_state=0)
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler(),
            DomainHarmonizer(MeanVarianceAligner()),
            LogisticRegression(),
            memory=str(tmp_path),
        )
        scores = cross_validate(pipe, X, y, cv=cv, params=params, error_score="raise")
        assert scores["test_score"].min() > 0.95
        search = GridSearchCV(
            pipe, {"domainharmonizer__reference": ["pooled", "a", "b"]}, cv=cv
        ).fit(X, y, sample_domain=sample_domain)
        assert search.best_score_ > 0.95
        predicted = search.best_estimator_.predict(X, sample_domain=sample_domain)
        assert np.mean(predicted == y) > 0.95
        with pytest.raises(ValueError, match="sample_domain is required"):
            search.best_estimator_.predict(X)


def test_unlabelled_domains_are_harmonized_with_the_others():
    X, y, sample_domain = make_domains((0, 1, -1), n_samples=300)
    hidden = np.where(sample_domain < 0, -1, y)
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            DomainHarmonizer(MeanVarianceAligner()), LabeledOnly(LogisticRegression())
        ).fit(X, hidden, sample_domain=sample_domain)
        predicted = pipe.predict(X, sample_domain=sample_domain)
    assert np.mean((predicted == y)[sample_domain < 0]) > 0.9


def test_data_frames_keep_their_index():
    X, y, sample_domain = make_domains()
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(9, 159))
    harmonizer = DomainHarmonizer(MeanVarianceAligner()).set_output(transform="pandas")
    harmonized = harmonizer.fit_transform(
        frame, y, sample_domain=pd.Series(sample_domain)
    )
    assert_array_equal(harmonized.index, frame.index)
    expected = DomainHarmonizer(MeanVarianceAligner())
    assert_allclose(harmonized, expected.fit_transform(X, sample_domain=sample_domain))


class SelfDomain(DomainHarmonizer):
    """Takes all rows for one domain, so that the common checks meet an aligner.

    It is carried to where it is, as the checks want.
    """

    def fit(self, X, y=None):
        return super().fit(X, y, sample_domain=_one_domain(X))

    def fit_transform(self, X, y=None):
        return super().fit_transform(X, y, sample_domain=_one_domain(X))

    def transform(self, X):
        return super().transform(X, sample_domain=_one_domain(X))


def _one_domain(X):
    return np.zeros(X.shape[0] if hasattr(X, "shape") else len(np.asarray(X)))


@parametrize_with_checks([SelfDomain(MeanVarianceAligner())])
def test_the_common_checks_hold_with_a_domain(estimator, check):
    check(estimator)
