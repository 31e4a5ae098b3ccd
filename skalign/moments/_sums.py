"""Weighted sums over samples, from which every closed-form map is computed.

Sums can be accumulated over batches in any order. They are stored in float64, centred
at the mean. The mean is stored as a shift (the rounded mean of some samples) plus a
small offset, so that a mean much larger than the spread loses no precision. Products
are computed in the precision of the samples.

Two sums are combined by Eq. 2.1 of [1]_, and subtracted by its inverse.

References
----------
.. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise
   algorithm for computing sample variances", COMPSTAT 1982, pp. 30-41.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array

from skalign._arrays import (
    FLOATS,
    arrive,
    as_dtype,
    beside,
    dtype_name,
    floats,
    into,
    join,
    namespace,
    take_columns,
    take_rows,
    to_numpy,
)
from skalign._validation import check_weight
from skalign.moments._impossible import why_impossible
from skalign.moments._rank import (
    precision_of,
    rounding_from_norms,
    svd_of_products,
    truncated_eigh,
    varying_columns,
)
from skalign.moments._reading import read_array, read_count
from skalign.moments._scale import check_scale, check_sums

_BLOCK_ROWS = 8192
# In products with the other side, errors of shorter formats average out.
_SHORTEST = float(np.finfo(np.float32).eps)
_PRODUCTS = ("xx", "xy", "x2", "y2")
_SECOND = {"xx": "x", "xy": "y", "x2": "x", "y2": "y"}
_VECTORS = ("shift", "offset", "precision")
# After a subtraction, squares below this many rounding units of the whole are zero.
LOST = 64.0


class Moments:
    """Weighted sums over samples of `X`, or over pairs of samples of `X` and `y`.

    They are computed by `from_arrays`, `merge`, `subtract` and `from_dict`, and are
    immutable.

    Attributes
    ----------
    n_samples : int
        Number of samples of positive weight.
    weight : float
        Sum of the weights; `n_samples` without weights.
    x_mean, y_mean : ndarray of shape (n_features,) and (n_targets,), or None
        Weighted means.
    xx : ndarray of shape (n_features, n_features), or None
        Weighted sum of products of centred columns of `X`.
    xy : ndarray of shape (n_features, n_targets), or None
        Weighted sum of products of centred columns of `X` with those of `y`.
    x2, y2 : ndarray of shape (n_features,) and (n_targets,), or None
        Weighted sums of squares of the centred columns.
    precision : float
        Relative precision in which the products were formed.
    x_precision, y_precision : ndarray of shape (n_features,) and (n_targets,), or None
        Relative precision in which each column was stored.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.moments import Moments
    >>> X = np.array([[1.0], [2.0], [6.0]])
    >>> first, rest = Moments.from_arrays(X[:1]), Moments.from_arrays(X[1:])
    >>> both = first.merge(rest)
    >>> both.x_mean, both.xx
    (array([3.]), array([[14.]]))
    """

    def __init__(self) -> None:
        raise TypeError(
            "Moments cannot be constructed directly; use Moments.from_arrays or "
            "from_dict."
        )

    @classmethod
    def from_arrays(
        cls,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        products: Sequence[Any] = ("xx",),
        x_name: str = "X",
    ) -> Any:
        """Compute the sums over the samples of arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; may be memory-mapped. Products of float32 arrays are computed in
            float32, all others in float64.
        y : array-like of shape (n_samples, n_targets), default=None
            Samples paired with those of `X`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of k is equivalent to k equal samples.
        products : sequence of {"xx", "xy", "x2", "y2"}, default=("xx",)
            Sums of products to compute.
        x_name : str, default="X"
            Name of the samples `X` in errors.

        Returns
        -------
        moments : Moments
            Sums over the samples.

        Raises
        ------
        ValueError
            If lengths differ, no sample has a positive weight, a weight is negative or
            the sum of the weights is not finite, a value is not finite, a product is
            unknown, overflows or underflows, or needs `y` and `y` is None.
        """
        if not isinstance(products, Iterable) or not all(
            isinstance(name, str) and name in _PRODUCTS for name in products
        ):
            raise ValueError(f"products={products!r} must be among {_PRODUCTS}.")
        products = frozenset(products)
        if y is None and products & {"xy", "y2"}:
            raise ValueError("The products 'xy' and 'y2' need y.")
        # NaN and infinity are found in the sums.
        X = _read(X, x_name)
        y = None if y is None else _read(join(arrive(y, "y", stays=True), X), "y")
        n_samples = X.shape[0]
        if y is not None and y.shape[0] != n_samples:
            raise ValueError(f"X has {n_samples} samples, but y has {y.shape[0]}.")
        sample_weight = check_weight(sample_weight, X)
        if sample_weight is not None and not np.all(sample_weight > 0):
            lost = np.flatnonzero(sample_weight == 0)
            for name, side in ((x_name, X), ("y", y)):
                if side is not None:
                    assert_all_finite(take_rows(side, lost), input_name=name)
            kept = np.flatnonzero(sample_weight)
            n_samples = len(kept)
            X, sample_weight = take_rows(X, kept), sample_weight[kept]
            y = None if y is None else take_rows(y, kept)
        self = cls.__new__(cls)
        self.n_samples = n_samples
        with np.errstate(over="ignore"):
            weight = n_samples if sample_weight is None else sample_weight.sum()
        self.weight = float(weight)
        if not np.isfinite(self.weight):
            raise ValueError("The sum of sample_weight overflows: scale the weights.")
        with np.errstate(invalid="ignore", over="ignore"):
            self._add_up(X, y, sample_weight, products, {"x": x_name, "y": "y"})
        return self

    def _add_up(self, X, y, sample_weight, products, names):
        sides = {"x": _Side(X)} if y is None else {"x": _Side(X), "y": _Side(y)}
        self.precision = float(namespace(X).finfo(X.dtype).eps)
        self.x_precision = precision_of(X)
        self.y_precision = None if y is None else precision_of(y)
        totals = {}
        for start in range(0, self.n_samples, _BLOCK_ROWS):
            rows = slice(start, min(start + _BLOCK_ROWS, self.n_samples))
            root = None
            if sample_weight is not None:
                root = as_dtype(beside(np.sqrt(sample_weight[rows]), X), X.dtype)
            blocks = {name: side.block(rows, root) for name, side in sides.items()}
            for name in products:
                first, second = blocks[name[0]], blocks[_SECOND[name]]
                if name in ("xx", "xy"):
                    _accumulate(totals, name, namespace(X).matmul, first.T, second)
                else:
                    _accumulate(totals, name, sums_of_squares, first)
        totals = {name: _host(total) for name, (total, _) in totals.items()}
        offsets = {n: _host(side.total) / self.weight for n, side in sides.items()}
        for name, side in sides.items():
            if not np.isfinite(offsets[name]).all():
                assert_all_finite(side.rows, input_name=names[name])
            largest = side.largest(_squares(totals, name), sample_weight)
            check_scale(largest, dtype_name(side.rows), names[name])
        self._x_shift, self._x_offset = sides["x"].shift, offsets["x"]
        self._y_shift = sides["y"].shift if y is not None else None
        self._y_offset = offsets.get("y")
        self.xx = self.xy = self.x2 = self.y2 = None
        for name, total in totals.items():
            a, b = offsets[name[0]], offsets[_SECOND[name]]
            total -= self.weight * (np.outer(a, b) if total.ndim == 2 else a * b)
            check_sums(total, dtype_name(X))
            setattr(self, name, total)

    @property
    def x_mean(self) -> np.ndarray:
        return self._x_shift + self._x_offset

    @property
    def y_mean(self) -> np.ndarray | None:
        return None if self._y_shift is None else self._y_shift + self._y_offset

    def rounding(self, side: str = "x") -> np.ndarray:
        """Bound the norm of the rounding errors of each column.

        Needs the product "xx" or "x2" for `X`, "y2" for `y`.

        Parameters
        ----------
        side : {"x", "y"}, default="x"
            Columns of `X` or of `y`.

        Returns
        -------
        rounding : ndarray of shape (n_columns,)
        """
        _, norm = self._norms(side)
        precision = getattr(self, f"{side}_precision")
        return rounding_from_norms(precision, norm, self.n_samples)

    def varies(self, side: str = "x") -> np.ndarray:
        """Return whether each column varies by more than its rounding errors.

        Needs the product "xx" or "x2" for `X`, "y2" for `y`.

        Parameters
        ----------
        side : {"x", "y"}, default="x"
            Columns of `X` or of `y`.

        Returns
        -------
        varies : ndarray of bool of shape (n_columns,)
        """
        centred_norm, norm = self._norms(side)
        precision = getattr(self, f"{side}_precision")
        return varying_columns(centred_norm, precision, norm, self.n_samples)

    @cached_property
    def principal_axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvalues and axes of `xx` by the rank rule, and ``axes.T @ xy``.

        Needs "xx" and "xy". Computed on first use and stored, so that maps of several
        strengths learned from the same sums share one decomposition.
        """
        eigenvalues, axes = truncated_eigh(self.xx, self.rounding(), self.precision)
        return eigenvalues, axes, axes.T @ self.xy

    def left_over(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute `xy` and `y2` of what a linear map leaves of `y`.

        Needs "xx", "xy" and "y2".

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_targets)
            Map from centred `X` to centred `y`.

        Returns
        -------
        xy : ndarray of shape (n_features, n_targets)
        y2 : ndarray of shape (n_targets,)
            Not negative.
        """
        xy = self.xy - self.xx @ coef
        twice = np.einsum("ij,ij->j", coef, self.xy + xy)
        return xy, np.maximum(self.y2 - twice, 0)

    def squared_errors(
        self, coef: np.ndarray, x_mean: np.ndarray, y_mean: np.ndarray
    ) -> np.ndarray:
        """Sum the squared errors of an affine map over the samples.

        Needs "xx", "xy" and "y2". The error of each sum is about `precision` times
        `y2`, so that far smaller sums are rounding errors.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_targets)
            Matrix of the map ``(X - x_mean) @ coef + y_mean``.
        x_mean : ndarray of shape (n_features,)
        y_mean : ndarray of shape (n_targets,)

        Returns
        -------
        errors : ndarray of shape (n_targets,)
            Weighted sums of squares; not negative.
        """
        _, errors = self.left_over(coef)
        shift = (self.y_mean - y_mean) - (self.x_mean - x_mean) @ coef
        return errors + self.weight * shift**2

    def svd_of_xy(
        self, factors: tuple[np.ndarray, np.ndarray] | None = None
    ) -> tuple[np.ndarray, Any, np.ndarray]:
        """Singular value decomposition of `xy` without values of rounding size.

        Needs "xy", "y2" and one of "x2" and "xx".

        Parameters
        ----------
        factors : tuple of ndarray, default=None
            Samples of both sides, centred and times the roots of their weights; they
            save time if they are fewer than the columns.

        Returns
        -------
        U : ndarray of shape (n_features, rank)
        s : ndarray of shape (rank,), falling
        Vt : ndarray of shape (rank, n_targets)

        Raises
        ------
        ValueError
            If the sums lack one of these.
        """
        if self.xy is None:
            raise ValueError("The sums lack 'xy', which is needed.")
        norms, roundings = [], []
        for side, precision in (("x", self.x_precision), ("y", self.y_precision)):
            centred_norm, norm = self._norms(side)
            norms.append(centred_norm)
            precision = np.maximum(np.minimum(precision, _SHORTEST), self.precision)
            roundings.append(rounding_from_norms(precision, norm, self.n_samples))
        return svd_of_products(self.xy, norms, roundings, factors)

    def _norms(self, side="x"):
        """Norms of the columns of a side after and before centring."""
        if not (isinstance(side, str) and side in ("x", "y")):
            raise ValueError(f"side={side!r:.60} must be 'x' or 'y'.")
        if (squares := self._squares(side)) is None:
            lacking = "both 'xx' and 'x2', and one" if side == "x" else "'y2', which"
            raise ValueError(f"The sums lack {lacking} is needed.")
        centred_norm = np.sqrt(np.maximum(squares, 0))
        mean = np.sqrt(self.weight) * getattr(self, f"{side}_mean")
        return centred_norm, np.hypot(centred_norm, mean)

    def merge(self, other: Any) -> Any:
        """Combine with the sums over other samples.

        Parameters
        ----------
        other : Moments
            Sums of the same products over other samples.

        Returns
        -------
        moments : Moments
            Sums over all samples, as a new object; neither of the two is changed.

        Raises
        ------
        TypeError
            If `other` is not a `Moments`.
        ValueError
            If the widths or the products differ.
        """
        self._check_alike(other)
        weight = self.weight + other.weight
        both = self._copy()
        both._update(np.add, other, weight, self.weight * other.weight / weight)
        both.precision = max(self.precision, other.precision)
        both.x_precision = np.maximum(self.x_precision, other.x_precision)
        if self.y_precision is not None:
            both.y_precision = np.maximum(self.y_precision, other.y_precision)
        return both

    def _check_alike(self, other):
        """Raise an error if products or widths differ."""
        if not isinstance(other, Moments):
            raise TypeError(f"other must be Moments; got {type(other).__name__}.")
        for name in ("_x_shift", "_y_shift", *_PRODUCTS):
            mine, theirs = getattr(self, name), getattr(other, name)
            if np.shape(mine) != np.shape(theirs):  # () if it is None
                raise ValueError(
                    "Only sums of the same products and widths can be merged; "
                    f"{name.strip('_')} has the shapes {np.shape(mine)} and "
                    f"{np.shape(theirs)}."
                )

    def _copy(self):
        """Return a copy that owns its products."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.pop("principal_axes", None)
        for name in _PRODUCTS:
            if getattr(self, name) is not None:
                setattr(copy, name, getattr(self, name).copy())
        return copy

    def subtract(self, other: Any) -> Any:
        """Remove the samples of `other` from the sums: the inverse of `merge`.

        The rounding error of an entry of the result is about
        ``precision * sqrt(xx[i, i] * xx[j, j])``, with the sums of squares of the
        whole. Removing a fold therefore loses almost no precision, and removing samples
        that have nearly all of the variation loses most of it: `precision`, which the
        rank rule uses, grows by the largest ratio of the sums of squares before and
        after, and squares of the size of rounding errors become zero.

        Parameters
        ----------
        other : Moments
            Sums of the same products over some of the samples.

        Returns
        -------
        moments : Moments
            Sums over the remaining samples. Neither of the two is changed.

        Raises
        ------
        TypeError
            If `other` is not a `Moments`.
        ValueError
            If the widths or the products differ, or no sample remains.
        """
        self._check_alike(other)
        weight = self.weight - other.weight
        if other.n_samples >= self.n_samples or not weight > 0:
            raise ValueError(
                f"Subtracting {other.n_samples} samples of weight {other.weight:.3g} "
                f"from {self.n_samples} of weight {self.weight:.3g} leaves none."
            )
        rest = self._copy()
        rest._update(np.subtract, other, weight, other.weight / weight * self.weight)
        return rest._drop_rounding(self)

    def _update(self, update, other, weight, factor):
        """Add or subtract samples in place; `self` must own its products.

        `update` is `np.add` or `np.subtract`, and `weight` the resulting weight.
        """
        share, steps = other.weight / weight, {}
        for side in "xy" if self._y_shift is not None else "x":
            shift, offset = f"_{side}_shift", f"_{side}_offset"
            before, after = vars(self), vars(other)
            # The difference of shifts that are close to one another is exact.
            step = (after[shift] - before[shift]) + (after[offset] - before[offset])
            setattr(self, offset, update(before[offset], share * step))
            steps[side] = step
        for name in _PRODUCTS:
            if (total := getattr(self, name)) is not None:
                first, second = factor * steps[name[0]], steps[_SECOND[name]]
                product = first * second if total.ndim == 1 else np.outer(first, second)
                update(total, getattr(other, name), out=total)
                update(total, product, out=total)
        self.n_samples = update(self.n_samples, other.n_samples).item()
        self.weight = weight

    def _drop_rounding(self, whole):
        """Set columns to zero that vary no more than rounding after a subtraction."""
        ratio = 1.0
        for side in "xy":
            before, after = whole._squares(side), self._squares(side)
            if before is None:
                continue
            lost = after <= LOST * self.precision * before
            for name in (name for name in _PRODUCTS if getattr(self, name) is not None):
                total = getattr(self, name)
                if name[0] == side:
                    total[lost] = 0
                if total.ndim == 2 and _SECOND[name] == side:
                    total[:, lost] = 0
            if (kept := ~lost & (before > 0)).any():
                ratio = max(ratio, float(np.max(before[kept] / after[kept])))
        self.precision = min(1.0, self.precision * ratio)
        return self

    def _squares(self, side):
        """Sums of squares of the columns of a side; None if they were not formed."""
        if (squares := getattr(self, f"{side}2")) is None and side == "x":
            return None if self.xx is None else np.diag(self.xx)
        return squares

    def select(self, products: Sequence[Any]) -> Any:
        """Keep only some of the products.

        Parameters
        ----------
        products : sequence of {"xx", "xy", "x2", "y2"}
            Products to keep; "x2" may come from "xx".

        Returns
        -------
        moments : Moments
            Sums with these products only; the same object if it has no others.

        Raises
        ------
        ValueError
            If one of the products is missing.
        """
        if {name for name in _PRODUCTS if getattr(self, name) is not None} == {
            *products
        }:
            return self
        kept = object.__new__(type(self))
        kept.__dict__.update(self.__dict__)
        kept.x2 = self._squares("x")
        for name in _PRODUCTS:
            if name not in products:
                setattr(kept, name, None)
            elif getattr(kept, name) is None:
                raise ValueError(f"The sums lack {name!r}, which is needed.")
        return kept

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of columns of `X` and, if present, of `y`; a tuple of int."""
        shifts = self._x_shift, self._y_shift
        return tuple(len(shift) for shift in shifts if shift is not None)

    def to_dict(self) -> dict[Any, Any]:
        """Convert the sums to plain arrays.

        Returns
        -------
        arrays : dict of str to ndarray
            Counts, means (as "shift" plus "offset"), precisions and available products.
        """
        names = ["n_samples", "weight", "precision", *_PRODUCTS]
        names += [f"{side}_{vector}" for side in "xy" for vector in _VECTORS]
        values = {
            name: getattr(
                self, f"_{name}" if name.endswith(("shift", "offset")) else name
            )
            for name in names
        }
        return {
            n: np.asarray(value) for n, value in values.items() if value is not None
        }

    @classmethod
    def from_dict(cls, arrays: dict[Any, Any], *, exact: bool = True) -> Any:
        """Restore sums from the result of `to_dict`.

        Parameters
        ----------
        arrays : dict of str to ndarray
            Result of `to_dict`.
        exact : bool, default=True
            Whether to refuse sums that no samples can have, such as negative squares,
            which noise can produce.

        Returns
        -------
        moments : Moments
            Restored sums.

        Raises
        ------
        ValueError
            If an entry is missing, malformed or too large, or no samples can have these
            sums.
        """
        if not isinstance(arrays, Mapping):
            raise TypeError(f"arrays must be a dict; got {type(arrays).__name__}.")
        self = cls.__new__(cls)
        self.n_samples = read_count(arrays, "n_samples")
        self.weight = float(read_array(arrays, "weight", ()))
        if not self.weight > 0:
            raise ValueError(f"weight is {self.weight}; expected a positive number.")
        self.precision = float(read_array(arrays, "precision", ()))
        self._y_shift = self._y_offset = self.y_precision = None
        widths = {}
        for side in "xy" if "y_shift" in arrays else "x":
            widths[side] = np.size(arrays.get(f"{side}_shift"))
            self.__dict__.update({
                name if name.endswith("precision") else f"_{name}": read_array(
                    arrays, name, (widths[side],)
                )
                for name in (f"{side}_{vector}" for vector in _VECTORS)
            })  # fmt: skip
        for name in _PRODUCTS:
            product = None
            if name in arrays:
                if not {name[0], _SECOND[name]} <= widths.keys():
                    raise ValueError(f"{name} comes without the mean of y.")
                sides = name[0] + (_SECOND[name] if name[1].isalpha() else "")
                shape = tuple(widths[side] for side in sides)
                product = read_array(arrays, name, shape)
            setattr(self, name, product)
        if exact and (problem := why_impossible(self)):
            raise ValueError(f"{problem}: no samples can have these sums.")
        return self


class _Side:
    """Samples of one space, read block by block and shifted.

    The shift of a column is zero if its mean is no larger than its spread, because it
    would not improve the precision. If all shifts are zero, blocks are not copied.
    """

    def __init__(self, rows):
        xp = namespace(rows)
        sample = rows[:: max(1, rows.shape[0] // 512), :]
        mean = xp.mean(sample, axis=0)
        small = mean**2 <= xp.var(sample, axis=0)
        mean = xp.where(small, xp.zeros_like(mean), mean)
        self.rows, self.shift = rows, _host(mean)
        self._rounded = None if xp.all(small) else mean
        self._buffer, self.total = None, 0.0

    def block(self, rows, root):
        """Return shifted samples, multiplied by the `root` of their weights."""
        xp, block = namespace(self.rows), self.rows[rows, :]
        if self._rounded is not None or root is not None:
            if self._buffer is None and xp is np:
                self._buffer = np.empty(block.shape, dtype=block.dtype)
            buffer = None if self._buffer is None else self._buffer[: len(block)]
            if self._rounded is not None:
                block = into(buffer, xp.subtract, block, self._rounded)
            if root is not None:
                block = into(buffer, xp.multiply, block, root[:, None])
        ones = root
        if root is None:
            ones = xp.ones(block.shape[0], dtype=block.dtype, device=block.device)
        self.total = self.total + as_dtype(ones @ block, floats(block)[0])
        return block

    def largest(self, squares, sample_weight):
        """Largest absolute value of each shifted column that may leave the dtype.

        The result is 1 for columns whose sum of squares shows that no precision was
        lost. Without sums of squares, every column is examined.
        """
        size, columns = np.ones(len(self.shift)), np.arange(len(self.shift))
        if squares is not None:
            info = np.finfo(dtype_name(self.rows))
            sound = (squares >= float(info.tiny) / float(info.eps)) & (squares < np.inf)
            columns = np.flatnonzero(~sound)
        if len(columns) == 0:
            return size
        xp, rows = namespace(self.rows), self.rows
        if len(columns) < len(size):
            rows = take_columns(rows, columns)
        shift = self.shift[columns]
        if sample_weight is None:
            most, least = (to_numpy(f(rows, axis=0)) for f in (xp.max, xp.min))
            size[columns] = np.maximum(most - shift, shift - least)
        else:
            root = beside(np.sqrt(sample_weight), rows)
            moved = xp.abs(rows - beside(shift, rows)) * root[:, None]
            size[columns] = to_numpy(xp.max(moved, axis=0))
        return size


def _read(rows, name):
    """Validate samples, whose NaN and infinity are found in the sums."""
    rows = arrive(rows, name, stays=True)
    plain = type(rows) is np.ndarray and rows.ndim == 2 and rows.size > 0
    if plain and rows.dtype in FLOATS:  # nothing is left to check, which takes long
        return rows
    return check_array(
        rows, dtype=floats(rows), ensure_all_finite=False, input_name=name
    )


def _host(sums):
    """Return sums as a NumPy array of float64."""
    return to_numpy(sums).astype(np.float64, copy=False)


def _squares(totals, side):
    """Sums of squares of the columns of a side; None if they were not formed."""
    if f"{side}2" in totals:
        return totals[f"{side}2"]
    return np.diag(totals["xx"]) if side == "x" and "xx" in totals else None


def sums_of_squares(rows, out=None):
    """Return the sum of squares of each column."""
    if isinstance(rows, np.ndarray):
        return np.einsum("ij,ij->j", rows, rows, out=out)
    return namespace(rows).vecdot(rows, rows, axis=-2)


def _accumulate(totals, name, product, *blocks):
    """Add a product of blocks to the float64 sum of its name."""
    if name not in totals:
        block = product(*blocks)
        buffer = block if isinstance(block, np.ndarray) else None
        # A copy, since the buffer is written to again.
        total = namespace(block).asarray(block, dtype=floats(block)[0], copy=True)
        totals[name] = total, buffer
    else:
        total, buffer = totals[name]
        total += into(buffer, product, *blocks)
        totals[name] = total, buffer
