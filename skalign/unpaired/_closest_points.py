"""Alternation between matching samples and fitting a map to the matches."""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skalign._routing import transform_target
from skalign._validation import is_whole
from skalign.unpaired._covariance_map import VarianceMap
from skalign.unpaired._matching import NO_STRAYS, match

_CORES = 0.75, 0.9


class Stage:
    """Stage of the schedule: a map and its maximum number of iterations.

    Parameters
    ----------
    aligner : {"rotation", "covariance"} or object
        Map with the variance of the sides, or a paired aligner.
    n_iter : int
        Maximum number of iterations.
    below : float, default=inf
        Matching cost at or above which the stage is omitted.
    allow_reflection : bool, default=True
        Whether the map may be a reflection. If False, a paired aligner must refuse them
        itself.
    """

    def __init__(self, aligner, n_iter, below=np.inf, *, allow_reflection=True):
        refused = isinstance(aligner, str) or not getattr(
            aligner, "allow_reflection", True
        )
        if not (allow_reflection or refused):
            raise ValueError(
                f"allow_reflection=False, but {aligner!r} may fit a reflection. Use "
                "'rotation', 'covariance', or an aligner with allow_reflection=False, "
                "such as RigidAligner(allow_reflection=False)."
            )
        self.aligner = aligner
        self.n_iter = n_iter
        self.below = below
        self.allow_reflection = allow_reflection

    def fit(self, rows, targets, weights, spreads):
        """Return a map fitted to matched samples."""
        if isinstance(self.aligner, str):
            source, target = spreads()
            aligner = VarianceMap(
                self.aligner == "covariance",
                source=source,
                target=target,
                allow_reflection=self.allow_reflection,
            )
        else:
            aligner = clone(self.aligner)
        if weights is None or not has_fit_parameter(aligner, "sample_weight"):
            return aligner.fit(rows, targets)
        return aligner.fit(rows, targets, sample_weight=weights)

    def learns_scale(self, rows, targets, weights, spreads):
        """Whether the map shrinks if the distances of the targets are halved."""
        centre, spread = targets.mean(axis=0), []
        for factor in (1.0, 0.5):
            nearer = (centre + factor * (targets - centre)).astype(targets.dtype)
            mapped = self.fit(rows, nearer, weights, spreads).transform(rows)
            spread.append(np.asarray(mapped).var(axis=0).sum())
        return spread[1] < 0.9 * spread[0]


def check_stages(aligner, max_iter, allow_reflection=True):
    """Return the list of `Stage` for a value of the parameter `aligner`."""
    stage = partial(Stage, allow_reflection=allow_reflection)
    if not isinstance(aligner, list):
        return [stage(aligner, max_iter)]
    stages = []
    for entry in aligner:
        if not (isinstance(entry, tuple) and len(entry) == 2):
            raise ValueError(
                f"A schedule is a list of (aligner, n_iter); got the entry {entry!r}."
            )
        inner, n_iter = entry
        known = inner in ("rotation", "covariance") if isinstance(inner, str) else (
            hasattr(inner, "fit") and hasattr(inner, "transform")
        )  # fmt: skip
        if not known:
            raise ValueError(
                "A stage is 'rotation', 'covariance' or an aligner with fit and "
                f"transform; got {inner!r}."
            )
        if not is_whole(n_iter) or n_iter < 1:
            raise ValueError(f"n_iter={n_iter!r} of a stage must be an int >= 1.")
        stages.append(stage(inner, n_iter))
    if not stages:
        raise ValueError("A schedule must have at least one stage; got [].")
    return stages


class Fit(NamedTuple):
    """Result of iterative closest points."""

    aligner: object
    mapped: np.ndarray  # samples of both sides where the aligner compares them
    target: np.ndarray
    groups: list  # samples that are no strays
    costs: np.ndarray  # of the matches, at the start and after each iteration
    move: float  # of the last iteration
    variance_ratio: float
    core_ratios: np.ndarray  # the same without a quarter and a tenth of the rows
    learns_scale: object  # a call says whether matches gave the map its scale


def closest_points(
    X,
    y,
    aligner,
    stages,
    groups,
    *,
    matching,
    tol,
    weigh,
    spreads,
    progress,
    pairs=None,
    strays=NO_STRAYS,
):
    """Alternate between matching and fitting, stage by stage.

    Parameters
    ----------
    X, y : ndarray of shape (n_samples, n_features) and (n_target_samples, n_targets)
        Samples of both sides.
    aligner : object
        Fitted initial aligner.
    stages : list of Stage
        Stages of the schedule.
    groups : list of Group
        Samples that may be matched with one another.
    matching : str
        Matching rule.
    tol : float
        Mean squared change, relative to the target's variance, that ends a stage.
    weigh : callable
        Returns the weights of matches from their numbers in each group, or None.
    spreads : callable
        Returns the `spread_of` each side from a list of Group.
    progress : Progress or None
        Notified of each iteration.
    pairs : ndarray of shape (n_pairs, 2), default=None
        Indices of samples that are known to match.
    strays : Strays, default=NO_STRAYS
        Matches to leave out. If there are any, variances are those of the samples in
        the other matches.

    Returns
    -------
    fit : Fit
    """
    if np.all(y == y[0]):
        raise ValueError("All samples of a side are equal: there is nothing to align.")
    mapped, target = _compared(aligner, X, y)
    matches = match(mapped, target, groups, matching, strays)
    i, j = _inliers(matches, strays, target)
    costs, move, stopped = [_cost(matches, target[j])], 0.0, False
    spreads_of_all = cache(partial(spreads, groups))
    learns_scale = bool  # False before the first map
    for stage in stages:
        n_left = stage.n_iter if costs[-1] < stage.below else 0
        while n_left and not stopped:
            if progress is not None:
                progress.begin_step()
            weights = weigh(matches.group_sizes)
            source_rows, target_rows = matches.source, matches.target
            if pairs is not None:
                source_rows = np.concatenate([source_rows, pairs[:, 0]])
                target_rows = np.concatenate([target_rows, pairs[:, 1]])
            if len(source_rows) < 2:
                raise ValueError(
                    f"matching={matching!r} found {len(source_rows)} matches; at least "
                    "2 are needed."
                )
            sides = spreads_of_all
            if strays != NO_STRAYS:
                sides = partial(spreads, matches.groups())
            fitted_to = X[source_rows], y[target_rows], weights, sides
            aligner = stage.fit(*fitted_to)
            learns_scale = partial(stage.learns_scale, *fitted_to)
            before = mapped
            mapped, target = _compared(aligner, X, y)
            matches = match(mapped, target, groups, matching, strays)
            i, j = _inliers(matches, strays, target)
            move = np.mean((mapped - before)[i] ** 2) / np.mean(target[j].var(axis=0))
            costs.append(_cost(matches, target[j]))
            if progress is not None:
                stopped = progress.end_step(aligner_=aligner, n_iter_=len(costs) - 1)
            n_left = 0 if move < tol else n_left - 1
    if strays != NO_STRAYS:
        groups = matches.groups()
    ratio = float(mapped[i].var(axis=0).sum() / target[j].var(axis=0).sum())
    core_ratios = np.array([
        _core(mapped, [group.source for group in groups], share)
        / _core(target, [group.target for group in groups], share)
        for share in _CORES
    ])  # fmt: skip
    return Fit(
        aligner,
        mapped,
        target,
        groups,
        np.array(costs),
        move,
        ratio,
        core_ratios,
        learns_scale,
    )


def _inliers(matches, strays, target):
    """Samples of each side that are no strays: all, or those that are matched."""
    if strays == NO_STRAYS:
        return slice(None), slice(None)
    i, j = np.unique(matches.source), np.unique(matches.target)
    if np.all(target[j] == target[j[:1]]):
        raise ValueError(
            f"The {len(matches.source)} matches that are no strays have equal targets, "
            "which determine no map. Allow for more, or choose another start."
        )
    return i, j


def _core(rows, groups, share):
    """Return the mean squared distance of the central part of each group to its centre.

    Outliers are ignored, and all groups have equal weight.
    """
    centre = np.mean([np.median(rows[group], axis=0) for group in groups], axis=0)
    means = []
    for group in groups:
        distances = np.sort(np.sum((rows[group] - centre) ** 2, axis=1))
        means.append(distances[: int(np.ceil(share * len(group)))].mean())
    return max(float(np.mean(means)), np.finfo(rows.dtype).tiny)


def _compared(aligner, X, y):
    """Map samples of both sides to the space in which `aligner` compares them."""
    return np.asarray(aligner.transform(X)), np.asarray(transform_target(aligner, y))


def _cost(matches, target):
    """Mean squared distance of matches, relative to the variance of the target."""
    return float(matches.distances.mean() / target.var(axis=0).sum())
