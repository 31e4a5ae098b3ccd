import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign import MultiDomainClassifier  # noqa: E402
from skalign.deep import IRM  # noqa: E402
from skalign.deep.trainer import seeded  # noqa: E402


def _published(network, parts, n_steps, weight, n_warmup, l2):
    """The loop of the paper's code: penalty and L2 in the loss, then all divided."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(n_steps):
        risks, penalties = [], []
        for X, y in parts:
            factor = torch.ones((), requires_grad=True)
            risk = F.cross_entropy(factor * network(X)[1], y)
            (gradient,) = torch.autograd.grad(risk, factor, create_graph=True)
            risks.append(risk)
            penalties.append(gradient**2)
        in_force = weight if step >= n_warmup else 1.0
        loss = torch.stack(risks).mean() + in_force * torch.stack(penalties).mean()
        loss = loss + l2 * sum(w.norm() ** 2 for w in network.parameters())
        if in_force > 1:
            loss = loss / in_force
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_training_in_full_batches_is_that_of_the_published_code(rows):
    l2 = 0.05
    classifier = MultiDomainClassifier(
        IRM(weight=50.0, warmup=3),
        hidden_layer_sizes=(8,),
        lr=1e-2,
        weight_decay=2 * l2,
        batch_size=None,
        steps_per_epoch=4,
        max_epochs=2,
        device="cpu",
        random_state=1,
    )
    trained = rows.fit(classifier).net_.module_
    with seeded(np.random.RandomState(1).randint(2**31 - 1)):
        network = classifier._make_module()
    X, y = torch.from_numpy(rows.X), torch.from_numpy(rows.y)
    parts = [(X[at], y[at]) for at in (rows.sample_domain == e for e in (0, 1))]
    _published(network, parts, 8, 50.0, 3, l2)
    for ours, theirs in zip(trained.parameters(), network.parameters(), strict=True):
        assert_allclose(ours.detach(), theirs.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.long
def test_a_shortcut_that_differs_between_domains_is_given_up():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4000)
    domain = np.arange(4000) % 2
    cause = np.where(rng.random(4000) < 0.75, y, 1 - y)
    shortcut = np.where(rng.random(4000) < np.where(domain, 0.95, 0.75), y, 1 - y)
    X = np.c_[cause, shortcut] + 0.05 * rng.normal(size=(4000, 2))
    turned = np.c_[X[:, 0], 1 - X[:, 1]]
    full = {"batch_size": None, "steps_per_epoch": 20, "max_epochs": 20}
    classifier = MultiDomainClassifier(
        IRM(1e3), hidden_layer_sizes=(16,), lr=0.01, random_state=0
    )
    classifier.set_params(**full).fit(X, y, sample_domain=domain)
    plain = MultiDomainClassifier(
        IRM(0), hidden_layer_sizes=(16,), lr=0.01, random_state=0
    )
    plain.set_params(**full).fit(X, y, sample_domain=domain)
    assert plain.score(turned, y) < 0.5
    assert classifier.score(turned, y) > 0.65
