"""Mixins of estimators that fit another paired aligner."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if

from skalign._aligner import InnerAlignerMixin
from skalign._arrays import arrive
from skalign._validation import check_target_names
from skalign.paired._linear import LinearAligner


def _aligner_has(method):
    def check(self):
        getattr(getattr(self, "aligner_", self._unfitted), method)
        return True

    return check


class InnerPairedMixin(InnerAlignerMixin):
    """Mixin for paired aligners that delegate to the fitted aligner `aligner_`.

    Expects `aligner`, a paired aligner or None, the default.
    """

    @available_if(_aligner_has("predict"))
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict target samples by the fitted aligner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.

        Returns
        -------
        y : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `predict` of the aligner.
        """
        X = self._check_source(X, "predict")
        return self.aligner_.predict(X)

    @available_if(_aligner_has("predict_std"))
    def predict_std(self, X: ArrayLike, *, include_noise: bool = True) -> np.ndarray:
        """Standard deviations of predictions by the fitted aligner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        include_noise : bool, default=True
            Whether to include the noise of a new target sample, or only the uncertainty
            of the map.

        Returns
        -------
        std : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `predict_std` of the aligner.
        """
        X = self._check_source(X, "predict_std")
        return self.aligner_.predict_std(X, include_noise=include_noise)

    @property
    def _same_features(self):
        return getattr(self._unfitted, "_same_features", False)

    @property
    def _unfitted(self):
        return LinearAligner() if self.aligner is None else self.aligner


class WrapperMixin(MetaEstimatorMixin, InnerPairedMixin):
    """Mixin for an estimator whose `fit` fits one aligner, on some of the pairs.

    It has the type, the tags and the score of the aligner.
    """

    @available_if(_aligner_has("score"))
    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score the fitted aligner, by R2 for all aligners with `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative.

        Returns
        -------
        score : float
            Result of `score` of the aligner.
        """
        X = self._check_source(X, "score")
        check_target_names(self, y)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.aligner_.score(X, np.asarray(arrive(y, "y")), **weights)

    def get_metadata_routing(self) -> Any:
        """Get the metadata that `fit` uses itself or passes on to the aligner.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(aligner=self._unfitted, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._unfitted)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags = deepcopy(inner.regressor_tags)
        tags.transformer_tags = deepcopy(inner.transformer_tags)
        tags.target_tags.required = True
        tags.non_deterministic = inner.non_deterministic
        return tags
