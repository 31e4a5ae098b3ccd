"""Validation of parameters, of the samples of each side and of their column names."""

import warnings
from math import isfinite
from numbers import Integral, Real
from sys import float_info

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _param_validation, assert_all_finite
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    check_array,
    validate_data,
)

from skalign._arrays import (
    FLOATS as FLOATS,
    arrive,
    as_dtype,
    dtype_name,
    floats,
    is_of_another_library,
    join,
    namespace,
    to_numpy,
)
from skalign._dask import is_dask, one_sample
from skalign._labels import repeats
from skalign._warnings import user_level

_SIDES = ("feature_names_in_", "target_names_in_")
_SINCE_FIT = (
    "Feature names unseen at fit time:",
    "Feature names seen at fit time, yet now missing:",
    "Feature names must be in the same order as they were in fit.",
)


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


def check_pairs(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    reset=True,
    ensure_all_finite=True,
    ensure_min_samples=2,
):
    """Validate paired samples for `fit` or, with ``reset=False``, for `partial_fit`.

    Sets `n_features_in_`, `n_targets_`, `_y_ndim` and the names of columns on
    `estimator`. Pass ``ensure_all_finite=False`` if `Moments`, which checks it, sums
    over the samples.

    Returns
    -------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_samples, n_targets), of the dtype of `X`
        With array API dispatch, in the library and on the device of `X`.
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if issparse(y):
        raise TypeError("y is sparse; pass a dense array, such as y.toarray().")
    check_target_names(estimator, y, reset=reset)
    X, y = _arrive(estimator, X, y)
    n_classes = count_classes(estimator, y)
    X, y = validate_data(
        estimator,
        X,
        y,
        dtype=floats(X),
        multi_output=True,
        y_numeric=True,
        reset=reset,
        ensure_all_finite=ensure_all_finite,
        ensure_min_samples=ensure_min_samples,
    )
    y_ndim, y = y.ndim, _cast(namespace(y).reshape(y, (y.shape[0], -1)), X.dtype)
    if reset:
        estimator._y_ndim, estimator.n_targets_ = y_ndim, y.shape[1]
    elif y.shape[1] != estimator.n_targets_:
        raise ValueError(
            f"y has {y.shape[1]} columns, but {type(estimator).__name__} was fitted "
            f"with {estimator.n_targets_}."
        )
    sample_weight = check_weight(sample_weight, X)
    check_same_features(estimator)
    warn_of_classes(estimator, n_classes, X.shape[1])
    return X, y, sample_weight


def _arrive(estimator, X, y):
    """Prepare both sides, which may be arrays of another library; see `arrive`."""
    stays = getattr(estimator, "_any_library", False)
    X, y = arrive(X, "X", stays=stays), arrive(y, "y", stays=stays)
    return X, None if y is None else join(y, X)


def check_weight(sample_weight, X):
    """Validate the weight of each sample of `X`, on the CPU; None remains."""
    if sample_weight is None:
        return None
    sample_weight = to_numpy(arrive(sample_weight, "sample_weight", stays=True))
    if is_of_another_library(X):
        X = np.empty((X.shape[0], 1))
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def _cast(y, dtype):
    """Convert target samples to the dtype of the source samples, if they fit."""
    if y.dtype != dtype:
        assert_all_finite(y, input_name="y")
        y = cast_finite(y, dtype, "y")
    return y


def dimensions(y):
    """Number of dimensions of `y`, without functions that its type may lack."""
    return y.ndim if hasattr(y, "ndim") else np.asarray(y).ndim


def count_classes(estimator, y):
    """Return the number of classes in a `y` that looks like class labels, else 0.

    Class labels are one dimension of integers, at most half of which are distinct.

    Raises
    ------
    ValueError
        If `y` is one dimension of strings.
    """
    if getattr(y, "ndim", 1) != 1 or (values := np.asarray(to_numpy(y))).ndim != 1:
        return 0
    kind, entries = values.dtype.kind, values.tolist() if values.dtype == object else []
    texts = values if kind in "SUT" else [v for v in entries if isinstance(v, str)]
    if len(texts):
        raise ValueError(
            f"y holds strings such as {texts[0]!s:.20}, and {type(estimator).__name__} "
            "needs target samples: numbers of shape (n_samples, n_targets), not the "
            "class labels that a Pipeline passes on."
        )
    if kind in "iub" or (kind == "O" and all(isinstance(v, Integral) for v in entries)):
        return len(np.unique(values)) if repeats(values) else 0
    return 0


def warn_of_classes(estimator, n_classes, n_features):
    """Warn that the `y` of a paired fit looks like `n_classes` class labels."""
    if n_classes and n_features > 1:
        warnings.warn(
            f"y is one column of {n_classes} different integers, as class labels are, "
            f"and {type(estimator).__name__} maps {n_features} columns to it. The "
            "labels that a Pipeline passes on are not target samples: pass these, of "
            "shape (n_samples, n_targets), as y. If y is a target of one column, "
            "pass it as floats or of shape (n_samples, 1).",
            UserWarning,
            stacklevel=user_level(),
        )


def check_no_dates(X):
    """Raise an error for an array of dates or durations."""
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", None) in ("M", "m"):
        raise TypeError(
            f"X has dtype {dtype}, but numbers are needed; durations are numbers after "
            "a division by a unit, as in X / np.timedelta64(1, 'D')."
        )


def check_varies(y):
    """Raise an error for a target whose samples are all equal."""
    if namespace(y).all(y == y[:1, ...]):
        raise ValueError("All samples of y are equal: there is nothing to predict.")


def check_target(y, n_targets):
    """Validate samples of the target space: finite floats, `n_targets` columns."""
    y = check_array(y, dtype=floats(y), ensure_2d=False, input_name="y")
    y = y[:, None] if y.ndim == 1 else y
    if y.shape[1] != n_targets:
        raise ValueError(
            f"y has {y.shape[1]} columns, but the target space has {n_targets}."
        )
    return y


def check_sides(estimator, X, y):
    """Validate source and target samples that do not correspond, for `fit`.

    Sets `n_features_in_`, `n_targets_` and the names of columns on `estimator`; if it
    has `_same_features`, widths and names must agree. If `y` is None or one-dimensional
    (the class labels that a Pipeline passes on), there are no target samples: a warning
    says so, and the estimator must become the identity.

    Returns
    -------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_target_samples, n_targets), of the dtype of `X`, or None
        With array API dispatch, in the library and on the device of `X`.
    """
    has_target = y is not None and dimensions(y) != 1
    if has_target:
        check_target_names(estimator, y, reset=True)
    X, target = _arrive(estimator, X, y if has_target else None)
    X = validate_data(estimator, X, dtype=floats(X), ensure_min_samples=2)
    estimator._dtype, estimator._is_identity = dtype_name(X), False
    if target is None:
        warn_no_target_samples(estimator, y)
        stay_in_source(estimator)
        return X, None
    y = check_array(target, dtype=floats(target), ensure_min_samples=2, input_name="y")
    if getattr(estimator, "_same_features", False) and y.shape[1] != X.shape[1]:
        raise ValueError(
            f"{estimator!r} needs equal widths: X has {X.shape[1]} columns, y has "
            f"{y.shape[1]}."
        )
    check_same_features(estimator)
    estimator.n_targets_ = y.shape[1]
    return X, _cast(y, X.dtype)


def stay_in_source(estimator):
    """Give the target space the width and the names of the source space."""
    estimator.n_targets_ = estimator.n_features_in_
    names = getattr(estimator, "feature_names_in_", None)
    remember_names(estimator, names, "target_names_in_")


def warn_no_target_samples(estimator, y):
    """Warn that `y` is None or 1-D, so that an unpaired aligner has no target."""
    warnings.warn(
        f"y holds no target samples; it is {'None' if y is None else '1-D'}: "
        f"{type(estimator).__name__} is the identity. Pass target samples of shape "
        "(n_target_samples, n_targets) as y, or wrap the aligner in DomainAdapter, "
        "which takes X_target.",
        UserWarning,
        stacklevel=user_level(),
    )


def cast_finite(values, dtype, what):
    """Cast to a dtype, or raise an error if values are too large for it.

    Parameters
    ----------
    values : ndarray
    dtype : dtype
    what : str
        Name of the values in the error.

    Returns
    -------
    cast : ndarray of the dtype

    Raises
    ------
    ValueError
        If a value is not finite in the dtype.
    """
    with np.errstate(over="ignore"):
        cast = as_dtype(values, dtype)
    if not (xp := namespace(cast)).all(xp.isfinite(cast)):
        raise ValueError(f"{what} overflows {cast.dtype}. Scale the columns.")
    return cast


def within_range(mapping, rows):
    """Map validated rows, or raise an error if a result is too large for its dtype.

    The rule is the same for all libraries and numbers of threads: NumPy notices no
    overflow in other threads, and torch none.

    Parameters
    ----------
    mapping : callable
    rows : array

    Returns
    -------
    mapped : array

    Raises
    ------
    ValueError
        If a result is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mapped = mapping(rows)
        xp = namespace(mapped)
        # The sum takes little time, but may overflow where no summand does.
        total = mapped.sum() if xp is np else xp.sum(mapped)  # faster for one sample
        is_finite = isfinite(total) or xp.all(xp.isfinite(mapped))
    if not is_finite:
        largest = float(xp.max(xp.abs(rows)))
        raise ValueError(
            f"The result overflows {dtype_name(mapped)}, as there are samples with "
            f"values of {largest:.1g}. Remove them, or scale them as in fit."
        )
    return mapped


def column_names(rows):
    """Return the names that scikit-learn takes, all strings, or None.

    A named Series has one.
    """
    if is_dask(rows):
        rows = one_sample(rows)
    name = getattr(rows, "name", None)
    if isinstance(name, str) and hasattr(rows, "to_frame"):  # of a Series
        return np.array([name], dtype=object) if name else None
    return _get_feature_names(rows)


def check_target_names(estimator, y, *, reset=False, name="y"):
    """Store the column names of the target, or compare them with those of `fit`.

    With ``reset=True``, sets `target_names_in_` on `estimator`, or deletes it if `y`
    has no names.

    Raises
    ------
    ValueError
        If the names or their order are not those of `fit`.
    TypeError
        If some names are strings and others are not.
    """
    names = column_names(y)
    if reset:
        remember_names(estimator, names, _SIDES[1])
    else:
        compare_names(estimator, names, getattr(estimator, _SIDES[1], None), name)


def merge_names(estimator, other, *, seen=(True, True), others=(True, True)):
    """Compare the column names of two estimators, side by side.

    Parameters
    ----------
    estimator, other : estimator
        Estimators to compare. Names that only `other` has are set on `estimator`.
    seen, others : tuple of length 2
        Sums of the source and of the target in each of them; None for a side without
        samples.
    """
    for side, mine, theirs in zip(_SIDES, seen, others, strict=True):
        names = getattr(other, side, None)
        if mine is not None and theirs is not None:
            compare_names(estimator, names, getattr(estimator, side, None), "other")
        elif theirs is not None:
            remember_names(estimator, names, side)
    check_same_features(estimator)


def check_same_features(estimator, name="y"):
    """Raise an error if names or order of source and target columns differ.

    Applies to estimators with `_same_features`, if both sides have names.
    """
    source, target = (getattr(estimator, side, None) for side in _SIDES)
    if not getattr(estimator, "_same_features", False) or source is None:
        return
    texts = (
        f"Feature names of {name} that X lacks:",
        f"Feature names of X that {name} lacks:",
        "Feature names must be in the same order in both.",
    )
    if target is not None and (difference := _difference(target, source, texts)):
        raise ValueError(
            f"{type(estimator).__name__} needs the same columns in X and in {name}.\n"
            + difference
        )


def remember_names(estimator, names, side):
    vars(estimator).pop(side, None)
    if names is not None:
        setattr(estimator, side, names)


def _difference(names, fitted, texts):
    """Describe how names differ from fitted ones; an empty string if they do not."""
    if np.array_equal(names, fitted):
        return ""
    lines = []
    for some, others, text in ((names, fitted, texts[0]), (fitted, names, texts[1])):
        if missing := sorted({*some} - {*others}):
            lines += [text, *(f"- {name}" for name in missing[:5])]
            lines += ["- ..."] * (len(missing) > 5)
    return "\n".join(lines or [texts[2]]) + "\n"


def compare_names(estimator, names, fitted, what):
    """Compare the names of columns with fitted ones, as scikit-learn does for `X`.

    Warns if only one of the two is None.

    Raises
    ------
    ValueError
        If the names or their order differ.
    """
    owner = type(estimator).__name__
    if fitted is None and names is not None:
        # Names generated by `transform` may be passed back.
        own = [f"{owner.lower()}{i}" for i in range(len(names))]
        names = None if np.array_equal(names, own) else names
    if (names is None) != (fitted is None):
        found = "has" if fitted is None else "does not have valid"
        without = "without" if fitted is None else "with"
        warnings.warn(
            f"{what} {found} feature names, but {owner} was fitted {without} feature "
            "names",
            UserWarning,
            stacklevel=user_level(),
        )
    elif names is not None and (difference := _difference(names, fitted, _SINCE_FIT)):
        of = "" if what == "X" else f" of {what}"
        raise ValueError(
            f"The feature names{of} should match those that were passed during fit.\n"
            + difference
        )
