"""DomainHarmonizer on samples of Dask."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    DomainHarmonizer,
    LinearAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
)

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def domains(n=300):
    """Samples of six classes in three domains, one of them in the first half only."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, n)
    centres = np.vstack([6 * np.eye(3), -5 * np.eye(3)])
    X = rng.normal(size=(n, 3)) + centres[labels]
    domain = rng.choice(["b", "c"], n)
    domain[: n // 2 : 3] = "a"
    X[domain == "b"] = X[domain == "b"] * [1, 2, 3] + 5
    return X, labels, domain


def chunked(array, rows=70):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


@pytest.mark.parametrize("reference", ["pooled", "b"])
@pytest.mark.parametrize(
    "aligner", [CORALAligner(), MeanVarianceAligner(), ClassMeanAligner()], ids=repr
)
def test_arrays_are_harmonized_as_in_memory(aligner, reference):
    X, labels, domain = domains()
    whole = DomainHarmonizer(aligner, reference=reference)
    expected = whole.fit_transform(X, labels, sample_domain=domain)
    fitted = DomainHarmonizer(aligner, reference=reference)
    fitted.fit(chunked(X), chunked(labels), sample_domain=chunked(domain))
    mapped = fitted.transform(chunked(X), sample_domain=chunked(domain))
    assert mapped.shape == expected.shape
    assert_allclose(mapped.compute(), expected, rtol=1e-10, atol=1e-10)
    assert_array_equal(fitted.domains_, whole.domains_)
    mapped = fitted.fit_transform(chunked(X), labels, sample_domain=domain)
    assert_allclose(mapped.compute(), expected, rtol=1e-10, atol=1e-10)


def test_dataframes_are_harmonized_as_in_memory():
    X, _, domain = domains()
    frame = pd.DataFrame(X, columns=[*"xyz"])
    lazy = dd.from_pandas(frame.assign(domain=domain), npartitions=4)
    lazy = lazy[lazy.x > 0]  # of unknown lengths
    kept = frame.x > 0
    harmonizer = DomainHarmonizer(CORALAligner()).set_output(transform="pandas")
    expected = harmonizer.fit_transform(frame[kept], sample_domain=domain[kept])
    mapped = harmonizer.fit_transform(lazy[[*"xyz"]], sample_domain=lazy.domain)
    pd.testing.assert_frame_equal(mapped.compute(), expected)
    assert_array_equal(harmonizer.feature_names_in_, [*"xyz"])


def test_without_domains_samples_stay():
    X, _, _ = domains()
    harmonizer = DomainHarmonizer(CORALAligner())
    with pytest.warns(UserWarning, match="leaves all samples unchanged"):
        harmonizer.fit(chunked(X))
    assert_array_equal(harmonizer.transform(chunked(X)).compute(), X)


def test_what_cannot_be_harmonized_is_named():
    X, labels, domain = domains()
    lazy, of = chunked(X), {"sample_domain": chunked(domain)}
    single = np.where(np.arange(300) == 5, "d", domain)
    fitted = DomainHarmonizer(CORALAligner()).fit(lazy, **of)
    strange = chunked(np.where(np.arange(300) == 150, "q", domain))
    below = chunked(np.where(domain == "a", -1, 1))
    wrong = X.copy()
    wrong[100] = np.nan
    for call, message in (
        (lambda: DomainHarmonizer(LinearAligner()).fit(lazy, **of), "requires pairs"),
        (lambda: DomainHarmonizer(OptimalTransportAligner()).fit(lazy, **of),
         "OptimalTransportAligner.* needs all samples at once"),
        (lambda: DomainHarmonizer(CORALAligner()).fit(
            lazy, sample_domain=chunked(domain, 60)), "Partition 0 has different"),
        (lambda: DomainHarmonizer(CORALAligner()).fit(
            lazy, sample_domain=chunked(single)), "Domain 'd' has 1 sample"),
        (lambda: DomainHarmonizer(CORALAligner(), reference="z").fit(lazy, **of),
         "reference='z' must be"),
        (lambda: DomainHarmonizer(CORALAligner()).fit(chunked(wrong), **of),
         "Partition 1: Input X contains NaN"),
        (lambda: DomainHarmonizer(ClassMeanAligner()).fit(
            lazy, chunked(labels), sample_domain=below), "domains below 0 have none"),
        (lambda: fitted.transform(lazy), "sample_domain is required"),
        (lambda: fitted.transform(lazy, sample_domain=strange).compute(),
         r"Partition 2: .*\['q'\] that were not seen"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
