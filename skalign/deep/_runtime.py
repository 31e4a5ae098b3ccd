"""Fitted maps as modules of torch."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn

from skalign._layers import (
    FAR,
    Affine,
    InFloat64,
    Network,
    Sum,
    layers_of,
)


def to_torch(estimator: Any) -> nn.Module:
    """Convert a fitted map, or a pipeline of maps, to a module of torch.

    The module returns what `transform` does, on the device to which it is moved and
    with gradients with respect to its input. Samples that `transform` refuses are not
    refused. Read more in the :ref:`User Guide <runtimes>`.

    Parameters
    ----------
    estimator : estimator
        Fitted affine or kernel map of skalign, :class:`~skalign.StitchingRegressor`,
        :class:`~skalign.ContrastiveAligner`, or a `Pipeline` of these and
        scikit-learn's `StandardScaler`.

    Returns
    -------
    module : nn.Module
        Maps a tensor of shape (n_samples, n_features). The arrays of the map are
        buffers of the dtype of the fit and are cast to that of the input.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If its map is neither affine nor a kernel map nor a network.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import skalign
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> aligner = skalign.LinearAligner().fit(X, X[:, :3])
    >>> module = skalign.to_torch(aligner)
    >>> np.allclose(module(torch.from_numpy(X)), aligner.transform(X))
    True
    """
    return nn.Sequential(*map(_module, layers_of(estimator))).eval()


def _module(layer):
    if isinstance(layer, Sum):
        return _Sum(nn.Sequential(*map(_module, part)) for part in layer.branches)
    if isinstance(layer, InFloat64):
        return _Cast(nn.Sequential(*map(_module, layer.layers)), torch.float64)
    if isinstance(layer, Network):
        module = deepcopy(layer.module)
        return _Cast(module.requires_grad_(False).eval(), torch.float32)
    return (_Affine if isinstance(layer, Affine) else _Kernel)(layer)


class _Affine(nn.Module):
    def __init__(self, layer):
        super().__init__()
        for name in ("shift", "coef", "offset"):
            array = np.array(getattr(layer, name))
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, X):
        shift, coef, offset = (part.to(X.dtype) for part in self.buffers())
        X = X - shift
        return (X @ coef if coef.ndim == 2 else X * coef) + offset


class _Kernel(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.kind = layer.kind
        self.register_buffer("points", torch.from_numpy(np.array(layer.points)))

    def forward(self, X):
        points = self.points.to(X.dtype)
        if self.kind == "cosine":
            length = X.norm(dim=1, keepdim=True)
            return X / length.clamp(min=torch.finfo(X.dtype).tiny) @ points.T
        X = X.clamp(-FAR, FAR)
        squares = (X**2).sum(1, keepdim=True) - 2 * X @ points.T + (points**2).sum(1)
        squares = squares.clamp(min=0)
        return squares.sqrt() if self.kind == "euclidean" else (-squares).exp()


class _Sum(nn.ModuleList):
    def forward(self, X):
        return sum(branch(X) for branch in self)


class _Cast(nn.Module):
    def __init__(self, module, dtype):
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, X):
        return self.module(X.to(self.dtype)).to(X.dtype)
