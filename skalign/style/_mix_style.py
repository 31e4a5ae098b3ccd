"""Interpolation of styles between samples."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state

from skalign._labels import check_domain
from skalign._parameters import Interval
from skalign.style._channels import AugmenterMixin, find_style


class MixStyleAugmenter(AugmenterMixin, BaseEstimator):
    r"""Mix the styles of the training samples of a pipeline.

    With probability `p`, the mean :math:`\mu` and standard deviation :math:`\sigma` of
    each channel of a training sample are interpolated with those of another sample,
    :math:`\mu'` and :math:`\sigma'` [1]_:

    .. math::

        x \mapsto \bigl((1 - \lambda) \sigma + \lambda \sigma'\bigr) \, \frac{x -
        \mu}{\sigma} + (1 - \lambda) \mu + \lambda \mu', \qquad \lambda \sim
        \mathrm{Beta}(\alpha, \alpha).

    `fit_transform` returns the changed samples; `transform` leaves new samples
    unchanged. The last step of a pipeline thus learns from intermediate styles and
    predicts for unchanged samples. Appropriate if domains differ in style and the style
    does not depend on the class. Read more in the :ref:`User Guide <style>`.

    Parameters
    ----------
    n_channels : int, default=1
        Number of channels. The values of a channel are contiguous, as in images of
        shape (n_channels, height, width) flattened to vectors.
    p : float, default=0.5
        Probability that a sample is changed.
    alpha : float, default=0.1
        Parameter of the Beta distribution of the weights. Must be positive; small
        values give weights near 0 or 1.
    eps : float, default=1e-6
        Constant added to the variances, in squared units of `X`.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of samples, of their partners and of the weights.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    DomainRandomizer : Draw styles at random.
    skalign.deep.MixStyle : The same as a network layer.

    References
    ----------
    .. [1] K. Zhou, Y. Yang, Y. Qiao and T. Xiang, "Domain generalization with
       MixStyle", ICLR 2021.

    Examples
    --------
    >>> from skalign import MixStyleAugmenter
    >>> X = [[0.0, 2.0], [10.0, 30.0], [5.0, 6.0]]
    >>> augmenter = MixStyleAugmenter(p=1.0, alpha=1.0, random_state=0)
    >>> augmenter.fit_transform(X).shape
    (3, 2)
    >>> augmenter.transform(X[:1])
    array([[0., 2.]])
    """

    __metadata_request__fit = {"sample_domain": True}

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_channels: int = 1,
        *,
        p: float = 0.5,
        alpha: float = 0.1,
        eps: float = 1e-6,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_channels = n_channels
        self.p = p
        self.alpha = alpha
        self.eps = eps
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: Any = None, *, sample_domain: ArrayLike | None = None
    ) -> Self:
        """Mix the styles of samples, to be returned by `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples, with `n_channels` channels each.
        y : None
            Ignored.
        sample_domain : array-like of shape (n_samples,), default=None
            As in `fit_transform`.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the number of features is not a multiple of `n_channels`, lengths differ,
            there is only one domain, or a value is not finite.
        """
        self._fit(X, sample_domain, keep=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(
        self, X: ArrayLike, y: Any = None, *, sample_domain: ArrayLike | None = None
    ) -> np.ndarray:
        """Mix the styles of samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples, with `n_channels` channels each.
        y : None
            Ignored.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample, as numbers or strings. Samples are mixed with samples
            of other domains. None mixes any two samples.

        Returns
        -------
        X_mixed : ndarray of shape (n_samples, n_features)
            Samples, some with a changed style; equal samples get the same style.
        """
        return self._fit(X, sample_domain, keep=False)

    def _change(self, X, sample_domain):
        maps, mean, std = find_style(X, self.n_channels, self.eps)
        rng = check_random_state(self.random_state)
        partner = _partners(sample_domain, X, rng)
        share = rng.beta(self.alpha, self.alpha, len(X)).astype(X.dtype)
        share[rng.uniform(size=len(X)) >= self.p] = 0
        share = share[:, None, None]
        gain = share * (std[partner] / std - 1)
        shift = share * (mean[partner] - mean)
        return (maps + (maps - mean) * gain + shift).reshape(X.shape)


def _partners(sample_domain, X, rng):
    """Draw a partner for each sample: any sample, or one of another domain."""
    if sample_domain is None:
        return rng.permutation(len(X))
    domain = check_domain(sample_domain, X)
    names, codes, counts = np.unique(domain, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(
            f"sample_domain has one domain, {names[0]}; at least 2 are needed."
        )
    # In the order of domains, the others of a domain are all but one run of rows.
    order, ends = np.argsort(codes, kind="stable"), counts.cumsum()
    drawn = rng.randint(len(X) - counts[codes])
    return order[drawn + np.where(drawn >= (ends - counts)[codes], counts[codes], 0)]
