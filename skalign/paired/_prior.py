"""Maps that a linear map is shrunk towards."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skalign._arrays import as_dtype, beside, namespace, take_rows, to_numpy
from skalign._determined import without_warning
from skalign.paired._distinct import equal_rows

_MAX_FOLDS = 5


@dataclass
class Affine:
    """The map ``X @ coef + offset``."""

    coef: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, prior, n_features, n_targets, names=None):
        """Read the map of a prior: "identity", or a fitted aligner with `coef_`.

        Raises
        ------
        ValueError
            If it maps between spaces of other widths or other names of columns, or is
            not affine.
        """
        if isinstance(prior, str):
            if n_features != n_targets:
                raise ValueError(
                    f"prior='identity' needs equal widths: X has {n_features} columns, "
                    f"y has {n_targets}. Use an aligner as prior, such as "
                    "RigidAligner()."
                )
            return cls(np.eye(n_features), np.zeros(n_targets))
        if not all(hasattr(prior, name) for name in ("coef_", "x_mean_", "y_mean_")):
            raise ValueError(
                f"prior must be an affine map, with coef_, x_mean_ and y_mean_ after "
                f"fit; {type(prior).__name__} is not."
            )
        coef, x_mean, y_mean = (
            np.asarray(to_numpy(array), dtype=np.float64)
            for array in (prior.coef_, prior.x_mean_, prior.y_mean_)
        )
        if coef.shape != (n_features, n_targets):
            raise ValueError(
                f"prior maps {coef.shape[0]} columns to {coef.shape[1]}, but X has "
                f"{n_features} columns and y has {n_targets}."
            )
        known = getattr(prior, "feature_names_in_", None)
        if names is not None and known is not None and list(names) != list(known):
            raise ValueError("prior was fitted with other names of the columns of X.")
        return cls(coef, y_mean - x_mean @ coef)

    def residual(self, X, y):
        """Return what the map leaves of targets, in their dtype."""
        coef, offset = beside(self.coef, X), beside(self.offset, X)
        return as_dtype(y - (as_dtype(X, coef.dtype) @ coef + offset), y.dtype)

    def residual_sums(self, moments):
        """Return the sums `xy` and `y2`, and the mean, of these residuals."""
        xy, y2 = moments.left_over(self.coef)
        y_mean = moments.y_mean - (moments.x_mean @ self.coef + self.offset)
        return xy, y2, y_mean


def is_unfitted(prior):
    """Return whether a prior is an aligner to be fitted on the same pairs."""
    if prior is None or isinstance(prior, str):
        return False
    try:
        check_is_fitted(prior)
    except NotFittedError:
        return True
    return False


def cross_fit(prior, X, y, sample_weight):
    """Fit a prior, and return it with residuals of pairs that it was not fitted on.

    Samples of equal `X` are held out together.
    """
    labels = equal_rows(X)
    n_groups = labels.max() + 1
    folds = np.random.RandomState(0).permutation(n_groups)[labels] % _MAX_FOLDS
    order, residuals = np.argsort(folds, kind="stable"), []
    for fold in np.unique(folds):
        rows, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        weight = None if sample_weight is None else sample_weight[rows]
        with without_warning():
            fitted = _fit(prior, take_rows(X, rows), take_rows(y, rows), weight)
        affine = Affine.of(fitted, X.shape[1], y.shape[1])
        residuals.append(
            affine.residual(take_rows(X, held_out), take_rows(y, held_out))
        )
    residual = take_rows(namespace(y).concat(residuals), np.argsort(order))
    return _fit(prior, X, y, sample_weight), residual


def _fit(prior, X, y, sample_weight):
    weights = {}
    if sample_weight is not None and has_fit_parameter(prior, "sample_weight"):
        weights = {"sample_weight": sample_weight}
    return clone(prior).fit(X, y, **weights)
