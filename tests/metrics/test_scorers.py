"""Scorers in scikit-learn's searches, with routing on and off."""

import pickle
from itertools import product

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skalign import LinearAligner, RigidAligner, metrics
from skalign.metrics import (
    block_mmd,
    cca_similarity,
    cka,
    coral_distance,
    energy_distance,
    frechet_distance,
    gaussian_wasserstein_distance,
    get_scorer,
    get_scorer_names,
    make_distance_scorer,
    make_similarity_scorer,
    max_sliced_wasserstein_distance,
    mmd,
    mutual_knn,
    procrustes_distance,
    proxy_a_distance,
    random_fourier_mmd,
    retrieval_accuracy,
    rsa_correlation,
    rv_coefficient,
    sinkhorn_divergence,
    sliced_wasserstein_distance,
    svcca,
    wasserstein_distance,
)

GAUSSIAN = get_scorer("neg_gaussian_wasserstein_distance")
SLICED = get_scorer("neg_sliced_wasserstein_distance")
WASSERSTEIN = get_scorer("neg_wasserstein_distance")
MMD = get_scorer("neg_mmd")
RETRIEVAL = get_scorer("retrieval_accuracy")

SCORERS = {
    "mmd": MMD,
    "sliced": SLICED,
    "wasserstein": WASSERSTEIN,
    "gaussian": GAUSSIAN,
    "retrieval": RETRIEVAL,
}
MADE = {
    "mmd laplacian": make_distance_scorer(mmd, kernel="laplacian", gamma="target"),
    "mmd polynomial": make_distance_scorer(mmd, kernel="polynomial"),
    "linear time": make_distance_scorer(block_mmd, gamma=0.1, random_state=0),
    "fourier": make_distance_scorer(random_fourier_mmd, gamma=0.1, random_state=0),
    "energy": make_distance_scorer(energy_distance),
    "sinkhorn": make_distance_scorer(sinkhorn_divergence, reg=20.0),
    "max sliced": make_distance_scorer(max_sliced_wasserstein_distance, random_state=0),
    "frechet": make_distance_scorer(frechet_distance),
    "coral": make_distance_scorer(coral_distance),
    "proxy a": make_distance_scorer(proxy_a_distance, random_state=0),
    "procrustes": make_distance_scorer(procrustes_distance),
    "cka": make_similarity_scorer(cka, debiased=True),
    "rv": make_similarity_scorer(rv_coefficient),
    "cca": make_similarity_scorer(cca_similarity),
    "svcca": make_similarity_scorer(svcca),
    "mutual knn": make_similarity_scorer(mutual_knn),
    "rsa": make_similarity_scorer(rsa_correlation),
}


class CommonSpace(TransformerMixin, BaseEstimator):
    """Both sides meet in the first column of each."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X[:, :1]

    def transform_target(self, y):
        return y[:, :1]


@pytest.fixture
def spaces():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 5)) * [3, 2, 1, 1, 1]
    return X, X @ rng.normal(size=(5, 4)) + 0.1 * rng.normal(size=(90, 4)) + 1


@pytest.fixture(params=[False, True], ids=["without routing", "with routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (MMD, lambda X, Y: -mmd(X, Y, gamma="target")),
        (
            SLICED,
            lambda X, Y: -sliced_wasserstein_distance(X, Y, random_state=0),
        ),
        (WASSERSTEIN, lambda X, Y: -wasserstein_distance(X, Y)),
        (
            GAUSSIAN,
            lambda X, Y: -gaussian_wasserstein_distance(X, Y),
        ),
        (RETRIEVAL, retrieval_accuracy),
    ],
    ids=SCORERS,
)
def test_a_score_is_the_metric_between_mapped_rows_and_target_rows(
    scorer, expected, spaces
):
    X, y = spaces
    aligner = LinearAligner().fit(X[:60], y[:60])
    value = scorer(aligner, X[60:], y[60:])
    assert type(value) is float
    assert value == expected(aligner.transform(X[60:]), y[60:])
    assert value == scorer(aligner, X[60:], y[60:])


def test_target_rows_are_carried_where_the_sides_meet(spaces):
    X, y = spaces
    aligner = CommonSpace().fit(X, y)
    expected = -wasserstein_distance(X[:, :1], y[:, :1])
    pipeline = make_pipeline(FunctionTransformer(), aligner).fit(X, y)
    nested = make_pipeline(FunctionTransformer(), pipeline).fit(X, y)
    search = GridSearchCV(CommonSpace(), {}, scoring=WASSERSTEIN).fit(X, y)
    for estimator in (aligner, pipeline, nested, search):
        assert WASSERSTEIN(estimator, X, y) == expected


def test_without_transform_target_the_rows_stay_as_they_are(spaces):
    X, _ = spaces
    identity = FunctionTransformer()
    for estimator in (identity, make_pipeline(identity, "passthrough")):
        assert_allclose(GAUSSIAN(estimator, X, X + [3, 0, 4, 0, 0]), -5)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_a_search_over_aligners_prefers_the_better_map(scorer, spaces, routing):
    X, y = spaces
    search = GridSearchCV(
        LinearAligner(),
        {"alpha": [1e-6, 1e6]},
        scoring=scorer,
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_ == {"alpha": 1e-6}
    assert search.score(X, y) == scorer(search.best_estimator_, X, y)
    assert (np.diff(search.cv_results_["mean_test_score"]) < 0).all()


@pytest.mark.services
def test_a_search_over_pipelines_runs_in_two_processes(spaces, routing):
    X, y = spaces
    pipeline = make_pipeline(StandardScaler(), LinearAligner())
    found = [
        GridSearchCV(
            pipeline,
            {"linearaligner": [LinearAligner(), RigidAligner()]},
            scoring=SCORERS,
            refit=False,
            cv=3,
            n_jobs=n_jobs,
            error_score="raise",
        )
        .fit(X, y)
        .cv_results_
        for n_jobs in (None, 2)
    ]
    for name in SCORERS:
        alone, together = (results[f"mean_test_{name}"] for results in found)
        assert_allclose(alone, together, rtol=1e-10)
        assert alone[0] > alone[1]


@pytest.mark.services
def test_all_scorers_run_side_by_side(spaces, routing):
    X, y = spaces
    scores = cross_validate(
        make_pipeline(StandardScaler(), LinearAligner()),
        X,
        y,
        scoring=SCORERS,
        cv=3,
        return_train_score=True,
        n_jobs=2,
        error_score="raise",
    )
    for name in SCORERS:
        assert np.isfinite(scores[f"test_{name}"]).all()
        assert np.isfinite(scores[f"train_{name}"]).all()


@pytest.mark.services
def test_every_measure_makes_a_scorer_for_every_tool_in_two_processes(spaces, routing):
    X, y = spaces
    pipeline = make_pipeline(StandardScaler(), LinearAligner())
    keywords = {"scoring": MADE, "cv": 2, "n_jobs": 2, "error_score": "raise"}
    scores = cross_validate(pipeline, X, y, return_train_score=True, **keywords)
    search = GridSearchCV(
        pipeline, {"linearaligner__alpha": [1e-6, 1e6]}, refit="energy", **keywords
    ).fit(X, y)
    assert search.best_params_ == {"linearaligner__alpha": 1e-6}
    for name, scorer in MADE.items():
        for part in ("train", "test"):
            assert np.isfinite(scores[f"{part}_{name}"]).all(), name
        good, bad = search.cv_results_[f"mean_test_{name}"]
        # A shrunk map leaves shapes as they are, which is all that these compare.
        if name not in ("cka", "rv", "cca", "svcca", "rsa", "mutual knn"):
            assert good > bad, name
        assert np.isfinite(scorer(search.best_estimator_, X, y))


@pytest.mark.parametrize(  # all are of one class: with and without routing once each
    ("name", "routing"),
    [*product(SCORERS, [False, True]), *((name, True) for name in MADE)],
    indirect=["routing"],
)
def test_a_permutation_test_sees_that_maps_need_the_pairs(name, spaces, routing):
    X, y = spaces
    scorer = (SCORERS | MADE)[name]
    keywords = {"scoring": scorer, "cv": 2, "n_permutations": 2, "random_state": 0}
    score, permuted, pvalue = permutation_test_score(
        make_pipeline(StandardScaler(), LinearAligner()), X, y, **keywords
    )
    assert score > permuted.max()
    assert pvalue == 1 / 3


def test_weights_for_the_fit_are_no_trouble_for_the_score(spaces):
    X, y = spaces
    weight = np.linspace(0.5, 1.5, len(X))
    search = GridSearchCV(
        LinearAligner(), {"alpha": [0.0, 1.0]}, scoring=SCORERS, refit="mmd", cv=3
    )
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        search.fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        search.set_params(estimator=LinearAligner().set_fit_request(sample_weight=True))
        search.fit(X, y, sample_weight=weight)
    assert np.isfinite(search.cv_results_["mean_test_mmd"]).all()


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_frames_score_as_arrays_do(scorer, spaces):
    X, y = spaces
    aligner = LinearAligner().fit(X, y)
    expected = scorer(aligner, X, y)
    aligner.set_output(transform="pandas")
    assert hasattr(aligner.transform(X), "columns")
    assert scorer(aligner, X, y) == expected
    pipeline = make_pipeline(StandardScaler(), LinearAligner())
    pipeline.set_output(transform="pandas").fit(X, y)
    assert np.isfinite(scorer(pipeline, X, y))


def test_a_single_target_column_may_be_one_dimensional(spaces):
    X, y = spaces
    scores = cross_val_score(LinearAligner(), X, y[:, 0], scoring=GAUSSIAN, cv=3)
    expected = cross_val_score(
        LinearAligner(), X, y[:, :1], scoring=GAUSSIAN, cv=KFold(3)
    )
    assert_allclose(scores, expected)


def test_candidates_are_compared_with_one_measure(spaces):
    _, y = spaces
    identity = FunctionTransformer()
    for scorer in (MMD, SLICED):
        assert scorer(identity, y + 1, y) == scorer(identity, y + 1, y)
    gamma = 1 / np.median(pdist(y, "sqeuclidean"))
    for mapped in (y + 1, 10 * y):
        score = MMD(identity, mapped, y)
        assert_allclose(score, -mmd(mapped, y, gamma=gamma), rtol=1e-12)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_a_scorer_survives_pickling_and_cloning(scorer, spaces):
    X, y = spaces
    aligner = RigidAligner().fit(X, y)
    expected = scorer(aligner, X, y)
    assert pickle.loads(pickle.dumps(scorer))(aligner, X, y) == expected
    search = clone(GridSearchCV(aligner, {}, scoring=scorer))
    assert search.scoring(aligner, X, y) == expected


def test_a_scorer_shows_how_to_make_it():
    assert repr(MMD) == "make_distance_scorer(mmd, gamma='target')"
    assert repr(RETRIEVAL) == "make_similarity_scorer(retrieval_accuracy)"
    again = eval(repr(SLICED))
    assert repr(again) == repr(SLICED)


def test_more_scorers_are_made_of_any_metric(spaces):
    X, y = spaces
    aligner = LinearAligner().fit(X, y)
    mapped = aligner.transform(X)
    scorer = make_distance_scorer(mmd, gamma=[0.1, 1.0], unbiased=False)
    assert scorer(aligner, X, y) == -mmd(mapped, y, gamma=[0.1, 1.0], unbiased=False)
    scorer = make_similarity_scorer(retrieval_accuracy, k=3, csls=10)
    assert scorer(aligner, X, y) == retrieval_accuracy(mapped, y, k=3, csls=10)


@pytest.mark.parametrize("make", [make_distance_scorer, make_similarity_scorer])
def test_a_metric_that_cannot_work_is_refused_at_once(make):
    with pytest.raises(TypeError, match="metric='mmd' must be callable"):
        make("mmd")
    with pytest.raises(TypeError, match=r"cannot be called with two sets .*bandwidth"):
        make(mmd, bandwidth=1.0)
    with pytest.raises(TypeError, match=r"cannot be called with two sets .*signature"):
        make(int)


def test_widths_that_do_not_meet_are_an_error(spaces):
    X, y = spaces
    with pytest.raises(ValueError, match="X has 5 features, but Y has 4"):
        MMD(FunctionTransformer(), X, y)


def test_every_scorer_has_a_name():
    public = {name: getattr(metrics, name) for name in metrics.__all__}
    classes = {value for name, value in public.items() if name.endswith("Scorer")}
    own = set(get_scorer_names()) - set(sklearn.metrics.get_scorer_names())
    named = [get_scorer(name) for name in own]
    assert {type(scorer) for scorer in named} - {type(MMD)} == classes
    assert len(own) == len(classes) + len(SCORERS) == 13
    assert get_scorer("neg_mmd") is MMD


def test_names_of_scikit_learn_and_callables_are_passed_through(spaces):
    X, y = spaces
    aligner = LinearAligner().fit(X, y)
    expected = sklearn.metrics.get_scorer("r2")(aligner, X, y)
    assert get_scorer("r2")(aligner, X, y) == expected
    assert get_scorer(WASSERSTEIN) is WASSERSTEIN
    assert get_scorer(None) is None
    # No name of scikit-learn is hidden by one of skalign.
    theirs = sklearn.metrics.get_scorer_names()
    assert {*map(repr, map(get_scorer, theirs))} == {
        repr(sklearn.metrics.get_scorer(name)) for name in theirs
    }


def test_a_search_uses_scorers_by_name(spaces, routing):
    X, y = spaces
    settings = {"cv": KFold(3), "refit": False}
    names = ["neg_mmd", "neg_wasserstein_distance", "r2"]
    by_name, by_object = (
        GridSearchCV(LinearAligner(), {"alpha": [1.0]}, scoring=scoring, **settings)
        .fit(X, y)
        .cv_results_
        for scoring in (
            {name: get_scorer(name) for name in names},
            {
                "neg_mmd": make_distance_scorer(mmd, gamma="target"),
                "neg_wasserstein_distance": make_distance_scorer(wasserstein_distance),
                "r2": "r2",
            },
        )
    )
    for name in names:
        assert by_name[f"mean_test_{name}"] == by_object[f"mean_test_{name}"]


def test_unknown_names_are_refused_with_similar_ones():
    with pytest.raises(ValueError, match=r"'neg_mdm' is not .* are 'neg_mmd',"):
        get_scorer("neg_mdm")
    with pytest.raises(ValueError, match="Similar names are 'neg_mmd'"):
        get_scorer("mmd_scorer")
    with pytest.raises(ValueError, match=r"a scorer. skalign.metrics.get_scorer_names"):
        get_scorer("zzzz")
    with pytest.raises(TypeError, match="a str, a callable or None; got 3"):
        get_scorer(3)
