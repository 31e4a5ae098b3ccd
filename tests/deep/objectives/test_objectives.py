import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign import MultiDomainClassifier, NCFALClassifier  # noqa: E402
from skalign.deep import DANN, ERM, IRM, MMD, Batch, DeepCORAL, GroupDRO, VREx  # noqa: E402
from skalign.deep.networks import SimplexETFHead  # noqa: E402
from skalign.deep.objectives import CrossEntropy, SimplexDistance  # noqa: E402
from skalign.deep.objectives._objective import number_of_steps  # noqa: E402
from skalign.deep.objectives._simplex import simplex_distance  # noqa: E402

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


def _penalty(objective, batch):
    features, logits, y, sizes = batch
    settings = {"step": 0, "n_steps": 1, "is_drawn": False, "is_training": True}
    batch = Batch(features, logits, y, sizes, loss=CrossEntropy(), **settings)
    return objective.penalty(batch)


def test_erm_is_the_mean_of_all_samples_of_domains_of_one_size(batch, make_criterion):
    features, logits, y, _ = batch
    found = make_criterion(ERM())(features, logits, y, [8, 8])
    assert_allclose(found, F.cross_entropy(logits, y))


def test_erm_is_the_objective_without_a_penalty(batch, make_criterion):
    found, expected = make_criterion(ERM()), make_criterion(VREx(0.0))
    assert_allclose(found(*batch), expected(*batch))


@pytest.mark.parametrize("weight", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("kind", [VREx, IRM, DeepCORAL, MMD])
def test_domains_weigh_equally_and_the_sum_is_divided(
    batch, make_criterion, weight, kind
):
    objective = kind(weight, warmup=0)
    expected = _risks(batch).mean() + weight * _penalty(objective, batch)
    loss = make_criterion(objective)(*batch)
    assert_allclose(loss, expected / max(weight, 1.0), rtol=1e-5)


@pytest.mark.parametrize(
    "classifier", [MultiDomainClassifier(IRM()), NCFALClassifier(IRM())], ids=repr
)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_the_irm_penalty_of_small_batches_is_that_of_a_sample(
    rows, classifier, batch_size
):
    classifier.set_params(batch_size=batch_size, max_epochs=1, random_state=0)
    criterion = rows.fit(classifier).net_.criterion_
    assert criterion.is_drawn == (batch_size is not None)


def test_a_large_weight_is_in_force_after_the_warmup(batch, make_criterion):
    criterion, penalty = make_criterion(VREx(9.0, 2)), _penalty(VREx(), batch)
    before = _risks(batch).mean() + penalty
    after = (_risks(batch).mean() + 9 * penalty) / 9
    divisors, warms_up = [], []
    for expected in (before, before, after, after):
        warms_up.append(criterion.warms_up)
        assert_allclose(criterion(*batch), expected, rtol=1e-5)
        divisors.append(criterion.divisor)
    assert divisors == [1, 1, 9, 9]
    assert warms_up == [True, True, False, False]


def test_a_small_weight_is_in_force_at_once(batch, make_criterion):
    criterion = make_criterion(VREx(0.5, 9))
    expected = _risks(batch).mean() + 0.5 * _penalty(VREx(), batch)
    assert not criterion.warms_up
    assert_allclose(criterion(*batch), expected, rtol=1e-5)


def test_evaluation_counts_as_no_step(batch, make_criterion):
    criterion = make_criterion(VREx(9.0, 1)).eval()
    first = criterion(*batch)
    assert criterion(*batch) == first
    assert criterion.step == 0


def test_steps_are_part_of_the_state(batch, make_criterion):
    criterion, other = make_criterion(VREx(9.0, 1)), make_criterion(VREx(9.0, 1))
    criterion(*batch)
    other.load_state_dict(criterion.state_dict())
    assert other.step == 1


def test_group_dro_raises_the_weight_of_the_larger_risk(batch, make_criterion):
    criterion, risks = make_criterion(GroupDRO(0.5)), _risks(batch)
    loss = criterion(*batch)
    expected = np.exp(0.5 * risks.numpy())
    expected /= expected.sum()
    assert_allclose(criterion.learned.weights, expected, rtol=1e-6)
    assert_allclose(loss, expected @ risks.numpy(), rtol=1e-6)
    criterion(*batch)
    twice = np.exp(2 * 0.5 * risks.numpy())
    assert_allclose(criterion.learned.weights, twice / twice.sum(), rtol=1e-6)
    criterion.eval()(*batch)
    assert_allclose(criterion.learned.weights, twice / twice.sum(), rtol=1e-6)


def test_a_weight_of_group_dro_that_vanished_comes_back(make_criterion):
    criterion, y = make_criterion(GroupDRO(1.0)), torch.tensor([1, 1])
    logits = torch.tensor([[10.0, 0.0], [0.0, 10.0]])
    for scores, n_steps in ((logits, 30), (logits.flip(0), 60)):
        for _ in range(n_steps):
            criterion(None, scores, y, [1, 1])
    assert_allclose(criterion.learned.weights, [0, 1], atol=1e-6)


def test_a_discriminator_learns_and_the_features_unlearn(batch, make_criterion):
    features, logits, y, sizes = batch
    features = features.requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        criterion = make_criterion(DANN(0.7))
    loss = criterion(features, logits, y, sizes)
    loss.backward()
    domain = torch.tensor([0] * 6 + [1] * 10)
    twin = features.detach().clone().requires_grad_()
    guess = F.cross_entropy(criterion.learned(twin), domain)
    (of_features,) = torch.autograd.grad(guess, twin, retain_graph=True)
    (of_weights,) = torch.autograd.grad(guess, criterion.learned[0].weight)
    assert_allclose(loss.detach(), (_risks(batch).mean() + guess).detach(), rtol=1e-6)
    assert_allclose(features.grad, -0.7 * of_features, rtol=1e-5)
    assert_allclose(criterion.learned[0].weight.grad, of_weights, rtol=1e-5)


@pytest.mark.parametrize("weight", [0.5, 20.0])
def test_further_terms_are_divided_as_the_rest(batch, make_criterion, weight):
    features, _, y, sizes = batch
    head = SimplexETFHead(5, 3, random_state=0)
    distance = sum(
        simplex_distance(rows, of, head.vertices)
        for rows, of in zip(features.split(sizes), y.split(sizes), strict=True)
    )
    objective = VREx(weight, warmup=0)
    expected = make_criterion(objective)(*batch) + 0.3 * distance / max(weight, 1.0)
    criterion = make_criterion(objective, terms=[(0.3, SimplexDistance(head))])
    assert_allclose(criterion(*batch), expected, rtol=1e-5)


def test_warmup_is_a_number_or_a_share_of_steps():
    assert number_of_steps(7, 1000) == 7
    assert number_of_steps(0.38, 1000) == 380
