"""Aligners that map both sides of pairs to a common space."""

import numpy as np
from numpy.typing import ArrayLike

from skalign._aligner import AlignerMixin
from skalign._arrays import join
from skalign._validation import check_weight
from skalign.metrics import retrieval_ranks


class CommonSpaceMixin(AlignerMixin):
    """Mixin of aligners that map both sides of pairs to a common space.

    A subclass writes `fit`, which validates pairs and sets `n_targets_` and
    `n_components_`, and `_map(X)` and `_map_target(y)`, which map the validated
    samples of either side.

    See Also
    --------
    skalign.CanonicalAligner : Linear maps to the common space.
    skalign.ContrastiveAligner : Trained maps to the common space.
    """

    _into_target = False

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Fraction of source samples whose own target sample is the nearest.

        Samples are compared by cosine similarity in the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples, n_targets)
            The same samples, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the source samples, not negative.

        Returns
        -------
        score : float
            Retrieval accuracy from 0 to 1, as
            :func:`~skalign.metrics.retrieval_accuracy`. It decreases with the number of
            samples.
        """
        weight, y = check_weight(sample_weight, X), join(y, X)
        ranks = retrieval_ranks(self.transform(X), self.transform_target(y))
        return float(np.average(ranks == 1, weights=weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
