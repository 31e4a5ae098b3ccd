import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import norm

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign.deep import ERM  # noqa: E402
from skalign.deep.networks import (  # noqa: E402  # noqa: E402
    ByDomain,
    ChannelMix,
    OpenGates,
    StochasticMask,
    location_network,
)

GATES = ["clip", "sigmoid", "gumbel"]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("shape", [5, (2, 3, 4)])
def test_gates_are_half_open_at_the_start(shape, gate):
    mask = StochasticMask(shape, gate=gate).eval()
    X = torch.ones(6, *mask.mean.shape)
    assert_array_equal(mask(X).detach(), X / 2)
    assert mask.mean.shape == X.shape[1:]


def test_noise_is_drawn_for_each_row_and_only_in_training():
    mask, X = StochasticMask(5, noise=0.1), torch.ones(2000, 5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gates = mask(X).detach()
    assert abs(gates.mean() - 0.5) < 0.005
    assert abs(gates.std() - 0.1) < 0.005
    assert_array_equal(mask.eval()(X).detach(), X / 2)


@pytest.mark.parametrize("gate", GATES)
def test_without_noise_training_and_evaluation_agree(gate):
    mask, X = StochasticMask(5, noise=0, gate=gate), torch.ones(3, 5)
    mask.location.data += 0.3
    assert_array_equal(mask.train()(X).detach(), mask.eval()(X).detach())


def test_gates_are_cut_off_at_closed_and_open():
    mask = StochasticMask(3, noise=0.1)
    mask.location.data = torch.tensor([-9.0, 0.1, 9.0])
    assert_allclose(mask.mean.detach(), [0, 0.6, 1])
    assert_allclose(mask.train()(torch.ones(4, 3))[:, [0, 2]].detach(), [[0, 1]] * 4)


def test_the_noise_of_a_sigmoid_is_that_of_its_location():
    mask = StochasticMask(5, noise=0.3, gate="sigmoid")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        locations = mask(torch.ones(2000, 5)).detach().logit()
    assert abs(locations.mean()) < 0.02
    assert abs(locations.std() - 0.3) < 0.01


def test_a_gate_of_low_temperature_is_open_or_closed_by_its_probability():
    mask = StochasticMask(2, noise=0.01, gate="gumbel")
    mask.location.data = torch.tensor([-1.0, 2.0])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gates = mask(torch.ones(10_000, 2)).detach()
    assert ((gates < 0.01) | (gates > 0.99)).float().mean() > 0.98
    assert_allclose(gates.mean(dim=0), mask.mean.detach(), atol=0.02)
    assert_allclose(mask.mean.detach(), expit([-1, 2]), rtol=1e-6)
    assert_allclose(mask.n_open().detach(), expit([-1, 2]).sum(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (2, 6, 4)])
def test_a_row_can_have_gates_of_its_own(shape):
    mask = StochasticMask(shape, noise=0, network=location_network(shape))
    X = torch.arange(3.0 * np.prod(shape)).view(3, *shape)
    assert_array_equal(mask.gates(X).detach(), torch.full_like(X, 0.5))
    mask.network[-1].bias.data += 0.2
    assert_allclose(mask.gates(X).detach(), torch.full_like(X, 0.7), rtol=1e-6)
    mask.network[-1].weight.data += 1e-4
    gates = mask.gates(X).detach()
    assert gates.shape == X.shape
    assert (gates[0] != gates[1]).any()


def test_n_open_is_the_expected_number_of_gates_that_are_not_closed():
    mask = StochasticMask(3, noise=0.2)
    mask.location.data = torch.tensor([-0.6, -0.5, 0.3])
    expected = norm.cdf([-0.5, 0, 4]).sum()
    assert_allclose(mask.n_open().detach(), expected, rtol=1e-6)
    mask.noise = 0
    assert mask.n_open() == 1


def test_a_mixture_of_channels_starts_at_the_identity():
    mix, X = ChannelMix(3), torch.arange(360.0).view(4, 3, 5, 6)
    assert_array_equal(mix(X).detach(), X)


def test_a_mixture_of_channels_mixes_them():
    mix, X = ChannelMix(2), torch.arange(240.0).view(4, 2, 5, 6)
    mix.weight.data = torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    mixed = mix(X).detach()
    assert_allclose(mixed[:, 0], X.mean(dim=1), rtol=1e-5, atol=1e-6)
    assert not mixed[:, 1].any()


def test_each_domain_has_its_part_and_prediction_takes_the_mean():
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    parts, X = ByDomain([first, second]), torch.arange(15.0).view(5, 3)
    parts.sizes = [2, 3]
    expected = torch.cat([first(X[:2]), second(X[2:])])
    assert_array_equal(parts(X).detach(), expected.detach())
    mean = (first(X) + second(X)) / 2
    assert_allclose(parts.eval()(X).detach(), mean.detach(), rtol=1e-6)


def test_masks_of_domains_have_a_mean():
    masks = ByDomain([StochasticMask(4), StochasticMask(4)])
    masks.parts[0].location.data += 0.4
    assert_allclose(masks.mean.detach(), np.full(4, 0.7), rtol=1e-6)
    each = [part.n_open().detach() for part in masks.parts]
    assert_allclose(masks.n_open().detach(), np.mean(each), rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "expected"), [(None, 0.6), (0.25, (norm.cdf([6, 6]).mean() - 0.25) ** 2)]
)
def test_open_gates_are_penalised(target, expected, make_criterion):
    mask = StochasticMask(2)
    mask.location.data += 0.1
    penalty = OpenGates(mask, target)
    assert_allclose(penalty().detach(), expected, rtol=1e-6)
    criterion = make_criterion(ERM(), terms=[(3.0, penalty)])
    loss = criterion(None, torch.zeros(2, 2), torch.tensor([0, 1]), [2])
    assert_allclose(loss.detach(), np.log(2) + 3 * expected, rtol=1e-6)
    assert not list(criterion.parameters())  # those of the mask are the network's


def test_a_gate_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="gate='open' must be 'clip', 'sigmoid' or"):
        StochasticMask(3, gate="open")
