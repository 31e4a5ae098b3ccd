"""Validation of stored arrays that are read from a file or received."""

from numbers import Integral

import numpy as np

# Below these limits no sum over clients overflows, for any number of samples.
_LARGEST_MEAN, _LARGEST = 1e100, 1e250
_LARGEST_COUNT = 2**53


def read_array(arrays, name, shape):
    """Return the numbers called `name` as float64.

    Raises
    ------
    ValueError
        If they are missing, of another shape, not finite or too large.
    """
    value = as_numpy(arrays, name)
    if value.dtype.kind not in "iuf" or value.shape != shape:
        raise ValueError(
            f"{name} is of shape {value.shape} and dtype {value.dtype}; numbers of "
            f"shape {shape} were expected."
        )
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{name} is not finite.")
    if name.endswith("precision") and not np.all((value > 0) & (value <= 1)):
        raise ValueError(f"{name} is not from 0 to 1.")
    is_mean = name.endswith(("shift", "offset", "means"))
    largest = _LARGEST_MEAN if is_mean else _LARGEST
    if np.abs(value).max(initial=0) > largest:
        raise ValueError(f"{name} is above {largest:g}: scale the samples.")
    return value


def as_numpy(arrays, name, dtype=None):
    """Return the entry called `name` as an array, or raise a ValueError."""
    try:
        return np.asarray(arrays.get(name), dtype=dtype)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name} is no array of numbers: {error}") from None


def read_count(arrays, name):
    """Return the number of samples called `name`, from 1 to 2**53."""
    value = as_numpy(arrays, name, object)
    count = value.item() if value.ndim == 0 else value
    if not isinstance(count, Integral) or isinstance(count, bool | np.bool_):
        count = 0
    if not 1 <= count <= _LARGEST_COUNT:
        raise ValueError(
            f"{name}={arrays.get(name)!r:.60} must be a whole number from 1 to 2**53."
        )
    return int(count)
