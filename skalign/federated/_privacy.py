"""Differentially private sums: clipped samples and Gaussian noise."""

from numbers import Real

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval
from skalign.moments import Moments


@validate_params(
    {
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "sensitivity": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def gaussian_noise_scale(
    epsilon: float, delta: float, *, sensitivity: float = 1.0
) -> float:
    """Standard deviation of the noise that makes a sum differentially private.

    The result is the smallest value that gives (epsilon, delta)-differential privacy,
    by the analytic Gaussian mechanism (Theorem 8 of [1]_). The classical
    ``sensitivity * sqrt(2 * log(1.25 / delta)) / epsilon`` is larger and holds only for
    `epsilon` below 1.

    Parameters
    ----------
    epsilon : float
        Privacy loss. Must be positive.
    delta : float
        Probability of a larger privacy loss, between 0 and 1. Choose it well below
        ``1 / n_samples``.
    sensitivity : float, default=1.0
        Largest Euclidean distance by which one sample can change the released sum.

    Returns
    -------
    scale : float
        Standard deviation, in the unit of `sensitivity`.

    References
    ----------
    .. [1] B. Balle and Y.-X. Wang, "Improving the Gaussian mechanism for differential
       privacy: analytical calibration and optimal denoising", ICML 2018, pp. 394-403.

    Examples
    --------
    >>> from skalign.federated import gaussian_noise_scale
    >>> round(gaussian_noise_scale(1.0, 1e-5), 4)
    3.7306
    """

    def excess(log_scale):
        # Eq. 6 of [1]_, in units of the sensitivity.
        half, shift = 0.5 / np.exp(log_scale), epsilon * np.exp(log_scale)
        return ndtr(half - shift) - np.exp(epsilon + log_ndtr(-half - shift)) - delta

    low, high = -1.0, 1.0
    while excess(low) < 0:
        low -= 1
    while excess(high) > 0:
        high += 1
    return sensitivity * float(np.exp(brentq(excess, low, high, xtol=1e-12)))


def noisy_moments(rows, clip, epsilon, delta, rng):
    """Sum over clipped samples, with Gaussian noise added to the sums.

    A sample longer than `clip` is scaled to that length. The sum of the samples times
    `clip` and the upper triangle of the sum of their products are released together.
    Replacing a sample of squared length r by one of squared length s, with inner
    product t, changes them by a squared distance of at most
    ``clip**2 * (r + s - 2 * t) + r**2 + s**2 - 2 * t**2``. Its maximum is
    ``4.5 * clip**4``, for two samples of length `clip` with ``t = -clip**2 / 2``.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    clip, epsilon, delta : float
    rng : Generator or RandomState

    Returns
    -------
    moments : Moments
        Sums with the product "xx", which is symmetric but may have negative
        eigenvalues.
    """
    rows = rows.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows *= (clip / np.maximum(lengths, clip))[:, None]
    n_samples, width = rows.shape
    scale = gaussian_noise_scale(epsilon, delta, sensitivity=np.sqrt(4.5) * clip**2)
    total = rows.sum(axis=0) + rng.normal(scale=scale / clip, size=width)
    upper = np.triu(rng.normal(scale=scale, size=(width, width)))
    noise = upper + np.triu(upper, 1).T
    mean = total / n_samples
    centred = rows.T @ rows + noise - n_samples * np.outer(mean, mean)
    return moments_of(n_samples, mean, xx=centred)


def repaired(moments):
    """Replace noisy products by the nearest positive semidefinite matrix.

    Negative eigenvalues become zero, which is the projection in the Frobenius norm. It
    does not weaken privacy because it uses released values only.
    """
    values, vectors = eigh(moments.xx, check_finite=False)
    products = (vectors * values.clip(0)) @ vectors.T
    return moments_of(moments.n_samples, moments.x_mean, xx=products)


def split_pairs(moments, n_features):
    """Extract the sums over pairs from the product "xx" of ``[X, y]``."""
    x, y = slice(n_features), slice(n_features, None)
    joint, mean = moments.xx, moments.x_mean
    products = {"xx": joint[x, x], "xy": joint[x, y], "y2": np.diag(joint)[y]}
    return moments_of(moments.n_samples, mean[x], mean[y], **products)


def moments_of(n_samples, x_mean, y_mean=None, **products):
    """Return `Moments` with these values, in the precision of float64."""
    eps = np.finfo(np.float64).eps
    values = {"n_samples": n_samples, "weight": n_samples, "precision": eps}
    for side, mean in (("x", x_mean), ("y", y_mean)):
        if mean is not None:
            values[f"{side}_shift"] = np.zeros_like(mean)
            values[f"{side}_offset"] = mean
            values[f"{side}_precision"] = np.full(len(mean), eps)
    return Moments.from_dict(values | products, exact=False)
