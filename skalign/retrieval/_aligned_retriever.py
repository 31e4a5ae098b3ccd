"""Nearest-neighbour search across two aligned spaces."""

from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._atomic import AtomicMixin
from skalign._hubness import mean_of_largest
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
from skalign.paired import LinearAligner


class _FaissIndex:
    """Exact search by faiss, with the interface of NearestNeighbors."""

    def fit(self, rows):
        try:
            import faiss
        except ImportError as error:
            raise ImportError(
                "backend='faiss' needs faiss: pip install faiss-cpu"
            ) from error
        self._index = faiss.IndexFlatL2(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, dtype=np.float32))
        return self

    def kneighbors(self, rows, n_neighbors):
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        squares, indices = self._index.search(rows, n_neighbors)
        return np.sqrt(np.maximum(squares, 0)), indices


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
        Candidates in the space of mapped source samples.

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
            estimates hubs. None uses `X`.

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
        self._queries = None
        if self.csls is not None:
            if queries is not None:
                X = validate_data(self, queries, dtype=FLOATS, reset=False)
            if self.csls > len(X):
                raise ValueError(
                    f"csls={self.csls} must be at most the number of queries={len(X)}."
                )
            self._queries = self._place(self.aligner_.transform(X))
        if candidates is not None:
            check_target_names(self, candidates, name="candidates")
            y = candidates
        self._take_in(y)
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
        self._take_in(y, self.candidates_, self._hubness)
        return self

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
            or the negative of the CSLS similarity. Only returned if `return_distance`.
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
        X = self._place(self.aligner_.transform(X))
        if self.metric == "cosine":
            rows = np.column_stack([X, np.ones(len(X)), np.zeros(len(X))])
        else:
            rows = X - self._centre
        distances, indices = self._index.kneighbors(rows, k)
        if not return_distance:
            return indices
        if self.metric == "cosine":
            squares = np.einsum("ij,ij->i", rows, rows)[:, None] + self._square
            cosines = (squares - distances**2) / 2
            if self.csls is None:
                distances = np.maximum(1 - cosines, 0)  # rounding can pass 0
            else:
                hubness = mean_of_largest(X, self.candidates_, self.csls)
                distances = hubness[:, None] - 2 * cosines
        return distances, indices

    @property
    def _same_features(self):
        return getattr(self.aligner, "_same_features", False)

    def _place(self, rows):
        rows = np.asarray(rows)
        return unit_rows(rows) if self.metric == "cosine" else rows

    def _take_in(self, y, before=None, hubness=None):
        """Index the candidates `before`, with their known `hubness`, and `y`."""
        y = check_target(y, self.n_targets_)
        y = self._place(transform_target(self.aligner_, y))
        new = np.zeros(len(y), dtype=y.dtype)
        if self.csls is not None:
            queries = self._queries.astype(y.dtype, copy=False)
            new = mean_of_largest(y, queries, self.csls)
        if before is not None:
            y, new = np.concatenate([before, y]), np.concatenate([hubness, new])
        if self.csls is not None and self.csls > len(y):
            raise ValueError(
                f"csls={self.csls} must be at most the number of candidates={len(y)}."
            )
        self.candidates_, self._hubness = y, new
        if self.metric == "cosine":
            rows = np.column_stack([y, -new / 2])
            squares = np.einsum("ij,ij->i", rows, rows)
            self._square = squares.max()
            rows = np.column_stack([rows, np.sqrt(self._square - squares)])
        else:
            self._centre = y.mean(axis=0)  # far from it, products would lose precision
            rows = y - self._centre
        if self.backend == "faiss":
            self._index = _FaissIndex().fit(rows)
        else:
            self._index = NearestNeighbors(algorithm="brute").fit(rows)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
