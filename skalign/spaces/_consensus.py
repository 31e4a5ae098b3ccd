"""Computation of the consensus of many spaces."""

import warnings

import numpy as np
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning

from skalign._arrays import among_zeros, beside, namespace, take_rows, to_numpy
from skalign._determined import without_warning
from skalign._rescale import signed
from skalign._warnings import user_level
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


def _place_one_by_one(spaces, present, aligner):
    """Return an initial consensus: align each space with the mean of the previous ones.

    Starts with the space with the most features, and continues with the one that shares
    the most samples.
    """
    widths = [space.shape[1] for space in spaces]
    n_rows = present.sum(axis=0)
    k = max(range(len(spaces)), key=lambda k: (widths[k], n_rows[k], -k))
    placed = take_rows(spaces[k], present[:, k])
    placed = placed - namespace(placed).mean(placed, axis=0)
    total, count = 0.0, np.zeros(len(present))
    left = set(range(len(spaces)))
    while True:
        total = total + among_zeros(placed, present[:, k])
        count += present[:, k]
        left.remove(k)
        if not left:
            return total / beside(count[:, None], total)
        shared = present & (count > 0)[:, None]
        k = max(left, key=lambda k: (shared[:, k].sum(), -k))
        rows = shared[:, k]
        target = take_rows(total, rows) / beside(count[rows, None], total)
        aligner._fit_checked(take_rows(spaces[k], rows), target)
        placed = aligner._map(take_rows(spaces[k], present[:, k]))


def rigid_consensus(spaces, present, aligner, max_iter, tol, trim=0.0):
    """Alternate between rotations of the spaces and their mean.

    Parameters
    ----------
    spaces : list of array of shape (n_samples, n_features_k)
        Spaces; values in missing rows are ignored.
    present : ndarray of shape (n_samples, n_spaces)
        Mask of the samples of each space. No sample is missing from all spaces, and any
        two spaces are linked by spaces that share two samples each.
    aligner : RigidAligner
        Class of the maps.
    max_iter : int
    tol : float
        Tolerance: stop when the loss decreases by no more than this.
    trim : float, default=0
        Share of `present` to leave out, where samples are farthest from the consensus.

    Returns
    -------
    consensus : array of shape (n_samples, max(n_features_k))
        Consensus in its principal axes.
    losses : list of float
        Loss of each iteration, as a share of the sum of squares of the spaces.
    kept : ndarray of shape (n_samples, n_spaces)
        Mask of the samples of each space that are not left out.
    """
    total = sum(
        _squares(rows - namespace(rows).mean(rows, axis=0)).sum()
        for rows in map(take_rows, spaces, present.T)
    )
    mean, losses = _place_one_by_one(spaces, present, aligner), []
    kept = present
    for _ in range(max_iter):
        count = kept.sum(axis=1).astype(np.float64)
        weights = beside(count / count.sum(), mean)
        consensus = mean - weights @ mean
        if aligner.scaling:
            consensus *= _ratio(total, count @ _squares(consensus)) ** 0.5
        mapped = []
        squares = np.full(present.shape, np.inf)
        for k, (X, seen) in enumerate(zip(spaces, present.T, strict=True)):
            of_space = take_rows(X, kept[:, k]), take_rows(consensus, kept[:, k])
            aligner._fit_checked(*of_space)
            mapped.append(aligner._map(take_rows(X, seen)))
            squares[seen, k] = _squares(mapped[k] - take_rows(consensus, seen))
        loss = squares[kept].sum()
        before, kept = kept, _without_strays(squares, present, trim)
        mean = 0.0
        for rows, seen, use in zip(mapped, present.T, kept.T, strict=True):
            mean = mean + among_zeros(take_rows(rows, use[seen]), use)
        mean /= beside(kept.sum(axis=1).astype(np.float64)[:, None], mean)
        losses.append(_ratio(loss, total))
        still = np.array_equal(before, kept)
        if len(losses) > 1 and still and losses[-2] - losses[-1] <= tol:
            break
    else:
        warnings.warn(
            f"GeneralizedProcrustes did not converge in max_iter={max_iter} "
            f"iterations: the loss still fell by more than tol={tol}.",
            ConvergenceWarning,
            stacklevel=user_level(),
        )
    weighted = beside(count[:, None], consensus) * consensus
    axes = eigh(to_numpy(consensus.T @ weighted))[1][:, ::-1]
    principal = consensus @ beside(axes, consensus)
    consensus = signed(principal)
    if not aligner.allow_reflection:
        xp = namespace(consensus)
        flips = np.sign(to_numpy(xp.sum(consensus * principal, axis=0)))
        if np.linalg.det(axes) * np.prod(flips) < 0:
            consensus[:, -1] *= -1
    return consensus, losses, before


def _squares(rows):
    """Return the squared length of each row, on the CPU."""
    return to_numpy(namespace(rows).sum(rows**2, axis=1))


def _without_strays(squares, present, trim):
    """Leave out a share of the samples of all spaces, those with the largest residuals.

    Each sample stays in the space in which it is nearest to the consensus.

    Parameters
    ----------
    squares : ndarray of shape (n_samples, n_spaces)
        Squared distances to the consensus, infinite where a sample is missing.
    present : ndarray of shape (n_samples, n_spaces)
        Mask of the samples of each space.
    trim : float
        Share to leave out.
    """
    if trim == 0:
        return present
    n, n_samples = present.sum(), len(present)
    if (n_kept := n - int(trim * n)) < n_samples:
        raise ValueError(
            f"trim={trim} leaves {n_kept} of {n} samples of all spaces, but each of "
            f"the {n_samples} samples must stay in one space; reduce trim."
        )
    squares[np.arange(n_samples), squares.argmin(axis=1)] = -1
    kept = np.zeros(present.shape, dtype=bool)
    kept.flat[np.argsort(squares, axis=None, kind="stable")[:n_kept]] = True
    if (n_rows := kept.sum(axis=0)).min() < 2:
        raise ValueError(
            f"trim={trim} leaves {n_rows.min()} samples of space {n_rows.argmin()}; at "
            "least 2 are needed."
        )
    return kept


def shared_ranks(spaces, present, mean_of_others, rank):
    """Ranks of spaces in their means with others; warn of undetermined directions.

    Parameters
    ----------
    spaces, present
        As for `rigid_consensus`.
    mean_of_others : callable
        Returns, from these and the number of a space, masks of the samples that it
        shares and of the other spaces, and their mean in the consensus.
    rank : int
        Number of dimensions of the consensus.

    Returns
    -------
    ranks : list of int
    """
    widths = np.array([rows.shape[1] for rows in spaces])
    ranks, open_spaces = [], []
    for k, rows in enumerate(spaces):
        shared, others, told = mean_of_others(spaces, present, k)
        with without_warning():
            aligner = RigidAligner()._fit_checked(take_rows(rows, shared), told)
        ranks.append(aligner.determined_rank_)
        if ranks[k] < min(widths[k], max(widths[others]), rank):
            open_spaces.append(f"{ranks[k]} of {widths[k]} in space {k}")
    if open_spaces:
        warnings.warn(
            "The samples shared between spaces determine only some directions: "
            f"{', '.join(open_spaces)}. The other directions are rotated as little "
            "as possible, which is arbitrary; add samples.",
            UserWarning,
            stacklevel=user_level(),
        )
    return ranks


def check_rigid_only(kind, trim, allow_reflection):
    """Check that "linear" is not combined with parameters of the other kinds."""
    if kind == "linear" and (trim or not allow_reflection):
        raise ValueError(
            f"kind='linear' takes neither trim={trim} nor "
            f"allow_reflection={allow_reflection}; use 'orthogonal' or 'similarity', "
            "or trim=0 and allow_reflection=True."
        )


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
    consensus : array of shape (n_samples, n_components)
        Consensus with uncorrelated columns of mean square one, weighted by the number
        of spaces of each sample, in order of decreasing predictability.
    losses : list of one float
        Unexplained share of the sum of squares of the consensus.
    """
    xp, fitted = namespace(*spaces), []
    count = present.sum(axis=1)
    for X, seen in zip(spaces, present.T, strict=True):
        # The smoother of a space, with its intercept, is basis @ basis.T.
        X = take_rows(X, seen)
        rows, _ = centre(X)
        U, s, _ = truncated_svd(rows, rounding_of_columns(X))
        share = s**2 / (s**2 + relative_ridge(shrinkage, rows))
        basis = xp.full_like(rows[:, :1], X.shape[0] ** -0.5), U * share**0.5
        fitted.append(among_zeros(xp.concat(basis, axis=1), seen))
    root = beside(np.sqrt(count)[:, None], U)
    fitted = xp.concat(fitted, axis=1) / root
    rounding = rounding_of_columns(fitted)
    length = float(count.sum()) ** 0.5
    constant = root / length
    fitted -= constant @ (constant.T @ fitted)
    U, s, _ = truncated_svd(fitted, rounding)
    s = to_numpy(s)
    if len(s) == 0:
        raise ValueError(
            "All samples are equal in each space: no consensus can be computed."
        )
    n_components = min(n_components, len(s))
    consensus = signed(U[:, :n_components]) * length / root
    return consensus, [max(0.0, 1 - np.square(s[:n_components]).mean())]


def _ratio(part, whole):
    return float(part / whole) if whole > 0 else 0.0
