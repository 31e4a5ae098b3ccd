"""Rows as channels, and what changes rows in `fit_transform` only."""

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._validation import FLOATS


def find_style(X, n_channels, eps=0.0):
    """Return rows as channels, and the style of each channel.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels * n_positions)
    n_channels : int
    eps : float, default=0.0
        Added to the variances.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_channels, n_positions)
    mean, std : ndarray of shape (n_samples, n_channels, 1)

    Raises
    ------
    ValueError
        If the width is no multiple of `n_channels`.
    """
    if X.shape[1] % n_channels:
        raise ValueError(
            f"X has {X.shape[1]} columns, which is no multiple of "
            f"n_channels={n_channels}."
        )
    maps = X.reshape(len(X), n_channels, -1)
    mean = maps.mean(axis=2, keepdims=True)
    std = np.sqrt(maps.var(axis=2, keepdims=True) + eps).astype(X.dtype, copy=False)
    return maps, mean, std


class AugmenterMixin(AtomicMixin, OneToOneFeatureMixin, TransformerMixin):
    """A transformer that changes the rows it is fitted on, and no others."""

    def transform(self, X):
        """Return new rows as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            A copy.

        Raises
        ------
        ValueError
            If the width changed, or a value is not finite.
        """
        check_is_fitted(self, "n_features_in_")
        return validate_data(self, X, dtype=FLOATS, reset=False, copy=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
