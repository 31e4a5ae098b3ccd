"""Arrays of other libraries: the maps of NumPy, where the samples are."""

import os
import pickle
import re
from functools import cache
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils._array_api import move_estimator_to

import skalign
from skalign import (
    CanonicalAligner,
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    GeneralizedProcrustes,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RelativeRepresentation,
    RigidAligner,
)
from skalign.anchors import KMeansAnchors, RandomAnchors

strict = pytest.importorskip("array_api_strict")
if os.environ.get("SCIPY_ARRAY_API") != "1":
    pytest.skip("scipy is too old for array API dispatch", allow_module_level=True)

PAIRED = [
    LinearAligner(),
    LinearAligner(0.5, fit_intercept=False, rank=2),
    LinearAligner("loo"),
    LinearAligner(0.0, solver="svd"),
    LinearAligner(prior=RigidAligner()),
    LinearAligner(prior="identity"),
    RigidAligner(),
    RigidAligner(scaling=True, allow_reflection=False),
]
SIDES = [
    CORALAligner(),
    CORALAligner(0.0, solver="svd"),
    GaussianOTAligner(),
    MeanVarianceAligner(),
]
LABELLED = [
    ClassMeanAligner(),
    ClassMeanAligner(RigidAligner()),
    MomentAligner(n_restarts=2, random_state=0),
]
COMMON = [
    CanonicalAligner(),
    CanonicalAligner(2, shrinkage=0.1),
    *(
        RelativeRepresentation(RandomAnchors(6, random_state=0), similarity=similarity)
        for similarity in ("cosine", "euclidean", "rbf", "linear", "sqeuclidean")
    ),
    RelativeRepresentation(KMeansAnchors(6, random_state=0)),
]
FEW = {"space_sizes": [2, 4, 3], "max_iter": 2}
SPACES = [
    GeneralizedProcrustes(**FEW),
    GeneralizedProcrustes(**FEW, trim=0.1, allow_reflection=False),
    GeneralizedProcrustes(**FEW, kind="similarity", n_components=2),
    GeneralizedProcrustes(**FEW, kind="linear"),
]
ALIGNERS = [*PAIRED, *SIDES, *LABELLED, *COMMON]
STREAMING = [a for a in ALIGNERS if hasattr(a, "partial_fit")]
each = pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
every = pytest.mark.parametrize("aligner", [*ALIGNERS, *SPACES], ids=repr)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*may have failed:UserWarning"),
    pytest.mark.filterwarnings(
        "ignore:GeneralizedProcrustes did not converge in max_iter=2"
    ),
]
N = 120


@pytest.fixture(params=["torch", "array_api_strict"])
def make(request):
    """Return a function that makes an array of another library, on a device."""
    library = pytest.importorskip(request.param)
    device = library.Device("device1") if library is strict else "cpu"

    def make(array):
        return library.asarray(np.array(array), device=device)

    make.library = request.param
    with config_context(array_api_dispatch=True):
        yield make


def read(array):
    return np.from_dlpack(array)


def draw(dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.gamma([1.0, 2, 3, 4], size=(N, 4)) @ rng.normal(size=(4, 4)) + 5
    labels = np.arange(N) % 6
    X += rng.normal(size=(6, 4))[labels]
    y = X @ rng.normal(size=(4, 4)) + 0.1 * rng.normal(size=(N, 4)) - 2
    weight = rng.integers(0, 3, N).astype(float)
    return X.astype(dtype), y.astype(dtype), labels, weight


def arguments(aligner, dtype=np.float64):
    """Return the arguments of fit as arrays of NumPy."""
    X, y, labels, weight = draw(dtype)
    if aligner in LABELLED:
        return {"X": X, "y": y, "labels": labels, "target_labels": labels}
    if aligner in SIDES:
        return {"X": X, "y": y[::2]}
    if aligner in COMMON:
        return {"X": X, "y": y}
    if aligner in SPACES:
        X = np.c_[X[:, :2], y, 0.1 * y[:, 1:] + X[:, 1:]]
        X[:9, :2], X[5:20, 6:] = np.nan, np.nan
        return {"X": X}
    return {"X": X, "y": y, "sample_weight": weight}


def batches(given):
    for part in (slice(0, 50), slice(50, None)):
        yield {name: array[part] for name, array in given.items()}


def fitted(aligner, given, make):
    return clone(aligner).fit(**{name: make(array) for name, array in given.items()})


@cache
def of_numpy(aligner, dtype=np.float64):
    """The aligner, fitted once to arrays of NumPy; not to be changed."""
    return fitted(aligner, arguments(aligner, dtype), np.array)


_MADE = {}


def of_library(aligner, make, dtype=np.float64):
    """The aligner, fitted once to arrays of another library; not to be changed."""
    key = aligner, make.library, dtype
    if key not in _MADE:
        _MADE[key] = fitted(aligner, arguments(aligner, dtype), make)
    return _MADE[key]


@every
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_map_is_that_of_numpy_where_the_samples_are(aligner, dtype, make):
    given = arguments(aligner, dtype)
    expected, found = of_numpy(aligner, dtype), of_library(aligner, make, dtype)
    X, y = given["X"], given.get("y")
    like = make(X)
    tolerance = {"rtol": 1e-9 if dtype is np.float64 else 2e-3, "atol": 1e-9}
    if dtype is np.float32:
        tolerance["atol"] = 1e-3
    elif aligner.get_params().get("similarity") == "euclidean":
        tolerance["atol"] = 1e-6  # a root of what cancels
    calls = [("transform", X), ("transform_target", y)]
    calls += [("inverse_transform", expected.transform(X))]
    calls += [(name, X) for name in ("predict", "predict_std")]
    for name, rows in calls:
        if not hasattr(aligner, name):
            continue
        result, numbers = (getattr(a, name) for a in (found, expected))
        result, numbers = result(make(rows)), numbers(rows)
        assert type(result) is type(like)
        assert result.device == like.device
        assert read(result).dtype == numbers.dtype
        assert_allclose(read(result), numbers, **tolerance)
    for name, value in vars(expected).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert vars(found)[name].device == like.device, name
    if hasattr(aligner, "score"):
        sides = [X] if y is None else [X, y]
        score = found.score(*map(make, sides))
        assert type(score) is float
        assert_allclose(score, expected.score(*sides), rtol=1e-5)
        if y is not None:  # the other side may be of NumPy
            assert_allclose(found.score(make(X), y), score, rtol=1e-12)


@pytest.mark.parametrize("aligner", SPACES, ids=repr)
def test_maps_between_spaces_are_those_of_numpy(aligner, make):
    X = arguments(aligner)["X"]
    spaces = np.split(X, [2, 6], axis=1)
    expected = clone(aligner).set_params(space_sizes=None).fit_spaces(spaces)
    found = clone(aligner).fit_spaces([make(rows) for rows in spaces])
    assert found.consensus_.device == make(X).device
    whole = spaces[1]
    fifth = whole[:, ::-1] + whole
    for added, consensus in ((expected, expected.transform(X)), (found, None)):
        moved = np.array if added is expected else make
        added.add_space(moved(spaces[2] * 2))
        consensus = make(expected.transform(X)) if consensus is None else consensus
        added.add_space(moved(fifth), consensus=consensus)
    for method, rows, numbers in (
        ("to_consensus", whole, [1]),
        ("to_consensus", fifth, [4]),
        ("from_consensus", expected.transform(X), [3]),
        ("translate", whole, [1, 2]),
    ):
        result = getattr(found, method)(make(rows), *numbers)
        assert result.device == make(rows).device
        right = getattr(expected, method)(rows, *numbers)
        assert_allclose(read(result), right, rtol=1e-8, atol=1e-8)
    weight = np.arange(N) % 3
    scores = found.space_scores(make(X), make(weight))
    assert_allclose(scores, expected.space_scores(X, weight), rtol=1e-8)


def test_spaces_on_two_devices_are_refused():
    X = arguments(SPACES[0])["X"]
    spaces = [strict.asarray(X, device=strict.Device(f"device{k}")) for k in (1, 2)]
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ValueError, match=r"but space 1 is on .*device2"),
    ):
        GeneralizedProcrustes().fit_spaces(spaces)


@pytest.mark.parametrize("aligner", STREAMING, ids=repr)
def test_batches_add_up_to_the_map_of_numpy(aligner, make):
    given = arguments(aligner)
    expected, found = clone(aligner), clone(aligner)
    parts = []
    for batch in batches(given):
        expected.partial_fit(**batch)
        moved = {name: make(array) for name, array in batch.items()}
        found.partial_fit(**moved)
        parts.append(clone(aligner).partial_fit(**moved))
    merged = parts[0].merge(parts[1])
    X = given["X"]
    for one in (found, merged):
        result = one.transform(make(X))
        assert result.device == make(X).device
        assert_allclose(read(result), expected.transform(X), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("aligner", STREAMING, ids=repr)
def test_sums_are_arrays_of_numpy_from_any_library(aligner, make):
    given = arguments(aligner)
    sums = aligner.collect(**{name: make(array) for name, array in given.items()})
    expected = aligner.collect(**given).to_dict()
    for name, value in sums.to_dict().items():
        assert type(value) is np.ndarray
        if value.dtype.kind == "f":
            assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9)
    mapped = clone(aligner).fit_sums(sums).transform(given["X"])
    assert type(mapped) is np.ndarray


@every
def test_a_fitted_map_is_copied_moved_and_stored(aligner, make, tmp_path):
    given = arguments(aligner)
    found = of_library(aligner, make)
    X = make(given["X"])
    again = pickle.loads(pickle.dumps(found))
    assert_allclose(read(again.transform(X)), read(found.transform(X)), rtol=1e-12)
    skalign.save(move_estimator_to(found, np, "cpu"), tmp_path / "map.skops")
    on_cpu = skalign.load(tmp_path / "map.skops")
    expected = of_numpy(aligner).transform(given["X"])
    assert_allclose(on_cpu.transform(given["X"]), expected, rtol=1e-7, atol=1e-7)
    assert clone(found).get_params().keys() == aligner.get_params().keys()


@every
def test_samples_elsewhere_than_those_of_fit_are_refused(aligner, make):
    given = arguments(aligner)
    found = of_library(aligner, make)
    for name in ("transform", "inverse_transform"):
        if hasattr(found, name):
            message = (
                rf"{type(aligner).__name__}.{name}\(\) must use the same namespace"
            )
            with pytest.raises(ValueError, match=message):
                getattr(found, name)(given["X"])
    with (
        config_context(array_api_dispatch=False),
        pytest.raises(ValueError, match=r"was fitted on arrays of .* enable it"),
    ):
        found.transform(given["X"])


@each
def test_sides_on_two_devices_are_refused(aligner):
    given = arguments(aligner)
    X = strict.asarray(given.pop("X"), device=strict.Device("device1"))
    y = strict.asarray(given.pop("y"), device=strict.Device("device2"))
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ValueError, match=r"X is on .*device1.* but y is on .*device2"),
    ):
        clone(aligner).fit(X, y, **given)


@each
def test_a_target_of_another_library_follows_the_source(aligner, make):
    given = arguments(aligner)
    expected = of_numpy(aligner)
    X = make(given["X"])
    found = clone(aligner).fit(**(given | {"X": X}))
    result = read(found.transform(X))
    assert_allclose(result, expected.transform(given["X"]), rtol=1e-7, atol=1e-7)


@every
@pytest.mark.parametrize("dispatch", [False, True])
def test_tensors_that_require_gradients_are_refused(aligner, dispatch):
    torch = pytest.importorskip("torch")
    given = arguments(aligner)
    X = torch.asarray(given.pop("X"), requires_grad=True)
    with (
        config_context(array_api_dispatch=dispatch),
        pytest.raises(ValueError, match=r"X requires gradients: pass X\.detach"),
    ):
        clone(aligner).fit(X, **given)


@every
def test_without_dispatch_tensors_are_read_by_numpy(aligner):
    torch = pytest.importorskip("torch")
    given = arguments(aligner)
    found, expected = fitted(aligner, given, torch.asarray), of_numpy(aligner)
    result = found.transform(torch.asarray(given["X"]))
    assert type(result) is np.ndarray
    assert_allclose(result, expected.transform(given["X"]), rtol=1e-12)


@every
def test_without_dispatch_arrays_on_a_device_are_refused(aligner):
    given = arguments(aligner)
    X = strict.asarray(given.pop("X"), device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"cannot read X.*device1.*array_api_dispatch"):
        clone(aligner).fit(X, **given)


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1j])
def test_bad_values_are_refused(dispatch, value):
    X, y, *_ = draw()
    X = X.astype(type(value))
    X[3, 1] = value
    torch = pytest.importorskip("torch")
    with (
        config_context(array_api_dispatch=dispatch),
        pytest.raises(ValueError, match=r"Complex data|NaN|infinity"),
    ):
        LinearAligner().fit(torch.asarray(X), torch.asarray(y))


@pytest.mark.parametrize(
    "aligner",
    [
        skalign.AnchoredAligner(selector=RandomAnchors(20, random_state=0)),
        skalign.ICPAligner(init="means"),
        skalign.OptimalTransportAligner(),
        skalign.StreamingSearchCV(LinearAligner(), {"alpha": [0.1, 10.0]}, cv=2),
        skalign.SubspaceAligner(2),
    ],
    ids=repr,
)
def test_other_aligners_compute_on_the_cpu(aligner, make):
    assert not get_tags(aligner).array_api_support
    X, y, labels, _ = draw()
    given = (
        {"labels": labels, "target_labels": labels} if "init" in vars(aligner) else {}
    )
    expected = clone(aligner).fit(X, y, **given)
    found = clone(aligner).fit(make(X), make(y), **given)
    mapped = found.transform(make(X))
    assert type(mapped) is np.ndarray
    assert_allclose(mapped, expected.transform(X), rtol=1e-6, atol=1e-6)
    if hasattr(aligner, "score"):
        assert_allclose(found.score(make(X), make(y)), expected.score(X, y), rtol=1e-6)


def test_a_column_that_was_stored_in_half_precision_is_seen(make):
    X, y, *_ = draw()
    X = X.astype(np.float16).astype(np.float64)
    X = np.c_[X, 3 + 0.1 * X[:, :1].astype(np.float16)]
    given = {"X": X, "y": y}
    expected, found = (fitted(RigidAligner(), given, m) for m in (np.array, make))
    assert found.determined_rank_ == expected.determined_rank_


def test_the_user_guide_lists_the_estimators_whose_tags_say_so():
    page = Path(__file__).parents[1] / "docs" / "user_guide" / "gpu.md"
    if not page.exists():
        pytest.skip("the documentation is not there")
    (row,) = re.findall(r"^\| Estimators \| (.*) \|$", page.read_text(), re.MULTILINE)
    listed = re.findall(r"~skalign\.(\w+)", row)
    assert listed == sorted(listed)
    found = set()
    for name in skalign.__all__:
        cls = getattr(skalign, name, None)
        if isinstance(cls, type) and issubclass(cls, BaseEstimator):
            parameters = signature(cls).parameters.values()
            whole = all(p.default is not p.empty for p in parameters)  # wraps no other
            if whole and get_tags(cls()).array_api_support:
                found.add(name)
    assert set(listed) == found
