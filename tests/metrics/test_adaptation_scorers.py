"""Scores of an adapted pipeline that need no label of the target domain."""

import pickle
from dataclasses import FrozenInstanceError
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from scipy.stats import entropy
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CORALAligner,
    DomainAdapter,
    LabeledOnly,
    MeanVarianceAligner,
    RigidAligner,
)
from skalign.domains import LeaveOneDomainOut
from skalign.metrics import (
    CircularValidationScorer,
    ImportanceWeightedScorer,
    MeanDomainScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodScorer,
    SourceScorer,
    WorstDomainScorer,
    get_scorer,
    make_distance_scorer,
    mmd,
    sliced_wasserstein_distance,
)

SLICED = get_scorer("neg_sliced_wasserstein_distance")
MMD = get_scorer("neg_mmd")

SCORERS = [
    SourceScorer(),
    ImportanceWeightedScorer(),
    CircularValidationScorer(),
    PredictionEntropyScorer(),
    PredictionEntropyScorer(diversity=1.0),
    SoftNeighborhoodScorer(),
    MMD,
    SLICED,
]
all_scorers = pytest.mark.parametrize("scorer", SCORERS, ids=repr)


@pytest.fixture(autouse=True)
def metadata_routing():
    with config_context(enable_metadata_routing=True):
        yield


class Fixed(ClassifierMixin, BaseEstimator):
    """Rows are class probabilities already."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.asarray(X)

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]


def make_domains(n_samples=60, n_target_samples=45, seed=0):
    """Two classes; the target is scaled and far away."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_samples)
    y_target = rng.integers(0, 2, n_target_samples)
    X = rng.normal(size=(n_samples, 3)) + 3 * y[:, None]
    X_target = rng.normal(size=(n_target_samples, 3)) + 3 * y_target[:, None]
    return X, y, X_target * [10, 0.1, 3] + [0, 50, -9], y_target


def stack(X, y, X_target, missing_label=-1, seed=0):
    """Stack both domains in an order of chance."""
    sample_domain = np.repeat([0, -1], [len(X), len(X_target)])
    y = np.concatenate([y, np.full(len(X_target), missing_label)])
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([X, X_target])[order], y[order], sample_domain[order]


def make_adapted(aligner=None, predictor=None):
    return make_pipeline(
        StandardScaler(),
        DomainAdapter(CORALAligner(reg=0.01) if aligner is None else aligner),
        LogisticRegression() if predictor is None else predictor,
        transform_input=["X_target"],
    )


@cache
def adapted():
    """The domains and a pipeline that is fitted to them, which tests do not change."""
    X, y, X_target, _ = make_domains()
    return X, y, X_target, make_adapted().fit(X, y, X_target=X_target)


# What the scores are


def test_the_source_score_is_that_of_rows_carried_as_source_rows():
    X, y, X_target, pipe = adapted()
    carried = pipe[:-1].transform(X, sample_domain=np.zeros(len(X)))
    expected = accuracy_score(y, pipe[-1].predict(carried))
    assert SourceScorer()(pipe, X, y) == expected > 0.85
    assert SourceScorer()(pipe, X, y, X_target=X_target) == expected
    # What a stock scorer does with source rows:
    assert pipe.score(X, y) < 0.7


def test_weights_of_one_leave_the_source_score():
    X, y, X_target, pipe = adapted()
    scorer = ImportanceWeightedScorer(discriminator=DummyClassifier())
    score = scorer(pipe, X, y, X_target=X_target)
    assert score == pytest.approx(SourceScorer()(pipe, X, y))


def test_importance_weights_stand_for_the_target():
    rng = np.random.default_rng(0)
    X, X_target = rng.uniform(-1, 1, (2000, 1)), rng.uniform(0, 1, (2000, 1))
    y, y_target = rng.integers(0, 2, 2000), np.ones(2000)
    y[X.ravel() > 0] = 1
    model = make_adapted(
        "passthrough", DummyClassifier(strategy="constant", constant=1)
    )
    model.fit(X, y, X_target=X_target)
    assert SourceScorer()(model, X, y) == pytest.approx(0.75, abs=0.02)
    weighted = ImportanceWeightedScorer()(model, X, y, X_target=X_target)
    assert weighted == pytest.approx(model.score(X_target, y_target), abs=0.06)


def test_circular_validation_goes_to_the_target_and_back():
    X, y, X_target, pipe = adapted()
    back = make_adapted().fit(X_target, pipe.predict(X_target), X_target=X)
    expected = accuracy_score(y, back.predict(X))
    score = CircularValidationScorer()(pipe, X, y, X_target=(X_target,))
    assert score == expected > 0.9
    not_adapted = make_adapted("passthrough").fit(X, y, X_target=X_target)
    assert CircularValidationScorer()(not_adapted, X, y, X_target=X_target) < 0.7


def test_circular_validation_of_a_single_class_is_the_share_of_that_class():
    X, y, X_target, _ = make_domains()
    model = make_adapted(predictor=DummyClassifier(strategy="constant", constant=1))
    model.fit(X, y, X_target=X_target)
    score = CircularValidationScorer()(model, X, y, X_target=X_target)
    assert score == pytest.approx(np.mean(y == 1))


def test_circular_validation_of_a_pipeline_without_adapter():
    X, y, _, _ = make_domains()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    Z = X + 0.1
    back = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        Z, model.predict(Z)
    )
    score = CircularValidationScorer()(model, X, y, X_target=Z)
    assert score == accuracy_score(y, back.predict(X))


@pytest.mark.parametrize(
    ("names", "missing_label"), [([0, 1], -1), (["no", "yes"], "unlabeled")]
)
def test_circular_validation_exchanges_stacked_domains(names, missing_label):
    X, y, X_target, _ = make_domains()
    y = np.array(names)[y]
    predictor = LabeledOnly(LogisticRegression(), missing_label=missing_label)
    pipe = make_pipeline(DomainAdapter(CORALAligner()), predictor)
    stacked, labels, sample_domain = stack(X, y, X_target, missing_label)
    before = labels.copy()
    pipe.fit(stacked, labels, sample_domain=sample_domain)
    score = CircularValidationScorer()(
        pipe, stacked, labels, sample_domain=sample_domain
    )
    assert_array_equal(labels, before)
    apart = make_pipeline(DomainAdapter(CORALAligner()), LogisticRegression())
    apart.fit(X, y, X_target=X_target)
    expected = CircularValidationScorer()(apart, X, y, X_target=X_target)
    assert score == expected > 0.9


def test_circular_validation_refuses_stacked_target_rows_with_labels():
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    pipe = make_pipeline(
        DomainAdapter(CORALAligner()), LabeledOnly(LogisticRegression())
    ).fit(X, y, sample_domain=sample_domain)
    for wrong in (0, np.arange(45) % 2 - 1):
        labels = y.copy()
        labels[sample_domain < 0] = wrong
        with pytest.raises(ValueError, match="unlabelled by one value"):
            CircularValidationScorer()(pipe, X, labels, sample_domain=sample_domain)


def test_entropy_is_that_of_scipy():
    proba = np.random.default_rng(0).dirichlet([1, 2, 3], 50)
    model = Fixed().fit(proba, proba.argmax(axis=1))
    scorer = PredictionEntropyScorer()
    certainty = -entropy(proba, axis=1).mean()
    assert scorer(model, proba, X_target=proba) == pytest.approx(certainty)
    scorer = PredictionEntropyScorer(diversity=0.5)
    mixed = certainty + 0.5 * entropy(proba.mean(axis=0))
    assert scorer(model, proba, X_target=proba) == pytest.approx(mixed)


def test_a_collapse_to_one_class_misleads_entropy_alone():
    collapsed = np.tile([1.0, 0.0], (40, 1))
    right = np.repeat([[0.95, 0.05], [0.05, 0.95]], 20, axis=0)
    model = Fixed().fit(right, right.argmax(axis=1))

    def score(scorer, proba):
        return scorer(model, right, X_target=proba)

    alone, diverse = PredictionEntropyScorer(), PredictionEntropyScorer(diversity=1)
    assert score(alone, collapsed) == 0 > score(alone, right)
    assert score(diverse, collapsed) == 0 < score(diverse, right)
    soft = SoftNeighborhoodScorer()
    assert score(soft, collapsed) == pytest.approx(np.log(39))
    assert score(soft, right) < score(soft, collapsed)


def test_soft_neighbourhoods_do_not_depend_on_the_block(monkeypatch):
    proba = np.random.default_rng(0).dirichlet([0.3, 0.3, 0.3], 100)
    model = Fixed().fit(proba, proba.argmax(axis=1))
    cosine = proba / np.linalg.norm(proba, axis=1, keepdims=True)
    logits = cosine @ cosine.T / 0.1
    np.fill_diagonal(logits, -np.inf)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = entropy(shares, axis=1).mean()
    scorer = SoftNeighborhoodScorer(temperature=0.1)
    assert scorer(model, proba, X_target=proba) == pytest.approx(expected)
    monkeypatch.setattr("skalign.metrics._adaptation_scorers._BLOCK_ROWS", 7)
    assert scorer(model, proba, X_target=proba) == pytest.approx(expected)


def test_distances_compare_the_adapted_domains():
    X, y, X_target, pipe = adapted()
    source = pipe[:-1].transform(X, sample_domain=np.zeros(len(X)))
    target = pipe[:-1].transform(X_target)
    expected = -mmd(source, target, gamma="target")
    assert MMD(pipe, X, y, X_target=(X_target,)) == pytest.approx(expected)
    expected = -sliced_wasserstein_distance(source, target, random_state=0)
    score = SLICED(pipe, X, X_target=X_target)
    assert score == pytest.approx(expected)
    not_adapted = make_adapted("passthrough").fit(X, y, X_target=X_target)
    assert MMD(not_adapted, X, y, X_target=X_target) < -0.5
    # A pipeline that ends in the adapter has nothing to leave off.
    assert MMD(pipe[:-1], X, X_target=X_target) == MMD(pipe, X, X_target=X_target)


def test_a_classifier_that_transforms_is_left_off_too():
    X, y, X_target, _ = make_domains()
    pipe = make_adapted(predictor=LinearDiscriminantAnalysis())
    pipe.fit(X, y, X_target=X_target)
    assert MMD(pipe, X, y, X_target=X_target) == pytest.approx(
        MMD(pipe[:-1], X, y, X_target=X_target)
    )


@pytest.mark.parametrize(
    "scorer", [SourceScorer, ImportanceWeightedScorer, CircularValidationScorer]
)
def test_another_metric_can_be_chosen_and_regressors_have_r2(scorer):
    X, y, X_target, _ = make_domains()
    y[:20] = 0
    pipe = make_adapted().fit(X, y, X_target=X_target)
    plain = scorer()(pipe, X, y, X_target=X_target)
    same = scorer(accuracy_score)(pipe, X, y, X_target=X_target)
    other = scorer(balanced_accuracy_score)(pipe, X, y, X_target=X_target)
    assert plain == same != other
    pipe = make_adapted(predictor=LinearRegression()).fit(X, y, X_target=X_target)
    plain = scorer()(pipe, X, y, X_target=X_target)
    assert plain == scorer(r2_score)(pipe, X, y, X_target=X_target)


# Both ways to give a target, and both containers


@cache
def adapted_stacked():
    """Pipelines fitted to two arrays and to the same rows stacked, source first."""
    X, y, X_target, _ = make_domains()
    apart = make_pipeline(DomainAdapter(CORALAligner()), LogisticRegression())
    apart.fit(X, y, X_target=X_target)
    together = make_pipeline(
        DomainAdapter(CORALAligner()), LabeledOnly(LogisticRegression())
    )
    stacked, labels, sample_domain = stack(X, y, X_target)
    order = np.argsort(sample_domain, kind="stable")[::-1]  # source rows first
    stacked, labels, sample_domain = (
        values[order] for values in (stacked, labels, sample_domain)
    )
    together.fit(stacked, labels, sample_domain=sample_domain)
    return apart, together, (stacked, labels), sample_domain


@all_scorers
def test_stacked_rows_score_as_two_arrays_do(scorer):
    apart, together, (X, y), sample_domain = adapted_stacked()
    score = scorer(together, X, y, sample_domain=sample_domain)
    is_source = sample_domain >= 0
    expected = scorer(apart, X[is_source], y[is_source], X_target=X[~is_source])
    assert score == pytest.approx(expected, abs=1e-5)


@cache
def adapted_frames():
    """The domains of `adapted` in frames: as two, and stacked, each with a pipeline."""
    X, y, X_target, _ = make_domains()
    names = ["a", "b", "c"]
    pipe = make_pipeline(
        StandardScaler(),
        DomainAdapter(CORALAligner()),
        LabeledOnly(LogisticRegression()),
    ).set_output(transform="pandas")
    stacked, labels, sample_domain = stack(X, y, X_target)
    stacked = pd.DataFrame(stacked, columns=names, index=np.arange(7, 112))
    labels, params = pd.Series(labels), {"sample_domain": pd.Series(sample_domain)}
    together = stacked, labels, params, pipe.fit(stacked, labels, **params)
    X, X_target = (pd.DataFrame(rows, columns=names) for rows in (X, X_target))
    pipe = make_adapted().fit(X, y, X_target=X_target)
    return (X, pd.Series(y), {"X_target": X_target}, pipe), together


@all_scorers
def test_data_frames_and_lists_score_as_arrays_do(scorer):
    X, y, X_target, pipe = adapted()
    expected = scorer(pipe, X, y, X_target=X_target)
    lists = scorer(pipe, X.tolist(), y.tolist(), X_target=X_target.tolist())
    assert lists == pytest.approx(expected)
    apart, together = adapted_frames()
    X, y, params, pipe = apart
    assert scorer(pipe, X, y, **params) == pytest.approx(expected)
    X, y, params, pipe = together
    assert np.isfinite(scorer(pipe, X, y, **params))


def test_domains_of_source_rows_may_come_beside_an_own_target():
    X, y, X_target, pipe = adapted()
    expected = PredictionEntropyScorer()(pipe, X, y, X_target=X_target)
    score = PredictionEntropyScorer()(
        pipe, X, y, X_target=X_target, sample_domain=np.arange(60) % 3
    )
    assert score == expected


# In scikit-learn's tools


FOLDS = KFold(2, shuffle=True, random_state=0)


@cache
def searched():
    """A search by all scorers, and what it should have scored in its first fold."""
    X, y, X_target, _ = make_domains(60, 60)
    grid = {"domainadapter__aligner": [CORALAligner(reg=0.01)]}
    scoring = {repr(scorer): scorer for scorer in SCORERS}
    search = GridSearchCV(
        make_adapted(),
        grid,
        cv=FOLDS,
        scoring=scoring,
        error_score="raise",
        refit=False,
    ).fit(X, y, X_target=(X_target,))
    train, test = next(FOLDS.split(X, y))
    pipe = make_adapted().fit(X[train], y[train], X_target=X_target)
    return search.cv_results_, pipe, (X[test], y[test], X_target)


@all_scorers
def test_searches_hand_over_a_target_that_is_not_cut(scorer):
    results, pipe, (X, y, X_target) = searched()
    expected = scorer(pipe, X, y, X_target=X_target)
    assert results[f"split0_test_{scorer!r}"][0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "scorer",
    [
        CircularValidationScorer(),
        PredictionEntropyScorer(diversity=1.0),
        MMD,
        SLICED,
    ],
    ids=repr,
)
def test_the_aligner_that_suits_is_chosen_without_target_labels(scorer):
    X, y, X_target, y_target = make_domains()
    search = GridSearchCV(
        make_adapted(),
        {"domainadapter__aligner": ["passthrough", MeanVarianceAligner()]},
        cv=3,
        scoring=scorer,
    ).fit(X, y, X_target=(X_target,))
    assert search.best_index_ == 1
    assert search.score(X, y, X_target=(X_target,)) == scorer(
        search, X, y, X_target=X_target
    )
    predicted = search.predict(X_target)
    assert accuracy_score(y_target, predicted) > 0.95


@all_scorers
def test_stacked_rows_are_scored_fold_by_fold(scorer):
    X, y, X_target, _ = make_domains()
    X, y, sample_domain = stack(X, y, X_target)
    pipe = make_pipeline(
        StandardScaler(),
        DomainAdapter(MeanVarianceAligner()),
        LabeledOnly(LogisticRegression()),
    )
    scores = cross_val_score(
        pipe,
        X,
        y,
        cv=FOLDS,
        scoring=scorer,
        params={"sample_domain": sample_domain},
        error_score="raise",
    )
    assert np.isfinite(scores).all()


def test_several_scorers_and_a_left_out_domain_go_together():
    X, y, X_target, _ = make_domains()
    scores = cross_validate(
        make_adapted(),
        X,
        y,
        cv=LeaveOneDomainOut(),
        scoring={"source": SourceScorer(), "circular": CircularValidationScorer()},
        params={"X_target": (X_target,), "sample_domain": np.arange(60) % 3},
        error_score="raise",
    )
    assert scores["test_source"].shape == scores["test_circular"].shape == (3,)
    assert scores["test_source"].mean() > 0.8


@pytest.mark.services
def test_all_scorers_go_together_through_every_tool_in_two_processes():
    X, y, X_target, _ = make_domains()
    metadata, scoring = {"X_target": (X_target,)}, {repr(s): s for s in SCORERS}
    keywords = {"cv": 2, "n_jobs": 2, "error_score": "raise"}
    scores = cross_validate(
        make_adapted(),
        X,
        y,
        scoring=scoring,
        params=metadata,
        return_train_score=True,
        **keywords,
    )
    search = GridSearchCV(
        make_adapted(),
        {"logisticregression__C": [0.1, 1.0]},
        scoring=scoring,
        refit=repr(SCORERS[0]),
        **keywords,
    ).fit(X, y, **metadata)
    for name in scoring:
        assert np.isfinite(scores[f"train_{name}"]).all(), name
        assert np.isfinite(scores[f"test_{name}"]).all(), name
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all(), name


@pytest.mark.services
@all_scorers
def test_a_permutation_test_hands_over_the_target_in_two_processes(scorer):
    X, y, X_target, _ = make_domains()
    found = [
        permutation_test_score(
            make_adapted(),
            X,
            y,
            scoring=scorer,
            cv=2,
            n_permutations=5,
            n_jobs=n_jobs,
            random_state=0,
            params={"X_target": (X_target,)},
        )
        for n_jobs in (None, 2)
    ]
    assert found[0][0] == pytest.approx(found[1][0])
    assert found[0][1] == pytest.approx(found[1][1])
    if isinstance(scorer, SourceScorer):
        assert found[0][2] == pytest.approx(1 / 6)


def test_a_search_inside_is_scored_by_its_best_estimator():
    X, y, X_target, _ = make_domains()
    search = GridSearchCV(
        make_adapted(), {"logisticregression__C": [0.1, 1.0]}, scoring=MMD, cv=3
    ).fit(X, y, X_target=(X_target,))
    for scorer in SCORERS:
        inner = scorer(search.best_estimator_, X, y, X_target=X_target)
        assert scorer(search, X, y, X_target=X_target) == pytest.approx(inner)


# Errors


@pytest.mark.parametrize("scorer", SCORERS[1:], ids=repr)
def test_a_score_without_a_target_is_refused(scorer):
    X, y, _, pipe = adapted()
    with pytest.raises(ValueError, match="There are no target samples: pass X_target"):
        scorer(pipe, X, y, sample_domain=np.zeros(len(X)))


def test_without_metadata_routing_a_pipeline_is_refused():
    X, y, _, pipe = adapted()
    with (
        config_context(enable_metadata_routing=False),
        pytest.raises(RuntimeError, match=r"set_config\(enable_metadata_routing=True"),
    ):
        SourceScorer()(pipe, X, y)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match="The 'diversity' parameter"):
        PredictionEntropyScorer(diversity=-1)
    with pytest.raises(ValueError, match="The 'diversity' parameter"):
        PredictionEntropyScorer(diversity=np.nan)
    with pytest.raises(ValueError, match="The 'temperature' parameter"):
        SoftNeighborhoodScorer(temperature=0)


@all_scorers
def test_scorers_can_be_pickled_and_request_their_metadata(scorer):
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)
    requests = scorer.get_metadata_routing().score.requests
    assert requests == {"X_target": True, "sample_domain": True}


def test_more_distances_can_be_made_scorers():
    X, y, X_target, pipe = adapted()
    scorer = make_distance_scorer(mmd, gamma=0.5)
    assert scorer(pipe, X, y, X_target=X_target) > -0.1


def test_a_fit_that_is_not_told_of_domains_is_refused():
    pytest.importorskip("skorch")
    from skalign import MultiDomainClassifier
    from skalign.deep import DANN

    rng = np.random.default_rng(0)
    domain, y = np.repeat([0, -1], 30), np.tile([0, 1], 30)
    X, labels = y[:, None] + rng.normal(size=(60, 2)), np.where(domain < 0, -1, y)
    model = MultiDomainClassifier(DANN(), max_epochs=1, random_state=0)
    model.fit(X, labels, sample_domain=domain)
    pipeline = make_pipeline(StandardScaler(), clone(model))
    with pytest.warns(UserWarning, match="There is no sample_domain"):
        pipeline.fit(X, y)
    for estimator in (model, pipeline):  # or there is nothing to fit back
        assert len(np.unique(estimator.predict(X[domain < 0]))) == 2
    unrouted = config_context(enable_metadata_routing=False)
    with unrouted, pytest.raises(RuntimeError, match="does not declare whether"):
        CircularValidationScorer()(model, X, labels, sample_domain=domain)
    for estimator in (model, pipeline):
        with pytest.raises(ValueError, match="not explicitly set as requested or not"):
            CircularValidationScorer()(estimator, X, labels, sample_domain=domain)


def test_searches_by_several_metrics_take_weights():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.tile([0, 1], 20)
    search = GridSearchCV(
        LogisticRegression(), {"C": [1, 2]}, scoring={"s": SourceScorer()}, refit="s"
    )
    unrouted = config_context(enable_metadata_routing=False)
    with unrouted, pytest.warns(UserWarning, match="does not support sample_weight"):
        assert search.fit(X, y, sample_weight=np.ones(40)).best_score_ > 0


def test_one_target_row_has_no_neighbour():
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="2 target samples are needed; got 1"):
        SoftNeighborhoodScorer()(model, [[0.0], [1.0]], [0, 1], X_target=[[0.5]])


@pytest.mark.parametrize(
    ("scorer", "given"),
    [
        (SourceScorer, {"metric": 3}),
        (CircularValidationScorer, {"metric": "accuracy"}),
        (ImportanceWeightedScorer, {"discriminator": object()}),
        (PredictionEntropyScorer, {"diversity": "a"}),
        (SoftNeighborhoodScorer, {"temperature": [1.0]}),
    ],
)
def test_parameters_of_scorers_are_named(scorer, given):
    with pytest.raises(ValueError, match=f"'{next(iter(given))}' parameter of"):
        scorer(**given)


def test_what_cannot_be_scored_is_named():
    X, y = np.arange(8.0).reshape(4, 2) ** 2, [0, 1, 0, 1]
    with pytest.raises(TypeError, match="needs an estimator with predict_proba; got 3"):
        PredictionEntropyScorer()(3, X, y, X_target=X)
    with pytest.raises(TypeError, match="needs an estimator with transform; got 'a'"):
        MMD("a", X, X)
    with pytest.raises(ValueError, match="y is None"):
        MMD(RigidAligner().fit(X, X), X)
    model = LogisticRegression().fit(X, y)
    for kind in (
        CircularValidationScorer,
        ImportanceWeightedScorer,
        PredictionEntropyScorer,
        SoftNeighborhoodScorer,
        SourceScorer,
    ):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            kind()(model, X, y[:3], X_target=X)
    for kind in (MeanDomainScorer, WorstDomainScorer):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            kind()(model, X, y[:3], sample_domain=[0, 0, 1, 1])
    for kind in (MeanDomainScorer, SourceScorer, PredictionEntropyScorer):
        with pytest.raises(TypeError, match=r"got .*NoneType"):
            kind()(model, None, y, sample_domain=[0, 0, 1, -1])
    with pytest.raises(TypeError, match="Labels and domains must be dense"):
        SourceScorer()(model, X, csr_array([y]).T, X_target=X)


@pytest.mark.parametrize("scorer", [SourceScorer(), SoftNeighborhoodScorer()])
def test_a_scorer_stays_as_it_was_made(scorer):
    with pytest.raises(FrozenInstanceError):
        scorer.metric = None
