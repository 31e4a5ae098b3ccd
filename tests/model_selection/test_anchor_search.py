import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    AnchoredAligner,
    AnchorSearchCV,
    LinearAligner,
    RelativeRepresentation,
    RigidAligner,
)
from skalign.anchors import (
    ClassBalancedAnchors,
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)
from skalign.metrics import get_scorer

SLICED = get_scorer("neg_sliced_wasserstein_distance")
MMD = get_scorer("neg_mmd")
RETRIEVAL = get_scorer("retrieval_accuracy")

SELECTORS = [
    RandomAnchors(random_state=0),
    KMeansAnchors(),
    FarthestPointAnchors(),
    PivotedQRAnchors(),
    ClassBalancedAnchors(random_state=0),
]
COUNTS = [60, 4, 0.1, 12]
A_RULE_WITH_LABELS = SELECTORS[-1:]


@pytest.fixture(name="pairs")
def make_pairs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 8)) @ rng.normal(size=(8, 8)) + 3
    y = X @ rng.normal(size=(8, 5)) + 2 + rng.normal(size=(240, 5))
    return X, y


@pytest.fixture(name="labels")
def make_labels():
    return np.random.default_rng(1).choice(["a", "b", "c"], size=240, p=[0.8, 0.1, 0.1])


def grid_search(search, selectors=SELECTORS, n_anchors=COUNTS):
    """The same search by scikit-learn's own class."""
    return GridSearchCV(
        AnchoredAligner(search.aligner),
        {"selector": selectors, "selector__n_anchors": n_anchors},
        cv=search.cv,
        scoring=search.scoring,
        refit=search.refit,
        error_score=search.error_score,
        return_train_score=search.return_train_score,
    )


def assert_same_search(ours, theirs, rtol=1e-8):
    assert list(ours.cv_results_) == [
        name.replace("selector__", "") for name in theirs.cv_results_
    ]
    for name, values in theirs.cv_results_.items():
        if name.startswith(("split", "mean_t", "std_t")):
            assert_allclose(ours.cv_results_[name], values, rtol=rtol, atol=1e-12)
        if name.startswith("rank"):
            assert_array_equal(ours.cv_results_[name], values)
    if ours.refit:
        assert ours.best_index_ == theirs.best_index_
        ours, theirs = ours.best_estimator_, theirs.best_estimator_
        assert_array_equal(ours.anchor_indices_, theirs.anchor_indices_)
        assert_allclose(ours.aligner_.coef_, theirs.aligner_.coef_)


@pytest.mark.filterwarnings("ignore:.* determine 3 of 5 directions:UserWarning")
@pytest.mark.parametrize(
    ("aligner", "selectors"),
    [
        (None, SELECTORS),
        (LinearAligner(alpha="loo"), A_RULE_WITH_LABELS),
        (LinearAligner(alpha=0), A_RULE_WITH_LABELS),
        (LinearAligner(alpha=0.1, solver="svd"), A_RULE_WITH_LABELS),
        (LinearAligner(rank=2, fit_intercept=False), A_RULE_WITH_LABELS),
        pytest.param(RigidAligner(), SELECTORS, marks=pytest.mark.long),
        (RigidAligner(scaling=True), A_RULE_WITH_LABELS),
    ],
    ids=repr,
)
def test_scores_are_those_of_a_grid_search(pairs, labels, aligner, selectors):
    counts = COUNTS if selectors is SELECTORS else [60, 4, 12]
    search = AnchorSearchCV(aligner, selectors, counts, cv=2, return_train_score=True)
    expected = grid_search(search, selectors, counts).fit(*pairs, labels=labels)
    assert_same_search(search.fit(*pairs, labels=labels), expected)


@pytest.mark.parametrize(
    "scoring",
    ["neg_mean_squared_error", MMD, RETRIEVAL, SLICED],
    ids=repr,
)
def test_any_scorer_gives_the_scores_of_a_grid_search(pairs, scoring):
    selectors, counts = SELECTORS[:2], COUNTS[:2]
    search = AnchorSearchCV(None, selectors, counts, cv=KFold(2), scoring=scoring)
    expected = grid_search(search, selectors, counts).fit(*pairs)
    assert_same_search(search.fit(*pairs), expected)


def test_ill_conditioned_rows_give_the_scores_of_a_grid_search(pairs):
    X, y = pairs
    X = X @ np.diag(np.logspace(0, -7, 8))
    for aligner in (LinearAligner(alpha=0), LinearAligner()):
        search = AnchorSearchCV(aligner, SELECTORS[:1], [10, 20, 40, 80], cv=2)
        expected = grid_search(search, SELECTORS[:1], search.n_anchors).fit(X, y)
        assert_same_search(search.fit(X, y), expected)


def test_single_precision_gives_the_scores_of_a_grid_search(pairs):
    X, y = (rows.astype(np.float32) for rows in pairs)
    search = AnchorSearchCV(None, SELECTORS[:2], [10, 20, 80], cv=2)
    expected = grid_search(search, SELECTORS[:2], search.n_anchors).fit(X, y)
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    assert_allclose(scores, expected.cv_results_["mean_test_score"], atol=1e-5)
    assert search.transform(X).dtype == np.float32


class CountingAligner(RigidAligner):
    """Tells how many rows it was fitted on from scratch, and how often."""

    rows_seen = []

    def fit(self, X, y, sample_weight=None):
        self.rows_seen.append(len(X))
        return super().fit(X, y, sample_weight)


class CountingSelector(RandomAnchors):
    paths_chosen = []

    def select_path(self, X, n_anchors, labels=None):
        self.paths_chosen.append(list(n_anchors))
        return super().select_path(X, n_anchors, labels)


def test_nested_anchors_are_chosen_once_and_sums_are_updated(pairs):
    CountingAligner.rows_seen.clear()
    CountingSelector.paths_chosen.clear()
    search = AnchorSearchCV(
        CountingAligner(), [CountingSelector(random_state=0)], [40, 10, 4, 20], cv=3
    )
    search.set_params(refit=False).fit(*pairs)
    assert CountingSelector.paths_chosen == [[40, 10, 4, 20]] * 3
    # From scratch below the 8 columns, and once to start with.
    assert CountingAligner.rows_seen == [4, 10] * 3


class PlainSelector(BaseEstimator):
    """A rule from elsewhere: it knows nothing but `select`."""

    def __init__(self, n_anchors=5):
        self.n_anchors = n_anchors

    def select(self, X, labels=None):
        return np.arange(len(X))[-self.n_anchors :]


def test_rules_and_aligners_from_elsewhere_give_the_scores_of_a_grid_search(pairs):
    X, y = pairs
    piped = make_pipeline(StandardScaler(), RigidAligner())
    search = AnchorSearchCV(piped, [PlainSelector()], [10, 30], cv=3, refit=False)
    expected = grid_search(search, [PlainSelector()], [10, 30]).fit(X, y)
    assert_same_search(search.fit(X, y), expected)


def test_what_partial_fit_means_elsewhere_is_not_assumed(pairs):
    # Here partial_fit is one epoch, not the fit to all rows seen.
    class Gradient(MultiOutputRegressor):
        def transform(self, X):
            return self.predict(X)

    X, y = StandardScaler().fit_transform(pairs[0]), pairs[1]
    aligner = Gradient(SGDRegressor(random_state=0))
    search = AnchorSearchCV(aligner, SELECTORS[:1], [20, 60], cv=3, refit=False)
    expected = grid_search(search, SELECTORS[:1], [20, 60]).fit(X, y)
    assert_same_search(search.fit(X, y), expected)


def test_results_have_the_form_of_scikit_learn(pairs):
    rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
    search = AnchorSearchCV(None, rules, [10, 40], cv=3).fit(*pairs)
    results = search.cv_results_
    assert isinstance(results["param_selector"], np.ma.MaskedArray)
    assert results["param_selector"].tolist() == ["random"] * 2 + ["k-means"] * 2
    assert results["param_n_anchors"].tolist() == [10, 40, 10, 40]
    assert results["param_n_anchors"].dtype.kind == "i"
    assert results["params"][3] == {"selector": "k-means", "n_anchors": 40}
    assert all(len(values) == 4 for values in results.values())
    assert search.n_splits_ == 3
    assert sorted(results["rank_test_score"]) == [1, 2, 3, 4]
    assert np.all(results["mean_fit_time"] > 0)
    assert search.best_params_ == results["params"][search.best_index_]
    assert search.best_score_ == results["mean_test_score"].max()
    mixed = AnchorSearchCV(None, rules, [10, 0.5], cv=3).fit(*pairs).cv_results_
    assert mixed["param_n_anchors"].dtype == object


def test_the_best_candidate_is_fitted_on_all_rows_and_asked(pairs, labels):
    X, y = pairs
    rules = {"balanced": ClassBalancedAnchors(random_state=0)}
    search = AnchorSearchCV(LinearAligner(), rules, [6, 60], cv=3)
    search.fit(X, y, labels=labels)
    best = AnchoredAligner(LinearAligner(), ClassBalancedAnchors(60, random_state=0))
    best.fit(X, y, labels=labels)
    assert_array_equal(search.best_estimator_.anchor_indices_, best.anchor_indices_)
    assert_array_equal(search.transform(X), best.transform(X))
    assert_array_equal(search.predict(X), best.predict(X))
    assert_array_equal(search.predict_std(X), best.predict_std(X))
    assert_array_equal(search.inverse_transform(y), best.inverse_transform(y))
    assert_array_equal(search.transform_target(y), y)
    assert search.score(X, y) == best.score(X, y)
    assert search.get_feature_names_out().tolist() == [
        f"anchorsearchcv{i}" for i in range(5)
    ]


def test_there_is_what_the_aligner_has():
    rigid = AnchorSearchCV(RigidAligner(), SELECTORS, COUNTS)
    assert hasattr(rigid, "inverse_transform")
    assert not hasattr(rigid, "predict_std")
    assert is_regressor(rigid)
    relative = RelativeRepresentation(similarity="rbf")
    relative = AnchorSearchCV(relative, SELECTORS, COUNTS, scoring=MMD)
    assert not hasattr(relative, "predict")
    assert not is_regressor(relative)


def test_without_refit_there_are_results_only(pairs):
    search = AnchorSearchCV(None, SELECTORS[:1], [10, 40], cv=3, refit=False)
    search.fit(*pairs)
    assert search.best_params_["n_anchors"] == 40
    with pytest.raises(
        AttributeError, match=r"requires best_estimator_, .* refit=False"
    ):
        search.transform(pairs[0])


def test_several_metrics_give_the_scores_of_a_grid_search(pairs):
    scoring = {"r2": "r2", "error": "neg_mean_squared_error"}
    search = AnchorSearchCV(
        None, SELECTORS[:2], COUNTS[:2], cv=2, scoring=scoring, refit="error"
    )
    expected = grid_search(search, SELECTORS[:2], COUNTS[:2]).fit(*pairs)
    assert_same_search(search.fit(*pairs), expected)
    assert np.isclose(search.score(*pairs), expected.score(*pairs))

    def both(estimator, X, y):
        return {"a": estimator.score(X, y), "b": len(estimator.anchor_indices_)}

    search.set_params(scoring=both, refit="a").fit(*pairs)
    assert_array_equal(search.cv_results_["mean_test_b"], [60, 4, 60, 4])


def test_refit_may_take_the_fewest_anchors_that_are_good_enough(pairs):
    def fewest(results):
        enough = results["mean_test_score"] > 0.5
        return int(np.argmin(np.where(enough, results["param_n_anchors"], np.inf)))

    counts = [9, 15, 30, 60, 120]
    search = AnchorSearchCV(None, SELECTORS[:1], counts, cv=3, refit=fewest)
    results = search.fit(*pairs).cv_results_
    below = np.flatnonzero(results["mean_test_score"] <= 0.5)
    assert search.best_index_ == below.max(initial=-1) + 1
    assert not hasattr(search, "best_score_")
    search.set_params(refit=lambda results: 7)
    with pytest.raises(
        ValueError, match="refit returned 7; expected the index of one of 5"
    ):
        search.fit(*pairs)


@pytest.mark.services
def test_jobs_change_no_score(pairs, labels):
    search = AnchorSearchCV(None, SELECTORS, COUNTS, cv=2).fit(*pairs, labels=labels)
    parallel = clone(search).set_params(n_jobs=2).fit(*pairs, labels=labels)
    for name in ("mean_test_score", "split1_test_score"):
        assert_allclose(parallel.cv_results_[name], search.cv_results_[name])


def test_groups_stay_together_and_weights_are_cut_to_the_fold(pairs):
    groups, weights = np.arange(240) // 20, np.arange(240) % 3
    search = AnchorSearchCV(None, SELECTORS[:1], [12, 40], cv=GroupKFold(3))
    search.fit(*pairs, groups=groups, sample_weight=weights)
    expected = grid_search(search, SELECTORS[:1], [12, 40])
    expected.fit(*pairs, groups=groups, sample_weight=weights)
    assert_same_search(search, expected)
    # Scores are weighted where the scorer lets them.
    for each in (search, expected):
        each.set_params(scoring=lambda estimator, X, y: estimator.score(X, y))
        with pytest.warns(UserWarning, match="does not support sample_weight"):
            each.fit(*pairs, groups=groups, sample_weight=weights)
    assert_same_search(search, expected)


def test_metadata_is_routed_to_rule_aligner_scorer_and_splitter(pairs, labels):
    X, y = pairs
    groups, weights = np.arange(240) // 20, np.arange(240) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        aligner = LinearAligner().set_fit_request(sample_weight="mass")
        aligner.set_score_request(sample_weight="mass")
        rules, counts = SELECTORS[-1:], [12, 40]
        search = AnchorSearchCV(aligner, rules, counts, cv=GroupKFold(3))
        given = {"labels": labels, "groups": groups, "mass": weights}
        search.fit(X, y, **given)
        anchored = AnchoredAligner(aligner).set_fit_request(labels=True)
        anchored.set_score_request(sample_weight="mass")
        expected = grid_search(search, rules, counts).set_params(estimator=anchored)
        assert_same_search(search, expected.fit(X, y, **given))
        assert search.score(X, y, mass=weights) == expected.score(X, y, mass=weights)
        with pytest.raises(TypeError, match="sample_domain"):
            search.fit(X, y, sample_domain=groups)
        nested = clone(search).set_fit_request(labels=True)
        scores = cross_val_score(nested, X, y, cv=KFold(2), params=given)
        assert np.isfinite(scores).all()


def test_candidates_that_fail_get_the_error_score_and_a_warning(pairs):
    search = AnchorSearchCV(None, SELECTORS[:2], [20, 161, 200], cv=3)
    with pytest.warns(FitFailedWarning, match="12 of 18 fits failed"):
        search.fit(*pairs)
    scores = search.cv_results_["mean_test_score"].reshape(2, 3)
    assert np.isfinite(scores[:, 0]).all()
    assert np.isnan(scores[:, 1:]).all()
    assert search.best_params_["n_anchors"] == 20
    ranks = search.cv_results_["rank_test_score"].reshape(2, 3)
    assert_array_equal(ranks[:, 1:], 3)
    with pytest.raises(ValueError, match=r"n_anchors=161 .* n_samples=160"):
        search.set_params(error_score="raise").fit(*pairs)


def test_scores_that_fail_get_the_error_score_and_a_warning(pairs):
    def picky(estimator, X, y):
        if len(estimator.anchor_indices_) == 20:
            raise RuntimeError("twenty!")
        return 1.0

    search = AnchorSearchCV(
        None, SELECTORS[:1], [20, 40], cv=3, scoring=picky, error_score=-5.0
    )
    with pytest.warns(UserWarning, match=r"Scoring failed 3 times(.|\n)*twenty!"):
        search.fit(*pairs)
    assert search.cv_results_["mean_test_score"].tolist() == [-5.0, 1.0]
    search.set_params(scoring={"picky": picky, "r2": "r2"}, refit="r2")
    with pytest.warns(UserWarning, match=r"Scoring failed 3 times(.|\n)*twenty!"):
        search.fit(*pairs)
    assert search.cv_results_["mean_test_picky"].tolist() == [-5.0, 1.0]
    assert search.cv_results_["mean_test_r2"].min() > 0
    with pytest.raises(RuntimeError, match="twenty!"):
        search.set_params(error_score="raise").fit(*pairs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selectors": []}, "Expected at least one selector.*got 0 and 1"),
        ({"n_anchors": []}, "one number of anchors; got 1 and 0"),
        ({"n_anchors": [10, 0]}, "'n_anchors' parameter"),
        ({"n_anchors": [1.5]}, "'n_anchors' parameter"),
        ({"selectors": [LinearAligner()]}, "has no method select"),
        ({"n_anchors": [500]}, r"All 2 fits failed.*(.|\n)*n_anchors=500"),
        ({"scoring": ["r2"]}, "refit=True must be the name"),
        ({"scoring": {"a": "r2"}, "refit": "b"}, "refit='b' must be the name"),
        ({"scoring": lambda *_: {"a": 1.0}}, "refit=True must be the name"),
        ({"scoring": lambda *_: "good", "error_score": "raise"}, "must return numbers"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(pairs, changes, message):
    search = AnchorSearchCV(LinearAligner(), SELECTORS[:1], [10], cv=2)
    with pytest.raises(ValueError, match=message):
        search.set_params(**changes).fit(*pairs)
    assert not hasattr(search, "n_features_in_")


def test_lengths_that_differ_and_rows_that_are_not_finite_are_refused(pairs):
    X, y = pairs
    search = AnchorSearchCV(None, SELECTORS[:1], [10], cv=2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search.fit(X, y[1:])
    X = X.copy()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        search.fit(X, y)


def test_rules_given_stay_as_they_are(pairs):
    rule = RandomAnchors(3, random_state=0)
    search = AnchorSearchCV(None, [rule], [10, 20], cv=2).fit(*pairs)
    assert rule.n_anchors == 3
    assert search.best_estimator_.selector is not rule


def test_only_rules_without_a_seed_make_it_non_deterministic():
    search = AnchorSearchCV(None, SELECTORS, COUNTS)
    assert not search.__sklearn_tags__().non_deterministic
    search.set_params(selectors={"random": RandomAnchors()})
    assert search.__sklearn_tags__().non_deterministic


def test_one_number_of_anchors_is_no_list():
    search = AnchorSearchCV(LinearAligner(), [RandomAnchors()], np.array(3))
    with pytest.raises(ValueError, match=r"n_anchors=array\(3\) must be a list"):
        search.fit(np.eye(9), np.eye(9))
