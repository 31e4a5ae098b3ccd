"""Fitting from sums: batch by batch, and from two halves."""

from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from skalign._column_names import merge_names
from skalign._validation import check_pairs
from skalign.moments import Moments


class StreamingMixin:
    """`partial_fit` and `merge` of a paired aligner whose map is made of moments.

    Expects `_products()`, the sums it needs, and `_solve(moments, dtype)`, which sets
    the fitted map.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Add pairs to those seen before, and learn the map from all of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative. A weight of k counts as k equal rows.

        Returns
        -------
        self : object
            The estimator. Where a batch is refused or interrupted it stays as the
            batches before left it.

        Raises
        ------
        ValueError
            If widths changed, `X` and `y` differ in length, a value is not finite, the
            estimator was fitted at once in a way that left no sums, or it cannot choose
            its strength yet, as from a first batch of one row.
        """
        moments = self._sums() if hasattr(self, "coef_") else None
        X, y, sample_weight = check_pairs(
            self,
            X,
            y,
            sample_weight=sample_weight,
            reset=moments is None,
            ensure_all_finite=False,
            ensure_min_samples=1,
        )
        batch = Moments.from_arrays(
            X, y, sample_weight=sample_weight, products=self._products()
        )
        self._solve(batch if moments is None else moments.merge(batch), X.dtype)
        return self

    def merge(self, other):
        """Add the pairs that another aligner has seen, and learn from all of them.

        Parameters
        ----------
        other : object
            Fitted aligner of the same class, on other rows of the same spaces. It is
            not changed.

        Returns
        -------
        self : object
            The estimator, as if it had been fitted on the rows of both.

        Raises
        ------
        TypeError
            If `other` is of another class.
        ValueError
            If widths differ, or one of the two was fitted in a way that left no sums.
        """
        if type(other) is not type(self):
            raise TypeError(
                f"{type(self).__name__} cannot be merged with {type(other).__name__}."
            )
        check_is_fitted(self)
        check_is_fitted(other)
        merge_names(self, other)
        self._solve(self._sums().merge(other._sums()), self.coef_.dtype)
        return self

    def _sums(self):
        if self.moments_ is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted from rows and kept no sums: "
                "start with partial_fit instead of fit."
            )
        return self.moments_
