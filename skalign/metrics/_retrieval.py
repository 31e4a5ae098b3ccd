"""Retrieval metrics: ranks of the correct target samples of each query."""

from functools import partial
from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._hubness import block_rows, mean_of_largest
from skalign._rescale import power_of, times_power, unit_rows
from skalign._validation import Interval
from skalign.metrics._validation import check_spaces

_SAFETY = 4.0  # of the bound of rounding errors in single precision
_MOST_UNCLEAR = 1 / 64  # share of scores that are computed again one by one
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
def retrieval_accuracy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    k: int = 1,
    relevant: ArrayLike | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    csls: int | None = None,
) -> float:
    r"""Share of queries with a correct candidate among the `k` nearest (hits@k).

    With the rank of the nearest correct candidate of each of :math:`n` queries, as in
    `retrieval_ranks`, the accuracy is

    .. math::

        \frac{1}{n} \sum_{i=1}^{n} \mathbf{1} [\mathrm{rank}_i \le k] .

    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_queries, n_features) and (n_candidates, n_features)
        Queries, which are source samples in the target space, and candidates, which are
        target samples.
    k : int, default=1
        Number of nearest candidates considered.
    relevant : array-like of shape (n_pairs, 2), default=None
        Sample indices in `X` and in `Y` of each correct answer. A query may have
        several, of which the nearest counts. Queries without any are not scored, but
        are used by `csls`. None pairs sample i of `X` with sample i of `Y`.
    metric : {"cosine", "euclidean"}, default="cosine"
        Metric of the ranking.
    csls : int, default=None
        Number of neighbours :math:`c` of the correction for hubs, which are candidates
        near many queries. The similarity of a pair is then :math:`2 \cos(x, y) - r_Y(x)
        - r_X(y)`, where :math:`r_Y(x)` is the mean cosine of :math:`x` to its :math:`c`
        nearest samples in `Y`, and :math:`r_X(y)` likewise [1]_; that paper uses 10.
        None ranks by the cosine.

    Returns
    -------
    accuracy : float
        Between 0 and 1. Ties count as misses: an incorrect candidate as near as the
        correct one, up to rounding, is ranked before it.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, their
        numbers of samples differ and `relevant` is None, `relevant` holds an index out
        of range, `k` exceeds the number of candidates, or `csls` is given with another
        metric or exceeds the number of queries.

    See Also
    --------
    mean_reciprocal_rank : Mean of the reciprocal ranks.
    retrieval_ranks : Rank of each query.

    Notes
    -----
    Similarities are computed in blocks of at most 256 queries and 32 MiB, or less to
    respect scikit-learn's `working_memory`.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou, "Word translation
       without parallel data", ICLR 2018: section 2.3.

    Examples
    --------
    >>> from skalign.metrics import retrieval_accuracy
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> print(f"{retrieval_accuracy(X, Y):.3f}")  # query 1 finds candidate 2
    0.667
    >>> retrieval_accuracy(X, Y, relevant=[[1, 1], [1, 2]])
    1.0
    """
    X, Y = check_spaces(X, Y)
    if k > len(Y):
        raise ValueError(f"k={k} must be at most the number of candidates={len(Y)}.")
    return float(np.mean(_ranks(X, Y, relevant, metric, csls) <= k))


@validate_params(_SHARED_CONSTRAINTS, prefer_skip_nested_validation=True)
def mean_reciprocal_rank(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    relevant: ArrayLike | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    csls: int | None = None,
) -> float:
    r"""Mean reciprocal rank of the nearest correct candidate of each query.

    With the ranks of `retrieval_ranks`, the score is [1]_

    .. math::

        \frac{1}{n} \sum_{i=1}^{n} \frac{1}{\mathrm{rank}_i} .

    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_queries, n_features) and (n_candidates, n_features)
        Queries, which are source samples in the target space, and candidates, which are
        target samples.
    relevant : array-like of shape (n_pairs, 2), default=None
        Correct answers, as in `retrieval_accuracy`.
    metric : {"cosine", "euclidean"}, default="cosine"
        Metric of the ranking.
    csls : int, default=None
        Number of neighbours of the hubness correction, as in `retrieval_accuracy`.

    Returns
    -------
    score : float
        Above 0 and at most 1. Ties count as misses, as in `retrieval_accuracy`.

    Raises
    ------
    ValueError
        As in `retrieval_accuracy`.

    See Also
    --------
    retrieval_accuracy : Share of queries answered among the first `k`.

    References
    ----------
    .. [1] E. M. Voorhees, "The TREC-8 question answering track report", TREC-8, 1999,
       pp. 77-82.

    Examples
    --------
    >>> from skalign.metrics import mean_reciprocal_rank
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> print(f"{mean_reciprocal_rank(X, Y):.3f}")  # ranks 1, 2 and 1
    0.833
    """
    X, Y = check_spaces(X, Y)
    return float(np.mean(1 / _ranks(X, Y, relevant, metric, csls)))


@validate_params(_SHARED_CONSTRAINTS, prefer_skip_nested_validation=True)
def retrieval_ranks(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    relevant: ArrayLike | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    csls: int | None = None,
) -> np.ndarray:
    r"""Rank of the nearest correct candidate of each query.

    With the similarity :math:`s` and the correct candidates :math:`R_i` of query
    :math:`i`, its rank is

    .. math::

        \mathrm{rank}_i = 1 + \bigl| \bigl\{ j \notin R_i : s(x_i, y_j) \ge
        \max_{j' \in R_i} s(x_i, y_{j'}) \bigr\} \bigr| .

    Read more in the :ref:`User Guide <retrieval>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_queries, n_features) and (n_candidates, n_features)
        Queries, which are source samples in the target space, and candidates, which are
        target samples.
    relevant : array-like of shape (n_pairs, 2), default=None
        Correct answers, as in `retrieval_accuracy`.
    metric : {"cosine", "euclidean"}, default="cosine"
        Metric of the ranking.
    csls : int, default=None
        Number of neighbours of the hubness correction, as in `retrieval_accuracy`.

    Returns
    -------
    ranks : ndarray of shape (n_scored_queries,)
        Ranks from 1, the nearest, in the order of the queries in `X`; queries without a
        correct answer are omitted. Ties count as misses, as in `retrieval_accuracy`,
        which is the share of ranks up to `k`.

    Raises
    ------
    ValueError
        As in `retrieval_accuracy`.

    See Also
    --------
    retrieval_accuracy : Share of queries answered among the first `k`.
    mean_reciprocal_rank : Mean of the reciprocal ranks.

    Examples
    --------
    >>> from skalign.metrics import retrieval_ranks
    >>> X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    >>> retrieval_ranks(X, Y)  # query 1 finds candidate 2
    array([1, 2, 1])
    """
    X, Y = check_spaces(X, Y)
    return _ranks(X, Y, relevant, metric, csls)


def _ranks(X, Y, relevant, metric, csls):
    """Return the rank of the nearest correct candidate of each query with one."""
    relevant = _check_relevant(relevant, len(X), len(Y))
    X, Y, handicap = _scored_by_product(X, Y, metric, csls)
    return Candidates(Y, handicap).ranks(X, relevant)


class Candidates:
    """Candidates `Y`, scored by ``x @ y - handicap``.

    In double precision, scores are computed in single precision first, and again where
    that does not decide whether they reach a threshold; unless `short` is False.
    """

    def __init__(self, Y, handicap, short=True):
        self._Y, self._handicap = Y, handicap
        self._short = None
        if short and Y.dtype != np.float32:
            self._short = Y.astype(np.float32), handicap.astype(np.float32)

    def ranks(self, X, relevant, seen=None):
        """Return the rank of the nearest correct candidate of each query with one.

        `relevant` are pairs of indices, sorted by query. `seen`, if given, is called
        with the indices of some queries and their scores for all candidates, once for
        each query.
        """
        tolerance = _rounding(X, self._Y, self._handicap)
        queries, starts = np.unique(relevant[:, 0], return_index=True)
        starts = np.append(starts, len(relevant))
        ranks = np.empty(len(queries), dtype=np.intp)
        for rows in gen_batches(len(queries), block_rows(self._Y)):
            answers = relevant[starts[rows.start] : starts[rows.stop], 1]
            n_answers = np.diff(starts[rows.start : rows.stop + 1])
            own = np.repeat(np.arange(len(n_answers)), n_answers), answers
            first, block = starts[rows] - starts[rows.start], X[queries[rows]]
            threshold = np.maximum.reduceat(self._scores(block, *own), first)
            threshold -= tolerance[queries[rows]]
            see = None if seen is None else partial(seen, queries[rows])
            ranks[rows] = 1 + self._count(block, threshold, own, see)
        return ranks

    def _scores(self, X, query, candidate):
        """Return the scores of pairs of a query in `X` and a candidate."""
        products = np.einsum("ij,ij->i", X[query], self._Y[candidate])
        return products - self._handicap[candidate]

    def _count(self, X, threshold, left_out, seen=None):
        """Count the candidates of each query that reach its threshold."""
        if self._short is None:
            scores = _block(X, self._Y, self._handicap, left_out, seen)
            return (scores >= threshold[:, None]).sum(axis=1)
        short, (Y, handicap) = X.astype(np.float32), self._short
        scores = _block(short, Y, handicap, left_out, seen)
        slack = _SAFETY * _rounding(short, Y, handicap)
        least, most = (np.float32(threshold + way * slack)[:, None] for way in (-1, 1))
        above = scores >= most
        unclear = np.flatnonzero((scores >= least) ^ above)
        if len(unclear) > _MOST_UNCLEAR * scores.size:
            self._short = None  # other queries will be as close
            return self._count(X, threshold, left_out)
        query, candidate = np.divmod(unclear, len(Y))
        reach = self._scores(X, query, candidate) >= threshold[query]
        return above.sum(axis=1) + np.bincount(query[reach], minlength=len(X))


def _block(X, Y, handicap, left_out, seen):
    scores = X @ Y.T
    scores -= handicap
    if seen is not None:
        seen(scores)
    scores[left_out] = -np.inf
    return scores


def _check_relevant(relevant, n_queries, n_candidates):
    """Return index pairs, of shape (n_pairs, 2), sorted by query."""
    if relevant is None:
        if n_queries != n_candidates:
            raise ValueError(
                f"X has {n_queries} samples, but Y has {n_candidates}; without "
                "relevant, sample i of X is paired with sample i of Y."
            )
        return np.arange(n_queries)[:, None].repeat(2, axis=1)
    relevant = check_array(relevant, dtype=None, input_name="relevant")
    if relevant.shape[1] != 2 or relevant.dtype.kind not in "iu":
        raise ValueError(
            f"relevant of shape {relevant.shape} and dtype {relevant.dtype} must hold "
            "pairs of sample indices."
        )
    lowest, highest = relevant.min(axis=0), relevant.max(axis=0)
    for name, column, size in (("X", 0, n_queries), ("Y", 1, n_candidates)):
        if lowest[column] < 0 or highest[column] >= size:
            raise ValueError(
                f"relevant holds the indices {lowest[column]} to {highest[column]} "
                f"for {name}, which has {size} samples."
            )
    return relevant[np.argsort(relevant[:, 0], kind="stable")]


def _scored_by_product(X, Y, metric, csls):
    """Return samples and a handicap such that ``x @ y - handicap`` ranks candidates.

    Terms that are equal for all candidates of a query are omitted.
    """
    if metric == "euclidean":
        if csls is not None:
            raise ValueError(f"csls={csls} needs metric='cosine'; got {metric!r}.")
        # Centred and in double precision, since squared lengths cancel.
        center = Y.mean(axis=0, dtype=np.float64)
        X, Y = X - center, Y - center
        power = max(power_of(X), power_of(Y))
        X, Y = times_power(X, -power), times_power(Y, -power)
        return X, Y, np.einsum("ij,ij->i", Y, Y) / 2
    X, Y = unit_rows(X), unit_rows(Y)
    if csls is None:
        return X, Y, np.zeros(len(Y), dtype=Y.dtype)
    if csls > len(X):
        raise ValueError(f"csls={csls} must be at most the number of queries={len(X)}.")
    return X, Y, mean_of_largest(Y, X, csls) / 2


def _rounding(X, Y, handicap):
    """Return a bound of the rounding error of the similarities of each query."""
    x_norm = np.sqrt(np.einsum("ij,ij->i", X, X))
    y_norm = np.sqrt(np.einsum("ij,ij->i", Y, Y).max())
    unit = np.finfo(X.dtype).eps * np.sqrt(X.shape[1])
    return (unit * (x_norm * y_norm + np.abs(handicap).max())).astype(X.dtype)
