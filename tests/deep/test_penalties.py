import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign.deep import (  # noqa: E402
    CrossEntropy,
    DomainDiscriminator,
    SimplexETFHead,
    coral_penalty,
    etf_penalty,
    irm_penalty,
    mmd_penalty,
    reverse_gradient,
    vrex_penalty,
)
from skalign.metrics import etf_distance, mmd  # noqa: E402


def _features(n_environments=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(12 + e, 3, dtype=torch.float64, generator=generator) + e
        for e in range(n_environments)
    ]


def test_irm_penalty_is_the_squared_gradient_by_a_dummy_factor():
    parts, expected = [], []
    for e, logits in enumerate(_features(3)):
        y = (torch.arange(len(logits)) + e) % 3
        factor = torch.ones((), dtype=torch.float64, requires_grad=True)
        loss = F.cross_entropy(factor * logits, y)
        (gradient,) = torch.autograd.grad(loss, factor)
        expected.append(gradient**2)
        parts.append(CrossEntropy().scale_gradients(logits, y))
    assert_allclose(irm_penalty(parts), torch.stack(expected).mean())


def test_irm_penalty_needs_no_second_pass_for_its_own_gradient():
    logits = _features(1)[0].requires_grad_()
    y = torch.arange(len(logits)) % 3
    irm_penalty([CrossEntropy().scale_gradients(logits, y)]).backward()
    twin = logits.detach().clone().requires_grad_()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(factor * twin, y)
    (gradient,) = torch.autograd.grad(loss, factor, create_graph=True)
    (gradient**2).backward()
    assert_allclose(logits.grad, twin.grad, atol=1e-15)


@pytest.mark.long
def test_irm_penalty_of_a_sample_is_right_on_average():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200_000, 4, dtype=torch.float64, generator=generator)
    y = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    batches = [CrossEntropy().scale_gradients(logits, y).reshape(-1, 32)]
    # Classes are drawn as the logits say: no factor would lower the risk.
    sampled = torch.stack([irm_penalty([b], from_sample=True) for b in batches[0]])
    squared = torch.stack([irm_penalty([b]) for b in batches[0]])
    error = float(sampled.std()) / len(sampled) ** 0.5
    assert abs(float(sampled.mean())) < 3 * error
    assert float(squared.mean()) > 20 * error
    assert irm_penalty([batches[0][0, :1]], from_sample=True) > 0  # one row is squared


def test_vrex_penalty_is_the_variance():
    risks = torch.tensor([0.3, 0.5, 1.0])
    assert_allclose(vrex_penalty(risks), np.var([0.3, 0.5, 1.0]), rtol=1e-6)
    assert vrex_penalty(torch.full((4,), 0.7)) == 0


@pytest.mark.parametrize("penalty", [coral_penalty, mmd_penalty])
def test_penalty_is_zero_where_features_agree(penalty):
    features = _features()[0]
    assert abs(penalty([features, features.flip(0), features])) < 1e-12
    assert penalty(_features()) > 0.1


@pytest.mark.parametrize("penalty", [coral_penalty, mmd_penalty])
def test_penalty_is_the_mean_over_pairs(penalty):
    a, b, c = _features(3)
    pairs = [penalty([a, b]), penalty([a, c]), penalty([b, c])]
    assert_allclose(penalty([a, b, c]), sum(pairs) / 3)


def test_coral_penalty_is_that_of_means_and_covariances():
    a, b = _features()
    means = (a.mean(dim=0) - b.mean(dim=0)) ** 2
    covariances = (torch.cov(a.T) - torch.cov(b.T)) ** 2
    assert_allclose(coral_penalty([a, b]), means.mean() + covariances.mean())


def test_coral_penalty_of_one_row_is_finite():
    assert torch.isfinite(coral_penalty([torch.ones(1, 3), torch.zeros(1, 3)]))


def test_mmd_penalty_is_the_sum_of_biased_discrepancies():
    a, b = _features()
    gammas = (0.01, 0.3, 2.0)
    expected = sum(
        mmd(a.numpy(), b.numpy(), gamma=gamma, unbiased=False) for gamma in gammas
    )
    assert_allclose(mmd_penalty([a, b], gammas), expected, rtol=1e-10)


def test_scaled_mmd_penalty_does_not_see_the_unit_of_features():
    a, b = _features()
    assert_allclose(
        mmd_penalty([1e-3 * a, 1e-3 * b], "scaled"), mmd_penalty([a, b], "scaled")
    )
    assert mmd_penalty([1e-3 * a, 1e-3 * b]) < 0.1 * mmd_penalty([a, b])


def test_scaled_mmd_penalty_gains_nothing_by_shrinking():
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    mmd_penalty([scale * rows for rows in _features()], "scaled").backward()
    assert abs(scale.grad) < 1e-12


def test_scaled_mmd_penalty_has_gammas_of_the_mean_distance():
    a, b = _features()
    distances = torch.pdist(torch.cat([a, b])) ** 2
    gammas = [factor / float(distances.mean()) for factor in (0.25, 0.5, 1, 2, 4)]
    assert_allclose(mmd_penalty([a, b], "scaled"), mmd_penalty([a, b], gammas))


def test_scaled_mmd_penalty_of_equal_rows_has_a_gradient():
    rows = torch.ones(4, 3, requires_grad=True)
    mmd_penalty([rows[:2], rows[2:]], "scaled").backward()
    assert torch.isfinite(rows.grad).all()


@pytest.mark.parametrize("seed", range(3))
def test_etf_penalty_is_the_squared_distance_of_the_metric(seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(30, 6, dtype=torch.float64, generator=generator)
    y = torch.arange(30) % 4
    vertices = SimplexETFHead(6, 4, random_state=seed).vertices.double()
    expected = etf_distance(features.numpy(), y.numpy(), vertices.numpy(), squared=True)
    assert_allclose(etf_penalty(features, y, vertices), expected, rtol=1e-10)


def test_etf_penalty_is_zero_on_the_simplex_and_four_on_its_mirror_image():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features, y = 3 * vertices.T + 1, torch.arange(4)
    assert etf_penalty(features, y, vertices) < 1e-10
    assert_allclose(etf_penalty(-features, y, vertices), 4, rtol=1e-5)


def test_etf_penalty_leaves_out_a_class_without_rows():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features, y = vertices.T[:3], torch.arange(3)
    assert etf_penalty(features, y, vertices) < 1e-10


def test_etf_penalty_of_one_class_has_no_gradient():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features = torch.ones(5, 6, requires_grad=True)
    etf_penalty(features, torch.zeros(5, dtype=int), vertices).backward()
    assert_array_equal(features.grad, torch.zeros(5, 6))


def test_reverse_gradient_turns_and_weighs_the_gradient():
    X = torch.arange(12.0).view(4, 3).requires_grad_()
    reversed_ = reverse_gradient(X, 0.5)
    assert_array_equal(reversed_.detach(), X.detach())
    (reversed_**2).sum().backward()
    assert_allclose(X.grad, -X.detach(), rtol=1e-6)


def test_discriminator_has_a_score_for_each_environment():
    assert DomainDiscriminator(5, 3)(torch.zeros(7, 5)).shape == (7, 3)


@pytest.mark.parametrize("penalty", [coral_penalty, mmd_penalty])
def test_one_environment_has_no_pair(penalty):
    with pytest.raises(ValueError, match="At least 2 environments"):
        penalty([torch.ones(3, 2)])


def test_a_scale_of_another_name_is_refused():
    with pytest.raises(ValueError, match="gammas='auto' must be 'scaled' or numbers"):
        mmd_penalty([torch.ones(3, 2), torch.zeros(3, 2)], "auto")


def test_mmd_penalty_does_not_see_where_features_are():
    near = [features.float() for features in _features()]
    far = [features + 1024 for features in near]  # loses what float32 cannot hold
    expected = mmd_penalty([features - 1024 for features in far])
    assert_allclose(mmd_penalty(far), expected, rtol=1e-5)
