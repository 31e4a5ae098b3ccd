"""Values of fmralign 0.0.6, fmralign/methods/tests/test_procrustes.py.

Seen: its `Procrustes.transform` applied the scale wrongly until 2026-01.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import RigidAligner


@pytest.mark.parametrize("scaling", [True, False])
def test_the_scale_is_applied_once(scaling):
    # test_procrustes_scaling
    X, turn = np.array([[1.0, 3], [1, 2], [1, 1], [2, 1]]), np.pi / 3
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    y = 2 * X @ rotation
    aligner = RigidAligner(scaling=scaling).fit(X, y)
    assert_allclose(aligner.rotation_, rotation)
    assert_allclose(aligner.scale_, 2 if scaling else 1)
    centred = (y - y.mean(axis=0)) / (1 if scaling else 2)
    assert_allclose(aligner.transform(X), centred + y.mean(axis=0))


def test_exact_cases():
    # test_scaled_procrustes_on_simple_exact_cases: doubled rows, then a turn by 1
    X = np.array([[1.0, 2, 3, 4], [5, 3, 4, 6], [7, 8, -5, -2]]).T
    aligner = RigidAligner(scaling=True).fit(X, 2 * X)
    assert_allclose(aligner.rotation_, np.eye(3), atol=1e-12)
    assert_allclose(aligner.scale_, 2)
    turn = np.array([[1, 0, 0], [0, np.cos(1), np.sin(1)], [0, -np.sin(1), np.cos(1)]])
    assert_allclose(RigidAligner().fit(X, X @ turn).rotation_, turn, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.* determine 19 of 100 directions:UserWarning")
@pytest.mark.parametrize("shape", [(100, 20), (20, 100)])
def test_both_ways_to_the_rotation_carry_rows_alike(shape):
    # test_scaled_procrustes_algorithmic: there from the products of columns and from
    # the thin factors of the rows. With fewer rows than columns the rotation is not
    # unique; where it takes the training rows is.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=shape), rng.normal(size=shape)
    X, y = X - X.mean(axis=0), y - y.mean(axis=0)
    Ux, sx, Vx = np.linalg.svd(X, full_matrices=False)
    Uy, sy, Vy = np.linalg.svd(y, full_matrices=False)
    U, s, Vt = np.linalg.svd(sx[:, None] * (Ux.T @ Uy) * sy)
    expected = X @ Vx.T @ U @ Vt @ Vy * (s.sum() / np.sum(X**2))
    mapped = RigidAligner(scaling=True).fit(X, y).transform(X)
    assert_allclose(mapped, expected, atol=1e-10)
