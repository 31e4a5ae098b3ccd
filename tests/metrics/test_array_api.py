"""Arrays of other libraries: the same values, where the rows are."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign.metrics import (
    block_mmd,
    cca_similarity,
    cka,
    coral_distance,
    energy_distance,
    feature_wasserstein_distances,
    frechet_distance,
    gaussian_wasserstein_distance,
    mmd,
    procrustes_distance,
    procrustes_samples,
    random_fourier_mmd,
    rv_coefficient,
    sliced_wasserstein_distance,
    svcca,
)

DISTANCES = {
    "mmd": partial(mmd, gamma=[0.1, 0.5]),
    "mmd, polynomial": partial(mmd, kernel="polynomial", unbiased=False),
    "mmd, linear": partial(mmd, kernel="linear"),
    "mmd in linear time": partial(block_mmd, gamma=0.2, block_size=9, random_state=0),
    "mmd of features": partial(random_fourier_mmd, gamma=0.2, random_state=0),
    "biased mmd of features": partial(
        random_fourier_mmd, gamma=0.2, random_state=0, unbiased=False
    ),
    "coral": coral_distance,
    "gaussian": gaussian_wasserstein_distance,
    "frechet": frechet_distance,
}
LINES = {
    "sliced": partial(sliced_wasserstein_distance, random_state=0),
    "sliced, p=1": partial(sliced_wasserstein_distance, random_state=0, p=1),
    "features": feature_wasserstein_distances,
}
SIMILARITIES = {
    "cka": cka,
    "cka, debiased": partial(cka, debiased=True),
    "cka, rbf": partial(cka, kernel="rbf", gamma=0.1),
    "cka, rbf, debiased": partial(cka, kernel="rbf", gamma=0.1, debiased=True),
    "rv": rv_coefficient,
    "rv, modified": partial(rv_coefficient, modified=True),
    "cca": cca_similarity,
    "svcca": partial(svcca, explained_variance=0.9),
    "procrustes": procrustes_distance,
    "procrustes, rows": procrustes_samples,
}
MEDIAN = {
    "mmd": mmd,
    "mmd of features, laplacian": partial(
        random_fourier_mmd, kernel="laplacian", random_state=0
    ),
    "cka, rbf": partial(cka, kernel="rbf"),
}
MEASURES = DISTANCES | LINES | SIMILARITIES


@pytest.fixture(params=["torch", "array_api_strict"])
def library(request):
    return pytest.importorskip(request.param)


def draw(dtype=np.float64, n=50, m=40):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4)).astype(dtype)
    return X, (X @ rng.normal(size=(4, 4)) + 0.3)[:m].astype(dtype)


def spaces_for(name, dtype=np.float64):
    return draw(dtype, m=50 if name in SIMILARITIES else 40)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", MEASURES)
def test_the_value_is_that_of_numpy(name, dtype, library):
    spaces = spaces_for(name, dtype)
    value = MEASURES[name](*map(library.asarray, spaces))
    expected = MEASURES[name](*spaces)
    if isinstance(expected, float):
        assert type(value) is float
    else:
        assert type(value) is type(library.asarray(spaces[0]))
    rtol = 1e-9 if dtype is np.float64 else 1e-3
    assert_allclose(np.asarray(value), expected, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_only_a_few_rows_leave_their_device_to_show_their_precision(name, monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("device1")
    spaces = [strict.asarray(rows, device=device) for rows in draw(n=600, m=600)]
    with pytest.raises(RuntimeError, match=r"Can( no|')t convert array on the"):
        np.asarray(spaces[0])
    read = np.from_dlpack  # the only way that is open

    def read_numbers(array):
        assert array.ndim == 1 or array.shape[0] <= 150
        return read(array)

    monkeypatch.setattr(np, "from_dlpack", read_numbers)
    value = MEASURES[name](*spaces)
    if not isinstance(value, float):
        assert value.device == device


@pytest.mark.parametrize("name", [*DISTANCES, *LINES])
def test_weights_may_be_of_either_library(name, library):
    if name in LINES and library.__name__ != "torch":
        pytest.skip("POT sorts weighted rows, and knows torch only of these")
    X, Y = draw()
    weight = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    expected = MEASURES[name](X, Y, X_weight=weight)
    X, Y = library.asarray(X), library.asarray(Y)
    for given in (weight, library.asarray(weight)):
        value = MEASURES[name](X, Y, X_weight=given)
        assert_allclose(np.asarray(value), expected, rtol=1e-9)


@pytest.mark.parametrize("name", MEDIAN)
def test_a_median_of_few_rows_is_taken_by_numpy(name, library):
    X, Y = draw(m=50)
    value = MEDIAN[name](library.asarray(X), library.asarray(Y))
    assert_allclose(value, MEDIAN[name](X, Y), rtol=1e-9)


def test_wide_rows_are_compared_on_the_cheaper_side(library):
    X, Y = np.random.default_rng(0).normal(size=(2, 12, 60))
    value = cka(library.asarray(X), library.asarray(Y))
    assert_allclose(value, cka(X, Y), rtol=1e-9)


def test_whole_numbers_count_as_double_precision(library):
    X = np.arange(12).reshape(6, 2)
    value = coral_distance(library.asarray(X), library.asarray(3 * X))
    assert_allclose(value, coral_distance(X, 3 * X))


def test_arrays_given_are_not_changed(library):
    X, Y = draw(m=50)
    given = library.asarray(X.copy()), library.asarray(Y.copy())
    for measure in MEASURES.values():
        measure(*given)
    assert_allclose(np.asarray(given[0]), X, rtol=0)
    assert_allclose(np.asarray(given[1]), Y, rtol=0)


@pytest.mark.parametrize("measure", [mmd, cka])
def test_bad_rows_are_refused(measure, library):
    X, Y = (library.asarray(rows) for rows in draw(m=50))
    nan = library.asarray(np.full((50, 4), np.nan))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        measure(nan, Y)
    with pytest.raises(ValueError, match="Input Y contains NaN"):
        measure(X, nan)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array as Y"):
        measure(X, Y[:, 0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        measure(X[:0, :], Y)
    with pytest.raises(ValueError, match=r"features, but Y has 3|samples, but Y has 4"):
        measure(X, Y[1:, :3])
    with pytest.raises(ValueError, match="Complex data not supported"):
        measure(X, library.asarray(np.ones((50, 4), dtype=complex)))
    with pytest.raises(TypeError, match="namespaces"):
        measure(X, np.ones((50, 4)))


def test_rows_of_two_devices_are_refused():
    strict = pytest.importorskip("array_api_strict")
    X, Y = draw()
    away = strict.asarray(Y, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"X is on .*CPU_DEVICE.*, but Y is on"):
        mmd(strict.asarray(X), away)


def test_a_laplacian_is_refused_since_its_distances_are_not_a_product(library):
    X, Y = (library.asarray(rows) for rows in draw())
    with pytest.raises(TypeError, match="takes numpy arrays only; got"):
        mmd(X, Y, kernel="laplacian")


def test_other_measures_read_tensors_as_numpy_does():
    torch = pytest.importorskip("torch")
    X, Y = draw()
    value = energy_distance(torch.asarray(X), torch.asarray(Y))
    assert value == energy_distance(X, Y)


@pytest.mark.parametrize("name", MEASURES)
def test_autocast_changes_no_value(name):
    torch = pytest.importorskip("torch")
    X, Y = (torch.from_numpy(rows + 30) for rows in draw(np.float32, m=50))
    expected = MEASURES[name](X, Y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_allclose(MEASURES[name](X, Y), expected, rtol=1e-6)


def test_tensors_that_follow_gradients_are_refused():
    torch = pytest.importorskip("torch")
    X, Y = (torch.from_numpy(rows).requires_grad_() for rows in draw(np.float32))
    with pytest.raises(ValueError, match=r"X requires gradients: pass X\.detach"):
        cka(X, Y)
