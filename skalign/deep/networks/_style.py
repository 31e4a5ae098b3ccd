"""Layers that exchange, mix and randomise the style of feature maps.

The style of a feature map is the mean and the standard deviation of each channel over
positions; its content is the map standardised by them. The layers change styles during
training and are the identity in evaluation mode.
"""

from numbers import Real

import torch
from sklearn.utils.validation import check_scalar
from torch import nn
from torch.distributions import Beta
from torch.nn import functional as F

from skalign.deep.trainer import (
    DomainAware,
    drawn,
    drawn_like,
    in_float32_and_back,
    own,
    whole,
)


@in_float32_and_back
def split_style(
    X: torch.Tensor, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split feature maps into content and style.

    Parameters
    ----------
    X : Tensor of shape (batch, n_channels, ...)
        Feature maps or images, with at least one axis of positions.
    eps : float, default=1e-5
        Constant added to the variances.

    Returns
    -------
    content : Tensor of the shape of `X`
        Each channel of each map, minus its mean and divided by its standard deviation.
    mean, std : Tensor of shape (batch, n_channels, 1, ...)
        The style; ``content * std + mean`` equals `X`.

    Raises
    ------
    ValueError
        If `X` has no axis of positions, or `eps` is negative.

    References
    ----------
    .. [1] X. Huang and S. Belongie, "Arbitrary style transfer in real-time with
       adaptive instance normalization", ICCV 2017, eqs. 5 to 7.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import split_style
    >>> content, mean, std = split_style(torch.tensor([[[1.0, 3.0]]]), eps=0.0)
    >>> content, mean.item(), std.item()
    (tensor([[[-1.,  1.]]]), 2.0, 1.0)
    """
    mean, std = _style(X, eps)
    return (X - mean) / std, mean, std


@in_float32_and_back
def adain(
    content: torch.Tensor, style: torch.Tensor, eps: float = 1e-5
) -> torch.Tensor:
    """Replace the style of feature maps by that of others (AdaIN).

    Adaptive instance normalisation [1]_ standardises each channel of `content`, and
    gives it the mean and standard deviation of the same channel of `style`.

    Parameters
    ----------
    content : Tensor of shape (batch, n_channels, ...)
        Feature maps whose content is kept.
    style : Tensor of shape (batch, n_channels, ...)
        Feature maps whose style is used, one for each map of `content`, or a single one
        for all. Height and width may differ from those of `content`.
    eps : float, default=1e-5
        Constant added to the variances.

    Returns
    -------
    X : Tensor of the shape of `content`
        Feature maps with the content of `content` and the style of `style`.

    Raises
    ------
    ValueError
        If the numbers of channels differ, a side has no axis of positions, or `eps` is
        negative.

    References
    ----------
    .. [1] X. Huang and S. Belongie, "Arbitrary style transfer in real-time with
       adaptive instance normalization", ICCV 2017, eq. 8.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import adain
    >>> adain(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[5.0, 9.0]]]), eps=0.0)
    tensor([[[5., 9.]]])
    """
    if content.ndim != style.ndim or content.shape[1] != style.shape[1]:
        raise ValueError(
            "content and style must have the same numbers of axes and channels; got "
            f"{tuple(content.shape)} and {tuple(style.shape)}."
        )
    mean, std = _style(style, eps)
    return split_style(content, eps)[0] * std + mean


def _style(X, eps):
    """Mean and standard deviation of each channel, with axes of length 1 kept."""
    if X.ndim < 3:
        raise ValueError(
            "Feature maps must have shape (batch, n_channels, ...) with at least one "
            f"axis of positions; got {tuple(X.shape)}."
        )
    check_scalar(eps, "eps", Real, min_val=0)
    variance, mean = torch.var_mean(
        X, dim=tuple(range(2, X.ndim)), correction=0, keepdim=True
    )
    return mean, (variance + eps).sqrt()


def draw_partners(n_rows, n_domains, device, sizes=None):
    """Draw a partner for each sample: any, or one of another domain.

    The samples of a domain are consecutive, and domains have equally many samples.
    `sizes` are the numbers of samples of each domain, if known.
    """
    if n_domains is None:
        return drawn(torch.randperm, n_rows, device=device)
    unlike = sizes is not None and sizes != [n_rows // n_domains] * n_domains
    if n_rows % n_domains or unlike:
        rows = f"{n_rows}" if sizes is None else " + ".join(map(str, sizes))
        raise ValueError(
            f"n_domains={n_domains} needs batches with equally many samples of each "
            f"domain; got a batch of {rows} samples."
        )
    shuffled = torch.rand(n_domains, n_rows // n_domains, device=device).argsort(dim=1)
    shuffled += torch.arange(n_domains, device=device)[:, None] * shuffled.shape[1]
    step = int(torch.randint(1, n_domains, ()))
    return drawn(shuffled.roll(step, dims=0).flatten)


def _check(p, n_domains=None, **at_least_0):
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} must be from 0 to 1.")
    if n_domains is not None and n_domains < 2:
        raise ValueError(f"n_domains={n_domains} must be at least 2, or None.")
    for name, value in at_least_0.items():
        if value < 0:
            raise ValueError(f"{name}={value} must not be negative.")


def _check_alpha(alpha):
    if not alpha > 0:
        raise ValueError(f"alpha={alpha} must be above 0.")


class MixStyle(DomainAware):
    """Mix the style of each feature map with that of another one of the batch.

    Place it after an early block of a network. The network is then trained on styles
    between those of the training domains. There is no gradient through the style
    statistics. In evaluation mode the layer is the identity.

    Parameters
    ----------
    p : float, default=0.5
        Probability that a batch is mixed.
    alpha : float, default=0.1
        Parameter of the distribution Beta(alpha, alpha) from which the weight of the
        other style is drawn for each sample. Above 0; with smaller values, weights are
        closer to 0 or 1.
    n_domains : int or None, default=None
        Number of domains in a batch. Styles of different domains are then mixed; the
        samples of a domain must be consecutive, and equally many for each domain, as in
        the classifiers of skalign. None mixes styles of any samples.
    eps : float, default=1e-6
        Constant added to the variances.

    References
    ----------
    .. [1] K. Zhou, Y. Yang, Y. Qiao and T. Xiang, "Domain generalization with
       MixStyle", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import MixStyle
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 8, 3), MixStyle(), torch.nn.Flatten()
    ... )
    >>> network(torch.zeros(4, 1, 5, 5)).shape
    torch.Size([4, 72])
    """

    def __init__(
        self,
        p: float = 0.5,
        alpha: float = 0.1,
        *,
        n_domains: int | None = None,
        eps: float = 1e-6,
    ) -> None:
        _check(p, n_domains)
        _check_alpha(alpha)
        super().__init__()
        self.p, self.alpha, self.n_domains, self.eps = p, alpha, n_domains, eps

    @in_float32_and_back
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """(batch, n_channels, ...) -> (batch, n_channels, ...)"""
        if not self.training or drawn(torch.rand, ()) >= self.p:
            return X
        mean, std = (part.detach() for part in _style(X, self.eps))
        content = (X - mean) / std
        mean, std = whole(mean), whole(std)
        partner = draw_partners(len(mean), self.n_domains, X.device, self.sizes)
        share = draw_beta(self.alpha, mean.shape[:1], mean).reshape(
            -1, *[1] * (X.ndim - 1)
        )
        mean, std = (own(part.lerp(part[partner], share)) for part in (mean, std))
        return content * std + mean

    def extra_repr(self) -> str:
        return f"p={self.p}, alpha={self.alpha}, n_domains={self.n_domains}"


class PermutedAdaIN(DomainAware):
    """Give each feature map the style of another one of the batch.

    A network trained with this layer relies more on shapes than on textures and
    colours. There is no gradient through the new style. In evaluation mode the layer
    is the identity.

    Parameters
    ----------
    p : float, default=0.01
        Probability that a batch is changed. It is small because the layer is meant to
        be used after each convolution.
    n_domains : int or None, default=None
        Number of domains in a batch, as in :class:`MixStyle`.
    eps : float, default=1e-5
        Constant added to the variances.

    References
    ----------
    .. [1] O. Nuriel, S. Benaim and L. Wolf, "Permuted AdaIN: reducing the bias towards
       global statistics in image classification", CVPR 2021.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import PermutedAdaIN
    >>> X = torch.arange(12.0).reshape(2, 2, 3)
    >>> torch.equal(PermutedAdaIN(p=1.0).eval()(X), X)
    True
    """

    def __init__(
        self, p: float = 0.01, *, n_domains: int | None = None, eps: float = 1e-5
    ) -> None:
        _check(p, n_domains)
        super().__init__()
        self.p, self.n_domains, self.eps = p, n_domains, eps

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """(batch, n_channels, ...) -> (batch, n_channels, ...)"""
        if not self.training or drawn(torch.rand, ()) >= self.p:
            return X
        styles = whole(X.detach())
        partner = draw_partners(len(styles), self.n_domains, X.device, self.sizes)
        return adain(X, own(styles[partner]), self.eps)

    def extra_repr(self) -> str:
        return f"p={self.p}, n_domains={self.n_domains}"


class DomainRandomization(nn.Module):
    """Randomise contrast, brightness, sharpness and noise of each sample.

    As the first layer of a network it randomises images, each channel separately, so
    that colours change too. After other layers it randomises the style of feature maps.
    In evaluation mode the layer is the identity.

    Parameters
    ----------
    contrast : float, default=0.5
        Strength of the random contrast: the standard deviation of a channel is
        multiplied by exp(`contrast` * z), with z standard normal.
    brightness : float, default=0.5
        Strength of the random brightness: `brightness` * z standard deviations of the
        channel are added to it, with z standard normal.
    blur : float, default=1.0
        Maximum weight of the blurred image, at most 1. The weight is drawn uniformly
        from 0 to `blur`; blurring uses 3 x 3 positions with weights 1, 2, 1.
    noise : float, default=0.2
        Maximum standard deviation of white noise, relative to that of the channel. The
        standard deviation is drawn uniformly from 0 to `noise` times it.
    p : float, default=1.0
        Probability that a sample is changed.

    References
    ----------
    .. [1] J. Tobin et al., "Domain randomization for transferring deep neural networks
       from simulation to the real world", IROS 2017.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import DomainRandomization
    >>> X = torch.arange(32.0).reshape(1, 2, 4, 4)
    >>> DomainRandomization()(X).shape
    torch.Size([1, 2, 4, 4])
    """

    def __init__(
        self,
        contrast: float = 0.5,
        brightness: float = 0.5,
        blur: float = 1.0,
        noise: float = 0.2,
        *,
        p: float = 1.0,
    ) -> None:
        _check(p, contrast=contrast, brightness=brightness, blur=blur, noise=noise)
        if blur > 1:
            raise ValueError(f"blur={blur} must be at most 1.")
        super().__init__()
        self.contrast, self.brightness = contrast, brightness
        self.blur, self.noise, self.p = blur, noise, p

    @in_float32_and_back
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """(batch, n_channels, height, width) -> (batch, n_channels, height, width)"""
        if not self.training or not self.p:
            return X
        content, mean, std = split_style(X)
        if self.blur:
            share = self.blur * drawn_like(torch.rand_like, mean[:, :1])
            content = content.lerp(_blurred(content), share)
        if self.noise:
            size = self.noise * drawn_like(torch.rand_like, mean[:, :1])
            content = content + size * drawn_like(torch.randn_like, content)
        mean = mean + self.brightness * std * drawn_like(torch.randn_like, mean)
        std = std * (self.contrast * drawn_like(torch.randn_like, std)).exp()
        changed = drawn_like(torch.rand_like, mean[:, :1]) < self.p
        return torch.where(changed, content * std + mean, X)

    def extra_repr(self) -> str:
        return (
            f"contrast={self.contrast}, brightness={self.brightness}, "
            f"blur={self.blur}, noise={self.noise}, p={self.p}"
        )


def _blurred(X):
    n_channels = X.shape[1]
    line = torch.tensor([0.25, 0.5, 0.25], dtype=X.dtype, device=X.device)
    kernel = (line[:, None] * line).expand(n_channels, 1, 3, 3)
    return F.conv2d(F.pad(X, (1, 1, 1, 1), "replicate"), kernel, groups=n_channels)


def draw_beta(alpha, shape, like):
    """Draw weights with the dtype and on the device of `like`."""
    alpha = torch.as_tensor(alpha, dtype=like.dtype, device=like.device)
    return drawn(Beta(alpha, alpha).sample, shape)
