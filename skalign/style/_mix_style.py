"""Styles between those of the rows."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state

from skalign._labels import check_domain
from skalign._parameters import Interval
from skalign.style._channels import AugmenterMixin, find_style


class MixStyleAugmenter(AugmenterMixin, BaseEstimator):
    """Mix the style of rows with that of other rows while a pipeline is fitted.

    `fit_transform` returns as many rows as it was given, some of them with a mean and a
    standard deviation of each channel that lie between their own and those of another
    row [1]_; `transform` returns new rows as they are. So the last step of a pipeline
    learns from more styles than there are, and is asked about real ones. Read more in
    the :ref:`User Guide <style>`.

    Parameters
    ----------
    n_channels : int, default=1
        Channels of a row. The values of a channel lie side by side, as in pictures of
        shape (n_channels, height, width) that are reshaped to rows.
    p : float, default=0.5
        Probability that a row is changed.
    alpha : float, default=0.1
        Shares of both styles are drawn from Beta(alpha, alpha). Above 0; the smaller,
        the nearer to 0 or 1.
    eps : float, default=1e-6
        Added to the variances, in squared units of `X`.
    random_state : int, RandomState instance or None, default=None
        Determines which rows are changed, and how.

    Attributes
    ----------
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    DomainRandomizer : Styles drawn at random.
    skalign.deep.MixStyle : The layer of a network.

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

    def __init__(self, n_channels=1, *, p=0.5, alpha=0.1, eps=1e-6, random_state=None):
        self.n_channels = n_channels
        self.p = p
        self.alpha = alpha
        self.eps = eps
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sample_domain=None):
        """Mix the styles of rows, for `transform` to return.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of `n_channels` channels.
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
            If the width is no multiple of `n_channels`, lengths differ, there is one
            domain only, or a value is not finite.
        """
        self._fit(X, sample_domain, keep=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None, *, sample_domain=None):
        """Mix the styles of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of `n_channels` channels.
        y : None
            Ignored.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row, numbers or strings. A row is mixed with one of another
            domain; without it, with any.

        Returns
        -------
        X_mixed : ndarray of shape (n_samples, n_features)
            The rows, some in another style; equal ones in the same.
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
    """Draw another row for each: any, or one of another domain."""
    if sample_domain is None:
        return rng.permutation(len(X))
    domain = check_domain(sample_domain, X)
    names, codes, counts = np.unique(domain, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"sample_domain holds one domain, {names[0]}; at least 2 mix.")
    # In the order of domains, the others of a domain are all but one run of rows.
    order, ends = np.argsort(codes, kind="stable"), counts.cumsum()
    drawn = rng.randint(len(X) - counts[codes])
    return order[drawn + np.where(drawn >= (ends - counts)[codes], counts[codes], 0)]
