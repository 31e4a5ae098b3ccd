from itertools import combinations_with_replacement, permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group

from skalign.moments import GroupMoments
from skalign.unpaired._moment_matching import (
    Agreement,
    Embedding,
    Side,
    climb,
    parting,
    polar,
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


def test_the_agreement_is_the_weighted_sum_of_its_blocks(make_clouds):
    clouds = make_clouds()
    blocks = [make_side(clouds, side).blocks(3) for side in ("source", "target")]
    rotations, weights = ortho_group.rvs(3, size=5, random_state=0), [0.5, 0.2, 0.3]
    alone = [Agreement(*blocks, block)(rotations)[0] for block in np.eye(3)]
    together, _ = Agreement(*blocks, np.array(weights))(rotations)
    assert_allclose(together, weights @ np.array(alone))


def test_parting_is_the_distance_of_turned_rows_in_that_of_strangers():
    scales = np.array([3.0, 1.0, 0.5])
    rows = np.random.default_rng(0).normal(size=(200, 3))
    rows = np.linalg.qr(rows - rows.mean(axis=0))[0] * scales * np.sqrt(200)
    one, other = ortho_group.rvs(3, size=2, random_state=0)
    distance = np.mean(np.sum((rows @ one - rows @ other) ** 2, axis=1))
    expected = distance / (2 * np.sum(scales**2))
    assert_allclose(parting(one, other, scales**2), expected)
    assert parting(one, one, scales**2) == 0


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


@pytest.fixture
def weighted(make_clouds):
    """Groups of unequal sizes, their weights, and the side that they make."""
    clouds = make_clouds(600, 3)
    groups = [clouds.X[clouds.labels == g][: 150 - 30 * g] for g in range(3)]
    labels = np.repeat(np.arange(3), [len(group) for group in groups])
    moments = GroupMoments.from_rows(np.concatenate(groups), labels, order=3)
    weights = np.array([0.2, 0.3, 0.5])
    return groups, weights, Side(moments, weights)


def test_a_side_weighs_its_groups(weighted):
    groups, weights, side = weighted
    of_rows = np.concatenate([
        np.full(len(group), weight / len(group))
        for group, weight in zip(groups, weights, strict=True)
    ])  # fmt: skip
    rows = np.concatenate(groups)
    mean = of_rows @ rows
    assert_allclose(side.mean, mean)
    covariance = (of_rows[:, None] * (rows - mean)).T @ (rows - mean)
    assert_allclose(side.axes * side.values @ side.axes.T, covariance)
    third = np.einsum("n,ni,nj,nk->ijk", of_rows, *[(rows - mean) @ side.axes] * 3)
    assert_allclose(side.blocks(3).third, third / np.linalg.norm(third), atol=1e-10)


def test_signal_is_what_gaussian_rows_would_not_show(weighted):
    groups, weights, side = weighted
    n = np.array([len(group) for group in groups])
    means = np.array([group.mean(axis=0) for group in groups])
    within = np.array([np.cov(group.T, ddof=0) for group in groups])
    mean = weights @ means
    cubes = [np.einsum("ni,nj,nk->ijk", *[g - mean] * 3) / len(g) for g in groups]
    own = within - np.trace(within, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    squares = [
        weights @ np.sum((means - mean) ** 2, axis=1),
        weights @ np.sum(own**2, axis=(1, 2)),
        np.sum(np.tensordot(weights, cubes, 1) ** 2),
    ]
    # The variance of an entry of a mean, a covariance or a third cumulant is a sum of
    # products of covariances, over all ways to pair its indices with themselves.
    whole = side.axes * side.values @ side.axes.T
    noise = [
        weights / n @ _paired_indices(within, "i"),
        weights / n @ _paired_indices(within, "ij"),
        weights**2 @ (1 / n) * _paired_indices(whole[None], "ijk")[0],
    ]
    assert_allclose(side.signal, 1 - np.divide(noise, squares))


def _paired_indices(covariances, indices):
    return sum(
        np.einsum(
            ",".join(f"g{i}{j}" for i, j in zip(indices, order, strict=True)) + "->g",
            *[covariances] * len(indices),
        )
        for order in permutations(indices)
    )


def test_skewness_noise_is_the_share_of_mardias_skewness_by_chance(make_clouds):
    X = make_clouds(300, 3).X
    moments = GroupMoments.from_rows(X, np.zeros(300), order=3)
    centred = X - X.mean(axis=0)
    angles = centred @ np.linalg.inv(np.cov(X.T, ddof=0)) @ centred.T
    skewness = np.mean(angles**3)  # of Gaussian rows: 3 * 4 * 5 / 300
    assert_allclose(Side(moments, np.ones(1)).skewness_noise, 60 / (300 * skewness))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_entries_of_blocks_are_counted_once(k):
    rows = np.random.default_rng(0).normal(size=(51, k))
    U, _, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    side = Side(
        GroupMoments.from_rows(U, np.arange(51) % 3, order=3), np.full(3, 1 / 3)
    )
    n_means, n_covariances, n_third = (
        len(list(combinations_with_replacement(range(k), order))) for order in (1, 2, 3)
    )
    n_entries = [3 * n_means, 3 * n_covariances, n_third]
    assert_allclose(side.n_entries(k), n_entries)


def test_an_embedding_holds_the_leading_axes(make_clouds):
    X = make_clouds(500, 6).X
    embedding = Embedding.from_rows(X, 4)
    reduced = embedding.reduce(X)
    variances = np.linalg.eigvalsh(np.cov(X.T))[2:]
    assert_allclose(np.sort(reduced.var(axis=0, ddof=1)), variances)
    assert_allclose(reduced.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("determinant", [1, -1])
def test_polar_factors_of_one_determinant(determinant):
    matrices = np.random.default_rng(0).normal(size=(6, 3, 3))
    found = polar(matrices, determinant)
    mirror = np.diag([1, 1, determinant])
    for matrix, nearest in zip(matrices, found, strict=True):
        # a rotation takes the unit vectors to its columns
        turned, _ = Rotation.align_vectors((matrix @ mirror).T, np.eye(3))
        assert_allclose(nearest, turned.as_matrix() @ mirror, atol=1e-10)
