import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from skalign.moments import complement, nearest_rotation, rotation_from_axes


def test_the_nearest_rotation_is_that_of_scipy():
    X, y = np.random.default_rng(0).normal(size=(2, 30, 4))
    rotation, inner_product = nearest_rotation(X.T @ y)
    expected, scale = orthogonal_procrustes(X, y)
    assert_allclose(rotation, expected)
    assert_allclose(inner_product, scale)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_between_different_widths_no_semi_orthogonal_matrix_is_nearer(shape):
    rng = np.random.default_rng(0)
    cross = rng.normal(size=shape)
    rotation, inner_product = nearest_rotation(cross)
    assert_allclose(np.linalg.svd(rotation, compute_uv=False), 1)
    assert_allclose(np.vdot(rotation, cross), inner_product)
    for seed in range(50):
        other = ortho_group.rvs(5, random_state=seed)[: shape[0], : shape[1]]
        assert np.vdot(other, cross) < inner_product


def test_what_no_reflection_costs_is_twice_the_least_singular_value():
    cross = ortho_group.rvs(3, random_state=0) * [3, 2, 1]
    cross *= -np.sign(np.linalg.det(cross))  # a reflection is nearest
    rotation, inner_product = nearest_rotation(cross, allow_reflection=False)
    assert_allclose(np.linalg.det(rotation), 1)
    assert_allclose(inner_product, 3 + 2 - 1)


@pytest.mark.parametrize("n_axes", [0, 1, 3, 4])
def test_a_complement_completes_the_axes_to_a_basis(n_axes):
    axes = ortho_group.rvs(4, random_state=0)[:, :n_axes]
    basis = np.hstack([axes, complement(axes)])
    assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)


def test_axes_that_are_left_out_are_turned_as_little_as_possible():
    rotation = rotation_from_axes(np.eye(4)[:, :1], np.ones(1), np.eye(4)[:1], True)[0]
    assert_allclose(rotation, np.eye(4), atol=1e-12)
    turned = ortho_group.rvs(4, random_state=0)
    U, Vt = np.eye(4)[:, :2], turned[:2]
    rotation, _ = rotation_from_axes(U, np.ones(2), Vt, True)
    assert_allclose(U.T @ rotation, Vt, atol=1e-12)
    assert_allclose(rotation @ rotation.T, np.eye(4), atol=1e-12)
    assert_allclose(np.linalg.det(rotation), 1)


@pytest.mark.parametrize("shape", [(20, 20), (20, 30), (30, 20)])
@pytest.mark.parametrize("n_axes", [0, 1, 4, 6])
def test_few_axes_are_completed_in_their_own_space(shape, n_axes):
    U, V = (ortho_group.rvs(size, random_state=size)[:, :n_axes] for size in shape)
    rotation, _ = rotation_from_axes(U, np.ones(n_axes), V.T, True)
    # By definition: the polar factor of the identity between the complements.
    left, right = complement(U), complement(V)
    identity = left.T @ np.eye(*shape) @ right
    sign = np.linalg.det(np.hstack([U, left])) * np.linalg.det(np.hstack([V, right]))
    if shape[0] == shape[1] and np.linalg.det(identity) * sign < 0:
        pytest.skip("a reflection would be nearer")
    rest, _ = nearest_rotation(identity)
    assert_allclose(rotation, U @ V.T + left @ rest @ right.T, atol=1e-12)
