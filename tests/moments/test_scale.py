"""One rule says which sums are refused because their products leave the dtype."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    GeneralizedProcrustes,
    ICPAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    RigidAligner,
    SubspaceAligner,
    WassersteinProcrustesAligner,
)
from skalign._rescale import largest_about_mean
from skalign._validation import cast_finite
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


def test_two_factors_are_what_is_judged_by_default():
    check_scale(np.array([3.2e-16, 1.8e19]), "float32", "X")
    for outside in (3.1e-16, 1.9e19):
        with pytest.raises(ValueError, match="column 0 of X"):
            check_scale(np.array([outside]), "float32", "X")


def test_squares_that_lose_digits_are_refused_though_they_are_not_zero():
    X, y = _pairs("float32")
    for products in (("xx",), ("xy",), ("x2",)):
        with pytest.raises(ValueError, match="underflow float32: column 0 of X"):
            Moments.from_arrays(X * np.float32(1e-17), y, products=products)


@pytest.mark.parametrize(("unit", "way"), [(1e-25, "underflow"), (1e25, "overflow")])
def test_sums_of_one_side_say_nothing_of_the_other(unit, way):
    X, y = _pairs("float32")
    for products in (("xx", "xy"), ("x2", "xy")):
        with pytest.raises(ValueError, match=f"{way} float32: column 0 of y"):
            Moments.from_arrays(X, y * np.float32(unit), products=products)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("weights", [None, np.full(60, 4.0)])
def test_sizes_are_taken_about_the_mean(sign, weights):
    X, y = _pairs("float32")
    X = (1e14 * X + sign * 1e20).astype(np.float32)  # squares of 1e20 overflow
    moments = Moments.from_arrays(X, y, sample_weight=weights, products=("xy",))
    assert_allclose(moments.x_mean, X.mean(axis=0, dtype=float), rtol=1e-6)
    X[0, 1] += sign * np.float32(1e20)
    with pytest.raises(ValueError, match="overflow float32: column 1 of X"):
        Moments.from_arrays(X, y, sample_weight=weights, products=("xy",))


@pytest.mark.parametrize(
    ("unit", "weight", "way"),
    [(1e12, 1e-20, None), (1e12, 1e20, "overflow"), (1e-12, 1e-20, "underflow")],
)
def test_weights_count_in_the_size(unit, weight, way):
    # A product of rows is multiplied by the weight, each of them by its root.
    X, y = _pairs("float32")
    X, weights = X * np.float32(unit), np.full(len(X), weight)
    if way is None:
        Moments.from_arrays(X, y, sample_weight=weights, products=("xy",))
    else:
        with pytest.raises(ValueError, match=f"{way} float32: column 0 of X"):
            Moments.from_arrays(X, y, sample_weight=weights, products=("xy",))


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
    most = np.array([most / 4 ** (1 / degree)])
    check_scale(0.999 * most, dtype, "X", degree=degree, n_terms=4)
    with pytest.raises(ValueError, match="overflow"):
        check_scale(1.001 * most, dtype, "X", degree=degree, n_terms=4)
    with pytest.raises(ValueError, match="overflow"):
        check_scale(np.array([np.nan]), dtype, "X", degree=degree)


@pytest.mark.parametrize(
    ("aligner", "dtype", "least", "most"),
    [
        (ClassMeanAligner(), "float64", 1e-146, 1e154),
        (MomentAligner(random_state=0), "float64", 2e-49, 7e51),
        (MomentAligner(random_state=0), "float32", 5e-11, 7e12),
        (ICPAligner(init="identity"), "float64", 1e-146, 1e154),
        (ICPAligner(init="identity"), "float32", 3e-16, 1e19),
        (ICPAligner(random_state=0), "float32", 5e-11, 7e12),
        (WassersteinProcrustesAligner(random_state=0), "float64", 2e-49, 7e51),
        (OptimalTransportAligner(), "float64", 1e-146, 1e154),
    ],
    ids=repr,
)
@pytest.mark.parametrize("side", ["X", "y"])
def test_unpaired_rows_have_a_range_too(aligner, dtype, least, most, side):
    rows = dict(zip("Xy", _pairs(dtype), strict=True))
    labels = {"labels": np.arange(60) % 3, "target_labels": np.arange(60) % 3}
    if isinstance(aligner, WassersteinProcrustesAligner):
        labels = {}
    plain = rows[side][:, 0]
    for size, way in ((least / 30, "underflow"), (most * 3, "overflow")):
        rows[side][:, 0] = plain / np.abs(plain).max() * np.array(size, dtype)
        rows[side][:, 1] = 5  # a constant is judged by nobody
        with pytest.raises(ValueError, match=f"{way} .*column 0 of {side}"):
            aligner.fit(**rows, **labels)


@pytest.mark.parametrize("kind", ["orthogonal", "similarity", "linear"])
def test_spaces_whose_squares_leave_the_dtype_are_named(kind):
    X, y = _pairs("float64")
    for scale, way in ((1e-160, "underflow"), (1e160, "overflow")):
        with pytest.raises(ValueError, match=f"{way} float64: column 0 of space 1"):
            GeneralizedProcrustes(kind=kind).fit_spaces([X, y * scale])


def test_a_cast_that_overflows_is_refused():
    values = np.array([1.0, 1e39])
    assert cast_finite(values, np.float64, "It") is values
    with pytest.raises(ValueError, match="It overflows float32"):
        cast_finite(values, "f4", "It")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rounding_about_a_mean_has_no_size(dtype):
    rows = np.array([[0.1, -2, 3e-9], [0.1, 1, 0]]).astype(dtype)
    assert_allclose(largest_about_mean(rows), [0, 1.5, 1.5e-9])
    assert largest_about_mean(np.full((3, 1), 1e308) * [[1], [1], [-1]])[0] > 1e308
    assert largest_about_mean(np.full((9, 1), 1e308))[0] == np.inf
