"""Transforming by an aligner that was fitted inside another."""

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._aligner import AlignerMixin, transform_target
from skalign._validation import FLOATS


def _invertible(self):
    # Before fit it may not be known yet which aligner will do the work.
    aligner = getattr(self, "aligner_", getattr(self, "_unfitted", None))
    return aligner is None or hasattr(aligner, "inverse_transform")


class InnerAlignerMixin(AlignerMixin):
    """`transform` and its relatives by the fitted aligner `aligner_`."""

    def transform(self, X):
        """Carry source rows into the target space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        Returns
        -------
        X_mapped : ndarray of shape (n_samples, n_features_out)
            What `transform` of the fitted aligner gives.

        Raises
        ------
        ValueError
            If the width changed since `fit`, or a value is not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        # An array: what a data frame is made of, if one is asked for, with its index.
        return np.asarray(self.aligner_.transform(X))

    def transform_target(self, y):
        """Carry target rows to where mapped source rows are compared with them.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features_out)
            What `transform_target` of the fitted aligner gives; the same rows for an
            aligner that has none.

        Raises
        ------
        ValueError
            If the width is not `n_targets_`, or a value is not finite.
        """
        check_is_fitted(self)
        return transform_target(self.aligner_, super().transform_target(y))

    @available_if(_invertible)
    def inverse_transform(self, y):
        """Carry rows back into the source space.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_features_out)
            Rows of the space that `transform` leads to.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features)
            What `inverse_transform` of the fitted aligner gives.
        """
        check_is_fitted(self)
        return self.aligner_.inverse_transform(y)

    @property
    def _n_features_out(self):
        return len(self.aligner_.get_feature_names_out())
