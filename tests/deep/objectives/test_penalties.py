import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign.deep import DANN, IRM, MMD, DeepCORAL, Training, VREx  # noqa: E402
from skalign.deep.networks import SimplexETFHead  # noqa: E402
from skalign.deep.objectives._dann import _ReverseGradient  # noqa: E402
from skalign.deep.objectives._simplex import simplex_distance  # noqa: E402
from skalign.metrics import etf_distance, mmd  # noqa: E402

FIXED = MMD(gammas=(0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0))
of_features = pytest.mark.parametrize(
    "objective", [DeepCORAL(), FIXED, MMD()], ids=["coral", "fixed", "scaled"]
)


def _features(n_domains=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(12 + e, 3, dtype=torch.float64, generator=generator) + e
        for e in range(n_domains)
    ]


def test_irm_penalty_is_the_squared_gradient_by_a_dummy_factor(make_batch):
    parts, expected = [], []
    for e, logits in enumerate(_features(3)):
        y = (torch.arange(len(logits)) + e) % 3
        factor = torch.ones((), dtype=torch.float64, requires_grad=True)
        loss = F.cross_entropy(factor * logits, y)
        (gradient,) = torch.autograd.grad(loss, factor)
        expected.append(gradient**2)
        parts.append((logits, y))
    logits, y = zip(*parts, strict=True)
    found = IRM().penalty(make_batch(logits=logits, y=y))
    assert_allclose(found, torch.stack(expected).mean())


def test_irm_penalty_needs_no_second_pass_for_its_own_gradient(make_batch):
    logits = _features(1)[0].requires_grad_()
    y = torch.arange(len(logits)) % 3
    IRM().penalty(make_batch(logits=[logits], y=[y])).backward()
    twin = logits.detach().clone().requires_grad_()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(factor * twin, y)
    (gradient,) = torch.autograd.grad(loss, factor, create_graph=True)
    (gradient**2).backward()
    assert_allclose(logits.grad, twin.grad, atol=1e-15)


@pytest.mark.long
def test_irm_penalty_of_a_sample_is_right_on_average(make_batch):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200_000, 4, dtype=torch.float64, generator=generator)
    y = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    # Classes are drawn as the logits say: no factor would lower the risk.
    sampled, squared = (
        torch.stack(
            [
                IRM().penalty(make_batch(logits=[a], y=[b], is_drawn=is_drawn))
                for a, b in zip(logits.split(32), y.split(32), strict=True)
            ]
        )
        for is_drawn in (True, False)
    )
    error = float(sampled.std()) / len(sampled) ** 0.5
    assert abs(float(sampled.mean())) < 3 * error
    assert float(squared.mean()) > 20 * error
    one = make_batch(logits=[logits[:1]], y=[y[:1]], is_drawn=True)
    assert IRM().penalty(one) > 0  # one sample is squared


class Given:
    """Losses that are given as logits."""

    def losses(self, logits, y):
        return logits[:, 0]


def test_vrex_penalty_is_the_variance(make_batch):
    risks = [torch.tensor([[risk]]) for risk in (0.3, 0.5, 1.0)]
    found = VREx().penalty(make_batch(logits=risks, loss=Given()))
    assert_allclose(found, np.var([0.3, 0.5, 1.0]), rtol=1e-6)
    equal = make_batch(logits=[torch.full((2, 1), 0.7)] * 4, loss=Given())
    assert VREx().penalty(equal) == 0


@of_features
def test_penalty_is_zero_where_features_agree(make_batch, objective):
    features = _features()[0]
    equal = make_batch([features, features.flip(0), features])
    assert abs(objective.penalty(equal)) < 1e-12
    assert objective.penalty(make_batch(_features())) > 0.1


@pytest.mark.parametrize("objective", [DeepCORAL(), FIXED], ids=["coral", "fixed"])
def test_penalty_is_the_mean_over_pairs(make_batch, objective):
    a, b, c = _features(3)
    pairs = [objective.penalty(make_batch(pair)) for pair in ((a, b), (a, c), (b, c))]
    assert_allclose(objective.penalty(make_batch([a, b, c])), sum(pairs) / 3)


def test_coral_penalty_is_that_of_means_and_covariances(make_batch):
    a, b = _features()
    means = (a.mean(dim=0) - b.mean(dim=0)) ** 2
    covariances = (torch.cov(a.T) - torch.cov(b.T)) ** 2
    expected = means.mean() + covariances.mean()
    assert_allclose(DeepCORAL().penalty(make_batch([a, b])), expected)


def test_coral_penalty_of_one_row_is_finite(make_batch):
    one = make_batch([torch.ones(1, 3), torch.zeros(1, 3)])
    assert torch.isfinite(DeepCORAL().penalty(one))


def test_mmd_penalty_is_the_sum_of_biased_discrepancies(make_batch):
    a, b = _features()
    gammas = (0.01, 0.3, 2.0)
    expected = sum(
        mmd(a.numpy(), b.numpy(), gamma=gamma, unbiased=False) for gamma in gammas
    )
    assert_allclose(
        MMD(gammas=gammas).penalty(make_batch([a, b])), expected, rtol=1e-10
    )


def test_scaled_mmd_penalty_does_not_see_the_unit_of_features(make_batch):
    a, b = _features()
    assert_allclose(
        MMD().penalty(make_batch([1e-3 * a, 1e-3 * b])),
        MMD().penalty(make_batch([a, b])),
    )
    near, far = make_batch([1e-3 * a, 1e-3 * b]), make_batch([a, b])
    assert FIXED.penalty(near) < 0.1 * FIXED.penalty(far)


def test_scaled_mmd_penalty_gains_nothing_by_shrinking(make_batch):
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    MMD().penalty(make_batch([scale * rows for rows in _features()])).backward()
    assert abs(scale.grad) < 1e-12


def test_scaled_mmd_penalty_has_gammas_of_the_mean_distance(make_batch):
    a, b = _features()
    distances = torch.pdist(torch.cat([a, b])) ** 2
    gammas = [factor / float(distances.mean()) for factor in (0.25, 0.5, 1, 2, 4)]
    assert_allclose(
        MMD().penalty(make_batch([a, b])),
        MMD(gammas=gammas).penalty(make_batch([a, b])),
    )


def test_scaled_mmd_penalty_of_equal_rows_has_a_gradient(make_batch):
    rows = torch.ones(4, 3, requires_grad=True)
    MMD().penalty(make_batch([rows[:2], rows[2:]])).backward()
    assert torch.isfinite(rows.grad).all()


@pytest.mark.parametrize("seed", range(3))
def test_simplex_distance_is_the_squared_distance_of_the_metric(seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(30, 6, dtype=torch.float64, generator=generator)
    y = torch.arange(30) % 4
    vertices = SimplexETFHead(6, 4, random_state=seed).vertices.double()
    expected = etf_distance(features.numpy(), y.numpy(), vertices.numpy(), squared=True)
    assert_allclose(simplex_distance(features, y, vertices), expected, rtol=1e-10)


def test_simplex_distance_is_zero_on_the_simplex_and_four_on_its_mirror_image():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features, y = 3 * vertices.T + 1, torch.arange(4)
    assert simplex_distance(features, y, vertices) < 1e-10
    assert_allclose(simplex_distance(-features, y, vertices), 4, rtol=1e-5)


def test_simplex_distance_leaves_out_a_class_without_rows():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features, y = vertices.T[:3], torch.arange(3)
    assert simplex_distance(features, y, vertices) < 1e-10


def test_simplex_distance_of_one_class_has_no_gradient():
    vertices = SimplexETFHead(6, 4, random_state=0).vertices
    features = torch.ones(5, 6, requires_grad=True)
    simplex_distance(features, torch.zeros(5, dtype=int), vertices).backward()
    assert_array_equal(features.grad, torch.zeros(5, 6))


def test_reverse_gradient_turns_and_weighs_the_gradient():
    X = torch.arange(12.0).view(4, 3).requires_grad_()
    reversed_ = _ReverseGradient.apply(X, 0.5)
    assert_array_equal(reversed_.detach(), X.detach())
    (reversed_**2).sum().backward()
    assert_allclose(X.grad, -X.detach(), rtol=1e-6)


def test_discriminator_has_a_score_for_each_domain():
    discriminator = DANN().start(Training(None, 5, 3))
    assert discriminator(torch.zeros(7, 5)).shape == (7, 3)


@of_features
def test_one_domain_has_no_pair(make_batch, objective):
    with pytest.raises(ValueError, match="At least 2 domains"):
        objective.penalty(make_batch([torch.ones(3, 2)]))


def test_mmd_penalty_does_not_see_where_features_are(make_batch):
    near = [features.float() for features in _features()]
    far = [features + 1024 for features in near]  # loses what float32 cannot hold
    expected = FIXED.penalty(make_batch([features - 1024 for features in far]))
    assert_allclose(FIXED.penalty(make_batch(far)), expected, rtol=1e-5)
