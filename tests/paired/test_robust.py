from itertools import pairwise

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_regressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    AnchoredAligner,
    CanonicalAligner,
    LinearAligner,
    RigidAligner,
    RobustAligner,
)
from skalign.anchors import KMeansAnchors


def make_pairs(share=0.3, n_samples=300, n_targets=4, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5))
    y = X @ rng.normal(size=(5, n_targets)) + 2
    y += noise * rng.normal(size=y.shape)
    wrong = rng.permutation(n_samples) < round(share * n_samples)
    y[wrong] = np.roll(y[wrong], 1, axis=0)
    return X, y, wrong


@pytest.fixture(name="pairs")
def some_pairs():
    return make_pairs()


def rates(robust, wrong):
    """False discovery rate and recall of the pairs that were named wrong."""
    named = ~robust.inlier_mask_
    return np.sum(named & ~wrong) / max(1, named.sum()), named[wrong].mean()


def error(aligner, X, y):
    return 1 - aligner.score(X, y)


@pytest.mark.parametrize(
    "aligner",
    [None, LinearAligner(alpha=0.0), RigidAligner(scaling=True), Ridge()],
    ids=lambda aligner: type(aligner).__name__,
)
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_wrong_pairs_are_named_and_do_not_matter(aligner, share):
    X, y, wrong = make_pairs(share, n_samples=600)
    test_X, test_y, _ = make_pairs(0.0, n_samples=600)
    robust = RobustAligner(aligner, random_state=0).fit(X[:400], y[:400])
    false_rate, recall = rates(robust, wrong[:400])
    assert false_rate <= 0.05
    assert recall >= 0.9
    assert robust.fdr_ <= 0.05
    assert robust.wrong_share_ == pytest.approx(wrong[:400].mean(), abs=0.03)
    clean = clone(LinearAligner() if aligner is None else aligner)
    clean.fit(X[:400][~wrong[:400]], y[:400][~wrong[:400]])
    expected = error(clean, test_X[400:], test_y[400:])
    assert error(robust, test_X[400:], test_y[400:]) == pytest.approx(
        expected, rel=0.05, abs=1e-3
    )


def test_without_wrong_pairs_it_is_the_aligner():
    X, y, _ = make_pairs(0.0)
    robust = RobustAligner(random_state=0).fit(X, y)
    assert robust.inlier_mask_.all()
    assert robust.fdr_ == robust.wrong_share_ == 0
    assert_allclose(robust.transform(X), LinearAligner().fit(X, y).transform(X))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("size", [10, 1e4])
def test_gross_errors_of_either_side_do_not_matter(side, size):
    X, y, _ = make_pairs(0.0)
    clean = LinearAligner().fit(X[30:], y[30:])
    sides = X.copy(), y.copy()
    sides[side][:30] += size * (1 + np.random.default_rng(1).normal(size=(30, 1)))
    robust = RobustAligner(random_state=0).fit(*sides)
    assert np.mean(robust.inlier_mask_[:30]) < 0.1
    assert_allclose(robust.transform(X), clean.transform(X), atol=0.1)


def test_more_pairs_are_named_if_more_of_them_may_be_right():
    X, y, _ = make_pairs(noise=3.0, n_targets=2)
    masks = []
    for max_fdr in (0.0, 0.05, 0.2, 0.5):
        robust = RobustAligner(max_fdr=max_fdr, random_state=0).fit(X, y)
        named = ~robust.inlier_mask_
        assert robust.fdr_ <= max_fdr
        assert robust.weights_[named].max(initial=0) <= 0.5
        masks.append(named)
    for fewer, more in pairwise(masks):
        assert_array_equal(fewer & more, fewer)
    assert masks[0].sum() < masks[-1].sum()


def test_the_estimated_rate_is_that_of_the_weights(pairs):
    X, y, _ = pairs
    weight = np.random.default_rng(1).random(len(X))
    robust = RobustAligner(random_state=0).fit(X, y, sample_weight=weight)
    named = ~robust.inlier_mask_
    expected = np.average(robust.weights_[named], weights=weight[named])
    assert robust.fdr_ == pytest.approx(expected)


def test_the_map_is_the_aligner_with_the_weights(pairs):
    X, y, _ = pairs
    weight = np.arange(len(X)) % 3 + 1.0
    robust = RobustAligner(RigidAligner(), random_state=0)
    robust.fit(X, y, sample_weight=weight)
    assert 0 <= robust.weights_.min() < robust.weights_.max() <= 1
    aligner = RigidAligner().fit(X, y, sample_weight=weight * robust.weights_)
    assert_array_equal(robust.transform(X), aligner.transform(X))
    assert_array_equal(robust.predict(X), aligner.predict(X))
    assert_array_equal(robust.inverse_transform(y), aligner.inverse_transform(y))
    assert robust.score(X, y) == aligner.score(X, y)
    assert is_regressor(robust)
    assert not hasattr(robust, "predict_std")
    assert RobustAligner().fit(X, y).predict_std(X).shape == y.shape


def test_pairs_without_weight_do_not_matter(pairs):
    X, y, wrong = pairs
    robust = RobustAligner(random_state=0)
    robust.fit(X, y, sample_weight=(~wrong).astype(float))
    clean = LinearAligner().fit(X[~wrong], y[~wrong])
    assert robust.wrong_share_ < 0.02
    assert_allclose(robust.transform(X), clean.transform(X), atol=0.02)


def test_one_target_column_stays_one():
    X, y, wrong = make_pairs(n_targets=1, noise=0.01)
    robust = RobustAligner(random_state=0).fit(X, y[:, 0])
    assert robust.predict(X).shape == (len(X),)
    assert rates(robust, wrong)[0] <= 0.05


def test_what_cannot_be_distinguished_is_used_with_a_warning():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 100, 3))
    robust = RobustAligner(random_state=0)
    with pytest.warns(UserWarning, match="cannot distinguish right pairs from wrong"):
        robust.fit(X, y)
    assert_array_equal(robust.weights_, 1)
    assert robust.inlier_mask_.all()
    assert np.isnan(robust.wrong_share_)
    assert_array_equal(robust.transform(X), LinearAligner().fit(X, y).transform(X))


def test_results_repeat_with_a_seed_and_vary_little_without(pairs):
    X, y, _ = pairs
    one, same, other = (RobustAligner(random_state=s).fit(X, y) for s in (0, 0, 1))
    assert_array_equal(one.weights_, same.weights_)
    assert np.mean(one.inlier_mask_ == other.inlier_mask_) > 0.97


def test_refused_is_an_aligner_without_weights(pairs):
    X, y, _ = pairs
    for aligner in (CanonicalAligner(), make_pipeline(CanonicalAligner())):
        with pytest.raises(ValueError, match=r"CanonicalAligner.fit takes no sample_w"):
            RobustAligner(aligner).fit(X, y)


def test_refused_are_few_pairs(pairs):
    X, y, _ = pairs
    with pytest.raises(ValueError, match="at least 8 pairs to rate them; got 7"):
        RobustAligner().fit(X[:7], y[:7])


def test_pipelines_and_searches_around_and_inside(pairs):
    X, y, wrong = pairs
    inside = RobustAligner(make_pipeline(StandardScaler(), LinearAligner()))
    assert rates(clone(inside).set_params(random_state=0).fit(X, y), wrong)[1] > 0.9
    anchored = RobustAligner(AnchoredAligner(selector=KMeansAnchors(40)))
    anchored.set_params(random_state=0).fit(X, y)
    assert rates(anchored, wrong)[1] > 0.9
    held = GridSearchCV(LinearAligner(), {"alpha": [1e-2, 1e5]}, cv=KFold(2))
    robust = RobustAligner(held, random_state=0).fit(X, y)
    assert robust.aligner_.best_params_ == {"alpha": 1e-2}
    around = make_pipeline(StandardScaler(), RobustAligner(random_state=0))
    grid = {"robustaligner__aligner": [LinearAligner(300.0), LinearAligner()]}
    search = GridSearchCV(around, grid, cv=KFold(2)).fit(X, y)
    assert search.best_estimator_[-1].aligner_.alpha == "gcv"


def test_metadata_is_routed(pairs):
    X, y, _ = pairs
    weight = np.arange(len(X)) % 3 + 0.0
    expected = RobustAligner(random_state=0).fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        robust = RobustAligner(random_state=0).set_fit_request(sample_weight=True)
        robust.set_score_request(sample_weight=False)
        scaler = StandardScaler(with_mean=False, with_std=False)
        scaler.set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, robust).fit(X, y, sample_weight=weight)
        assert_array_equal(pipeline.transform(X), expected.transform(X))
        scores = cross_val_score(robust, X, y, cv=2, params={"sample_weight": weight})
        assert len(scores) == 2
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        aligner = LinearAligner().set_fit_request(sample_weight=True)
        inside = RobustAligner(make_pipeline(scaler, aligner), random_state=0)
        assert_allclose(inside.fit(X, y).inlier_mask_.mean(), 0.7, atol=0.05)
        with pytest.raises(TypeError, match="sample_domain"):
            robust.fit(X, y, sample_domain=weight)
