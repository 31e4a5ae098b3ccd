"""Randomisation of contrast, brightness and noise."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import FLOATS, Interval
from skalign.style._channels import find_style


@validate_params(
    {
        "X": ["array-like"],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "contrast": [Interval(Real, 0, None, closed="left")],
        "brightness": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "p": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def randomize_style(
    X: ArrayLike,
    n_channels: int = 1,
    *,
    contrast: float = 0.5,
    brightness: float = 0.5,
    noise: float = 0.2,
    p: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Randomise contrast, brightness and noise of training samples.

    Each channel :math:`c` of a sample, with mean :math:`\mu_c` and standard deviation
    :math:`\sigma_c` over its positions, is replaced by

    .. math::

        \mu_c + e^{a z_1} (x_c - \mu_c) + \sigma_c \, (b z_2 + u \epsilon),

    with standard normal :math:`z_1`, :math:`z_2` and :math:`\epsilon`, `contrast`
    :math:`a`, `brightness` :math:`b`, and :math:`u` uniform between 0 and `noise`.
    Appropriate if domains differ in style but not in content, such as simulated
    training images and real test images [1]_. Read more in the
    :ref:`User Guide <style>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Training samples, with `n_channels` channels each.
    n_channels : int, default=1
        Number of channels. The values of a channel are contiguous, as in images of
        shape (n_channels, height, width) flattened to vectors.
    contrast : float, default=0.5
        Standard deviation of the logarithm of the contrast factor.
    brightness : float, default=0.5
        Standard deviation of the shift, in standard deviations of the channel.
    noise : float, default=0.2
        Maximum standard deviation of the white noise, in standard deviations of the
        channel.
    p : float, default=1.0
        Probability that a sample is changed.
    random_state : int, RandomState instance or None, default=None
        Seed of the styles.

    Returns
    -------
    X_randomized : ndarray of shape (n_samples, n_features)
        Samples in random styles.

    Raises
    ------
    ValueError
        If the number of features is not a multiple of `n_channels`, a value is not
        finite, or a parameter is out of range.

    See Also
    --------
    mix_style : Interpolate between the styles of samples.
    skalign.deep.DomainRandomization : The same as a network layer, with blur.

    Notes
    -----
    This is a function and not a transformer because only training samples are to be
    changed: a transformer maps training and test samples alike.

    References
    ----------
    .. [1] J. Tobin et al., "Domain randomization for transferring deep neural networks
       from simulation to the real world", IROS 2017.

    Examples
    --------
    >>> from skalign.style import randomize_style
    >>> X = randomize_style([[1.0, 3.0], [1.0, 3.0]], noise=0.0, random_state=0)
    >>> X.round(2)
    array([[0.07, 4.91],
           [1.9 , 4.34]])
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    maps, mean, std = find_style(X, n_channels)
    rng = check_random_state(random_state)
    gain = np.exp(contrast * rng.normal(size=std.shape))
    shift = brightness * rng.normal(size=std.shape)
    size = noise * rng.uniform(size=(len(X), 1, 1))
    white = size * rng.normal(size=maps.shape)
    changed = rng.uniform(size=(len(X), 1, 1)) < p
    random = (maps - mean) * gain + mean + std * (shift + white)
    return np.where(changed, random, maps).astype(X.dtype).reshape(X.shape)
