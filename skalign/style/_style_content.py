"""Separation of content and style."""

from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
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
from skalign._validation import FLOATS, Interval, cast_finite
from skalign.style._channels import find_style


class StyleContentSplitter(
    AtomicMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Split feature maps into content and style.

    The style of a sample consists of the mean :math:`\mu_c` and the standard deviation
    :math:`\sigma_c` of each channel over its positions; the content is the sample after
    instance normalisation [1]_,

    .. math::

        \frac{x_c - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}},

    with `eps` :math:`\epsilon`. If domains differ in lighting, contrast or colour, they
    share the content and differ in the style. Read more in the :ref:`User Guide
    <style>`.

    Parameters
    ----------
    n_channels : int, default=1
        Number of channels. The values of a channel are contiguous, as in images of
        shape (n_channels, height, width) flattened to vectors. With 1, all features
        form one channel.
    output : {"both", "content", "style"}, default="both"
        Output of `transform`.
    eps : float, default=1e-5
        Constant added to the variances, in squared units of `X`. Must be positive, so
        that constant channels can be normalised.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    MeanVarianceAligner : Match mean and variance of features over samples.
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

    def __init__(
        self,
        n_channels: int = 1,
        *,
        output: Literal["both", "content", "style"] = "both",
        eps: float = 1e-5,
    ) -> None:
        self.n_channels = n_channels
        self.output = output
        self.eps = eps

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Validate `X`; nothing else is learnt.

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
        X = validate_data(self, X, dtype=FLOATS)
        find_style(X[:1], self.n_channels)
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Split samples into content and style.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        parts : ndarray of shape (n_samples, n_features_out)
            Content, with `n_features` columns, followed by the style: the channel means
            and then the channel standard deviations. Only one of the two if `output` is
            not "both".

        Raises
        ------
        ValueError
            If the number of features differs from `fit`, or a value is not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        maps, mean, std = find_style(X, self.n_channels, self.eps)
        parts = [mean, std] if self.output != "content" else []
        if self.output != "style":
            parts.insert(0, (maps - mean) / std)
        return np.hstack([part.reshape(len(X), -1) for part in parts])

    @available_if(lambda self: self.output == "both")
    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Recombine content and style.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features + 2 * n_channels)
            Content, channel means and standard deviations, in the order of `transform`.
            Content and style may come from different samples.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Samples with the given content and style.

        Raises
        ------
        ValueError
            If the number of columns is wrong, or a value is not finite.
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
        with np.errstate(over="ignore"):
            joined = (content * std + mean).reshape(len(X), -1)
        return cast_finite(joined, X.dtype, "What content and style give")

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
