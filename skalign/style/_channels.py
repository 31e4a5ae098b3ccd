"""Rows as channels, and what changes rows in `fit_transform` only."""

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._rescale import power_of
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
    power = power_of(maps, axis=2)
    rescaled = np.ldexp(maps, -power)
    mean, std = (
        np.ldexp(statistic(axis=2, keepdims=True), power)
        for statistic in (rescaled.mean, rescaled.std)
    )
    return maps, mean, np.hypot(std, np.sqrt(eps)).astype(X.dtype, copy=False)


def _keys(X):
    """Return each row as one value, which can be sorted and found; 0 and -0 are one."""
    X = np.ascontiguousarray(X + 0.0)
    return X.view(np.dtype((np.void, X.itemsize * X.shape[1]))).ravel()


class AugmenterMixin(AtomicMixin, OneToOneFeatureMixin, TransformerMixin):
    """A transformer that changes the rows it is fitted on, and no others.

    Expects `_change(X, ...)`, which returns validated rows changed.
    """

    def _fit(self, X, *args, keep):
        """Return changed rows, equal ones alike; `keep` them for `transform`."""
        X = validate_data(self, X, dtype=FLOATS)
        keys, first, of_row = np.unique(
            _keys(X), return_index=True, return_inverse=True
        )
        changed = self._change(X, *args)[first]
        self._keys, self._changed = (keys, changed) if keep else (None, None)
        return changed[of_row]

    def transform(self, X):
        """Return new rows as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            A copy. After `fit`, the rows that it was given are changed, as
            `fit_transform` returns them; after `fit_transform`, which has handed them
            out, all rows are new ones.

        Raises
        ------
        ValueError
            If the width changed, or a value is not finite.
        """
        check_is_fitted(self, "n_features_in_")
        X = validate_data(self, X, dtype=FLOATS, reset=False, copy=True)
        if self._keys is not None:
            keys = _keys(X.astype(self._changed.dtype, copy=False))
            at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
            known = self._keys[at] == keys
            X[known] = self._changed[at[known]]
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
