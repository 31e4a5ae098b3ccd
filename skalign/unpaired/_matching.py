"""Rules that match mapped source samples with target samples."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn import get_config
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min

_FEW_PRODUCTS = 2**20


class Matches(NamedTuple):
    """Matched samples and their distances.

    Attributes
    ----------
    source, target : ndarray of shape (n_matches,)
        Positions of the rows.
    distances : ndarray of shape (n_matches,)
        Squared distances.
    group_sizes : ndarray of shape (n_groups,)
        Numbers of matches in each group; they lie one group after another.
    """

    source: np.ndarray
    target: np.ndarray
    distances: np.ndarray
    group_sizes: np.ndarray


class Group(NamedTuple):
    """Samples that may be matched with one another.

    Attributes
    ----------
    source, target : ndarray of shape (n,) and (m,)
        Positions of the rows.
    n_drawn : tuple of two int
        How many of the first rows of each side look for a match; the others can only
        be found.
    """

    source: np.ndarray
    target: np.ndarray
    n_drawn: tuple


def nearest(queries, rows):
    """Return indices of the nearest of `rows`, and squared distances, in chunks."""
    if len(queries) * rows.size <= _FEW_PRODUCTS:  # checks would take longer
        squares = cdist(queries, rows, "sqeuclidean")
        found = squares.argmin(axis=1)
        if np.isfinite(distances := squares[np.arange(len(found)), found]).all():
            return found, distances
    return pairwise_distances_argmin_min(queries, rows, metric="sqeuclidean")


def match_nearest(mapped, y, n_drawn):
    """Match each source sample with the nearest target sample."""
    found, distances = nearest(mapped[: n_drawn[0]], y)
    return np.arange(len(found)), found, distances


def match_mutual(mapped, y, n_drawn):
    """Match samples that are mutual nearest neighbours."""
    source, found, distances = match_nearest(mapped, y, n_drawn)
    candidates, back = np.unique(found, return_inverse=True)
    mutual = nearest(y[candidates], mapped)[0][back] == source
    return source[mutual], found[mutual], distances[mutual]


def match_both(mapped, y, n_drawn):
    """Match samples of either side with the nearest sample of the other."""
    source, target, there = match_nearest(mapped, y, n_drawn)
    found, back = nearest(y[: n_drawn[1]], mapped)
    return (
        np.concatenate([source, found]),
        np.concatenate([target, np.arange(len(found))]),
        np.concatenate([there, back]),
    )


def match_assignment(mapped, y, n_drawn):
    """Match samples one to one with the smallest sum of squared distances."""
    n, m = n_drawn
    limit = get_config()["working_memory"]
    if (needed := 8 * n * m / 2**20) > limit:
        raise ValueError(
            f"matching='assignment' of {n} to {m} samples needs a cost matrix of "
            f"{needed:.0f} MiB; scikit-learn's working_memory is {limit} MiB. Set "
            "max_samples, or raise it by sklearn.set_config(working_memory=...)."
        )
    costs = pairwise_distances(mapped[:n], y[:m], metric="sqeuclidean")
    source, target = linear_sum_assignment(costs)
    return source, target, costs[source, target]


MATCHINGS = {
    "nearest": match_nearest,
    "mutual": match_mutual,
    "both": match_both,
    "assignment": match_assignment,
}


def match(mapped, y, groups, matching):
    """Match samples within each group.

    Parameters
    ----------
    mapped : ndarray of shape (n_samples, n_targets)
        Mapped source rows.
    y : ndarray of shape (n_target_samples, n_targets)
        Target rows.
    groups : list of Group
        Rows that may be matched with one another.
    matching : {"nearest", "mutual", "both", "assignment"}
        The rule.

    Returns
    -------
    matches : Matches
    """
    parts, centre = [], y.mean(axis=0)
    mapped, y = mapped - centre, y - centre  # far from it, products are all rounding
    for group in groups:
        source, target, distances = MATCHINGS[matching](
            mapped[group.source], y[group.target], group.n_drawn
        )
        parts.append((group.source[source], group.target[target], distances))
    joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Matches(*joined, np.array([len(part[0]) for part in parts]))


def draw_groups(labels, target_labels, classes, max_samples, rng):
    """Samples of each class, in an order whose first `max_samples` are drawn."""
    groups = []
    for c in classes:
        sides = [np.flatnonzero(side == c) for side in (labels, target_labels)]
        if max_samples is not None:
            sides = [rng.permutation(side) if len(side) > max_samples else side
                     for side in sides]  # fmt: skip
        n_drawn = tuple(min(len(side), max_samples or len(side)) for side in sides)
        groups.append(Group(*sides, n_drawn))
    return groups
