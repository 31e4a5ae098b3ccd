"""Initial rotations from k-means centroids matched by their similarities."""

import warnings

import numpy as np
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skalign._rescale import unit_rows
from skalign.moments import nearest_rotation
from skalign.unpaired._soft_matching import mean_cross

N_AXES, N_ROWS = 64, 2000
_RUNS, _CLUSTERS, _MEMBERS = 5, (15, 30), 10  # at least ten members on average
_POSITIONS, _NEIGHBORS = 30, 10


def cluster_rotation(source, target, seed):
    """Return a rotation from matched centroids, (n_axes, n_axes).

    Several times, both sides are divided by k-means, and the matrices of cosines of
    their centroids are matched as a quadratic assignment problem. All matched centroids
    serve as anchors of a relative representation, in which each source sample is
    paired with its nearest target samples.

    Parameters
    ----------
    source, target : ndarray of shape (n, n_axes) and (m, n_axes)
        Coordinates of samples in the leading axes of each side.
    seed : int
        Determines clusters and initial positions of the assignment.
    """
    rng = check_random_state(seed)
    source, target = unit_rows(source), unit_rows(target)
    anchors = [matched_centroids(source, target, rng) for _ in range(_RUNS)]
    relative = []
    for rows, centroids in zip(
        (source, target), zip(*anchors, strict=True), strict=True
    ):
        cosines = rows @ np.concatenate(centroids).T
        relative.append(unit_rows(cosines - cosines.mean(axis=0)))
    n_neighbors = min(_NEIGHBORS, len(target))
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute")
    found = neighbors.fit(relative[1]).kneighbors(relative[0], return_distance=False)
    return nearest_rotation(mean_cross(source, target[found].mean(axis=1)))[0]


def matched_centroids(source, target, rng):
    """Return as many unit centroids of each side, in matching order."""
    least, most = _CLUSTERS
    fewest = min(len(source), len(target))
    n_clusters = max(min(rng.randint(least, most + 1), fewest // _MEMBERS), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal samples
        first, second = (
            unit_rows(
                KMeans(n_clusters, n_init=1, random_state=rng)
                .fit(rows)
                .cluster_centers_
            )
            for rows in (source, target)
        )
    cosines = [(c @ c.T).astype(np.float64) for c in (first, second)]

    def solve(method, **options):
        seeded = np.random.default_rng(rng.randint(np.iinfo(np.int32).max))
        options = {"maximize": True, "rng": seeded, **options}
        return quadratic_assignment(*cosines, method=method, options=options)

    tried = [solve("faq", P0="randomized") for _ in range(_POSITIONS)]
    best = max(tried, key=lambda result: result.fun).col_ind
    guess = np.column_stack([np.arange(n_clusters), best])
    return first, second[solve("2opt", partial_guess=guess).col_ind]
