"""Rows of environments."""

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
    def make(n_samples=240, n_classes=3, n_environments=2, n_features=6, seed=0):
        """Classes that lie apart, in environments that differ by a shift."""
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.arange(n_samples) % n_classes)
        domain = rng.permutation(np.arange(n_samples) % n_environments)
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
