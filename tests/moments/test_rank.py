"""One rule decides which directions are zero, in every decomposition."""

from functools import cache
from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group

from skalign import (
    CanonicalAligner,
    CORALAligner,
    GaussianOTAligner,
    GeneralizedProcrustes,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RelativeRepresentation,
    RigidAligner,
    SubspaceAligner,
    TransferComponentAligner,
)
from skalign.anchors import KMeansAnchors, PivotedQRAnchors
from skalign.metrics import cca_similarity, nc1_variability
from skalign.moments import (
    Moments,
    centre,
    pseudo_inverse,
    rounding_from_norms,
    rounding_of_columns,
    rounding_of_rows,
    storage_precision,
    svd_of_map,
    truncated_eigh,
    truncated_svd,
    varying_columns,
)

N_SAMPLES, N_FEATURES = 400, 12
FORMATS = ["float16", "float32", "float64"]
PRECISION = {name: float(np.finfo(name).eps) for name in FORMATS}
CASTS = [
    pytest.param(stored, used, id=f"{stored}-as-{used}")
    for stored in FORMATS
    for used in FORMATS
    if PRECISION[used] <= PRECISION[stored]
]


def _layer_norm(rows):
    rows = rows - rows.mean(axis=1, keepdims=True, dtype=rows.dtype)
    return rows / np.sqrt(rows.var(axis=1, keepdims=True) + rows.dtype.type(1e-5))


def _softmax(rows):
    powers = np.exp(rows)
    return powers / powers.sum(axis=1, keepdims=True)


def _beside(rows, column):
    return np.column_stack([rows, column.astype(rows.dtype)])


def _one_hot(rows):
    level = np.argmax(rows[:, :4], axis=1)
    return _beside(rows, np.eye(4, dtype=rows.dtype)[level])


def _affine(rows):
    scale = np.linspace(0.5, 2, rows.shape[1], dtype=rows.dtype)
    return _layer_norm(rows) * scale + scale[::-1]


# What real tables have: a function of full-rank rows whose result has a linear
# dependence, exact but for rounding, in the dtype in which it is computed.
DEPENDENCES = {
    "layer norm": _layer_norm,
    "layer norm with scale and shift": _affine,
    "softmax": _softmax,
    "rows centred": lambda rows: rows - rows.mean(axis=1, keepdims=True),
    "total": lambda rows: _beside(rows, rows.sum(axis=1)),
    "mean of columns with an offset": lambda rows: _beside(
        rows * 7 + 20, (rows * 7 + 20).mean(axis=1)
    ),
    "copy": lambda rows: _beside(rows, rows[:, 0]),
    "copy in another unit": lambda rows: _beside(rows, rows[:, 0] * 1e-3),
    "Celsius and Fahrenheit": lambda rows: _beside(rows, rows[:, 0] * 1.8 + 32),
    "copy plus a large offset": lambda rows: _beside(rows, rows[:, 0] + 1000),
    "difference": lambda rows: _beside(rows, rows[:, 0] - rows[:, 1]),
    "all levels of a category": _one_hot,
    "constant": lambda rows: _beside(rows, np.full(len(rows), 0.1)),
}
# Rows of full rank, some of them with columns that are small or far from zero.
HONEST = {
    "plain": lambda rows: rows,
    "small column": lambda rows: _beside(rows[:, 1:], rows[:, 0] * 1e-4),
    "very small column": lambda rows: _beside(rows[:, 1:] * 1e3, rows[:, 0] * 1e-4),
    "years": lambda rows: _beside(rows[:, 1:], 2000 + 300 * rows[:, 0]),
    "all units apart": lambda rows: rows * np.geomspace(1e-3, 1e3, rows.shape[1]),
}


@cache
def _rows(kind, stored, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.linspace(0.7, 1.4, N_FEATURES) * ortho_group.rvs(
        N_FEATURES, random_state=0
    )
    rows = rng.normal(size=(N_SAMPLES, N_FEATURES)) @ mixing
    make = (DEPENDENCES | HONEST)[kind]
    rows = make(rows.astype(stored)).astype(stored)
    rows.setflags(write=False)
    return rows


def _rank(kind):
    width = _rows(kind, "float64").shape[1]
    return width - (kind in DEPENDENCES)


kinds = pytest.mark.parametrize("kind", DEPENDENCES | HONEST)
dependences = pytest.mark.parametrize("kind", DEPENDENCES)
casts = pytest.mark.parametrize(("stored", "used"), CASTS)


@kinds
@casts
def test_the_rank_is_that_of_exact_rows(kind, stored, used):
    rows = _rows(kind, stored).astype(used).astype(float)
    centred, mean = centre(rows)
    assert_allclose(mean, rows.mean(axis=0), rtol=1e-6, atol=1e-9)
    U, s, Vt = truncated_svd(centred, rounding_of_columns(rows))
    assert len(s) == _rank(kind)
    lost = np.linalg.norm(centred - U * s @ Vt, axis=0)
    bound = 2 * rounding_of_columns(rows) + 1e-13 * np.linalg.norm(centred)
    assert np.all(lost <= bound)


@kinds
@casts
def test_sums_find_the_rank_too(kind, stored, used):
    if used == "float16":
        used = "float64"  # what estimators make of it
    if kind == "very small column" and stored == "float64":
        pytest.skip("seven decades apart: squares of float64 are, too, and kept")
    moments = Moments.from_arrays(_rows(kind, stored).astype(used))
    values, vectors = truncated_eigh(moments.xx, moments.rounding(), moments.precision)
    assert len(values) == _rank(kind)
    assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-12)


@kinds
@casts
@pytest.mark.parametrize("way", ["fit", "svd", "sums"])
def test_least_squares_inverts_no_rounding(kind, stored, used, way):
    exact, new = _rows(kind, "float64"), _rows(kind, "float64", seed=1)
    rows, new_rows = _rows(kind, stored).astype(used), _rows(kind, stored, seed=1)
    spread = exact.std(axis=0)
    weights = np.random.default_rng(0).normal(size=(exact.shape[1], 3))
    weights /= np.where(spread > 1e-9, spread, np.inf)[:, None]
    y, wanted = exact @ weights, new @ weights
    if way == "fit":
        aligner = LinearAligner(0).fit(rows, y)
    elif way == "svd":
        aligner = LinearAligner(0, solver="svd").fit(rows, y)
    else:
        batches = [slice(0, 100), slice(100, 200), slice(200, None)]
        aligner, other = LinearAligner(0), LinearAligner(0)
        for part, batch in zip((aligner, aligner, other), batches, strict=True):
            part.partial_fit(rows[batch], y[batch])
        aligner.merge(other)
    error = np.abs(aligner.transform(new_rows) - wanted) / y.std(axis=0)
    # The most that a column is rounded, in units of its spread, for all columns.
    rounding = PRECISION[stored] * np.abs(exact).max(axis=0)
    share = np.divide(rounding, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    of_solver = 1e-4 if way == "sums" else 1e-7
    assert error.max() < 20 * share.sum() + of_solver
    std = aligner.predict_std(new_rows)
    assert np.isfinite(std).all()


@casts
def test_the_precision_in_which_values_were_stored_is_seen(stored, used):
    rows = _rows("plain", stored).astype(used)
    assert_array_equal(storage_precision(rows), PRECISION[stored])
    assert_array_equal(storage_precision(np.maximum(rows, 0)), PRECISION[stored])


def test_bfloat16_is_seen():
    rows = _rows("plain", "float32").copy()
    words = rows.view(np.uint32)
    words += 0x7FFF + ((words >> 16) & 1)  # round to nearest, ties to even
    words &= 0xFFFF0000
    assert_array_equal(storage_precision(rows), 2.0**-7)


@pytest.mark.parametrize("least", [0, 512, 1024, 1800])
def test_integers_and_grids_count_as_exact(least):
    rng = np.random.default_rng(0)
    rows = rng.integers(least, 2048, size=(500, 3)).astype(float)
    assert_array_equal(storage_precision(rows), np.finfo(float).eps)
    assert_array_equal(storage_precision(rows / 64), np.finfo(float).eps)
    assert_array_equal(storage_precision(np.eye(3)), np.finfo(float).eps)


def _column(n_last, n_coarse, n_bits=24):
    """One value of the largest size, `n_last` that use the last bit, others short."""
    last = 1 + 2.0 ** (1 - n_bits)
    return np.array([2.0, *[last] * n_last, *[1.0] * n_coarse])[:, None]


@pytest.mark.parametrize("n_bits", [8, 11, 24])
@pytest.mark.parametrize("unit", [1, 2, 2.0**-900, -(2.0**900)])
def test_sixteen_values_show_the_precision_by_their_last_bit(n_bits, unit):
    # A share of more than .3 of those below the largest power of two: 5 of 16.
    seen, exact = 2.0 ** (1 - n_bits), np.finfo(float).eps
    assert storage_precision(_column(5, 11, n_bits) * unit) == seen
    assert storage_precision(_column(4, 12, n_bits) * unit) == exact
    assert storage_precision(_column(15, 0, n_bits) * unit) == exact


def test_columns_that_show_little_are_judged_together():
    exact = np.finfo(float).eps
    for n_last, n_coarse, precision in (
        (8, 0, 2.0**-23), (7, 0, exact), (3, 5, 2.0**-23), (2, 6, exact)
    ):  # fmt: skip
        columns = np.hstack([_column(n_last, n_coarse)] * 2)
        assert_array_equal(storage_precision(columns), precision)
    columns = np.hstack([_column(8, 0)] * 5)
    assert_array_equal(storage_precision(columns), 2.0**-23)


def test_sixteen_values_are_judged_alone():
    exact, rounded = _column(0, 20), _column(20, 0)
    exact[0] += 2.0**-22  # the largest value uses the last bit, by chance
    found = storage_precision(np.hstack([exact[:17], rounded[:17]]))
    assert_array_equal(found, [np.finfo(float).eps, 2.0**-23])


@pytest.mark.parametrize(("n_last", "n_coarse"), [(4, 12), (2, 14), (2, 17), (40, 100)])
def test_columns_that_may_be_rounded_are_judged_with_the_others(n_last, n_coarse):
    # At most a tenth: exact. Above, up to .3: as the columns beside it.
    n_rows, exact = n_last + n_coarse, np.finfo(float).eps
    column, clear = _column(n_last, n_coarse), _column(n_rows, 0)
    whole = np.ones_like(column)
    assert storage_precision(column) == exact
    found = storage_precision(np.hstack([column, clear, whole]))
    assert_array_equal(found, [2.0**-23, 2.0**-23, exact])
    fewer = _column(n_rows // 10, n_rows - n_rows // 10)
    found = storage_precision(np.hstack([fewer, clear, whole]))
    assert_array_equal(found, [exact, 2.0**-23, exact])


def test_a_wide_table_of_few_samples_shows_its_precision():
    rows = np.random.default_rng(0).normal(size=(20, 3000)).astype(np.float16)
    found = storage_precision(rows.astype(float)) == PRECISION["float16"]
    assert found.mean() > 0.995  # of 16 values, one or none may use it by chance


@pytest.mark.parametrize("stored", ["float16", "float32"])
def test_integers_stay_exact_beside_rounded_columns(stored):
    rows = _rows("plain", stored).astype(float)
    whole = np.random.default_rng(0).integers(2**11, size=(len(rows), 2))
    found = storage_precision(np.hstack([rows, whole, np.ones((len(rows), 1))]))
    assert_array_equal(found[:-3], PRECISION[stored])
    assert_array_equal(found[-3:], np.finfo(float).eps)


def test_columns_that_show_nothing_are_judged_by_the_others():
    column = _column(16, 0, 8)
    others = [0.0, 1.0, 0.099609375, 0.1, 1 + 2.0**-52]  # the third has 8 bits
    columns = np.hstack([column, *[np.full_like(column, other) for other in others]])
    exact = np.finfo(float).eps
    assert_array_equal(
        storage_precision(columns), [2.0**-7, exact, 2.0**-7, 2.0**-7, exact, exact]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
def test_arrays_of_other_libraries_have_the_precision_that_is_seen(dtype, device):
    strict = pytest.importorskip("array_api_strict")
    rows = _rows("plain", "float16").astype(dtype)
    given = strict.asarray(rows, device=strict.Device(device))
    assert_array_equal(storage_precision(given), [PRECISION["float16"]] * 12)
    assert_allclose(rounding_of_columns(given), rounding_of_columns(rows), rtol=1e-6)
    assert_allclose(rounding_of_rows(given), rounding_of_rows(rows), rtol=1e-6)


def test_columns_of_one_table_may_have_been_stored_differently():
    rows = np.hstack([_rows("plain", stored) for stored in FORMATS]).astype(float)
    found = storage_precision(rows).reshape(3, -1)
    for stored, precision in zip(FORMATS, found, strict=True):
        assert_array_equal(precision, PRECISION[stored])


@pytest.mark.parametrize("unit", [2.0**-30, 2.0**30])
def test_units_of_columns_do_not_change_the_rank(unit):
    rows = _rows("total", "float32").astype(float)
    rows[:, ::2] *= unit
    for centred in (rows - rows.mean(axis=0), rows):
        _, s, _ = truncated_svd(centred, rounding_of_columns(rows))
        assert len(s) == N_FEATURES


def test_the_inverse_of_a_map_does_not_depend_on_units():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(5, 3)) @ rng.normal(size=(3, 6))
    rows, columns = np.geomspace(1e-9, 1e9, 5), np.geomspace(1e6, 1e-6, 6)
    assert len(svd_of_map(matrix)[1]) == 3
    scaled = rows[:, None] * matrix * columns
    inverse = pseudo_inverse(scaled)
    assert len(svd_of_map(scaled)[1]) == 3
    assert_allclose(scaled @ inverse @ scaled, scaled, rtol=1e-5)
    assert_allclose(pseudo_inverse(matrix), np.linalg.pinv(matrix), atol=1e-12)


def test_a_row_of_small_units_has_a_direction():
    rows = np.random.default_rng(0).normal(size=(3, 5))
    matrix = (rows * [[1], [1], [1e-9]]).astype(np.float32)
    assert len(svd_of_map(matrix)[1]) == 3
    wanted = np.linalg.pinv(matrix.astype(float))
    found = pseudo_inverse(matrix.astype(float), 2.0**-23)
    assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-250, 1e250])
def test_inverses_are_those_of_numpy_beside_zeros(scale):
    matrix = np.random.default_rng(0).normal(size=(5, 4))
    matrix[3] = matrix[:, 1] = 0
    wanted = np.linalg.pinv(matrix)
    assert_allclose(pseudo_inverse(matrix * scale) * scale, wanted, atol=1e-12)
    assert_array_equal(pseudo_inverse(0 * matrix), np.zeros((4, 5)))


def test_a_constant_column_is_zero_after_centring():
    # Ten thousand additions of .1 are off by hundreds of units in the last place.
    centred, mean = centre(np.full((10_000, 2), 0.1))
    assert_allclose(mean, 0.1, rtol=4e-16)
    assert_allclose(centred, 0, atol=4e-17)


def test_rounding_of_a_row_grows_with_the_row():
    rows = _rows("plain", "float16")
    once, twice = rounding_of_rows(rows), rounding_of_rows(2 * rows)
    assert_allclose(twice, 2 * once)
    exact = _rows("plain", "float64")
    assert np.all(np.linalg.norm(rows - exact, axis=1) < once)


def test_the_rule_in_numbers():
    # Four errors of eps times the norm, and more of them the more columns a row has.
    precision, norm = np.array([2.0**-23, 2.0**-10]), np.array([3.0, 5.0])
    expected = 4 * (1 + np.sqrt(2 / 50) + np.sqrt(2) / 8) * precision * norm
    assert_allclose(rounding_from_norms(precision, norm, 50), expected)
    rows = np.full((50, 2), 0.1)
    of_rows = 4 * (1 + np.sqrt(2) / 8) * np.finfo(float).eps * np.sqrt(0.02)
    assert_allclose(rounding_of_rows(rows), of_rows)
    of_one = 4 * (1 + np.sqrt(1 / 50) + 1 / 8) * precision * norm
    for factor, varies in ((0.999, False), (1.001, True)):
        found = varying_columns(factor * of_one, precision, norm, 50)
        assert_array_equal(found, varies)


def test_weights_count_rows_in_the_rounding_of_columns():
    rows = _rows("plain", "float32").astype(float)[:40]
    weight = np.arange(40) % 4
    repeated = rounding_of_columns(np.repeat(rows, weight, axis=0)) / _spread(
        weight.sum()
    )
    assert_allclose(rounding_of_columns(rows, weight) / _spread(40), repeated)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_rounding_of_columns_has_their_unit(unit):
    rows = np.random.default_rng(0).normal(size=(30, 3)) * [0.01, 1, 100]
    rounding = rounding_of_columns(rows)
    assert_allclose(rounding, rounding_from_norms(2.0**-52, _norms(rows), 30))
    assert_allclose(rounding_of_columns(rows * unit), rounding * unit)
    assert_array_equal(rounding_of_columns(np.zeros((30, 3))), 0)


def _norms(rows):
    return np.linalg.norm(rows, axis=0)


def _spread(n_samples):
    return 1 + np.sqrt(N_FEATURES / n_samples) + np.sqrt(N_FEATURES) / 8


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_direction_is_zero_below_the_rounding_of_its_column(factor):
    rng = np.random.default_rng(0)
    U, _ = np.linalg.qr(rng.normal(size=(50, 3)))
    rounding = np.array([1e-3, 1e-9, 1e-9])
    rows = U * [1.0, 1.0, factor * 1e-9]
    assert len(truncated_svd(rows, rounding)[1]) == 2 + (factor > 1)
    s, Vt = truncated_svd(rows, rounding)[1:]
    assert_allclose(s[:2], 1)
    assert_allclose(Vt @ Vt.T, np.eye(len(s)), atol=1e-12)
    rounding = np.array([1e-3, 1e-5, 1e-5])
    gram = np.diag([1.0, 1.0, (factor * 1e-5) ** 2])
    values, vectors = truncated_eigh(gram, rounding, 1e-16)
    assert len(values) == 2 + (factor > 1)
    assert_allclose(vectors * values @ vectors.T, gram * (factor > 1 or gram > 0.5))


@pytest.mark.parametrize("factor", [0.8, 1.25])
@pytest.mark.parametrize("n_equal", [1, 3])
def test_exact_columns_are_dependent_up_to_the_error_of_the_svd(factor, n_equal):
    # Two of the columns differ by a little: half of its square, and 2, are the squares
    # of the singular values. The error: 16 eps times the root of the smaller side.
    n_columns = 1 + n_equal
    U, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(50, n_columns)))
    error = 16 * np.sqrt(n_columns) * np.finfo(float).eps
    rows = U.copy()
    rows[:, 1] = U[:, 0] + factor * np.sqrt(2) * error * U[:, 1]
    for table in (rows, rows * np.geomspace(1, 1e-6, n_columns)):
        rank = len(truncated_svd(table, np.zeros(n_columns))[1])
        assert rank == n_columns - (factor < 1)


@pytest.mark.parametrize("factor", [0.8, 1.25])
@pytest.mark.parametrize("precision", [0.0, 1e-6])
@pytest.mark.parametrize("rounding", [0.0, 3e-8, 1e-3])
def test_columns_are_dependent_up_to_the_error_of_their_products(
    factor, precision, rounding
):
    # Eigenvalues 2 - x and x. Errors: four of the products, and one of the columns.
    eps = np.finfo(float).eps
    x = factor * (4 * (np.sqrt(2) * precision + 2 * eps) + rounding**2)
    gram = np.array([[1, 1 - x], [1 - x, 1]])
    for unit in (1.0, 1e-6):
        units = np.array([1.0, unit])
        values, _ = truncated_eigh(
            gram * np.outer(units, units), rounding * units, precision
        )
        assert len(values) == 1 + (factor > 1)


def test_zeros_have_rank_zero():
    zeros, gram = np.zeros((5, 3)), np.zeros((3, 3))
    for rounding in (np.zeros(3), np.array([1e-9, 1e-3, 0])):
        assert len(truncated_svd(zeros, rounding)[1]) == 0
        assert len(truncated_eigh(gram, rounding, 1e-16)[0]) == 0


def test_a_column_of_zeros_is_no_direction():
    # The first column is known to .1 and the second to 1e-9, where the second lies.
    rounding, units = np.array([0.1, 1e-9, 0.0]), np.array([1.0, 1e-6, 0.0])
    rows = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0] * units
    _, s, Vt = truncated_svd(rows, rounding)
    values, vectors = truncated_eigh(np.diag(units**2), rounding, 1e-16)
    for found, axes in ((s, Vt.T), (np.sqrt(values), vectors)):
        assert_allclose(found, units[:2])
        assert_allclose(np.abs(axes), np.eye(3)[:, :2], atol=1e-6)


# The places where a rank is decided, each with a value known without the package.


def _float32_on_a_hyperplane():
    return _rows("layer norm", "float32").astype(float)


@pytest.mark.filterwarnings("ignore:.* may have failed")
@pytest.mark.parametrize("aligner", [CORALAligner, GaussianOTAligner])
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_covariances_are_inverted_where_they_are_not_zero(aligner, solver):
    X = _float32_on_a_hyperplane()
    y = 2 * X[::-1] + 1
    aligner = aligner(reg=0, solver=solver)
    with pytest.warns(UserWarning, match="determine [0-9]+ of [0-9]+ directions"):
        aligner.fit(X, y)
    assert aligner.determined_rank_ == N_FEATURES - 1
    assert np.linalg.norm(aligner.coef_, 2) < 2 + 1e-5
    assert_allclose(aligner.transform(X), 2 * X + 1, atol=1e-5)
    assert_allclose(aligner.inverse_transform(y), X[::-1], atol=1e-5)


def test_a_subspace_has_no_axis_of_rounding():
    X = _float32_on_a_hyperplane()
    aligner = SubspaceAligner().fit(X, X[::-1])
    assert aligner.n_components_ == N_FEATURES - 1
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X, atol=1e-5)


def test_transfer_components_are_as_many_as_the_rank():
    X = _float32_on_a_hyperplane()
    assert TransferComponentAligner().fit(X, X[::-1]).n_components_ == N_FEATURES - 1


def test_canonical_axes_are_as_many_as_the_rank():
    X = _float32_on_a_hyperplane()
    aligner = CanonicalAligner(shrinkage=0).fit(X, 3 * X)
    assert aligner.n_components_ == N_FEATURES - 1
    assert_allclose(aligner.correlations_, 1)
    assert cca_similarity(X, 3 * X) == pytest.approx(1)


def test_a_dependence_on_noise_is_no_correlation():
    rng = np.random.default_rng(0)
    X, noise = _float32_on_a_hyperplane(), rng.normal(size=(N_SAMPLES, N_FEATURES))
    # Rounding of X would be a twelfth direction that correlates with nothing.
    assert cca_similarity(X, X[:, :-1] + 1e-3 * noise[:, 1:]) > 0.99


def test_the_consensus_of_linear_maps_has_no_column_of_rounding():
    X = _float32_on_a_hyperplane()
    spaces = GeneralizedProcrustes(kind="linear", shrinkage=0).fit_spaces([X, 2 * X])
    assert spaces.consensus_.shape[1] == N_FEATURES - 1


def test_moments_are_compared_along_axes_that_are_not_zero():
    rng = np.random.default_rng(0)
    rows = _layer_norm(rng.gamma(1, size=(4000, 6)).astype(np.float32)).astype(float)
    with pytest.warns(UserWarning, match="determine 5 of 6 directions"):
        aligner = MomentAligner(random_state=0, map="covariance").fit(rows, rows[::-1])
    assert np.linalg.norm(aligner.coef_, 2) < 1.5
    assert_allclose(aligner.transform(rows), rows, atol=1e-3)


def test_distances_are_not_divided_by_rounding():
    X = _float32_on_a_hyperplane()
    selector = KMeansAnchors(5)
    relative = RelativeRepresentation(selector, similarity="mahalanobis").fit(X, X)
    # As on coordinates of the hyperplane, in which the covariance is regular.
    U, _, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    whitened = U[:, :-1] * np.sqrt(len(X) - 1)
    anchors = whitened[selector.select(X)]
    wanted = np.linalg.norm(whitened[:, None] - anchors, axis=2)
    assert_allclose(relative.transform(X), wanted, rtol=1e-4)


def test_anchors_do_not_span_rounding():
    X = _rows("rows centred", "float32").astype(float)
    # In coordinates of the hyperplane the rank is the width, and picks begin again.
    axes = np.linalg.svd(X - X.mean(axis=0))[2][:-1]
    selector = PivotedQRAnchors(2 * N_FEATURES)
    assert_array_equal(selector.select(X), selector.select(X @ axes.T))


def test_classes_do_not_differ_by_rounding():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(6), 50)
    means = rng.normal(size=(6, 3)).repeat(50, axis=0)
    plane = ortho_group.rvs(8, random_state=0)[:3]
    X = (means + 0.1 * rng.normal(size=(300, 3))) @ plane
    wanted = nc1_variability((X @ plane.T), codes)
    rounded = X.astype(np.float32).astype(float)
    assert nc1_variability(rounded, codes) == pytest.approx(wanted, rel=1e-4)


def test_a_column_of_rounding_is_not_stretched():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 300, 2))
    X[:, 1] = np.float32(1e6) + 0.01 * X[:, 1]
    X = X.astype(np.float32).astype(float)  # 1e6 is stored in steps of 1/16
    y[:, 1] *= 100
    assert_array_equal(MeanVarianceAligner().fit(X, y).scale_ > 0, [True, True])
    assert MeanVarianceAligner().fit(X, y).scale_[1] == 1


@pytest.mark.parametrize(
    "aligner", [LinearAligner(0), LinearAligner(0, solver="svd"), RigidAligner()]
)
def test_targets_on_a_hyperplane_are_carried_back(aligner):
    rng = np.random.default_rng(0)
    y = _float32_on_a_hyperplane()
    axes = np.linalg.svd(y - y.mean(axis=0))[2][:-1]
    X = (y - y.mean(axis=0)) @ axes.T @ ortho_group.rvs(N_FEATURES - 1, random_state=0)
    aligner = aligner.fit(X, y)
    off = y + 1e-3 * rng.normal(size=(len(y), 1))  # off the plane, alike in all columns
    assert_allclose(aligner.inverse_transform(y), X, atol=1e-5)
    assert_allclose(aligner.inverse_transform(off), X, atol=1e-4)


GRAM, SIZES = np.diag([1.0, 2.0, 3.0]), np.ones(3)
CALLS = {
    storage_precision: (GRAM,),
    centre: (GRAM,),
    rounding_of_columns: (GRAM, SIZES),
    rounding_of_rows: (GRAM, SIZES),
    rounding_from_norms: (SIZES, SIZES, 3),
    varying_columns: (SIZES, SIZES, SIZES, 3),
    truncated_svd: (GRAM, SIZES),
    truncated_eigh: (GRAM, SIZES, 0.0),
    svd_of_map: (GRAM, SIZES),
    pseudo_inverse: (GRAM, SIZES),
}
BAD_ROWS = [None, [1.0], "a", GRAM * 1j, GRAM * np.nan, GRAM[:0], GRAM[None]]
BAD_SIZES = [None, "a", -SIZES, SIZES[:2], SIZES * np.inf, GRAM]


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_what_came_is_named_where_it_does_not_fit(function):
    for place, given in enumerate(CALLS[function]):
        name = list(signature(function).parameters)[place]
        bad = BAD_ROWS if given is GRAM else BAD_SIZES
        for value in [0, None, "a"] if name == "n_samples" else bad:
            arguments = list(CALLS[function])
            arguments[place] = value
            if value is None and name == "sample_weight":
                continue
            said = f"{name}|2D array|dim 3|Complex|convert|not 'None|0 sample|shape"
            with pytest.raises((ValueError, TypeError), match=said):
                function(*arguments)
            if name == "precision":
                arguments[place] = np.array(1.1)
                with pytest.raises(
                    ValueError, match=r"precision holds 1\.1; expected 0"
                ):
                    function(*arguments)


@pytest.mark.parametrize("scale", [1e-290, 1e-160, 1e160, 1e306])
def test_rows_of_any_size_have_a_rank(scale):
    rows = np.random.default_rng(0).normal(size=(9, 3)) @ [
        [1, 0, 1],
        [0, 1, 1],
        [0] * 3,
    ]
    for rounding in (np.zeros(3), rounding_of_columns(rows * scale)):
        assert_allclose(
            truncated_svd(rows * scale, rounding)[1] / scale,
            np.linalg.svd(rows)[1][:2],
        )
    assert len(svd_of_map(rows * scale)[1]) == 2
    assert_allclose(
        rounding_of_rows(rows * scale) / scale, rounding_of_rows(rows), rtol=1e-12
    )
    assert_allclose(
        rounding_of_columns(rows * scale) / scale, rounding_of_columns(rows), rtol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-300, 1e307])
def test_gram_matrices_of_any_size_have_a_rank(scale):
    gram = np.array([[2.0, 1, 3], [1, 2, 3], [3, 3, 6]])  # of rank 2
    if scale < 1e-292:
        with pytest.raises(ValueError, match="underflow float64: column 0 of gram"):
            truncated_eigh(gram * scale, np.zeros(3), 0.0)
    else:
        values, _ = truncated_eigh(gram * scale, np.zeros(3), 0.0)
        assert_allclose(values / scale, [9, 1])


def test_what_overflows_is_refused():
    rows = np.full((9, 2), 1.7e308)
    for function in (centre, lambda rows: truncated_svd(rows, np.zeros(2)), svd_of_map):
        with pytest.raises(ValueError, match="The sums overflow float64"):
            function(rows)
    with pytest.raises(ValueError, match="The inverse overflows float32"):
        pseudo_inverse(np.eye(2, dtype="f4") * np.float32(1e-42))
    for function in (svd_of_map, pseudo_inverse):
        with pytest.raises(ValueError, match="underflow float64: column 0 of matrix"):
            function(np.eye(2) * 1e-310)


@pytest.mark.parametrize("place", range(4))
def test_small_values_are_found_beside_a_large_column(place):
    rng = np.random.default_rng(0)
    rows, _ = centre(rng.normal(size=(60, 4)))
    # The others are what a column that large leaves of them.
    large, rest = rows[:, place], np.delete(rows, place, axis=1)
    rest = rest - np.outer(large, large @ rest) / (large @ large)
    expected = np.linalg.svd(rest, compute_uv=False)
    rows[:, place] *= 2.0**70
    rounding = rounding_of_columns(rows)
    assert_allclose(truncated_svd(rows, rounding)[1][1:], expected)
    values, _ = truncated_eigh(rows.T @ rows, rounding, 2.0**-52)
    assert_allclose(np.sqrt(values[1:]), expected)


@pytest.mark.parametrize("decades", [4, 8, 15, 30, 100])
def test_small_columns_keep_their_digits(decades):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    units = 10.0 ** (decades * np.array([0, 0, 1, -0.5, 0.3]))
    rows, precise = X * units, np.linalg.lstsq(X, y)[0] / units
    U, s, Vt = truncated_svd(rows, np.zeros(5))
    assert_allclose(Vt.T @ ((U.T @ y) / s), precise, rtol=1e-10)
    values, vectors = truncated_eigh(rows.T @ rows, np.zeros(5), 2.0**-52)
    assert_allclose(vectors @ (vectors.T @ (rows.T @ y) / values), precise, rtol=1e-7)


@pytest.mark.parametrize("decades", [4, 15, 30, 100])
def test_rows_of_small_units_keep_their_digits(decades):
    matrix = np.random.default_rng(0).normal(size=(5, 5))
    units = 10.0 ** (decades * np.array([0, 0, 1, -0.5, 0.3]))
    inverse = pseudo_inverse(units[:, None] * matrix)
    assert_allclose(inverse * units, np.linalg.inv(matrix), rtol=1e-9)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_column_of_rounding_alone_adds_nothing(place):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 3)) * [1, 0.1, 1e-3]
    rest = 8 * rng.normal(size=50)  # of a constant of 1e17, say
    rounding = np.insert(np.zeros(3), place, 1.01 * np.linalg.norm(rest))
    wide = np.insert(rows, place, rest, axis=1)
    expected = np.linalg.svd(rows)[1]
    _, s, Vt = truncated_svd(wide, rounding)
    assert_allclose(s, expected, rtol=1e-12)
    assert not Vt[:, place].any()
    values, vectors = truncated_eigh(wide.T @ wide, rounding, 1e-16)
    assert_allclose(values, expected**2, rtol=1e-8)
    assert not vectors[place].any()
