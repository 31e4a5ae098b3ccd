"""Dask arrays and dataframes: sums by tree, lazy maps, errors that name partitions."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RigidAligner,
    SubspaceAligner,
)
from skalign._dask import lazy
from skalign.moments import Sums

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

PAIRED = [LinearAligner(), LinearAligner(alpha=1.0, rank=2), RigidAligner(scaling=True)]
UNPAIRED = [CORALAligner(), GaussianOTAligner(), MeanVarianceAligner()]
LABELLED = [ClassMeanAligner(), MomentAligner(n_restarts=1, random_state=0)]
each = pytest.mark.parametrize("aligner", [*PAIRED, *UNPAIRED, *LABELLED], ids=repr)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:distributed"),
]


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def samples(aligner, n=240, d=4):
    """Keywords of `fit`."""
    rng = np.random.default_rng(0)
    labels = np.array(list("abcdef"))[np.arange(n) % 6]
    X = rng.gamma(1.0, size=(n, d)) + rng.normal(size=(6, d))[np.arange(n) % 6] + 50
    y = X @ rng.normal(size=(d, d)) + 0.1 * rng.normal(size=(n, d))
    given = {"X": X, "y": y}
    if aligner in PAIRED:
        given |= {"sample_weight": rng.integers(0, 4, n)}
    if aligner in LABELLED:
        given |= {"labels": labels, "target_labels": labels}
    return given


def chunked(array, rows=50):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def frames(X, prefix="x"):
    """A dataframe, and the same of Dask."""
    frame = pd.DataFrame(X, columns=[f"{prefix}{i}" for i in range(X.shape[1])])
    return frame, dd.from_pandas(frame, npartitions=5)


@each
def test_arrays_give_the_map_of_all_samples(aligner):
    given = samples(aligner)
    whole = clone(aligner).fit(**given)
    fitted = clone(aligner).fit(**{k: chunked(v) for k, v in given.items()})
    assert_allclose(
        fitted.transform(given["X"]), whole.transform(given["X"]), rtol=1e-10
    )
    assert fitted.n_features_in_ == whole.n_features_in_
    assert fitted.n_targets_ == whole.n_targets_


@each
def test_dataframes_of_unknown_lengths_keep_names(aligner):
    given = samples(aligner)
    keep = np.arange(len(given["X"])) >= 60  # which leaves the first partition empty
    lazy, kept = {}, {}
    for name, of in given.items():
        frame = frames(of if of.ndim == 2 else of[:, None])[0]
        lazy[name] = dd.from_pandas(frame.assign(keep=keep), npartitions=5)
        lazy[name] = lazy[name][lazy[name].keep].drop(columns="keep")
        kept[name] = frame[keep]
        if of.ndim == 1:
            lazy[name], kept[name] = lazy[name].x0, kept[name].x0
    whole = clone(aligner).fit(**kept)
    fitted = clone(aligner).fit(**lazy)
    assert_allclose(fitted.transform(kept["X"]), whole.transform(kept["X"]), rtol=1e-10)
    assert_array_equal(fitted.feature_names_in_, whole.feature_names_in_)
    assert_array_equal(fitted.target_names_in_, whole.target_names_in_)


@pytest.mark.parametrize("chunks", [1, 2, 3, 8])
def test_nothing_but_sums_is_returned(chunks):
    given = samples(PAIRED[0])
    lazy = {k: chunked(v, -(-240 // chunks)) for k, v in given.items()}
    flatten, asked = dask.core.flatten, []

    def scheduler(graph, keys, **kwargs):
        results = dask.get(graph, keys, **kwargs)
        asked.extend(flatten(results, container=(list, tuple)))
        return results

    with dask.config.set(scheduler=scheduler):
        LinearAligner().fit(**lazy)
    [sums] = asked
    assert isinstance(sums, Sums)
    assert sums.parts["pairs"].n_samples == np.count_nonzero(given["sample_weight"])


@pytest.mark.parametrize("aligner", [LinearAligner(), SubspaceAligner()], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_mapped_lazily(aligner, dtype):
    X, y = (of.astype(dtype) for of in list(samples(aligner).values())[:2])
    aligner = aligner.fit(X, y)
    read = []
    lazy = da.map_blocks(lambda block: read.append(1) or block, chunked(X), dtype=dtype)
    read.clear()
    mapped = aligner.transform(lazy)
    assert (mapped.shape, mapped.dtype) == ((240, 4), dtype)
    assert mapped.chunks == ((50, 50, 50, 50, 40), (4,))
    assert_allclose(mapped[:70].compute(), aligner.transform(X)[:70], rtol=1e-4)
    assert len(read) == 2
    for method, of in (
        ("transform_target", y),
        ("inverse_transform", y),
        ("predict", X),
        ("predict_std", X),
    ):
        if hasattr(aligner, method):
            mapped = getattr(aligner, method)(chunked(of))
            expected = getattr(aligner, method)(of)
            assert (mapped.shape, mapped.dtype) == (expected.shape, expected.dtype)
            assert_allclose(mapped.compute(), expected, rtol=1e-4, atol=1e-4)


def test_a_lazy_map_is_that_of_its_time():
    X, y = samples(CORALAligner()).values()
    aligner = RigidAligner().fit(X, y)
    mapped, expected = aligner.transform(chunked(X)), aligner.transform(X)
    aligner.fit(X, -y)
    assert_allclose(mapped.compute(), expected)


def test_one_target_is_predicted_as_one_dimension():
    X, y = samples(CORALAligner()).values()
    fitted = LinearAligner().fit(chunked(X), chunked(y[:, 0]))
    predicted = fitted.predict(chunked(X))
    assert predicted.shape == (240,)
    assert_allclose(predicted.compute(), LinearAligner().fit(X, y[:, 0]).predict(X))


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_dataframes_are_mapped_to_what_set_output_asks_for(container):
    X, y = samples(CORALAligner()).values()
    (X, lazy), (y, lazy_y) = frames(X), frames(y, "y")
    aligner = LinearAligner().set_output(transform=container)
    expected = aligner.fit(X, y).transform(X)
    for mapped in (
        aligner.transform(lazy),
        clone(aligner).fit_transform(lazy, lazy_y),
    ):
        if container == "pandas":
            assert list(mapped.columns) == [*["y0", "y1", "y2", "y3"]]
            assert mapped.divisions == lazy.divisions
            pd.testing.assert_frame_equal(mapped.compute(), expected)
        else:
            assert mapped.dtype == expected.dtype
            assert mapped.shape[1] == 4
            assert_allclose(mapped.compute(), expected)


def test_arrays_are_mapped_to_dataframes_if_asked_for():
    X, y = samples(CORALAligner()).values()
    aligner = LinearAligner().set_output(transform="pandas").fit(X, y)
    mapped = aligner.transform(chunked(X))
    pd.testing.assert_frame_equal(mapped.compute(), aligner.transform(X))


def test_other_containers_are_refused():
    class Lists:
        @lazy
        def transform(self, X):
            return X.tolist()

    with pytest.raises(ValueError, match="set_output asks for a builtins list"):
        Lists().transform(chunked(np.eye(3)))


def test_arrays_in_memory_are_cut_to_known_partitions():
    given = samples(PAIRED[0])
    whole = LinearAligner().fit(**given)
    fitted = LinearAligner().fit(**given | {"X": chunked(given["X"])})
    assert_allclose(fitted.coef_, whole.coef_, rtol=1e-10)
    sides = samples(CORALAligner())
    fitted = CORALAligner().fit(chunked(sides["X"]), sides["y"])
    assert_allclose(fitted.coef_, CORALAligner().fit(**sides).coef_, rtol=1e-10)


def test_sums_of_dask_are_merged_like_others():
    X, y = samples(CORALAligner()).values()
    aligner = LinearAligner(alpha=1.0)
    sums = aligner.collect(chunked(X[:100]), chunked(y[:100]))
    sums = sums.merge(aligner.collect(X[100:], y[100:]))
    assert_allclose(
        aligner.fit_sums(sums).coef_, clone(aligner).fit(X, y).coef_, rtol=1e-10
    )


def test_dask_samples_are_added_to_others():
    X, y = samples(CORALAligner()).values()
    whole = LinearAligner(alpha=1.0).fit(X, y)
    fitted = LinearAligner(alpha=1.0).partial_fit(X[:40], y[:40])
    fitted.partial_fit(chunked(X[40:]), chunked(y[40:]))
    assert_allclose(fitted.coef_, whole.coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="3 columns, but this LinearAligner has seen"):
        fitted.partial_fit(chunked(X[:, :3]), chunked(y))
    sides = CORALAligner().partial_fit(chunked(X)).partial_fit(y=chunked(y))
    assert_allclose(sides.coef_, CORALAligner().fit(X, y).coef_, rtol=1e-10)


def unread(*shape, chunks=50):
    """An array whose chunks cannot be computed."""

    def fail(block):
        raise AssertionError("a chunk was computed")

    zeros = da.zeros(shape, chunks=(chunks, *shape[1:]))
    return zeros.map_blocks(fail, meta=np.empty((0,) * len(shape)))


def test_what_cannot_work_is_refused_before_anything_is_read():
    X = unread(100, 4)
    fitted = LinearAligner().fit(*np.random.default_rng(0).normal(size=(2, 20, 4)))
    _, (_, frame) = frames(np.eye(4)), frames(np.eye(4))
    for call, error, message in (
        (lambda: LinearAligner().fit(X.rechunk((50, 2)), X), ValueError,
         r"X is chunked along its columns, in 2 chunks.*X\.rechunk\({1: -1}\)"),
        (lambda: fitted.transform(X.rechunk((50, 2))), ValueError, "along its columns"),
        (lambda: LinearAligner().fit(X, unread(100, 4, chunks=25)), ValueError,
         "equally many partitions.*got 2 of X, 4 of y"),
        (lambda: LinearAligner().fit(X, unread(99, 4)), ValueError,
         "Partition 1 has different numbers of samples: 50 of X, 49 of y"),
        (lambda: LinearAligner().fit(X, np.eye(4)), ValueError, "y has 4 entries.*100"),
        (lambda: LinearAligner().fit(frame, np.eye(4)), ValueError,
         "y is a ndarray, but the lengths of the partitions of X are unknown"),
        (lambda: LinearAligner(alpha="loo").fit(X, X), ValueError,
         "chunk by chunk: alpha='loo'.*needs all samples"),
        (lambda: CORALAligner().fit(X, unread(100, 3)), ValueError, "equal widths"),
        (lambda: CORALAligner().fit(X), ValueError, "no target samples"),
        (lambda: ClassMeanAligner().fit(X, X), ValueError, "pass labels"),
        (lambda: MomentAligner(trim=0.1).fit(X, X, labels=X[:, 0], target_labels=X[:, 0]
                                            ), ValueError, "all samples at once"),
        (lambda: fitted.transform(unread(100, 3)), ValueError, "X has 3 features"),
        (lambda: fitted.inverse_transform(unread(100, 3)), ValueError, "y has 3 col"),
        (lambda: LinearAligner().transform(X), ValueError, "not fitted"),
        (lambda: LinearAligner().fit(X, dask.delayed(np.eye)(4)), TypeError,
         "y is a Delayed of Dask"),
        (lambda: LinearAligner().fit(X[:, X[0] > 0], X), ValueError, "compute_chunk"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()


def test_names_are_compared_before_anything_is_read():
    frame, lazy = frames(np.random.default_rng(0).normal(size=(40, 4)))
    fitted = LinearAligner().fit(frame, frame)
    with pytest.raises(ValueError, match="should match those that were passed"):
        fitted.transform(lazy[["x1", "x0", "x2", "x3"]])
    with pytest.raises(ValueError, match="same columns in X and in y"):
        CORALAligner().fit(lazy, frames(frame.to_numpy(), "y")[1])


def test_partitions_are_named_when_they_are_wrong():
    X, y = samples(CORALAligner()).values()
    (_, lazy), (_, lazy_y) = frames(X), frames(y)
    short = lazy_y[lazy_y.x0 != y[100, 0]]
    with pytest.raises(ValueError, match=r"Partition 2 of X, y: .*\[48, 47\]"):
        LinearAligner().fit(lazy, short)
    wrong = X.copy()
    wrong[130, 2] = np.nan
    with pytest.raises(ValueError, match="Partition 2 of X, y: Input X contains NaN"):
        LinearAligner().fit(chunked(wrong), chunked(y))
    mapped = LinearAligner().fit(X, y).transform(chunked(wrong))
    assert_allclose(mapped[:100].shape, (100, 4))
    mapped[:100].compute()
    with pytest.raises(ValueError, match="Partition 2: Input X contains NaN"):
        mapped.compute()


def test_a_failed_fit_leaves_the_aligner_as_it_was():
    X, y = samples(CORALAligner()).values()
    aligner = LinearAligner().fit(X, y)
    before = dict(vars(aligner))
    with pytest.raises(ValueError, match="NaN"):
        aligner.fit(chunked(np.where(X[130, 2] == X, np.nan, X)), chunked(y))
    assert vars(aligner) == before
