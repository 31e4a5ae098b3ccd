"""Rotations between two sets of samples, refined by entropic transport plans."""

from copy import copy
from math import isqrt
from typing import NamedTuple

import numpy as np
from scipy.linalg import svd
from sklearn import get_config
from sklearn.utils import gen_batches

from skalign._rescale import unit_rows
from skalign.moments import nearest_rotation, rotation_from_axes
from skalign.unpaired._covariance_map import fixed_map

_TEMPERATURE, _SINKHORN_STEPS = 0.05, 10
_OTHER_CLASS = 1.0  # subtracted where classes differ: twenty temperatures
_JUDGED, _JUDGED_AXES = 1000, 200  # on which rotations are compared
_ROWS, _ROWS_PER_AXIS = 100, 10  # that suffice for a round
_BATCH = 4096


def _memory(share):
    """Number of float32 values that a share of scikit-learn's working memory holds."""
    return int(get_config()["working_memory"] * 2**20 * share / 4)


class Coordinates(NamedTuple):
    """Samples of one side in its principal axes, the largest variance first.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the samples.
    axes : ndarray of shape (n_features, n_axes)
        Principal axes with a nonzero variance, orthonormal.
    scale : float
        Root mean squared distance of the samples to the mean.
    kept : ndarray of int of shape (n_kept,)
        Positions of the samples in `rows`.
    rows : ndarray of shape (n_kept, n_axes), float32
        Coordinates divided by `scale`.
    """

    mean: np.ndarray
    axes: np.ndarray
    scale: float
    kept: np.ndarray
    rows: np.ndarray

    @classmethod
    def from_rows(cls, rows, spectrum, rng):
        """Return coordinates of as many samples as an eighth of working memory holds.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
            Samples.
        spectrum : Spectrum
            Their mean and principal axes.
        rng : RandomState
            Draws the samples that are kept.
        """
        axes, scale = spectrum.vectors, float(np.sqrt(spectrum.values.sum()))
        most = max(_memory(1 / 8) // axes.shape[1], _JUDGED)
        kept = np.arange(len(rows))
        if len(rows) > most:
            kept = np.sort(rng.choice(len(rows), most, replace=False))
        coordinates = np.empty((len(kept), axes.shape[1]), np.float32)
        self = cls(spectrum.mean, axes, scale, kept, coordinates)
        for batch in gen_batches(len(kept), _BATCH):
            coordinates[batch] = self.of(rows[kept[batch]])
        return self

    def of(self, rows):
        """Coordinates of other samples in these axes."""
        return ((rows - self.mean) / self.scale @ self.axes).astype(np.float32)


class Schedule(NamedTuple):
    """Rounds of refinement.

    Attributes
    ----------
    n_rounds : int
        Number of rounds.
    n_rows : int
        Number of samples of each side that a round draws.
    n_axes : tuple of two int
        Numbers of leading axes that are rotated in the first and in the last round.
    power : float, default=0
        Singular values of the cross-covariance, to this power, weight the directions
        in which samples are compared.
    momentum : float, default=0
        Share of the cross-covariance that is kept from round to round.
    """

    n_rounds: int
    n_rows: int
    n_axes: tuple
    power: float = 0.0
    momentum: float = 0.0


def transport_plan(similarities):
    """Return the entropic plan between two samples of equal weights.

    Parameters
    ----------
    similarities : ndarray of shape (n, m)
        Inner products of samples of mean squared norm 1, minus half the squared norms
        of the second. Overwritten by the plan.

    Returns
    -------
    plan : ndarray of shape (n, m)
        Entries that are not negative; columns sum to ``1 / m``, rows to about
        ``1 / n``.
    """
    similarities -= similarities.max(axis=1, keepdims=True)
    similarities /= _TEMPERATURE
    plan = np.exp(similarities, out=similarities)
    n, m = plan.shape
    tiny = np.finfo(plan.dtype).tiny
    right = np.full(m, 1 / m, dtype=plan.dtype)
    for _ in range(_SINKHORN_STEPS):
        left = 1 / (n * np.maximum(plan @ right, tiny))
        right = 1 / (m * np.maximum(left @ plan, tiny))
    plan *= left[:, None]
    plan *= right
    return plan


class SoftMatching:
    """Refinement and comparison of rotations between two sets of samples.

    Parameters
    ----------
    source, target : Coordinates
        The two sides.
    rng : RandomState
        Draws samples.
    labels : tuple of two ndarray of int, default=None
        Classes of the coordinates' samples; matches between classes are penalised.
    pairs : tuple of two ndarray of shape (n_pairs, n_axes), default=None
        Coordinates of samples that are known to correspond.
    dtype : dtype, default=float64
        Type of the maps.
    proper : bool, default=False
        Whether rotations of all axes must have the determinant +1.
    """

    def __init__(
        self,
        source,
        target,
        rng,
        *,
        labels=None,
        pairs=None,
        dtype=np.float64,
        proper=False,
    ):
        self.source, self.target = source, target
        self.labels, self.pairs = labels, pairs
        self.width = min(source.rows.shape[1], target.rows.shape[1])
        self._rng, self._dtype, self._proper = rng, dtype, proper
        self.n_samples = len(source.rows), len(target.rows)
        self._judged = self._draw(_JUDGED)

    @classmethod
    def from_rows(
        cls, X, y, spreads, rng, *, classes=None, pairs=None, allow_reflection=True
    ):
        """Return a matching of two sides with known principal axes.

        Parameters
        ----------
        X, y : ndarray of shape (n_samples, n_features) and (n_target_samples, \
                n_targets)
            Samples of both sides.
        spreads : tuple of two Spectrum
            Means and principal axes of both sides.
        rng : RandomState
            Draws samples.
        classes : tuple or None
            Labels of both sides, and the classes that are on both.
        pairs : ndarray of shape (n_pairs, 2), default=None
            Positions of samples that are known to correspond.
        allow_reflection : bool, default=True
            Whether maps may be reflections. It makes no difference if the axes of
            either side do not span all features, or if the numbers of these differ.
        """
        shapes = {*spreads[0].vectors.shape, *spreads[1].vectors.shape}
        proper = not allow_reflection and len(shapes) == 1
        if proper:
            spreads = [_right_handed(spread) for spread in spreads]
        sides = [
            Coordinates.from_rows(rows, spread, rng)
            for rows, spread in zip((X, y), spreads, strict=True)
        ]
        labels = known = None
        if classes is not None:
            labels = [
                _codes(names[side.kept], classes[-1], other)
                for names, side, other in zip(classes[:2], sides, (-1, -2), strict=True)
            ]
        if pairs is not None:
            known = [
                side.of(rows[positions])
                for side, rows, positions in zip(sides, (X, y), pairs.T, strict=True)
            ]
        return cls(
            *sides, rng, labels=labels, pairs=known, dtype=X.dtype, proper=proper
        )

    def rotation_of(self, coef):
        """Coordinates of a linear map of the original features, without its scale."""
        left, right = self.source.axes, self.target.axes
        return left.T.astype(np.float64) @ coef @ right

    def map_of(self, rotation):
        """Map of the original features, with the ratio of the scales of its axes."""
        k, m = rotation.shape
        left, right = self.source, self.target
        ratio = _size(right.rows[:, :m]) * right.scale
        ratio /= _size(left.rows[:, :k]) * left.scale
        coef = ratio * (left.axes[:, :k] @ rotation @ right.axes[:, :m].T)
        parts = coef, left.mean, right.mean
        return fixed_map(*(part.astype(self._dtype) for part in parts))

    def _draw(self, n_rows):
        limit = isqrt(_memory(1 / 2))
        sides = (self.source.rows, self.target.rows)
        return [
            self._rng.choice(len(rows), min(n_rows, limit, len(rows)), replace=False)
            for rows in sides
        ]

    def _cross(self, rotation, sample, width):
        """Cross-covariance, (width, width), of samples that are matched by a rotation.

        It is divided by the root mean squared norms, so that its nuclear norm is at
        most 1.
        """
        left, right = (
            side.rows[rows]
            for side, rows in zip((self.source, self.target), sample, strict=True)
        )
        mapped = left[:, : len(rotation)] @ rotation.astype(np.float32)
        image = right[:, : rotation.shape[1]]
        mapped, image = mapped / _size(mapped), image / _size(image)
        similarities = mapped @ image.T - _squares(image) / 2  # rows have any offset
        if self.labels is not None:
            i, j = sample
            other = self.labels[0][i][:, None] != self.labels[1][j]
            similarities -= np.float32(_OTHER_CLASS) * other
        plan = transport_plan(similarities)
        left, right = left[:, :width], right[:, :width]
        cross = left.T @ (plan @ right)
        return cross.astype(np.float64) / (_size(left) * _size(right))

    def _allows_reflection(self, width):
        """Whether rotations of so many leading axes may have the determinant -1."""
        return not (self._proper and width == self.width)

    def nearest(self, cross):
        """Rotation of leading axes nearest to a cross-covariance; inner product."""
        allowed = self._allows_reflection(len(cross))
        return nearest_rotation(cross, allow_reflection=allowed)

    def consensus(self, rotations):
        """Rotation nearest to the mean of several of equal shape."""
        return self.nearest(np.sum(rotations, axis=0))[0]

    def objective(self, rotation):
        """Nuclear norm of the cross-covariance of fixed samples, from 0 to 1.

        If reflections are not allowed, its inner product with the nearest rotation.
        """
        cross = self._cross(rotation, self._judged, min(self.width, _JUDGED_AXES))
        if not self._allows_reflection(len(cross)):
            return self.nearest(cross)[1]
        return float(svd(cross, compute_uv=False, check_finite=False).sum())

    def ranks(self, rotation, first, second):
        """Ranks, from 1, of corresponding samples among those of the target."""
        k, m = rotation.shape
        mapped = unit_rows(first[:, :k] @ rotation.astype(np.float32))
        second = unit_rows(second[:, :m])
        own, ranks = np.einsum("ij,ij->i", mapped, second), np.ones(len(first))
        for batch in gen_batches(len(self.target.rows), _BATCH):
            others = unit_rows(self.target.rows[batch, :m])
            for part in gen_batches(len(first), _BATCH):
                nearer = mapped[part] @ others.T > own[part, None]
                ranks[part] += nearer.sum(axis=1)
        return ranks

    def with_pairs(self, pairs):
        """Return a copy with other known pairs."""
        other = copy(self)
        other.pairs = pairs
        return other

    def cosine(self, first, second):
        """Cosine, over some source samples, between their images by two rotations."""
        k = min(len(first), len(second))
        rows = self.source.rows[self._judged[0], :k]
        first, second = rows @ first[:k], rows @ second[:k]
        k = min(first.shape[1], second.shape[1])
        product = np.vdot(first[:, :k], second[:, :k])
        return product / (np.linalg.norm(first) * np.linalg.norm(second))

    def refine(self, rotation, schedule, *, pair_weight=0.0):
        """Refine a rotation of leading axes by rounds of matching and fitting.

        Parameters
        ----------
        rotation : ndarray of shape (n_axes, n_axes)
            Initial rotation.
        schedule : Schedule
            The rounds.
        pair_weight : float, default=0
            Weight of the mean over known pairs, beside that over the plan.

        Returns
        -------
        rotation : ndarray of shape (n_axes, n_axes)
        """
        first, last = (min(n, self.width) for n in schedule.n_axes)
        widths = np.linspace(first, last, schedule.n_rounds + 1).round().astype(int)
        known = 0.0
        if self.pairs is not None and pair_weight:
            known = pair_weight * mean_cross(*self.pairs)[:last, :last]
        cross, matching = None, rotation
        for width in widths[1:]:
            sample = self._draw(min(schedule.n_rows, max(_ROWS, _ROWS_PER_AXIS * last)))
            fresh = self._cross(matching, sample, last) + known
            if cross is not None:
                keep = schedule.momentum
                fresh = keep * cross + (1 - keep) * fresh
            cross = fresh
            U, s, Vt = svd(cross[:width, :width], check_finite=False)
            allowed = self._allows_reflection(width)
            rotation, _ = rotation_from_axes(U, s, Vt, allowed)
            matching = (U * np.abs(s / s[0]) ** schedule.power) @ Vt
        return rotation


def _codes(labels, classes, other):
    """Number the classes, and labels that are not among them `other`."""
    codes = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    return np.where(classes[codes] == labels, codes, other)


def _size(rows):
    """Root mean squared norm."""
    return np.sqrt(np.mean(_squares(rows)))


def _squares(rows):
    return np.einsum("ij,ij->i", rows, rows)


def mean_cross(first, second):
    """Mean outer product of corresponding rows, in float64."""
    return first.T.astype(np.float64) @ second / len(first)


def _right_handed(spread):
    """Return principal axes of all features with the determinant +1."""
    signs = np.ones(len(spread.vectors), dtype=spread.vectors.dtype)
    signs[-1] = np.sign(np.linalg.det(spread.vectors))
    return spread._replace(vectors=spread.vectors * signs)
