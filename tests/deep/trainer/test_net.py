import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign import MultiDomainClassifier  # noqa: E402
from skalign.deep.trainer import DomainBatches, choose_device, seeded  # noqa: E402


def _batches(domain, batch_size, n_batches=None):
    """Rows are their own numbers."""
    X = torch.arange(len(domain))
    generator = torch.Generator().manual_seed(0)
    return DomainBatches(
        X, X + 100, np.asarray(domain), batch_size, n_batches, generator
    )


def _drawn(batches, n_epochs=1):
    """Rows of each batch, (n_batches of all epochs, batch)"""
    return torch.stack([X for _ in range(n_epochs) for X, _ in batches]).numpy()


def test_a_batch_has_equally_many_rows_of_each_domain():
    domain = np.repeat([0, 1, 2], [40, 10, 25])
    for X, (y, sizes) in _batches(domain, 8):
        assert sizes == [8, 8, 8]
        assert_array_equal(domain[X], np.repeat([0, 1, 2], 8))
        assert_array_equal(y, X + 100)


def test_an_epoch_is_one_pass_over_as_many_rows_as_there_are():
    assert len(_drawn(_batches(np.repeat([0, 1], [40, 10]), 8))) == 4  # 50 rows by 16
    assert len(_drawn(_batches(np.zeros(64, int), 8))) == 8
    assert len(_drawn(_batches(np.zeros(64, int), 8, n_batches=3))) == 3


def test_all_rows_of_a_domain_come_before_any_comes_again():
    domain = np.repeat([0, 1], [90, 20])
    drawn = _drawn(_batches(domain, 16), n_epochs=6)  # 4 batches an epoch
    for e, n_rows in enumerate((90, 20)):
        column = drawn[:, 16 * e : 16 * (e + 1)].ravel()
        for begin in range(0, len(column) - n_rows + 1, n_rows):
            assert len(set(column[begin : begin + n_rows])) == n_rows


def test_the_order_changes_from_pass_to_pass():
    drawn = _drawn(_batches(np.zeros(32, int), 32), n_epochs=2)
    assert set(drawn[0]) == set(drawn[1]) == set(range(32))
    assert (drawn[0] != drawn[1]).any()


def test_a_batch_is_never_larger_than_the_largest_domain():
    ((X, (_, sizes)),) = list(_batches(np.repeat([0, 1], [6, 4]), 100))
    assert sizes == [6, 6]
    assert set(X.tolist()) == set(range(10))


@pytest.mark.parametrize("domain", [[0, 0, 0, 1, 1], [1, 0, 1, 0, 0]])
def test_a_full_batch_is_all_rows_by_domain(domain):
    batches = _batches(domain, None, n_batches=2)
    for X, (y, sizes) in batches:
        assert sizes == [3, 2]
        assert_array_equal(np.asarray(domain)[X], [0, 0, 0, 1, 1])
        assert_array_equal(y, X + 100)
    assert len(_drawn(batches)) == 2


def test_a_full_batch_of_sorted_rows_is_no_copy():
    batches = _batches([0, 0, 1], None)
    ((X, _),) = list(batches)
    assert X.data_ptr() == batches.X.data_ptr()


def test_seeded_draws_repeat_and_leave_the_generator_alone():
    before = torch.random.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert_array_equal(torch.rand(4), first)
    assert_array_equal(torch.random.get_rng_state(), before)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="device='nonsense' cannot be used here"):
        choose_device("nonsense")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_is_refused_where_there_is_none_and_auto_is_the_cpu():
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        choose_device("cuda")
    assert choose_device("auto") == "cpu"


@pytest.fixture(scope="module")
def net(make_rows):
    return make_rows().fit(MultiDomainClassifier(max_epochs=2, random_state=0)).net_


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_a_copy_trains_what_it_was_given(net, twin):
    other = twin(net)
    assert other.module is other.module_
    assert other.criterion is other.criterion_
    for ours, theirs in zip(
        net.module_.parameters(), other.module_.parameters(), strict=True
    ):
        assert_array_equal(ours.detach(), theirs.detach())
        assert ours is not theirs


def test_rows_go_through_the_module_in_evaluation_mode_in_parts(net):
    X = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    whole, parts = net.forward_rows(X), net.forward_rows(X, batch_size=32)
    assert not net.module_.training
    for a, b in zip(whole, parts, strict=True):
        assert len(a) == len(b) == 100
        assert_allclose(a, b, rtol=1e-6, atol=1e-5)


def test_a_row_gives_the_same_whatever_comes_with_it(net):
    X = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    _, logits = net.forward_rows(X)
    # Sums over 128 units at most, in another order for another shape.
    atol = 128 * torch.finfo(torch.float32).eps * float(logits.abs().max())
    for n_rows in (1, 7, 33):
        few = net.forward_rows(X[:n_rows])[1]
        assert_allclose(few, logits[:n_rows], rtol=0, atol=atol)


def test_a_tiny_domain_beside_a_large_one_is_drawn_in_passes():
    domain = np.repeat([0, 1], [2, 300])
    drawn = _drawn(_batches(domain, 30, n_batches=10))
    tiny = drawn[:, :30].reshape(-1, 2)
    assert_array_equal(np.sort(tiny, axis=1), np.tile([0, 1], (150, 1)))
