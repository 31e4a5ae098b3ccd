"""Content and style of each row."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._parameters import Interval
from skalign._validation import FLOATS
from skalign.style._channels import find_style


class StyleContentSplitter(
    AtomicMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Split feature maps into content and style.

    Style is the mean and the standard deviation of each channel over its positions,
    row by row; content is what is left when both are taken away: instance
    normalisation. Where domains differ by light, contrast or colour, content is what
    they share, and style tells them apart. Read more in the :ref:`User Guide <style>`.

    Parameters
    ----------
    n_channels : int, default=1
        Channels of a row. The values of a channel lie side by side, as in pictures of
        shape (n_channels, height, width) that are reshaped to rows. With 1, a row is
        one channel.
    output : {"both", "content", "style"}, default="both"
        What `transform` returns.
    eps : float, default=1e-5
        Added to the variances, in squared units of `X`. Above 0, for the sake of
        channels that are constant.

    Attributes
    ----------
    n_features_in_ : int
        Width of a row.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    MeanVarianceAligner : Mean and variance of columns over rows.
    skalign.deep.adain : Style exchange inside a network.

    References
    ----------
    .. [1] X. Huang and S. Belongie, "Arbitrary style transfer in real-time with
       adaptive instance normalization", ICCV 2017, eqs. 5 to 7.

    Examples
    --------
    >>> from skalign import StyleContentSplitter
    >>> splitter = StyleContentSplitter().fit([[1.0, 3.0], [10.0, 30.0]])
    >>> both = splitter.transform([[1.0, 3.0], [10.0, 30.0]])
    >>> both.round(3)
    array([[-1.,  1.,  2.,  1.],
           [-1.,  1., 20., 10.]])
    >>> splitter.inverse_transform(both)
    array([[ 1.,  3.],
           [10., 30.]])
    """

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "output": [StrOptions({"both", "content", "style"})],
        "eps": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, n_channels=1, *, output="both", eps=1e-5):
        self.n_channels = n_channels
        self.output = output
        self.eps = eps

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Look at the width of `X`; nothing else is learnt.

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
        X = validate_data(self, X, dtype=FLOATS)
        find_style(X[:1], self.n_channels)
        return self

    def transform(self, X):
        """Split rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        parts : ndarray of shape (n_samples, n_features_out)
            The content, `n_features` columns; then the style: the mean of each
            channel and the standard deviation of each. One of the two, if `output`
            says so.

        Raises
        ------
        ValueError
            If the width changed, or a value is not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        maps, mean, std = find_style(X, self.n_channels, self.eps)
        parts = [mean, std] if self.output != "content" else []
        if self.output != "style":
            parts.insert(0, (maps - mean) / std)
        return np.hstack([part.reshape(len(X), -1) for part in parts])

    @available_if(lambda self: self.output == "both")
    def inverse_transform(self, X):
        """Put content and style together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features + 2 * n_channels)
            Content, means and standard deviations, as `transform` returns them; each
            may be that of other rows.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows.

        Raises
        ------
        ValueError
            If the width is another one, or a value is not finite.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=FLOATS)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {X.shape[1]} columns; content and style have "
                f"{self._n_features_out}."
            )
        at = [self.n_features_in_, self.n_features_in_ + self.n_channels]
        content, mean, std = (
            part.reshape(len(X), self.n_channels, -1)
            for part in np.split(X, at, axis=1)
        )
        return (content * std + mean).reshape(len(X), -1)

    @property
    def _n_features_out(self):
        n_content = self.n_features_in_ if self.output != "style" else 0
        n_style = 2 * self.n_channels if self.output != "content" else 0
        return n_content + n_style

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
