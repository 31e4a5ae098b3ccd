"""What the caller has set in torch changes no result."""

from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402

from skalign import (  # noqa: E402
    ContrastiveAligner,
    MultiDomainClassifier,
    NCFALClassifier,
    StitchingRegressor,
    load,
    save,
)
from skalign.deep import (  # noqa: E402
    DANN,
    ERM,
    IRM,
    MMD,
    DeepCORAL,
    DomainRandomization,
    GroupDRO,
    Mask,
    MixStyle,
    Mixup,
    PermutedAdaIN,
    SimplexHead,
    Training,
    VREx,
    adain,
    split_style,
)
from skalign.deep.networks import StochasticMask  # noqa: E402
from skalign.deep.objectives import (  # noqa: E402
    Criterion,
    CrossEntropy,
    DotRegression,
    InfoNCE,
    SimplexDistance,
    SquaredError,
    VertexDistance,
    info_nce,
)
from skalign.deep.objectives._mixup import MixupLayer  # noqa: E402

EPS16, EPS32 = torch.finfo(torch.bfloat16).eps, torch.finfo(torch.float32).eps


def autocast(dtype=torch.bfloat16):
    return torch.autocast("cpu", dtype=dtype)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def all_of_them():
    with ExitStack() as stack:
        for name, setting in SETTINGS.items():
            if name != "all":
                stack.enter_context(setting())
        yield


SETTINGS = {
    "bfloat16": autocast,
    "float16": lambda: autocast(torch.float16),
    "inference mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "device": lambda: torch.device("meta"),
    "deterministic": deterministic,
    "all": all_of_them,
}

SHORT = {"max_epochs": 2, "random_state": 0}
PATIENT = SHORT | {"early_stopping": True, "validation_fraction": 0.3}
ESTIMATORS = [
    ContrastiveAligner(hidden_layer_sizes=(4,), **PATIENT),
    ContrastiveAligner(init="random", batch_size=None, **SHORT),
    MultiDomainClassifier(DANN(), **SHORT),
    MultiDomainClassifier(DeepCORAL(), **SHORT),
    MultiDomainClassifier(**PATIENT),
    MultiDomainClassifier(batch_size=None, **SHORT),
    MultiDomainClassifier(GroupDRO(), **SHORT),
    MultiDomainClassifier(IRM(1.0, 0.0), **SHORT),
    MultiDomainClassifier(Mixup(), **SHORT),
    MultiDomainClassifier(MMD(), **SHORT),
    NCFALClassifier(IRM(1.0, 0.0), head=SimplexHead(distance_weight=0.1), **SHORT),
    NCFALClassifier(IRM(1.0, 0.0), mask=Mask("feature", scope="sample"), **SHORT),
    StitchingRegressor(**PATIENT),
    MultiDomainClassifier(VREx(1.0, 0.0), **SHORT),
]


def _fit(estimator, rows):
    if isinstance(estimator, StitchingRegressor | ContrastiveAligner):
        return estimator.fit(rows.X, rows.X[:, ::-1])
    return rows.fit(estimator)


def _results(estimator, rows):
    """What an estimator says of rows; dict of ndarray."""
    found = {"features": estimator.transform(rows.X)}
    for name in ("predict", "predict_proba"):
        if hasattr(estimator, name):
            found[name] = getattr(estimator, name)(rows.X)
    if hasattr(estimator, "classes_"):
        found["score"] = estimator.score(rows.X, rows.y)
    else:
        found["target"] = estimator.transform_target(rows.X)
        found["score"] = estimator.score(rows.X, rows.X)
    for name in ("mask_", "vertices_", "prototypes_", "temperature_"):
        if (value := getattr(estimator, name, None)) is not None:
            found[name] = value
    return found


IN_ALL = MultiDomainClassifier(IRM(1.0, 0.0), **SHORT)
CASES = [(estimator, "all") for estimator in ESTIMATORS]
CASES += [(IN_ALL, name) for name in SETTINGS if name != "all"]


@pytest.mark.parametrize(
    ("estimator", "name"), CASES, ids=lambda part: repr(part).split("(")[0]
)
def test_no_setting_of_the_caller_changes_a_fit_or_what_is_made_of_rows(
    estimator, name, make_rows, tmp_path
):
    rows = make_rows(n_samples=90)
    expected = _results(_fit(estimator, rows), rows)
    losses = estimator.net_.history[:, "train_loss"]
    with SETTINGS[name]():
        inside = _results(estimator, rows)
        fitted = _fit(estimator, rows)
        after = _results(fitted, rows)
        save(fitted, tmp_path / "stored")
        stored = _results(load(tmp_path / "stored"), rows)
    assert fitted.net_.history[:, "train_loss"] == losses
    outside = _results(fitted, rows)
    for found in (inside, after, stored, outside):
        for name, value in expected.items():
            assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(
    "kind", [MultiDomainClassifier, NCFALClassifier, StitchingRegressor]
)
def test_the_settings_of_the_caller_come_back(kind, rows):
    with all_of_them():
        _fit(kind(**SHORT), rows).transform(rows.X)
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.float16
        assert torch.is_inference_mode_enabled()
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
    with torch.no_grad():
        _fit(kind(**SHORT), rows).transform(rows.X)
        assert not torch.is_grad_enabled()


def test_a_module_may_use_autocast_itself(make_rows):
    class Half(nn.Linear):
        def forward(self, X):
            with autocast():
                return super().forward(X)

    rows = make_rows()
    classifier = rows.fit(
        MultiDomainClassifier(module=lambda: Half(6, 8), random_state=0)
    )
    assert classifier.transform(rows.X).dtype == np.float32
    assert classifier.score(rows.X, rows.y) > 0.9


# ------------------------------------------------ functions and layers, on their own


def _features(n=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 5 + torch.randn(n, 8, generator=generator)


Y = torch.arange(60) % 3
SIZES = [20, 40]
FUNCTIONS = {
    "info_nce": lambda X: info_nce(X[:30], X[30:], torch.tensor(0.1)),
    "content": lambda X: split_style(X[None])[0],
    "mean": lambda X: split_style(X[None])[1],
    "std": lambda X: split_style(X[None])[2],
    "adain": lambda X: adain(X[:30, None], X[30:, None]),
}
for _risk in (CrossEntropy(), DotRegression(), VertexDistance()):
    for _method in ("losses", "mean", "scale_gradients", "probabilities"):
        FUNCTIONS[f"{type(_risk).__name__}.{_method}"] = partial(
            lambda call, X: call(X[:, :3], *[Y] * (call.__name__ != "probabilities")),
            getattr(_risk, _method),
        )
FUNCTIONS["SquaredError"] = lambda X: SquaredError().losses(X[:, :4], X[:, 4:])
OBJECTIVES = {
    "erm": ERM(),
    "irm": IRM(1.0, 0.0),
    "vrex": VREx(1.0, 0.0),
    "coral": DeepCORAL(),
    "mmd": MMD(gammas=(0.01, 0.1, 1.0)),
    "mmd, scaled": MMD(),
    "dann": DANN(),
    "dro": GroupDRO(0.1),
}


class Head(nn.Module):
    vertices = torch.eye(8)[:, :3]


def _of_objective(objective, terms=()):
    def function(X):
        torch.manual_seed(0)
        training = Training(None, 8, 2)
        criterion = Criterion(objective, CrossEntropy(), training, terms=terms)
        return criterion(X, X[:, :3], Y, SIZES)

    return function


FUNCTIONS["simplex"] = _of_objective(ERM(), [(1.0, SimplexDistance(Head()))])
FUNCTIONS |= {name: _of_objective(part) for name, part in OBJECTIVES.items()}
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_and_styles_are_those_outside_autocast(name, dtype):
    found = []
    for enabled in (True, False):
        X = _features().requires_grad_()
        with torch.autocast("cpu", dtype, enabled):
            value = FUNCTIONS[name](X)
        value.square().sum().backward()
        found.append((value.detach(), X.grad))
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        size = float(theirs.abs().max())
        assert_allclose(ours, theirs, rtol=1e-5, atol=100 * EPS32 * size)


def test_the_backward_pass_of_info_nce_is_that_outside_autocast():
    gradients = []
    for enabled in (True, False):
        pairs = [part.requires_grad_() for part in (_features() / 15).split(30)]
        losses = info_nce(*pairs, torch.tensor(20.0))
        with torch.autocast("cpu", torch.bfloat16, enabled):
            losses.sum().backward()
        gradients.append(torch.cat([part.grad for part in pairs]))
    assert_allclose(*gradients, rtol=1e-5, atol=1e-5)


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_of_half_precision_are_taken_for_the_numbers_they_are(name, dtype):
    X = _features().to(dtype)
    expected = FUNCTIONS[name](X.float()).detach()
    for within in (autocast, torch.no_grad):
        with within():
            found = FUNCTIONS[name](X).detach()
        eps = EPS32 if found.dtype == torch.float32 else torch.finfo(dtype).eps
        size = float(expected.abs().max())
        assert_allclose(found.float(), expected, rtol=eps, atol=100 * EPS32 * size)
        keeps_type = name in ("content", "mean", "std", "adain")
        assert found.dtype == (dtype if keeps_type else torch.float32)


LAYERS = {
    "MixStyle": lambda: MixStyle(p=1.0),
    "PermutedAdaIN": lambda: PermutedAdaIN(p=1.0),
    "DomainRandomization": DomainRandomization,
    "Mixup": lambda: MixupLayer(0.2),
    "StochasticMask": lambda: StochasticMask((2, 5, 5)),
    "gumbel": lambda: StochasticMask((2, 5, 5), gate="gumbel"),
}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def _applied(make, X):
    torch.manual_seed(0)
    return make()(X)


def _pictures():
    return torch.rand(6, 2, 5, 5, generator=torch.Generator().manual_seed(0))


@every_layer
def test_a_layer_makes_under_autocast_what_it_makes_outside(make):
    expected = _applied(make, _pictures())
    with autocast():
        found = _applied(make, _pictures())
    assert found.dtype == torch.float32
    assert_allclose(found.detach(), expected.detach(), rtol=1e-6)


@every_layer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_layer_takes_feature_maps_of_half_precision(make, dtype):
    X = _pictures().to(dtype)
    found, expected = (_applied(make, rows).detach() for rows in (X, X.float()))
    atol = 2 * torch.finfo(dtype).eps * float(expected.abs().max())
    assert_allclose(found.float(), expected, atol=atol)
    is_mask = make in (LAYERS["StochasticMask"], LAYERS["gumbel"])
    assert found.dtype == (torch.float32 if is_mask else dtype)


def test_a_loss_in_a_loop_under_autocast_learns_as_outside():
    def train(within):
        torch.manual_seed(0)
        head, loss = nn.Linear(8, 4), InfoNCE()
        pairs = torch.randn(2, 64, 8)
        optimizer = torch.optim.SGD([*head.parameters(), *loss.parameters()], 0.1)
        for _ in range(20):
            with within():
                rows = nn.functional.normalize(head(pairs), dim=2)
                value = loss.mean(rows.transpose(0, 1))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        return value.item()

    # The head itself is of half precision there.
    assert_allclose(train(autocast), train(torch.enable_grad), rtol=4 * EPS16)
