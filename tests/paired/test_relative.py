import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import (
    cosine_similarity,
    laplacian_kernel,
    pairwise_distances,
    rbf_kernel,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from skalign import RelativeRepresentation
from skalign.anchors import ClassBalancedAnchors, PivotedQRAnchors, RandomAnchors

SELECTOR = RandomAnchors(15, random_state=0)
INVERTIBLE = ["cosine", "linear", "euclidean", "l2", "sqeuclidean"]


@pytest.fixture(name="X")
def make_rows():
    return np.random.default_rng(0).normal(size=(100, 6)) + 1


@given(
    n_features=st.integers(2, 8),
    scale=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_spaces_a_rotation_and_a_scale_apart_have_the_same_cosines(
    n_features, scale, seed
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, n_features))
    y = scale * X @ ortho_group.rvs(n_features, random_state=rng)
    relative = RelativeRepresentation(SELECTOR).fit(X, y)
    assert_allclose(relative.transform(X), relative.transform_target(y), atol=1e-10)


def test_spaces_of_different_widths_meet_in_the_anchors(X):
    y = X @ np.linalg.qr(np.random.default_rng(1).normal(size=(9, 6)))[0].T
    relative = RelativeRepresentation(SELECTOR, similarity="euclidean").fit(X, y)
    assert relative.n_targets_ == 9
    assert relative.target_anchors_.shape == (15, 9)
    assert_array_equal(relative.target_anchors_, y[relative.anchor_indices_])
    assert_array_equal(relative.anchors_, X[relative.anchor_indices_])
    # scikit-learn's distances are no better than half the digits near 0.
    assert_allclose(relative.transform(X), relative.transform_target(y), atol=1e-6)


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("cosine", cosine_similarity),
        ("rbf", rbf_kernel),
        ("laplacian", laplacian_kernel),
        ("euclidean", pairwise_distances),
        ("cityblock", lambda X, A: pairwise_distances(X, A, metric="cityblock")),
        ("braycurtis", lambda X, A: pairwise_distances(X, A, metric="braycurtis")),
        (lambda X, A: X @ A.T + 1, lambda X, A: X @ A.T + 1),
    ],
)
def test_similarities_are_those_of_scikit_learn(X, similarity, expected):
    relative = RelativeRepresentation(SELECTOR, similarity=similarity).fit(X)
    # A row is not quite at 0 from itself: distances come from products.
    wanted = expected(X, relative.anchors_)
    assert_allclose(relative.transform(X), wanted, atol=1e-7)


@pytest.mark.parametrize("similarity", ["seuclidean", "mahalanobis"])
def test_variances_are_those_of_the_training_rows_of_each_side(X, similarity):
    y = X[:, ::-1] * np.arange(1, 7)
    relative = RelativeRepresentation(SELECTOR, similarity=similarity).fit(X, y)
    assert_allclose(relative.transform(X[:1]), relative.transform(X)[:1])
    assert_allclose(relative.transform(X), relative.transform_target(y))


@pytest.mark.parametrize("value", [1.0, 0.1])
def test_along_what_never_varied_there_is_no_standardised_distance(X, value):
    constant = np.c_[X, np.full(len(X), value)]
    relative, expected = (
        RelativeRepresentation(SELECTOR, similarity="seuclidean").fit(rows)
        for rows in (constant, X)
    )
    constant[:5, -1] += 1
    assert_allclose(relative.transform(constant), expected.transform(X))


def test_rows_of_zeros_have_cosine_zero(X):
    X[3] = 0
    relative = RelativeRepresentation(RandomAnchors(1.0, random_state=0)).fit(X)
    values = relative.transform(X)
    assert np.isfinite(values).all()
    assert_array_equal(values[3], 0)
    assert_array_equal(values[:, relative.anchor_indices_ == 3], 0)
    back = relative.inverse_transform(values)
    assert_allclose(back, normalize(X), atol=1e-12)


@pytest.mark.parametrize("similarity", INVERTIBLE)
def test_a_round_trip_gives_the_rows_back(X, similarity):
    relative = RelativeRepresentation(SELECTOR, similarity=similarity).fit(X)
    new = np.random.default_rng(1).normal(size=(20, 6)) * 10
    back = relative.inverse_transform(relative.transform(new))
    assert_allclose(back, normalize(new) if similarity == "cosine" else new, atol=1e-9)


@pytest.mark.parametrize("similarity", INVERTIBLE)
def test_with_few_anchors_a_round_trip_keeps_what_the_anchors_reach(X, similarity):
    selector = PivotedQRAnchors(4)
    relative = RelativeRepresentation(selector, similarity=similarity).fit(X)
    weights = np.random.default_rng(1).dirichlet(np.ones(4), size=20)
    reached = weights @ relative.anchors_  # in their span, and in the flat through them
    back = relative.inverse_transform(relative.transform(reached))
    expected = normalize(reached) if similarity == "cosine" else reached
    assert_allclose(back, expected, atol=1e-9)
    assert not np.allclose(relative.inverse_transform(relative.transform(X)), X)


@pytest.mark.parametrize("similarity", ["rbf", "cityblock", laplacian_kernel])
def test_there_is_no_inverse_where_the_similarity_has_none(X, similarity):
    relative = RelativeRepresentation(SELECTOR, similarity=similarity).fit(X)
    assert not hasattr(relative, "inverse_transform")


def test_class_labels_of_a_pipeline_are_not_target_rows(X):
    labels = np.where(X[:, 0] > 1, "yes", "no")
    pipeline = make_pipeline(RelativeRepresentation(SELECTOR), LogisticRegression())
    relative = pipeline.fit(X, labels)[0]
    assert relative.n_targets_ == 6
    assert_array_equal(relative.transform_target(X), relative.transform(X))


def test_a_head_trained_on_one_space_serves_another():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5)) + 1
    labels = X[:, 0] > X[:, 1]
    y = 3 * X @ ortho_group.rvs(5, random_state=0)
    relative = RelativeRepresentation(SELECTOR).fit(X[:200], y[:200])
    head = LogisticRegression(max_iter=1000, C=100)
    head.fit(relative.transform_target(y[:200]), labels[:200])
    own = head.predict(relative.transform_target(y[200:]))
    assert np.mean(own == labels[200:]) > 0.9
    assert_array_equal(head.predict(relative.transform(X[200:])), own)


def test_labels_reach_the_selector(X):
    labels = np.repeat(["a", "b"], [94, 6])
    selector = ClassBalancedAnchors(12, random_state=0)
    relative = RelativeRepresentation(selector).fit(X, labels=labels)
    assert np.sum(labels[relative.anchor_indices_] == "b") == 6
    with pytest.raises(ValueError, match="needs labels"):
        relative.fit(X)


def test_precision_is_kept(X):
    relative = RelativeRepresentation(SELECTOR, similarity="cityblock")
    relative.fit(X.astype(np.float32))
    values = relative.transform(X.astype(np.float32))
    assert values.dtype == np.float32
    relative.set_params(similarity="euclidean").fit(X.astype(np.float32))
    back = relative.inverse_transform(relative.transform(X.astype(np.float32)))
    assert back.dtype == np.float32
    assert_allclose(back, X, atol=1e-4)


def test_lengths_that_differ_are_refused(X):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RelativeRepresentation(SELECTOR).fit(X, X[1:])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RelativeRepresentation(SELECTOR).fit(X, np.zeros(99))


def test_widths_that_changed_are_refused(X):
    relative = RelativeRepresentation(SELECTOR).fit(X, X[:, :4])
    with pytest.raises(ValueError, match="y has 6 columns, but the target space has 4"):
        relative.transform_target(X)
    with pytest.raises(ValueError, match="y has 6 columns, but transform returns 15"):
        relative.inverse_transform(X)


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        ("precomputed", "is not supported"),
        ("closeness", "closeness"),
        (lambda X, A: X, r"an array of shape \(1, 6\) .* expected \(1, 15\)"),
    ],
)
def test_similarities_that_make_no_sense_are_refused(X, similarity, message):
    relative = RelativeRepresentation(SELECTOR, similarity=similarity)
    with pytest.raises(ValueError, match=message):
        relative.fit(X)
    assert not hasattr(relative, "anchors_")


def test_fewer_than_two_rows_and_too_many_anchors_are_refused(X):
    with pytest.raises(ValueError, match="minimum of 2"):
        RelativeRepresentation(SELECTOR).fit(X[:1])
    with pytest.raises(ValueError, match=r"n_anchors=15 .* n_samples=10"):
        RelativeRepresentation(SELECTOR).fit(X[:10])


def test_similarities_that_are_not_finite_are_refused(X):
    relative = RelativeRepresentation(similarity="correlation")
    with pytest.raises(ValueError, match="'correlation' is not finite"):
        relative.fit(X[:, :1])
    relative.fit(X)
    with pytest.raises(ValueError, match="'correlation' is not finite"):
        relative.transform(np.ones((1, X.shape[1])))


def test_cosines_of_short_rows_are_cosines(X):
    selector = RandomAnchors(5, random_state=0)
    expected = RelativeRepresentation(selector).fit_transform(X)
    found = RelativeRepresentation(selector).fit_transform(np.ldexp(X, -100))
    assert_array_equal(found, expected)


@pytest.mark.parametrize("similarity", ["euclidean", "rbf"])
def test_distances_do_not_depend_on_where_rows_are(X, similarity):
    far = X + 2**20
    near = far - 2**20  # without what is lost on the way there
    relative = RelativeRepresentation(SELECTOR, similarity=similarity)
    expected = relative.fit(near).transform(near)
    assert_allclose(relative.fit(far).transform(far), expected, atol=1e-6)


def test_sparse_targets_are_refused(X):
    with pytest.raises(TypeError, match="y is sparse"):
        RelativeRepresentation(SELECTOR).fit(X, csr_array(X))
