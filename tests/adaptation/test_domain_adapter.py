"""An unpaired aligner as a step of a labelled pipeline."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    DomainAdapter,
    DomainHarmonizer,
    GaussianOTAligner,
    ICPAligner,
    LabeledOnly,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

routing = pytest.mark.usefixtures("metadata_routing")


@pytest.fixture
def metadata_routing():
    with config_context(enable_metadata_routing=True):
        yield


class RecordingAligner(MeanVarianceAligner):
    """Keeps what `fit` was given."""

    def fit(self, X, y=None, *, labels=None, target_labels=None):
        self.seen_ = {"X": X, "y": y, "labels": labels, "target_labels": target_labels}
        return super().fit(X, y)


class HalfAligner(BaseEstimator):
    """Both sides meet in a common space of one column; widths may differ."""

    def fit(self, X, y=None):
        self.source_mean_, self.target_mean_ = X.mean(), y.mean()
        return self

    def transform(self, X):
        return X.sum(axis=1, keepdims=True) - self.source_mean_

    def transform_target(self, y):
        return -y.sum(axis=1, keepdims=True) + self.target_mean_


def make_domains(n_samples=60, n_target_samples=45, seed=0):
    """Two classes; the target is scaled and far away."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples)
    y_target = rng.integers(0, 2, n_target_samples)
    X = rng.normal(size=(n_samples, 3)) + 4 * y[:, None]
    X_target = rng.normal(size=(n_target_samples, 3)) + 4 * y_target[:, None]
    return X, y, X_target * [10, 0.1, 3] + [0, 50, -9], y_target


def stack(X, y, X_target, seed=0):
    """Stack both domains in an order of chance; target rows are labelled -1."""
    sample_domain = np.repeat([0, -1], [len(X), len(X_target)])
    y = np.concatenate([y, np.full(len(X_target), -1)])
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([X, X_target])[order], y[order], sample_domain[order]


def make_adapted(*steps, **kwargs):
    return make_pipeline(*steps, transform_input=["X_target"], **kwargs)


# What is computed


@pytest.mark.parametrize("lift", [DomainAdapter, DomainHarmonizer])
def test_an_aligner_of_another_library_needs_three_methods(lift):
    X, _, domain = stack(*make_domains()[:3])
    domain = domain + 2 * (lift is DomainHarmonizer)  # which takes no target
    settings = {"reference": 1} if lift is DomainHarmonizer else {}
    fitted = lift(HalfAligner(), **settings).fit(X, sample_domain=domain)
    assert fitted.transform(X, sample_domain=domain).shape == (len(X), 1)
    assert fitted.get_feature_names_out().tolist() == [f"{lift.__name__.lower()}0"]


@pytest.mark.parametrize(
    "aligner", [MeanVarianceAligner(), CORALAligner(), GaussianOTAligner()]
)
def test_source_rows_are_carried_by_the_aligner_and_target_rows_stay(aligner):
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(aligner)
    expected = clone(aligner).fit(X, X_target).transform(X)
    assert_array_equal(adapter.fit_transform(X, y, X_target=X_target), expected)
    assert_array_equal(adapter.transform(X_target), X_target)
    assert_array_equal(adapter.transform(X, sample_domain=np.zeros(len(X))), expected)


def test_stacked_rows_give_the_same_as_two_arrays():
    X, y, X_target, _ = make_domains()
    apart = DomainAdapter(CORALAligner())
    source = apart.fit_transform(X, y, X_target=X_target)
    together = DomainAdapter(CORALAligner())
    sample_domain = np.repeat([0, -1], [len(X), len(X_target)])
    adapted = together.fit_transform(
        np.concatenate([X, X_target]), sample_domain=sample_domain
    )
    assert_allclose(adapted[: len(X)], source, rtol=1e-12)
    assert_array_equal(adapted[len(X) :], X_target)


@pytest.mark.parametrize(
    "aligner",
    [
        CORALAligner(),
        OptimalTransportAligner(reg=1.0),
        SubspaceAligner(2),
        TransferComponentAligner(2),
    ],
    ids=lambda aligner: type(aligner).__name__,
)
def test_interleaved_domains_give_the_same_as_sorted_ones(aligner):
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    order = np.argsort(sample_domain, kind="stable")
    mixed = DomainAdapter(aligner).fit_transform(X, y, sample_domain=sample_domain)
    in_order = DomainAdapter(aligner).fit_transform(
        X[order], y[order], sample_domain=sample_domain[order]
    )
    assert_allclose(mixed[order], in_order, rtol=1e-6, atol=1e-8)


def test_several_source_domains_are_one_source():
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    several = np.where(sample_domain < 0, -2, np.arange(len(X)) % 3)
    adapter = DomainAdapter(MeanVarianceAligner())
    expected = adapter.fit_transform(X, y, sample_domain=sample_domain)
    assert_array_equal(adapter.fit_transform(X, y, sample_domain=several), expected)


@pytest.mark.parametrize("wrap", [tuple, list], ids=["cut", "whole"])
def test_rows_of_chance_order_follow_their_own_domain_in_transform(wrap):
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(MeanVarianceAligner()).fit(X, X_target=X_target)
    X, _, sample_domain = stack(X, y, X_target)
    adapted = adapter.transform(X, sample_domain=wrap(sample_domain))
    is_source = sample_domain >= 0
    assert_array_equal(adapted[~is_source], X[~is_source])
    assert_array_equal(adapted[is_source], adapter.aligner_.transform(X[is_source]))


def test_target_to_source_moves_target_rows_and_leaves_source_rows():
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(CORALAligner(), direction="target_to_source")
    assert_array_equal(adapter.fit_transform(X, y, X_target=X_target), X)
    expected = CORALAligner().fit(X_target, X).transform(X_target)
    assert_array_equal(adapter.transform(X_target), expected)


@pytest.mark.parametrize("direction", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize(
    "aligner",
    [HalfAligner(), SubspaceAligner(2), TransferComponentAligner(2)],
    ids=lambda aligner: type(aligner).__name__,
)
def test_both_sides_can_meet_in_a_common_space(aligner, direction):
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    is_source = sample_domain >= 0
    adapter = DomainAdapter(aligner, direction=direction)
    adapted = adapter.fit_transform(X, y, sample_domain=sample_domain)
    sides = (X[is_source], X[~is_source])
    moved, fixed = sides if direction == "source_to_target" else sides[::-1]
    aligner = clone(aligner).fit(moved, fixed)
    carried = (aligner.transform(moved), aligner.transform_target(fixed))
    source, target = carried if direction == "source_to_target" else carried[::-1]
    assert_allclose(adapted[is_source], source)
    assert_allclose(adapted[~is_source], target)
    assert_allclose(adapter.transform(X[~is_source]), target)


@pytest.mark.parametrize("direction", ["source_to_target", "target_to_source"])
def test_domains_may_differ_in_width_where_the_aligner_allows_it(direction):
    X, _, X_target, _ = make_domains()
    adapter = DomainAdapter(HalfAligner(), direction=direction)
    source = adapter.fit_transform(X, X_target=X_target[:, :2])
    assert adapter.n_features_in_ == 3
    assert adapter.n_features_target_ == 2
    assert source.shape == (len(X), 1)
    target = adapter.transform(X_target[:, :2])
    minus_one = np.full(len(X_target), -1)
    assert_array_equal(adapter.transform(X_target[:, :2], minus_one), target)
    assert_array_equal(adapter.transform(X, np.zeros(len(X))), source)
    with pytest.raises(ValueError, match=r"X has 3 features.* expecting 2 features"):
        adapter.transform(X_target)


def test_passthrough_adapts_nothing_and_does_not_warn():
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter("passthrough")
    assert_array_equal(adapter.fit_transform(X, y, X_target=X_target), X)
    assert_array_equal(adapter.transform(X_target), X_target)
    assert_array_equal(adapter.fit(X).transform(X), X)
    with pytest.raises(ValueError, match="the source has 3, the target 2"):
        adapter.fit(X, X_target=X_target[:, :2])


def test_without_a_target_rows_stay_and_a_warning_says_so():
    X, y, *_ = make_domains()
    adapter = DomainAdapter(CORALAligner())
    with pytest.warns(UserWarning, match="Neither X_target nor sample_domain"):
        adapted = adapter.fit_transform(X, y)
    assert_array_equal(adapted, X)
    assert_array_equal(adapter.transform(X + 1), X + 1)


@pytest.mark.parametrize("aligner", ["passthrough", MeanVarianceAligner()])
def test_what_is_returned_shares_no_memory_with_the_callers_rows(aligner):
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(aligner)
    before = X.copy(), y.copy(), X_target.copy()
    adapter.fit_transform(X, y, X_target=X_target)[:] = 0
    adapter.transform(X_target)[:] = 0
    for array, copy in zip((X, y, X_target), before, strict=True):
        assert_array_equal(array, copy)


def test_single_precision_is_kept():
    X, _, X_target, _ = make_domains()
    X, X_target = X.astype(np.float32), X_target.astype(np.float32)
    adapter = DomainAdapter(CORALAligner())
    assert adapter.fit_transform(X, X_target=X_target).dtype == np.float32
    assert adapter.transform(X_target).dtype == np.float32


# Labels


@pytest.mark.parametrize("names", [[0, 1], [7, -3], ["no", "yes"]])
def test_labels_of_both_domains_reach_an_aligner_that_takes_them(names):
    X, y, X_target, y_target = make_domains()
    y, y_target = np.array(names)[y], np.array(names)[y_target]
    adapter = DomainAdapter(RecordingAligner())
    adapter.fit(X, y, X_target=(X_target,), y_target=(y_target,))
    assert_array_equal(adapter.aligner_.seen_["labels"], y)
    assert_array_equal(adapter.aligner_.seen_["target_labels"], y_target)
    adapter = DomainAdapter(RecordingAligner(), direction="target_to_source")
    adapter.fit(X, y.tolist(), X_target=X_target)
    assert adapter.aligner_.seen_["labels"] is None
    assert_array_equal(adapter.aligner_.seen_["target_labels"], y)


def test_labels_of_stacked_target_rows_are_never_looked_at():
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    adapter = DomainAdapter(RecordingAligner()).fit(X, y, sample_domain=sample_domain)
    assert_array_equal(adapter.aligner_.seen_["labels"], y[sample_domain >= 0])
    assert adapter.aligner_.seen_["target_labels"] is None
    assert_array_equal(adapter.aligner_.seen_["X"], X[sample_domain >= 0])
    assert_array_equal(adapter.aligner_.seen_["y"], X[sample_domain < 0])


def test_fractions_that_repeat_are_class_labels():
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(RecordingAligner()).fit(X, y + 0.5, X_target=X_target)
    assert_array_equal(adapter.aligner_.seen_["labels"], y + 0.5)


@pytest.mark.parametrize("aligner", [MomentAligner(), ICPAligner(), ClassMeanAligner(),
                                     OptimalTransportAligner()],
                         ids=repr)  # fmt: skip
def test_a_continuous_y_is_refused_as_class_labels(aligner):
    X, _, X_target, _ = make_domains()
    y = X @ [1.0, 2.0, 3.0]
    adapter = DomainAdapter(aligner)
    message = r"labels must hold one class.*continuous numbers, such as -?\d.*To keep"
    with pytest.raises(ValueError, match=message):
        adapter.fit(X, y, X_target=X_target)
    with pytest.raises(ValueError, match=r"target_labels must hold.*continuous"):
        adapter.fit(X, np.arange(60) % 2, X_target=X_target, y_target=X_target[:, 0])
    with pytest.raises(ValueError, match=r"1d array.*keep class labels from .*Aligner"):
        adapter.fit(X, X, X_target=X_target)


@routing
def test_a_continuous_y_can_be_declined():
    X, _, X_target, _ = make_domains()
    declined = OptimalTransportAligner().set_fit_request(labels=False)
    adapter = DomainAdapter(declined).fit(X, X[:, 0], X_target=X_target)
    expected = OptimalTransportAligner().fit(X, X_target).transform(X)
    assert_array_equal(adapter.aligner_.transform(X), expected)


@routing
def test_a_pipeline_hands_over_labels_of_the_target():
    X, y, X_target, y_target = make_domains()
    pipe = make_adapted(
        StandardScaler(), DomainAdapter(RecordingAligner()), LogisticRegression()
    ).fit(X, y, X_target=(X_target,), y_target=(y_target,))
    seen = pipe[1].aligner_.seen_
    assert_array_equal(seen["labels"], y)
    assert_array_equal(seen["target_labels"], y_target)
    assert_array_equal(seen["y"], pipe[0].transform(X_target))


@routing
def test_an_aligner_can_decline_labels():
    X, y, X_target, _ = make_domains()
    aligner = RecordingAligner().set_fit_request(labels=False)
    adapter = DomainAdapter(aligner).fit(X, y, X_target=X_target)
    assert adapter.aligner_.seen_["labels"] is None


# Errors


def test_an_aligner_that_needs_pairs_is_refused():
    X, y, _, _ = make_domains()
    with pytest.raises(ValueError, match="LinearAligner requires pairs"):
        DomainAdapter(LinearAligner()).fit(X, y, X_target=X)


@pytest.mark.parametrize(
    ("sample_domain", "message"),
    [
        (np.zeros(60), "no target samples"),
        (np.full(60, -1), "no source samples"),
        (np.zeros(59), r"inconsistent numbers of samples: \[60, 59\]"),
        (np.full(60, np.nan), "sample_domain holds NaN"),
        (np.full(60, "lab"), "must hold numbers.* got <U3 values such as 'lab'"),
    ],
)
def test_a_sample_domain_that_does_not_suit_is_refused(sample_domain, message):
    X, y, *_ = make_domains()
    with pytest.raises(ValueError, match=message):
        DomainAdapter(MeanVarianceAligner()).fit(X, y, sample_domain=sample_domain)


def test_a_target_given_twice_is_refused():
    X, y, X_target, _ = make_domains()
    sample_domain = np.where(np.arange(len(X)) < 7, -1, 0)
    with pytest.raises(ValueError, match=r"given twice.* for 7 samples of X"):
        DomainAdapter(MeanVarianceAligner()).fit(
            X, y, X_target=X_target, sample_domain=sample_domain
        )


def test_domains_of_source_rows_may_come_beside_an_own_target():
    X, y, X_target, _ = make_domains()
    adapter = DomainAdapter(MeanVarianceAligner())
    expected = adapter.fit_transform(X, y, X_target=X_target)
    sample_domain = np.arange(len(X)) % 3
    adapted = adapter.fit_transform(
        X, y, X_target=X_target, sample_domain=sample_domain
    )
    assert_array_equal(adapted, expected)


def test_other_input_that_does_not_suit_is_refused():
    X, y, X_target, y_target = make_domains()
    adapter = DomainAdapter(MeanVarianceAligner())
    with pytest.raises(ValueError, match="X has 3 columns, y has 2"):
        adapter.fit(X, y, X_target=X_target[:, :2])
    with pytest.raises(NotFittedError):
        adapter.transform(X)
    with pytest.raises(ValueError, match=r"inconsistent numbers.*\[60, 59\]"):
        adapter.fit(X, y[:-1], X_target=X_target)
    with pytest.raises(ValueError, match="Input X_target contains NaN"):
        adapter.fit(X, y, X_target=np.where(X_target > 0, np.nan, 1.0))
    with pytest.raises(ValueError, match="Expected 2D array"):
        adapter.fit(X, y, X_target=X_target.ravel())
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        adapter.fit(X, y, X_target=X_target[:1])
    with pytest.raises(ValueError, match="target_labels has 44 entries for 45 samples"):
        DomainAdapter(CheckingAligner()).fit(
            X, y, X_target=X_target, y_target=y_target[:-1]
        )
    adapter.fit(X, y, X_target=X_target)
    with pytest.raises(ValueError, match="X has 2 features, but DomainAdapter is exp"):
        adapter.transform(X[:, :2])
    with pytest.raises(ValueError, match=r"inconsistent numbers.*\[60, 2\]"):
        adapter.transform(X, sample_domain=[0, -1])


class CheckingAligner(MeanVarianceAligner):
    def fit(self, X, y=None, *, labels=None, target_labels=None):
        if target_labels is not None and len(target_labels) != len(y):
            raise ValueError(
                f"target_labels has {len(target_labels)} entries for {len(y)} samples."
            )
        return super().fit(X, y)


# In scikit-learn's tools


@routing
@pytest.mark.parametrize("wrap", [False, True])
def test_a_pipeline_adapts_and_does_not_change_what_it_was_given(wrap):
    X, y, X_target, y_target = make_domains()
    arrays = X, y, X_target
    before = [array.copy() for array in arrays]
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    pipe = make_adapted(
        StandardScaler(), DomainAdapter(CORALAligner()), LogisticRegression()
    )
    pipe.fit(X, y, X_target=(X_target,) if wrap else X_target)
    assert plain.score(X_target, y_target) < 0.7
    assert pipe.score(X_target, y_target) > 0.95
    for array, copy in zip(arrays, before, strict=True):
        assert_array_equal(array, copy)


@routing
def test_stacked_rows_in_a_pipeline_give_the_same_as_two_arrays():
    X, y, X_target, y_target = make_domains()
    apart = make_pipeline(DomainAdapter(CORALAligner()), LogisticRegression())
    apart.fit(X, y, X_target=X_target)
    together = make_pipeline(
        DomainAdapter(CORALAligner()), LabeledOnly(LogisticRegression())
    )
    X, y, sample_domain = stack(X, y, X_target)
    before = y.copy()
    together.fit(X, y, sample_domain=sample_domain)
    assert_array_equal(y, before)
    assert_array_equal(together.classes_, [0, 1])
    assert_allclose(
        together.predict_proba(X_target), apart.predict_proba(X_target), atol=1e-6
    )
    assert together.score(X_target, y_target) > 0.95


@routing
def test_without_transform_input_the_target_arrives_unscaled():
    X, y, X_target, y_target = make_domains()
    X = X - 500
    steps = StandardScaler(), DomainAdapter(CORALAligner()), LogisticRegression()
    told = make_adapted(*clone(steps)).fit(X, y, X_target=X_target)
    untold = make_pipeline(*clone(steps)).fit(X, y, X_target=X_target)
    scaled = told[0].transform(X_target)
    assert_allclose(told[1].aligner_.y_mean_, scaled.mean(axis=0))
    assert_allclose(untold[1].aligner_.y_mean_, X_target.mean(axis=0))
    assert told.score(X_target, y_target) > 0.95
    with pytest.warns(UserWarning, match="unlike the target samples of fit"):
        assert untold.score(X_target, y_target) < 0.7


@routing
def test_without_transform_input_a_changed_width_is_an_error():
    X, y, X_target, _ = make_domains()
    steps = PCA(2), DomainAdapter(CORALAligner()), LogisticRegression()
    with pytest.raises(ValueError, match="X has 2 columns, y has 3"):
        make_pipeline(*steps).fit(X, y, X_target=X_target)
    make_adapted(*steps).fit(X, y, X_target=X_target)


class RowCounter(DomainAdapter):
    """Counts the target rows of each fit."""

    counts = []

    def fit_transform(self, X, y=None, *, X_target=None):
        rows = X_target[0] if isinstance(X_target, tuple) else X_target
        self.counts.append(len(rows))
        return super().fit_transform(X, y, X_target=X_target)

    def fit(self, X, y=None, *, X_target=None):
        return super().fit(X, y, X_target=X_target)


@routing
@pytest.mark.parametrize(
    ("n_target_samples", "wrap", "expected"),
    [(60, False, 40), (60, True, 60), (45, False, 45), (45, True, 45)],
)
def test_only_a_tuple_keeps_a_target_as_long_as_the_source_whole(
    n_target_samples, wrap, expected
):
    X, y, X_target, _ = make_domains(60, n_target_samples)
    pipe = make_adapted(
        StandardScaler(), RowCounter(MeanVarianceAligner()), LogisticRegression()
    )
    RowCounter.counts.clear()
    params = {"X_target": (X_target,) if wrap else X_target}
    cross_validate(pipe, X, y, cv=3, params=params, error_score="raise")
    assert RowCounter.counts == [expected] * 3


@routing
def test_grid_search_finds_the_aligner_that_suits():
    X, y, X_target, y_target = make_domains()
    pipe = make_adapted(
        StandardScaler(), DomainAdapter("passthrough"), LogisticRegression()
    )
    aligners = ["passthrough", MeanVarianceAligner(), CORALAligner(reg=0.1)]
    search = GridSearchCV(
        pipe,
        {"domainadapter__aligner": aligners},
        cv=3,
        scoring=lambda model, X, y: model.score(X_target, y_target),
        error_score="raise",
    ).fit(X, y, X_target=(X_target,))
    assert search.best_index_ > 0
    assert search.best_score_ > 0.95
    assert search.cv_results_["mean_test_score"][0] < 0.7
    search = GridSearchCV(
        clone(pipe).set_params(domainadapter__aligner=CORALAligner()),
        {"domainadapter__aligner__reg": [0.1, 1.0]},
        cv=2,
        error_score="raise",
    ).fit(X, y, X_target=(X_target,))
    assert set(search.best_params_) == {"domainadapter__aligner__reg"}


@routing
def test_stacked_rows_go_through_cross_validation():
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    pipe = make_pipeline(
        StandardScaler(),
        DomainAdapter(MeanVarianceAligner()),
        LabeledOnly(LogisticRegression()),
    )
    params = {"sample_domain": sample_domain}
    cv = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(pipe, X, y, cv=cv, params=params, error_score="raise")
    assert scores.min() > 0.9
    # A stock scorer counts target rows as errors, and source rows as target rows.
    stock = cross_val_score(pipe, X, y, cv=cv, params=params, scoring="accuracy")
    assert stock.max() < 0.6


@routing
def test_a_head_that_was_trained_on_the_source_serves_the_target():
    X, y, X_target, y_target = make_domains()
    head = LogisticRegression().fit(X, y)
    pipe = make_pipeline(
        DomainAdapter(CORALAligner(), direction="target_to_source"),
        FrozenEstimator(head),
    ).fit(X, y, X_target=X_target)
    assert head.score(X_target, y_target) < 0.7
    # Pipeline.score would hand a FrozenEstimator a sample_weight that it declines.
    assert accuracy_score(y_target, pipe.predict(X_target)) > 0.95
    pipe.fit(X, X_target=(X_target,))
    assert accuracy_score(y_target, pipe.predict(X_target)) > 0.95
    assert_array_equal(pipe.predict(X, sample_domain=np.zeros(len(X))), head.predict(X))


@routing
def test_a_frozen_aligner_is_used_as_it_is():
    X, _, X_target, _ = make_domains()
    aligner = MeanVarianceAligner().fit(X, X_target)
    adapter = DomainAdapter(FrozenEstimator(aligner)).fit(X[:9], X_target=X_target[:5])
    adapted = adapter.transform(X, sample_domain=np.zeros(len(X)))
    assert_array_equal(adapted, aligner.transform(X))


@routing
def test_a_pipeline_with_memory_fits_the_adapter_once(tmp_path):
    X, y, X_target, _ = make_domains()
    pipe = make_adapted(
        StandardScaler(),
        DomainAdapter(CORALAligner()),
        LogisticRegression(),
        memory=str(tmp_path),
    )
    first = pipe.fit(X, y, X_target=(X_target,)).predict_proba(X_target)
    again = clone(pipe).fit(X, y, X_target=(X_target,)).predict_proba(X_target)
    assert_array_equal(first, again)
    other = clone(pipe).fit(X, y, X_target=(X_target + 1,))
    assert_allclose(other[1].aligner_.y_mean_ - pipe[1].aligner_.y_mean_, 1 / X.std(0))


@routing
def test_data_frames_keep_their_index_and_are_checked_by_name():
    X, y, X_target, y_target = make_domains()
    columns = ["a", "b", "c"]
    X = pd.DataFrame(X, columns=columns, index=np.arange(100, 160))
    X_target = pd.DataFrame(X_target, columns=columns)
    adapter = DomainAdapter(MeanVarianceAligner()).set_output(transform="pandas")
    adapted = adapter.fit_transform(X, y, X_target=X_target)
    assert list(adapted.columns) == list(adapter.get_feature_names_out())
    assert_array_equal(adapted.index, X.index)
    assert_array_equal(adapter.feature_names_in_, columns)
    assert_array_equal(adapter.transform(X_target), X_target)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        adapter.fit(X, y, X_target=X_target[["c", "b", "a"]])
    pipe = make_adapted(
        StandardScaler(), DomainAdapter(CORALAligner()), LogisticRegression()
    ).set_output(transform="pandas")
    pipe.fit(X, pd.Series(y, index=X.index), X_target=(X_target,))
    assert pipe.score(X_target, y_target) > 0.95


@routing
def test_stacked_data_frames_go_through_a_pipeline():
    X, y, X_target, y_target = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    columns = ["a", "b", "c"]
    pipe = make_pipeline(
        StandardScaler(),
        DomainAdapter(CORALAligner()),
        LabeledOnly(LogisticRegression()),
    ).set_output(transform="pandas")
    pipe.fit(
        pd.DataFrame(X, columns=columns),
        pd.Series(y),
        sample_domain=pd.Series(sample_domain),
    )
    target = pd.DataFrame(X_target, columns=columns)
    assert pipe.score(target, y_target) > 0.95


@routing
def test_a_regression_pipeline_adapts():
    X, _, X_target, _ = make_domains(200, 150)
    weights = np.array([1.0, -2.0, 0.5])
    y = X @ weights
    scaled = (X_target - X_target.mean(0)) / X_target.std(0, ddof=1)
    y_target = (scaled * X.std(0, ddof=1) + X.mean(0)) @ weights
    pipe = make_pipeline(DomainAdapter(MeanVarianceAligner()), LinearRegression())
    assert_allclose(pipe.fit(X, y, X_target=X_target).predict(X_target), y_target)
    missing = np.full(len(X_target), np.nan)
    stacked = make_pipeline(
        DomainAdapter(MeanVarianceAligner()), LabeledOnly(LinearRegression())
    ).fit(
        np.concatenate([X_target, X]),
        np.concatenate([missing, y]),
        sample_domain=np.repeat([-1, 0], [len(X_target), len(X)]),
    )
    assert_allclose(stacked.predict(X_target), y_target)


@pytest.mark.parametrize(
    "estimator",
    [
        DomainAdapter(MeanVarianceAligner()),
        DomainHarmonizer(MeanVarianceAligner()),
        LabeledOnly(LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_all_metadata_can_be_requested_and_is_by_default(estimator):
    # `Xt`, `yt` and `Y` cannot be: scikit-learn leaves these names out.
    requests = estimator.get_metadata_routing()
    for method in ("fit", "transform", "score"):
        asked = getattr(requests, method).requests
        assert all(asked[name] for name in set(asked) - {"sample_weight"})
    assert "sample_domain" in requests.fit.requests
    if isinstance(estimator, DomainAdapter):
        assert set(requests.fit.requests) == {"X_target", "y_target", "sample_domain"}


# scikit-learn's common checks


class SelfTarget(DomainAdapter):
    """Takes `X` for the target too, so that the common checks meet a fitted aligner.

    Both ways, that of source rows in `fit_transform` and that of target rows in
    `transform`, are the identity then, as the checks want.
    """

    def fit(self, X, y=None):
        return super().fit(X, y, X_target=X)

    def fit_transform(self, X, y=None):
        return super().fit_transform(X, y, X_target=X)


@parametrize_with_checks([SelfTarget(MeanVarianceAligner())])
def test_the_common_checks_hold_with_a_target(estimator, check):
    check(estimator)


def test_transport_takes_classes_in_either_direction_and_some_of_the_targets():
    X, y, X_target, y_target = make_domains()
    back = DomainAdapter(OptimalTransportAligner(), direction="target_to_source")
    assert back.fit(X, y, X_target=X_target).aligner_.plan_.shape[1] == len(X)
    some = [label if i < 5 else None for i, label in enumerate(y_target.tolist())]
    expected = OptimalTransportAligner().fit(
        X, X_target, labels=y, target_labels=np.array(some, dtype=object)
    )
    for partly in (some, [np.nan if label is None else label for label in some]):
        adapter = DomainAdapter(OptimalTransportAligner())
        adapter.fit(X, y, X_target=X_target, y_target=partly)
        assert_array_equal(adapter.aligner_.plan_, expected.plan_)


# ------------------------------------------------------ a target on another scale

TABLES = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}


def _halves(load):
    X, y = load(return_X_y=True)
    return train_test_split(X, y, test_size=0.5, random_state=0)


def _told_of_scale(caught):
    told = [str(w.message) for w in caught if "transform_input" in str(w.message)]
    return [message.split(":")[0] for message in told]


@routing
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("aligner", [CORALAligner(), MeanVarianceAligner()])
def test_a_target_that_steps_before_did_not_transform_is_told(name, aligner):
    X, X_target, y, y_target = _halves(TABLES[name])
    scores = {}
    for inputs in (None, ["X_target"]):
        head = LinearDiscriminantAnalysis()
        pipe = make_pipeline(
            StandardScaler(), DomainAdapter(aligner), head, transform_input=inputs
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scores[inputs is None] = pipe.fit(X, y, X_target=X_target).score(
                X_target, y_target
            )
            for label in np.unique(y_target):  # rows of one class alone
                pipe.predict(X_target[y_target == label])
        told = _told_of_scale(caught)
        if inputs is not None:
            assert told == []
        else:
            assert "X is unlike the target samples of fit" in told
            by_fit = "X is scaled, and X_target is not" in told
            assert by_fit == (name != "iris")  # whose columns are near 1 as they are
    assert scores[True] + 0.05 < scores[False]


@routing
def test_a_target_of_other_sensors_is_no_target_on_another_scale():
    rng = np.random.default_rng(0)
    X, X_target = rng.normal(size=(200, 3)), rng.normal(size=(150, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for factor, shift in (([3, 0.5, 1], [-20, 10, 0]), ([90, 0.01, 1], [90, 0, 0])):
            adapter = DomainAdapter(CORALAligner())
            adapter.fit(X, X_target=X_target * factor + shift)
            adapter.transform(X_target[:50] * factor + shift)
        adapter.fit(1000 * X, X_target=X_target).transform(X_target)  # no scaler there
        few = adapter.transform(X_target[:9] + 100)
    assert few.shape == (9, 3)


def test_pixels_that_a_source_all_but_lacks_are_no_other_scale():
    X = load_digits().data
    rare = np.where(np.arange(len(X)) % 300 == 0, 1 / 255, 0.0)
    X = np.c_[X, rare]
    scaler = StandardScaler().fit(X[:900])
    target = X[900:] + np.r_[np.zeros(64), 0.5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter = DomainAdapter(MeanVarianceAligner())
        adapter.fit(scaler.transform(X[:900]), X_target=scaler.transform(target))
        adapter.transform(scaler.transform(target))


def test_rows_of_a_source_that_pass_for_target_rows_are_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    adapter = DomainAdapter(MeanVarianceAligner()).fit(X, X_target=X + 9)
    with pytest.warns(UserWarning, match="pass sample_domain"):
        adapter.transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter.transform(X, sample_domain=np.zeros(200))
