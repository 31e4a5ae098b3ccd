"""Initial maps of an alignment by third moments, compared by matching samples."""

from typing import NamedTuple

import numpy as np

from skalign.moments import complement
from skalign.unpaired._closest_points import Stage
from skalign.unpaired._covariance_map import fixed_map
from skalign.unpaired._moment import (
    block_weights,
    differ_by_chance,
    rotation_coef,
    row_moments,
    shell_doubts,
    shell_sides,
)
from skalign.unpaired._moment_matching import (
    Side,
    only_determinant,
    open_axes,
    random_rotations,
    search,
)

# Rotations tried by matching: number, objective margin, samples and iterations.
_TRIED, _TRIED_MARGIN, _TRIED_ROWS, _TRIED_ITER = 4, 0.05, 1000, 2
# Ratio of costs that count as tied; distance from which tied maps count as different.
_TIED, _APART = 1.05, 0.1


class MomentStart(NamedTuple):
    """Maps under which the moments of both sides agree, the best first.

    Attributes
    ----------
    maps : list of fitted aligner
        Rotations of the leading axes, with a scale.
    n_axes : int
        Number of leading axes.
    open_ : ndarray of shape (n_targets, n_open)
        Directions of the target that the moments leave open.
    doubts : list of str
        Reasons why the best map may be wrong.
    """

    maps: list
    n_axes: int
    open_: np.ndarray
    doubts: list


def class_sides(X, y, labels, target_labels, classes, n_axes):
    """Return the group moments of both sides, with classes of equal weight."""
    weights = np.full(len(classes), 1 / len(classes))
    sides = []
    for name, rows, groups in (("X", X, labels), ("y", y, target_labels)):
        moments, embedding = row_moments(rows, groups, n_axes, name)
        sides.append(Side(moments.take(classes), weights, embedding))
    return sides


def moment_start(
    X, y, classes, draw, refine, rng, *, n_restarts, n_shells, n_axes, kind, max_iter,
    pairs=None, allow_reflection=True,
):  # fmt: skip
    """Find rotations by moments, and order them by the distance of matched samples.

    Rotations of leading axes only are in the order of the agreement of their moments.

    Parameters
    ----------
    X, y : ndarray of shape (n_samples, n_features) and (n_target_samples, n_targets)
        Samples of both sides.
    classes : tuple or None
        Labels of both sides, and the classes that are on both. None takes groups of
        samples by norm instead.
    draw : callable
        Draws the groups to match from a maximum number of samples and a generator.
    refine : callable
        Refines an aligner by stages of matching.
    rng : RandomState
        Determines initial rotations and the samples drawn.
    n_restarts, n_shells, n_axes, max_iter : int
        As the parameters of :class:`WassersteinProcrustesAligner`.
    kind : {"rotation", "covariance"}
        Class of map by which rotations are tried.
    pairs : ndarray of shape (n_pairs, 2), default=None
        Positions of samples that are known to correspond.
    allow_reflection : bool, default=True
        Whether the maps may be reflections.

    Returns
    -------
    start : MomentStart
    """
    if classes is None:
        sides = shell_sides(X, y, n_shells=n_shells, n_axes=n_axes)
    else:
        sides = class_sides(X, y, *classes, n_axes)
    source, target = sides
    k = min(source.n_axes, target.n_axes, n_axes)
    _, weights = block_weights(source, target)
    known = None
    if pairs is not None:
        known = (
            (X[pairs[:, 0]] - source.mean) @ source.axes,
            (y[pairs[:, 1]] - target.mean) @ target.axes,
        )
    starts = random_rotations(n_restarts, k, rng)
    determinant = only_determinant(source, target, allow_reflection)
    optima = search(
        source,
        target,
        weights,
        starts,
        n_axes=k,
        pairs=known,
        determinant=determinant,
    )
    least = optima[0].objective - _TRIED_MARGIN
    optima = [o for o in optima[:_TRIED] if o.objective > least]
    means = source.mean.astype(X.dtype), target.mean.astype(X.dtype)
    maps = [
        fixed_map(rotation_coef(source, target, o.rotation).astype(X.dtype), *means)
        for o in optima
    ]
    noise = max(source.skewness_noise, target.skewness_noise)
    doubts = [] if classes else shell_doubts(noise, 0.0)
    if len(maps) > 1 and k == min(X.shape[1], y.shape[1]):
        groups = draw(_TRIED_ROWS, rng)
        n_iter = min(_TRIED_ITER, max_iter)
        stages = [Stage(kind, n_iter, allow_reflection=allow_reflection)]
        tried = [refine(start, stages, groups, progress=None) for start in maps]
        costs = [fit.costs[-1] + pair_cost(fit, X, y, pairs) for fit in tried]
        first = int(np.argmin(costs))
        rivals = [
            fit.aligner
            for fit, cost, optimum in zip(tried, costs, optima, strict=True)
            if cost < _TIED * costs[first]
            and differ_by_chance(*sides, weights, [optima[first], optimum])
        ]
        if _carry_apart(X, y, tried[first].aligner, rivals):
            doubts.append("another map has a similar agreement and matching cost")
        maps.insert(0, maps.pop(first))
        optima.insert(0, optima.pop(first))
    open_ = _open_directions(source, target, weights, optima[0].rotation, determinant)
    return MomentStart(maps, k, open_, doubts)


def _open_directions(source, target, weights, rotation, determinant):
    """Return target directions that moments leave open, (n_targets, n_open)."""
    k = len(rotation)
    leading = target.axes[:, :k]
    axes = open_axes(source, target, weights, rotation, determinant=determinant)
    return complement(leading @ complement(axes))


def pair_cost(fit, X, y, pairs):
    """Mean squared distance of known pairs, as a share of the target's variance."""
    if pairs is None:
        return 0.0
    steps = fit.aligner.transform(X[pairs[:, 0]]) - y[pairs[:, 1]]
    return float(np.mean(steps**2) / np.mean(y.var(axis=0)))


def _carry_apart(X, y, aligner, others):
    """Return whether one of the others maps samples far from where `aligner` does."""
    mapped = aligner.transform(X)
    far = _APART * np.mean(y.var(axis=0))
    return any(np.mean((other.transform(X) - mapped) ** 2) > far for other in others)
