import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from skalign import MultiDomainClassifier  # noqa: E402
from skalign.deep import MLP  # noqa: E402
from skalign.deep.trainer import DomainBatches  # noqa: E402

SEED = 2


def _first_seed():
    """What an estimator with ``random_state=SEED`` draws for torch."""
    return np.random.RandomState(SEED).randint(2**31 - 1)


def _by_hand(encoder, rows, batch_size, n_epochs, weight_decay):
    """The training loop that one would write without skalign."""
    with torch.random.fork_rng():
        torch.manual_seed(_first_seed())
        network = nn.Sequential(encoder, nn.Linear(5, 3))
    X, y = torch.from_numpy(rows.X), torch.from_numpy(rows.y)
    generator = torch.Generator().manual_seed(_first_seed())
    batches = DomainBatches(X, y, rows.sample_domain, batch_size, generator=generator)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=1e-2, weight_decay=weight_decay
    )
    for _ in range(n_epochs):
        for batch, (classes, _) in batches:
            optimizer.zero_grad()
            F.cross_entropy(network(batch), classes).backward()
            optimizer.step()
    return network


@pytest.mark.parametrize("batch_size", [16, None])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_training_is_that_of_a_plain_loop(rows, batch_size, weight_decay):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = MLP(6, (8, 5))
    classifier = MultiDomainClassifier(
        module=encoder,
        lr=1e-2,
        batch_size=batch_size,
        max_epochs=4,
        weight_decay=weight_decay,
        device="cpu",
        random_state=SEED,
    )
    trained = rows.fit(classifier).net_.module_
    by_hand = _by_hand(copy.deepcopy(encoder), rows, batch_size, 4, weight_decay)
    for ours, theirs in zip(trained.parameters(), by_hand.parameters(), strict=True):
        assert_allclose(ours.detach(), theirs.detach(), rtol=1e-5, atol=1e-6)
    for ours, before in zip(
        trained.encoder.parameters(), encoder.parameters(), strict=True
    ):
        assert (ours != before).any()


def test_domains_are_not_needed(rows):
    classifier = MultiDomainClassifier(random_state=0).fit(rows.X, rows.y)
    assert len(classifier.domains_) == 1
    assert classifier.score(rows.X, rows.y) > 0.95


def test_one_domain_is_enough(rows):
    domain = np.full(len(rows.y), "only")
    classifier = MultiDomainClassifier(max_epochs=1).fit(
        rows.X, rows.y, sample_domain=domain
    )
    assert classifier.domains_.tolist() == ["only"]
