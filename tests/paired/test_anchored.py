import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.base import clone, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skalign import (
    AnchoredAligner,
    AnchorSearchCV,
    ICPAligner,
    LinearAligner,
    RelativeRepresentation,
    RigidAligner,
)
from skalign._routing import take_rows
from skalign.anchors import (
    ClassBalancedAnchors,
    FarthestPointAnchors,
    KMeansAnchors,
    RandomAnchors,
)
from skalign.metrics import get_scorer

SLICED = get_scorer("neg_sliced_wasserstein_distance")
MMD = get_scorer("neg_mmd")

SELECTOR = RandomAnchors(20, random_state=0)


@pytest.fixture(name="pairs")
def make_pairs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    y = X @ rng.normal(size=(5, 3)) + 2 + 0.1 * rng.normal(size=(120, 3))
    return X, y


def test_it_is_the_aligner_fitted_on_the_rows_that_the_selector_picks(pairs):
    X, y = pairs
    anchored = AnchoredAligner(LinearAligner(), SELECTOR).fit(X, y)
    rows = SELECTOR.select(X)
    aligner = LinearAligner().fit(X[rows], y[rows])
    assert_array_equal(anchored.anchor_indices_, rows)
    assert_array_equal(anchored.transform(X), aligner.transform(X))
    assert_array_equal(anchored.predict(X), aligner.predict(X))
    assert_array_equal(anchored.predict_std(X), aligner.predict_std(X))
    assert_array_equal(anchored.inverse_transform(y), aligner.inverse_transform(y))
    assert_array_equal(anchored.transform_target(y), y)
    assert anchored.score(X, y) == aligner.score(X, y)


def test_target_rows_of_others_than_the_anchors_are_not_looked_at(pairs):
    X, y = pairs
    rows = KMeansAnchors(20).select(X)
    known = np.zeros_like(y)
    known[rows] = y[rows]
    anchored = AnchoredAligner(selector=KMeansAnchors(20))
    expected = clone(anchored).fit(X, y).transform(X)
    assert_array_equal(clone(anchored).fit(X, known).transform(X), expected)


def test_a_rotation_is_recovered_from_as_many_anchors_as_it_takes():
    X = np.random.default_rng(0).normal(size=(50, 4))
    rotation = ortho_group.rvs(4, random_state=0)
    anchored = AnchoredAligner(RigidAligner(), FarthestPointAnchors(5))
    anchored.fit(X, X @ rotation + 3)
    assert_allclose(anchored.transform(X), X @ rotation + 3, atol=1e-10)
    assert_allclose(anchored.inverse_transform(X @ rotation + 3), X, atol=1e-10)


def test_parts_are_cloned_and_stay_unfitted(pairs):
    aligner = LinearAligner()
    anchored = AnchoredAligner(aligner, SELECTOR).fit(*pairs)
    assert anchored.aligner_ is not aligner
    assert not hasattr(aligner, "coef_")


def test_there_is_what_the_aligner_has(pairs):
    assert hasattr(AnchoredAligner(), "predict_std")
    rigid = AnchoredAligner(RigidAligner(), SELECTOR)
    assert not hasattr(rigid, "predict_std")
    assert hasattr(rigid.fit(*pairs), "inverse_transform")
    relative = AnchoredAligner(RelativeRepresentation(similarity="rbf"), SELECTOR)
    for method in ("predict", "score", "predict_std", "inverse_transform"):
        assert not hasattr(relative, method)
    assert is_regressor(rigid)
    assert not is_regressor(relative)


def test_target_rows_meet_mapped_rows_where_the_aligner_takes_them(pairs):
    X, y = pairs
    relative = RelativeRepresentation(RandomAnchors(5, random_state=0))
    anchored = AnchoredAligner(relative, SELECTOR).fit(X, y)
    assert anchored.transform_target(y).shape == (120, 5)
    piped = AnchoredAligner(make_pipeline(StandardScaler(), relative), SELECTOR)
    piped.fit(X, y)
    assert_array_equal(piped.transform_target(y), anchored.transform_target(y))
    assert piped.get_feature_names_out().tolist() == [
        f"anchoredaligner{i}" for i in range(5)
    ]


def test_one_target_column_stays_one(pairs):
    X, y = pairs
    anchored = AnchoredAligner(selector=SELECTOR).fit(X, y[:, 0])
    assert anchored.predict(X).shape == (120,)
    assert anchored.transform(X).shape == (120, 1)


@pytest.mark.parametrize(
    "aligner",
    [
        AnchoredAligner(selector=SELECTOR),
        AnchorSearchCV(LinearAligner(), [SELECTOR], [20]),
        ICPAligner(max_iter=100, random_state=0),
    ],
    ids=lambda aligner: type(aligner).__name__,
)
@pytest.mark.filterwarnings("ignore:MomentAligner may have failed")
def test_a_frame_keeps_its_index(pairs, aligner):
    pd = pytest.importorskip("pandas")
    X, y = pairs
    frame = pd.DataFrame(X[:, :3], index=np.arange(100, 220), columns=list("abc"))
    union = FeatureUnion([("raw", StandardScaler()), ("mapped", aligner)])
    with sklearn.config_context(transform_output="pandas"):
        both = union.fit(frame, y).transform(frame)
    assert_array_equal(both.index, frame.index)
    assert both.shape == (120, 6)
    assert not both.isna().any(axis=None)


def test_labels_reach_the_selector(pairs):
    labels = np.repeat(["common", "rare"], [110, 10])
    anchored = AnchoredAligner(selector=ClassBalancedAnchors(20, random_state=0))
    anchored.fit(*pairs, labels=labels)
    assert np.sum(labels[anchored.anchor_indices_] == "rare") == 10
    with pytest.raises(ValueError, match="needs labels"):
        anchored.fit(*pairs)


def test_weights_of_the_anchors_reach_the_aligner(pairs):
    X, y = pairs
    weights = np.random.default_rng(1).integers(0, 4, size=120)
    anchored = AnchoredAligner(selector=SELECTOR)
    mapped = anchored.fit(X, y, sample_weight=weights).transform(X)
    rows = anchored.anchor_indices_
    aligner = LinearAligner().fit(X[rows], y[rows], sample_weight=weights[rows])
    assert_array_equal(mapped, aligner.transform(X))


def test_metadata_is_routed_to_the_selector_and_the_aligner(pairs):
    X, y = pairs
    labels, weights = np.arange(120) % 2, np.arange(120) % 3
    selector = ClassBalancedAnchors(20, random_state=0)
    plain = AnchoredAligner(LinearAligner(), selector)
    expected = plain.fit(X, y, labels=labels, sample_weight=weights).transform(X)
    with sklearn.config_context(enable_metadata_routing=True):
        aligner = LinearAligner().set_fit_request(sample_weight=True)
        anchored = AnchoredAligner(aligner, selector).set_fit_request(labels=True)
        anchored.set_score_request(sample_weight=False)
        scaler = StandardScaler(with_mean=False, with_std=False)
        scaler.set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, anchored)
        pipeline.fit(X, y, labels=labels, sample_weight=weights)
        assert_array_equal(pipeline.transform(X), expected)
        scores = cross_val_score(
            anchored, X, y, params={"labels": labels, "sample_weight": weights}
        )
        assert scores.min() > 0.9
        with pytest.raises(TypeError, match="sample_domain"):
            anchored.fit(X, y, sample_domain=labels)


def test_only_what_has_a_value_for_each_row_is_cut_to_the_anchors():
    metadata = {"weight": [3, 1, 2], "names": ["a", "b"], "strength": 0.5}
    cut = take_rows(metadata, np.array([2, 0]), 3)
    assert_array_equal(cut.pop("weight"), [2, 3])
    assert cut == {"names": ["a", "b"], "strength": 0.5}


@pytest.mark.parametrize("scoring", [None, MMD, SLICED])
def test_a_grid_search_chooses_strength_rule_and_number(pairs, scoring):
    grid = {
        "aligner__alpha": [0.01, 1e4],
        "selector": [RandomAnchors(random_state=0), KMeansAnchors()],
        "selector__n_anchors": [6, 40],
    }
    anchored = AnchoredAligner(LinearAligner(), SELECTOR)
    search = GridSearchCV(anchored, grid, scoring=scoring, cv=KFold(2), n_jobs=1)
    search.fit(*pairs)
    assert search.best_params_["aligner__alpha"] == 0.01
    assert len(search.best_estimator_.anchor_indices_) == 40


def test_a_head_is_stitched_on_behind_it(pairs):
    X, y = pairs
    labels = y[:, 0] > np.median(y[:, 0])
    head = FrozenEstimator(LogisticRegression().fit(y, labels))
    stitched = make_pipeline(StandardScaler(), AnchoredAligner(None, SELECTOR), head)
    assert stitched.fit(X, y).score(X, labels) > 0.9


def test_more_anchors_than_rows_are_refused_and_leave_nothing_fitted(pairs):
    X, y = pairs
    anchored = AnchoredAligner(selector=RandomAnchors(121))
    with pytest.raises(ValueError, match=r"n_anchors=121 .* n_samples=120"):
        anchored.fit(X, y)
    assert not hasattr(anchored, "n_features_in_")


def test_lengths_that_differ_are_refused(pairs):
    X, y = pairs
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnchoredAligner(selector=SELECTOR).fit(X, y[1:])


class FirstRows:
    """A selector that is no estimator."""

    def select(self, X, labels=None):
        return np.arange(10)


def test_any_object_with_select_picks_anchors():
    X = np.random.default_rng(0).normal(size=(20, 3))
    aligner = AnchoredAligner(LinearAligner(), FirstRows()).fit(X, X)
    assert_array_equal(aligner.anchor_indices_, np.arange(10))
    assert not get_tags(aligner).non_deterministic
    assert RelativeRepresentation(FirstRows()).fit(X).transform(X).shape == (20, 10)
