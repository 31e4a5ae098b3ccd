"""What CORALAligner, GaussianOTAligner and MeanVarianceAligner share."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import fractional_matrix_power
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from skalign import CORALAligner, GaussianOTAligner, MeanVarianceAligner

ALL = [CORALAligner(), GaussianOTAligner(), MeanVarianceAligner()]
COVARIANCE = [CORALAligner, GaussianOTAligner]

each = pytest.mark.parametrize("aligner", ALL, ids=repr)


def sides(n_samples=60, n_target_samples=45, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    X, y = (
        rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
        for n in (n_samples, n_target_samples)
    )
    return X - 2, y + 3


@each
def test_batches_of_either_side_in_any_order_equal_one_fit(aligner):
    X, y = sides()
    at_once = clone(aligner).fit(X, y)
    streamed = clone(aligner).partial_fit(X[:20], y[:1])
    streamed.partial_fit(y=y[30:])
    streamed.partial_fit(X[20:])
    streamed.partial_fit(y=y[1:30])
    assert_allclose(streamed.transform(X), at_once.transform(X), atol=1e-10)
    assert streamed.source_moments_.n_samples == len(X)
    assert streamed.target_moments_.n_samples == len(y)


@each
def test_the_map_comes_with_the_second_row_of_both_sides(aligner):
    X, y = sides()
    aligner = clone(aligner).partial_fit(X)
    with pytest.raises(NotFittedError):
        aligner.transform(X)
    aligner.partial_fit(y=y[:1])
    with pytest.raises(NotFittedError):
        aligner.transform(X)
    assert aligner.partial_fit(y=y[1:2]).transform(X).shape == X.shape


@each
def test_merging_halves_equals_one_fit(aligner):
    X, y = sides()
    at_once = clone(aligner).fit(X, y)
    one, two = clone(aligner).fit(X[:9], y[:30]), clone(aligner).fit(X[9:], y[30:])
    before = two.transform(X)
    assert_allclose(one.merge(two).transform(X), at_once.transform(X), atol=1e-10)
    assert_allclose(two.transform(X), before, rtol=0)


@each
def test_a_client_with_source_rows_merges_with_one_with_target_rows(aligner):
    X, y = sides()
    source, target = clone(aligner).partial_fit(X), clone(aligner).partial_fit(y=y)
    merged = target.merge(source)
    assert merged.n_features_in_ == X.shape[1]
    at_once = clone(aligner).fit(X, y)
    assert_allclose(merged.transform(X), at_once.transform(X), atol=1e-10)


@each
def test_partial_fit_goes_on_after_fit(aligner):
    X, y = sides()
    at_once = clone(aligner).fit(X, y)
    streamed = clone(aligner).fit(X[:30], y[:20]).partial_fit(X[30:], y[20:])
    assert_allclose(streamed.transform(X), at_once.transform(X), atol=1e-10)


@each
def test_a_refused_batch_leaves_the_estimator_as_it_was(aligner):
    X, y = sides()
    aligner = clone(aligner).fit(X, y)
    before = aligner.transform(X)
    for bad in ({"X": X, "y": y[:, :3]}, {"X": X[:, :3]}, {"X": X, "y": y * np.nan}):
        with pytest.raises(ValueError, match=r"5|NaN"):
            aligner.partial_fit(**bad)
    assert_allclose(aligner.transform(X), before, rtol=0)
    assert aligner.source_moments_.n_samples == len(X)


@each
def test_only_aligners_of_one_class_that_have_seen_rows_merge(aligner):
    X, y = sides()
    fitted = clone(aligner).fit(X, y)
    with pytest.raises(TypeError, match=f"{type(aligner).__name__}.*Ridge"):
        fitted.merge(Ridge())
    with pytest.raises(NotFittedError, match="no samples"):
        fitted.merge(clone(aligner))
    with pytest.raises(ValueError, match=r"other has 2 columns.*5"):
        fitted.merge(clone(aligner).fit(X[:, :2], y[:, :2]))
    with pytest.raises(ValueError, match=r"other has 10 columns.*5"):
        fitted.merge(clone(aligner).fit(np.hstack([X, X**3]), np.hstack([y, y**3])))


@each
def test_label_vectors_in_partial_fit_add_no_target_rows(aligner):
    X, y = sides()
    aligner = clone(aligner)
    with pytest.warns(UserWarning, match="no target samples"):
        aligner.partial_fit(X, np.arange(len(X)))
    assert aligner.target_moments_ is None
    at_once = clone(aligner).fit(X, y)
    assert_allclose(
        aligner.partial_fit(y=y).transform(X), at_once.transform(X), atol=1e-10
    )


@each
def test_mapped_rows_have_the_mean_of_the_target(aligner):
    X, y = sides()
    mapped = clone(aligner).fit_transform(X, y)
    assert_allclose(mapped.mean(axis=0), y.mean(axis=0), atol=1e-12)


@each
def test_the_inverse_brings_rows_back(aligner):
    X, y = sides()
    aligner = clone(aligner).fit(X, y)
    new = np.random.default_rng(1).normal(size=(7, 5))
    assert_allclose(aligner.inverse_transform(aligner.transform(new)), new, atol=1e-10)
    assert_allclose(aligner.transform(aligner.inverse_transform(new)), new, atol=1e-10)


@each
def test_a_mean_many_times_the_spread_costs_no_digits(aligner):
    X, y = sides()
    near = clone(aligner).fit(X, y).transform(X)
    far = clone(aligner).fit(X + 2.0**27, y).transform(X + 2.0**27)
    assert_allclose(far, near, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The source samples vary in")
@pytest.mark.filterwarnings("ignore:.* determine (11|3) of 20 directions:UserWarning")
@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("reg", [0, 1e-2, 1])
@pytest.mark.parametrize(("n", "m"), [(60, 45), (12, 9), (12, 30), (4, 30)])
def test_both_solvers_find_the_same_map(Aligner, reg, n, m):
    X, y = sides(n, m, n_features=20)
    by_moments = Aligner(reg, solver="moments").fit(X, y)
    by_rows = Aligner(reg, solver="svd").fit(X, y)
    assert (by_moments.solver_, by_rows.solver_) == ("moments", "svd")
    assert_allclose(by_rows.coef_, by_moments.coef_, atol=1e-8)
    assert by_rows.determined_rank_ == by_moments.determined_rank_ == min(n - 1, 20)


@pytest.mark.parametrize("Aligner", COVARIANCE)
def test_the_rows_are_decomposed_where_they_are_fewer_than_columns(Aligner):
    X, y = sides(15, 19, n_features=20)
    aligner = Aligner(reg=1).fit(X, y)
    assert aligner.solver_ == "svd"
    assert aligner.source_moments_ is None
    with pytest.raises(ValueError, match="start with partial_fit"):
        aligner.partial_fit(X)
    aligner = Aligner(reg=1).fit(*sides(15, 20, n_features=20))
    assert aligner.solver_ == "moments"
    assert not hasattr(Aligner(solver="svd"), "partial_fit")
    assert not hasattr(Aligner(solver="svd"), "merge")


@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_equal_sides_give_the_identity(Aligner, solver):
    X, _ = sides()
    aligner = Aligner(solver=solver).fit(X, X)
    assert_allclose(aligner.coef_, np.eye(5), atol=1e-10)
    few = sides(6, n_features=20)[0]  # outside their span too
    aligner = Aligner(1e-2, solver=solver).fit(few, few)
    assert_allclose(aligner.coef_, np.eye(20), atol=1e-8)


@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_without_reg_the_covariance_of_the_target_is_reached(Aligner, solver):
    X, y = sides()
    mapped = Aligner(reg=0, solver=solver).fit_transform(X, y)
    assert_allclose(np.cov(mapped.T), np.cov(y.T), atol=1e-10)


@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_without_reg_directions_without_source_variance_are_lost(Aligner, solver):
    X, y = sides()
    X[:, 2] = 1.0
    aligner = Aligner(reg=0, solver=solver)
    said = "determine 4 of 5 directions, and the others are mapped to the mean"
    with pytest.warns(UserWarning, match=said):
        aligner.fit(X, y)
    assert aligner.determined_rank_ == 4
    assert_allclose(aligner.coef_[2], 0, atol=1e-9)
    assert np.isfinite(aligner.coef_).all()


@pytest.mark.parametrize("Aligner", COVARIANCE)
def test_a_large_reg_leaves_a_shift_of_the_mean(Aligner):
    X, y = sides()
    aligner = Aligner(reg=1e12).fit(X, y)
    shifted = X - X.mean(axis=0) + y.mean(axis=0)
    assert_allclose(aligner.transform(X), shifted, atol=1e-8)


@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_too_few_source_rows_for_a_small_reg_are_found_out(Aligner, solver):
    X, y = sides(12, 40, n_features=20)
    with pytest.warns(
        UserWarning, match="vary in 11 of 20 directions.*by a factor of"
    ) as seen:
        aligner = Aligner(1e-6, solver=solver).fit(X, y)
    said = float(str(seen[0].message).split("factor of ")[1].split()[0])
    axes = np.linalg.svd(X - X.mean(axis=0))[2]
    stretch = np.linalg.norm(axes[11:] @ aligner.coef_) / np.sqrt(9)
    assert 0.1 * said < stretch < 1.01 * said
    Aligner(1, solver=solver).fit(X, y)  # nothing to say: kept small
    with pytest.warns(UserWarning, match="determine 11 of 20 directions"):
        Aligner(0, solver=solver).fit(X, y)
    Aligner(1e-6, solver=solver).fit(X, X[:9] + 1)  # nothing is there to stretch to


@pytest.mark.parametrize("Aligner", COVARIANCE)
@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_without_reg_directions_that_neither_side_has_are_lost(Aligner, solver):
    X, y = (np.pad(side, ((0, 0), (0, 2))) for side in sides(30, 40, n_features=3))
    with pytest.warns(UserWarning, match="determine 3 of 5 directions"):
        aligner = Aligner(0, solver=solver).fit(X, y)
    beyond = X + [0, 0, 0, 1, -2]
    assert_allclose(aligner.transform(beyond), aligner.transform(X), atol=1e-8)


@pytest.mark.parametrize("reg", [0.1, 1.0])
@pytest.mark.parametrize("n_samples", [50, 6])
def test_coral_is_the_map_of_its_paper(reg, n_samples):
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


@pytest.mark.parametrize("reg", [1e-3, 1.0])
@pytest.mark.parametrize("n_samples", [50, 6])
def test_gaussian_transport_is_the_map_of_POT(reg, n_samples):
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
