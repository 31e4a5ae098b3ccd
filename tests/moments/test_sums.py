"""The sums agree with a two-pass reference, however they were come by."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skalign.moments import Moments, rounding_of_columns

PRODUCTS = ("xx", "xy", "x2", "y2")


def _two_pass(X, y, weights=None):
    """Reference in extended precision."""
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    w = np.ones(len(X)) if weights is None else weights
    w = w.astype(np.longdouble)[:, None]
    x_mean, y_mean = (w * X).sum(0) / w.sum(), (w * y).sum(0) / w.sum()
    X, y = X - x_mean, y - y_mean
    sums = {
        "x_mean": x_mean,
        "y_mean": y_mean,
        "xx": (w * X).T @ X,
        "xy": (w * X).T @ y,
        "x2": (w * X * X).sum(0),
        "y2": (w * y * y).sum(0),
    }
    return {name: total.astype(float) for name, total in sums.items()}


def _assert_same_sums(moments, expected, rtol=1e-12):
    scale = {
        "xx": np.sqrt(np.outer(expected["x2"], expected["x2"])),
        "xy": np.sqrt(np.outer(expected["x2"], expected["y2"])),
        "x2": expected["x2"],
        "y2": expected["y2"],
    }
    for name in PRODUCTS:
        error = np.abs(getattr(moments, name) - expected[name]) / scale[name]
        assert error.max() < rtol, name
    for name in ("x_mean", "y_mean"):
        assert_allclose(getattr(moments, name), expected[name], rtol=1e-13, atol=1e-13)


def _rows(seed, n_samples=300, mean=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5)) @ rng.normal(size=(5, 5)) + mean
    y = X[:, :3] * 2 + rng.normal(size=(n_samples, 3)) - mean
    return X, y


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e6, -1e6])
def test_sums_equal_the_two_pass_reference(mean):
    X, y = _rows(0, 20_000, mean)
    moments = Moments.from_arrays(X, y, products=PRODUCTS)
    assert moments.n_samples == moments.weight == len(X)
    _assert_same_sums(moments, _two_pass(X, y))


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    mean=st.sampled_from([0.0, 1.0, 1e6]),
    in_order=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_batches_of_any_size_and_order_give_the_same_sums(sizes, mean, in_order, seed):
    X, y = _rows(seed, sum(sizes) + 1, mean)
    if in_order:  # batches that do not look like one another
        order = np.argsort(X[:, 0])
        X, y = X[order], y[order]
    edges = np.cumsum([0, *sizes, 1])
    parts = [slice(a, b) for a, b in pairwise(edges)]
    np.random.default_rng(seed).shuffle(parts)
    moments = None
    for part in parts:
        batch = Moments.from_arrays(X[part], y[part], products=PRODUCTS)
        moments = batch if moments is None else moments.merge(batch)
    _assert_same_sums(moments, _two_pass(X, y))


def test_merged_halves_give_the_same_sums_either_way_round():
    X, y = _rows(1, 1_000, 1e6)
    X[500:] += 40  # halves far apart
    halves = [
        Moments.from_arrays(X[rows], y[rows], products=PRODUCTS)
        for rows in (slice(0, 500), slice(500, None))
    ]
    for first, second in (halves, halves[::-1]):
        merged = first.merge(second)
        _assert_same_sums(merged, _two_pass(X, y))
        assert merged.n_samples == merged.weight == 1_000


@pytest.mark.parametrize("mean", [0.0, 10.0])
def test_a_weight_of_k_counts_as_k_equal_rows(mean):
    X, y = _rows(2, 200, mean)
    weights = np.random.default_rng(2).integers(0, 4, 200)
    weighted = Moments.from_arrays(
        X, y, sample_weight=weights.astype(float), products=PRODUCTS
    )
    repeated = _two_pass(np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0))
    assert weighted.weight == weights.sum()
    assert weighted.n_samples == np.count_nonzero(weights)
    _assert_same_sums(weighted, repeated)


def test_rows_of_weight_zero_leave_no_trace():
    X, y = _rows(3)
    weights = np.ones(len(X))
    weights[::7] = 0
    expected = _two_pass(X[weights > 0], y[weights > 0])
    X[::7] = 1e30
    moments = Moments.from_arrays(X, y, sample_weight=weights, products=PRODUCTS)
    _assert_same_sums(moments, expected)


def test_float32_rows_give_float64_sums_to_the_precision_of_the_rows():
    X, y = (a.astype(np.float32) for a in _rows(4, 20_000, 100.0))
    moments = Moments.from_arrays(X, y, products=PRODUCTS)
    assert {getattr(moments, name).dtype for name in PRODUCTS} == {np.dtype(float)}
    expected = _two_pass(X, y)
    scale = np.sqrt(np.outer(expected["x2"], expected["x2"]))
    assert (np.abs(moments.xx - expected["xx"]) / scale).max() < 1e-5


@pytest.mark.parametrize("product", ["xx", "x2"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_know_the_rounding_of_columns(product, weighted):
    rng = np.random.default_rng(0)
    X, _ = _rows(8)
    X = np.hstack([X * 1e-3, X + 1e3, np.tile(rng.normal(size=40), (len(X), 1))])
    # Rounding of weighted constants can be below zero.
    weights = rng.uniform(0.5, 2, len(X)) if weighted else None
    moments = Moments.from_arrays(X, sample_weight=weights, products=(product,))
    assert_allclose(moments.rounding(), rounding_of_columns(X, weights))
    assert_array_equal(moments.varies(), np.arange(50) < 10)


def test_merging_changes_neither_of_the_two():
    X, y = _rows(5)
    first, second = (Moments.from_arrays(a, y, products=("xx",)) for a in (X, X + 1))
    before = first.xx.copy(), first.x_mean.copy(), second.xx.copy()
    first.merge(second)
    for now, then in zip((first.xx, first.x_mean, second.xx), before, strict=True):
        assert_array_equal(now, then)


def test_only_what_was_asked_for_is_formed():
    X, y = _rows(6)
    moments = Moments.from_arrays(X, y, products=("xy",))
    assert moments.xx is None
    assert moments.x2 is None
    assert moments.y2 is None
    assert Moments.from_arrays(X).y_mean is None


def test_memory_mapped_rows_give_the_same_sums(tmp_path):
    X, _ = _rows(7, 20_000)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = Moments.from_arrays(X).xx
    atol = 1e-12 * np.abs(expected).max()
    assert_allclose(Moments.from_arrays(mapped).xx, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["X", "y"])
def test_a_value_that_is_not_finite_is_refused(bad, side):
    X, y = _rows(8)
    {"X": X, "y": y}[side][17, 1] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        Moments.from_arrays(X, y, products=("xy",))


def test_sums_that_overflow_are_refused():
    X = np.full((10, 2), 3e38, dtype=np.float32)
    with pytest.raises(ValueError, match="overflow float32"):
        Moments.from_arrays(X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"products": ("xz",)}, "must be among"),
        ({"products": ("xy",)}, "need y"),
        ({"y": np.ones((4, 1))}, "X has 5 samples, but y has 4"),
        ({"y": np.ones((6, 1))}, "X has 5 samples, but y has 6"),
        ({"sample_weight": np.ones(4)}, r"shape == \(4,\), expected \(5,\)"),
        ({"sample_weight": np.zeros(5)}, "at least one non-zero"),
        ({"sample_weight": -np.ones(5)}, "Negative values"),
        ({"sample_weight": np.full(5, 1e308)}, "sum of sample_weight overflows"),
        ({"sample_weight": [1, "a", 1, 1, 1]}, "could not convert"),
        ({"products": 2}, "products=2 must be among"),
        ({"products": [["xx"]]}, r"products=\[\['xx'\]\] must be among"),
        ({"y": np.ones(5)}, "Expected 2D array"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Moments.from_arrays(np.ones((5, 2)), **arguments)


def test_sums_of_other_widths_or_products_are_not_merged():
    X, y = _rows(9)
    for first, second in ((X, y), (y, X)):
        with pytest.raises(ValueError, match="same products and widths"):
            Moments.from_arrays(first).merge(Moments.from_arrays(second))
    for first, second in (("xx", "x2"), ("x2", "xx")):
        sums = (Moments.from_arrays(X, products=(name,)) for name in (first, second))
        with pytest.raises(ValueError, match="same products and widths"):
            next(sums).merge(next(sums))


def test_products_that_overflow_are_refused_though_their_sums_do_not():
    X = np.random.default_rng(0).normal(size=(60, 4)) * 1e20
    with pytest.raises(ValueError, match="The sums overflow float32: column 0 of X"):
        Moments.from_arrays(X.astype(np.float32), products=("xx",))


@pytest.mark.parametrize("product", ["xx", "x2"])
def test_one_row_that_overflows_among_many_is_found(product):
    X = np.ones((10_000, 2), dtype=np.float32)
    X[0, 1] = 1e20
    with pytest.raises(ValueError, match="overflow float32: column 1 of X"):
        Moments.from_arrays(X, products=(product,))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_of_no_weight_has_to_be_finite_too(value):
    X, weights = np.ones((5, 2)), np.array([0, 1, 2, 1, 1.0])
    X[0, 1] = value
    with pytest.raises(ValueError, match="Input X contains"):
        Moments.from_arrays(X, sample_weight=weights)
    with pytest.raises(ValueError, match="Input y contains"):
        Moments.from_arrays(X[1:], X[:-1], sample_weight=weights[:-1], products=("xy",))


def test_rows_may_be_lists_frames_and_other_floats():
    X, _ = _rows(12, 8)
    expected = Moments.from_arrays(X)
    for rows in (X.tolist(), pd.DataFrame(X), X.astype("g")):
        assert_allclose(Moments.from_arrays(rows).xx, expected.xx)
    halves = Moments.from_arrays(X.astype("f2")).xx
    assert_allclose(halves, Moments.from_arrays(X.astype("f2").astype(float)).xx)


@pytest.mark.parametrize(
    "rows",
    [
        np.ones(4),
        np.ones((2, 2, 2)),
        np.ones((2, 2)) * 1j,
        pd.Series([1.0, 2.0]),
        [["a"], ["b"]],
        [[1, 2], [3]],
        csr_array(np.eye(2)),
        np.ones((0, 2)),
        None,
    ],
)
def test_what_are_no_rows_is_refused(rows):
    said = "array|2-dim|dense|inhomogeneous|Complex|convert|0 sample|NaN|numeric"
    with pytest.raises((ValueError, TypeError), match=said):
        Moments.from_arrays(rows)


def test_only_sums_are_merged():
    with pytest.raises(TypeError, match=r"use Moments\.from_arrays"):
        Moments()
    with pytest.raises(TypeError, match="other must be Moments; got str"):
        Moments.from_arrays(np.eye(3)).merge("")


def test_rounding_needs_squares():
    moments = Moments.from_arrays(np.eye(3), np.eye(3), products=["xy"])
    for method in (moments.rounding, moments.varies):
        with pytest.raises(ValueError, match="lack both 'xx' and 'x2'"):
            method()
        for side in ("z", 2, None, np.array(["x"])):
            with pytest.raises(ValueError, match=r"side=.* must be"):
                method(side)
    for products, lacking in ((["xx", "y2"], "xy"), (["xx", "xy"], "y2")):
        moments = Moments.from_arrays(np.eye(3), np.eye(3), products=products)
        with pytest.raises(ValueError, match=f"lack '{lacking}', which is needed"):
            moments.svd_of_xy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 30])
@pytest.mark.parametrize("parts", [1, 3])
def test_products_of_two_sides_have_the_rank_of_both(dtype, offset, parts):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 12)) * np.logspace(0, -2, 12) + offset
    y = X @ rng.normal(size=(12, 9)) + 0.1 * rng.normal(size=(300, 9)) + offset
    constant, repeated, centred, line = X.copy(), X.copy(), X.copy(), y.copy()
    constant[:, :5], repeated[:, :6] = offset, X[:, 6:]
    centred -= centred.mean(axis=1, keepdims=True)  # as LayerNorm does
    line[:, :] = y[:, :1] * np.arange(1, 10)
    for rows, target, rank in (
        (X, y, 9), (y, X, 9), (constant, y, 7), (repeated, y, 6), (centred, X, 11),
        (X, line, 1), (X[:5], y[:5], 4), (np.repeat(X[:5], 60, 0), y, 4),
        (np.eye(12), np.eye(12)[:, ::-1], 11),
    ):  # fmt: skip
        sides = [np.array_split(side.astype(dtype), parts) for side in (rows, target)]
        sums = [
            Moments.from_arrays(*part, products=("xy", "x2", "y2"))
            for part in zip(*sides, strict=True)
        ]
        U, s, Vt = reduce(Moments.merge, sums).svd_of_xy()
        assert len(s) == rank
        assert U.shape == (rows.shape[1], rank)
        assert Vt.shape == (rank, target.shape[1])
