import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)

from skalign import KernelAligner, LinearAligner, RigidAligner, StreamingSearchCV
from skalign.moments import _rank
from skalign.moments._sums import Moments
from skalign.paired import _ridge

ALPHAS = {"alpha": [1e-3, 1.0, 100.0]}


@pytest.fixture(name="pairs")
def make_pairs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6)) @ rng.normal(size=(6, 6)) + 3
    return X, X @ rng.normal(size=(6, 4)) + 2 + 3 * rng.normal(size=(120, 4))


def both(X, y, aligner=None, grid=ALPHAS, cv=3, scoring="r2", **params):
    """The search from sums, and that of scikit-learn."""
    ours = StreamingSearchCV(aligner, grid, cv=cv, scoring=scoring)
    theirs = GridSearchCV(
        LinearAligner() if aligner is None else aligner, grid, cv=cv, scoring=scoring
    )
    return ours.fit(X, y, **params), theirs.fit(X, y, **params)


def assert_same_search(ours, theirs, rtol=1e-10):
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if name.startswith(("split", "mean_test", "std_test")):
            scale = np.abs(theirs.cv_results_["mean_test_score"]).max()
            assert_allclose(ours.cv_results_[name], values, rtol, rtol * scale)
        if name.startswith(("rank", "param_")):
            assert_array_equal(ours.cv_results_[name], values)
    assert ours.best_params_ == theirs.best_params_
    ours, theirs = ours.best_estimator_, theirs.best_estimator_
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-10)
    assert_allclose(ours.y_mean_, theirs.y_mean_)


@pytest.mark.parametrize(
    "cv",
    [
        KFold(3, shuffle=True, random_state=0),
        RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(2, test_size=0.3, random_state=0),
        ShuffleSplit(2, test_size=0.3, train_size=0.4, random_state=0),
        TimeSeriesSplit(2),
    ],
    ids=repr,
)
def test_scores_are_those_of_a_grid_search(pairs, cv):
    ours, theirs = both(*pairs, cv=cv)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)


def test_sums_of_many_folds_are_not_kept(pairs):
    X, y = (rows[:30] for rows in pairs)  # smaller than the sums of six folds
    ours, theirs = both(X, y, grid={"alpha": [1.0]}, cv=6)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)


@pytest.mark.parametrize(
    "scoring", ["neg_mean_squared_error", "neg_root_mean_squared_error"]
)
def test_squared_errors_are_scores(pairs, scoring):
    ours, theirs = both(*pairs, cv=3, scoring=scoring)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)
    assert_allclose(ours.score(*pairs), theirs.score(*pairs))


@pytest.mark.parametrize(
    ("aligner", "grid"),
    [
        (LinearAligner(), {"rank": [1, 2, 4]}),
        (LinearAligner(fit_intercept=False), ALPHAS),
        (LinearAligner(), [{"alpha": [1.0, 5.0]}, {"fit_intercept": [False]}]),
        (RigidAligner(), {"scaling": [False, True], "allow_reflection": [False, True]}),
    ],
    ids=["rank", "origin", "grids", "rigid"],
)
def test_any_parameters_are_compared(pairs, aligner, grid):
    assert_same_search(*both(*pairs, aligner, grid))


def test_a_prior_is_compared(pairs):
    X, _ = pairs
    y = X + np.random.default_rng(1).normal(size=X.shape)
    grid = {"prior": [None, "identity"], "alpha": [0.1, 1000.0]}
    ours, theirs = both(X, y, LinearAligner(), grid)
    assert_same_search(ours, theirs)
    assert ours.best_params_["prior"] == "identity"


def test_weights_count_in_fits_and_scores(pairs):
    weights = np.random.default_rng(1).uniform(size=120)
    weights[::7] = 0
    ours, theirs = both(*pairs, cv=4, sample_weight=weights)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)


def test_groups_stay_together(pairs):
    groups = np.random.default_rng(1).integers(9, size=120)
    ours, theirs = both(*pairs, cv=GroupKFold(4), groups=groups)
    assert_same_search(ours, theirs)
    search = StreamingSearchCV(None, ALPHAS, cv=GroupKFold(4))
    with sklearn.config_context(enable_metadata_routing=True):
        assert_same_search(search.fit(*pairs, groups=groups), theirs)


@pytest.mark.parametrize(
    ("offset", "scale", "rtol"), [(1e6, 1.0, 1e-8), (0.0, 1e-60, 1e-10)]
)
def test_offsets_and_units_cost_no_accuracy(pairs, offset, scale, rtol):
    X, y = pairs
    grid = {"alpha": np.multiply(ALPHAS["alpha"], scale**2)}
    ours, theirs = both(X * scale + offset, y * scale - offset, grid=grid)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs, rtol)


def test_one_column_of_targets(pairs):
    X, y = pairs
    ours, theirs = both(X, y[:, 0])
    assert_same_search(ours, theirs)
    assert ours.predict(X).shape == (120,)


def test_single_precision_gives_the_scores_of_a_grid_search(pairs):
    X, y = (rows.astype(np.float32) for rows in pairs)
    ours, theirs = both(X, y)
    assert ours.from_sums_.all()
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], rtol=1e-4)
    assert ours.best_estimator_.coef_.dtype == np.float32


def test_a_fold_with_nearly_all_variation_costs_no_accuracy(pairs):
    X, y = pairs
    X[:20] *= 1e7
    y[:20] *= 1e7
    ours, theirs = both(X, y, grid={"alpha": [1.0, 100.0]}, cv=6)
    assert_same_search(ours, theirs, 1e-9)


def test_few_samples_are_fitted_on_the_samples_where_sums_are_not_enough(pairs):
    X, y = (rows[:8] for rows in pairs)
    ours, theirs = both(X, y, grid={"alpha": [0.0, 1e-14, 1.0, "gcv"]}, cv=4)
    assert_array_equal(ours.from_sums_.all(axis=1), [False, False, True, True])
    assert_same_search(ours, theirs)


def test_copies_count_once_for_gcv(pairs):
    X, y = (rows[:48].repeat(2, axis=0) for rows in pairs)
    ours, theirs = both(X, y, grid={"alpha": ["gcv"], "rank": [None, 2]})
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)
    noise = (each.best_estimator_.noise_variance_ for each in (ours, theirs))
    assert_allclose(*noise)


def test_exact_maps_are_scored_on_the_samples(pairs):
    X, y = pairs
    y = X[:, :4] @ np.diag([1, 2, 3, 4])
    ours, theirs = both(
        X, y, grid={"alpha": [0.0, 10.0]}, scoring="neg_mean_squared_error"
    )
    assert_array_equal(ours.from_sums_.all(axis=1), [False, True])
    assert_same_search(ours, theirs)


def test_constant_targets_score_as_in_scikit_learn(pairs):
    X, y = pairs
    y[:, 1] = 7.0
    ours, theirs = both(X, y)
    assert ours.from_sums_.all()
    assert_same_search(ours, theirs)


def test_samples_are_added_up_once_and_decomposed_once_a_split(pairs, monkeypatch):
    samples, decompositions = [], []
    add_up, eigh = Moments.from_arrays.__func__, np.linalg.eigh

    def counted(cls, X, *args, **kwargs):
        samples.append(len(X))
        return add_up(cls, X, *args, **kwargs)

    def decomposed(matrix):
        decompositions.append(len(matrix))
        return eigh(matrix)

    monkeypatch.setattr(Moments, "from_arrays", classmethod(counted))
    monkeypatch.setattr(_rank.np.linalg, "eigh", decomposed)
    StreamingSearchCV(None, ALPHAS, cv=5).fit(*pairs)
    assert sum(samples) == 120
    assert decompositions == [6] * 6  # of 5 splits, and of all samples


def test_ranks_share_a_decomposition(pairs, monkeypatch):
    X, y = pairs
    calls = []
    svd = _ridge.svd
    monkeypatch.setattr(_ridge, "svd", lambda *a, **k: calls.append(1) or svd(*a, **k))
    search = StreamingSearchCV(LinearAligner(), {"rank": [1, 2, 3]}, cv=2).fit(X, y)
    assert len(calls) == 3  # one for each split, and one for all samples
    for rank, score in zip(
        [1, 2, 3], search.cv_results_["split0_test_score"], strict=True
    ):
        train, test = next(KFold(2).split(X))
        alone = LinearAligner(rank=rank).fit(X[train], y[train])
        assert_allclose(alone.score(X[test], y[test]), score)


def test_what_sums_cannot_score_is_refused(pairs):
    with pytest.raises(ValueError, match="'scoring' parameter"):
        StreamingSearchCV(None, ALPHAS, scoring="max_error").fit(*pairs)
    for aligner, grid in [
        (LinearAligner(), {"alpha": [1.0, "loo"]}),
        (LinearAligner(), {"solver": ["svd"]}),
        (LinearAligner(prior=RigidAligner()), ALPHAS),
        (KernelAligner(), {"gamma": [1.0]}),
    ]:
        with pytest.raises(TypeError, match=r"fitted from sums.*Use GridSearchCV"):
            StreamingSearchCV(aligner, grid).fit(*pairs)


def test_wrong_grids_and_splits_are_refused(pairs):
    for grid, message in [({"alpha": []}, "alpha"), ({"beta": [1]}, "Invalid param")]:
        with pytest.raises(ValueError, match=message):
            StreamingSearchCV(None, grid).fit(*pairs)
    with pytest.raises(ValueError, match="yields no split"):
        StreamingSearchCV(None, ALPHAS, cv=[]).fit(*pairs)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        StreamingSearchCV(None, ALPHAS).fit(pairs[0], pairs[1][:-1])
    X = pairs[0].copy()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        StreamingSearchCV(None, ALPHAS).fit(X, pairs[1])


def test_the_result_is_the_best_aligner(pairs):
    X, y = pairs
    search = StreamingSearchCV(None, ALPHAS).fit(X, y)
    assert search.aligner_ is search.best_estimator_
    assert_allclose(search.transform(X), search.best_estimator_.transform(X))
    assert search.best_estimator_.alpha_ == search.best_params_["alpha"]
