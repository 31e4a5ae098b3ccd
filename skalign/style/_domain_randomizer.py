"""Randomisation of contrast, brightness and noise."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state

from skalign._parameters import Interval
from skalign.style._channels import AugmenterMixin, find_style


class DomainRandomizer(AugmenterMixin, BaseEstimator):
    r"""Randomise contrast, brightness and noise of the training samples of a pipeline.

    Each channel :math:`c` of a training sample, with mean :math:`\mu_c` and standard
    deviation :math:`\sigma_c` over its positions, is replaced by

    .. math::

        \mu_c + e^{a z_1} (x_c - \mu_c) + \sigma_c \, (b z_2 + u \epsilon),

    with standard normal :math:`z_1`, :math:`z_2` and :math:`\epsilon`, `contrast`
    :math:`a`, `brightness` :math:`b`, and :math:`u` uniform between 0 and `noise`.
    `fit_transform` returns the changed samples; `transform` leaves new samples
    unchanged. Appropriate if domains differ in style but not in content, such as
    simulated training images and real test images [1]_. Read more in the
    :ref:`User Guide <style>`.

    Parameters
    ----------
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

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    MixStyleAugmenter : Interpolate between the styles of samples.
    skalign.deep.DomainRandomization : The same as a network layer, with blur.

    References
    ----------
    .. [1] J. Tobin et al., "Domain randomization for transferring deep neural networks
       from simulation to the real world", IROS 2017.

    Examples
    --------
    >>> from skalign import DomainRandomizer
    >>> randomizer = DomainRandomizer(noise=0.0, random_state=0)
    >>> randomizer.fit_transform([[1.0, 3.0], [1.0, 3.0]]).shape
    (2, 2)
    >>> randomizer.transform([[1.0, 3.0]])
    array([[1., 3.]])
    """

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "contrast": [Interval(Real, 0, None, closed="left")],
        "brightness": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "p": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_channels: int = 1,
        *,
        contrast: float = 0.5,
        brightness: float = 0.5,
        noise: float = 0.2,
        p: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_channels = n_channels
        self.contrast = contrast
        self.brightness = brightness
        self.noise = noise
        self.p = p
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Give each sample a random style, to be returned by `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples, with `n_channels` channels each.
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the number of features is not a multiple of `n_channels`, or a value is
            not finite.
        """
        self._fit(X, keep=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: ArrayLike, y: Any = None) -> np.ndarray:
        """Give each sample a random style.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples, with `n_channels` channels each.
        y : None
            Ignored.

        Returns
        -------
        X_randomized : ndarray of shape (n_samples, n_features)
            Samples in random styles; equal samples get the same style.
        """
        return self._fit(X, keep=False)

    def _change(self, X):
        maps, mean, std = find_style(X, self.n_channels)
        rng = check_random_state(self.random_state)
        gain = np.exp(self.contrast * rng.normal(size=std.shape))
        shift = self.brightness * rng.normal(size=std.shape)
        size = self.noise * rng.uniform(size=(len(X), 1, 1))
        noise = size * rng.normal(size=maps.shape)
        changed = rng.uniform(size=(len(X), 1, 1)) < self.p
        random = (maps - mean) * gain + mean + std * (shift + noise)
        return np.where(changed, random, maps).astype(X.dtype).reshape(X.shape)
