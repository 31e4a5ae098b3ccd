"""Computation of the consensus of many spaces."""

import warnings

import numpy as np
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning

from skalign._rescale import signed
from skalign.moments import (
    centre,
    relative_ridge,
    rounding_of_columns,
    truncated_svd,
)
from skalign.paired import RigidAligner


def count_components(n_components, kind, sizes):
    """Validate the number of dimensions of the consensus; None is the largest."""
    limit = min(sizes) if kind == "linear" else max(sizes)
    if n_components is not None and n_components > limit:
        end = "narrowest" if kind == "linear" else "widest"
        raise ValueError(
            f"n_components={n_components} must be at most {limit}, the number of "
            f"features of the {end} space, with kind={kind!r}."
        )
    return n_components or limit


def _place_one_by_one(spaces, present, scaling):
    """Return an initial consensus: align each space with the mean of the previous ones.

    Starts with the space with the most features, and continues with the one that shares
    the most samples.
    """
    widths = [space.shape[1] for space in spaces]
    n_rows = present.sum(axis=0)
    k = max(range(len(spaces)), key=lambda k: (widths[k], n_rows[k], -k))
    placed = spaces[k][present[:, k]]
    placed = placed - placed.mean(axis=0)
    total, count = np.zeros((len(present), max(widths))), np.zeros(len(present))
    left = set(range(len(spaces)))
    aligner = RigidAligner(scaling=scaling)
    while True:
        total[present[:, k]] += placed
        count += present[:, k]
        left.remove(k)
        if not left:
            return total / count[:, None]
        shared = present & (count > 0)[:, None]
        k = max(left, key=lambda k: (shared[:, k].sum(), -k))
        rows = shared[:, k]
        target = total[rows] / count[rows, None]
        placed = aligner.fit(spaces[k][rows], target).predict(spaces[k][present[:, k]])


def rigid_consensus(spaces, present, scaling, max_iter, tol):
    """Alternate between rotations of the spaces and their mean.

    Parameters
    ----------
    spaces : list of ndarray of shape (n_samples, n_features_k)
        Spaces; values in missing rows are ignored.
    present : ndarray of shape (n_samples, n_spaces)
        Mask of the samples of each space. No sample is missing from all spaces, and any
        two spaces are linked by spaces that share two samples each.
    scaling : bool
        Whether to fit a scale for each space.
    max_iter : int
    tol : float
        Tolerance: stop when the loss decreases by no more than this.

    Returns
    -------
    consensus : ndarray of shape (n_samples, max(n_features_k))
        Consensus in its principal axes.
    losses : list of float
        Loss of each iteration, as a share of the sum of squares of the spaces.
    """
    count = present.sum(axis=1)
    total = sum(
        np.square(rows - rows.mean(axis=0)).sum()
        for rows in (X[seen] for X, seen in zip(spaces, present.T, strict=True))
    )
    mean, losses = _place_one_by_one(spaces, present, scaling), []
    aligner = RigidAligner(scaling=scaling)
    for _ in range(max_iter):
        consensus = mean - np.average(mean, axis=0, weights=count)
        if scaling:
            consensus *= _ratio(total, count @ np.square(consensus).sum(axis=1)) ** 0.5
        mean, loss = np.zeros_like(consensus), 0.0
        for X, seen in zip(spaces, present.T, strict=True):
            mapped = aligner.fit(X[seen], consensus[seen]).predict(X[seen])
            loss += np.square(mapped - consensus[seen]).sum()
            mean[seen] += mapped
        mean /= count[:, None]
        losses.append(_ratio(loss, total))
        if len(losses) > 1 and losses[-2] - losses[-1] <= tol:
            break
    else:
        warnings.warn(
            f"GeneralizedProcrustes did not converge in max_iter={max_iter} "
            f"iterations: the loss still fell by more than tol={tol}.",
            ConvergenceWarning,
            stacklevel=5,
        )
    _, axes = eigh(consensus.T @ (count[:, None] * consensus))
    return signed(consensus @ axes[:, ::-1]), losses


def linear_consensus(spaces, present, shrinkage, n_components):
    """Compute the consensus that ridge regressions from all spaces predict best.

    Parameters
    ----------
    spaces, present
        As for `rigid_consensus`.
    shrinkage : float
        Ridge penalty, as a share of the mean eigenvalue of the Gram matrix of a space.
    n_components : int
        Number of dimensions of the consensus, at most the rank of the data.

    Returns
    -------
    consensus : ndarray of shape (n_samples, n_components)
        Consensus with uncorrelated columns of mean square one, weighted by the number
        of spaces of each sample, in order of decreasing predictability.
    losses : list of one float
        Unexplained share of the sum of squares of the consensus.
    """
    count = present.sum(axis=1)
    fitted = []
    for X, seen in zip(spaces, present.T, strict=True):
        # The smoother of a space, with its intercept, is basis @ basis.T.
        rows, _ = centre(X[seen])
        U, s, _ = truncated_svd(rows, rounding_of_columns(X[seen]))
        s2 = s**2
        basis = np.zeros((len(X), 1 + len(s2)))
        basis[seen, 0] = seen.sum() ** -0.5
        basis[seen, 1:] = U * np.sqrt(s2 / (s2 + relative_ridge(shrinkage, rows)))
        fitted.append(basis)
    root = np.sqrt(count)[:, None]
    fitted = np.hstack(fitted) / root
    rounding = rounding_of_columns(fitted)
    constant = root / np.linalg.norm(root)
    fitted -= constant @ (constant.T @ fitted)
    U, s, _ = truncated_svd(fitted, rounding)
    if len(s) == 0:
        raise ValueError(
            "All samples are equal in each space: no consensus can be computed."
        )
    n_components = min(n_components, len(s))
    consensus = signed(U[:, :n_components]) * np.sqrt(count.sum()) / root
    return consensus, [max(0.0, 1 - np.square(s[:n_components]).mean())]


def _ratio(part, whole):
    return float(part / whole) if whole > 0 else 0.0
