"""Made data that a linear map joins."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import ortho_group


class Clouds(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    target_labels: np.ndarray
    coef: np.ndarray
    shift: np.ndarray

    @property
    def classes(self):
        return {"labels": self.labels, "target_labels": self.target_labels}

    def truth(self, X):
        return X @ self.coef + self.shift


def skewed_rows(n_samples, n_features, rng):
    """Rows of four classes with third moments in every direction."""
    labels = rng.permutation(np.arange(n_samples) % 4)
    centres = np.random.default_rng(1).normal(size=(4, n_features))
    spreads = np.linspace(1.5, 0.5, n_features)
    rows = rng.gamma(1.0, size=(n_samples, n_features)) * spreads
    return rows + centres[labels], labels


@pytest.fixture(scope="session")
def make_clouds():
    def make(n_samples=2000, n_features=3, *, same_rows=False, coef=None, seed=0):
        """Two sides; `coef` is by default a rotation times 1.5."""
        rng = np.random.default_rng(seed)
        X, labels = skewed_rows(n_samples, n_features, rng)
        if coef is None:
            coef = 1.5 * ortho_group.rvs(n_features, random_state=seed)
        shift = rng.normal(size=coef.shape[1])
        if same_rows:
            order = rng.permutation(n_samples)
            rows, target_labels = X[order], labels[order]
        else:
            rows, target_labels = skewed_rows(n_samples + 100, n_features, rng)
        return Clouds(X, rows @ coef + shift, labels, target_labels, coef, shift)

    return make


@pytest.fixture
def turned():
    """The same rows, a little turned and moved."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(80, 2))
    angle = 0.05
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return X, X @ turn + 0.01


@pytest.fixture
def rng():
    return np.random.default_rng(0)
