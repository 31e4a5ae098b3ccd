"""Initial rotations from k-means centroids matched by their similarities."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from skalign._rescale import unit_rows
from skalign.moments import nearest_rotation
from skalign.unpaired._soft_matching import mean_cross

N_AXES, N_ROWS = 64, 2000
_RUNS, _CLUSTERS, _MEMBERS = 3, (20, 40), 10  # at least ten members on average
_ORDERS, _NEIGHBORS = 150, 10
_LEAST_GAIN = 1e-4  # of an exchange, above the rounding of float32


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
        Determines clusters and the initial orders of the assignment.
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
    orders = rng.random_sample((_ORDERS, n_clusters)).argsort(axis=1)
    return first, second[best_order(first @ first.T, second @ second.T, orders)]


def best_order(first, second, orders):
    """Return the order of the second matrix in which it is most like the first.

    From each initial order, the two positions are exchanged whose exchange gains most
    (2-opt), until none does. The best result has the largest sum of products of the
    two matrices.

    Parameters
    ----------
    first, second : ndarray of shape (n, n)
        Symmetric matrices of cosines. Their diagonals are taken to be 1.
    orders : ndarray of int of shape (n_orders, n)
        Initial permutations.

    Returns
    -------
    order : ndarray of int of shape (n,)
    """
    n = len(first)
    first, second = (np.asarray(side, np.float32).copy() for side in (first, second))
    for side in (first, second):
        np.fill_diagonal(side, 1)
    orders, going = orders.copy(), np.arange(len(orders))
    for _ in range(n * n):
        now = orders[going]
        ordered = second[now[:, :, None], now[:, None, :]]
        products = first @ ordered
        products -= np.einsum("bii->bi", products)[:, :, None]
        gains = products + products.transpose(0, 2, 1)
        gains += 2 * (1 - first) * (1 - ordered)
        gains = gains.reshape(len(going), -1)
        best = gains.argmax(axis=1)
        gain = np.take_along_axis(gains, best[:, None], axis=1)[:, 0]
        going, best = going[gain > _LEAST_GAIN], best[gain > _LEAST_GAIN]
        if not len(going):
            break
        r, s = np.divmod(best, n)
        orders[going, r], orders[going, s] = orders[going, s], orders[going, r]
    ordered = second[orders[:, :, None], orders[:, None, :]]
    return orders[np.einsum("ij,bij->b", first, ordered).argmax()]
