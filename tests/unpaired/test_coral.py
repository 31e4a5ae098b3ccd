import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import fractional_matrix_power

from skalign import CORALAligner


@pytest.mark.parametrize("reg", [0.1, 1.0])
@pytest.mark.parametrize("n_samples", [50, 6])
def test_the_map_is_that_of_the_paper(reg, n_samples):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_samples, 8)), rng.normal(size=(n_samples + 1, 8))
    y = y @ rng.normal(size=(8, 8))
    Cs, Ct = (np.cov(rows.T) + reg * np.eye(8) for rows in (X, y))
    expected = fractional_matrix_power(Cs, -0.5) @ fractional_matrix_power(Ct, 0.5)
    assert_allclose(CORALAligner(reg).fit(X, y).coef_, expected, atol=1e-10)


def test_rows_are_whitened_and_coloured_in_that_order():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 3)), rng.normal(size=(400, 3)) * [3, 1, 0.1]
    white = (X - X.mean(axis=0)) @ fractional_matrix_power(np.cov(X.T), -0.5)
    coloured = white @ fractional_matrix_power(np.cov(y.T), 0.5) + y.mean(axis=0)
    assert_allclose(CORALAligner(reg=0).fit_transform(X, y), coloured, atol=1e-10)


def test_negative_reg_is_refused():
    with pytest.raises(ValueError, match="'reg' parameter"):
        CORALAligner(reg=-1).fit(np.eye(3), np.eye(3))
