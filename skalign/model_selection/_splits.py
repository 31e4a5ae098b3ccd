"""Validation of splits, of estimators to compare and of progress wrappers."""

from collections.abc import Iterable

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples


def check_splits(cv, X, y=None, **params):
    """Return the splits of a splitter as a list of valid indices.

    Parameters
    ----------
    cv : int, cross-validation generator or iterable
    X, y : array-like of shape (n_samples, ...)
        Arguments of `split`.
    **params : dict
        Further arguments of `split`, such as groups.

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)
        Indices of the training and of the test samples. Masks are converted to indices.

    Raises
    ------
    ValueError
        If there is no split, or a split is not a pair of non-empty arrays of indices.
    """
    splits, n = [], _num_samples(X)
    splitter = check_cv(cv, y)
    if hasattr(cv, "split") or not hasattr(splitter, "cv"):
        given = splitter.split(X, y, **params)
    else:  # an iterable, which `split` would unpack unseen
        given = splitter.cv
    for i, split in enumerate(given):
        if not isinstance(split, Iterable) or len(parts := tuple(split)) != 2:
            raise ValueError(
                f"Split {i} of cv is {split!r}; expected (train, test), two arrays of "
                "sample indices."
            )
        parts = tuple(
            _positions(part, n, f"The {name} samples of split {i} of cv")
            for part, name in zip(parts, ("training", "test"), strict=True)
        )
        splits.append(parts)
    if not splits:
        raise ValueError(f"cv={cv!r} yields no split; at least one is needed.")
    return splits


def _positions(part, n, what):
    part = np.asarray(part)
    if part.dtype == bool and part.shape == (n,):
        part = np.flatnonzero(part)
    if part.ndim != 1 or not len(part) or part.dtype.kind not in "iu":
        raise ValueError(
            f"{what} must be positions, one or more integers in one dimension; got "
            f"{part.dtype} of shape {part.shape}."
        )
    if part.min() < 0 or part.max() >= n:
        raise ValueError(
            f"{what} lie from {part.min()} to {part.max()}, but there are {n} samples: "
            f"expected 0 to {n - 1}."
        )
    return part


def check_aligners(aligners):
    """Raise an error if the dict of aligners is empty."""
    if not aligners:
        raise ValueError("aligners is empty; expected at least one estimator, by name.")


def follow(progress, steps):
    """Return the list of steps wrapped by `progress`."""
    followed = progress(steps)
    if not isinstance(followed, Iterable):
        raise TypeError(
            f"progress={progress!r} returned {followed!r}; expected an iterable over "
            "the steps that it is given, as tqdm.tqdm returns."
        )
    return followed
