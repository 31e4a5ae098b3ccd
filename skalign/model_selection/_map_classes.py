"""Classes of maps in order of flexibility."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skalign.paired import LinearAligner, RigidAligner


class _Translation(RegressorMixin, BaseEstimator):
    """Translation by the difference of the means."""

    def fit(self, X, y):
        self.shift_ = (y - X).mean(axis=0)
        return self

    def predict(self, X):
        return X + self.shift_


class _KernelCorrection(RegressorMixin, BaseEstimator):
    """Ridge regression plus an RBF kernel ridge regression of its residuals.

    If the relation is linear, the correction is shrunk to zero. Width and
    regularisation of the kernel minimise the generalised cross-validation error on the
    training pairs.
    """

    def __init__(self, n_landmarks=256, random_state=None):
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(self, X, y):
        self.linear_ = LinearAligner().fit(X, y)
        self.scaler_ = StandardScaler().fit(X)
        scaled, rest = self.scaler_.transform(X), y - self.linear_.transform(X)
        n_landmarks = min(self.n_landmarks, max(1, len(X) // 2))
        least = np.inf
        for width in (0.1, 1.0):
            kernel = Nystroem(
                gamma=width / X.shape[1],
                n_components=n_landmarks,
                random_state=self.random_state,
            ).fit(scaled)
            correction = LinearAligner().fit(kernel.transform(scaled), rest)
            if (error := correction.alpha_errors_.min()) < least:
                self.kernel_, self.correction_, least = kernel, correction, error
        return self

    def predict(self, X):
        features = self.kernel_.transform(self.scaler_.transform(X))
        return self.linear_.transform(X) + self.correction_.transform(features)


def map_classes(n_features, n_targets, seed):
    """Return an estimator for each class of maps, in order of flexibility."""
    narrow = min(n_features, n_targets)
    classes = {"constant": DummyRegressor()}
    if n_features == n_targets:
        classes["identity"] = FunctionTransformer()
        classes["translation"] = _Translation()
    classes |= {"rigid": RigidAligner(), "similarity": RigidAligner(scaling=True)}
    if narrow > 1:
        classes["low rank"] = GridSearchCV(
            LinearAligner(),
            {"rank": sorted({max(1, narrow // k) for k in (2, 4, 8, 16)})},
            cv=ShuffleSplit(1, test_size=0.25, random_state=seed),
            scoring="neg_mean_squared_error",
        )
    linear, nonlinear = LinearAligner(), _KernelCorrection(random_state=seed)
    return classes | {"linear": linear, "nonlinear": nonlinear}
