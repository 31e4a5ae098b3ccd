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


@pytest.mark.parametrize(
    ("dtype", "degree", "least", "most"),
    [
        # Roots of tiny / eps and of max of the IEEE formats.
        ("float32", 2, 3.1402e-16, 1.8446e19),
        ("float32", 4, 1.7721e-8, 4.2949e9),
        ("float64", 2, 1.00104e-146, 1.34078e154),
        ("float64", 3, 4.6448e-98, 5.6438e102),
    ],
)
def test_the_range_ends_where_products_lose_digits(dtype, degree, least, most):
    for inside in (1.001 * least, 1.0, 0.999 * most):
        check_scale(np.array([1.0, inside, 0.0]), dtype, "X", degree=degree)
    for outside, way in ((0.999 * least, "underflow"), (1.001 * most, "overflow")):
        with pytest.raises(ValueError, match=f"{way} {dtype}: column 1 of X"):
            check_scale(np.array([1.0, outside, 0.0]), dtype, "X", degree=degree)
    with pytest.raises(ValueError, match="overflow"):
        check_scale(np.array([np.nan]), dtype, "X", degree=degree)
