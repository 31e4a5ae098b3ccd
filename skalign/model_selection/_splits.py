"""Splits of rows, and what is compared on them, as the caller gave them."""

from collections.abc import Iterable

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples


def check_splits(cv, X, y=None, **params):
    """Return the splits that a splitter makes of rows, as a list.

    Parameters
    ----------
    cv : int, cross-validation generator or iterable
    X, y : array-like of shape (n_samples, ...)
        What `split` of the splitter is given.
    **params : dict
        More for `split`, such as groups.

    Returns
    -------
    splits : list of (ndarray of int, ndarray of int)
        Positions of the training and of the test rows. A mask counts as the positions
        where it is true.

    Raises
    ------
    ValueError
        If there is no split, or one is no pair of positions of rows, each at least one.
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
                "positions of rows."
            )
        parts = tuple(
            _positions(part, n, f"The {name} rows of split {i} of cv")
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
            f"{what} lie from {part.min()} to {part.max()}, but there are {n} rows: "
            f"expected 0 to {n - 1}."
        )
    return part


def check_aligners(aligners):
    """Refuse a dict of aligners that is empty."""
    if not aligners:
        raise ValueError("aligners is empty; expected at least one estimator, by name.")


def follow(progress, steps):
    """Return what `progress` makes of a list of steps: something to iterate over."""
    followed = progress(steps)
    if not isinstance(followed, Iterable):
        raise TypeError(
            f"progress={progress!r} returned {followed!r}; expected an iterable over "
            "the steps that it is given, as tqdm.tqdm returns."
        )
    return followed
