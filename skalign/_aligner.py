"""Mixins with the public methods that aligners share."""

from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skalign._arrays import (
    arrive,
    as_dtype,
    beside,
    check_library,
    converted,
    floats,
    is_of_another_library,
    namespace,
    to_numpy,
)
from skalign._atomic import make_atomic
from skalign._dask import lazy, make_lazy
from skalign._documented import DocumentedMixin
from skalign._layers import affine, layers_of
from skalign._r2 import r2
from skalign._routing import into_target, transform_target
from skalign._validation import (
    cast_finite,
    check_target,
    check_target_names,
    within_range,
)
from skalign.moments import pseudo_inverse


def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
    """Get the names of the columns that `transform` returns.

    Parameters
    ----------
    input_features : array-like of str, default=None
        Names of the source columns, only used to check them against those seen in
        `fit`.

    Returns
    -------
    feature_names_out : ndarray of str objects
        Names of the target columns if samples are mapped to these and `fit` was given
        their names; otherwise the class name in lower case, numbered.

    Raises
    ------
    ValueError
        If `input_features` differ in names or number from those seen in `fit`.
    """
    own = ClassNamePrefixFeaturesOutMixin.get_feature_names_out(self, input_features)
    return own if self._names_out is None else self._names_out.copy()


class AlignerMixin(DocumentedMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for maps from a source space to a target space.

    A subclass defines `fit`, which sets `n_targets_`, and methods for validated
    samples:

    - `_map(X)`, the map;
    - `_map_target(y)` if both sides are mapped to a common space, of dimension
      `n_components_`; then `_into_target` is False;
    - `_unmap(y)`, the inverse of `_map`, if it exists.

    `_any_library` states whether rows may be arrays of other libraries, as in
    scikit-learn's array API support; `_placed` is then a fitted array. Otherwise they
    are copied to the CPU. `_same_features` states whether the columns of both sides
    must be the same features. Without target samples, `fit` of an unpaired aligner
    calls `_be_identity(...)`. A method that fails leaves the aligner unchanged, see
    `make_atomic`. Samples of Dask are mapped lazily, see `lazy`.
    """

    _any_library = False
    _into_target = True
    _same_features = False
    _is_identity = False
    get_feature_names_out = get_feature_names_out

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        make_atomic(cls)
        make_lazy(cls)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Map source samples to the target space or to the common space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        Returns
        -------
        X_mapped : ndarray of shape (n_samples, n_features_out)
            The same samples in the target space, or in the common space of both sides.

        Raises
        ------
        ValueError
            If the number, names or order of columns differ from those in `fit`, a
            value is not finite, or one is so large that its image overflows.
        """
        X = self._check_source(X, "transform")
        return _copy(X) if self._is_identity else within_range(self._map, X)

    @lazy
    def transform_target(self, y: ArrayLike) -> np.ndarray:
        """Map target samples to the space in which `transform` returns source samples.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_targets)
            Samples of the target space.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features_out)
            The same samples, unchanged unless both sides are mapped to a common space.

        Raises
        ------
        ValueError
            If the number of columns is not `n_targets_`, their names or order differ
            from those in `fit`, a value is not finite, or one is so large that its
            image overflows.
        """
        y = self._check_target(y, "transform_target")
        return y if self._is_identity else within_range(self._map_target, y)

    @available_if(attrgetter("_unmap"))
    @lazy
    def inverse_transform(self, y: ArrayLike) -> np.ndarray:
        """Map samples back to the source space.

        If the map is injective, source samples are recovered exactly, up to rounding;
        otherwise by the pseudo-inverse of the map.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_features_out)
            Samples of the space to which `transform` maps.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features)
            The same samples in the source space.

        Raises
        ------
        ValueError
            If the number of columns is not that of `transform`, names or order of the
            target columns differ from those in `fit`, a value is not finite, or one is
            so large that its image overflows.
        """
        y = self._check_mapped(y)
        return _copy(y) if self._is_identity else within_range(self._unmap, y)

    def _map_target(self, y):
        return y

    def _be_identity(self, **attributes):
        """Make the aligner the identity, with these attributes; return self."""
        self._is_identity = True
        vars(self).update(attributes)
        return self

    def _check_source(self, X, method):
        """Validate samples of the source space, with the columns of `fit`."""
        X = self._check_place(X, "X", method)
        return validate_data(self, X, dtype=floats(X), reset=False)

    def _check_target(self, y, method):
        """Validate samples of the target space, with the columns of `fit`."""
        y = self._check_place(y, "y", method)
        check_target_names(self, y)
        return check_target(y, self.n_targets_)

    def _check_mapped(self, y):
        """Validate samples of the space to which `transform` maps."""
        if self._into_target:
            return self._check_target(y, "inverse_transform")
        y = self._check_place(y, "y", "inverse_transform")
        y = check_array(y, dtype=floats(y), input_name="y")
        if y.shape[1] != self._n_features_out:
            raise ValueError(
                f"y has {y.shape[1]} columns, but transform returns "
                f"{self._n_features_out}."
            )
        return y

    def _check_place(self, rows, name, method):
        """Check that samples are where the map is, and that there is a map."""
        check_is_fitted(self)
        if self._any_library:
            check_library(self, rows, "_placed", method)
        return arrive(rows, name, stays=self._any_library)

    def __sklearn_array_api_convert__(self, converter):
        return converted(self, converter)

    @property
    def _names_out(self):
        return getattr(self, "target_names_in_", None) if self._into_target else None

    @property
    def _n_features_out(self):
        return self.n_targets_ if self._into_target else self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = self._any_library
        return tags


def _copy(rows):
    return namespace(rows).asarray(rows, copy=True)


class AffineMixin(AlignerMixin):
    """Mixin for affine maps, set by `_set_map` as a matrix and two means."""

    _target_precision = 0.0

    def _set_map(self, coef, x_mean, y_mean, dtype, target_precision=0.0):
        """Set the fitted map and the relative precision of the target samples."""
        self.coef_ = cast_finite(coef, dtype, "The map")
        self.x_mean_ = x_mean.astype(dtype, copy=False)
        self.y_mean_ = y_mean.astype(dtype, copy=False)
        self._target_precision = target_precision

    def _map(self, X):
        fitted = self.coef_, self.x_mean_, self.y_mean_
        if X.dtype != self.coef_.dtype:
            fitted = (as_dtype(array, X.dtype) for array in fitted)
        coef, x_mean, y_mean = fitted
        mapped = (X - x_mean) @ coef
        mapped += y_mean
        return mapped

    def _layers(self):
        return (affine(self.x_mean_, self.coef_, self.y_mean_),)

    def _unmap(self, y):
        inverse = pseudo_inverse(to_numpy(self.coef_), to_numpy(self._target_precision))
        inverse = as_dtype(beside(inverse, y), floats(y)[0])
        rows = as_dtype(y - self.y_mean_, inverse.dtype) @ inverse + self.x_mean_
        return as_dtype(rows, y.dtype)

    @property
    def _placed(self):
        return self.x_mean_

    def _be_identity(self, **attributes):
        d = self.n_features_in_
        self._set_map(np.eye(d), np.zeros(d), np.zeros(d), self._dtype)
        self.determined_rank_ = d
        return super()._be_identity(**attributes)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "x_mean_")


def _inner_inverts(self):
    # Before fit it may not be known which aligner will be used.
    aligner = getattr(self, "aligner_", getattr(self, "_unfitted", None))
    return aligner is None or hasattr(aligner, "inverse_transform")


class InnerAlignerMixin(AlignerMixin):
    """Mixin for aligners that delegate to the fitted aligner `aligner_`."""

    def _map(self, X):
        mapped = self.aligner_.transform(X)
        # An array, from which set_output makes a data frame with the right index.
        return mapped if is_of_another_library(mapped) else np.asarray(mapped)

    def _layers(self):
        return layers_of(self.aligner_)

    def _map_target(self, y):
        return transform_target(self.aligner_, y)

    @available_if(_inner_inverts)
    def _unmap(self, y):
        return self.aligner_.inverse_transform(y)

    def _check_mapped(self, y):
        check_is_fitted(self)
        if self._into_target:
            return self._check_target(y, "inverse_transform")
        return y  # checked within

    @property
    def _placed(self):
        return self.aligner_._placed

    @property
    def _into_target(self):
        return into_target(self.aligner_)

    @property
    def _n_features_out(self):
        return len(self.aligner_.get_feature_names_out())

    def __sklearn_is_fitted__(self):
        return hasattr(self, "aligner_")


class PairedMixin(RegressorMixin):
    """Mixin for aligners fitted on pairs of source and target samples.

    Expects `_map(X)` for validated samples, and `_y_ndim` after `fit`.
    """

    @lazy
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the target of each source sample; the same as `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.

        Returns
        -------
        y : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Samples in the target space; one-dimensional if `fit` was given a
            one-dimensional `y`.
        """
        mapped = within_range(self._map, self._check_source(X, "predict"))
        return mapped[:, 0] if self._y_ndim == 1 else mapped

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Coefficient of determination of `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        r2 : float
            Mean of :math:`R^2` over the targets, at most 1.

        Raises
        ------
        ValueError
            If the number, names or order of columns differ from those in `fit`, lengths
            differ, a value is not finite, or the score is too low for the dtype.
        """
        check_is_fitted(self)
        check_target_names(self, y)
        return r2(y, self.predict(X), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
