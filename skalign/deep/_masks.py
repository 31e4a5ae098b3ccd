"""Gates that open and close inputs, with noise while they are learnt."""

import torch
from torch import nn


class StochasticMask(nn.Module):
    """One gate for each input: clip(location + 1 / 2 + noise, 0, 1).

    The stochastic gate of [1]_, as heterogeneous risk minimisation uses it. A gate is
    half open at the start; the noise is drawn for each row and is left out when the
    module is in evaluation mode.

    Parameters
    ----------
    shape : int or tuple of int
        Of a row.
    noise : float, default=0.1
        Standard deviation of the noise.

    References
    ----------
    .. [1] Y. Yamada, O. Lindenbaum, S. Negahban and Y. Kluger, "Feature selection using
       stochastic gates", ICML 2020, eq. 4.
    """

    def __init__(self, shape, noise=0.1):
        super().__init__()
        self.location = nn.Parameter(torch.zeros(shape))
        self.noise = noise

    @property
    def mean(self):
        """Gates without noise, from 0 (closed) to 1."""
        return (self.location + 0.5).clamp(0, 1)

    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        if not (self.training and self.noise):
            return X * self.mean
        noise = self.noise * torch.randn_like(X)
        return X * (self.location + 0.5 + noise).clamp(0, 1)

    def n_open(self):
        """Expected number of gates that are not closed (eq. 6 of [1]_)."""
        if not self.noise:
            return (self.location > -0.5).sum()
        return torch.special.ndtr((self.location + 0.5) / self.noise).sum()


class ChannelMix(nn.Module):
    """One picture channel for each input channel, a learnt mixture of all.

    A mask of pixels cannot take away a colour that is told by which channel is empty;
    a mixture of channels can. It starts at the identity.

    Parameters
    ----------
    n_channels : int
        Channels of a picture.
    """

    def __init__(self, n_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(n_channels))

    def forward(self, X):
        """(batch, n_channels, height, width) -> (batch, n_channels, height, width)"""
        return torch.einsum("ij,bjhw->bihw", self.weight, X)
