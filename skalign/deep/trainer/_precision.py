"""Computation in float32 for half-precision tensors."""

from functools import wraps

import numpy as np
import torch

from skalign._autocast import autocast_off


def in_float32(function):
    """Decorate a function to compute in float32, also under autocast."""

    @wraps(function)
    def wrapper(*args, **kwargs):
        with autocast_off():
            kwargs = {name: _widened(value) for name, value in kwargs.items()}
            return function(*map(_widened, args), **kwargs)

    return wrapper


def in_float32_and_back(function):
    """Decorate as :func:`in_float32`, and return the dtype of the first tensor."""
    computed = in_float32(function)

    @wraps(function)
    def wrapper(*args, **kwargs):
        result = computed(*args, **kwargs)
        given = (*args, *kwargs.values())
        first = next(value for value in given if isinstance(value, torch.Tensor))
        if isinstance(result, tuple):
            return tuple(part.to(first.dtype) for part in result)
        return result.to(first.dtype)

    return wrapper


def _widened(value):
    if isinstance(value, torch.Tensor):
        is_half = value.is_floating_point() and value.itemsize < 4
        return value.float() if is_half else value
    if isinstance(value, list | tuple):
        return type(value)(map(_widened, value))
    if isinstance(value, np.ndarray) and value.ndim > 1:
        raise TypeError(
            f"Expected a tensor, got an ndarray of shape {value.shape}. Convert it by "
            "torch.as_tensor."
        )
    # torch takes an array of one number for an array, and warns.
    return value.item() if isinstance(value, np.ndarray) and not value.ndim else value
