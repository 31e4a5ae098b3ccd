"""Samples of domains, and objectives without a network."""

from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch")


class Rows(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    sample_domain: np.ndarray

    def fit(self, estimator):
        return estimator.fit(self.X, self.y, sample_domain=self.sample_domain)


@pytest.fixture(scope="session")
def make_rows():
    def make(n_samples=240, n_classes=3, n_domains=2, n_features=6, seed=0):
        """Classes that lie apart, in domains that differ by a shift."""
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.arange(n_samples) % n_classes)
        domain = rng.permutation(np.arange(n_samples) % n_domains)
        centres = 2 * np.random.default_rng(1).normal(size=(n_classes, n_features))
        X = (
            centres[y]
            + 0.3 * domain[:, None]
            + rng.normal(size=(n_samples, n_features))
        )
        return Rows(X.astype(np.float32), y, domain)

    return make


@pytest.fixture(scope="session")
def rows(make_rows):
    return make_rows()


@pytest.fixture(scope="session")
def make_criterion():
    from skalign.deep import Training
    from skalign.deep.objectives import Criterion, CrossEntropy

    def make(objective, *, n_features=5, loss=None, **settings):
        """Return what minimises an objective over two domains, all samples at once."""
        return Criterion(
            objective,
            CrossEntropy() if loss is None else loss,
            Training(None, n_features, 2),
            **{"is_drawn": False, **settings},
        )

    return make


@pytest.fixture(scope="session")
def make_batch():
    import torch

    from skalign.deep import Batch
    from skalign.deep.objectives import CrossEntropy

    def make(features=None, *, logits=None, y=None, is_drawn=False, loss=None):
        """Return a batch, from one tensor for each domain."""
        given = features if logits is None else logits
        n = sum(map(len, given))
        return Batch(
            None if features is None else torch.cat(list(features)),
            torch.zeros(n, 3) if logits is None else torch.cat(list(logits)),
            torch.zeros(n, dtype=int) if y is None else torch.cat(list(y)),
            [len(part) for part in given],
            loss=CrossEntropy() if loss is None else loss,
            step=0,
            n_steps=1,
            is_drawn=is_drawn,
            is_training=True,
        )

    return make
