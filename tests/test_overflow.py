"""Samples that are mapped beyond the largest number are refused."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context

import skalign
from skalign._aligner import AlignerMixin
from skalign._validation import within_range

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = 900 * X @ np.linalg.qr(RNG.normal(size=(3, 3)))[0] + RNG.normal(size=(60, 3))
LARGE = X / np.abs(X).sum()  # scikit-learn's own sum of a multiple is to be finite
ARGUMENTS = {
    "AnchorSearchCV": (
        skalign.LinearAligner(),
        [skalign.anchors.RandomAnchors()],
        [0.5],
    ),
    "StreamingSearchCV": (skalign.LinearAligner(), {"alpha": [0.1]}),
    "DomainAdapter": (skalign.CORALAligner(),),
    "DomainHarmonizer": (skalign.CORALAligner(),),
}
QUICK = {"random_state": 0, "max_epochs": 1, "n_restarts": 1, "n_starts": 1}


def aligners():
    for name in skalign.__all__:
        kind = getattr(skalign, name, None)  # some need an optional package
        if isinstance(kind, type) and issubclass(kind, AlignerMixin):
            yield kind


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", list(aligners()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_mapped_is_finite_or_refused(kind, dtype):
    aligner = kind(*ARGUMENTS.get(kind.__name__, ()))
    known = aligner.get_params().keys() & QUICK.keys()
    aligner.set_params(**{name: QUICK[name] for name in known})
    given = {}
    if isinstance(aligner, skalign.ClassMeanAligner):
        given = dict.fromkeys(("labels", "target_labels"), np.arange(60) % 4)
    aligner.fit(X.astype(dtype), Y.astype(dtype), **given)
    width = aligner.transform(X).shape[1]
    large = LARGE.astype(dtype) * np.finfo(dtype).max
    for method in ("transform", "predict", "transform_target", "inverse_transform"):
        if not hasattr(aligner, method):
            continue
        rows = np.tile(large, 2)[:, :width] if method == "inverse_transform" else large
        try:
            mapped = getattr(aligner, method)(rows)
        except ValueError as error:
            assert re.search("overflows float|too large", str(error))  # noqa: PT017
        else:
            assert np.isfinite(mapped).all()


@pytest.mark.parametrize(
    "aligner", [skalign.LinearAligner(), skalign.RigidAligner(scaling=True)]
)
def test_the_error_names_the_largest_value(aligner):
    aligner.fit(X, 900 * X)
    with pytest.raises(ValueError, match=r"overflows float64.* of 2e\+306\. Re"):
        aligner.transform(1e308 * LARGE)
    assert_allclose(aligner.transform(1e303 * LARGE), 9e305 * LARGE, rtol=1e-6)


def test_domains_are_treated_alike():
    domain = np.arange(60) % 2
    harmonizer = skalign.DomainHarmonizer(skalign.MeanVarianceAligner(), reference=0)
    harmonizer.fit(np.where(domain[:, None], X, 1e9 * X), sample_domain=domain)
    with pytest.raises(ValueError, match="The result overflows float64"):
        harmonizer.transform(1e300 * X, sample_domain=domain)


def test_sums_that_overflow_alone_do_no_harm():
    rows = np.full((10, 3), 1e308)
    assert (within_range(np.copy, rows) == rows).all()


def test_threads_do_not_hide_it():
    # NumPy sees no overflow that another thread of BLAS meets.
    aligner = skalign.LinearAligner().fit(X, 900 * X)
    rows = np.tile(X, (200, 1))
    rows[-1] = 1e308
    with pytest.raises(ValueError, match="The result overflows float64"):
        aligner.transform(rows)


def test_tensors_are_refused_too():
    torch = pytest.importorskip("torch")
    aligner = skalign.LinearAligner()
    with config_context(array_api_dispatch=True):
        aligner.fit(torch.tensor(X), torch.tensor(900 * X))
        with pytest.raises(ValueError, match="The result overflows float64"):
            aligner.transform(1e308 * torch.tensor(LARGE))
