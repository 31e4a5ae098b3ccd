"""Classes of maps in order of flexibility."""

from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import FunctionTransformer

from skalign.model_selection._streaming_search import StreamingSearchCV
from skalign.paired import KernelAligner, LinearAligner, RigidAligner


class _Translation(RegressorMixin, BaseEstimator):
    """Translation by the difference of the means."""

    def fit(self, X, y):
        self.shift_ = (y - X).mean(axis=0)
        return self

    def predict(self, X):
        return X + self.shift_


def map_classes(n_features, n_targets, seed):
    """Return an estimator for each class of maps, in order of flexibility."""
    narrow = min(n_features, n_targets)
    classes = {"constant": DummyRegressor()}
    if n_features == n_targets:
        classes["identity"] = FunctionTransformer()
        classes["translation"] = _Translation()
    classes |= {"rigid": RigidAligner(), "similarity": RigidAligner(scaling=True)}
    if narrow > 1:
        classes["low rank"] = StreamingSearchCV(
            LinearAligner(),
            {"rank": sorted({max(1, narrow // k) for k in (2, 4, 8, 16)})},
            cv=ShuffleSplit(1, test_size=0.25, random_state=seed),
            scoring="neg_mean_squared_error",
        )
    nonlinear = KernelAligner(n_landmarks=256, random_state=seed)
    return classes | {"linear": LinearAligner(), "nonlinear": nonlinear}
