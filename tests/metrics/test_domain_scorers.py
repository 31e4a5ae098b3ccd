"""Facts about scores on several labelled domains."""

from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import coo_matrix
from sklearn import config_context
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skalign import DomainAdapter, MeanVarianceAligner
from skalign.metrics import (
    MeanDomainScorer,
    SourceScorer,
    WorstDomainScorer,
    WorstFoundDomainScorer,
    get_scorer,
)


def make_rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 2))
    domain = np.repeat([4, 0, 7], [10, 30, 50])
    noise = domain[:, np.newaxis] * rng.normal(size=(90, 1))
    return X, (X[:, 0] + noise[:, 0] > 0).astype(int), domain


@pytest.mark.parametrize("names", [None, np.array(list("abcdefgh"))])
def test_scores_are_the_worst_and_the_mean_of_the_domains(names):
    X, y, domain = make_rows()
    model = LogisticRegression().fit(X, y)
    accuracies = [model.score(X[domain == e], y[domain == e]) for e in (0, 4, 7)]
    given = domain if names is None else names[domain]
    worst = WorstDomainScorer()(model, X, y, sample_domain=given)
    mean = MeanDomainScorer()(model, X, y, sample_domain=given)
    assert_allclose(worst, min(accuracies))
    assert_allclose(mean, np.mean(accuracies))
    assert worst < mean < max(accuracies)


def test_another_metric_and_regressors_are_scored_too():
    X, y, domain = make_rows()
    model = LogisticRegression().fit(X, y)
    f1 = [f1_score(y[domain == e], model.predict(X[domain == e])) for e in (0, 4, 7)]
    assert_allclose(
        WorstDomainScorer(f1_score)(model, X, y, sample_domain=domain), min(f1)
    )
    model = LinearRegression().fit(X, y)
    r2 = [r2_score(y[domain == e], model.predict(X[domain == e])) for e in (0, 4, 7)]
    assert_allclose(MeanDomainScorer()(model, X, y, sample_domain=domain), np.mean(r2))


def test_target_rows_are_not_scored():
    X, y, domain = make_rows()
    model = LogisticRegression().fit(X, y)
    stacked = np.concatenate([X, X[:5]]), np.concatenate([y, 1 - y[:5]])
    with_target = np.concatenate([domain, [-1] * 5])
    for scorer in (WorstDomainScorer(), MeanDomainScorer()):
        score = scorer(model, X, y, sample_domain=domain)
        assert scorer(model, *stacked, sample_domain=with_target) == score


def test_frames_are_scored_as_arrays_are():
    X, y, domain = make_rows()
    frame, column = (
        pd.DataFrame(X, columns=["a", "b"]),
        pd.Series(y, index=range(9, 99)),
    )
    model = LogisticRegression().fit(frame, column)
    expected = WorstDomainScorer()(
        LogisticRegression().fit(X, y), X, y, sample_domain=domain
    )
    score = WorstDomainScorer()(model, frame, column, sample_domain=domain.tolist())
    assert score == expected


def test_an_adapter_is_told_the_domain_of_each_row():
    X, y, domain = make_rows()
    with config_context(enable_metadata_routing=True):
        adapter = (
            DomainAdapter(MeanVarianceAligner())
            .set_fit_request(X_target=True, sample_domain=True)
            .set_transform_request(sample_domain=True)
        )
        model = make_pipeline(adapter, LogisticRegression())
        model.fit(X, y, X_target=(5 + X[:40],))
        score = MeanDomainScorer()(model, X, y, sample_domain=domain)
        accuracies = [
            np.mean(model.predict(X[rows], sample_domain=domain[rows]) == y[rows])
            for rows in (domain == e for e in (0, 4, 7))
        ]
    assert_allclose(score, np.mean(accuracies))


def test_a_search_passes_on_the_domains_and_is_scored_itself():
    X, y, domain = make_rows()
    domain = np.arange(90) % 3
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            LogisticRegression(),
            {"C": [0.1, 1]},
            scoring={"worst": WorstDomainScorer(), "pooled": "accuracy"},
            refit="worst",
        ).fit(X, y, sample_domain=domain)
        results = search.cv_results_
        assert (results["mean_test_worst"] < results["mean_test_pooled"]).all()
        score = WorstDomainScorer()(search, X, y, sample_domain=domain)
        assert search.score(X, y, sample_domain=domain) == score


@pytest.mark.parametrize("scorer", [WorstDomainScorer(), MeanDomainScorer()])
def test_domains_that_do_not_suit_are_refused(scorer):
    X, y, domain = make_rows()
    model = LogisticRegression().fit(X, y)
    name = type(scorer).__name__
    with pytest.raises(ValueError, match=f"{name} needs sample_domain"):
        scorer(model, X, y)
    with pytest.raises(ValueError, match=f"{name} needs source samples"):
        scorer(model, X, y, sample_domain=np.full(90, -1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        scorer(model, X, y, sample_domain=domain[1:])


@pytest.mark.parametrize("scorer", [WorstDomainScorer(), MeanDomainScorer()])
def test_a_scorer_stays_as_it_was_made(scorer):
    with pytest.raises(FrozenInstanceError):
        scorer.metric = None


def test_sparse_rows_of_any_format_are_scored():
    X, y = np.arange(12.0).reshape(6, 2) % 5, np.array([0, 1, 0, 1, 1, 0])
    model, domain = LogisticRegression().fit(X, y), np.arange(6) // 3
    for scorer in (MeanDomainScorer(), WorstDomainScorer()):
        expected = scorer(model, X, y, sample_domain=domain)
        assert scorer(model, coo_matrix(X), y, sample_domain=domain) == expected
    expected = SourceScorer()(model, X, y, X_target=X)
    assert SourceScorer()(model, coo_matrix(X), y, X_target=X) == expected


@pytest.mark.parametrize("scorer", [SourceScorer(), WorstDomainScorer()], ids=repr)
def test_dates_are_refused(scorer):
    X, y, domain = make_rows()
    model = LinearRegression().fit(X, y)
    with pytest.raises(TypeError, match="X has dtype timedelta64"):
        scorer(model, X.astype("m8[s]"), y, sample_domain=domain)


def test_a_search_scores_the_worst_found_domain_whatever_it_is_trained_on():
    X, y, domain = make_rows()
    found = np.random.default_rng(1).integers(2, size=90)
    found[:3] = -1
    model = LogisticRegression().fit(X, y)
    scores = [model.score(X[found == e], y[found == e]) for e in (0, 1)]
    assert_allclose(
        WorstFoundDomainScorer()(model, X, y, found_domain=found), min(scores)
    )
    scorer = get_scorer("worst_found_domain")
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            DomainAdapter(MeanVarianceAligner()).set_fit_request(sample_domain=True),
            LogisticRegression(),
        )
        target = np.where(domain == 7, -1, domain)
        search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2)
        search.set_params(scoring=scorer)
        search.fit(X, y, sample_domain=target, found_domain=found)
    assert 0 <= search.best_score_ <= 1


@pytest.mark.parametrize(
    ("found", "message"),
    [(None, "needs found_domain"), ([-1] * 90, "holds no domain"), ([0], "inconsist")],
)
def test_found_domains_that_do_not_suit_are_refused(found, message):
    X, y, _ = make_rows()
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match=message):
        WorstFoundDomainScorer()(model, X, y, found_domain=found)
