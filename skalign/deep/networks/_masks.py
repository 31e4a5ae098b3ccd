"""Learnt masks of inputs: stochastic gates and mixtures of channels."""

import math

import torch
from torch import nn

from skalign.deep.trainer import DomainAware, drawn_like, own_sizes, shared


class StochasticMask(nn.Module):
    """Mask with one gate for each input, with noise during training.

    A gate is a factor from 0 (closed) to 1 (open), and 0.5 at the start. The noise is
    drawn for each sample and omitted in evaluation mode.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of a sample.
    noise : float, default=0.1
        Standard deviation of the noise, or the temperature of "gumbel".
    gate : {"clip", "sigmoid", "gumbel"}, default="clip"
        Function from the learnt location to the gate:

        - "clip": clip(location + 1 / 2 + noise, 0, 1), the stochastic gate of [1]_ in
          the form used by heterogeneous risk minimisation
        - "sigmoid": sigmoid(location + noise)
        - "gumbel": sigmoid((location + logistic noise) / temperature) [2]_, which for a
          low temperature is close to 0 or 1, and close to 1 with probability
          sigmoid(location)
    network : nn.Module or None, default=None
        Network from samples to locations of the same shape, which are added to the
        locations shared by all samples. None gives all samples the same gates.

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
        """Gates shared by all samples, without noise."""
        return self._opened(self.location)

    def gates(self, X):
        """Gates of samples, with noise in training: (batch, ...) -> (batch, ...)"""
        location = self.location.expand_as(X)
        if self.network is not None:
            location = location + self.network(X)
        if not (self.training and self.noise):
            return self._opened(location)
        if self.gate == "gumbel":
            uniform = drawn_like(torch.rand_like, X, dtype=location.dtype)
            return torch.sigmoid((location + uniform.logit(eps=1e-6)) / self.noise)
        normal = drawn_like(torch.randn_like, X, dtype=location.dtype)
        return self._opened(location + self.noise * normal)

    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        return X * self.gates(X)

    def n_open(self):
        """Return the expected number of gates above 0 (eq. 6 of [1]_).

        Gates of the kinds "sigmoid" and "gumbel" are always above 0; for them it is the
        sum of the gates without noise.
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
    """Return a small network from samples to locations of gates, initially 0.

    It has two 3 x 3 convolutions for images, and two linear layers otherwise.
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
    """Learnt linear combinations of the channels of images.

    A mask of pixels cannot remove a colour that is encoded by which channel is empty,
    but a mixture of channels can. The number of channels stays the same, and the
    initial mixture is the identity.

    Parameters
    ----------
    n_channels : int
        Number of channels of an image.
    """

    def __init__(self, n_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(n_channels))

    @property
    def mean(self):
        """Matrix of the mixture, of shape (n_channels, n_channels)."""
        return self.weight

    def forward(self, X):
        """(batch, n_channels, height, width) -> (batch, n_channels, height, width)"""
        return torch.einsum("ij,bjhw->bihw", self.weight, X)


class ByDomain(DomainAware):
    """Separate module for each domain; in evaluation mode, the mean of all.

    Parameters
    ----------
    parts : list of nn.Module
        Modules from (batch, ...) to (batch, ...), all with the same output shape.
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def mean(self):
        """Mean of the gates of all masks."""
        return torch.stack([part.mean for part in self.parts]).mean(dim=0)

    def n_open(self):
        """Return the expected number of open gates, averaged over masks."""
        return sum(part.n_open() for part in self.parts) / len(self.parts)

    def forward(self, X):
        """(batch, ...) -> (batch, ...)"""
        if not self.training:
            return torch.stack([part(X) for part in self.parts]).mean(dim=0)
        outputs, start, shares = [], 0, X.split(own_sizes(self.sizes))
        for part, rows, size in zip(self.parts, shares, self.sizes, strict=True):
            with shared(size, start):
                outputs.append(part(rows))
            start += size
        return torch.cat(outputs)


class OpenGates:
    """Penalty on open gates, a term of the loss.

    Parameters
    ----------
    mask : StochasticMask or ByDomain
        Mask, or masks by domain.
    target : float, default=None
        Desired fraction of open gates: the penalty is the squared difference between
        the expected fraction and it. If None, the penalty is the mean gate, which
        closes every gate that does not reduce the loss.
    """

    def __init__(self, mask, target=None):
        self.mask, self.target = mask, target

    def __call__(self, batch=None):
        """Return the penalty: ()"""
        if self.target is None:
            return self.mask.mean.mean()
        n_gates = math.prod(self.mask.mean.shape)
        return (self.mask.n_open() / n_gates - self.target) ** 2
