"""Metrics and scores of Dask arrays and dataframes, from sums over their chunks."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skalign import LinearAligner
from skalign.metrics import (
    cka,
    coral_distance,
    frechet_distance,
    gaussian_wasserstein_distance,
    rv_coefficient,
)

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

SPREADS = [coral_distance, frechet_distance, gaussian_wasserstein_distance]


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def chunked(array, rows=50):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def samples(n=230, d=4, k=3):
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(n, d)) * [1, 2, 3, 4] + 100
    return X, X @ rng.normal(size=(d, k)) + rng.normal(size=(n, k))


@pytest.mark.parametrize("metric", SPREADS)
def test_distances_of_spreads_equal_those_in_memory(metric):
    X, Y = samples(k=4)
    Y = Y[:170]
    weight = np.random.default_rng(1).integers(0, 3, 230).astype(float)
    weight[:60] = 0  # a chunk without weight
    assert_allclose(metric(chunked(X), chunked(Y, 40)), metric(X, Y), rtol=1e-10)
    assert_allclose(metric(chunked(X), Y), metric(X, Y), rtol=1e-10)
    assert_allclose(
        metric(chunked(X), Y, X_weight=chunked(weight)),
        metric(X, Y, X_weight=weight),
        rtol=1e-10,
    )
    frames = [pd.DataFrame(rows, columns=[*"abcd"]) for rows in (X, Y)]
    lazy = [dd.from_pandas(frame, npartitions=3) for frame in frames]
    assert_allclose(metric(*lazy), metric(X, Y), rtol=1e-10)


@pytest.mark.parametrize("metric", [cka, rv_coefficient])
def test_similarities_equal_those_in_memory(metric):
    X, Y = samples()
    X[:, 1] = 7  # constant
    assert_allclose(metric(chunked(X), chunked(Y)), metric(X, Y), rtol=1e-10)
    assert_allclose(metric(chunked(X), Y), metric(X, Y), rtol=1e-10)
    assert metric(chunked(np.ones((60, 2))), chunked(Y[:60])) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_equal_those_in_memory(weighted):
    X, Y = samples()
    Y[:, 1] = 3  # constant
    aligner = LinearAligner(alpha=1.0).fit(X, Y)
    weight = np.arange(230) % 3 if weighted else None
    lazy = chunked(weight) if weighted else None
    expected = aligner.score(X, Y, sample_weight=weight)
    assert_allclose(aligner.score(chunked(X), chunked(Y), lazy), expected, rtol=1e-10)
    one = LinearAligner().fit(X, Y[:, 0])
    assert_allclose(
        one.score(chunked(X), chunked(Y[:, 0])), one.score(X, Y[:, 0]), rtol=1e-10
    )


def test_what_is_wrong_is_named():
    X, Y = samples(k=4)
    wrong = X.copy()
    wrong[60, 0] = np.nan
    aligner = LinearAligner().fit(X, Y)
    swapped = pd.DataFrame(X, columns=[*"bacd"])
    named = pd.DataFrame(X, columns=[*"abcd"])
    for call, message in (
        (lambda: coral_distance(chunked(X), chunked(X[:, :3])), "4 features, but Y"),
        (lambda: coral_distance(chunked(wrong), Y), "Chunk 1: Input X contains NaN"),
        (lambda: coral_distance(chunked(X[:1]), Y), "at least 2 samples per set"),
        (lambda: coral_distance(chunked(X), Y, X_weight=np.zeros(230)), "positive"),
        (lambda: coral_distance(dd.from_pandas(named, 2), dd.from_pandas(swapped, 2)),
         "different order"),
        (lambda: cka(chunked(X), chunked(Y, 40)), "equally many partitions"),
        (lambda: cka(chunked(wrong), Y), "Chunk 1: Input X contains NaN"),
        (lambda: cka(dd.from_pandas(named, 2), dd.from_pandas(swapped[3:], 2)),
         r"Chunk \d: X has 115 samples, but Y has 11"),
        (lambda: aligner.score(chunked(X), chunked(Y, 40)), "equally many partitions"),
        (lambda: aligner.score(chunked(wrong), chunked(Y)), "Partition 1: .*NaN"),
        (lambda: aligner.score(chunked(X), chunked(Y[:, :2])), "y has shape"),
        (lambda: aligner.score(chunked(X[:1]), chunked(Y[:1])), "at least 2 samples"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
