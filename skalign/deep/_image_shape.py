"""Shape of images, which may arrive flat."""

import math
import warnings

import numpy as np

from skalign._validation import is_whole
from skalign._warnings import user_level


def flatten(X):
    """Return the shape of an image, or None for other samples, and flat samples."""
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    n_axes = getattr(X, "ndim", 2)
    if n_axes < 3:
        return None, X
    if n_axes != 4:
        raise ValueError(
            "Pictures must be of shape (n_samples, n_channels, height, width); got "
            f"{tuple(X.shape)}."
        )
    shape = tuple(X.shape[1:])
    return shape, np.asarray(X).reshape(len(X), math.prod(shape))


def check_shape(X, shape, image_shape):
    """Return the shape of a sample, for flat `X` that came in `shape` or flat."""
    if image_shape is None:
        return shape or (X.shape[1],)
    given = tuple(image_shape)
    if len(given) != 3 or not all(is_whole(size) and size >= 1 for size in given):
        raise ValueError(
            f"image_shape={given} must be (n_channels, height, width), each at least 1."
        )
    if shape not in (None, given) or math.prod(given) != X.shape[1]:
        came = f"pictures of shape {shape}" if shape else f"{X.shape[1]} columns"
        raise ValueError(f"X has {came}, but image_shape={given}.")
    return given


def in_shape(X, shape):
    """Copy samples if they are not contiguous or writable, as torch requires."""
    return np.require(X, requirements=["C", "W"]).reshape(-1, *shape)


def warn_if_channels_last(X, shape):
    """Warn about images that seem to have their channels in the last axis."""
    if shape and shape[2] in (1, 3, 4) and shape[2] < min(shape[:2]):
        warnings.warn(
            f"X of shape {(len(X), *shape)} is read as pictures of {shape[0]} "
            f"channels and {shape[1]} x {shape[2]} pixels: channels come before "
            "height and width.",
            UserWarning,
            stacklevel=user_level(),
        )
