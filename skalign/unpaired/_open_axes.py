"""Directions of the target that neither moments nor matches determine."""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skalign._aligner import AffineMixin
from skalign._arrays import is_of_another_library
from skalign.unpaired._matching import match

_TESTED_ROWS = 1000
_CHANCE = 4  # standard deviations of a mean difference that chance can explain


def unmatched_axes(mapped, target, groups, n_open, *, within=None, pairs=None):
    """Directions that can be reversed without increasing the distance to matches.

    Parameters
    ----------
    mapped : ndarray of shape (n_samples, n_targets)
        Mapped source samples.
    target : ndarray of shape (n_target_samples, n_targets)
        Target samples.
    groups : list of Group
        Samples that may be matched; about 1,000 are used for the test.
    n_open : int
        Maximum number of directions to return.
    within : ndarray of shape (n_targets, n_axes), default=None
        Orthonormal columns that span the space of candidate directions.
    pairs : ndarray of shape (n_pairs, 2), default=None
        Positions of samples that are known to correspond; their distance must not
        increase either.

    Returns
    -------
    axes : ndarray of shape (n_targets, n_axes)
        Orthonormal columns.
    """
    if n_open == 0:
        return np.zeros((target.shape[1], 0))
    centre = target.mean(axis=0)
    mapped, target = mapped - centre, target - centre
    matches = match(mapped, target, groups, "both")
    cross = mapped[matches.source].T @ target[matches.target]
    if within is None:
        within = np.eye(len(cross))
    _, axes = np.linalg.eigh(within.T @ (cross + cross.T) @ within)
    axes = within @ axes
    n_tested = max(_TESTED_ROWS // len(groups), 2)
    samples = [
        (
            mapped[_spaced(group.source, n_tested)],
            target[_spaced(group.target, 2 * n_tested)],
        )
        for group in groups
    ]
    squares = [cdist(*sample, "sqeuclidean") for sample in samples]
    kept, deviations = _least(squares), []
    for axis in axes.T:
        # |a - 2 (a @ v) v - b|^2 = |a - b|^2 + 4 (a @ v) (b @ v)
        turned = [
            square + np.outer(4 * (a @ axis), b @ axis)
            for square, (a, b) in zip(squares, samples, strict=True)
        ]
        deviations.append(_deviations(_least(turned) - kept))
        if pairs is not None:
            along = mapped[pairs[:, 0]] @ axis, target[pairs[:, 1]] @ axis
            deviations[-1] = max(deviations[-1], _agreement(*along))
    order = np.argsort(deviations)[:n_open]
    return axes[:, order[np.take(deviations, order) < _CHANCE]]


def _least(squares):
    """Least value of each row of several matrices."""
    return np.concatenate([square.min(axis=1) for square in squares])


def _deviations(differences):
    """Mean of differences in units of its standard error."""
    spread = differences.std() / np.sqrt(len(differences))
    if spread > 0:
        return differences.mean() / spread
    return np.inf if differences.any() else 0.0


def _agreement(first, second):
    """Student's t of the correlation of coordinates about a known centre."""
    norms = np.linalg.norm(first) * np.linalg.norm(second)
    cosine = first @ second / norms if norms > 0 else 0.0
    rest = max(1 - cosine**2, np.finfo(cosine).eps)
    return cosine * np.sqrt((len(first) - 1) / rest)


def _spaced(rows, n_rows):
    return rows[:: max(1, len(rows) // n_rows)]


def at_the_mean(aligner, axes, mean):
    """Return the aligner with some directions of the target set to their mean."""
    if axes.shape[1] == 0:
        return aligner
    projection = np.eye(len(axes), dtype=mean.dtype)
    projection -= (axes @ axes.T).astype(mean.dtype)
    return make_pipeline(aligner, Projection(projection, mean))


class Projection(AffineMixin, BaseEstimator):
    """Projection, about a mean, of the output of another aligner (array or frame)."""

    def __init__(self, coef, mean):
        self.coef, self.mean = coef, mean
        self.coef_, self.x_mean_, self.y_mean_ = coef, mean, mean
        self.n_features_in_ = self.n_targets_ = len(coef)

    def fit(self, X, y=None):
        """Return self; the projection is given."""
        return self

    def _check_source(self, X, method):
        return X if is_of_another_library(X) else np.asarray(X)
