"""Channel statistics, and the base of transformers that act in `fit_transform` only."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._rescale import power_of
from skalign._validation import FLOATS


def find_style(X, n_channels, eps=0.0):
    """Reshape samples to channels, and compute the mean and deviation of each channel.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels * n_positions)
    n_channels : int
    eps : float, default=0.0
        Constant added to the variances.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_channels, n_positions)
    mean, std : ndarray of shape (n_samples, n_channels, 1)

    Raises
    ------
    ValueError
        If the number of features is not a multiple of `n_channels`.
    """
    if X.shape[1] % n_channels:
        raise ValueError(
            f"X has {X.shape[1]} features, which is not a multiple of "
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
    """Return each row as a single sortable value; 0 and -0 are equal."""
    X = np.ascontiguousarray(X + 0.0)
    return X.view(np.dtype((np.void, X.itemsize * X.shape[1]))).ravel()


class AugmenterMixin(AtomicMixin, OneToOneFeatureMixin, TransformerMixin):
    """Mixin for transformers that change the training samples only.

    Subclasses implement `_change(X, ...)`, which returns changed samples.
    """

    def _fit(self, X, *args, keep):
        """Return changed samples, and store them for `transform` if `keep`."""
        X = validate_data(self, X, dtype=FLOATS)
        keys, first, of_row = np.unique(
            _keys(X), return_index=True, return_inverse=True
        )
        changed = self._change(X, *args)[first]
        self._keys, self._changed = (keys, changed) if keep else (None, None)
        return changed[of_row]

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return new samples unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            Copy of `X`. After `fit`, training samples are replaced by their changed
            versions, as returned by `fit_transform`; after `fit_transform`, no sample
            is changed.

        Raises
        ------
        ValueError
            If the number of features differs from `fit`, or a value is not finite.
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
