"""Rules that match mapped source samples with target samples."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn import get_config
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min

from skalign.unpaired._central_samples import n_kept

_FEW_PRODUCTS = 2**20


class Strays(NamedTuple):
    """Rule by which matches of strays are left out.

    Attributes
    ----------
    trim : float, default=0
        Share of the matches, those with the largest distances.
    max_distance : float, default=None
        Largest distance of a match. None allows any.
    """

    trim: float = 0.0
    max_distance: float | None = None

    def kept(self, squares):
        """Positions of the matches that are kept, from their squared distances."""
        n = n_kept(len(squares), self.trim)
        kept = np.sort(np.argsort(squares, kind="stable")[:n])
        if self.max_distance is not None:
            kept = kept[np.sqrt(squares[kept]) <= self.max_distance]
        if len(kept) < 2:
            raise ValueError(
                f"trim={self.trim} and max_distance={self.max_distance} leave "
                f"{len(kept)} of {len(squares)} matches; at least 2 are needed. The "
                f"smallest distance of a match is {np.sqrt(squares.min()):.3g}. Reduce "
                "trim or increase max_distance."
            )
        return kept


NO_STRAYS = Strays()


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

    def without(self, strays):
        """Return the matches without those of strays."""
        kept = strays.kept(self.distances)
        n_groups = len(self.group_sizes)
        group = np.repeat(np.arange(n_groups), self.group_sizes)[kept]
        parts = (part[kept] for part in (self.source, self.target, self.distances))
        return Matches(*parts, np.bincount(group, minlength=n_groups))

    def groups(self):
        """Return the groups of the samples that are matched."""
        ends = np.cumsum(self.group_sizes)[:-1]
        sides = (
            [np.unique(part) for part in np.split(rows, ends)]
            for rows in (self.source, self.target)
        )
        return [
            Group(*rows, (len(rows[0]), len(rows[1])))
            for rows in zip(*sides, strict=True)
            if len(rows[0])
        ]


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


def match(mapped, y, groups, matching, strays=NO_STRAYS):
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
    strays : Strays, default=NO_STRAYS
        Matches to leave out, over all groups.

    Returns
    -------
    matches : Matches

    Raises
    ------
    ValueError
        If strays are left out and fewer than two matches are kept.
    """
    parts, centre = [], y.mean(axis=0)
    mapped, y = mapped - centre, y - centre  # far from it, products are all rounding
    for group in groups:
        source, target, distances = MATCHINGS[matching](
            mapped[group.source], y[group.target], group.n_drawn
        )
        parts.append((group.source[source], group.target[target], distances))
    joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    matches = Matches(*joined, np.array([len(part[0]) for part in parts]))
    return matches if strays == NO_STRAYS else matches.without(strays)


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
