import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402

from skalign.deep import MLP, DigitsCNN, ResNet8  # noqa: E402
from skalign.deep.networks import make_encoder, n_outputs  # noqa: E402


def test_mlp_flattens_pictures_and_ends_with_a_relu():
    network = MLP(24, (5, 3))
    features = network(torch.ones(7, 2, 3, 4))
    assert features.shape == (7, 3)
    assert (features >= 0).all()


def test_mlp_gives_the_same_in_parts_as_at_once():
    network = MLP(6, (5, 3)).double()
    X = torch.randn(5000, 6, dtype=torch.double)
    at_once = nn.Sequential(*network)(X)
    weights = list(network.parameters())
    wanted = torch.autograd.grad((at_once**2).sum(), weights)
    in_parts = network(X)
    assert_allclose(in_parts.detach(), at_once.detach(), rtol=1e-7, atol=1e-7)
    gradients = torch.autograd.grad((in_parts**2).sum(), weights)
    for found, expected in zip(gradients, wanted, strict=True):
        assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_digits_cnn_has_the_layers_of_domainbed():
    network = DigitsCNN(2)
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    sizes = [(c.in_channels, c.out_channels, c.stride[0]) for c in convolutions]
    assert sizes == [(2, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1)]
    assert network(torch.zeros(3, 2, 28, 28)).shape == (3, 128)


def test_resnet8_has_512_features_at_a_quarter_of_the_size():
    network = ResNet8(3).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 512)
        maps = nn.Sequential(*list(network)[:-2])
        assert maps(torch.zeros(2, 3, 16, 16)).shape == (2, 512, 4, 4)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((5,), MLP), ((1, 28, 28), DigitsCNN), ((3, 32, 8), DigitsCNN),
     ((3, 33, 8), ResNet8)],
)  # fmt: skip
def test_a_network_is_chosen_by_the_shape_of_a_row(shape, kind):
    assert type(make_encoder(shape, (4,))) is kind


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(8, 0\) must be"):
        make_encoder((5,), (8, 0))


def test_n_outputs_leaves_the_mode_of_a_network_alone():
    for training in (True, False):
        network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).train(training)
        assert n_outputs(network, (4,)) == 3
        assert network.training == training
        assert network[1].num_batches_tracked == 0


def test_a_network_must_return_rows_of_features():
    with pytest.raises(ValueError, match=r"for 2 samples it returned \(2, 3, 4\)"):
        n_outputs(nn.Unflatten(1, (3, 4)), (12,))


def test_one_number_of_units_is_no_list():
    with pytest.raises(ValueError, match="hidden_layer_sizes=4 must be"):
        make_encoder((3,), np.array(4))
