"""Mean and deviation of channels."""

import numpy as np

from skalign._rescale import power_of


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
