"""Fitting from sums over the rows of classes: in batches, and from two halves."""

import warnings

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array, validate_data

from skalign._column_names import check_same_features, check_target_names, merge_names
from skalign._labels import check_labels
from skalign._validation import FLOATS, dimensions, warn_no_target_rows
from skalign.unpaired._group_moments import GroupMoments


class ClassSumsMixin:
    """`partial_fit` and `merge` of an aligner that is made of sums over classes.

    Expects `_order`, the order of the moments it needs, and `_learn(source, target)`,
    which sets `classes_` and the map, of type `_dtype`, from two `GroupMoments`.
    """

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X=None, y=None, *, labels=None, target_labels=None):
        """Add labelled rows to those seen before, on either side or on both.

        The map is there as soon as two classes are on both sides, and is learnt anew
        from all rows at each call: large batches keep the price of that low.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            More rows of the source space; None where there are none.
        y : array-like of shape (n_target_samples, n_targets), default=None
            More rows of the target space; None where there are none.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source rows.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target rows.

        Returns
        -------
        self : object
            The estimator. Where a batch is refused or interrupted it stays as the
            batches before left it.

        Raises
        ------
        ValueError
            If rows come without labels, widths changed, a value is not finite, or the
            estimator was fitted at once in a way that left no sums.
        """
        no_target = y is not None and dimensions(y) == 1
        if no_target:
            warn_no_target_rows(self, y)
        if X is not None:
            X = validate_data(
                self, X, dtype=FLOATS, reset=not hasattr(self, "n_features_in_")
            )
        if no_target and labels is None:
            return self
        source, target = self._kept_sums()
        if X is not None:
            self._dtype = X.dtype
            source = _added(source, self._sums("X", X, labels, "labels"))
        if y is not None and not no_target:
            check_target_names(self, y, reset=target is None)
            y = check_array(y, dtype=FLOATS, input_name="y")
            target = _added(target, self._sums("y", y, target_labels, "target_labels"))
        check_same_features(self)
        self._take(source, target)
        return self

    def merge(self, other):
        """Add the rows that another aligner has seen, and learn from all of them.

        Parameters
        ----------
        other : object
            Aligner of the same class that has seen labelled rows of the same spaces,
            be it of one side only. It is not changed.

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
            if not hasattr(aligner, "source_moments_"):
                raise NotFittedError(
                    f"One of the two {type(self).__name__} has seen no rows yet."
                )
        mine, theirs = self._kept_sums(), other._kept_sums()
        merge_names(self, other, seen=mine, others=theirs)
        sides = [
            a if b is None else _added(a, b) for a, b in zip(mine, theirs, strict=True)
        ]
        for name in ("n_features_in_", "_dtype"):
            if hasattr(other, name) and not hasattr(self, name):
                setattr(self, name, getattr(other, name))
        self._take(*sides)
        return self

    def _sums(self, side, rows, labels, name):
        labels = check_labels(labels, rows, name)
        if labels is None:
            raise ValueError(
                f"{type(self).__name__}.partial_fit adds up classes: pass {name}."
            )
        return GroupMoments.from_rows(rows, labels, order=self._order, name=side)

    def _kept_sums(self):
        if not hasattr(self, "source_moments_"):
            return None, None
        if self.source_moments_ is None and self.target_moments_ is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted at once and kept no sums: "
                "start with partial_fit instead of fit."
            )
        return self.source_moments_, self.target_moments_

    def _take(self, source, target):
        """Keep the sums, and learn the map once two classes are on both sides."""
        self.source_moments_, self.target_moments_ = source, target
        if target is not None:
            self.n_targets_ = target.means.shape[1]
        if source is None or target is None:
            return
        if len(np.intersect1d(source.groups, target.groups)) > 1:
            self._learn(source, target)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "classes_")


def _added(sums, batch):
    if sums is None:
        return batch
    widths = sums.means.shape[1], batch.means.shape[1]
    if widths[0] != widths[1]:
        raise ValueError(
            f"New rows have {widths[1]} columns; those seen before have {widths[0]}."
        )
    check_same_kind(sums.groups, batch.groups, "labels of the rows before", "labels")
    return sums.merge(batch)


def check_same_kind(first, second, *names):
    """Refuse classes of which some are strings and others numbers: none are equal."""
    sides = [classes for classes in (first, second) if len(classes)]
    are_strings = [isinstance(classes[0], str) for classes in sides]
    if len(set(are_strings)) == 2:
        kinds = ["strings" if yes else "numbers" for yes in are_strings]
        raise ValueError(
            f"{names[0]} holds {kinds[0]}, but {names[1]} {kinds[1]}: no class is the "
            "same on both sides."
        )


def shared_classes(labels, target_labels, *, minimum):
    """Return the sorted classes on both sides; warn of those that are on one only.

    Parameters
    ----------
    labels, target_labels : array-like of shape (n_samples,) and (n_target_samples,)
        Classes, repeated or not.
    minimum : int
        Number of shared classes that the caller needs.

    Raises
    ------
    ValueError
        If there are fewer shared classes than `minimum`.
    """
    source, target = np.unique(labels), np.unique(target_labels)
    check_same_kind(source, target, "labels", "target_labels")
    shared = np.intersect1d(source, target)
    if len(shared) < minimum:
        raise ValueError(
            f"Classes on both sides: {len(shared)}; at least {minimum} are needed. "
            f"labels holds {_named(source)}; target_labels holds {_named(target)}."
        )
    for name, classes in (("labels", source), ("target_labels", target)):
        if len(one_sided := np.setdiff1d(classes, shared)):
            warnings.warn(
                f"Left out, since only {name} holds them: {_named(one_sided)}.",
                UserWarning,
                stacklevel=6,
            )
    return shared


def _named(classes):
    names = [repr(c) for c in classes[:10].tolist()]
    return ", ".join(names) + (", ..." if len(classes) > 10 else "")
