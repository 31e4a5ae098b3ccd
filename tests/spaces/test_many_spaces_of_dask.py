"""GeneralizedProcrustes on samples of Dask."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign import GeneralizedProcrustes
from skalign.moments import Moments, Spectrum

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

SIZES = [4, 5, 4]


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def spaces(n=200):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n, 4)) * [1, 2, 3, 4]
    made = [Z @ rng.normal(size=(4, k)) + 7 for k in SIZES]
    return [of + 0.3 * rng.normal(size=of.shape) for of in made]


def chunked(array, rows=60):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


@pytest.mark.parametrize("kind", ["orthogonal", "similarity", "linear"])
def test_the_maps_are_those_of_all_samples(kind):
    X = np.hstack(spaces())
    whole = GeneralizedProcrustes(SIZES, kind=kind).fit(X)
    fitted = GeneralizedProcrustes(SIZES, kind=kind).fit(chunked(X))
    expected, mapped = whole.transform(X), fitted.transform(chunked(X))
    assert mapped.shape == expected.shape
    mapped = mapped.compute()
    signs = np.sign(np.sum(mapped * expected, axis=0))
    assert_allclose(mapped * signs, expected, rtol=1e-10, atol=1e-10)
    assert_allclose(fitted.objective_, whole.objective_, rtol=1e-10)
    assert (fitted.n_iter_, fitted.determined_rank_) == (
        whole.n_iter_,
        whole.determined_rank_,
    )
    first = spaces()[0]
    translated = fitted.translate(chunked(first), 0, 1)
    assert translated.shape == (200, 5)
    assert_allclose(translated.compute(), whole.translate(first, 0, 1), rtol=1e-8)
    back = fitted.inverse_transform(chunked(mapped))
    assert_allclose(back.compute(), whole.inverse_transform(expected), rtol=1e-8)


def test_dataframes_keep_names():
    frame = pd.DataFrame(np.hstack(spaces()), columns=[f"x{i}" for i in range(13)])
    fitted = GeneralizedProcrustes(SIZES).fit(dd.from_pandas(frame, npartitions=3))
    whole = GeneralizedProcrustes(SIZES).fit(frame)
    assert_array_equal(fitted.feature_names_in_, whole.feature_names_in_)
    named = frame.iloc[:, :4]
    assert_allclose(
        fitted.translate(named, 0, 1), whole.translate(named, 0, 1), rtol=1e-8
    )


def test_a_space_is_added_by_its_consensus():
    X = np.hstack(spaces())
    fitted = GeneralizedProcrustes(SIZES).fit(chunked(X))
    assert fitted.consensus_ is None
    assert fitted.inlier_mask_ is None
    with pytest.raises(ValueError, match="samples of fit were of Dask"):
        fitted.add_space(X[:, :4])
    fitted.add_space(X[:, :4], consensus=fitted.transform(X))
    whole = GeneralizedProcrustes(SIZES).fit(X)
    whole.add_space(X[:, :4], consensus=whole.transform(X))
    assert_allclose(
        fitted.translate(X[:, :4], 3, 1), whole.translate(X[:, :4], 3, 1), rtol=1e-8
    )


def test_what_cannot_be_fitted_is_refused():
    X = np.hstack(spaces())
    missing = X.copy()
    missing[70, :4] = np.nan
    for aligner, samples, message in (
        (GeneralizedProcrustes(SIZES), missing, "Partition 1: Input X contains NaN"),
        (GeneralizedProcrustes(SIZES, trim=0.1), X, "needs all samples at once"),
        (GeneralizedProcrustes([4, 4]), X, "sum to 8, but X has 13"),
        (GeneralizedProcrustes(SIZES), X[:1], "1 sample; at least 2"),
    ):
        with pytest.raises(ValueError, match=message):
            aligner.fit(chunked(samples))


@pytest.mark.parametrize("rank", [0, 2, 3])
def test_few_samples_have_the_mean_and_covariance_of_many(rank):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, rank)) @ rng.normal(size=(rank, 3)) + 1000
    rows = Spectrum.from_moments(Moments.from_arrays(X), ddof=0).sample()
    assert len(rows) == 2 * max(rank, 1)
    assert_allclose(rows.mean(axis=0), X.mean(axis=0))
    assert_allclose(np.cov(rows.T, ddof=0), np.cov(X.T, ddof=0), atol=1e-9)
