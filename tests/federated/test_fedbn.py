"""What clients share of a network, and what stays with them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign.federated import load_shared_arrays, shared_arrays
from skalign.federated._fedbn import split_state

torch = pytest.importorskip("torch")
nn = torch.nn


class _Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.ModuleDict({"out": nn.Linear(4, 2)})
        self.bn = nn.BatchNorm1d(2, affine=False)


OF_BATCH_NORM = {
    "stem.1.weight",
    "stem.1.bias",
    "stem.1.running_mean",
    "stem.1.running_var",
    "stem.1.num_batches_tracked",
    "bn.running_mean",
    "bn.running_var",
    "bn.num_batches_tracked",
}


def test_batch_normalisation_stays_and_all_else_is_shared():
    net = _Net()
    shared, local = split_state(net, False)
    assert local.keys() == OF_BATCH_NORM
    assert shared.keys() == net.state_dict().keys() - OF_BATCH_NORM
    assert "norm.weight" in shared  # of a group, not of a batch


def test_federated_averaging_shares_all_but_integers():
    shared, local = split_state(_Net(), True)
    assert local.keys() == {name for name in OF_BATCH_NORM if "tracked" in name}
    assert all(tensor.is_floating_point() for tensor in shared.values())


def test_a_network_that_is_one_batch_normalisation_shares_nothing():
    assert split_state(nn.BatchNorm1d(3), False)[0] == {}


def test_normalisation_is_found_in_residual_blocks():
    deep = pytest.importorskip("skalign.deep")
    shared, _ = split_state(deep.ResNet8(3), False)
    assert {tensor.ndim for tensor in shared.values()} == {4}  # convolutions only


@pytest.mark.parametrize("share_batch_norm", [False, True])
def test_shared_arrays_go_from_one_network_to_another(share_batch_norm):
    one, other = _Net(), _Net()
    for net in (one, other):
        for tensor in split_state(net, True)[0].values():
            tensor.uniform_()
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    arrays = shared_arrays(one, share_batch_norm=share_batch_norm)
    load_shared_arrays(other, arrays, share_batch_norm=share_batch_norm)
    shared, local = split_state(other, share_batch_norm)
    for name in shared:
        assert_array_equal(shared[name], one.state_dict()[name])
    for name in local:
        assert_array_equal(local[name], before[name])


def test_shared_arrays_are_copies():
    net = _Net()
    arrays = shared_arrays(net)
    arrays[0][:] = 7
    assert (net.stem[0].weight != 7).all()
    load_shared_arrays(net, arrays)
    arrays[0][:] = 8
    assert (net.stem[0].weight == 7).all()


@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: [a[0].T, *a[1:]]])
def test_other_arrays_are_refused_and_change_nothing(change):
    net = _Net()
    before = shared_arrays(net)
    spoilt = change([array + 1 for array in before])
    with pytest.raises(ValueError, match=r"have the shapes .*; expected"):
        load_shared_arrays(net, spoilt)
    for array, kept in zip(shared_arrays(net), before, strict=True):
        assert_array_equal(array, kept)


def test_a_mean_of_read_only_float64_arrays_is_taken():
    net = _Net()
    arrays = [array.astype(np.float64) for array in shared_arrays(net)]
    arrays[0].flags.writeable = False
    load_shared_arrays(net, arrays)
    assert net.stem[0].weight.dtype == torch.float32


def test_a_layer_under_two_names_stays_under_both():
    net = nn.Module()
    net.first = net.second = nn.BatchNorm1d(3)
    assert split_state(net, False)[0] == {}
