"""Interpolation of styles between samples."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._labels import check_domain
from skalign._validation import FLOATS, Interval
from skalign.style._channels import find_style


@validate_params(
    {
        "X": ["array-like"],
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "sample_domain": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def mix_style(
    X: ArrayLike,
    n_channels: int = 1,
    *,
    p: float = 0.5,
    alpha: float = 0.1,
    eps: float = 1e-6,
    sample_domain: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Mix the styles of training samples.

    With probability `p`, the mean :math:`\mu` and standard deviation :math:`\sigma` of
    each channel of a sample are interpolated with those of another sample,
    :math:`\mu'` and :math:`\sigma'` [1]_:

    .. math::

        x \mapsto \bigl((1 - \lambda) \sigma + \lambda \sigma'\bigr) \, \frac{x -
        \mu}{\sigma} + (1 - \lambda) \mu + \lambda \mu', \qquad \lambda \sim
        \mathrm{Beta}(\alpha, \alpha).

    A model fitted to the result learns from intermediate styles. Appropriate if domains
    differ in style and the style does not depend on the class. Read more in the
    :ref:`User Guide <style>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Training samples, with `n_channels` channels each.
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
    sample_domain : array-like of shape (n_samples,), default=None
        Domain of each sample, as numbers or strings. Samples are mixed with samples of
        other domains. None mixes any two samples.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of samples, of their partners and of the weights.

    Returns
    -------
    X_mixed : ndarray of shape (n_samples, n_features)
        Samples, some of them with a changed style.

    Raises
    ------
    ValueError
        If the number of features is not a multiple of `n_channels`, lengths differ,
        there is only one domain, a value is not finite, or a parameter is out of range.

    See Also
    --------
    randomize_style : Draw styles at random.
    skalign.deep.MixStyle : The same as a network layer.

    Notes
    -----
    This is a function and not a transformer because only training samples are to be
    changed: a transformer maps training and test samples alike.

    References
    ----------
    .. [1] K. Zhou, Y. Yang, Y. Qiao and T. Xiang, "Domain generalization with
       MixStyle", ICLR 2021.

    Examples
    --------
    >>> from skalign.style import mix_style
    >>> X = [[0.0, 2.0], [10.0, 30.0], [5.0, 6.0]]
    >>> mix_style(X, p=1.0, alpha=1.0, random_state=0).round(2)
    array([[ 2.81,  4.25],
           [10.  , 30.  ],
           [ 0.94,  2.75]])
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    maps, mean, std = find_style(X, n_channels, eps)
    rng = check_random_state(random_state)
    partner = _partners(sample_domain, X, rng)
    share = rng.beta(alpha, alpha, len(X)).astype(X.dtype)
    share[rng.uniform(size=len(X)) >= p] = 0
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
