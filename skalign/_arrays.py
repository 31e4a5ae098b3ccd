"""Arrays of numpy and of other libraries that follow the array API."""

import numpy as np

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
