"""Rows of a size whose squares are numbers."""

import numpy as np


def near_one(rows, axis=None):
    """Rows times a power of two, the largest entry between 1/2 and 1: it loses nothing.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats
    axis : int or None, default=None
        1 takes a power for each row, None one for all.

    Returns
    -------
    rescaled : ndarray of shape (n_samples, n_features)
    """
    largest = np.abs(rows).max(axis=axis, keepdims=True)
    return np.ldexp(rows, -np.frexp(largest)[1])
