"""Arrays of NumPy and of other libraries that follow the array API."""

import copy

import numpy as np
from sklearn import get_config
from sklearn.externals.array_api_compat import (
    array_namespace,
    is_array_api_obj,
    to_device,
)
from sklearn.pipeline import Pipeline
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils.validation import check_array

FLOATS = (np.float64, np.float32)
_ON_CPU = 1  # as DLPack numbers devices


def namespace(*arrays):
    """Return NumPy, or the array API namespace of the library of the arrays."""
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np
    return array_namespace(*arrays)


def is_of_another_library(rows):
    """Return whether an array is not of NumPy and may be on another device."""
    return (
        not isinstance(rows, np.ndarray)
        and hasattr(rows, "__dlpack_device__")
        and is_array_api_obj(rows)
    )


def floats(rows):
    """Return the floating-point dtypes of the library and device, the widest first."""
    if not is_of_another_library(rows):
        return FLOATS
    info = namespace(rows).__array_namespace_info__()
    known = info.dtypes(device=rows.device, kind="real floating")
    return [known[name] for name in ("float64", "float32") if name in known]


def dtype_name(rows):
    """Return "float32" or "float64", the dtype of an array of any library."""
    return "float64" if rows.dtype == namespace(rows).float64 else "float32"


def to_numpy(array):
    """Convert an array of any library to NumPy."""
    if not is_of_another_library(array):
        return array
    if array.__dlpack_device__()[0] != _ON_CPU:
        array = to_device(array, "cpu")
    return np.from_dlpack(array)


def beside(array, rows):
    """Convert a NumPy array to the library of `rows`, on their device."""
    if not is_of_another_library(rows):
        return array
    array = np.array(array, order="C")
    if array.dtype == np.float64 and len(floats(rows)) == 1:
        array = array.astype(np.float32)
    return namespace(rows).asarray(array, device=rows.device)


def as_dtype(array, dtype):
    """Cast an array to a dtype of its library, without a copy if it has it."""
    if isinstance(array, np.ndarray):
        return array.astype(dtype, copy=False)
    return namespace(array).astype(array, dtype, copy=False)


def take_rows(rows, index):
    """Return the rows at the positions, or in the mask, of a NumPy array.

    Without a copy if a mask holds all of them.
    """
    if index.dtype == bool and index.all():
        return rows
    if isinstance(rows, np.ndarray):
        return rows[index]
    index = np.flatnonzero(index) if index.dtype == bool else index
    return namespace(rows).take(rows, beside(index, rows), axis=0)


def among_zeros(rows, mask):
    """Return rows in the places of a NumPy mask, and rows of zeros elsewhere."""
    if mask.all():
        return rows
    xp = namespace(rows)
    shape = len(mask), rows.shape[1]
    whole = xp.zeros(shape, dtype=rows.dtype, device=rows.device)
    whole[beside(mask, rows)] = rows
    return whole


def take_columns(rows, index):
    """Return the columns at the positions of a NumPy array."""
    if isinstance(rows, np.ndarray):
        return rows[:, index]
    return namespace(rows).take(rows, beside(index, rows), axis=1)


def into(out, function, *arrays):
    """Call a function of the array API; NumPy writes the result into `out`."""
    return function(*arrays) if out is None else function(*arrays, out=out)


def arrive(rows, name, *, stays=False):
    """Prepare an argument that may be an array of another library.

    With array API dispatch it stays in its library and on its device, or is copied to
    the CPU if the computation needs it there. Without, it is read by NumPy, as by
    scikit-learn.

    Parameters
    ----------
    rows : object
        Argument. All but arrays of other libraries are returned as they are.
    name : str
        Name of the argument in errors.
    stays : bool, default=False
        Whether the computation supports the array API.

    Raises
    ------
    ValueError
        If an array requires gradients, is complex, or cannot be read by NumPy, for
        example because it is on a GPU.
    """
    if not is_of_another_library(rows):
        return rows
    _refuse(rows, name)
    if get_config()["array_api_dispatch"]:
        return rows if stays else to_numpy(rows)
    try:
        return np.asarray(rows)
    except (TypeError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"NumPy cannot read {name}, an array of {type(rows).__module__} on the "
            f"device {rows.device}: {error}. Call sklearn.set_config("
            "array_api_dispatch=True), or pass an array on the CPU."
        ) from error


def _refuse(rows, name):
    if getattr(rows, "requires_grad", False):
        raise ValueError(f"{name} requires gradients: pass {name}.detach().")
    if namespace(rows).isdtype(rows.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported, got {rows.dtype} as {name}.")


def join(y, X, name="y"):
    """Return an array-like in the library and on the device of `X`.

    Raises
    ------
    ValueError
        If both are of one library and on different devices.
    """
    if not is_of_another_library(X):
        return to_numpy(y)
    if is_of_another_library(y) and namespace(y) is namespace(X):
        if y.device != X.device:
            raise ValueError(
                f"X is on {X.device}, but {name} is on {y.device}: move one of them to "
                "the device of the other."
            )
        return y
    return beside(np.asarray(to_numpy(y)), X)


def check_library(estimator, X, attribute, method):
    """Raise an error if rows and fitted arrays differ in library or device."""
    fitted = getattr(estimator, attribute)
    if isinstance(X, np.ndarray) and isinstance(fitted, np.ndarray):
        return
    if get_config()["array_api_dispatch"]:
        check_same_namespace(X, estimator, attribute=attribute, method=method)
    elif is_of_another_library(fitted):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on arrays of "
            f"{type(fitted).__module__}, with array API dispatch: enable it for "
            f"{method} too, by sklearn.config_context(array_api_dispatch=True)."
        )


def converted(value, convert):
    """Convert the numeric arrays that an estimator learnt, but not its parameters.

    Parameters
    ----------
    value : object
        Estimator, or a value in one.
    convert : callable
        Function of one array.

    Returns
    -------
    converted : object
        A copy, or the same value if it holds no arrays.
    """
    if isinstance(value, np.ndarray):
        return convert(value) if value.dtype.kind in "fiub" else value
    if is_of_another_library(value):
        return convert(value)
    if type(value) in (list, tuple):
        return type(value)(converted(entry, convert) for entry in value)
    if not hasattr(value, "get_params") or isinstance(value, type):
        return value
    changed, kept = copy.copy(value), value.get_params(deep=False)
    for name, entry in vars(value).items():
        if name not in kept or isinstance(value, Pipeline):
            setattr(changed, name, converted(entry, convert))
    return changed


def settle(estimator, rows):
    """Move what an estimator learnt to the library and the device of `rows`."""
    if is_of_another_library(rows):
        estimator.__dict__ = vars(
            converted(
                estimator,
                lambda array: (
                    array if is_of_another_library(array) else beside(array, rows)
                ),
            )
        )
    return estimator


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
    _refuse(rows, name)
    xp = namespace(rows)
    if rows.ndim != 2:
        raise ValueError(f"Expected 2D array, got {rows.ndim}D array as {name}.")
    if 0 in rows.shape:
        raise ValueError(
            f"Found array with {rows.shape[0]} sample(s) and {rows.shape[1]} "
            f"feature(s) as {name}, while a minimum of 1 of each is required."
        )
    if rows.dtype not in (known := floats(rows)):
        rows = xp.asarray(rows, dtype=known[0])
    if not xp.all(xp.isfinite(rows)):
        raise ValueError(f"Input {name} contains NaN or infinity.")
    return rows
