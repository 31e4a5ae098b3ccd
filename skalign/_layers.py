"""Fitted maps as layers, which other runtimes than NumPy compute.

An estimator whose map is made of these has a method `_layers`, beside its `_map`. All
arrays are of NumPy.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skalign._arrays import to_numpy

_ABSENT = (None, "passthrough")
FAR = 1e100  # its square is finite


@dataclass(frozen=True)
class Affine:
    """``(x - shift) @ coef + offset``; a `coef` of one dimension is a diagonal."""

    shift: Any
    coef: Any
    offset: Any = 0.0


@dataclass(frozen=True)
class Kernel:
    """Similarities or distances of samples to points, of shape (n_samples, n_points).

    Attributes
    ----------
    points : ndarray of shape (n_points, n_features)
    kind : {"rbf", "euclidean", "cosine"}
        ``exp(-d**2)`` or ``d``, with `d` the distance, or the cosine.
    """

    points: Any
    kind: str


@dataclass(frozen=True)
class Sum:
    """Sum of what sequences of layers return for the same samples."""

    branches: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class InFloat64:
    """Layers computed in float64; the result is cast back."""

    layers: tuple[Any, ...]


@dataclass(frozen=True)
class Network:
    """A module of torch, in float32."""

    module: Any


def affine(shift, coef, offset=0.0):
    """Return a layer from arrays of any library."""
    return Affine(to_numpy(shift), to_numpy(coef), to_numpy(offset))


def layers_of(estimator):
    """Return the layers that a fitted estimator maps samples by.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If its map is not made of layers.
    """
    check_is_fitted(estimator)
    if isinstance(estimator, Pipeline):
        steps = (step for _, step in estimator.steps)
        layers = (layers_of(step) for step in steps if step not in _ABSENT)
        return tuple(chain.from_iterable(layers))
    if isinstance(estimator, FrozenEstimator):
        return layers_of(estimator.estimator)
    if isinstance(estimator, StandardScaler):
        mean, scale = np.zeros((2, estimator.n_features_in_)) + [[0], [1]]
        mean = estimator.mean_ if estimator.with_mean else mean
        scale = estimator.scale_ if estimator.with_std else scale
        return (affine(mean, 1 / scale),)
    if getattr(estimator, "_is_identity", False):
        return ()
    if not hasattr(estimator, "_layers"):
        raise TypeError(
            f"{type(estimator).__name__} cannot be converted: affine maps, kernel maps "
            "and relative representations of skalign can."
        )
    return estimator._layers()


def width_after(layers, width):
    """Return the number of features that layers return."""
    for layer in layers:
        if isinstance(layer, Affine) and np.ndim(layer.coef) == 2:
            width = layer.coef.shape[1]
        elif isinstance(layer, Kernel):
            width = len(layer.points)
        elif isinstance(layer, Sum):
            width = width_after(layer.branches[0], width)
        elif isinstance(layer, InFloat64):
            width = width_after(layer.layers, width)
    return width
