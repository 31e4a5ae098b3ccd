"""Networks from samples or images to features."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from skalign._validation import is_whole

_CACHED_ROWS = 2048


class MLP(nn.Sequential):
    """Fully connected layers, each followed by a ReLU.

    Parameters
    ----------
    n_inputs : int
        Number of features of a sample; images are flattened.
    hidden_layer_sizes : sequence of int
        Width of each layer. The last is the number of features returned.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import MLP
    >>> MLP(4, (16, 8))(torch.zeros(3, 4)).shape
    torch.Size([3, 8])
    """

    def __init__(self, n_inputs: int, hidden_layer_sizes: Sequence[Any]) -> None:
        layers = [nn.Flatten()]
        for before, after in pairwise([n_inputs, *hidden_layer_sizes]):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
        super().__init__(*layers)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """(batch, ...) -> (batch, hidden_layer_sizes[-1])"""
        forward = super().forward
        if X.device.type != "cpu" or len(X) <= _CACHED_ROWS:
            return forward(X)
        # What a processor has in its cache it need not fetch between layers.
        return torch.cat([forward(part) for part in X.split(_CACHED_ROWS)])


class DigitsCNN(nn.Sequential):
    """Convolutional network for small images, with 128 features.

    Four 3 x 3 convolutions and a mean over positions: the network of DomainBed for
    digits of 28 x 28 pixels [1]_ (called MNIST_CNN there).

    Parameters
    ----------
    n_channels : int
        Number of channels of an image.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021, appendix D.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import DigitsCNN
    >>> DigitsCNN(1)(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 128])
    """

    def __init__(self, n_channels: int) -> None:
        layers = []
        for before, after, stride in (
            (n_channels, 64, 1),
            (64, 128, 2),
            (128, 128, 1),
            (128, 128, 1),
        ):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1),
                nn.ReLU(inplace=True),
                nn.GroupNorm(8, after),
            ]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _ResidualBlock(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, X):
        return torch.relu(self.main(X) + self.shortcut(X))


class ResNet8(nn.Sequential):
    """Residual network for larger images, with 512 features.

    A convolution and three residual blocks: the network of [1]_ for images of 64 x 64
    pixels.

    Parameters
    ----------
    n_channels : int
        Number of channels of an image.

    References
    ----------
    .. [1] M. Zhang et al., "MAP: towards balanced generalization of IID and OOD through
       model-agnostic adapters", ICCV 2023, experimental settings.

    Examples
    --------
    >>> import torch
    >>> from skalign.deep import ResNet8
    >>> ResNet8(3)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 512])
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__(
            nn.Conv2d(n_channels, 128, 3, padding=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            _ResidualBlock(128, 128, 1),
            _ResidualBlock(128, 256, 2),
            _ResidualBlock(256, 512, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def make_encoder(shape, hidden_layer_sizes):
    """Return the default network for samples of `shape`.

    Parameters
    ----------
    shape : tuple of int
        (n_features,), or (n_channels, height, width) for images.
    hidden_layer_sizes : sequence of int
        Widths of the layers of the :class:`MLP`. Not used for images.

    Returns
    -------
    encoder : nn.Module
        :class:`MLP` for samples of shape (n_features,), :class:`DigitsCNN` for images
        of up to 32 x 32 pixels, :class:`ResNet8` for larger images.

    Raises
    ------
    ValueError
        If a width is below 1.
    """
    if len(shape) == 1:
        if np.ndim(hidden_layer_sizes) != 1 or not all(
            is_whole(size) and size >= 1 for size in hidden_layer_sizes
        ):
            raise ValueError(
                f"hidden_layer_sizes={hidden_layer_sizes} must be a sequence of "
                "integers of at least 1."
            )
        return MLP(math.prod(shape), hidden_layer_sizes)
    n_channels, height, width = shape
    return DigitsCNN(n_channels) if max(height, width) <= 32 else ResNet8(n_channels)


def n_outputs(encoder, shape):
    """Return the number of features that `encoder` returns for samples of `shape`."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            features = encoder(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise ValueError(
            f"module does not accept samples of shape {tuple(shape)}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    encoder.train(training)
    is_tensor = isinstance(features, torch.Tensor)
    if not is_tensor or features.ndim != 2:
        came = tuple(features.shape) if is_tensor else type(features).__name__
        raise ValueError(
            "module must return features of shape (n_samples, n_features); for 2 "
            f"samples it returned {came}."
        )
    return features.shape[1]


class Classifier(nn.Module):
    """Network that consists of an encoder and a head.

    Parameters
    ----------
    encoder : nn.Module
        (batch, ...) -> (batch, n_features).
    head : nn.Module
        (batch, n_features) -> (batch, n_classes).
    """

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, X):
        features = self.encoder(X).float()  # an encoder may use autocast itself
        return features, self.head(features)
