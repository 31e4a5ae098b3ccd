"""P-values and probabilities of pairs to be wrong, from mapped samples."""

import numpy as np
from scipy.optimize import isotonic_regression
from sklearn.utils import gen_batches

from skalign._rescale import near_one, power_of

# What a pair is compared with: the nearest of some unrelated samples on either side,
# and pairs of unrelated samples.
_NEIGHBORS, _STRANGERS, _DECOYS = 5, 128, 64
_BLOCK_ROWS = 1024
_SAFE_POWER = 30  # of 2; squares of larger or smaller float32 may be out of range
# Points from which on p-values may be uniform.
_STARTS = np.append(0, np.geomspace(1e-3, 0.5, 36))


def _distances(A, B):
    """Euclidean distances of the rows of two arrays that are near the origin."""
    squares = np.einsum("ij,ij->i", A, A)[:, None] - 2 * (A @ B.T)
    squares += np.einsum("ij,ij->i", B, B)
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


def _nearness(A, B):
    """Mean distance of each row of `A` to the nearest of the first rows of `B`.

    Row i of `B` does not count for row i of `A`.
    """
    B = B[:_STRANGERS]
    n_neighbors = min(_NEIGHBORS, len(B) - 1)
    means = np.empty(len(A), dtype=A.dtype)
    for rows in gen_batches(len(A), _BLOCK_ROWS):
        distances = _distances(A[rows], B)
        own = np.arange(rows.start, min(rows.stop, len(B)))
        distances[own - rows.start, own] = np.inf
        distances.partition(n_neighbors - 1, axis=1)
        means[rows] = distances[:, :n_neighbors].mean(axis=1)
    return means


def centred(rows):
    """Centre rows robustly, and return them with their distances from the centre.

    The centre is about the spatial median of some of the rows, by three steps of
    Weiszfeld's algorithm from the medians of the columns. Rows whose squares
    may overflow are rescaled by a power of two.
    """
    if rows.any() and abs(power_of(rows)) > _SAFE_POWER:
        rows = near_one(rows)
    some = rows[:: max(1, len(rows) // _DECOYS)]
    centre = np.median(some, axis=0)
    for _ in range(3):
        distance = np.linalg.norm(some - centre, axis=1)
        if (middle := np.median(distance)) == 0:
            break
        weight = 1 / np.maximum(distance, middle / 8)
        centre = np.average(some, 0, weight).astype(rows.dtype)
    rows = rows - centre
    return rows, np.linalg.norm(rows, axis=1)


def mismatch_pvalues(mapped, target):
    """P-value of each pair under the hypothesis that it is wrong.

    The statistic is twice the distance of the mapped sample to its target, minus the
    mean distances of the two to their nearest unrelated samples (CSLS). Mapped samples
    are brought to the place and the spread of the targets, since penalised maps shrink
    them. The distribution is that over unrelated samples, formed from other pairs.

    Parameters
    ----------
    mapped, target : ndarray of shape (n_samples, n_features), n_samples > 1
        Source samples in the target space, by a map that was not fitted on them, and
        their targets, in an order that does not depend on them.

    Returns
    -------
    pvalues : ndarray of shape (n_samples,)
        Values above 0 and at most 1, uniform for pairs that were matched at random.
    """
    mapped, distance = centred(mapped)
    target, target_distance = centred(target)
    if np.median(distance) > 0:
        mapped *= np.median(target_distance) / np.median(distance)
    near, target_near = _nearness(mapped, target), _nearness(target, mapped)
    statistic = 2 * np.linalg.norm(mapped - target, axis=1) - near - target_near
    unrelated = []
    # Each sample is in as many of these pairs as any other.
    for rows in gen_batches(len(target), _DECOYS, min_batch_size=2):
        block = 2 * _distances(mapped[rows], target[rows])
        block -= near[rows][:, None] + target_near[rows]
        unrelated.append(block[~np.eye(len(block), dtype=bool)])
    unrelated = np.sort(np.concatenate(unrelated))
    below = np.searchsorted(unrelated, statistic, side="right")
    return (1 + below) / (1 + len(unrelated))


def mismatch_probabilities(pvalues, weight):
    """Probability of each pair to be wrong, given the p-values of all.

    P-values of wrong pairs are uniform. Those of right pairs have a decreasing density,
    which is estimated without further assumptions [1]_, up to the first point beyond
    which p-values are compatible with uniform ones: all pairs beyond it are wrong.

    Parameters
    ----------
    pvalues, weight : ndarray of shape (n_samples,)
        P-values above 0 and at most 1, and weights, not negative.

    Returns
    -------
    probabilities : ndarray of shape (n_samples,)
        Probabilities, which do not decrease with the p-value.
    share : float
        Share of wrong pairs.

    References
    ----------
    .. [1] U. Grenander, "On the theory of mortality measurement, part II",
       Scandinavian Actuarial Journal 1956(2), pp. 125-153.
    """
    share, start = _uniform_part(pvalues, weight)
    if share == 0:
        return np.zeros(len(pvalues)), 0.0
    values, which = np.unique(pvalues, return_inverse=True)
    mass = np.bincount(which, weights=weight) / weight.sum()
    gap = np.diff(values, prepend=0)
    density = isotonic_regression(mass / gap, weights=gap, increasing=False).x
    probabilities = np.ones(len(values))
    np.divide(share, density, out=probabilities, where=density > share)
    probabilities[values > start] = 1.0
    return probabilities[which], share


def _uniform_part(pvalues, weight):
    """Share of uniform p-values, and the point beyond which there are no others.

    Of points up to 1/2, the first beyond which the mean of ``-log(p)``, with `p`
    stretched to [0, 1], is at most a standard error above 1, that of uniform p-values.
    """
    for start in _STARTS:
        beyond = pvalues > start
        w = weight[beyond]
        if not w.any():
            return 0.0, start
        logs = -np.log((pvalues[beyond] - start) / (1 - start))
        error = np.sqrt((w**2).sum()) / w.sum()
        if np.average(logs, weights=w) <= 1 + error:
            break
    return min(1.0, float(w.sum() / weight.sum() / (1 - start))), start


def are_informative(pvalues, weight):
    """Whether p-values are smaller than uniform ones, by three standard errors."""
    error = np.sqrt((weight**2).sum()) / weight.sum()
    return np.average(-np.log(pvalues), weights=weight) > 1 + 3 * error
