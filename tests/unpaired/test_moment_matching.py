import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import ortho_group

from skalign.unpaired._group_moments import GroupMoments
from skalign.unpaired._moment_matching import (
    Agreement,
    Embedding,
    Side,
    climb,
    random_rotations,
    search,
)

EQUAL = np.full(3, 1 / 3)


def make_side(clouds, side="source"):
    rows, labels = {
        "source": (clouds.X, clouds.labels),
        "target": (clouds.y, clouds.target_labels),
    }[side]
    return Side(GroupMoments.from_rows(rows, labels, order=3), np.full(4, 0.25))


def test_a_side_has_the_moments_of_all_rows_when_weights_are_shares(make_clouds):
    clouds = make_clouds()
    side = make_side(clouds)  # classes of equal size
    centred = clouds.X - clouds.X.mean(axis=0)
    assert_allclose(side.mean, clouds.X.mean(axis=0))
    covariance = side.axes * side.values @ side.axes.T
    assert_allclose(covariance, centred.T @ centred / len(centred))
    third = np.einsum("ni,nj,nk->ijk", *[centred @ side.axes] * 3)
    ours = side.blocks(3).third
    assert_allclose(ours, third / np.linalg.norm(third), atol=1e-10)


def test_the_agreement_of_exact_copies_is_one_at_the_true_rotation(make_clouds):
    clouds = make_clouds(same_rows=True)
    source, target = make_side(clouds), make_side(clouds, "target")
    agreement = Agreement(source.blocks(3), target.blocks(3), EQUAL)
    rotation = source.axes.T @ (clouds.coef / 1.5) @ target.axes
    assert_allclose(agreement(rotation[None])[0], [1.0])
    others = ortho_group.rvs(3, size=50, random_state=0)
    assert np.all(np.abs(agreement(others)[0]) < 1)


def test_the_gradient_is_that_of_finite_differences(make_clouds):
    clouds = make_clouds()
    source, target = make_side(clouds), make_side(clouds, "target")
    anchors = np.eye(3)[:2], np.eye(3)[1:]
    agreement = Agreement(source.blocks(3), target.blocks(3), EQUAL, anchors)
    rotation = ortho_group.rvs(3, random_state=1)
    gradient = agreement(rotation[None])[1][0]
    step = 1e-6 * np.eye(9).reshape(9, 3, 3)
    values = agreement(rotation + step)[0] - agreement(rotation - step)[0]
    assert_allclose(values.reshape(3, 3) / 2e-6, gradient, atol=1e-8)


def test_a_climb_never_falls_and_ends_where_the_gradient_is_symmetric(make_clouds):
    clouds = make_clouds(n_features=5)
    source, target = make_side(clouds), make_side(clouds, "target")
    agreement = Agreement(source.blocks(5), target.blocks(5), EQUAL)
    seen = []

    def watched(rotations):
        values, gradients = agreement(rotations)
        seen.append(values.copy())
        return values, gradients

    start = ortho_group.rvs(5, random_state=0)[None]
    rotations, values = climb(watched, start)
    assert values[0] == max(v.max() for v in seen)
    assert values[0] > seen[0][0]
    at_end = rotations[0].T @ agreement(rotations)[1][0]
    assert_allclose(at_end, at_end.T, atol=1e-3)
    assert_allclose(rotations[0] @ rotations[0].T, np.eye(5), atol=1e-12)


def test_a_search_through_ever_more_axes_finds_the_rotation(make_clouds):
    clouds = make_clouds(3000, 25, same_rows=True)
    source, target = make_side(clouds), make_side(clouds, "target")
    starts = random_rotations(10, 25, np.random.RandomState(0))
    assert starts.shape == (10, 10, 10)
    best = search(source, target, EQUAL, starts, n_axes=25)[0]
    truth = source.axes.T @ (clouds.coef / 1.5) @ target.axes
    assert_allclose(best.rotation, truth, atol=1e-2)
    assert_allclose(best.objective, 1, atol=1e-5)


def test_signal_tells_skewed_rows_from_gaussian_ones(make_clouds):
    skewed = make_side(make_clouds())
    assert np.all(skewed.signal > 0.9)
    assert skewed.skewness_noise < 0.1
    rng = np.random.default_rng(0)
    moments = GroupMoments.from_rows(
        rng.normal(size=(2000, 3)), np.arange(2000) % 4, order=3
    )
    gaussian = Side(moments, np.full(4, 0.25))
    assert np.all(gaussian.signal < 0.5)
    assert gaussian.signal[2] == 0
    assert gaussian.skewness_noise == 1


def test_an_embedding_holds_the_leading_axes(make_clouds):
    X = make_clouds(500, 6).X
    embedding = Embedding.from_rows(X, 4)
    reduced = embedding.reduce(X)
    variances = np.linalg.eigvalsh(np.cov(X.T))[2:]
    assert_allclose(np.sort(reduced.var(axis=0, ddof=1)), variances)
    assert_allclose(reduced.mean(axis=0), 0, atol=1e-12)
