"""One rule says which sums are refused because their products leave the dtype."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import (
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    RigidAligner,
    SubspaceAligner,
)
from skalign.moments import Moments, check_scale

EXTREMES = [
    ("float32", 1e-25, "underflow"),
    ("float32", 1e25, "overflow"),
    ("float64", 1e-165, "underflow"),
    ("float64", 1e165, "overflow"),
]
ALIGNERS = [
    LinearAligner(),
    LinearAligner(alpha=0, solver="svd"),
    RigidAligner(),
    RigidAligner(scaling=True),
    CORALAligner(),
    CORALAligner(solver="svd"),
    GaussianOTAligner(),
    MeanVarianceAligner(),
    SubspaceAligner(),
]


def _pairs(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X.astype(dtype), (X @ rng.normal(size=(3, 3)) + 1).astype(dtype)


@pytest.mark.parametrize(("dtype", "scale", "way"), EXTREMES)
@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("side", ["X", "y"])
def test_rows_whose_products_leave_the_dtype_are_refused(
    aligner, side, dtype, scale, way
):
    X, y = _pairs(dtype)
    if side == "X":
        X = X * np.array(scale, dtype)
    else:
        y = y * np.array(scale, dtype)
    rows_are_float64 = getattr(aligner, "solver", None) == "svd"
    if dtype == "float32" and rows_are_float64:
        aligner.fit(X, y)  # squares of float32 are no trouble in float64
        return
    with pytest.raises(ValueError, match=f"{way} .*column 0 of {side}.*Scale the col"):
        aligner.fit(X, y)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4, 1e12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_within_the_range_the_scale_changes_no_digit(scale, dtype):
    X, y = _pairs(dtype)
    scale = np.array(2.0 ** round(np.log2(scale)), dtype)
    aligner, scaled = (RigidAligner().fit(X * a, y * a) for a in (1, scale))
    assert_allclose(scaled.rotation_, aligner.rotation_, rtol=1e-6)
    assert_allclose(
        scaled.transform(X * scale) / scale, aligner.transform(X), rtol=2e-5
    )


def test_a_column_of_zeros_is_no_underflow():
    check_scale(np.array([0.0, 1.0]), "float32", "X")
    X, _ = _pairs("float32")
    X[:, 1] = 0
    assert Moments.from_arrays(X).xx[1, 1] == 0


def test_a_single_small_column_is_named():
    X, y = _pairs("float32")
    X[:, 2] *= np.float32(1e-25)
    with pytest.raises(ValueError, match=r"column 2 of X holds values of up to \d"):
        LinearAligner().fit(X, y)
