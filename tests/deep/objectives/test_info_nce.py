import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from skalign.deep.objectives import InfoNCE, info_nce  # noqa: E402


def _pairs(n_samples, n_components=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, n_samples, n_components, dtype=dtype, generator=generator)
    return F.normalize(rows, dim=2)


def _dense(source, target, scale):
    logits, own = scale * source @ target.T, torch.arange(len(source))
    return (
        F.cross_entropy(logits, own, reduction="none")
        + F.cross_entropy(logits.T, own, reduction="none")
    ) / 2


class Largest(TorchDispatchMode):
    """Remembers the number of entries of the largest tensor that was made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numel = max(self.numel, made.numel())
        return made


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 20, 21, 1000])
def test_loss_and_gradients_are_those_of_the_whole_matrix(chunk_size):
    ours, theirs = [], []
    for found, loss in (
        (ours, lambda *parts: info_nce(*parts, chunk_size=chunk_size)),
        (theirs, _dense),
    ):
        source, target = (rows.clone().requires_grad_() for rows in _pairs(20))
        scale = torch.tensor(12.0, dtype=torch.float64, requires_grad=True)
        losses = loss(source, target, scale)
        (losses @ torch.linspace(0, 2, 20, dtype=torch.float64)).backward()
        found += [losses.detach(), source.grad, target.grad, scale.grad]
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_gradients_are_those_of_finite_differences():
    source, target = (rows.clone().requires_grad_() for rows in _pairs(5, 3))
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *parts: info_nce(*parts, chunk_size=2), (source, target, scale)
    )


def test_the_matrix_of_all_similarities_is_never_there():
    source, target = (r.requires_grad_() for r in _pairs(300, 4, torch.float32))
    scale = torch.tensor(10.0, requires_grad=True)
    with Largest() as chunked:
        info_nce(source, target, scale, chunk_size=16).mean().backward()
    with Largest() as whole:
        _dense(source, target, scale).mean().backward()
    assert chunked.numel == 16 * 300
    assert whole.numel == 300 * 300


def test_the_sides_are_treated_alike():
    source, target = _pairs(9)
    scale = torch.tensor(5.0, dtype=torch.float64)
    assert_allclose(
        info_nce(source, target, scale, chunk_size=4),
        info_nce(target, source, scale, chunk_size=2),
    )


def test_nothing_told_apart_costs_the_logarithm_of_the_batch():
    rows = torch.ones(50, 3) / math.sqrt(3)
    losses = info_nce(rows, rows, torch.tensor(20.0))
    assert_allclose(losses, math.log(50), rtol=1e-5)
    assert_allclose(info_nce(rows[:1], rows[:1], torch.tensor(20.0)), 0, atol=1e-6)


def test_large_logits_do_not_overflow():
    rows = torch.eye(4).requires_grad_()
    scale = torch.tensor(1e4, requires_grad=True)
    losses = info_nce(rows, -rows, scale)
    losses.sum().backward()
    assert_allclose(losses.detach(), 1e4 + math.log(3), rtol=1e-6)
    assert torch.isfinite(rows.grad).all()


def test_temperature_begins_where_it_is_told_and_is_learnt():
    loss = InfoNCE(0.5)
    assert_allclose(loss.temperature, 0.5, rtol=1e-6)
    embeddings = torch.stack([torch.eye(4), torch.eye(4)], dim=1)
    before = loss.mean(embeddings)
    before.backward()
    torch.optim.SGD(loss.parameters(), lr=1.0).step()
    assert loss.temperature < 0.5  # partners are told apart: sharper is better
    assert loss.mean(embeddings) < before


def test_temperature_is_kept_from_a_hundredth_to_one():
    loss = InfoNCE(0.02)
    with torch.no_grad():
        loss.log_scale.fill_(9.0)
    assert_allclose(loss.temperature, 0.01)
    embeddings = torch.stack(tuple(_pairs(6, dtype=torch.float32)), dim=1)
    expected = _dense(*embeddings.unbind(dim=1), 100.0)
    rounding = 800 * np.finfo(np.float32).eps  # of logits of up to 100
    found = loss.losses(embeddings).detach()
    assert_allclose(found, expected, rtol=1e-4, atol=rounding)
    assert_allclose(loss.log_scale.detach(), np.log(100), rtol=1e-6)
    loss.mean(embeddings).backward()
    assert loss.log_scale.grad != 0  # and can come down again
    with torch.no_grad():
        loss.log_scale.fill_(-9.0)
    assert loss.temperature == 1
    assert_allclose(
        loss.losses(embeddings).detach(), _dense(*embeddings.unbind(1), 1.0), rtol=1e-5
    )


def test_scores_fall_as_losses_rise():
    embeddings = torch.stack(tuple(_pairs(6, dtype=torch.float32)), dim=1)
    loss = InfoNCE()
    assert_allclose(
        loss.row_scores(embeddings).detach(), -loss.losses(embeddings).detach()
    )
    assert_allclose(
        loss.mean(embeddings).detach(), loss.losses(embeddings).detach().mean()
    )


def test_arrays_are_no_tensors():
    rows = torch.eye(3)
    with pytest.raises(TypeError, match=r"an ndarray of shape \(3, 3\). Convert it"):
        info_nce(rows, rows.numpy(), torch.tensor(1.0))
