"""Constraints on parameters."""

from numbers import Integral, Real
from sys import float_info

import numpy as np
from sklearn.utils import _param_validation


class Interval(_param_validation.Interval):
    """Interval of numbers, as in scikit-learn, without booleans."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def is_whole(value):
    """Return whether a value is an integer of Python or NumPy and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_numbers(values, name, *, positive=False, most=float_info.max):
    """Validate a list of finite numbers, non-negative or `positive`.

    Returns
    -------
    numbers : ndarray of shape (n_values,), float64

    Raises
    ------
    ValueError
        If the list is empty or an entry is out of range or not a real number, such as
        a string, a complex number or a boolean.
    """
    entries = np.asarray(values, dtype=object)
    if not (entries.ndim == 1 and len(entries)) or not all(
        isinstance(entry, Real)
        and not isinstance(entry, bool)
        and (entry > 0 or (entry == 0 and not positive))
        and entry <= most
        for entry in entries
    ):
        least = "above 0" if positive else "not below 0"
        end = "finite" if most == float_info.max else f"at most {most}"
        raise ValueError(
            f"{name} must be one-dimensional and not empty, of numbers {least} and "
            f"{end}; got {values!r}."
        )
    return entries.astype(np.float64)
