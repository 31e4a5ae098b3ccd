"""Central moments of each group of rows, kept as sums that can be merged.

Two groups are put together by the third-order form of Eq. 3.1 of [1]_.

References
----------
.. [1] P. Pébay, "Formulas for robust, one-pass parallel computation of covariances
   and arbitrary-order statistical moments", Sandia Report SAND2008-6212, 2008.
"""

from dataclasses import dataclass

import numpy as np

from skalign._rescale import largest_about_mean
from skalign.moments import check_scale, storage_precision

_BLOCK_SIZE = 2**21  # products held at once


@dataclass
class GroupMoments:
    """Sums over the rows of each group, up to an order of 1 (means) or 3.

    Attributes
    ----------
    groups : ndarray of shape (n_groups,)
        Names of the groups, sorted.
    counts : ndarray of shape (n_groups,)
        Numbers of rows.
    means : ndarray of shape (n_groups, n_features)
        Means.
    second : ndarray of shape (n_groups, n_features, n_features) or None
        Sums of products of two columns about the mean of the group.
    third : ndarray of shape (n_groups, n_features, n_features, n_features) or None
        Sums of products of three columns about the mean of the group.
    precision : float
        Relative precision in which the products were formed.
    x_precision : ndarray of shape (n_features,)
        Relative precision in which each column was stored.
    """

    groups: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    second: np.ndarray | None = None
    third: np.ndarray | None = None
    precision: float = float(np.finfo(np.float64).eps)
    x_precision: np.ndarray | float = float(np.finfo(np.float64).eps)

    @classmethod
    def from_rows(cls, rows, labels, *, order, name="X"):
        check_group_scale(rows, order, name)
        groups, members = np.unique(labels, return_inverse=True)
        shape, width = (len(groups),), (rows.shape[1],)
        sizes = np.bincount(members)
        self = cls(groups, sizes.astype(np.float64), np.empty(shape + width))
        self.precision = float(np.finfo(rows.dtype).eps)
        self.x_precision = storage_precision(rows)
        if order == 3:
            self.second = np.empty(shape + 2 * width)
            self.third = np.empty(shape + 3 * width)
        by_group = np.split(np.argsort(members, kind="stable"), sizes.cumsum()[:-1])
        for g, at in enumerate(by_group):
            of_group = rows[at]
            self.means[g] = of_group.mean(axis=0, dtype=np.float64)
            if order == 3:
                centred = of_group - self.means[g].astype(rows.dtype)
                self.second[g] = centred.T @ centred
                self.third[g] = _third_products(centred)
        return self

    def merge(self, other):
        """Sums over the rows of both, with the groups of both."""
        groups = np.union1d(self.groups, other.groups)
        a, b = self._spread(groups), other._spread(groups)
        counts = a.counts + b.counts
        share = b.counts / counts
        step = b.means - a.means
        means = a.means + share[:, None] * step
        precisions = {
            name: np.maximum(getattr(self, name), getattr(other, name))
            for name in ("precision", "x_precision")
        }
        if self.second is None:
            return GroupMoments(groups, counts, means, **precisions)
        share, both = share[:, None, None], (a.counts * share)[:, None, None]
        square = step[:, :, None] * step[:, None, :]
        lean = (1 - share) * b.second - share * a.second
        lean += both * (1 - 2 * share) / 3 * square
        return GroupMoments(
            groups,
            counts,
            means,
            a.second + b.second + both * square,
            a.third + b.third + symmetric_product(lean, step),
            **precisions,
        )

    def _spread(self, groups):
        """The same sums for more `groups`, zero where there are no rows."""
        at = np.searchsorted(groups, self.groups)
        parts = []
        for part in (self.counts, self.means, self.second, self.third):
            if part is not None:
                parts.append(np.zeros((len(groups), *part.shape[1:])))
                parts[-1][at] = part
        return GroupMoments(groups, *parts)

    def take(self, groups):
        """The sums of some of the groups."""
        at = np.searchsorted(self.groups, groups)
        parts = (self.counts, self.means, self.second, self.third)
        parts = (p if p is None else p[at] for p in parts)
        return GroupMoments(groups, *parts, self.precision, self.x_precision)


def check_group_scale(rows, order, name):
    """Refuse rows, called `name` in the error, whose sums would leave their dtype.

    Sums of the order 3 are of products of three, and their squared norms, in float64,
    of six.
    """
    largest = largest_about_mean(rows)
    if order == 3:
        check_scale(largest, rows.dtype, name, degree=3, n_terms=len(rows))
    n_terms = rows.shape[1] ** order
    check_scale(largest, np.float64, name, degree=2 * order, n_terms=n_terms)


def symmetric_product(matrices, vectors):
    """Sum of the three ways to place a vector (n, d) beside a matrix (n, d, d)."""
    product = matrices[:, :, :, None] * vectors[:, None, None, :]
    return product + product.transpose(0, 1, 3, 2) + product.transpose(0, 3, 1, 2)


def _third_products(rows):
    """Sum over `rows` of the products of three columns, in float64."""
    width = rows.shape[1]
    first, second = np.triu_indices(width)
    total = np.zeros((width, len(first)))
    block_rows = max(_BLOCK_SIZE // len(first), 64)
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        total += block.T @ (block[:, first] * block[:, second])
    full = np.empty((width, width, width))
    full[:, first, second] = full[:, second, first] = total
    return full
