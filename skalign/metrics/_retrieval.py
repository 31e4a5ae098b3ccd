"""Retrieval: is the right target row among the nearest ones?"""

from numbers import Integral

import numpy as np
from sklearn.utils import check_array, gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._hubness import block_rows, mean_of_largest
from skalign._parameters import Interval
from skalign._rescale import power_of, unit_rows
from skalign.metrics._validation import check_spaces

_SHARED_CONSTRAINTS = {
    "X": ["array-like"],
    "Y": ["array-like"],
    "relevant": ["array-like", None],
    "metric": [StrOptions({"cosine", "euclidean"})],
    "csls": [Interval(Integral, 1, None, closed="left"), None],
}


@validate_params(
    {**_SHARED_CONSTRAINTS, "k": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def retrieval_accuracy(X, Y, *, k=1, relevant=None, metric="cosine", csls=None):
    """Share of queries with a right candidate among their `k` nearest (hits@k).

    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_queries, n_features)
        Queries: source rows, in the target space.
    Y : array-like of shape (n_candidates, n_features)
        Candidates: target rows.
    k : int, default=1
        Number of nearest candidates to look among.
    relevant : array-like of shape (n_pairs, 2), default=None
        Row of `X` and row of `Y` of each right answer. A query may have several, of
        which the nearest counts. Queries without any are not scored, but take part in
        `csls`. None pairs row i of `X` with row i of `Y`.
    metric : {"cosine", "euclidean"}, default="cosine"
        What near means.
    csls : int, default=None
        If given, the cosine of a pair is corrected for hubs, candidates near to
        everything: less the mean cosine of each of the two to its `csls` nearest rows
        on the other side [1]_, who take 10.

    Returns
    -------
    accuracy : float
        From 0 to 1. Ties count as misses: a wrong candidate as near as the right one,
        up to rounding, is taken to come first.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the widths differ, the lengths differ where
        `relevant` is None, `relevant` names a row that is not there, `k` is above the
        number of candidates, or `csls` is given with another metric or above the number
        of queries.

    See Also
    --------
    mean_reciprocal_rank : Counts later places too.

    Notes
    -----
    Similarities are held for a block of at most 256 queries at a time, and of 32 MiB,
    less where scikit-learn's `working_memory` asks for it.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou, "Word translation
       without parallel data", ICLR 2018: section 2.3.

    Examples
    --------
    >>> from skalign.metrics import retrieval_accuracy
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> print(f"{retrieval_accuracy(X, Y):.3f}")  # the second finds the third
    0.667
    >>> retrieval_accuracy(X, Y, relevant=[[1, 1], [1, 2]])
    1.0
    """
    X, Y = check_spaces(X, Y)
    if k > len(Y):
        raise ValueError(f"k={k} must be at most the number of candidates={len(Y)}.")
    return float(np.mean(_ranks(X, Y, relevant, metric, csls) <= k))


@validate_params(_SHARED_CONSTRAINTS, prefer_skip_nested_validation=True)
def mean_reciprocal_rank(X, Y, *, relevant=None, metric="cosine", csls=None):
    """Mean over queries of one over the place of the nearest right candidate.

    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_queries, n_features)
        Queries: source rows, in the target space.
    Y : array-like of shape (n_candidates, n_features)
        Candidates: target rows.
    relevant : array-like of shape (n_pairs, 2), default=None
        Right answers, as in `retrieval_accuracy`.
    metric : {"cosine", "euclidean"}, default="cosine"
        What near means.
    csls : int, default=None
        Neighbours of the correction for hubs, as in `retrieval_accuracy`.

    Returns
    -------
    score : float
        Above 0, at most 1. Ties count against, as in `retrieval_accuracy`.

    Raises
    ------
    ValueError
        As in `retrieval_accuracy`.

    See Also
    --------
    retrieval_accuracy : Share of queries answered among the first k.

    References
    ----------
    .. [1] E. M. Voorhees, "The TREC-8 question answering track report", TREC-8, 1999,
       pp. 77-82.

    Examples
    --------
    >>> from skalign.metrics import mean_reciprocal_rank
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> print(f"{mean_reciprocal_rank(X, Y):.3f}")  # places 1, 2 and 1
    0.833
    """
    X, Y = check_spaces(X, Y)
    return float(np.mean(1 / _ranks(X, Y, relevant, metric, csls)))


@validate_params(_SHARED_CONSTRAINTS, prefer_skip_nested_validation=True)
def retrieval_ranks(X, Y, *, relevant=None, metric="cosine", csls=None):
    """Place of the nearest right candidate of each query.

    Read more in the :ref:`User Guide <retrieval>`.

    Parameters
    ----------
    X : array-like of shape (n_queries, n_features)
        Queries: source rows, in the target space.
    Y : array-like of shape (n_candidates, n_features)
        Candidates: target rows.
    relevant : array-like of shape (n_pairs, 2), default=None
        Right answers, as in `retrieval_accuracy`.
    metric : {"cosine", "euclidean"}, default="cosine"
        What near means.
    csls : int, default=None
        Neighbours of the correction for hubs, as in `retrieval_accuracy`.

    Returns
    -------
    ranks : ndarray of shape (n_scored_queries,)
        From 1, the nearest, in the order of the rows of `X`; queries without a right
        answer are left out. Ties count against, as in `retrieval_accuracy`, which is
        the share of ranks up to `k`.

    Raises
    ------
    ValueError
        As in `retrieval_accuracy`.

    See Also
    --------
    retrieval_accuracy : Share of queries answered among the first k.
    mean_reciprocal_rank : Mean of one over the ranks.

    Examples
    --------
    >>> from skalign.metrics import retrieval_ranks
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> retrieval_ranks(X, Y)  # the second finds the third
    array([1, 2, 1])
    """
    X, Y = check_spaces(X, Y)
    return _ranks(X, Y, relevant, metric, csls)


def _ranks(X, Y, relevant, metric, csls):
    """Return the place of the nearest right candidate of each query that has one."""
    relevant = _check_relevant(relevant, len(X), len(Y))
    X, Y, handicap = _scored_by_product(X, Y, metric, csls)
    tolerance = _rounding(X, Y, handicap)
    queries, starts = np.unique(relevant[:, 0], return_index=True)
    starts = np.append(starts, len(relevant))
    ranks = np.empty(len(queries), dtype=np.intp)
    for rows in gen_batches(len(queries), block_rows(Y)):
        similarity = X[queries[rows]] @ Y.T
        similarity -= handicap
        answers = relevant[starts[rows.start] : starts[rows.stop], 1]
        n_answers = np.diff(starts[rows.start : rows.stop + 1])
        own = np.repeat(np.arange(len(n_answers)), n_answers), answers
        first = starts[rows] - starts[rows.start]
        threshold = np.maximum.reduceat(similarity[own], first)
        threshold -= tolerance[queries[rows]]
        similarity[own] = -np.inf
        ranks[rows] = 1 + (similarity >= threshold[:, None]).sum(axis=1)
    return ranks


def _check_relevant(relevant, n_queries, n_candidates):
    """Return pairs of rows, of shape (n_pairs, 2), in the order of the queries."""
    if relevant is None:
        if n_queries != n_candidates:
            raise ValueError(
                f"X has {n_queries} rows, but Y has {n_candidates}: without relevant "
                "pairs, row i of one belongs to row i of the other."
            )
        return np.arange(n_queries)[:, None].repeat(2, axis=1)
    relevant = check_array(relevant, dtype=None, input_name="relevant")
    if relevant.shape[1] != 2 or relevant.dtype.kind not in "iu":
        raise ValueError(
            f"relevant of shape {relevant.shape} and dtype {relevant.dtype} must hold "
            "pairs of row numbers."
        )
    lowest, highest = relevant.min(axis=0), relevant.max(axis=0)
    for name, column, size in (("X", 0, n_queries), ("Y", 1, n_candidates)):
        if lowest[column] < 0 or highest[column] >= size:
            raise ValueError(
                f"relevant names the rows {lowest[column]} to {highest[column]} of "
                f"{name}, which has {size}."
            )
    return relevant[np.argsort(relevant[:, 0], kind="stable")]


def _scored_by_product(X, Y, metric, csls):
    """Return rows and a handicap such that ``x @ y - handicap`` ranks candidates.

    What is the same for all candidates of a query is left out.
    """
    if metric == "euclidean":
        if csls is not None:
            raise ValueError(f"csls={csls} needs metric='cosine', not {metric!r}.")
        # Squares of lengths cancel: take them near the origin, in double precision.
        center = Y.mean(axis=0, dtype=np.float64)
        X, Y = X - center, Y - center
        power = max(power_of(X), power_of(Y))
        X, Y = np.ldexp(X, -power), np.ldexp(Y, -power)
        return X, Y, np.einsum("ij,ij->i", Y, Y) / 2
    X, Y = unit_rows(X), unit_rows(Y)
    if csls is None:
        return X, Y, np.zeros(len(Y), dtype=Y.dtype)
    if csls > len(X):
        raise ValueError(f"csls={csls} must be at most the number of queries={len(X)}.")
    return X, Y, mean_of_largest(Y, X, csls) / 2


def _rounding(X, Y, handicap):
    """Return how far apart equal similarities of each query may come out."""
    x_norm = np.sqrt(np.einsum("ij,ij->i", X, X))
    y_norm = np.sqrt(np.einsum("ij,ij->i", Y, Y).max())
    unit = np.finfo(X.dtype).eps * np.sqrt(X.shape[1])
    return (unit * (x_norm * y_norm + np.abs(handicap).max())).astype(X.dtype)
