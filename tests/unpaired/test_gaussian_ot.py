import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import CORALAligner, GaussianOTAligner


@pytest.mark.parametrize("reg", [1e-3, 1.0])
@pytest.mark.parametrize("n_samples", [50, 6])
def test_the_map_is_that_of_POT(reg, n_samples):
    gaussian = pytest.importorskip("ot.gaussian")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_samples, 8)), rng.normal(size=(n_samples + 1, 8))
    y = y @ rng.normal(size=(8, 8)) + 3
    Cs, Ct = (np.cov(rows.T) + reg * np.eye(8) for rows in (X, y))
    A, b = gaussian.bures_wasserstein_mapping(X.mean(axis=0), y.mean(axis=0), Cs, Ct)
    aligner = GaussianOTAligner(reg).fit(X, y)
    assert_allclose(aligner.coef_, A, atol=1e-6)
    assert_allclose(aligner.transform(X), X @ A + b, atol=1e-5)


@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_a_symmetric_positive_map_is_recovered_from_unpaired_rows(solver):
    rng = np.random.default_rng(0)
    X, root = rng.normal(size=(100, 6)), rng.normal(size=(6, 6))
    A = root @ root.T
    y = rng.permutation(X) @ A + 2
    aligner = GaussianOTAligner(reg=0, solver=solver).fit(X, y)
    assert_allclose(aligner.coef_, A, atol=1e-9)
    assert_allclose(aligner.transform(X), X @ A + 2, atol=1e-9)


def test_the_map_is_symmetric_and_moves_rows_less_than_coral():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    y = rng.normal(size=(150, 5)) @ rng.normal(size=(5, 5))
    monge, coral = (A(reg=0).fit(X, y) for A in (GaussianOTAligner, CORALAligner))
    assert_allclose(monge.coef_, monge.coef_.T, atol=1e-10)
    assert np.linalg.eigvalsh(monge.coef_).min() > 0
    moved = [((aligner.transform(X) - X) ** 2).mean() for aligner in (monge, coral)]
    assert moved[0] < 0.95 * moved[1]


def test_the_way_back_is_the_map_with_sides_swapped():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 4)), rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    there = GaussianOTAligner(reg=0).fit(X, y)
    back = GaussianOTAligner(reg=0).fit(y, X)
    assert_allclose(there.inverse_transform(y), back.transform(y), atol=1e-9)
