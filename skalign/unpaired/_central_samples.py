"""Samples near the centre of their side: strays are left out."""

from numbers import Real

import numpy as np

from skalign._rescale import near_one

_MAX_ITER = 100


def check_trim(trim):
    """Return the shares of the source and of the target to leave out.

    Raises
    ------
    ValueError
        If a tuple does not consist of two numbers that are at least 0 and below 1.
    """
    if not isinstance(trim, tuple):
        return trim, trim
    if len(trim) != 2 or not all(
        isinstance(share, Real) and not isinstance(share, bool) and 0 <= share < 1
        for share in trim
    ):
        raise ValueError(
            "A tuple as trim must hold two numbers, at least 0 and below 1, the shares "
            f"of the source and of the target to leave out; got {trim!r}."
        )
    return trim


def n_kept(n, share):
    """Number of items that are left of `n` without a share, which is rounded down."""
    return n - int(share * n)


def central_samples(rows, trim, labels=None, *, name="X"):
    """Positions of samples, without those farthest from the centre of a side or class.

    The centre is the mean of the samples that are kept: a trimmed mean of one cluster,
    found by iteration from the median of each feature. It moves with the samples under
    rotations, translations and scaling.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Samples of one side.
    trim : float
        Share to leave out, at least 0 and below 1.
    labels : ndarray of shape (n_samples,), default=None
        Classes, trimmed one by one.
    name : str, default="X"
        Name of the side in the error.

    Returns
    -------
    kept : ndarray of int of shape (n_kept,) or slice
        In ascending order; a slice of all samples if none is left out.

    Raises
    ------
    ValueError
        If fewer than two samples are left.
    """
    if trim == 0:
        return slice(None)
    if labels is None:
        groups = [np.arange(len(rows))]
    else:
        groups = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    kept = np.sort(np.concatenate([g[_central(rows[g], trim)] for g in groups]))
    if len(kept) < 2:
        raise ValueError(
            f"trim={trim} leaves {len(kept)} of {len(rows)} samples of {name}; at "
            "least 2 are needed. Reduce trim."
        )
    return kept


def _central(rows, trim):
    """Positions of the samples nearest to their own mean."""
    rows = near_one(rows)  # squares may overflow
    n, centre, kept = n_kept(len(rows), trim), np.median(rows, axis=0), None
    for _ in range(_MAX_ITER):
        steps = rows - centre
        order = np.argsort(np.einsum("ij,ij->i", steps, steps), kind="stable")
        before, kept = kept, np.sort(order[:n])
        if before is not None and np.array_equal(before, kept):
            break
        centre = rows[kept].mean(axis=0)
    return kept
