"""Class labels and domains of samples."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.validation import _num_samples, check_consistent_length, column_or_1d

from skalign._arrays import arrive
from skalign._routing import unwrap


def check_labels(labels, X, name, *, partly=False):
    """Validate class labels of the samples of `X`, strings or numbers; or None.

    With `partly`, labels may be missing: None or NaN. Fractions are classes if they
    repeat. Among strings, the number -1 may also denote an unknown class.
    """
    if labels is None:
        return None
    labels = column_or_1d(as_written(labels))
    if labels.dtype.kind == "O" and any(isinstance(v, str) for v in labels):
        labels = np.array(["-1" if v == -1 else v for v in labels], dtype=object)
    missing = find_missing(labels, np.nan)
    if missing.any() and not partly:
        raise ValueError(
            f"{name} holds {_name_of_gap(labels[missing][0])}: give samples "
            "without a label one that the other side does not have, such as -1; "
            "classes of one side are left out."
        )
    labels = check_names(labels, name, partly=partly)
    _refuse_continuous(labels, name)
    if len(labels) != (n_samples := _num_samples(X)):
        raise ValueError(f"{name} has {len(labels)} entries for {n_samples} samples.")
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
    """Validate the domain of each sample of `X`: numbers or strings."""
    domain = check_names(sample_domain, "sample_domain")
    check_consistent_length(X, domain)
    return domain


def check_classes(y, X):
    """Validate the class of each sample of `X`, and number the classes.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted classes.
    codes : ndarray of int of shape (n_samples,)
        Class of each sample, as an index into `classes`.
    """
    y = check_names(y, "y")
    _refuse_continuous(y, "y")
    check_consistent_length(X, y)
    return np.unique(y, return_inverse=True)


def _refuse_continuous(labels, name):
    """Raise an error for fractions that rarely repeat: a quantity, not classes."""
    if labels.dtype.kind != "f":
        return
    known = labels[np.isfinite(labels)]
    if np.any(known != np.floor(known)) and not repeats(known):
        raise ValueError(
            f"{name} must hold one class for each sample, but holds continuous "
            f"numbers, such as {known[0]}."
        )


def repeats(values):
    """Return whether at most half of the values are distinct, as for classes."""
    return 2 * len(np.unique(values)) <= len(values)


def check_names(values, what, *, partly=False):
    """Raise an error for strings among numbers, and missing names unless `partly`."""
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
    """Convert labels to an array without changing any of them.

    NumPy converts all entries of a list to strings if one is a string, and integers
    that fit none of its types to floats; scikit-learn converts nullable integers to
    floats. Distinct integers above 2**53 may then become equal. Integers without a
    common type, and entries of which some are missing or strings, are kept as objects.
    """
    if issparse(values):
        raise TypeError(
            "Labels and domains must be dense: pass them as toarray() gives."
        )
    values = arrive(values, "An array of labels")
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
    """Raise an error for None, NaN and NA: `missing_label` denotes a missing label."""
    gaps = find_missing(y, np.nan)
    if gaps.any():
        raise ValueError(
            f"Input y contains {_name_of_gap(y[gaps][0])} in {gaps.sum()} samples: "
            f"write {missing_label!r} for target samples without a label, with "
            "sample_domain < 0, and leave out other samples without one."
        )


def _name_of_gap(gap):
    return "None" if gap is None else "NA" if is_pandas_na(gap) else "NaN"


def check_source(sample_domain, X):
    """Return whether each sample is a source sample: its `sample_domain` is >= 0."""
    _num_samples(X)
    domain = check_domain(sample_domain, X)
    if not are_numbers(domain):
        raise ValueError(
            "sample_domain must hold numbers, >= 0 for source and < 0 for target "
            f"samples; got {domain.dtype} values such as {domain[0].item()!r}."
        )
    return domain >= 0


def are_numbers(domain):
    """Return whether all domains are numbers."""
    if domain.dtype.kind == "O":  # integers beyond those of numpy
        return all(isinstance(name, Real) for name in domain)
    return domain.dtype.kind in "if"


def is_target_domain(domain):
    """Return whether each domain is below 0; strings denote source domains."""
    if not are_numbers(domain):
        return np.zeros(len(domain), dtype=bool)
    return domain < 0


def find_missing(y, missing_label):
    """Return which samples have no label in any output; "-1" also counts as -1."""
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
    """Raise an error for source samples without a label, or if no sample has one."""
    if n_refused := (missing & is_source).sum():
        raise ValueError(
            f"{n_refused} source samples have the label {missing_label!r}, which "
            "denotes a missing one. If it is a class, choose another label for it; if "
            "they are target samples, pass sample_domain < 0 for them."
        )
    if missing.all():
        raise ValueError("No sample has a label.")


def check_two_domains(X, X_target, sample_domain):
    """Find source and target samples: `X_target` is given, or stacked into `X`.

    Returns
    -------
    X_target : the target samples, taken out of a 1-tuple; None if they are in `X`
    is_source : ndarray of shape (n_samples,), True for the source samples of `X`
    """
    X_target = unwrap(X_target)
    if sample_domain is None:
        is_source = np.ones(_num_samples(X), dtype=bool)
    else:
        is_source = check_source(sample_domain, X)
    if X_target is not None and not is_source.all():
        raise ValueError(
            "The target samples are given twice: by X_target, and by sample_domain < 0 "
            f"for {np.sum(~is_source)} samples of X."
        )
    if X_target is None and is_source.all():
        raise ValueError(
            "There are no target samples: pass X_target, or stack them into X with "
            "sample_domain < 0. Splitters by domain put those into training sets only; "
            "to score target samples, pass X_target."
        )
    if not is_source.any():
        raise ValueError("There are no source samples: sample_domain is < 0 for all.")
    return X_target, is_source
