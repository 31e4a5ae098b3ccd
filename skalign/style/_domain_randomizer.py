"""Styles drawn at random."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state

from skalign._parameters import Interval
from skalign.style._channels import AugmenterMixin, find_style


class DomainRandomizer(AugmenterMixin, BaseEstimator):
    """Draw contrast, brightness and noise of rows while a pipeline is fitted.

    `fit_transform` returns as many rows as it was given, each in a random style;
    `transform` returns new rows as they are. What is learnt from made rows, whose style
    is unlike that of real ones, has then seen many styles [1]_. Read more in the
    :ref:`User Guide <style>`.

    Parameters
    ----------
    n_channels : int, default=1
        Channels of a row. The values of a channel lie side by side, as in pictures of
        shape (n_channels, height, width) that are reshaped to rows.
    contrast : float, default=0.5
        The standard deviation of a channel is multiplied by exp(`contrast` * z), with z
        standard normal.
    brightness : float, default=0.5
        `brightness` * z standard deviations of the channel are added to it.
    noise : float, default=0.2
        White noise, with a standard deviation drawn from 0 to `noise` times that of the
        channel.
    p : float, default=1.0
        Probability that a row is changed.
    random_state : int, RandomState instance or None, default=None
        Determines the styles.

    Attributes
    ----------
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    MixStyleAugmenter : Styles between those of the rows.
    skalign.deep.DomainRandomization : The layer of a network; it also blurs.

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
        n_channels=1,
        *,
        contrast=0.5,
        brightness=0.5,
        noise=0.2,
        p=1.0,
        random_state=None,
    ):
        self.n_channels = n_channels
        self.contrast = contrast
        self.brightness = brightness
        self.noise = noise
        self.p = p
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Give each row a random style, for `transform` to return.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of `n_channels` channels.
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the width is no multiple of `n_channels`, or a value is not finite.
        """
        self._fit(X, keep=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Give each row a random style.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of `n_channels` channels.
        y : None
            Ignored.

        Returns
        -------
        X_randomized : ndarray of shape (n_samples, n_features)
            The rows in other styles, equal ones in the same.
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
