"""Comparable scores of candidates in two spaces, and the gain from converting them."""

import numpy as np
from scipy.special import ndtr
from scipy.stats import linregress
from sklearn.base import clone

from skalign._hubness import mean_of_largest
from skalign._rescale import unit_rows
from skalign._routing import transform_target

MIN_PAIRS, MAX_PAIRS, MAX_REFERENCES = 20, 10_000, 1_000
_N_PARTS, _N_NEAREST, _MAX_PVALUE = 5, 5, 0.01
_N_SPREADS, _N_BISECTIONS = 4, 10  # to a thousandth of the range of scores


def evenly(n_samples, n_kept):
    """Return at most `n_kept` positions, evenly spread over `n_samples`."""
    return np.linspace(0, n_samples, min(n_samples, n_kept), endpoint=False, dtype=int)


def query_rows(mapped):
    """Return unit rows of mapped queries, with a column of ones."""
    return np.column_stack([mapped, np.ones(len(mapped), mapped.dtype)])


def candidate_rows(y, hubness):
    """Return rows whose products with `query_rows` are cosines minus half `hubness`."""
    return np.column_stack([y, -hubness / 2])


def moments(candidates):
    """Return the mean of candidates, and a factor of their covariance."""
    mean = candidates.mean(axis=0)
    centred = (candidates - mean) / np.sqrt(len(candidates))
    return mean, np.linalg.qr(centred, mode="r")


def location_and_scale(queries, mean, factor):
    """Return mean and standard deviation of each query's products with candidates.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns)
    mean, factor : ndarray of shape (n_columns,) and (n_factor_rows, n_columns)
        As returned by `moments`.

    Returns
    -------
    location, scale : ndarray of shape (n_queries, 1)
    """
    scale = np.linalg.norm(queries @ factor.T, axis=1, keepdims=True)
    return (queries @ mean)[:, None], np.where(scale > 0, scale, 1)


def standardized(queries, candidates, references):
    """Return products, about and relative to those with the reference candidates."""
    location, scale = location_and_scale(queries, *moments(references))
    return (queries @ candidates.T - location) / scale


def predicted_cosines(own, queries, line, native, mapped):
    """Return the prediction of cosines in the source space from scores by the map.

    Parameters
    ----------
    own : ndarray of shape (n_queries, n_features)
        Unit rows of queries in the source space.
    queries : ndarray of shape (n_queries, n_columns)
        The same queries as `query_rows`.
    line : tuple of float
        As returned by `score_regression`.
    native, mapped : tuple of ndarray
        `moments` of the pairs in the source space and as `candidate_rows`.

    Returns
    -------
    shift, rate, spread : ndarray of shape (n_queries, 1)
        The prediction is ``shift + rate * score``; its standard deviation.
    """
    slope, intercept, spread = line
    location, scale = location_and_scale(own, *native)
    from_location, from_scale = location_and_scale(queries, *mapped)
    rate = slope * scale / from_scale
    return location + intercept * scale - rate * from_location, rate, spread * scale


def held_out_scores(aligner, X, y, corrections):
    """Return standardised scores of held-out pairs, by a map fitted without them.

    Parameters
    ----------
    aligner : estimator
        Aligner, which is cloned and fitted to the pairs outside of each of five parts.
    X, y : ndarray of shape (n_samples, n_features) and (n_samples, n_targets)
        Pairs.
    corrections : list of int or None
        Number of neighbours of the correction for hubs; None is without.

    Returns
    -------
    scores : list of tuple of ndarray of shape (n_scores,)
        For each correction, scores by the map and in the source space, of each held-out
        query with the five other held-out candidates that are nearest to it by the map.
    """
    part = np.arange(len(X)) % _N_PARTS
    scores = [([], []) for _ in corrections]
    for number in range(_N_PARTS):
        test = np.flatnonzero(part == number)[:MAX_REFERENCES]
        train = np.flatnonzero(part != number)
        references = train[evenly(len(train), MAX_REFERENCES)]
        fitted = clone(aligner).fit(X[train], y[train])
        mapped = unit_rows(np.asarray(fitted.transform(X)))
        targets = unit_rows(np.asarray(transform_target(fitted, y)))
        own = unit_rows(X[test])
        cosines = standardized(own, own, unit_rows(X[references]))
        n_nearest = min(_N_NEAREST, len(test) - 1)
        for csls, (by_map, native) in zip(corrections, scores, strict=True):
            candidates, others = (
                candidate_rows(
                    targets[rows], hubness(targets[rows], mapped[train], csls)
                )
                for rows in (test, references)
            )
            found = standardized(query_rows(mapped[test]), candidates, others)
            np.fill_diagonal(found, -np.inf)  # the query itself
            nearest = np.argpartition(-found, n_nearest - 1, axis=1)[:, :n_nearest]
            by_map.append(np.take_along_axis(found, nearest, axis=1).ravel())
            native.append(np.take_along_axis(cosines, nearest, axis=1).ravel())
    return [tuple(map(np.concatenate, both)) for both in scores]


def hubness(candidates, hub_queries, csls):
    """Return the mean cosine of candidates to their nearest queries; without, zeros."""
    if csls is None:
        return np.zeros(len(candidates), candidates.dtype)
    hub_queries = hub_queries.astype(candidates.dtype, copy=False)
    return mean_of_largest(candidates, hub_queries, min(csls, len(hub_queries)))


def score_regression(mapped, native):
    """Regress scores in the source space on those by the map.

    Returns
    -------
    slope, intercept, spread : float
        Coefficients, and the standard deviation of the residuals.

    Raises
    ------
    ValueError
        If scores do not increase together.
    """
    line = linregress(mapped, native, alternative="greater")
    if not line.pvalue < _MAX_PVALUE:
        raise ValueError(
            "Scores by the map must increase with those in the source space, but have "
            f"a correlation of {line.rvalue:.3f} on pairs left out of the fit: check "
            "that X and y of fit are the same samples in the same order, or fit on "
            "more pairs."
        )
    spread = np.std(native - line.slope * mapped - line.intercept)
    return line.slope, line.intercept, spread


def expected_gains(scores, spread, n_neighbors, converted):
    """Return in how many results the presence of each candidate is open.

    With :math:`p` the probability that a candidate is among the k nearest of a query,
    this is the sum of :math:`p (1 - p)` over queries. The score of the k-th nearest is
    set so that the probabilities of all candidates add up to k.

    Parameters
    ----------
    scores : ndarray of shape (n_queries, n_candidates)
        Known scores of converted candidates, and predicted scores of others.
    spread : ndarray of shape (n_queries, 1)
        Standard deviation of predicted scores.
    n_neighbors : int
        The k above, at most `n_candidates`.
    converted : ndarray of shape (n_candidates,), of bool

    Returns
    -------
    gains : ndarray of shape (n_candidates,)
        Zero for converted candidates.
    """
    known, predicted = scores[:, converted], scores[:, ~converted]
    low = scores.min(axis=1, keepdims=True) - _N_SPREADS * spread
    high = scores.max(axis=1, keepdims=True) + _N_SPREADS * spread
    for _ in range(_N_BISECTIONS):
        kth = (low + high) / 2
        p = ndtr((predicted - kth) / spread)
        count = np.sum(known > kth, axis=1, keepdims=True)
        above = count + p.sum(axis=1, keepdims=True) > n_neighbors
        low, high = np.where(above, kth, low), np.where(above, high, kth)
    gains = np.zeros(len(converted))
    gains[~converted] = np.sum(p * (1 - p), axis=0)
    return gains
