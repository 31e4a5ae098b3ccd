import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.autograd import gradcheck  # noqa: E402

from skalign.deep.networks import SimplexETFHead  # noqa: E402
from skalign.deep.objectives import (  # noqa: E402
    CrossEntropy,
    DotRegression,
    SquaredError,
    VertexDistance,
)

CLASS_RISKS = [CrossEntropy(), CrossEntropy(3.0), DotRegression(), VertexDistance()]


def _id(risk):
    return f"{type(risk).__name__}-{getattr(risk, 'scale', '')}"


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 4, dtype=torch.float64, generator=generator)


@pytest.fixture
def y():
    return torch.arange(20) % 4


@pytest.mark.parametrize("risk", CLASS_RISKS, ids=_id)
def test_scale_gradients_are_derivatives_by_a_factor_of_the_logits(risk, logits, y):
    factor = torch.ones(20, 1, dtype=torch.float64, requires_grad=True)
    # Dot regression depends on one logit of K: for it, the distance is differentiated.
    of = VertexDistance() if isinstance(risk, DotRegression) else risk
    of.losses(factor * logits, y).sum().backward()
    assert_allclose(risk.scale_gradients(logits, y), factor.grad[:, 0], rtol=1e-12)


@pytest.mark.parametrize("risk", CLASS_RISKS, ids=_id)
def test_losses_and_scale_gradients_are_differentiated_rightly(risk, logits, y):
    logits = logits.requires_grad_()
    assert gradcheck(lambda z: risk.losses(z, y), logits)
    assert gradcheck(lambda z: risk.scale_gradients(z, y), logits)


@pytest.mark.parametrize("risk", CLASS_RISKS, ids=_id)
def test_mean_is_that_of_the_losses(risk, logits, y):
    assert_allclose(risk.mean(logits, y), risk.losses(logits, y).mean())


def test_mean_of_squared_errors_is_that_of_the_losses(logits):
    risk, y = SquaredError(), logits.flip(0)
    assert_allclose(risk.losses(logits, y), ((logits - y) ** 2).mean(dim=1))
    assert_allclose(risk.mean(logits, y), risk.losses(logits, y).mean())
    assert_allclose(risk.row_scores(logits, y), -risk.losses(logits, y))


@pytest.mark.parametrize("risk", CLASS_RISKS, ids=_id)
def test_probabilities_sum_to_one_and_order_as_logits(risk, logits):
    shares = risk.probabilities(logits)
    assert_allclose(shares.sum(dim=1), np.ones(20))
    assert (shares >= 0).all()
    assert (shares.argmax(dim=1) == logits.argmax(dim=1)).all()


def test_probabilities_are_uniform_where_logits_are_equal():
    shares = DotRegression().probabilities(torch.full((1, 4), -1.0))
    assert_allclose(shares, np.full((1, 4), 0.25))


def test_row_scores_are_one_where_the_largest_logit_is_right():
    logits = torch.tensor([[2.0, 1.0], [2.0, 1.0]])
    assert CrossEntropy().row_scores(logits, torch.tensor([0, 1])).tolist() == [1, 0]


def test_cross_entropy_scales_logits(logits, y):
    assert_allclose(
        CrossEntropy(2.0).losses(logits, y), CrossEntropy().losses(2 * logits, y)
    )


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("risk", [DotRegression(), VertexDistance()], ids=_id)
def test_vertices_have_no_loss(risk, n_classes):
    head = SimplexETFHead(8, n_classes, random_state=0)
    y = torch.arange(n_classes)
    logits = head(head.vertices.T)
    assert_allclose(risk.losses(logits, y), np.zeros(n_classes), atol=1e-12)
    assert_allclose(risk.probabilities(logits), np.eye(n_classes), atol=1e-6)


def test_vertex_distance_is_half_the_squared_distance_from_the_vertex():
    head = SimplexETFHead(4, 4, random_state=0)
    weights = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    features, y = weights @ head.vertices.T, torch.arange(10) % 4
    expected = ((features - head.vertices.T[y]) ** 2).sum(dim=1) / 2
    assert_allclose(VertexDistance().losses(head(features), y), expected, rtol=1e-5)


def test_vertex_distance_is_dot_regression_for_two_classes():
    a = torch.linspace(-2, 2, 9)
    logits, y = torch.stack([a, -a], dim=1), torch.arange(9) % 2
    for name in ("losses", "scale_gradients", "probabilities"):
        given = (logits,) if name == "probabilities" else (logits, y)
        ours, theirs = (getattr(r, name) for r in (VertexDistance(), DotRegression()))
        assert_allclose(ours(*given), theirs(*given), atol=1e-6)


def test_vertex_distance_tells_classes_apart_where_dot_regression_does_not():
    # One feature for two of three classes: logits of a simplex sum to 0.
    logits, y = torch.tensor([[1.0, 1.0, -2.0]] * 2), torch.tensor([0, 1])
    assert (DotRegression().losses(logits, y) == 0).all()
    assert (VertexDistance().losses(logits, y) > 0.5).all()


def test_probabilities_invert_the_logits_that_are_best_on_average():
    shares = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    risk, y = VertexDistance(), torch.arange(3)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-12)

    def expected_loss():
        optimizer.zero_grad()
        loss = (shares * risk.losses(logits.expand(3, 3), y)).sum()
        loss.backward()
        return loss

    optimizer.step(expected_loss)
    assert_allclose(risk.probabilities(logits.detach())[0], shares, atol=1e-6)


def test_for_two_classes_the_derivative_is_that_of_dot_regression():
    generator = torch.Generator().manual_seed(0)
    right = 2 * torch.rand(12, generator=generator, dtype=torch.float64) - 1
    logits, y = torch.stack([right, -right], dim=1), torch.arange(12) % 2
    factor = torch.ones(12, 1, dtype=torch.float64, requires_grad=True)
    DotRegression().losses(factor * logits, y).sum().backward()
    found = DotRegression().scale_gradients(logits, y)
    assert_allclose(found, factor.grad[:, 0], rtol=1e-12, atol=1e-15)
