"""Maps in other runtimes: ONNX graphs, and modules of torch."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skalign
from skalign import (
    AlignedRetriever,
    AnchoredAligner,
    AnchorSearchCV,
    CanonicalAligner,
    ClassMeanAligner,
    CORALAligner,
    DomainAdapter,
    DomainHarmonizer,
    GaussianOTAligner,
    GeneralizedProcrustes,
    ICPAligner,
    KernelAligner,
    LabeledOnly,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    RelativeRepresentation,
    RigidAligner,
    RobustAligner,
    StreamingSearchCV,
    StyleContentSplitter,
    SubspaceAligner,
    TransferComponentAligner,
    WassersteinProcrustesAligner,
)
from skalign.anchors import KMeansAnchors, RandomAnchors

ONNX = all(importlib.util.find_spec(name) for name in ("skl2onnx", "onnxruntime"))
TORCH = all(importlib.util.find_spec(name) for name in ("torch", "skorch"))

rng = np.random.default_rng(0)
X = rng.gamma(2.0, size=(60, 4)) + [0, 5, -3, 100]
Y = 3 * np.tanh((X - X.mean(axis=0)) @ rng.normal(size=(4, 3)) / 2) + 50
SAME = 2 * X[:, [1, 0, 3, 2]] + rng.normal(size=X.shape)
CLASSES = np.arange(60) % 5
LABELS = {"labels": CLASSES, "target_labels": CLASSES}
NEW = np.concatenate([X[:7], rng.normal(size=(5, 4)) * 20, np.zeros((1, 4))])
SHORT = {"max_iter": 3, "random_state": 0}

PAIRED = [
    LinearAligner(),
    LinearAligner(fit_intercept=False),
    LinearAligner(rank=1),
    RigidAligner(scaling=True),
    KernelAligner(random_state=0),
    KernelAligner(gamma=0.5, random_state=0),
    CanonicalAligner(),
    AnchoredAligner(selector=RandomAnchors(20, random_state=0)),
    RobustAligner(random_state=0),
    AnchoredAligner(
        make_pipeline(StandardScaler(), LinearAligner()),
        RandomAnchors(20, random_state=0),
    ),
    AnchorSearchCV(LinearAligner(), [KMeansAnchors()], [10, 20], cv=2),
    StreamingSearchCV(LinearAligner(), {"alpha": [0.1, 1.0]}, cv=2),
    *(
        RelativeRepresentation(RandomAnchors(9, random_state=0), similarity=similarity)
        for similarity in ("cosine", "euclidean", "l2", "linear", "rbf")
    ),
]
UNPAIRED = [
    CORALAligner(),
    GaussianOTAligner(),
    MeanVarianceAligner(),
    SubspaceAligner(n_components=2),
    TransferComponentAligner(n_components=2),
    TransferComponentAligner(kernel="rbf", gamma=0.01),
    ICPAligner(init="identity", **SHORT),
    WassersteinProcrustesAligner(n_restarts=2, **SHORT),
    DomainAdapter(CORALAligner(), direction="target_to_source"),
    DomainAdapter(CORALAligner(), direction="source_to_target"),
]
LABELED = [
    ClassMeanAligner(),
    MomentAligner(n_restarts=2, random_state=0),
    ICPAligner(**SHORT),  # some directions are not determined
]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*may have failed:UserWarning"),
    pytest.mark.filterwarnings("ignore:RobustAligner cannot distinguish:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*need scaling:UserWarning"),
    pytest.mark.filterwarnings("ignore:X is unlike the target samples:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def fitted(estimator):
    estimator = sklearn.clone(estimator)
    if isinstance(estimator, DomainAdapter):
        return estimator.fit(X, CLASSES, X_target=SAME)
    if any(repr(estimator) == repr(one) for one in LABELED):
        return estimator.fit(X, SAME, **LABELS)
    paired = any(type(estimator) is type(one) for one in PAIRED)
    return estimator.fit(X, Y if paired else SAME)


MAPS = [
    *PAIRED,
    *UNPAIRED,
    *LABELED,
    make_pipeline(StandardScaler(), LinearAligner()),
    make_pipeline(FrozenEstimator(StandardScaler().fit(X)), KernelAligner()),
    make_pipeline(
        StandardScaler(with_mean=False),
        make_pipeline(CanonicalAligner(), FrozenEstimator(RigidAligner().fit(Y, Y))),
    ),
]
every_map = pytest.mark.parametrize("estimator", MAPS, ids=lambda e: repr(e)[:60])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def fit_any(estimator):
    if hasattr(estimator, "steps"):
        return sklearn.clone(estimator).fit(X, Y)
    return fitted(estimator)


def run_onnx(model, rows):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"X": rows})


def to_onnx(*args, **kwargs):
    pytest.importorskip("skl2onnx")
    return skalign.to_onnx(*args, **kwargs)


def to_torch(estimator):
    pytest.importorskip("torch")
    pytest.importorskip("skorch")
    return skalign.to_torch(estimator)


def check(found, expected):
    tolerance = {4: 1e-5, 8: 1e-10}[expected.dtype.itemsize]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


# ---------------------------------------------------------------------------- ONNX
@every_dtype
@every_map
def test_onnx_returns_what_transform_does(estimator, dtype):
    estimator = fit_any(estimator)
    rows = NEW.astype(dtype)
    (found,) = run_onnx(to_onnx(estimator, rows), rows)
    check(found, estimator.transform(rows))


def test_a_map_fitted_in_float32_is_converted():
    aligner = KernelAligner(random_state=0).fit(X.astype("f4"), Y.astype("f4"))
    rows = NEW.astype("f4")
    (found,) = run_onnx(to_onnx(aligner, rows), rows)
    check(found, aligner.transform(rows))


def test_the_correction_of_a_kernel_map_is_converted():
    # One of those above has none.
    aligner = fitted(KernelAligner(gamma=0.5, random_state=0))
    assert len(aligner.landmarks_)
    linear = aligner.linear_.transform(NEW)
    assert np.abs(aligner.transform(NEW) - linear).max() > 0.01


def test_one_of_the_maps_has_directions_that_are_not_determined():
    assert isinstance(fitted(LABELED[-1]).aligner_, Pipeline)


def test_spaces_are_mapped_to_their_consensus():
    spaces = GeneralizedProcrustes(space_sizes=[2, 2], kind="linear").fit(X)
    rows = NEW.astype("f4")
    (found,) = run_onnx(to_onnx(spaces, rows), rows)
    check(found, spaces.transform(rows))


@every_dtype
def test_a_scaler_a_map_and_a_frozen_head_are_converted(dtype):
    head = make_pipeline(StandardScaler(), LogisticRegression()).fit(Y, CLASSES)
    head = FrozenEstimator(FrozenEstimator(head))
    pipeline = make_pipeline(StandardScaler(), LinearAligner(), head).fit(X, Y)
    rows = NEW.astype(dtype)
    labels, probabilities = run_onnx(to_onnx(pipeline, rows), rows)
    assert_allclose(probabilities, pipeline.predict_proba(rows), atol=1e-5)
    assert (labels == pipeline.predict(rows)).all()


def test_skl2onnx_converts_what_is_registered():
    skl2onnx = pytest.importorskip("skl2onnx")
    skalign.register_onnx_converters()
    head = FrozenEstimator(LogisticRegression().fit(Y, CLASSES))
    pipeline = make_pipeline(StandardScaler(), KernelAligner(), head).fit(X, Y)
    options = {id(head.estimator): {"zipmap": False}}
    model = skl2onnx.to_onnx(pipeline, NEW[:1], options=options)
    _, found = run_onnx(model, NEW)
    assert_allclose(found, pipeline.predict_proba(NEW), atol=1e-5)


@pytest.mark.services
def test_converters_are_registered_before_a_class_is_used():
    pytest.importorskip("skl2onnx")
    code = """
import sys, numpy as np, skl2onnx, skalign
skalign.register_onnx_converters()
assert "torch" not in sys.modules
X = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
for estimator in (skalign.LinearAligner(), skalign.CORALAligner()):
    skl2onnx.to_onnx(estimator.fit(X, X), X[:1])
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_pipeline_with_adaptation_is_converted():
    adapted = DomainAdapter(CORALAligner(), direction="target_to_source")
    head = LabeledOnly(LogisticRegression(max_iter=500))
    with sklearn.config_context(enable_metadata_routing=True):
        adapted.set_fit_request(X_target=True)
        pipeline = make_pipeline(StandardScaler(), adapted, head)
        pipeline.fit(X, CLASSES, X_target=StandardScaler().fit_transform(SAME))
        expected = pipeline.predict_proba(NEW)
    _, found = run_onnx(to_onnx(pipeline, NEW), NEW)
    assert_allclose(found, expected, atol=1e-5)


def test_the_version_of_operators_is_chosen():
    aligner = fitted(KernelAligner(gamma=0.5, random_state=0))
    model = to_onnx(aligner, NEW, target_opset=18)
    assert model.opset_import[0].version <= 18
    check(run_onnx(model, NEW)[0], aligner.transform(NEW))
    for version in (17, 10**6):
        with pytest.raises(ValueError, match=f"target_opset={version} must be from 18"):
            to_onnx(aligner, NEW, target_opset=version)


REFUSED = [
    (
        lambda: OptimalTransportAligner().fit(X, SAME),
        "OptimalTransportAligner cannot be",
    ),
    (lambda: AlignedRetriever().fit(X, Y), "AlignedRetriever cannot be converted"),
    (lambda: StyleContentSplitter().fit(X), "StyleContentSplitter cannot be converted"),
    (
        lambda: DomainHarmonizer(CORALAligner()).fit(X, sample_domain=CLASSES),
        "DomainHarmonizer cannot be converted",
    ),
    (
        lambda: DomainAdapter(SubspaceAligner(n_components=2)).fit(
            X, CLASSES, X_target=SAME
        ),
        "moves target samples to a common space",
    ),
    (
        lambda: RelativeRepresentation(similarity="manhattan").fit(X, Y),
        "similarity='manhattan' cannot be converted; 'cosine'",
    ),
]


@pytest.mark.parametrize(("fit", "message"), REFUSED)
def test_what_is_not_converted_says_why(fit, message):
    estimator = fit()
    with pytest.raises(TypeError, match=message):
        to_onnx(estimator, X)
    with pytest.raises(TypeError, match=message):
        to_torch(estimator)
    with pytest.raises(TypeError, match=message):
        to_onnx(make_pipeline(FrozenEstimator(StandardScaler().fit(X)), estimator), X)


def test_samples_that_do_not_fit_are_refused():
    aligner = fitted(LinearAligner())
    with pytest.raises(ValueError, match="X has 3 features, but LinearAligner is"):
        to_onnx(aligner, X[:, :3])
    with pytest.raises(NotFittedError):
        to_onnx(LinearAligner(), X)
    with pytest.raises(NotFittedError):
        to_torch(LinearAligner())


def test_without_skl2onnx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    said = r"pip install 'skalign\[export\]'"
    with pytest.raises(ImportError, match=f"to_onnx needs skl2onnx .*{said}"):
        skalign.to_onnx(fitted(LinearAligner()), X)
    with pytest.raises(ImportError, match=f"register_onnx_converters needs .*{said}"):
        skalign.register_onnx_converters()


# --------------------------------------------------------------------------- torch
@every_dtype
@every_map
def test_torch_returns_what_transform_does(estimator, dtype):
    module = to_torch(estimator := fit_any(estimator))
    import torch

    rows = NEW.astype(dtype)
    check(module(torch.from_numpy(rows)).numpy(), estimator.transform(rows))


@pytest.mark.parametrize("name", ["StitchingRegressor", "ContrastiveAligner"])
def test_networks_become_modules_of_their_own(name):
    pytest.importorskip("skorch")
    import torch

    aligner = getattr(skalign, name)(max_epochs=2, random_state=0, device="cpu")
    aligner.fit(X, Y)
    module = to_torch(aligner)
    rows = NEW.astype(np.float32)
    expected = aligner.transform(rows)
    check(module(torch.from_numpy(rows)).numpy(), expected)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    check(aligner.transform(rows), expected)  # the net is not shared
    with pytest.raises(TypeError, match=r"pass skalign\.to_torch\(estimator\) to"):
        to_onnx(aligner, rows)


def test_a_module_is_moved_stored_and_derived(tmp_path):
    aligner = fitted(KernelAligner(gamma=0.5, random_state=0))
    module = to_torch(aligner)
    import torch

    assert not module.training
    restored = to_torch(fitted(KernelAligner(gamma=0.5, random_state=0)))
    restored.load_state_dict(module.state_dict())
    rows = torch.from_numpy(NEW).requires_grad_()
    assert torch.autograd.gradcheck(module, rows[:2].detach().requires_grad_())
    half = module.to(torch.float32)
    found = half(rows.float()).detach().numpy()
    assert_allclose(found, aligner.transform(NEW), rtol=1e-4)


def test_torch_skips_steps_that_pass_samples_through():
    pipeline = make_pipeline("passthrough", LinearAligner()).fit(X, Y)
    import torch

    found = to_torch(pipeline)(torch.from_numpy(NEW)).numpy()
    check(found, pipeline.transform(NEW))


def test_torch_refuses_other_steps_of_a_pipeline():
    pipeline = make_pipeline(PCA(2), LinearAligner()).fit(X, Y)
    with pytest.raises(TypeError, match="PCA cannot be converted"):
        to_torch(pipeline)
