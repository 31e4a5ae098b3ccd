"""Arrays of numpy and of other libraries that follow the array API."""

import numpy as np
from sklearn.utils.validation import check_array

from skalign._validation import FLOATS

_ON_CPU = 1  # as DLPack numbers devices


def namespace(*arrays):
    """Return numpy, or the array API functions of the library that arrays are of."""
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
    """Copy a few rows or numbers to where numpy can read them."""
    if isinstance(array, np.ndarray):
        return array
    if array.__dlpack_device__()[0] != _ON_CPU:
        from array_api_compat import to_device

        array = to_device(array, "cpu")
    return np.from_dlpack(array)


def is_of_another_library(rows):
    """Whether an array is not of numpy, and may lie on another device."""
    return hasattr(rows, "__dlpack_device__") and not isinstance(rows, np.ndarray)


def check_sizes(values, name, *, finite=True):
    """Validate a number or numbers, as float64."""
    # `check_array` takes longer than what is done with the sizes of some columns.
    plain = isinstance(values, np.ndarray) and values.dtype == np.float64
    if plain and values.ndim == 1 and (not finite or np.isfinite(values).all()):
        return values
    return check_array(
        values,
        dtype=np.float64,
        ensure_2d=False,
        ensure_min_samples=0,
        ensure_all_finite=finite,
        input_name=name,
    )


def check_rows(rows, name):
    """Validate rows, finite and 2-D; those of another library stay where they are.

    Returns
    -------
    rows : array of shape (n_samples, n_features), float32 or float64

    Raises
    ------
    ValueError
        If there is no row or column, values are complex or not finite, or torch
        follows their gradients.
    """
    if not is_of_another_library(rows):
        return check_array(rows, dtype=FLOATS, input_name=name)
    xp = namespace(rows)
    if getattr(rows, "requires_grad", False):
        raise ValueError(f"{name} requires gradients: pass it as detach() gives it.")
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
