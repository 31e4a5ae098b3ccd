"""What the aligners share that know each side by its mean and second moments."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, validate_data

from skalign._aligner import AffineMixin
from skalign._atomic import atomic
from skalign._column_names import check_same_features, check_target_names, merge_names
from skalign._determined import warn_undetermined
from skalign._validation import FLOATS, check_sides, dimensions, warn_no_target_rows
from skalign.moments import (
    Moments,
    centre,
    check_scale,
    rounding_of_columns,
    storage_precision,
    truncated_eigh,
    truncated_svd,
)

_MAX_STRETCH = 100.0


class Spectrum(NamedTuple):
    """Mean of a side, and the eigenvectors of its covariance that are not zero.

    The covariance is ``vectors * values @ vectors.T``.
    """

    mean: np.ndarray  # (n_features,)
    precision: np.ndarray  # (n_features,), in which the rows were stored
    values: np.ndarray  # (n_known,), largest first
    vectors: np.ndarray  # (n_features, n_known), orthonormal columns

    @classmethod
    def from_moments(cls, moments):
        """Decompose the covariance."""
        values, vectors = truncated_eigh(
            moments.xx, moments.rounding(), moments.precision
        )
        values = values / (moments.weight - 1)
        return cls(moments.x_mean, moments.x_precision, values, vectors)

    @classmethod
    def from_rows(cls, rows, name="X"):
        """Decompose the rows, which may be fewer than the columns."""
        precision, rounding = storage_precision(rows), rounding_of_columns(rows)
        rows, mean = centre(rows)
        check_scale(np.abs(rows).max(axis=0), rows.dtype, name)
        _, s, Vt = truncated_svd(rows, rounding)
        return cls(mean, precision, s**2 / (len(rows) - 1), Vt.T)


def inverse_root(values):
    """One over the square root; zero where `values` is zero (pseudo-inverse)."""
    root = np.sqrt(values)
    return np.divide(1, root, out=np.zeros_like(root), where=root > 0)


def _streams(aligner):
    if getattr(aligner, "solver", None) == "svd":
        raise AttributeError("solver='svd' works on the rows and keeps no sums.")
    return True


class SideMomentsMixin(AffineMixin):
    """`partial_fit` and `merge` of an affine map made of the moments of each side.

    Expects `_products`, the sums of a side that it needs, and `_learn(source, target)`,
    which sets the fitted map, of type `_dtype`, from two `Moments`.
    """

    _same_features = True

    @available_if(_streams)
    @atomic
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X=None, y=None):
        """Add rows to those seen before, on either side or on both.

        The map is there as soon as both sides have two rows, and is learnt anew from
        all rows at each call: batches with more rows than columns keep the price of
        that low.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            More rows of the source space; None where there are none.
        y : array-like of shape (n_target_samples, n_features), default=None
            More rows of the target space; None where there are none. The number of
            rows has nothing to do with that of `X`.

        Returns
        -------
        self : object
            The estimator. Where a batch is refused or interrupted it stays as the
            batches before left it.

        Raises
        ------
        ValueError
            If widths differ or changed, a value is not finite, or the estimator was
            fitted at once in a way that left no sums.
        """
        source, target = self._sums()
        if y is not None and dimensions(y) == 1:
            warn_no_target_rows(self, y)
            y = None
        if X is not None:
            X = validate_data(
                self, X, dtype=FLOATS, reset=not hasattr(self, "n_features_in_")
            )
            self._check_width(X.shape[1], "X")
            source = self._add(source, X)
        if y is not None:
            check_target_names(self, y, reset=target is None)
            y = check_array(y, dtype=FLOATS, input_name="y")
            self._check_width(y.shape[1], "y")
            target = self._add(target, y, "y")
        check_same_features(self)
        self._take(source, target)
        return self

    @available_if(_streams)
    @atomic
    def merge(self, other):
        """Add the rows that another aligner has seen, and learn from all of them.

        Parameters
        ----------
        other : object
            Aligner of the same class that has seen rows of the same spaces, be it of
            one side only. It is not changed.

        Returns
        -------
        self : object
            The estimator, as if it had been fitted on the rows of both.

        Raises
        ------
        TypeError
            If `other` is of another class.
        ValueError
            If widths differ, or one of the two was fitted in a way that left no sums.
        NotFittedError
            If one of the two has seen no rows.
        """
        if type(other) is not type(self):
            raise TypeError(
                f"{type(self).__name__} cannot be merged with {type(other).__name__}."
            )
        for aligner in (self, other):
            if not hasattr(aligner, "n_targets_"):
                raise NotFittedError(
                    f"One of the two {type(self).__name__} has seen no rows yet."
                )
        self._check_width(other.n_targets_, "other")
        mine, theirs = self._sums(), other._sums()
        merge_names(self, other, seen=mine, others=theirs)
        sides = [
            b if a is None else a if b is None else a.merge(b)
            for a, b in zip(mine, theirs, strict=True)
        ]
        if hasattr(other, "n_features_in_"):
            self.n_features_in_ = other.n_features_in_
        self._take(*sides)
        return self

    def _sums(self):
        if not hasattr(self, "n_targets_"):
            return None, None
        if self.source_moments_ is None and self.target_moments_ is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted at once and kept no sums: "
                "start with partial_fit instead of fit."
            )
        return self.source_moments_, self.target_moments_

    def _add(self, moments, rows, name="X"):
        self._dtype = rows.dtype
        batch = Moments.from_arrays(rows, products=self._products, x_name=name)
        return batch if moments is None else moments.merge(batch)

    def _check_width(self, width, name):
        if not hasattr(self, "n_targets_"):
            self.n_targets_ = width
        elif width != self.n_targets_:
            raise ValueError(
                f"{type(self).__name__} needs equal widths: {name} has {width} columns,"
                f" the rows seen before have {self.n_targets_}."
            )

    def _take(self, source, target):
        """Keep the sums, and learn the map once both sides have two rows."""
        self.source_moments_, self.target_moments_ = source, target
        if all(side is not None and side.n_samples > 1 for side in (source, target)):
            self._learn(source, target)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "x_mean_")


class CovarianceMixin(SideMomentsMixin):
    """`fit` of an affine map made of both means and covariances.

    Expects `solver` and `_coef(source, target)`, the matrix from two `Spectrum`.
    """

    _products = ("xx",)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the map from rows of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_features)
            Rows of the target space, of the same width. With a `y` that holds no
            target rows (None, or the class labels that a Pipeline passes on) the
            aligner is the identity and warns.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If widths or names of columns differ, a side has fewer than two rows, or a
            value is not finite.
        """
        X, y, *_ = check_sides(self, X, y)
        self.source_moments_ = self.target_moments_ = None
        self._dtype = X.dtype
        if y is None:
            self.solver_ = None
            self.source_moments_ = self._add(None, X)
            self.coef_ = np.eye(X.shape[1], dtype=X.dtype)
            self.x_mean_ = self.y_mean_ = np.zeros(X.shape[1], dtype=X.dtype)
            self.determined_rank_ = X.shape[1]
            return self
        few = max(len(X), len(y)) < X.shape[1]
        if self.solver == "svd" or (self.solver == "auto" and few):
            self._set_map(Spectrum.from_rows(X), Spectrum.from_rows(y, "y"))
            self.solver_ = "svd"
        else:
            self._take(self._add(None, X), self._add(None, y, "y"))
        return self

    def _learn(self, source, target):
        self._set_map(Spectrum.from_moments(source), Spectrum.from_moments(target))
        self.solver_ = "moments"

    def _set_map(self, source, target):
        self._warn_of_stretch(source, target)
        self.coef_ = self._coef(source, target).astype(self._dtype)
        self.x_mean_ = source.mean.astype(self._dtype)
        self.y_mean_ = target.mean.astype(self._dtype)
        self._target_precision = target.precision
        self.determined_rank_ = source.vectors.shape[1]
        if not self.reg:
            warn_undetermined(self)

    def _warn_of_stretch(self, source, target):
        """Warn where target variance meets `reg` alone, as with too few rows."""
        known = source.vectors
        n_features, n_known = known.shape
        if n_known == n_features or not self.reg:
            return
        shared = target.values @ ((target.vectors.T @ known) ** 2).sum(axis=1)
        hidden = max(target.values.sum() - shared, 0) / (n_features - n_known)
        if (stretch := np.sqrt(1 + hidden / self.reg)) > _MAX_STRETCH:
            warnings.warn(
                f"The source rows vary in {n_known} of {n_features} directions, the "
                f"target in others too: there {type(self).__name__} stretches new rows "
                f"some {stretch:.0f}-fold. Raise reg={self.reg} toward the variance of "
                "a column, or drop these directions by reg=0.",
                UserWarning,
                stacklevel=6,
            )
