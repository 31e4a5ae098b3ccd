import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign.deep.networks import SimplexETFHead  # noqa: E402
from skalign.metrics import simplex_etf  # noqa: E402


@pytest.mark.parametrize("n_classes", [2, 5])
def test_vertices_are_those_of_the_simplex(n_classes):
    head = SimplexETFHead(7, n_classes, random_state=3)
    assert_allclose(head.vertices, simplex_etf(n_classes, 7, random_state=3), rtol=1e-6)
    gram = (head.vertices.T @ head.vertices).numpy()
    expected = np.full((n_classes, n_classes), -1 / (n_classes - 1))
    np.fill_diagonal(expected, 1)
    assert_allclose(gram, expected, atol=1e-6)


def test_vertices_are_not_trained_and_are_stored():
    head = SimplexETFHead(4, 3)
    assert not list(head.parameters())
    assert set(head.state_dict()) == {"vertices"}


def test_logits_of_unit_features_are_cosines():
    head = SimplexETFHead(4, 3, random_state=0)
    features = torch.nn.functional.normalize(torch.eye(4)[:2] + 1, dim=1)
    logits = head(features)
    expected = torch.nn.functional.cosine_similarity(
        features[:, None], head.vertices.T[None], dim=2
    )
    assert_allclose(logits, expected, atol=1e-6)
