"""Central moments of each group of samples, stored as sums that can be merged.

Two groups are combined by the third-order form of Eq. 3.1 of [1]_.

References
----------
.. [1] P. Pébay, "Formulas for robust, one-pass parallel computation of covariances
   and arbitrary-order statistical moments", Sandia Report SAND2008-6212, 2008.
"""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_array

from skalign._arrays import (
    arrive,
    as_dtype,
    dtype_name,
    floats,
    namespace,
    take_columns,
    take_rows,
    to_numpy,
)
from skalign._labels import check_labels
from skalign._rescale import column_means, largest_about_mean
from skalign._validation import is_whole
from skalign.moments._impossible import why_impossible_groups
from skalign.moments._rank import storage_precision
from skalign.moments._reading import read_array
from skalign.moments._scale import check_scale
from skalign.moments._sums import LOST

_BLOCK_SIZE = 2**21  # products held at once


class GroupMoments:
    """Sums over the samples of each group, up to order 1 (means) or 3.

    Attributes
    ----------
    groups : ndarray of shape (n_groups,)
        Names of the groups, sorted.
    counts : ndarray of shape (n_groups,)
        Numbers of samples.
    means : ndarray of shape (n_groups, n_features)
        Means.
    second : ndarray of shape (n_groups, n_features, n_features) or None
        Sums of products of two columns centred at the mean of the group.
    third : ndarray of shape (n_groups, n_features, n_features, n_features) or None
        Sums of products of three columns centred at the mean of the group.
    precision : float
        Relative precision in which the products were formed.
    x_precision : ndarray of shape (n_features,)
        Relative precision in which each column was stored.

    Examples
    --------
    >>> from skalign.moments import GroupMoments
    >>> first = GroupMoments.from_rows([[1.0], [3.0], [8.0]], ["a", "a", "b"], order=1)
    >>> both = first.merge(GroupMoments.from_rows([[5.0]], ["a"], order=1))
    >>> both.groups, both.counts
    (array(['a', 'b'], dtype='<U1'), array([3., 1.]))
    >>> both.means
    array([[3.],
           [8.]])
    """

    def __init__(self) -> None:
        raise TypeError(
            "GroupMoments cannot be constructed directly; use GroupMoments.from_rows "
            "or from_dict."
        )

    @classmethod
    def _of(cls, groups, counts, means, second=None, third=None, **precisions):
        self = cls.__new__(cls)
        self.groups, self.counts, self.means = groups, counts, means
        self.second, self.third = second, third
        self.precision = self.x_precision = float(np.finfo(np.float64).eps)
        vars(self).update(precisions)
        return self

    @classmethod
    def from_rows(
        cls,
        rows: ArrayLike,
        labels: ArrayLike,
        *,
        order: Literal[1, 3],
        name: str = "X",
    ) -> Self:
        """Compute the sums over the samples of each group.

        Parameters
        ----------
        rows : array-like of shape (n_samples, n_features)
            Samples.
        labels : array-like of shape (n_samples,)
            Group of each sample, strings or numbers.
        order : {1, 3}
            Order of the moments: 1 for means only, 3 to add the products of two and of
            three columns.
        name : str, default="X"
            Name of the samples in errors.

        Returns
        -------
        moments : GroupMoments
            Sums by group.

        Raises
        ------
        ValueError
            If `order` is neither 1 nor 3, lengths differ, a value is not finite, or
            sums overflow or underflow.
        """
        if not is_whole(order) or order not in (1, 3):
            raise ValueError(f"order={order!r} must be 1 or 3.")
        rows = arrive(rows, str(name), stays=True)
        rows = check_array(rows, dtype=floats(rows), input_name=str(name))
        labels = check_labels(labels, rows, "labels")
        if labels is None:
            raise ValueError("labels must name the group of each sample; got None.")
        check_group_scale(rows, order, name)
        groups, members = np.unique(labels, return_inverse=True)
        shape, width = (len(groups),), (rows.shape[1],)
        sizes = np.bincount(members)
        self = cls._of(groups, sizes.astype(np.float64), np.empty(shape + width))
        self.precision = float(namespace(rows).finfo(rows.dtype).eps)
        self.x_precision = storage_precision(rows)
        if order == 3:
            self.second = np.empty(shape + 2 * width)
            self.third = np.empty(shape + 3 * width)
        by_group = np.split(np.argsort(members, kind="stable"), sizes.cumsum()[:-1])
        for g, at in enumerate(by_group):
            of_group = take_rows(rows, at)
            mean = column_means(of_group)
            self.means[g] = to_numpy(mean)
            if order == 3:
                centred = of_group - as_dtype(mean, rows.dtype)
                self.second[g] = to_numpy(centred.T @ centred)
                self.third[g] = _third_products(centred)
        return self

    def merge(self, other: Self) -> Self:
        """Combine with the sums over other samples, for the groups of both.

        Parameters
        ----------
        other : GroupMoments
            Sums of the same order.

        Returns
        -------
        moments : GroupMoments
            Sums over all samples, as a new object; neither of the two is changed.

        Raises
        ------
        ValueError
            If widths or orders differ, or the groups are strings in one and numbers in
            the other.
        """
        self._check_alike(other)
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
            return self._of(groups, counts, means, **precisions)
        share, both = share[:, None, None], (a.counts * share)[:, None, None]
        square = step[:, :, None] * step[:, None, :]
        lean = (1 - share) * b.second - share * a.second
        lean += both * (1 - 2 * share) / 3 * square
        return self._of(
            groups,
            counts,
            means,
            a.second + b.second + both * square,
            a.third + b.third + symmetric_product(lean, step),
            **precisions,
        )

    def subtract(self, other: Self) -> Self:
        """Remove the samples of `other` from the sums: the inverse of `merge`.

        The rounding errors are those of the sums over the whole group, as in
        `Moments.subtract`; removing the smaller part of a group loses almost no
        precision. Groups without remaining samples are dropped.

        Parameters
        ----------
        other : GroupMoments
            Sums of the same order over some of the samples.

        Returns
        -------
        moments : GroupMoments
            Sums over the remaining samples. Neither of the two is changed.

        Raises
        ------
        ValueError
            If widths or orders differ, `other` has more samples of a group, or no
            sample is left.
        """
        self._check_alike(other)
        whole = self._spread(np.union1d(self.groups, other.groups))
        other = other._spread(whole.groups)
        counts = whole.counts - other.counts
        if counts.min() < 0 or counts.max() <= 0:
            raise ValueError(
                f"Subtracting {other.n_samples} samples from {self.n_samples} leaves "
                "none, or less than none of some group."
            )
        left = whole.groups[counts > 0]
        whole, other, counts = whole.take(left), other.take(left), counts[counts > 0]
        share = other.counts / whole.counts
        back = (other.counts / counts)[:, None]
        means = whole.means - back * (other.means - whole.means)
        precisions = self._precisions()
        if self.second is None:
            return self._of(whole.groups, counts, means, **precisions)
        step = other.means - means
        share, both = share[:, None, None], (counts * share)[:, None, None]
        square = step[:, :, None] * step[:, None, :]
        second = whole.second - other.second - both * square
        lean = (1 - share) * other.second - share * second
        lean += both * (1 - 2 * share) / 3 * square
        third = whole.third - other.third - symmetric_product(lean, step)
        before, after = (
            np.diagonal(part, axis1=1, axis2=2) for part in (whole.second, second)
        )
        kept = after > LOST * self.precision * before
        ratio = np.max(before[kept] / after[kept], initial=1.0)
        precisions["precision"] = min(1.0, float(self.precision * ratio))
        second = second * (kept[:, :, None] & kept[:, None, :])
        third *= kept[:, :, None, None] & kept[:, None, :, None] & kept[:, None, None]
        return self._of(whole.groups, counts, means, second, third, **precisions)

    def _check_alike(self, other):
        """Raise an error if widths, orders or kinds of groups differ."""
        if not isinstance(other, GroupMoments):
            raise TypeError(f"other must be GroupMoments; got {type(other).__name__}.")
        for what, mine, theirs in (
            ("columns", self.means.shape[1], other.means.shape[1]),
            ("the order", *(1 if s.second is None else 3 for s in (self, other))),
        ):
            if mine != theirs:
                raise ValueError(
                    f"New samples have {theirs} as {what}; those seen before {mine}."
                )
        check_same_kind(
            self.groups, other.groups, "labels of the samples before", "labels"
        )

    def _spread(self, groups):
        """Return the same sums for more `groups`, zero for groups without samples."""
        at = np.searchsorted(groups, self.groups)
        parts = []
        for part in (self.counts, self.means, self.second, self.third):
            if part is not None:
                parts.append(np.zeros((len(groups), *part.shape[1:])))
                parts[-1][at] = part
        return self._of(groups, *parts)

    def take(self, groups: ArrayLike) -> Self:
        """Return the sums of some of the groups, all of which must exist."""
        at = np.searchsorted(self.groups, groups)
        parts = (self.counts, self.means, self.second, self.third)
        parts = (p if p is None else p[at] for p in parts)
        return self._of(groups, *parts, **self._precisions())

    def _precisions(self):
        return {"precision": self.precision, "x_precision": self.x_precision}

    def select(self, order: Literal[1, 3]) -> Self:
        """Keep only sums up to order 1 or 3.

        Raises
        ------
        ValueError
            If there are no sums of that order.
        """
        if order == 3 and self.second is None:
            raise ValueError("The sums hold class means; third moments are needed.")
        first = self.groups, self.counts, self.means
        return self if order == 3 else self._of(*first, **self._precisions())

    def shared_groups(self, other: Self) -> np.ndarray:
        """Return the names of the groups that occur on both sides."""
        return np.intersect1d(self.groups, other.groups)

    @property
    def n_samples(self) -> int:
        """Number of samples of all groups."""
        return int(self.counts.sum())

    @property
    def widths(self) -> tuple[int]:
        """Number of columns, as a tuple of one int."""
        return (self.means.shape[1],)

    def to_dict(self) -> dict[Any, Any]:
        """Convert the sums to plain arrays.

        Returns
        -------
        arrays : dict of str to ndarray
            Arrays by the names of the attributes.

        Raises
        ------
        ValueError
            If groups are neither strings nor numbers that a NumPy dtype can hold.
        """
        arrays = {
            name: np.asarray(value)
            for name, value in vars(self).items()
            if value is not None
        }
        if self.groups.dtype == object:
            if not all(isinstance(group, str) for group in self.groups):
                raise ValueError(
                    "Classes must be strings or numbers that numpy holds; got "
                    f"{self.groups[0]!r}."
                )
            arrays["groups"] = self.groups.astype(str)
        return arrays

    @classmethod
    def from_dict(cls, arrays: dict[Any, Any], *, exact: bool = True) -> Self:
        """Restore sums from the result of `to_dict`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Result of `to_dict`.
        exact : bool, default=True
            Whether to refuse sums that no samples can have, such as negative squares.

        Returns
        -------
        moments : GroupMoments
            Restored sums.

        Raises
        ------
        ValueError
            If an entry is missing, malformed or too large, or no samples can have these
            sums.
        """
        groups = np.asarray(arrays.get("groups"))
        if (
            groups.ndim != 1
            or groups.dtype.kind not in "iufbU"
            or not (len(groups) and np.array_equal(groups, np.unique(groups)))
        ):
            raise ValueError("groups are not distinct strings or numbers, in order.")
        counts = read_array(arrays, "counts", groups.shape)
        if counts.min() < 1 or not np.array_equal(counts, np.floor(counts)):
            raise ValueError("counts are not positive whole numbers.")
        width = np.shape(arrays.get("means"))[-1:]
        shape = groups.shape + width
        self = cls._of(groups, counts, read_array(arrays, "means", shape))
        self.precision = float(read_array(arrays, "precision", ()))
        self.x_precision = read_array(arrays, "x_precision", width)
        if {"second", "third"} & arrays.keys():
            self.second = read_array(arrays, "second", shape + width)
            self.third = read_array(arrays, "third", shape + 2 * width)
            if exact and (problem := why_impossible_groups(self)):
                raise ValueError(f"{problem}: no samples can have these sums.")
        return self


def check_same_kind(first, second, *names):
    """Raise an error for strings and numbers, which NumPy compares as strings."""
    sides = [classes for classes in (first, second) if len(classes)]
    are_strings = [isinstance(classes[0], str) for classes in sides]
    if len(set(are_strings)) == 2:
        kinds = ["strings" if yes else "numbers" for yes in are_strings]
        raise ValueError(
            f"{names[0]} holds {kinds[0]}, but {names[1]} {kinds[1]}: no class is the "
            "same on both sides."
        )


def check_group_scale(rows, order, name):
    """Raise an error if sums over `rows`, called `name`, overflow or underflow.

    Sums of order 3 add up products of three values. Their squared norms, in float64,
    add up products of six.
    """
    largest = largest_about_mean(rows)
    if order == 3:
        dtype, n_terms = dtype_name(rows), rows.shape[0]
        check_scale(largest, dtype, name, degree=3, n_terms=n_terms)
    n_terms = rows.shape[1] ** order
    check_scale(largest, np.float64, name, degree=2 * order, n_terms=n_terms)


def symmetric_product(matrices, vectors):
    """Symmetric sum of the three outer products of matrices and vectors.

    Parameters
    ----------
    matrices : ndarray of shape (n, d, d)
        Symmetric matrices.
    vectors : ndarray of shape (n, d)

    Returns
    -------
    product : ndarray of shape (n, d, d, d)
    """
    product = matrices[:, :, :, None] * vectors[:, None, None, :]
    return product + product.transpose(0, 1, 3, 2) + product.transpose(0, 3, 1, 2)


def _third_products(rows):
    """Sum over `rows` of the products of three columns, in float64."""
    width = rows.shape[1]
    first, second = np.triu_indices(width)
    total = 0.0
    block_rows = max(_BLOCK_SIZE // len(first), 64)
    for batch in gen_batches(rows.shape[0], block_rows):
        block = rows[batch, :]
        products = take_columns(block, first) * take_columns(block, second)
        total = total + as_dtype(block.T @ products, floats(rows)[0])
    full = np.empty((width, width, width))
    full[:, first, second] = full[:, second, first] = to_numpy(total)
    return full
