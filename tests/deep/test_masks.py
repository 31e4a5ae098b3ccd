import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign.deep import ChannelMix, StochasticMask  # noqa: E402


@pytest.mark.parametrize("shape", [5, (2, 3, 4)])
def test_gates_are_half_open_at_the_start(shape):
    mask = StochasticMask(shape).eval()
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


def test_without_noise_training_and_evaluation_agree():
    mask, X = StochasticMask(5, noise=0), torch.ones(3, 5)
    assert_array_equal(mask.train()(X).detach(), mask.eval()(X).detach())


def test_gates_are_cut_off_at_closed_and_open():
    mask = StochasticMask(3, noise=0.1)
    mask.location.data = torch.tensor([-9.0, 0.1, 9.0])
    assert_allclose(mask.mean.detach(), [0, 0.6, 1])
    assert_allclose(mask.train()(torch.ones(4, 3))[:, [0, 2]].detach(), [[0, 1]] * 4)


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
