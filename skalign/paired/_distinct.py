"""Detection of repeated samples, which would bias the choice of a penalty."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from skalign._arrays import (
    floats,
    is_of_another_library,
    namespace,
    take_rows,
    to_numpy,
)

# Below this share of free rows the residual sum, taken from sums, is all rounding.
MIN_FREE_SHARE = 1e-4

# Copies with noise of a tenth of a standard deviation in each column are .01 apart
# from their original, in units of the total variance; unrelated samples are 2 apart.
_NEAR = 0.06**0.5
_GAP = 2.0
_PROJECTED = 32
_OFTEN = 8
# Near copies cost a distance of each two samples, which is little up to here.
_SEARCHED_PER_COLUMN, _SEARCHED = 4, 256
_BLOCK_ROWS = 512


@dataclass
class Distinct:
    """Distinct samples, with their weights; each stands for all that are equal to it.

    ``X`` (n_distinct, n_features), ``y`` (n_distinct, n_targets), the means over
    copies, and ``weight`` (n_distinct,). ``groups`` (n_distinct,) labels those that
    nearly repeat one another. ``left_out`` (n_distinct,) is the weight to remove where
    a sample is left out, and ``capped`` says that a heavy one must not decide alone.
    ``n_units`` is how many independent samples these count as.
    ``n_pairs`` is the same for residuals. ``even`` says that all have equal weights
    and none nearly repeats another.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    groups: np.ndarray
    left_out: np.ndarray
    capped: bool
    n_units: float
    n_pairs: float
    even: bool

    @classmethod
    def from_rows(cls, X, y, sample_weight, n_coefs=None):
        """Find the distinct samples among validated rows.

        Copies of a pair count as one. Where distinct sources are fewer than twice the
        columns, a map can learn each of them by heart: there samples of equal sources
        count as one whatever their targets are, and near copies leave together. The
        exception are repeated measurements of few sources, eight of each on average
        and with several targets: each row is a sample of its own there. `n_coefs` is
        the number of coefficients for each target, if it is not that of the columns.
        """
        n_features = X.shape[1] if n_coefs is None else n_coefs
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        if not (weight > 0).all():
            kept = np.flatnonzero(weight > 0)
            X, y, weight = take_rows(X, kept), take_rows(y, kept), weight[kept]
        sources = pairs = np.arange(len(weight)) if _all_differ(X) else equal_rows(X)
        n_sources = n_pairs = sources.max() + 1
        total, several = float(weight.sum()), 0.0
        searched = max(_SEARCHED, _SEARCHED_PER_COLUMN * n_features)
        if n_sources < max(len(sources), searched):
            X, y = to_numpy(X), to_numpy(y)  # few, or repeated
        if n_sources < len(sources):
            pairs = equal_rows(np.column_stack([sources, y]))
            n_pairs = pairs.max() + 1
            first = np.unique(pairs, return_index=True)[1]
            many = np.bincount(sources[first]) > 1
            several = weight @ many[sources] / total
        measured = several > 0.5 and total >= max(2 * n_features, _OFTEN * n_sources)
        even = True
        if n_sources < searched and not measured:
            one = _merge(X, y, weight, sources)
            groups = near_rows(one[0])
            if 1 < groups.max() + 1 < 2 * n_features:
                (X, y, weight), pairs = one, np.arange(n_sources)
                even = groups.max() + 1 == len(X) == n_pairs
                even = even and np.ptp(weight) <= 1e-9 * weight.max()
        X, y, weight = _merge(X, y, weight, pairs)
        return cls(
            X,
            y,
            weight,
            groups=np.arange(len(weight)) if even else groups,
            left_out=np.ones(len(weight)) if measured else weight,
            capped=not measured,
            n_units=total if measured else float(len(weight)),
            n_pairs=total if measured else float(n_pairs),
            even=even,
        )

    @classmethod
    def once(cls, shared, X, y, sample_weight, n_coefs=None):
        """Find the distinct samples once for all fits to the same pairs."""
        return shared.once(
            lambda: cls.from_rows(X, y, sample_weight, n_coefs),
            *("distinct", X.dtype, X.shape[1] if n_coefs is None else n_coefs),
        )

    @cached_property
    def _copies(self):
        """Rows of all groups of near copies of a size, (n_groups, size), by size."""
        sizes = np.bincount(self.groups)[self.groups]
        order = np.argsort(self.groups, kind="stable")
        sizes = sizes[order]
        return [
            order[sizes == size].reshape(-1, size)
            for size in np.unique(sizes[sizes > 1])
        ]

    def left_out_residuals(self, residual, P, leverage, curvature, intercept):
        """Residuals of a ridge fit from which each sample was left out; exact.

        Near copies leave together.

        Parameters
        ----------
        residual : ndarray of shape (n_distinct, n_targets)
            Residuals of the fit to all samples.
        P : ndarray of shape (n_distinct, n_axes)
            Samples in axes in which the system that is solved is diagonal.
        leverage : ndarray of shape (n_distinct,)
            ``intercept + P**2 @ (1 / curvature)``.
        curvature : ndarray of shape (n_axes,)
            Diagonal of the system.
        intercept : float
            One over the sum of weights, or 0 without an intercept.

        Returns
        -------
        left_out : ndarray of shape (n_distinct, n_targets)
            NaN for samples so influential that rounding hides their residual.
        """
        free, together = self._left_out(residual, P, leverage, curvature, intercept)
        left_out = residual / free[:, None]
        for rows, values in together:
            left_out[rows] = values
        return left_out

    def left_out_squares(self, residual, P, leverage, curvature, intercept):
        """Sums of squares of the rows of `left_out_residuals`, without forming them."""
        free, together = self._left_out(residual, P, leverage, curvature, intercept)
        squares = np.einsum("ij,ij->i", residual, residual) / free**2
        for rows, values in together:
            squares[rows] = np.square(values).sum(axis=-1)
        return squares

    def _left_out(self, residual, P, leverage, curvature, intercept):
        """Return what to divide residuals by, and those of samples that have copies."""
        least = min(MIN_FREE_SHARE, 100 * np.sqrt(np.finfo(P.dtype).eps))
        free = 1 - self.left_out * leverage
        free[free <= least] = np.nan
        together = []
        for rows in self._copies:
            roots = np.sqrt(self.weight[rows])[..., None]
            part = roots * P[rows]
            hat = (part / curvature) @ part.transpose(0, 2, 1)
            hat += intercept * roots * roots.transpose(0, 2, 1)
            shares, axes = np.linalg.eigh(np.eye(rows.shape[1]) - hat)
            seen = shares[:, 0] > least
            rooted, axes = (roots * residual[rows])[seen], axes[seen]
            turned = (axes.transpose(0, 2, 1) @ rooted) / shares[seen][..., None]
            values = np.full((*rows.shape, residual.shape[1]), np.nan)
            values[seen] = axes @ turned / roots[seen]
            together.append((rows, values))
        return free, together


def equal_rows(rows):
    """Label the rows so that equal ones share a label.

    Parameters
    ----------
    rows : array of shape (n_samples, n_columns)
        Of rows of another library about eight columns are copied to the CPU, and those
        rows that agree in them.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        Integers from 0.
    """
    # Few rows agree in eight columns; only those are compared in all.
    labels = _labels(_some_columns(rows))
    agree = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if len(agree):
        labels[agree] = len(labels) + _labels(take_rows(rows, agree))
        labels = np.unique(labels, return_inverse=True)[1]
    return labels


def _some_columns(rows):
    return rows[:, :: max(1, rows.shape[1] // 8)]


def _all_differ(rows):
    """Return whether rows of another library are seen to differ, where they are."""
    if not is_of_another_library(rows):
        return False
    xp, columns = namespace(rows), _some_columns(rows)
    # A number for each row; equal rows have equal ones, as each step is rounded alike.
    key = xp.zeros(rows.shape[0], dtype=floats(rows)[0], device=rows.device)
    for column in range(columns.shape[1]):
        key = key * 0.6180339887498949 + columns[:, column]
    return xp.unique_values(key).shape[0] == rows.shape[0]


def _labels(rows):
    rows = to_numpy(rows)
    rows = np.ascontiguousarray(rows) + 0.0  # -0.0 equals 0.0, but not in bytes
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))
    return np.unique(whole.ravel(), return_inverse=True)[1]


def near_rows(X):
    """Label the rows so that those of a tight, separate cluster share a label.

    A cluster of single linkage counts if neighbours in it are nearer than a quarter of
    a standard deviation, other rows are at least twice as far from it as neighbours
    are from one another, and its rows are about as near to their mean.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        Integers from 0.
    """
    n_samples = len(X)
    if n_samples == 1:
        return np.zeros(1, dtype=int)
    X = X - X.mean(axis=0, dtype=np.float64)
    if X.shape[1] > _PROJECTED:
        # Random projections keep distances to a quarter or so.
        directions = np.random.RandomState(0).standard_normal((X.shape[1], _PROJECTED))
        X = X @ directions
    scale = np.abs(X).max()
    X /= scale if scale > 0 else 1.0
    total = np.sqrt(np.square(X).sum() / n_samples)
    X /= total if total > 0 else 1.0
    if not _has_neighbors(X):
        return np.arange(n_samples)
    tree = linkage(X, "single")
    height, children = tree[:, 2], tree[:, :2].astype(int)
    n_nodes = len(tree)
    parent = np.full(n_nodes, n_nodes - 1)
    for side in children.T:
        inner = side >= n_samples
        parent[side[inner] - n_samples] = np.flatnonzero(inner)
    tight = (height <= _NEAR) & (_GAP * height <= height[parent])
    # A chain of neighbours may be long: its rows must be near their mean as well.
    sums = {}
    for node in np.flatnonzero(height <= _NEAR):
        count, mean, squares = 0, 0.0, 0.0
        for child in children[node]:
            if child < n_samples:
                one = 1, X[child], 0.0
            else:
                one = sums[child - n_samples]
            both = count + one[0]
            step = one[1] - mean
            squares += one[2] + count * one[0] / both * np.square(step).sum()
            count, mean = both, mean + one[0] / both * step
        sums[node] = count, mean, squares
        tight[node] &= squares <= count * _NEAR**2 / 2
    for node in range(n_nodes - 2, -1, -1):
        tight[node] |= tight[parent[node]]
    found = fcluster(tree, 0.5, "monocrit", monocrit=1.0 - tight)
    return np.unique(found, return_inverse=True)[1]


def _has_neighbors(X):
    """Return whether two rows are as near as copies; their mean square must be 1."""
    for rows in gen_batches(len(X), _BLOCK_ROWS):
        squares = euclidean_distances(X[rows], X[rows.start :], squared=True)
        np.fill_diagonal(squares, np.inf)
        if squares.min() <= _NEAR**2 * (1 + 1e-6):  # more than rounding of squares
            return True
    return False


def _merge(X, y, weight, labels):
    """Return weighted means of the rows of each label, and the sums of weights."""
    if labels.max() + 1 == len(X):
        return X, y, weight
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    total = np.add.reduceat(weight[order], starts)
    share = (weight / total[labels])[order, None]
    first = order[starts]
    means = np.add.reduceat(share * (y[order] - y[first][labels[order]]), starts)
    return X[first], y[first] + means.astype(y.dtype), total
