from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign import IRMClassifier, NCFALClassifier  # noqa: E402
from skalign.deep import (  # noqa: E402
    CORALRisk,
    CrossEntropy,
    DANNRisk,
    DotRegression,
    ETFRisk,
    GroupDRORisk,
    IRMRisk,
    MeanRisk,
    MMDRisk,
    SimplexETFHead,
    VertexDistance,
    VRExRisk,
    coral_penalty,
    etf_penalty,
    irm_penalty,
    mmd_penalty,
    vrex_penalty,
)
from skalign.deep._objectives import n_warmup_steps  # noqa: E402

SIZES = [6, 10]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(16, 5, generator=generator)
    logits = torch.randn(16, 3, generator=generator)
    return features, logits, torch.arange(16) % 3, SIZES


def _risks(batch):
    _, logits, y, sizes = batch
    losses = F.cross_entropy(logits, y, reduction="none").split(sizes)
    return torch.stack([rows.mean() for rows in losses])


def test_mean_risk_is_the_mean_of_all_rows_of_environments_of_one_size(batch):
    features, logits, y, _ = batch
    found = MeanRisk(CrossEntropy())(features, logits, y, [8, 8])
    assert_allclose(found, F.cross_entropy(logits, y))


def test_mean_risk_is_that_of_no_penalty(batch):
    risk = CrossEntropy()
    assert_allclose(MeanRisk(risk)(*batch), VRExRisk(risk, 0.0)(*batch))


@pytest.mark.parametrize("weight", [0.0, 0.5, 20.0])
@pytest.mark.parametrize(
    ("objective", "penalty"),
    [
        (VRExRisk, lambda batch: vrex_penalty(_risks(batch))),
        (IRMRisk, lambda batch: irm_penalty(
            CrossEntropy().scale_gradients(*batch[1:3]).split(SIZES))),
        (CORALRisk, lambda batch: coral_penalty(batch[0].split(SIZES))),
        (MMDRisk, lambda batch: mmd_penalty(batch[0].split(SIZES), "scaled")),
    ],
)  # fmt: skip
def test_environments_weigh_equally_and_the_sum_is_divided(
    batch, weight, objective, penalty
):
    expected = _risks(batch).mean() + weight * penalty(batch)
    loss = objective(CrossEntropy(), weight)(*batch)
    assert_allclose(loss, expected / max(weight, 1.0), rtol=1e-5)


@pytest.mark.parametrize(
    "kind", [IRMClassifier, partial(NCFALClassifier, penalty="irm")]
)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_the_irm_penalty_of_small_batches_is_that_of_a_sample(rows, kind, batch_size):
    classifier = rows.fit(kind(batch_size=batch_size, max_epochs=1, random_state=0))
    assert classifier.net_.criterion_.from_sample == (batch_size is not None)


def test_a_large_weight_is_in_force_after_the_warmup(batch):
    objective, penalty = VRExRisk(CrossEntropy(), 9.0, 2), vrex_penalty(_risks(batch))
    before = _risks(batch).mean() + penalty
    after = (_risks(batch).mean() + 9 * penalty) / 9
    divisors = []
    for expected in (before, before, after, after):
        assert_allclose(objective(*batch), expected, rtol=1e-5)
        divisors.append(objective.divisor)
    assert divisors == [1, 1, 9, 9]


def test_a_small_weight_is_in_force_at_once(batch):
    expected = _risks(batch).mean() + 0.5 * vrex_penalty(_risks(batch))
    assert_allclose(VRExRisk(CrossEntropy(), 0.5, 9)(*batch), expected, rtol=1e-5)


def test_evaluation_counts_as_no_step(batch):
    objective = VRExRisk(CrossEntropy(), 9.0, 1).eval()
    first = objective(*batch)
    assert objective(*batch) == first
    assert objective.n_steps == 0


def test_steps_are_part_of_the_state(batch):
    objective = VRExRisk(CrossEntropy(), 9.0, 1)
    objective(*batch)
    other = VRExRisk(CrossEntropy(), 9.0, 1)
    other.load_state_dict(objective.state_dict())
    assert other.n_steps == 1


def test_group_dro_raises_the_weight_of_the_larger_risk(batch):
    objective, risks = GroupDRORisk(CrossEntropy(), 2, 0.5), _risks(batch)
    loss = objective(*batch)
    expected = np.exp(0.5 * risks.numpy())
    expected /= expected.sum()
    assert_allclose(objective.weights, expected, rtol=1e-6)
    assert_allclose(loss, expected @ risks.numpy(), rtol=1e-6)
    objective(*batch)
    twice = np.exp(2 * 0.5 * risks.numpy())
    assert_allclose(objective.weights, twice / twice.sum(), rtol=1e-6)
    objective.eval()(*batch)
    assert_allclose(objective.weights, twice / twice.sum(), rtol=1e-6)


def test_a_weight_of_group_dro_that_vanished_comes_back():
    objective, y = GroupDRORisk(CrossEntropy(), 2, 1.0), torch.tensor([1, 1])
    logits = torch.tensor([[10.0, 0.0], [0.0, 10.0]])
    for scores, n_steps in ((logits, 30), (logits.flip(0), 60)):
        for _ in range(n_steps):
            objective(None, scores, y, [1, 1])
    assert_allclose(objective.weights, [0, 1], atol=1e-6)


def test_a_discriminator_learns_and_the_features_unlearn(batch):
    features, logits, y, sizes = batch
    features = features.requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        objective = DANNRisk(CrossEntropy(), 0.7, 5, 2)
    loss = objective(features, logits, y, sizes)
    loss.backward()
    environment = torch.tensor([0] * 6 + [1] * 10)
    twin = features.detach().clone().requires_grad_()
    guess = F.cross_entropy(objective.discriminator(twin), environment)
    (of_features,) = torch.autograd.grad(guess, twin, retain_graph=True)
    (of_weights,) = torch.autograd.grad(guess, objective.discriminator[0].weight)
    assert_allclose(loss.detach(), (_risks(batch).mean() + guess).detach(), rtol=1e-6)
    assert_allclose(features.grad, -0.7 * of_features, rtol=1e-5)
    assert_allclose(objective.discriminator[0].weight.grad, of_weights, rtol=1e-5)


@pytest.mark.parametrize("weight", [0.5, 20.0])
def test_distance_from_the_simplex_is_divided_as_the_rest(batch, weight):
    features, _, y, sizes = batch
    vertices = SimplexETFHead(5, 3, random_state=0).vertices
    inner = VRExRisk(CrossEntropy(), weight)
    distance = sum(
        etf_penalty(rows, of, vertices)
        for rows, of in zip(features.split(sizes), y.split(sizes), strict=True)
    )
    expected = inner(*batch) + 0.3 * distance / max(weight, 1.0)
    assert_allclose(ETFRisk(inner, 0.3, vertices)(*batch), expected, rtol=1e-5)


def test_warmup_is_a_number_or_a_share_of_steps():
    assert n_warmup_steps(7, 1000) == 7
    assert n_warmup_steps(0.38, 1000) == 380


def test_the_derivative_of_the_distance_is_that_of_dot_regression_for_two_classes():
    generator = torch.Generator().manual_seed(0)
    right = 2 * torch.rand(12, generator=generator) - 1
    logits, y = torch.stack([right, -right], dim=1), torch.arange(12) % 2
    plain = IRMRisk(DotRegression(), 5.0)
    other = IRMRisk(DotRegression(), 5.0, penalized=VertexDistance())
    assert_allclose(other(logits, logits, y, [5, 7]), plain(logits, logits, y, [5, 7]))
