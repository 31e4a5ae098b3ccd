"""Nearest-neighbour search across two aligned spaces."""

from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import check_array, check_consistent_length, gen_batches
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._hubness import block_rows, mean_of_largest
from skalign._rescale import unit_rows
from skalign._routing import transform_target
from skalign._validation import (
    FLOATS,
    Interval,
    check_same_features,
    check_target,
    check_target_names,
    count_classes,
    is_whole,
    warn_of_classes,
)
from skalign.metrics import retrieval_accuracy
from skalign.paired import LinearAligner
from skalign.retrieval._search import (
    largest,
    lengthened,
    padded,
    product_index,
    search_index,
)
from skalign.retrieval._two_spaces import (
    MAX_PAIRS,
    MAX_REFERENCES,
    MIN_PAIRS,
    candidate_rows,
    evenly,
    expected_gains,
    held_out_scores,
    hubness,
    moments,
    predicted_cosines,
    query_rows,
    score_regression,
)

_RAISE = 0.35  # residual standard deviations added to predicted scores


def _check_positions(positions, n_candidates):
    positions = np.asarray(positions)
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or not positions.size:
        raise ValueError(
            f"positions must be at least one int in a 1-D array; got the shape "
            f"{positions.shape} and {positions.dtype}."
        )
    if positions.min() < 0 or positions.max() >= n_candidates:
        raise ValueError(
            f"positions must be from 0 to {n_candidates - 1}; got {positions.min()} to "
            f"{positions.max()}."
        )
    values, counts = np.unique(positions, return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"positions must not be repeated; got {values[counts.argmax()]} "
            f"{counts.max()} times."
        )
    return positions


class AlignedRetriever(AtomicMixin, BaseEstimator):
    r"""Find the nearest target samples of source samples, across two spaces.

    Learns a map :math:`f` from pairs and returns, for a query :math:`x`, the candidates
    :math:`y` with the largest cosine or smallest distance to :math:`f(x)` or, with
    `csls`, the largest

    .. math::

        2 \cos(f(x), y) - r_Y(f(x)) - r_X(y),

    where :math:`r_X(y)` is the mean cosine of a candidate to its nearest mapped
    queries, and :math:`r_Y` that of a query to its nearest candidates. Candidates need
    no paired source sample, and more can be added at any time. Appropriate for search
    across languages, modalities or embedding models if a moderate number of pairs is
    available. Read more in the :ref:`User Guide <cross_space_retrieval>`.

    The source space can be that of a new embedding model, and the candidates the index
    of an old one. `convert` replaces candidates by their vectors of the new model,
    which are compared with queries directly, and `kneighbors` searches both kinds of
    candidates together, see :ref:`living_index`.

    Parameters
    ----------
    aligner : estimator, default=None
        Aligner, or pipeline with an aligner as its last step. None is
        :class:`LinearAligner`.

    n_neighbors : int, default=5
        Default number of neighbours returned by `kneighbors`.

    metric : {"cosine", "euclidean"}, default="cosine"
        Measure of similarity or distance.

    csls : int, default=None
        Number of neighbours of cross-domain similarity local scaling [1]_, which
        corrects cosines for hubs, that is, candidates near to many queries; [1]_ uses
        10. None applies no correction. Requires ``metric="cosine"``.

    backend : {"scikit-learn", "faiss"}, default="scikit-learn"
        Search library; both are exact. faiss has to be installed, and computes in
        float32.

    Attributes
    ----------
    aligner_ : estimator
        Fitted aligner.

    candidates_ : ndarray of shape (n_candidates, n_components)
        Candidates in the space of mapped source samples, converted ones included.

    converted_ : ndarray of shape (n_candidates,), of bool
        Whether `convert` has replaced a candidate by its vector of the source space.

    n_features_in_ : int
        Number of features of the source space.

    n_targets_ : int
        Number of features of the target space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source features, if all are strings.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target features, if all are strings.

    See Also
    --------
    skalign.metrics.retrieval_accuracy : Share of queries with the right candidate.

    Notes
    -----
    With CSLS candidates are ordered by :math:`\cos(f(x), y) - r_X(y) / 2`, where
    :math:`r_X(y)` uses the source samples given to `fit`, so that the result of a query
    does not depend on the other queries. Two additional columns turn this maximum inner
    product search into a nearest-neighbour search [2]_.

    Once a candidate is converted, the cosine :math:`s` of the source space is predicted
    for the others from their similarity :math:`m` by the map, which is the cosine or,
    with CSLS, the expression above. Both are standardised with the mean and standard
    deviation of the query's values for the pairs of `fit` (at most 1,000), and the
    prediction is linear,

    .. math::

        \hat{s} = \beta_0 + \beta m + 0.35 \, \sigma ,

    with coefficients and residual standard deviation :math:`\sigma` of a regression on
    the nearest candidates of held-out queries: the map is fitted five times without a
    fifth of the pairs (at most 10,000). A candidate that is converted and below the
    k-th is certainly not among the k nearest, but one that is predicted to be may be;
    the last term allows for this. Its factor was chosen on splits that are not
    reported.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou, "Word translation
       without parallel data", ICLR 2018: section 2.3.

    .. [2] Y. Bachrach, Y. Finkelstein, R. Gilad-Bachrach, L. Katzir, N. Koenigstein,
       N. Nice and U. Paquet, "Speeding up the Xbox recommender system using a Euclidean
       transformation for inner-product spaces", RecSys 2014.

    Examples
    --------
    >>> from skalign import AlignedRetriever, RigidAligner
    >>> X, y = [[1, 0], [0, 1], [-1, 0]], [[0, 1], [-1, 0], [0, -1]]  # turned
    >>> retriever = AlignedRetriever(RigidAligner(), n_neighbors=1).fit(X, y)
    >>> retriever.add([[-1, 1]])
    AlignedRetriever(aligner=RigidAligner(), n_neighbors=1)
    >>> retriever.kneighbors([[2, 0], [1, 1]], return_distance=False)
    array([[0],
           [3]])
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform"]), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions({"cosine", "euclidean"})],
        "csls": [Interval(Integral, 1, None, closed="left"), None],
        "backend": [StrOptions({"scikit-learn", "faiss"})],
    }

    def __init__(
        self,
        aligner: Any = None,
        *,
        n_neighbors: int = 5,
        metric: Literal["cosine", "euclidean"] = "cosine",
        csls: int | None = None,
        backend: Literal["scikit-learn", "faiss"] = "scikit-learn",
    ) -> None:
        self.aligner = aligner
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.csls = csls
        self.backend = backend

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        candidates: ArrayLike | None = None,
        queries: ArrayLike | None = None,
    ) -> Self:
        """Fit the map and index the candidates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples,) or (n_target_samples, n_targets)
            Samples in the target space; for a paired aligner, the same samples row by
            row.
        candidates : array-like of shape (n_candidates, n_targets), default=None
            Candidates to search in. None uses `y`.
        queries : array-like of shape (n_queries, n_features), default=None
            Source samples that are representative of later queries, from which `csls`
            estimates hubs, and `next_to_convert` the gain. None uses `X`.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If numbers of features are inconsistent, a value is not finite, or `csls` is
            given with another metric or exceeds the number of queries or candidates.
        ImportError
            If `backend` is "faiss" and faiss is not installed.
        """
        if y is None:
            raise ValueError(
                "AlignedRetriever requires y to be passed, but the target y is None."
            )
        X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        check_target_names(self, y, reset=True)
        check_same_features(self)
        n_classes = count_classes(self, y)
        y = check_array(y, dtype=FLOATS, ensure_2d=False, input_name="y")
        warn_of_classes(self, n_classes, X.shape[1])
        y = y.reshape(len(y), -1)
        self.n_targets_ = y.shape[1]
        if self.csls is not None and self.metric != "cosine":
            raise ValueError(
                f"csls={self.csls} needs metric='cosine', not {self.metric!r}."
            )
        aligner = LinearAligner() if self.aligner is None else clone(self.aligner)
        self.aligner_ = aligner.fit(X, y)
        self._calibration = self._queries = self._native = None
        kept = evenly(len(X), MAX_PAIRS)
        self._pairs = (X[kept], y[kept]) if len(X) == len(y) else None
        self._seen = self._pairs and self._pairs[0]
        if queries is not None:
            X = validate_data(self, queries, dtype=FLOATS, reset=False)
            self._seen = X.copy()
        if self.csls is not None:
            if self.csls > len(X):
                raise ValueError(
                    f"csls={self.csls} must be at most the number of queries={len(X)}."
                )
            self._queries = self._place(self.aligner_.transform(X))
        if candidates is not None:
            check_target_names(self, candidates, name="candidates")
            y = candidates
        self._set_candidates(*self._placed_targets(y))
        return self

    def add(self, y: ArrayLike) -> Self:
        """Add candidates to the index.

        Parameters
        ----------
        y : array-like of shape (n_more, n_targets)
            Samples in the target space, numbered after the existing candidates.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the number of features differs from the target space, or a value is not
            finite.
        """
        check_is_fitted(self)
        check_target_names(self, y)
        y, new = self._placed_targets(y)
        self._set_candidates(
            np.concatenate([self.candidates_, y]), np.concatenate([self._hubness, new])
        )
        return self

    def convert(self, positions: ArrayLike, X: ArrayLike) -> Self:
        """Replace candidates by their vectors of the source space.

        Converted candidates are compared with queries directly. The distance of the
        others is predicted, see Notes of the class; for this, the first call fits the
        aligner five times. Candidates that are converted again get the new vectors.

        Parameters
        ----------
        positions : array-like of shape (n_converted,), of int
            Indices of the candidates, as returned by `kneighbors`, without repetition.
        X : array-like of shape (n_converted, n_features)
            The same candidates in the source space.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a position is repeated or not that of a candidate, numbers of samples or
            features are inconsistent, a value is not finite, `metric` is not "cosine",
            or similarities of held-out pairs by the map do not increase with those in
            the source space, as with fewer than 20 pairs or with samples that are not
            paired.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        positions = _check_positions(positions, len(self.candidates_))
        check_consistent_length(positions, X)
        self._calibrated()
        rows, at = unit_rows(X), positions
        if self._native is not None:
            kept = ~np.isin(self._native[1], positions)
            rows = np.concatenate([self._native[0][kept], rows])
            at = np.concatenate([self._native[1][kept], at])
        self._native = rows, at
        self._set_candidates(self.candidates_, self._hubness)
        return self

    def next_to_convert(
        self, n_candidates: int, X: ArrayLike | None = None
    ) -> np.ndarray:
        r"""Select the candidates whose conversion is expected to improve results most.

        With :math:`p_q` the probability that a candidate is among the `n_neighbors`
        nearest of query :math:`q`, according to the residuals of predicted similarities
        (see Notes of the class), its gain is

        .. math::

            \sum_q p_q (1 - p_q) .

        The probability follows from the cosine by the map, also with `csls`: a hub of
        the target space is likely to be near many queries in the source space, too.
        Candidates that occur near the end of many results, or of which the similarity
        is uncertain, come first.

        Parameters
        ----------
        n_candidates : int
            Number of candidates to select.
        X : array-like of shape (n_queries, n_features), default=None
            Queries seen, in the source space. None uses `queries` of `fit`, or its `X`.

        Returns
        -------
        positions : ndarray of shape (n_candidates,)
            Indices of candidates, in decreasing order of the gain.

        Raises
        ------
        ValueError
            If `n_candidates` is below 1 or above the number of candidates that are not
            converted, or as in `convert`.
        """
        check_is_fitted(self)
        n_left = np.sum(~self.converted_)
        if not is_whole(n_candidates) or not 1 <= n_candidates <= n_left:
            raise ValueError(
                f"n_candidates={n_candidates!r} must be an int from 1 to the number of "
                f"candidates that are not converted={n_left}."
            )
        *_, calibration = self._calibrated()
        if X is None:
            X = self._seen
        else:
            X = validate_data(self, X, dtype=FLOATS, reset=False)
        k = min(self.n_neighbors, len(self.candidates_))
        candidates = candidate_rows(self.candidates_, np.zeros_like(self._hubness))
        gains = np.zeros(len(candidates))
        for rows in gen_batches(len(X), block_rows(candidates)):
            queries = query_rows(self._place(self.aligner_.transform(X[rows])))
            own = unit_rows(X[rows])
            shift, rate, spread = predicted_cosines(own, queries, *calibration)
            scores = shift + rate * (queries @ candidates.T)
            if self._native is not None:
                native, at = self._native
                scores[:, at] = own @ native.T
            gains += expected_gains(scores, spread, k, self.converted_)
        order = np.lexsort([-gains, self.converted_])
        return order[:n_candidates]

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Share of queries whose own target is the nearest of all targets (hits@1).

        The candidates are `y` only, neither those of `fit` nor converted ones, so that
        the aligner and `csls` can be compared by cross-validation.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Queries in the source space.
        y : array-like of shape (n_samples, n_targets)
            The same samples, row by row, in the target space.

        Returns
        -------
        accuracy : float
            Between 0 and 1. Ties count as misses.

        Raises
        ------
        ValueError
            If numbers of samples or features are inconsistent, or a value is not
            finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        check_target_names(self, y)
        y, new = self._placed_targets(y)
        check_consistent_length(X, y)
        X = self._place(self.aligner_.transform(X))
        if self.metric == "cosine":
            X, y = padded(query_rows(X)), lengthened(candidate_rows(y, new))[0]
        return retrieval_accuracy(X, y, metric="euclidean")

    def kneighbors(
        self, X: ArrayLike, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest candidates of source samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        n_neighbors : int, default=None
            Number of neighbours. None uses the value of the constructor.
        return_distance : bool, default=True
            Whether to return the distances as well.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_neighbors)
            Distances in increasing order: Euclidean distances, 1 - cosine for "cosine",
            or the negative of the CSLS similarity. If candidates are converted, 1 -
            cosine in the source space, which is predicted for the others. Only returned
            if `return_distance`.
        indices : ndarray of shape (n_samples, n_neighbors)
            Indices of the candidates, in the order in which they were given and added.

        Raises
        ------
        ValueError
            If `n_neighbors` is below 1 or above the number of candidates, the number of
            features differs from `fit`, or a value is not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not is_whole(k) or not 1 <= k <= len(self.candidates_):
            raise ValueError(
                f"n_neighbors={k!r} must be an int from 1 to the number of candidates="
                f"{len(self.candidates_)}."
            )
        mapped = self._place(self.aligner_.transform(X))
        if self.metric == "euclidean":
            distances, indices = self._index.kneighbors(mapped - self._centre, k)
        elif self._native is None:
            products, indices = largest(self._index, query_rows(mapped), k)
            if self.csls is None or not return_distance:
                distances = np.maximum(1 - products, 0)  # rounding can pass 0
            else:
                hubs = mean_of_largest(mapped, self.candidates_, self.csls)
                distances = hubs[:, None] - 2 * products
        else:
            cosines, indices = self._search_both(unit_rows(X), query_rows(mapped), k)
            distances = np.maximum(1 - cosines, 0)
        return (distances, indices) if return_distance else indices

    @property
    def _same_features(self):
        return getattr(self.aligner, "_same_features", False)

    def _place(self, rows):
        rows = np.asarray(rows)
        return unit_rows(rows) if self.metric == "cosine" else rows

    def _placed_targets(self, y):
        """Return target samples where they are searched, and how much they are hubs."""
        y = check_target(y, self.n_targets_)
        y = self._place(transform_target(self.aligner_, y))
        return y, hubness(y, self._queries, self.csls)

    def _calibrated(self):
        """Return how cosines are predicted, see `predicted_cosines`; computed once.

        The prediction from scores with the correction for hubs, if `csls` is given, and
        from those without.
        """
        if self._calibration is not None:
            return self._calibration
        if self.metric != "cosine":
            raise ValueError(
                f"Candidates can be converted with metric='cosine' only, not "
                f"{self.metric!r}."
            )
        n_pairs = 0 if self._pairs is None else len(self._pairs[0])
        if n_pairs < MIN_PAIRS:
            got = n_pairs or "X and y of different lengths"
            raise ValueError(
                f"At least {MIN_PAIRS} pairs in X and y of fit are needed to compare "
                f"candidates of two spaces; got {got}."
            )
        X, y = self._pairs
        aligner = LinearAligner() if self.aligner is None else self.aligner
        corrections = [*dict.fromkeys([self.csls, None])]
        few = evenly(len(X), MAX_REFERENCES)
        native, (targets, _) = moments(unit_rows(X[few])), self._placed_targets(y[few])
        self._calibration = [
            (
                score_regression(*scores),
                native,
                moments(candidate_rows(targets, hubness(targets, self._queries, csls))),
            )
            for csls, scores in zip(
                corrections, held_out_scores(aligner, X, y, corrections), strict=True
            )
        ]
        return self._calibration

    def _search_both(self, own, queries, k):
        """Return the `k` largest cosines, known or predicted, and their indices."""
        at = self._native[1]
        cosines, indices = largest(self._native_index, own, min(k, len(at)))
        indices = at[indices]
        left = np.flatnonzero(~self.converted_)
        if len(left):
            shift, rate, spread = predicted_cosines(own, queries, *self._calibration[0])
            products, others = largest(self._index, queries, min(k, len(left)))
            predicted = shift + rate * products + _RAISE * spread
            cosines = np.hstack([cosines, predicted])
            indices = np.hstack([indices, left[others]])
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return (
            np.take_along_axis(values, order, axis=1) for values in (cosines, indices)
        )

    def _set_candidates(self, y, new):
        """Index candidates, those of the target space and converted ones."""
        if self.csls is not None and self.csls > len(y):
            raise ValueError(
                f"csls={self.csls} must be at most the number of candidates={len(y)}."
            )
        self.candidates_, self._hubness = y, new
        self.converted_ = np.zeros(len(y), dtype=bool)
        if self.metric == "euclidean":
            self._centre = y.mean(axis=0)  # far from it, products would lose precision
            self._index = search_index(y - self._centre, self.backend)
            return
        if self._native is not None:
            rows, at = self._native
            self.converted_[at] = True
            self._native_index = product_index(rows, self.backend)
        self._index, left = None, ~self.converted_
        if left.any():
            rows = candidate_rows(y[left], new[left])
            self._index = product_index(rows, self.backend)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
