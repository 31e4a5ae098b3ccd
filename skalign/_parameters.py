"""Constraints on parameters."""

from numbers import Integral, Real
from sys import float_info

import numpy as np
from sklearn.utils import _param_validation


class Interval(_param_validation.Interval):
    """Numbers of a range, as in scikit-learn, but no booleans."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def is_whole(value):
    """Whether a value is an int of Python or numpy; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_numbers(values, name, *, positive=False, most=float_info.max):
    """Validate a list of finite numbers, not negative or even `positive`.

    Returns
    -------
    numbers : ndarray of shape (n_values,), float64

    Raises
    ------
    ValueError
        If there is none, or an entry is another number or none at all, such as a
        string, a complex number or a boolean.
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
