"""Facts about the regular simplex."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skalign.metrics import simplex_etf


@given(
    n_classes=st.integers(2, 12),
    more=st.integers(0, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_etf_has_unit_columns_at_equal_angles_that_sum_to_zero(
    n_classes, more, seed
):
    etf = simplex_etf(n_classes, n_classes + more, seed)
    assert etf.shape == (n_classes + more, n_classes)
    gram = (n_classes * np.eye(n_classes) - 1) / (n_classes - 1)
    assert_allclose(etf.T @ etf, gram, atol=1e-12)
    assert_allclose(etf.sum(axis=1), 0, atol=1e-12)


def test_an_etf_is_the_same_for_the_same_seed_only():
    first = simplex_etf(3, 8, random_state=0)
    assert_array_equal(first, simplex_etf(3, 8, random_state=0))
    assert np.abs(first - simplex_etf(3, 8, random_state=1)).max() > 0.1


@pytest.mark.long
def test_an_etf_is_turned_every_way_alike():
    corners = np.array([simplex_etf(2, 3, seed)[:, 0] for seed in range(3000)])
    assert_allclose(corners.mean(axis=0), 0, atol=0.05)
    assert_allclose(np.cov(corners.T, bias=True), np.eye(3) / 3, atol=0.03)


def test_an_etf_wider_than_its_space_is_refused():
    with pytest.raises(ValueError, match=r"n_features=3 must be at least n_classes=4"):
        simplex_etf(4, 3)
    with pytest.raises(ValueError, match="'n_classes'"):
        simplex_etf(1, 3)
