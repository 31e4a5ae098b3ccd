"""Mixins that fit an aligner batch by batch from sums over samples."""

from operator import attrgetter
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import _fit_context, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, validate_data

from skalign._arrays import arrive, dtype_name, floats, join, settle
from skalign._atomic import atomic
from skalign._labels import check_labels
from skalign._validation import (
    check_pairs,
    check_same_features,
    check_target_names,
    dimensions,
    merge_names,
    warn_no_target_samples,
)
from skalign.moments._chunks import (
    SamplesNeeded,
    by_chunks,
    exceed_memory,
    in_chunks,
    sum_chunks,
)
from skalign.moments._collected import Sums
from skalign.moments._groups import GroupMoments
from skalign.moments._sums import Moments

_HEADER = {
    "n_features": "n_features_in_",
    "n_targets": "n_targets_",
    "feature_names": "feature_names_in_",
    "target_names": "target_names_in_",
    "y_ndim": "_y_ndim",
    "dtype": "_dtype",
}


class StreamingMixin:
    """Mixin to fit an aligner from batches, from merged aligners or from stored sums.

    Two methods define an aligner. `_sum` computes sums over validated samples; those of
    `PairStreamingMixin`, `SideStreamingMixin` and `ClassStreamingMixin` compute the
    products or the order that `_needed` of the aligner returns. `_learn` computes the
    map, of dtype `_dtype`, from the sums of all parts. `fit` calls the same two
    methods.

    `_parts` maps each part to the attribute that stores its sums, and `_together` names
    the arguments that describe the same samples. `_streams` is True, or a property that
    raises AttributeError if the parameters need the samples themselves. `_sums_suffice`
    is whether, after a fit from sums, `fit` on the samples themselves would give the
    same map.

    `fit` of a subclass also takes samples in chunks, see `by_chunks`.
    """

    _streams = True
    _sums_suffice = True
    _any_library = True

    def __init_subclass__(cls, **kwargs):
        if "fit" in vars(cls):
            cls.fit = by_chunks(cls.fit)
        super().__init_subclass__(**kwargs)

    def _enough(self, *sums):
        """Return whether the sums of all parts are sufficient to learn a map."""
        return True

    @available_if(attrgetter("_streams"))
    def collect(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None, **of_samples: Any
    ) -> Sums:
        """Compute the sums over samples without learning a map.

        Sums can be merged, subtracted, stored and sent; `fit_sums` learns the map from
        them.

        Parameters
        ----------
        X, y, **of_samples
            As in `partial_fit`, or in chunks: Dask arrays and dataframes, whose samples
            remain where they are, or as `X` an iterable of batches, each a tuple of the
            arguments of `partial_fit` or a dict of them.

        Returns
        -------
        sums : Sums
            Sums that this aligner needs. The aligner itself is not changed.

        Raises
        ------
        ValueError
            If there are no samples, widths or lengths do not match, or a value is not
            finite.
        """
        given = {"X": X, "y": y, **of_samples}
        given = {name: values for name, values in given.items() if values is not None}
        if in_chunks(given) or exceed_memory(given):
            return sum_chunks(self, given, self._together)
        trial = clone(self)
        trial._validate_params()
        batch = trial._add_up(X, y, **of_samples)
        if not batch:
            raise ValueError("There is nothing to add up: X and y are both None.")
        trial._check_sides()
        header = {key: vars(trial).get(name) for key, name in _HEADER.items()}
        return Sums.of(batch, **header)

    @available_if(attrgetter("_streams"))
    def select_sums(self, sums: Any) -> Sums:
        """Keep only the sums that this aligner needs.

        Parameters
        ----------
        sums : Sums
            Sums of an aligner with the same parts: pairs, or source and target.

        Returns
        -------
        selected : Sums
            Sums that this aligner needs. The given sums are not changed.

        Raises
        ------
        ValueError
            If sums that the aligner needs are missing.
        """
        if not isinstance(sums, Sums):
            raise TypeError(f"sums must be Sums; got {type(sums).__name__}.")
        kept = {}
        for part, moments in sums.parts.items():
            if part not in self._parts or not isinstance(moments, self._kind):
                raise ValueError(
                    f"{type(self).__name__} needs {self._kind.__name__} of "
                    f"{' and '.join(self._parts)}; got {type(moments).__name__} of "
                    f"{part}."
                )
            kept[part] = moments.select(self._needed(sums.n_features, sums.n_targets))
        return sums.with_parts(kept)

    @available_if(attrgetter("_streams"))
    @atomic
    @_fit_context(prefer_skip_nested_validation=False)
    def fit_sums(self, sums: Any) -> Self:
        """Learn the map from sums.

        Parameters
        ----------
        sums : Sums
            Result of `collect`, possibly merged or subtracted. Samples from earlier
            calls to `fit` or `partial_fit` are discarded.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If sums that the aligner needs are missing, or there are too few samples.
        """
        sums = self.select_sums(sums)
        for part in self._parts:
            moments = sums.parts.get(part)
            if (n_samples := 0 if moments is None else moments.n_samples) < 2:
                raise ValueError(
                    f"The sums hold {n_samples} {part} samples; at least 2 are needed."
                )
        self._hold(sums)
        self._check_sides()
        self._is_identity = False
        self._learn(*(sums.parts[part] for part in self._parts))
        return self

    @available_if(attrgetter("_streams"))
    @atomic
    def merge(self, other: Any) -> Self:
        """Add the samples of another aligner and learn the map from all of them.

        Parameters
        ----------
        other : object
            Aligner of the same class, fitted on samples of the same spaces. An unpaired
            aligner may have samples of one side only. It is not changed.

        Returns
        -------
        self : object
            Estimator fitted on the samples of both.

        Raises
        ------
        TypeError
            If `other` is of another class.
        ValueError
            If widths or names of columns differ, or one of the two was fitted in a way
            that stores no sums.
        NotFittedError
            If one of the two has no samples yet.
        """
        if type(other) is not type(self):
            raise TypeError(
                f"{type(self).__name__} cannot be merged with {type(other).__name__}."
            )
        mine, theirs = self._seen(), other._seen()
        if not mine or not theirs:
            raise NotFittedError(
                f"One of the two {type(self).__name__} has no samples yet: call "
                "partial_fit first."
            )
        for name in ("n_features_in_", "n_targets_"):
            widths = getattr(self, name, None), getattr(other, name, None)
            if None not in widths and widths[0] != widths[1]:
                raise ValueError(
                    f"other has {widths[1]} columns, but this {type(self).__name__} "
                    f"has seen {widths[0]}."
                )
        merge_names(self, other, seen=self._sides(mine), others=self._sides(theirs))
        for name in ("n_features_in_", "n_targets_"):
            if hasattr(other, name):
                setattr(self, name, getattr(other, name))
        place = getattr(self, "_placed", None)
        return settle(self._take(_merged(mine, theirs)), place)

    def _hold(self, sums):
        """Store sums with their header, without learning the map."""
        for key, name in _HEADER.items():
            vars(self).pop(name, None)
            if (value := getattr(sums, key)) is not None:
                setattr(self, name, value)
        for part, name in self._parts.items():
            setattr(self, name, sums.parts.get(part))
        return self

    def _update(self, X, y, **of_samples):
        """Add a batch to the sums, and learn the map from all of them."""
        if in_chunks({"X": X, "y": y, **of_samples}):
            sums = self.collect(X, y, **of_samples)
            if self._seen():
                return self.merge(clone(self)._hold(sums))
            return self._hold(sums)._take(sums.parts)
        X, y = (self._arrive(rows, name) for rows, name in ((X, "X"), (y, "y")))
        if not (batch := self._add_up(X, y, **of_samples)):
            return self
        self._take(_merged(self._seen(), batch))
        return settle(self, y if X is None else X)

    def _arrive(self, rows, name):
        return arrive(rows, name, stays=self._any_library)

    def _seen(self):
        """Return the sums of each part that has samples."""
        if vars(self).keys().isdisjoint(self._parts.values()):
            return {}
        kept = {part: getattr(self, name) for part, name in self._parts.items()}
        kept = {part: sums for part, sums in kept.items() if sums is not None}
        if not kept:
            raise ValueError(
                f"This {type(self).__name__} was fitted at once and kept no sums: "
                "start with partial_fit instead of fit."
            )
        return kept

    def _sides(self, parts):
        """Return the sums of the source and of the target; pairs are used for both."""
        sums = [parts.get(part) for part in self._parts]
        return sums * (2 // len(sums))

    def _take(self, parts):
        """Store the sums, and learn the map if they are sufficient."""
        for part, name in self._parts.items():
            setattr(self, name, parts.get(part))
        self._check_sides()
        if len(parts) == len(self._parts):
            sums = [parts[part] for part in self._parts]
            if self._enough(*sums):
                self._is_identity = False
                self._learn(*sums)
        return self

    def _check_sides(self):
        """Raise an error if both sides must have the same features and do not."""
        widths = vars(self).get("n_features_in_"), vars(self).get("n_targets_")
        if self._same_features and None not in widths and widths[0] != widths[1]:
            raise ValueError(
                f"{type(self).__name__} needs equal widths: X has {widths[0]} columns, "
                f"y has {widths[1]}."
            )
        check_same_features(self)


class PairStreamingMixin(StreamingMixin):
    """Mixin for aligners fitted from sums over pairs.

    Expects `_needed(n_features, n_targets)`, the products of `Moments`, and
    `_learn(moments)`, and `_fit_with_sums(X, y, sample_weight, shared=None)`, a `fit`
    that takes what is known of the same pairs. `_sums_decide` is whether
    the map depends on these sums only.
    """

    _parts, _kind = {"pairs": "moments_"}, Moments
    _sums_decide = True
    _together = (("X", "y", "sample_weight"),)

    @available_if(attrgetter("_streams"))
    @atomic
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Add a batch of pairs and learn the map from all pairs so far.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of k is equivalent to k equal samples.

        Returns
        -------
        self : object
            Fitted estimator. It is unchanged if the call fails or is interrupted.

        Raises
        ------
        ValueError
            If widths changed, `X` and `y` differ in length, a value is not finite, the
            estimator was fitted in a way that stores no sums, or there are too few
            samples to choose the strength of the penalty, such as a first batch of one.
        """
        return self._update(X, y, sample_weight=sample_weight)

    def _add_up(self, X, y, sample_weight=None):
        X, y, sample_weight = check_pairs(
            self,
            X,
            y,
            sample_weight=sample_weight,
            reset=not self._seen(),
            ensure_all_finite=False,
            ensure_min_samples=1,
        )
        return {"pairs": self._sum(X, y, sample_weight)}

    def _sum(self, X, y, sample_weight, moments=None):
        """Return the sums over validated pairs, which may be known."""
        self._dtype = dtype_name(X)
        if moments is not None:
            return moments
        products = self._needed(X.shape[1], y.shape[1])
        return Moments.from_arrays(X, y, sample_weight=sample_weight, products=products)


class SideStreamingMixin(StreamingMixin):
    """Mixin for unpaired aligners fitted from sums over each side.

    Expects `_needed(n_features, n_targets)`, the products of `Moments` of a side, and
    `_learn(source, target)`.
    """

    _parts = {"source": "source_moments_", "target": "target_moments_"}
    _together = (("X",), ("y",))
    _kind = Moments

    @available_if(attrgetter("_streams"))
    @atomic
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: ArrayLike | None = None, y: ArrayLike | None = None
    ) -> Self:
        """Add a batch of samples of one side or of both.

        The map is available as soon as both sides have two samples. Each call learns it
        again from all samples so far, so batches should have more samples than columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Batch of source samples, or None.
        y : array-like of shape (n_target_samples, n_features), default=None
            Batch of target samples, or None. Their number may differ from that of `X`.

        Returns
        -------
        self : object
            Fitted estimator. It is unchanged if the call fails or is interrupted.

        Raises
        ------
        ValueError
            If widths differ or changed, a value is not finite, or the estimator was
            fitted in a way that stores no sums.
        """
        return self._update(X, y)

    def _enough(self, source, target):
        return min(source.n_samples, target.n_samples) > 1

    def _add_up(self, X=None, y=None, **of_samples):
        """Return the sums of each side that has samples."""
        X, y = self._arrive(X, "X"), self._arrive(y, "y")
        no_target, batch = y is not None and dimensions(y) == 1, {}
        if no_target:
            warn_no_target_samples(self, y)
        if X is not None:
            X = validate_data(
                self, X, dtype=floats(X), reset=not hasattr(self, "n_features_in_")
            )
            batch["source"] = self._sum_side("X", X, **of_samples)
        if y is not None and not no_target:
            first = "target" not in self._seen()
            check_target_names(self, y, reset=first)
            y = y if X is None else join(y, X)
            y = check_array(y, dtype=floats(y), input_name="y")
            if not first and y.shape[1] != self.n_targets_:
                raise ValueError(
                    f"y has {y.shape[1]} columns, but the target samples seen before "
                    f"have {self.n_targets_}."
                )
            self.n_targets_ = y.shape[1]
            batch["target"] = self._sum_side("y", y, **of_samples)
        return batch

    def _sum_side(self, name, rows):
        return self._sum(rows, name=name)

    def _sum(self, rows, *, name="X"):
        self._dtype = dtype_name(rows)
        products = self._needed(rows.shape[1], rows.shape[1])
        return Moments.from_arrays(rows, products=products, x_name=name)


class ClassStreamingMixin(SideStreamingMixin):
    """Mixin for unpaired aligners fitted from sums over each class of each side.

    Expects `_needed(n_features, n_targets)`, the order of `GroupMoments`, and
    `_learn(source, target)`.
    """

    _together = (("X", "labels"), ("y", "target_labels"))
    _kind = GroupMoments

    @available_if(attrgetter("_streams"))
    @atomic
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
    ) -> Self:
        """Add a batch of labelled samples of one side or of both.

        The map is available as soon as two classes occur on both sides. Each call
        learns it again from all samples so far, so batches should be large.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Batch of source samples, or None.
        y : array-like of shape (n_target_samples, n_targets), default=None
            Batch of target samples, or None.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source samples.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target samples.

        Returns
        -------
        self : object
            Fitted estimator. It is unchanged if the call fails or is interrupted.

        Raises
        ------
        ValueError
            If labels are missing, widths changed, a value is not finite, or the
            estimator was fitted in a way that stores no sums.
        """
        return self._update(X, y, labels=labels, target_labels=target_labels)

    def _enough(self, source, target):
        return len(source.shared_groups(target)) > 1

    def _add_up(self, X=None, y=None, *, labels=None, target_labels=None):
        if X is not None and labels is None and y is not None and dimensions(y) == 1:
            # y holds the class labels that a Pipeline passes on, as in `fit`.
            warn_no_target_samples(self, y)
            X = self._arrive(X, "X")
            validate_data(
                self, X, dtype=floats(X), reset=not hasattr(self, "n_features_in_")
            )
            return {}
        return super()._add_up(X, y, labels=labels, target_labels=target_labels)

    def _sum_side(self, name, rows, *, labels=None, target_labels=None):
        labels, what = (
            (labels, "labels") if name == "X" else (target_labels, "target_labels")
        )
        labels = check_labels(labels, rows, what)
        if labels is None:
            raise SamplesNeeded(
                f"{type(self).__name__} adds up samples by class: pass {what}."
            )
        return self._sum(rows, labels, name=name)

    def _sum(self, rows, labels, *, name="X"):
        self._dtype = dtype_name(rows)
        order = self._needed(rows.shape[1], rows.shape[1])
        return GroupMoments.from_rows(rows, labels, order=order, name=name)


def _merged(mine, theirs):
    """Return the sums of both, part by part."""
    both = {part: mine[part].merge(theirs[part]) for part in mine if part in theirs}
    return mine | theirs | both
