"""Input checks that more than one room needs."""

import warnings
from numbers import Integral, Real
from sys import float_info

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _param_validation, assert_all_finite
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    _num_samples,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from skalign._rescale import cast_finite

FLOATS = (np.float64, np.float32)
_SIDES = ("feature_names_in_", "target_names_in_")
_SINCE_FIT = (
    "Feature names unseen at fit time:",
    "Feature names seen at fit time, yet now missing:",
    "Feature names must be in the same order as they were in fit.",
)


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


def column_names(rows):
    """Return the names that scikit-learn takes, all strings, or None.

    A named Series has one.
    """
    name = getattr(rows, "name", None)
    if isinstance(name, str) and hasattr(rows, "to_frame"):  # of a Series
        return np.array([name], dtype=object) if name else None
    return _get_feature_names(rows)


def check_target_names(estimator, y, *, reset=False, name="y"):
    """Remember the column names of target rows, or compare them with those of `fit`.

    With ``reset=True`` sets `target_names_in_` on `estimator`, or deletes it where
    `y` has no names.

    Raises
    ------
    ValueError
        If the names or their order are not those of `fit`.
    TypeError
        If some names are strings and others are not.
    """
    names = column_names(y)
    if reset:
        _remember_names(estimator, names, _SIDES[1])
    else:
        compare_names(estimator, names, getattr(estimator, _SIDES[1], None), name)


def merge_names(estimator, other, *, seen=(True, True), others=(True, True)):
    """Compare the column names of two estimators, side by side.

    Parameters
    ----------
    estimator, other : estimator
        What is known to `other` alone is set on `estimator`.
    seen, others : tuple of length 2
        What each of them knows of the source and of the target; None where it has
        seen no rows of a side.
    """
    for side, mine, theirs in zip(_SIDES, seen, others, strict=True):
        names = getattr(other, side, None)
        if mine is not None and theirs is not None:
            compare_names(estimator, names, getattr(estimator, side, None), "other")
        elif theirs is not None:
            _remember_names(estimator, names, side)
    check_same_features(estimator)


def check_same_features(estimator, name="y"):
    """Refuse source and target columns whose names or order differ.

    For an estimator with `_same_features`, whose sides hold the same features, and
    where both sides have names.
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


def _remember_names(estimator, names, side):
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

    Warns where only one of the two is not None.

    Raises
    ------
    ValueError
        If the names or their order differ.
    """
    owner = type(estimator).__name__
    if fitted is None and names is not None:
        # What `transform` has made of columns without names may come back.
        own = [f"{owner.lower()}{i}" for i in range(len(names))]
        names = None if np.array_equal(names, own) else names
    if (names is None) != (fitted is None):
        found = "has" if fitted is None else "does not have valid"
        without = "without" if fitted is None else "with"
        warnings.warn(
            f"{what} {found} feature names, but {owner} was fitted {without} feature "
            "names",
            UserWarning,
            stacklevel=4,
        )
    elif names is not None and (difference := _difference(names, fitted, _SINCE_FIT)):
        of = "" if what == "X" else f" of {what}"
        raise ValueError(
            f"The feature names{of} should match those that were passed during fit.\n"
            + difference
        )


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
    """Validate paired rows for `fit` or, with ``reset=False``, for `partial_fit`.

    Sets `n_features_in_`, `n_targets_`, `_y_ndim` and the names of columns on
    `estimator`. Who sums over the rows by `Moments` may leave the look for NaN to it
    (`ensure_all_finite`).

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets), of the dtype of `X`
    sample_weight : ndarray of shape (n_samples,) or None
    """
    if issparse(y):
        raise TypeError("y is sparse; pass it dense, as y.toarray() gives it.")
    check_target_names(estimator, y, reset=reset)
    n_classes = count_classes(estimator, y)
    X, y = validate_data(
        estimator,
        X,
        y,
        dtype=FLOATS,
        multi_output=True,
        y_numeric=True,
        reset=reset,
        ensure_all_finite=ensure_all_finite,
        ensure_min_samples=ensure_min_samples,
    )
    y_ndim, y = y.ndim, _cast(y.reshape(len(y), -1), X.dtype)
    if reset:
        estimator._y_ndim, estimator.n_targets_ = y_ndim, y.shape[1]
    elif y.shape[1] != estimator.n_targets_:
        raise ValueError(
            f"y has {y.shape[1]} columns, but {type(estimator).__name__} was fitted "
            f"with {estimator.n_targets_}."
        )
    if sample_weight is not None:
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
    check_same_features(estimator)
    warn_of_classes(estimator, n_classes, X.shape[1])
    return X, y, sample_weight


def _cast(y, dtype):
    """Return target rows in the dtype of the source rows, if it holds them."""
    if y.dtype != dtype:
        assert_all_finite(y, input_name="y")
        y = cast_finite(y, dtype, "y")
    return y


def dimensions(y):
    """Number of dimensions of `y`, without functions that its type may lack."""
    # Of a tensor numpy may know no type.
    return y.ndim if hasattr(y, "ndim") else np.asarray(y).ndim


def count_classes(estimator, y):
    """Return the number of classes in a `y` that looks like class labels, else 0.

    That is one dimension of integers of which half or more occurred before.

    Raises
    ------
    ValueError
        If `y` is one dimension of strings.
    """
    if getattr(y, "ndim", 1) != 1 or (values := np.asarray(y)).ndim != 1:
        return 0
    kind, entries = values.dtype.kind, values.tolist() if values.dtype == object else []
    texts = values if kind in "SUT" else [v for v in entries if isinstance(v, str)]
    if len(texts):
        raise ValueError(
            f"y holds strings such as {texts[0]!s:.20}, and {type(estimator).__name__} "
            "needs target rows: numbers of shape (n_samples, n_targets). The class "
            "labels that a Pipeline passes on are none."
        )
    if kind in "iub" or (kind == "O" and all(isinstance(v, Integral) for v in entries)):
        return len(np.unique(values)) if repeats(values) else 0
    return 0


def warn_of_classes(estimator, n_classes, n_features):
    """Say that the `y` of a paired fit looks like `n_classes` class labels."""
    if n_classes and n_features > 1:
        warnings.warn(
            f"y is one column of {n_classes} different integers, as class labels are, "
            f"and {type(estimator).__name__} maps {n_features} columns to it. The "
            "labels that a Pipeline passes on are no target rows: pass these, of shape "
            "(n_samples, n_targets), as y. If y is a target of one column, pass it as "
            "floats or of shape (n_samples, 1).",
            UserWarning,
            stacklevel=6,
        )


def repeats(values):
    """Whether at most half as many values differ as there are, as classes do."""
    return 2 * len(np.unique(values)) <= len(values)


def check_varies(y):
    """Refuse a target whose rows are all the same."""
    if np.all(y == y[0]):
        raise ValueError("All rows of y are equal: there is nothing to predict.")


def check_target(y, n_targets):
    """Validate rows of the target space: finite floats, `n_targets` columns."""
    y = check_array(y, dtype=FLOATS, ensure_2d=False, input_name="y")
    y = y.reshape(-1, 1) if y.ndim == 1 else y
    if y.shape[1] != n_targets:
        raise ValueError(
            f"y has {y.shape[1]} columns, but the target space has {n_targets}."
        )
    return y


def check_sides(
    estimator,
    X,
    y,
    *,
    labels=None,
    target_labels=None,
    partly_labeled=False,
):
    """Validate source and target rows that do not correspond, for `fit`.

    Sets `n_features_in_`, `n_targets_` and the names of columns on `estimator`; where
    that has `_same_features`, widths and names must agree. A `y` that is None or
    one-dimensional (the class labels that a Pipeline passes on) holds no target rows:
    a warning says so, and the caller is to be the identity.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_target_samples, n_targets), of the dtype of `X`, or None
    labels : ndarray of shape (n_samples,) or None
    target_labels : ndarray of shape (n_target_samples,) or None
    """
    X = validate_data(estimator, X, dtype=FLOATS, ensure_min_samples=2)
    labels = check_labels(labels, X, "labels")
    if y is None or dimensions(y) == 1:
        warn_no_target_rows(estimator, y)
        stay_in_source(estimator)
        return X, None, labels, None
    check_target_names(estimator, y, reset=True)
    y = check_array(y, dtype=FLOATS, ensure_min_samples=2, input_name="y")
    if getattr(estimator, "_same_features", False) and y.shape[1] != X.shape[1]:
        raise ValueError(
            f"{estimator!r} needs equal widths: X has {X.shape[1]} columns, y has "
            f"{y.shape[1]}."
        )
    check_same_features(estimator)
    estimator.n_targets_ = y.shape[1]
    target_labels = check_labels(
        target_labels, y, "target_labels", partly=partly_labeled
    )
    return X, _cast(y, X.dtype), labels, target_labels


def stay_in_source(estimator):
    """Make the target space that of the source, of which it has width and names."""
    estimator.n_targets_ = estimator.n_features_in_
    names = getattr(estimator, "feature_names_in_", None)
    _remember_names(estimator, names, _SIDES[1])


def warn_no_target_rows(estimator, y):
    """Say that `y` is None or 1-D: an unpaired aligner has no target then."""
    warnings.warn(
        f"y holds no target rows, it is {'None' if y is None else '1-D'}: "
        f"{type(estimator).__name__} is the identity. Pass target rows of shape "
        "(n_target_samples, n_targets) as y, or wrap the aligner in DomainAdapter, "
        "which takes X_target.",
        UserWarning,
        stacklevel=6,
    )


def check_labels(labels, rows, name, *, partly=False):
    """Validate class labels, strings or numbers, one for each of `rows`; or None.

    Some may be missing where `partly`: None or NaN then. Numbers that are no integers
    are classes if they repeat. Among strings -1 may stand for an unknown class, too.
    """
    if labels is None:
        return None
    labels = as_written(labels)
    if labels.dtype.kind == "O" and any(isinstance(v, str) for v in labels.flat):
        labels = np.array(["-1" if v == -1 else v for v in labels.flat], dtype=object)
    missing = find_missing(labels, np.nan)
    if missing.any() and not partly:
        raise ValueError(
            f"{name} holds {_name_of_gap(labels[missing].flat[0])}: give rows without "
            "a label one that the other side does not have, such as -1; classes of one "
            "side are left out."
        )
    labels = check_names(labels, name, partly=partly)
    _refuse_continuous(labels, name)
    if len(labels) != len(rows):
        raise ValueError(f"{name} has {len(labels)} entries for {len(rows)} rows.")
    return labels


def check_domain(sample_domain, X=None):
    """Validate the domain of each row of `X`: numbers or strings."""
    domain = check_names(sample_domain, "sample_domain")
    check_consistent_length(X, domain)
    return domain


def check_classes(y, X):
    """Validate the class of each row of `X`, and number the classes.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        In order.
    codes : ndarray of int of shape (n_samples,)
        That of each row among them.
    """
    y = check_names(y, "y")
    _refuse_continuous(y, "y")
    check_consistent_length(X, y)
    return np.unique(y, return_inverse=True)


def _refuse_continuous(labels, name):
    """Refuse fractions that hardly repeat: they are a quantity, not classes."""
    if labels.dtype.kind != "f":
        return
    known = labels[np.isfinite(labels)]
    if np.any(known != np.floor(known)) and not repeats(known):
        raise ValueError(
            f"{name} must hold one class for each row, but holds continuous numbers, "
            f"such as {known[0]}."
        )


def check_names(values, what, *, partly=False):
    """Refuse strings among others, and missing names unless `partly`."""
    values = column_or_1d(as_written(values))
    missing = find_missing(values, np.nan)
    if missing.any() and not partly:
        raise ValueError(f"{what} holds {_name_of_gap(values[missing][0])}.")
    if values.dtype.kind == "O":
        are_strings = {isinstance(name, str) for name in values[~missing]}
        if len(are_strings) == 2:
            kinds = {isinstance(v, str): v for v in values[~missing][::-1]}
            raise ValueError(
                f"{what} mixes strings and other values, such as {kinds[True]!r} and "
                f"{kinds[False]!r}."
            )
        values = np.where(missing, None, values)
    elif values.dtype.kind == "u":
        # With int64, numpy would make floats of them.
        fits = values.max(initial=0) < 2**63
        values = values.astype(np.int64 if fits else object)
    return values


def as_written(values):
    """Return an array of entries as they are.

    numpy makes strings of all entries of a list if one is, and floats of integers that
    none of its types holds; scikit-learn makes floats of nullable integers. Above 2**53
    neighbours become one then. Integers of no common type, and entries of which some
    are missing or strings, stay objects.
    """
    if issparse(values):
        raise TypeError(
            "Labels and domains must be dense: pass them as toarray() gives."
        )
    written = isinstance(getattr(values, "dtype", None), np.dtype)
    if written or isinstance(values, list | tuple):
        array = np.asarray(values)
        is_exact = array.dtype.kind not in ("O" if written else "OUSTf")
        if is_exact or not array.size:
            return array
    entries = np.asarray(values, dtype=object)
    flat = entries.ravel().tolist()
    are_strings = {isinstance(entry, str) for entry in flat}
    if len(are_strings) != 1 or any(map(_is_missing, flat)):
        return entries
    array = np.array(flat)
    if all(isinstance(entry, Integral) for entry in flat) and array.dtype != bool:
        least, most = min(flat), max(flat)
        if least >= -(2**63) and most < 2**63:
            array = np.array(flat, dtype=np.int64)
        elif least >= 0 and most < 2**64:
            array = np.array(flat, dtype=np.uint64)
        else:
            return entries
    elif array.dtype.kind == "f" and array.tolist() != flat:
        return entries
    return array.reshape(entries.shape)


def check_no_gaps(y, missing_label):
    """Refuse None, NaN and NA as labels: `missing_label` stands for a missing one."""
    gaps = find_missing(y, np.nan)
    if gaps.any():
        raise ValueError(
            f"Input y contains {_name_of_gap(y[gaps][0])} in {gaps.sum()} rows: write "
            f"{missing_label!r} in target rows without a label, with sample_domain < 0 "
            "there, and leave out other rows without one."
        )


def _name_of_gap(gap):
    return "None" if gap is None else "NA" if is_pandas_na(gap) else "NaN"


def check_source(sample_domain, X):
    """Tell source rows, True, from target rows, those with `sample_domain` < 0."""
    _num_samples(X)
    domain = check_domain(sample_domain, X)
    if not are_numbers(domain):
        raise ValueError(
            "sample_domain must hold numbers, >= 0 for source rows and < 0 for target "
            f"rows; got {domain.dtype} values such as {domain[0].item()!r}."
        )
    return domain >= 0


def are_numbers(domain):
    """Tell numbers from other names."""
    if domain.dtype.kind == "O":  # integers beyond those of numpy
        return all(isinstance(name, Real) for name in domain)
    return domain.dtype.kind in "if"


def is_target_domain(domain):
    """Tell what is below 0 from what is not; strings are all of sources."""
    if not are_numbers(domain):
        return np.zeros(len(domain), dtype=bool)
    return domain < 0


def find_missing(y, missing_label):
    """Tell rows without a label in any output; a string stands for its number too."""
    if isinstance(missing_label, Real) and np.isnan(missing_label):
        if y.dtype.kind == "O":
            missing = np.asarray(np.frompyfunc(_is_missing, 1, 1)(y), dtype=bool)
        else:
            missing = y != y
    else:
        if y.dtype.kind == "O":  # NA is equal to nothing, and not unequal either
            y = np.where(np.frompyfunc(is_pandas_na, 1, 1)(y).astype(bool), None, y)
        missing = y == missing_label
        if y.dtype.kind in "OUST":
            missing |= y == str(missing_label)
    return missing.all(axis=tuple(range(1, missing.ndim)))


def _is_missing(name):
    return name is None or is_pandas_na(name) or name != name


def check_labeled(missing, is_source, missing_label):
    """Refuse source rows without a label, and rows that all have none."""
    if n_refused := (missing & is_source).sum():
        raise ValueError(
            f"{n_refused} source rows have the label {missing_label!r}, which stands "
            "for a missing one. If it is a class, choose another label for it; if they "
            "are target rows, pass sample_domain < 0 there."
        )
    if missing.all():
        raise ValueError("No row has a label.")


def check_two_domains(X, X_target, sample_domain):
    """Find source and target rows: `X_target` is given, or stacked into `X`.

    Returns
    -------
    X_target : the target rows, taken out of a 1-tuple; None if they are in `X`
    is_source : ndarray of shape (n_samples,), True for the source rows of `X`
    """
    X_target = unwrap(X_target)
    if sample_domain is None:
        is_source = np.ones(_num_samples(X), dtype=bool)
    else:
        is_source = check_source(sample_domain, X)
    if X_target is not None and not is_source.all():
        raise ValueError(
            "The target rows are given twice: by X_target, and by sample_domain < 0 in "
            f"{np.sum(~is_source)} rows of X."
        )
    if X_target is None and is_source.all():
        raise ValueError(
            "There is no target row: pass X_target, or stack target rows into X with "
            "sample_domain < 0. Splitters by domain put those into training sets only, "
            "and leave scores of target rows to X_target."
        )
    if not is_source.any():
        raise ValueError("There is no source row: sample_domain is < 0 in all rows.")
    return X_target, is_source


def unwrap(metadata):
    """Take metadata out of a 1-tuple, by which cross-validation leaves it whole."""
    if isinstance(metadata, tuple) and len(metadata) == 1:
        return metadata[0]
    return metadata
