"""Powers of two, by which rows are rescaled without rounding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign._rescale import times_power, unit_rows

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", [0, 7, -100, 300, -2000, "by row"])
def test_products_with_a_power_are_those_of_ldexp(power, dtype):
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    rows = rng.normal(size=(40, 3)) * 2.0 ** rng.uniform(-120, 120, size=(40, 1))
    rows = rows.astype(dtype)
    if power == "by row":
        power = rng.integers(info.minexp, info.maxexp, size=(40, 1))
    with np.errstate(over="ignore"):
        found, expected = times_power(rows, power), np.ldexp(rows, power)
    assert found.dtype == dtype
    normal = np.abs(expected) >= info.tiny  # others are rounded
    assert_array_equal(found[normal], expected[normal])
    assert_allclose(found[~normal], expected[~normal], atol=info.smallest_subnormal)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_any_length_become_one_long(dtype):
    info = np.finfo(dtype)
    rows = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)
    lengths = np.sqrt([1, 2, info.max, info.max / 4, info.tiny, 0]).astype(dtype)
    for kept in (slice(2), slice(None)):
        found = unit_rows((lengths[:, None] * rows)[kept])
        expected = rows / np.linalg.norm(rows, axis=1)[:, None]
        expected[-1] = 0
        assert_allclose(found, expected[kept], rtol=20 * info.eps)
