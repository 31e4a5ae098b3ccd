"""Paired maps that cannot shrink: their variance comes from the sides."""

import numpy as np
from sklearn.base import BaseEstimator

from skalign._aligner import AffineMixin, PairedMixin
from skalign._arrays import dtype_name
from skalign._validation import check_pairs
from skalign.moments import Moments, Spectrum, nearest_rotation


def spread_of(rows, weights=None, name="X"):
    """Return the principal axes of weighted samples, which must not all be equal."""
    moments = Moments.from_arrays(rows, sample_weight=weights, x_name=name)
    spectrum = Spectrum.from_moments(moments, ddof=0)
    if len(spectrum.values) == 0:
        raise ValueError(f"All samples of {name} are equal: there is nothing to align.")
    return spectrum


class VarianceMap(PairedMixin, AffineMixin, BaseEstimator):
    """Rotation from pairs, scale from the two sides.

    Least squares shrinks where pairs are wrong: their noise draws the map to the
    mean. Here the pairs only say how to turn; how far to stretch is known from all
    rows of both sides, whatever the pairs.

    Parameters
    ----------
    whiten : bool, default=True
        Whether to turn between the whitened spaces, so that the covariance of the
        source is carried exactly to that of the target; else one scale for all
        directions carries the total variance.
    source, target : Spectrum, default=None
        The two sides; by default the pairs themselves.
    allow_reflection : bool, default=True
        Whether the map between spaces of equal width may have a negative determinant.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source samples to centred target samples.
    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the sides.
    """

    def __init__(self, whiten=True, *, source=None, target=None, allow_reflection=True):
        self.whiten = whiten
        self.source = source
        self.target = target
        self.allow_reflection = allow_reflection

    def fit(self, X, y, sample_weight=None):
        """Learn the map from pairs (as in `RigidAligner.fit`)."""
        X, y, sample_weight = check_pairs(self, X, y, sample_weight=sample_weight)
        source = self.source or spread_of(X, sample_weight)
        target = self.target or spread_of(y, sample_weight, "y")
        x_mean, y_mean = (
            side.mean.astype(X.dtype, copy=False) for side in (source, target)
        )
        left = X - x_mean
        if sample_weight is not None:
            left *= sample_weight[:, None].astype(X.dtype, copy=False)
        cross = (left.T @ (y - y_mean)).astype(np.float64)
        if self.whiten:
            cross = source.root(-1) @ cross @ target.root(-1)
        rotation, _ = nearest_rotation(cross, allow_reflection=self.allow_reflection)
        if self.whiten:
            coef = source.root(-1) @ rotation @ target.root(1)
        else:
            coef = np.sqrt(target.values.sum() / source.values.sum()) * rotation
        self._set_map(coef, x_mean, y_mean, X.dtype)
        return self


def fixed_map(coef, x_mean, y_mean):
    """Map that is known, as a fitted aligner."""
    aligner = VarianceMap()
    aligner.n_features_in_, aligner.n_targets_ = coef.shape
    aligner._set_map(coef, x_mean, y_mean, coef.dtype)
    return aligner


def identity_map(X):
    """Return the identity map."""
    dtype = dtype_name(X)
    zeros = np.zeros(X.shape[1], dtype=dtype)
    return fixed_map(np.eye(X.shape[1], dtype=dtype), zeros, zeros)
