"""What every aligner has in common: mixins, and nothing learnt."""

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._column_names import check_target_names
from skalign._routing import into_target, transform_target
from skalign._validation import FLOATS, check_target
from skalign.moments import pseudo_inverse


class TargetNamesOutMixin(ClassNamePrefixFeaturesOutMixin):
    """Output columns have the names of the target's, where they are the same.

    Expects `_names_out` after `fit`: these names or None.
    """

    def get_feature_names_out(self, input_features=None):
        """Get the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Only compared with the names seen in `fit`.

        Returns
        -------
        feature_names_out : ndarray of str objects
            The names of the target columns, where rows are carried to these and `fit`
            was given their names; otherwise the class name in lower case, numbered.

        Raises
        ------
        ValueError
            If `input_features` are not the names seen in `fit`, or not as many.
        """
        generated = super().get_feature_names_out(input_features)
        return generated if self._names_out is None else self._names_out.copy()


class AlignerMixin(AtomicMixin, TargetNamesOutMixin, TransformerMixin):
    """A map from a source space to a target space.

    Expects `n_targets_` and `_n_features_out` after `fit`. `_into_target` says whether
    source rows are carried to the columns of the target, `_same_features` whether the
    columns of both sides must be the same features.
    """

    _into_target = True
    _same_features = False

    @property
    def _names_out(self):
        return getattr(self, "target_names_in_", None) if self._into_target else None

    def transform_target(self, y):
        """Carry target rows to where mapped source rows are compared with them.

        Source rows are mapped into the target space, so target rows stay as they
        are.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space.

        Returns
        -------
        y : ndarray of shape (n_target_samples, n_targets)
            The same rows.

        Raises
        ------
        ValueError
            If the width is not `n_targets_`, columns have other names or another order
            than in `fit`, or a value is not finite.
        """
        return self._check_target(y)

    def _check_target(self, y):
        """Validate rows of the target space, with the columns of `fit`."""
        check_is_fitted(self)
        check_target_names(self, y)
        return check_target(y, self.n_targets_)

    def _check_source(self, X):
        """Validate rows of the source space, as wide as in `fit`."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=FLOATS, reset=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class AffineMixin(AlignerMixin):
    """An aligner that is one matrix and two means.

    Expects `coef_`, `x_mean_`, `y_mean_` and `n_targets_` after `fit`; and
    `_target_precision`, the relative precision of the target rows, if it is less than
    that of `coef_`.
    """

    _target_precision = 0.0

    def transform(self, X):
        """Carry source rows into the target space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        Returns
        -------
        X_mapped : ndarray of shape (n_samples, n_targets)
            The same rows in the target space.

        Raises
        ------
        ValueError
            If the width changed since `fit`, or a value is not finite.
        """
        return self._map(self._check_source(X))

    def inverse_transform(self, y):
        """Carry target rows back into the source space.

        The pseudo-inverse of the map. Source rows come back as they were where the
        map loses nothing (`coef_` of full row rank); target rows come back from a
        round trip through the source space where it reaches all of the target space
        (`coef_` of full column rank).

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features)
            The same rows in the source space.

        Raises
        ------
        ValueError
            If the width is not `n_targets_`, columns have other names or another order
            than in `fit`, or a value is not finite.
        """
        y = self._check_target(y)
        inverse = pseudo_inverse(self.coef_, self._target_precision).astype(np.float64)
        return ((y - self.y_mean_) @ inverse + self.x_mean_).astype(y.dtype, copy=False)

    def _map(self, X):
        coef = self.coef_.astype(X.dtype, copy=False)
        mapped = (X - self.x_mean_.astype(X.dtype, copy=False)) @ coef
        mapped += self.y_mean_.astype(X.dtype, copy=False)
        return mapped

    @property
    def _n_features_out(self):
        return self.coef_.shape[1]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "x_mean_")


def _invertible(self):
    # Before fit it may not be known yet which aligner will do the work.
    aligner = getattr(self, "aligner_", getattr(self, "_unfitted", None))
    return aligner is None or hasattr(aligner, "inverse_transform")


class InnerAlignerMixin(AlignerMixin):
    """`transform` and its relatives by the fitted aligner `aligner_`."""

    @property
    def _into_target(self):
        return into_target(self.aligner_)

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
        X = self._check_source(X)
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
            If the width is not `n_targets_`, columns have other names or another order
            than in `fit`, or a value is not finite.
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
        y = self._check_target(y) if self._into_target else y
        return self.aligner_.inverse_transform(y)

    @property
    def _n_features_out(self):
        return len(self.aligner_.get_feature_names_out())

    def __sklearn_is_fitted__(self):
        return hasattr(self, "aligner_")


class PairedMixin(RegressorMixin):
    """An aligner whose target rows are the same items as its source rows.

    Expects `_map(X)` for validated rows, and `_y_ndim` after `fit`.
    """

    def predict(self, X):
        """Predict the target row of each source row; the same as `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.

        Returns
        -------
        y : ndarray of shape (n_samples, n_targets) or (n_samples,)
            The rows in the target space; one-dimensional if `fit` was given a
            one-dimensional `y`.
        """
        mapped = self._map(self._check_source(X))
        return mapped.ravel() if self._y_ndim == 1 else mapped

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative.

        Returns
        -------
        r2 : float
            At most 1; the mean over targets.

        Raises
        ------
        ValueError
            If columns have other names or another order than in `fit`, widths or
            lengths differ, or a value is not finite.
        """
        check_is_fitted(self)
        check_target_names(self, y)
        return super().score(X, y, sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
