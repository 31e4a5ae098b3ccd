"""Functions shared by the maps from means and covariances."""

import warnings

import numpy as np

_MAX_STRETCH = 100.0


def inverse_root(values):
    """One over the square root; zero where `values` is zero (pseudo-inverse)."""
    root = np.sqrt(values)
    return np.divide(1, root, out=np.zeros_like(root), where=root > 0)


def is_svd_better(solver, X, y):
    """Return whether to decompose the samples instead of their sums."""
    few = max(len(X), len(y)) < X.shape[1]
    return solver == "svd" or (solver == "auto" and few)


def warn_of_stretch(aligner, source, target):
    """Warn if the map stretches directions in which only the target varies."""
    known = source.vectors
    n_features, n_known = known.shape
    if n_known == n_features or not aligner.reg:
        return
    shared = target.values @ ((target.vectors.T @ known) ** 2).sum(axis=1)
    hidden = max(target.values.sum() - shared, 0) / (n_features - n_known)
    if (stretch := np.sqrt(1 + hidden / aligner.reg)) > _MAX_STRETCH:
        warnings.warn(
            f"The source samples vary in {n_known} of {n_features} directions, and the "
            f"target also in others: {type(aligner).__name__} stretches new samples "
            f"by a factor of {stretch:.0f} in these. Increase reg={aligner.reg} to "
            "about the variance of a feature, or remove these directions by reg=0.",
            UserWarning,
            stacklevel=6,
        )
