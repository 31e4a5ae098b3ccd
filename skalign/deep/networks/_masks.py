"""Gates that open and close inputs, with noise while they are learnt."""

import math

import torch
from torch import nn

from skalign.deep.trainer import DomainAware


class StochasticMask(nn.Module):
    """One gate for each input, from 0 (closed) to 1, with noise while it is learnt.

    A gate is half open at the start; the noise is drawn for each row and is left out
    when the module is in evaluation mode.

    Parameters
    ----------
    shape : int or tuple of int
        Of a row.
    noise : float, default=0.1
        Standard deviation of the noise, or the temperature of "gumbel".
    gate : {"clip", "sigmoid", "gumbel"}, default="clip"
        - "clip": clip(location + 1 / 2 + noise, 0, 1), the stochastic gate of [1]_, as
          heterogeneous risk minimisation uses it
        - "sigmoid": sigmoid(location + noise)
        - "gumbel": sigmoid((location + logistic noise) / temperature) [2]_, which for a
          low temperature is open or closed, and open as often as sigmoid(location)
    network : nn.Module or None, default=None
        From rows to the locations of gates of their own, of the same shape, which are
        added to those that all rows share.

    References
    ----------
    .. [1] Y. Yamada, O. Lindenbaum, S. Negahban and Y. Kluger, "Feature selection using
       stochastic gates", ICML 2020, eq. 4.
    .. [2] C. J. Maddison, A. Mnih and Y. W. Teh, "The concrete distribution", ICLR
       2017, appendix B: the binary case.
    """

    def __init__(self, shape, noise=0.1, *, gate="clip", network=None):
        super().__init__()
        if gate not in ("clip", "sigmoid", "gumbel"):
            raise ValueError(f"gate={gate!r} must be 'clip', 'sigmoid' or 'gumbel'.")
        self.location = nn.Parameter(torch.zeros(shape))
        self.network = network
        self.noise, self.gate = noise, gate

    @property
    def mean(self):
        """Gates without noise that all rows share."""
        return self._opened(self.location)

    def gates(self, X):
        """Gates of rows, with noise in training: (batch, ...) -> (batch, ...)"""
        location = self.location.expand_as(X)
        if self.network is not None:
            location = location + self.network(X)
        if not (self.training and self.noise):
            return self._opened(location)
        if self.gate == "gumbel":
            logistic = torch.rand_like(X, dtype=location.dtype).logit(eps=1e-6)
            return torch.sigmoid((location + logistic) / self.noise)
        return self._opened(
            location + self.noise * torch.randn_like(X, dtype=location.dtype)
        )

    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        return X * self.gates(X)

    def n_open(self):
        """Expected number of gates that are not closed (eq. 6 of [1]_).

        Of gates that never close, "sigmoid" and "gumbel", the sum without noise.
        """
        if self.gate != "clip":
            return self.mean.sum()
        if not self.noise:
            return (self.location > -0.5).sum()
        return torch.special.ndtr((self.location + 0.5) / self.noise).sum()

    def _opened(self, location):
        if self.gate == "clip":
            return (location + 0.5).clamp(0, 1)
        return torch.sigmoid(location)


def location_network(shape):
    """Return a small network from rows to locations of gates, 0 at the start.

    Two 3 x 3 convolutions for pictures, two linear layers for rows.
    """
    if len(shape) == 3:
        first = nn.Conv2d(shape[0], 8, 3, padding=1)
        last = nn.Conv2d(8, shape[0], 3, padding=1)
    else:
        first, last = nn.Linear(shape[0], 16), nn.Linear(16, shape[0])
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(first, nn.ReLU(), last)


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

    @property
    def mean(self):
        """The mixture."""
        return self.weight

    def forward(self, X):
        """(batch, n_channels, height, width) -> (batch, n_channels, height, width)"""
        return torch.einsum("ij,bjhw->bihw", self.weight, X)


class ByDomain(DomainAware):
    """A module of its own for each domain; in evaluation, the mean of all.

    Parameters
    ----------
    parts : list of nn.Module
        (batch, ...) -> (batch, ...), of one shape.
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def mean(self):
        """Mean of the gates of masks."""
        return torch.stack([part.mean for part in self.parts]).mean(dim=0)

    def n_open(self):
        """Mean of the expected number of open gates of masks."""
        return sum(part.n_open() for part in self.parts) / len(self.parts)

    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        if not self.training:
            return torch.stack([part(X) for part in self.parts]).mean(dim=0)
        rows = zip(self.parts, X.split(self.sizes), strict=True)
        return torch.cat([part(of_it) for part, of_it in rows])


class OpenGates:
    """Penalty on gates that are open, as a term of the loss.

    Parameters
    ----------
    mask : StochasticMask or ByDomain of such
    target : float, default=None
        Fraction of gates that stay open: the penalty is the squared difference of the
        expected fraction from it. None is the mean gate, which closes every gate that
        the loss does not need.
    """

    def __init__(self, mask, target=None):
        self.mask, self.target = mask, target

    def __call__(self, batch=None):
        """Return the penalty: ()"""
        if self.target is None:
            return self.mask.mean.mean()
        n_gates = math.prod(self.mask.mean.shape)
        return (self.mask.n_open() / n_gates - self.target) ** 2
