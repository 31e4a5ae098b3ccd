"""Class labels and domains of samples."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.validation import _num_samples, check_consistent_length, column_or_1d

from skalign._routing import unwrap


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


def check_labels_of_sides(labels, target_labels, X, y, *, partly=False):
    """Validate the class labels of both sides; without `y` the target has none.

    Some target labels may be missing where `partly`.
    """
    labels = check_labels(labels, X, "labels")
    if y is None:
        return labels, None
    return labels, check_labels(target_labels, y, "target_labels", partly=partly)


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


def repeats(values):
    """Whether at most half as many values differ as there are, as classes do."""
    return 2 * len(np.unique(values)) <= len(values)


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
