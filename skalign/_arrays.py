"""Arrays of NumPy and of other libraries that follow the array API."""

import numpy as np
from sklearn.utils.validation import check_array

from skalign._validation import FLOATS

_ON_CPU = 1  # as DLPack numbers devices


def namespace(*arrays):
    """Return NumPy, or the array API namespace of the library of the arrays."""
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np
    try:
        from array_api_compat import array_namespace
    except ImportError as error:
        kind = next(
            type(array) for array in arrays if not isinstance(array, np.ndarray)
        )
        raise ImportError(
            f"Arrays of {kind.__module__} need array-api-compat: "
            "pip install array-api-compat"
        ) from error
    return array_namespace(*arrays)


def to_numpy(array):
    """Convert a small array of any library to NumPy."""
    if isinstance(array, np.ndarray):
        return array
    if array.__dlpack_device__()[0] != _ON_CPU:
        from array_api_compat import to_device

        array = to_device(array, "cpu")
    return np.from_dlpack(array)


def is_of_another_library(rows):
    """Return whether an array is not of NumPy and may be on another device."""
    return hasattr(rows, "__dlpack_device__") and not isinstance(rows, np.ndarray)


def check_rows(rows, name):
    """Validate samples, finite and 2-D; other libraries' arrays stay on their device.

    Returns
    -------
    rows : array of shape (n_samples, n_features), float32 or float64

    Raises
    ------
    ValueError
        If there is no row or column, values are complex or not finite, or the array
        requires gradients.
    """
    if not is_of_another_library(rows):
        return check_array(rows, dtype=FLOATS, input_name=name)
    xp = namespace(rows)
    if getattr(rows, "requires_grad", False):
        raise ValueError(f"{name} requires gradients: pass {name}.detach().")
    if rows.ndim != 2:
        raise ValueError(f"Expected 2D array, got {rows.ndim}D array as {name}.")
    if 0 in rows.shape:
        raise ValueError(
            f"Found array with {rows.shape[0]} sample(s) and {rows.shape[1]} "
            f"feature(s) as {name}, while a minimum of 1 of each is required."
        )
    if xp.isdtype(rows.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported, got {rows.dtype} as {name}.")
    if rows.dtype not in (xp.float32, xp.float64):
        rows = xp.asarray(rows, dtype=xp.float64)
    if not xp.all(xp.isfinite(rows)):
        raise ValueError(f"Input {name} contains NaN or infinity.")
    return rows
