"""Fits to samples that come as batches or from memory maps."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone, config_context

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RigidAligner,
)

PAIRED = [LinearAligner(), LinearAligner(alpha=1.0, rank=2), RigidAligner(scaling=True)]
UNPAIRED = [CORALAligner(), GaussianOTAligner(), MeanVarianceAligner()]
LABELLED = [ClassMeanAligner(), MomentAligner(n_restarts=1, random_state=0)]
each = pytest.mark.parametrize("aligner", [*PAIRED, *UNPAIRED, *LABELLED], ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")


def samples(aligner, n=240, d=4):
    """Keywords of `fit`."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 6
    X = rng.gamma(1.0, size=(n, d)) + rng.normal(size=(6, d))[labels] + 50
    y = X @ rng.normal(size=(d, d)) + 0.1 * rng.normal(size=(n, d))
    given = {"X": X, "y": y}
    if aligner in PAIRED:
        given |= {"sample_weight": rng.integers(0, 4, n)}
    if aligner in LABELLED:
        given |= {"labels": labels, "target_labels": labels}
    return given


def batches_of(given, size=50):
    n = len(given["X"])
    for start in range(0, n, size):
        yield {name: of[start : start + size] for name, of in given.items()}


def on_disk(folder, **arrays):
    """Memory maps of the arrays."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays}


@each
def test_batches_give_the_map_of_all_samples(aligner):
    given = samples(aligner)
    whole = clone(aligner).fit(**given)
    fitted = clone(aligner).fit(batches_of(given))
    assert_allclose(
        fitted.transform(given["X"]), whole.transform(given["X"]), rtol=1e-10
    )
    assert fitted.n_features_in_ == whole.n_features_in_


@each
def test_a_large_memory_map_gives_the_map_of_its_array(aligner, tmp_path):
    given = samples(aligner)
    whole = clone(aligner).fit(**given)
    with config_context(working_memory=0.01):  # blocks of 20 samples
        fitted = clone(aligner).fit(**on_disk(tmp_path, **given))
    assert_allclose(
        fitted.transform(given["X"]), whole.transform(given["X"]), rtol=1e-10
    )


def test_batches_may_be_tuples_of_one_side():
    X, y = samples(CORALAligner()).values()
    sides = [(X[:90], None), (None, y[:200]), (X[90:], y[200:])]
    fitted = CORALAligner().fit(iter(sides))
    assert_allclose(fitted.coef_, CORALAligner().fit(X, y).coef_, rtol=1e-10)


def test_batches_without_weight_are_left_out():
    X, y = samples(PAIRED[0])["X"], samples(PAIRED[0])["y"]
    weight = np.repeat([1.0, 0.0, 2.0], 80)
    whole = LinearAligner(alpha=1.0).fit(X, y, weight)
    given = {"X": X, "y": y, "sample_weight": weight}
    fitted = LinearAligner(alpha=1.0).fit(batches_of(given, 80))
    assert_allclose(fitted.coef_, whole.coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="no sample of positive weight"):
        LinearAligner().fit([given | {"sample_weight": np.zeros(240)}].__iter__())


def test_a_memory_map_is_read_in_blocks(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 16))
    maps = on_disk(tmp_path, X=X, y=X[:, :4])
    with config_context(working_memory=2):
        tracemalloc.start()
        try:
            LinearAligner().fit(**maps)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 2**20 < X.nbytes / 3


def test_a_smaller_memory_map_is_fitted_as_an_array(tmp_path):
    X, y = samples(LinearAligner())["X"], samples(LinearAligner())["y"]
    X[1::2], y[1::2] = X[::2], y[::2]  # which only the samples show
    maps = on_disk(tmp_path, X=X[:6], y=y[:6])
    assert LinearAligner().fit(**maps).gcv_reliable_
    with (
        config_context(working_memory=1e-4),
        pytest.warns(UserWarning, match="from sums over 6 samples"),
    ):
        assert not LinearAligner(alphas=[1.0]).fit(**maps).gcv_reliable_


def test_a_memory_map_keeps_unsaved_changes(tmp_path):
    X = np.arange(80.0).reshape(20, 4) ** 2
    np.save(tmp_path / "X.npy", X)
    changed = np.load(tmp_path / "X.npy", mmap_mode="c")
    changed[0] = -1000
    with config_context(working_memory=1e-5):
        MeanVarianceAligner().fit(changed, X)
    assert_array_equal(changed[0], -1000)


@pytest.mark.parametrize(
    "aligner",
    [LinearAligner(alpha="loo"), CORALAligner(solver="svd"), MomentAligner(trim=0.1)],
    ids=repr,
)
def test_what_needs_the_samples_takes_maps_but_no_batches(aligner, tmp_path):
    X, y = samples(LinearAligner())["X"], samples(LinearAligner())["y"]
    maps = on_disk(tmp_path, X=X, y=y)
    with config_context(working_memory=0.01):
        fitted = clone(aligner).set_params(**_seed(aligner)).fit(**maps)
    whole = clone(aligner).set_params(**_seed(aligner)).fit(X, y)
    assert_array_equal(fitted.transform(X), whole.transform(X))
    with pytest.raises(ValueError, match=r"chunk by chunk|pass labels"):
        aligner.fit(iter([(X, y)]))


def _seed(aligner):
    return {"random_state": 0} if "random_state" in aligner.get_params() else {}


def test_wrong_batches_are_named():
    X, y = samples(CORALAligner()).values()
    wrong = np.where(X[7, 1] == X, np.nan, X)
    for batches, error, message in (
        ([(X, y), (wrong, y)], ValueError, "Batch 1: Input X contains NaN"),
        ([(X, y), (X, y[1:])], ValueError, r"Batch 1: .*inconsistent numbers"),
        ([(X, y), (X[:, 1:], y)], ValueError, "n_features must be the same in both"),
        ([(X, y), X], TypeError, "Batch 1 is a ndarray; a tuple"),
        ([{"X": X, "Z": y}], TypeError, "Batch 0: .*Z"),
        ([], ValueError, "no sample"),
    ):
        aligner = LinearAligner()
        with pytest.raises(error, match=message):
            aligner.fit(iter(batches))
        assert not hasattr(aligner, "coef_")
    with pytest.raises(ValueError, match="include all other arguments; y must be None"):
        LinearAligner().fit(iter([(X, y)]), y)
    with pytest.raises(
        ValueError, match="y is a list_iterator, while X is no iterable"
    ):
        LinearAligner().fit(X, iter([y]))


def test_a_map_of_another_width_or_length_is_refused_before_it_is_read(tmp_path):
    X = np.full((400, 4), np.nan)  # an error, if it were read...
    X[0] = 1  # beyond the first sample
    maps = on_disk(tmp_path, X=X, y=np.zeros((399, 4)), z=np.zeros((400, 3)))
    with config_context(working_memory=1e-4):
        with pytest.raises(ValueError, match=r"numbers of samples differ.*400.*399"):
            LinearAligner().fit(maps["X"], maps["y"])
        with pytest.raises(ValueError, match="equal widths: X has 4 columns, y has 3"):
            CORALAligner().fit(maps["X"], maps["z"])
