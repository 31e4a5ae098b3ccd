"""Arrays of other libraries: the same values, where the rows are."""

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context

from skalign import metrics
from skalign.metrics import (
    block_mmd,
    cca_similarity,
    cka,
    class_prototypes,
    coral_distance,
    energy_distance,
    energy_test,
    etf_distance,
    feature_wasserstein_distances,
    frechet_distance,
    gaussian_wasserstein_distance,
    max_sliced_wasserstein_distance,
    mean_reciprocal_rank,
    mmd,
    mmd_test,
    mutual_knn,
    mutual_knn_samples,
    nc1_trace_ratio,
    nc1_variability,
    nc2_equiangularity,
    nc3_duality,
    nc4_disagreement,
    procrustes_distance,
    procrustes_samples,
    prototype_distance,
    proxy_a_distance,
    random_fourier_mmd,
    retrieval_accuracy,
    retrieval_ranks,
    rsa_correlation,
    rsa_samples,
    rv_coefficient,
    simplex_etf,
    sinkhorn_divergence,
    sliced_wasserstein_distance,
    svcca,
    wasserstein_distance,
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
CLASSES, HALVES = np.arange(50) % 4, np.arange(50) // 25
OF_CLASSES = {
    "prototypes": partial(class_prototypes, y=CLASSES),
    "prototypes, domains": partial(prototype_distance, y=CLASSES, sample_domain=HALVES),
    "nc1": partial(nc1_variability, y=CLASSES),
    "nc1, traces": partial(nc1_trace_ratio, y=CLASSES),
    "nc2": partial(nc2_equiangularity, y=CLASSES),
    "nc3": partial(nc3_duality, y=CLASSES, coef=np.eye(4)),
    "nc4": partial(nc4_disagreement, y=CLASSES, y_pred=CLASSES),
    "etf": partial(etf_distance, y=CLASSES, etf=simplex_etf(4, 4, random_state=0)),
}
ON_CPU = {
    "energy": energy_distance,
    "energy test": partial(energy_test, n_permutations=9, random_state=0),
    "max sliced": partial(max_sliced_wasserstein_distance, random_state=0),
    "mmd test": partial(mmd_test, n_permutations=9, random_state=0),
    "mmd, laplacian": partial(mmd, kernel="laplacian"),
    "mmd in linear time, laplacian": partial(
        block_mmd, kernel="laplacian", block_size=9, random_state=0
    ),
    "mutual knn": mutual_knn,
    "mutual knn, samples": mutual_knn_samples,
    "proxy a": partial(proxy_a_distance, random_state=0),
    "ranks": retrieval_ranks,
    "retrieval": retrieval_accuracy,
    "reciprocal ranks": mean_reciprocal_rank,
    "rsa": rsa_correlation,
    "rsa, samples": rsa_samples,
    "sinkhorn": sinkhorn_divergence,
    "wasserstein": wasserstein_distance,
}
# Scorers are tested with the estimators; the others take callables or make data.
NOT_OF_SAMPLES = {"bootstrap_interval", "get_scorer", "get_scorer_names"}
NOT_OF_SAMPLES |= {"jackknife_interval", "noise_ceiling", "similarity_test"}
NOT_OF_SAMPLES |= {"simplex_etf"}


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


@pytest.fixture
def dispatch():
    if os.environ.get("SCIPY_ARRAY_API") != "1":
        pytest.skip("scipy is too old for array API dispatch")
    with config_context(array_api_dispatch=True):
        yield


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("name", MEASURES | OF_CLASSES)
def test_with_dispatch_the_value_is_that_of_numpy(name, library):
    measure = (MEASURES | OF_CLASSES)[name]
    spaces = draw(m=50 if name not in DISTANCES else 40)[
        : 1 if name in OF_CLASSES else 2
    ]
    device = library.Device("device1") if library.__name__ != "torch" else "cpu"
    expected = measure(*spaces)
    value = measure(*(library.asarray(rows, device=device) for rows in spaces))
    if isinstance(expected, float):
        assert type(value) is float
    else:
        assert value.device == library.asarray(1.0, device=device).device
        value = np.from_dlpack(value)
    assert_allclose(value, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("name", ON_CPU)
def test_with_dispatch_other_metrics_compute_on_the_cpu(name, library):
    device = library.Device("device2") if library.__name__ != "torch" else "cpu"
    spaces = draw(m=50)
    value = ON_CPU[name](*(library.asarray(rows, device=device) for rows in spaces))
    expected = ON_CPU[name](*spaces)
    if not isinstance(expected, float | np.ndarray):
        value, expected = value.statistic, expected.statistic
    assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ON_CPU)
def test_without_dispatch_they_refuse_arrays_that_are_elsewhere(name):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("device1")
    X, Y = (strict.asarray(rows, device=device) for rows in draw(m=50))
    with pytest.raises(ValueError, match=r"NumPy cannot read X.*array_api_dispatch"):
        ON_CPU[name](X, Y)


def test_every_metric_of_samples_is_here():
    tested = {f for f in (MEASURES | OF_CLASSES | ON_CPU).values()}
    tested = {getattr(f, "func", f).__name__ for f in tested}
    public = {n for n in metrics.__all__ if not n.lower().endswith("scorer")}
    assert tested == public - NOT_OF_SAMPLES


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


@pytest.mark.parametrize("measure", [energy_distance, partial(mmd, kernel="laplacian")])
def test_other_measures_read_tensors_as_numpy_does(measure):
    torch = pytest.importorskip("torch")
    X, Y = draw()
    assert measure(torch.asarray(X), torch.asarray(Y)) == measure(X, Y)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("name", OF_CLASSES)
def test_labels_may_be_of_the_same_library_and_device(name, library):
    measure, (X, _) = OF_CLASSES[name], draw(m=50)
    device = library.Device("device1") if library.__name__ != "torch" else "cpu"
    labels = {
        key: library.asarray(values, device=device)
        for key, values in measure.keywords.items()
        if key in ("y", "y_pred", "sample_domain")
    }
    value = measure(library.asarray(X, device=device), **labels)
    value = value if isinstance(value, float) else np.from_dlpack(value)
    assert_allclose(value, measure(X), rtol=1e-9)


@pytest.mark.usefixtures("dispatch")
def test_a_class_without_direction_is_named(library):
    device = library.Device("device1") if library.__name__ != "torch" else "cpu"
    X, y, domain = [[0.0], [1], [2], [3]], [4, 7, 4, 7], [0, 0, 1, 1]
    given = (library.asarray(values, device=device) for values in (X, y, domain))
    with pytest.raises(ValueError, match="class 4 in domain 0 is zero"):
        prototype_distance(*given)


def test_the_user_guide_lists_the_metrics_that_compute_where_samples_are():
    page = Path(__file__).parents[2] / "docs" / "user_guide" / "gpu.md"
    if not page.exists():
        pytest.skip("the documentation is not there")
    rows = re.findall(
        r"^\| (?:Distances|Similarities|Classes) \| (.*) \|$",
        page.read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 3
    listed = re.findall(r"~skalign\.metrics\.(\w+)", " ".join(rows))
    measures = {*(MEASURES | OF_CLASSES).values()} - {OF_CLASSES["nc4"]}  # neighbours
    assert len(listed) == len(set(listed))
    assert set(listed) == {getattr(f, "func", f).__name__ for f in measures}


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
