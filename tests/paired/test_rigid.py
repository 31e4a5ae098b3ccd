"""RigidAligner: exact recovery, agreement with scipy, widths, streaming."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group

from skalign import RigidAligner


def _rotated(n_samples=40, n_features=4, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * np.arange(1, n_features + 1) + 9
    if n_features > 1:
        rotation = ortho_group.rvs(n_features, random_state=rng)
    else:  # which scipy 1.13 does not draw
        rotation = rng.choice([-1.0, 1.0], size=(1, 1))
    return X, X @ rotation - 4 + noise * rng.normal(size=X.shape), rotation


@given(
    n_features=st.integers(2, 6),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_rotation_scale_and_translation_are_recovered(n_features, scale, seed):
    X, y, rotation = _rotated(n_features=n_features, seed=seed)
    aligner = RigidAligner(scaling=True).fit(X, scale * y)
    assert_allclose(aligner.rotation_, rotation, atol=1e-10)
    assert_allclose(aligner.scale_, scale)
    assert_allclose(aligner.transform(X), scale * y)


def test_the_rotation_equals_scipy_on_centred_rows():
    X, y, _ = _rotated(noise=1.0)
    expected, _ = orthogonal_procrustes(X - X.mean(0), y - y.mean(0))
    assert_allclose(RigidAligner().fit(X, y).rotation_, expected)


def test_without_reflections_the_answer_equals_kabsch():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = X * [1, 1, -1] + 0.1 * rng.normal(size=(30, 3))
    aligner = RigidAligner(allow_reflection=False).fit(X, y)
    assert_allclose(np.linalg.det(aligner.rotation_), 1)
    expected, _ = Rotation.align_vectors(y - y.mean(0), X - X.mean(0))
    assert_allclose(aligner.rotation_.T, expected.as_matrix(), atol=1e-7)
    mirrored = RigidAligner().fit(X, y)
    assert_allclose(np.linalg.det(mirrored.rotation_), -1)


@given(n_features=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_without_reflections_the_determinant_is_one(n_features, seed):
    X, y, _ = _rotated(n_features=n_features, seed=seed, noise=0.5)
    aligner = RigidAligner(allow_reflection=False).fit(X, y)
    assert_allclose(np.linalg.det(aligner.rotation_), 1)


def test_distances_are_kept():
    X, y, _ = _rotated(noise=2.0)
    mapped = RigidAligner().fit(X, y).transform(X)
    assert_allclose(np.linalg.norm(mapped[1:] - mapped[:-1], axis=1),
                    np.linalg.norm(X[1:] - X[:-1], axis=1))  # fmt: skip


def test_narrow_to_wide_is_exact_on_noiseless_pairs():
    X, wide, rotation = _rotated(n_features=6)
    X, rotation = X[:, :4], rotation[:4]
    y = 2.5 * X @ rotation + 1
    aligner = RigidAligner(scaling=True).fit(X, y)
    assert_allclose(aligner.rotation_, rotation, atol=1e-10)
    assert_allclose(aligner.rotation_ @ aligner.rotation_.T, np.eye(4), atol=1e-12)
    assert_allclose(aligner.transform(X), y)
    assert_allclose(aligner.inverse_transform(y), X)
    assert wide.shape[1] > X.shape[1]


def test_wide_to_narrow_is_semi_orthogonal_with_the_best_scale():
    X, y, _ = _rotated(n_features=6, noise=0.1)
    y = 3 * y[:, :4]
    aligner = RigidAligner(scaling=True).fit(X, y)
    assert_allclose(aligner.rotation_.T @ aligner.rotation_, np.eye(4), atol=1e-12)
    turned, target = (X - X.mean(0)) @ aligner.rotation_, y - y.mean(0)
    assert_allclose(aligner.scale_, np.vdot(turned, target) / np.vdot(turned, turned))
    assert_allclose(aligner.transform(aligner.inverse_transform(y)), y)


@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("widths", [(4, 4), (3, 5), (5, 3)])
def test_batches_and_halves_equal_the_same_data_at_once(scaling, widths):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(60, width)) + 3 for width in widths)
    at_once, streamed = RigidAligner(scaling=scaling), RigidAligner(scaling=scaling)
    at_once.fit(X, y)
    for rows in np.array_split(np.arange(60), 7):
        streamed.partial_fit(X[rows], y[rows])
    halves = RigidAligner(scaling=scaling).fit(X[:25], y[:25])
    halves.merge(RigidAligner(scaling=scaling).fit(X[25:], y[25:]))
    for other in (streamed, halves):
        assert_allclose(other.coef_, at_once.coef_)
        assert_allclose(other.transform(X), at_once.transform(X))


def test_a_weight_of_k_equals_k_repeated_rows():
    X, y, _ = _rotated(noise=1.0)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = RigidAligner(scaling=True).fit(X, y, sample_weight=weights)
    repeated = RigidAligner(scaling=True).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0)
    )
    assert_allclose(weighted.transform(X), repeated.transform(X))


def test_a_rotation_forms_no_gram_matrix():
    X, y, _ = _rotated()
    assert RigidAligner().fit(X, y).moments_.xx is None
    assert RigidAligner(scaling=True).fit(X, y).moments_.xx is None


def test_swapping_the_sides_gives_the_inverse_map():
    X, y, _ = _rotated(noise=0.5)
    there, back = RigidAligner().fit(X, y), RigidAligner().fit(y, X)
    assert_allclose(there.inverse_transform(y), back.transform(y))
    assert not np.allclose(there.rotation_, back.rotation_)  # the direction matters


def test_equal_rows_give_no_nan():
    aligner = RigidAligner(scaling=True).fit(np.ones((5, 3)), np.ones((5, 3)))
    assert np.isfinite(aligner.transform(np.ones((2, 3)))).all()


def test_the_callers_arrays_stay_as_they_are():
    X, y, _ = _rotated()
    X.flags.writeable = y.flags.writeable = False
    RigidAligner(scaling=True).fit(X, y).transform(X)


def test_one_column_is_not_mirrored():
    x = np.arange(4.0)[:, None]
    rigid = RigidAligner(scaling=True, allow_reflection=False)
    with pytest.warns(UserWarning, match="the best scale is 0"):
        rigid.fit(x, -x)
    assert rigid.scale_ == 0  # least squares, of what may not turn round
