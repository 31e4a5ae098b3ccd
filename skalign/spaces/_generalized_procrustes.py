"""Many spaces of the same rows, brought to one consensus."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skalign._atomic import AtomicMixin
from skalign._column_names import column_names, compare_names
from skalign._determined import without_warning
from skalign._parameters import Interval, is_whole
from skalign._rescale import largest_about_mean
from skalign._validation import FLOATS, check_target
from skalign.moments import check_scale, relative_ridge
from skalign.paired import LinearAligner, RigidAligner
from skalign.spaces._consensus import linear_consensus, rigid_consensus


def _rows_present(X, space):
    """Return which rows of a space are there; missing ones are NaN throughout."""
    missing = np.isnan(X)
    nowhere = ~missing.any(axis=1)
    if (in_part := ~nowhere & ~missing.all(axis=1)).any():
        raise ValueError(
            f"{in_part.sum()} rows of space {space} are NaN in part, the first of them "
            f"row {in_part.argmax()}: a missing row is NaN in all columns of the space."
        )
    return nowhere


def _shared(present, k):
    """Return the rows of space k that others have too, and which are the others."""
    n_spaces = present.shape[1]
    told_by = np.arange(n_spaces) != k if n_spaces > 1 else np.array([True])
    return present[:, k] & present[:, told_by].any(axis=1), told_by


class GeneralizedProcrustes(
    AtomicMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Many spaces of the same rows, brought to one consensus.

    With one map for each space, rows of any space can be compared with, or translated
    to, those of any other: m maps where pairs of spaces would need m (m - 1). A space
    that comes later is added without touching the others. Read more in the
    :ref:`User Guide <many_spaces>`.

    Parameters
    ----------
    space_sizes : array-like of shape (n_spaces,), default=None
        Widths of the spaces, which stand side by side in `X`. None takes all columns
        as one space.

    kind : {"orthogonal", "similarity", "linear"}, default="orthogonal"
        Maps from the spaces to the consensus. "orthogonal" is rotation and
        translation, "similarity" adds one scale for each space, "linear" is any affine
        map.

    n_components : int, default=None
        Width of the consensus: its leading principal axes. At most, and by default,
        the width of the widest space; for "linear" that of the narrowest, and no more
        than the rows span.

    shrinkage : float, default=0.01
        Ridge of the maps relative to the variance, for "linear" only, as a share of the
        mean eigenvalue of the Gram matrix of a space; not negative. With 0, a space
        with at most as many samples as columns agrees with any consensus.

    max_iter : int, default=100
        Largest number of iterations; "linear" needs none.

    tol : float, default=1e-6
        The iterations end when the loss falls by no more than this.

    Attributes
    ----------
    consensus_ : ndarray of shape (n_samples, n_components)
        Consensus of the training rows, in its principal axes, centred.

    aligners_ : list of RigidAligner or LinearAligner
        Map of each space to the consensus, the added ones last.

    space_sizes_ : list of int
        Widths of the spaces, the added ones last.

    n_components_ : int
        Width of the consensus.

    determined_rank_ : int
        Number of directions of a space that the rows which others share with it
        determine, the smallest over the spaces; `n_components_` for "linear". A warning
        names spaces in which it is below their width (or that of the others or of the
        consensus if smaller), as with no more rows than columns: there the maps turn
        the other directions as little as possible, see :class:`RigidAligner`.

    objective_ : ndarray of shape (`n_iter_`,)
        Loss at each iteration: what the maps leave of the consensus, as a share of
        the sum of squares of all spaces, from 0 to 1. Never rises.

    n_iter_ : int
        Number of iterations; 1 for "linear".

    n_features_in_ : int
        Number of columns of `X`: the widths of the spaces in `fit`, summed.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    RigidAligner, LinearAligner : The maps, between two spaces.

    Notes
    -----
    With :math:`w_{ik}` one where row i of space k is there and zero where it is
    missing, what is minimised over the maps :math:`f_k` and the consensus :math:`z` is
    :math:`\\sum_{ik} w_{ik} \\lVert f_k(x_{ik}) - z_i \\rVert^2`, as in [1]_; missing
    rows have weight zero [2]_. Each step is least squares for the maps, then for the
    consensus, so that the loss never rises; where it ends may be a local minimum.
    Spaces narrower than the widest are turned by matrices with orthonormal rows.

    Scales could all shrink to nothing: "similarity" holds the sum of squares
    of the consensus (times its weight) at that of the spaces, which gives the scales of
    [3]_ up to one common factor. "linear" holds the columns of the consensus at
    mean square one and uncorrelated, which is generalised canonical correlation [4]_
    and solved at once by an SVD. In both, maps shrink what the spaces do not agree on,
    and so does `transform`, their mean.

    References
    ----------
    .. [1] J. C. Gower, "Generalized Procrustes analysis", Psychometrika 40(1), 1975,
       pp. 33-51.

    .. [2] J. M. F. ten Berge, H. A. L. Kiers and J. J. F. Commandeur, "Orthogonal
       Procrustes rotation for matrices with missing values", British Journal of
       Mathematical and Statistical Psychology 46(1), 1993, pp. 119-134.

    .. [3] J. M. F. ten Berge, "Orthogonal Procrustes rotation for two or more
       matrices", Psychometrika 42(2), 1977, pp. 267-276.

    .. [4] J. D. Carroll, "Generalization of canonical correlation analysis to three or
       more sets of variables", Proceedings of the 76th Annual Convention of the APA
       3, 1968, pp. 227-228.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import GeneralizedProcrustes
    >>> rng = np.random.default_rng(0)
    >>> first = rng.normal(size=(20, 2))
    >>> second = first @ [[0, 1], [-1, 0]] + 5  # turned, shifted
    >>> X = np.hstack([first, second])
    >>> X[3, 2:] = np.nan  # row 3 is missing from the second space
    >>> spaces = GeneralizedProcrustes(space_sizes=[2, 2]).fit(X)
    >>> np.allclose(spaces.translate(first, 0, 1), second)
    True
    >>> spaces.add_space(-first)
    GeneralizedProcrustes(space_sizes=[2, 2])
    >>> np.allclose(spaces.translate(second, 1, 2), -first)
    True
    """

    _parameter_constraints = {
        "space_sizes": ["array-like", None],
        "kind": [StrOptions({"orthogonal", "similarity", "linear"})],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        space_sizes=None,
        *,
        kind="orthogonal",
        n_components=None,
        shrinkage=0.01,
        max_iter=100,
        tol=1e-6,
    ):
        self.space_sizes = space_sizes
        self.kind = kind
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.max_iter = max_iter
        self.tol = tol

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the consensus and a map to it from each space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The spaces side by side, their widths in `space_sizes`. A row that a space
            does not have is NaN in all columns of the space.
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `space_sizes` does not sum to the number of columns, a row is NaN in a
            part of a space or missing from all, a value is infinite, a space has fewer
            than two rows or shares fewer with the others, squares overflow or
            underflow, or `n_components` is too large.
        """
        X = self._check_rows(X, reset=True)
        sizes = self._check_sizes(X.shape[1])
        names = [None] * len(sizes)
        if hasattr(self, "feature_names_in_"):
            names = np.split(self.feature_names_in_, np.cumsum(sizes)[:-1])
        return self._fit(X, sizes, names)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_spaces(self, spaces):
        """Learn from a list of spaces; the same as `fit` of them side by side.

        Parameters
        ----------
        spaces : sequence of array-like of shape (n_samples, n_features_k)
            The same rows in each space, NaN where missing. `space_sizes`, where it is
            not None, must be their widths.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the lengths differ, or as in `fit`.
        """
        try:
            spaces = list(spaces)
        except TypeError:
            kind = type(spaces).__name__
            raise ValueError(f"spaces must be a list of arrays; got {kind}.") from None
        names = [column_names(rows) for rows in spaces]
        spaces = [
            check_array(rows, dtype=FLOATS, ensure_all_finite="allow-nan")
            for rows in spaces
        ]
        check_consistent_length(*spaces)
        sizes = [rows.shape[1] for rows in spaces]
        given = (
            None if self.space_sizes is None else np.array(self.space_sizes).tolist()
        )
        if given not in (None, sizes):
            raise ValueError(
                f"space_sizes={self.space_sizes}, but the spaces have widths {sizes}."
            )
        X = self._check_rows(np.hstack(spaces), reset=True)
        if not [of_space for of_space in names if of_space is None]:
            self.feature_names_in_ = np.concatenate(names)
        return self._fit(X, sizes, names)

    def _fit(self, X, sizes, names):
        self.space_sizes_, self._n_joint = sizes, len(sizes)
        self._space_names = names
        spaces, present = self._split(X.astype(np.float64, copy=False))
        if (n_rows := present.sum(axis=0)).min() < 2:
            k = int(n_rows.argmin())
            raise ValueError(f"Space {k} has {n_rows[k]} rows; at least 2 are needed.")
        for k, (rows, seen) in enumerate(zip(spaces, present.T, strict=True)):
            largest = largest_about_mean(rows[seen])
            check_scale(largest, rows.dtype, f"space {k}", n_terms=X.size)
        shared = present.T.astype(int) @ present
        n_groups, group = connected_components(shared >= 2)
        if n_groups > 1:
            raise ValueError(
                f"Spaces {np.flatnonzero(group == 0).tolist()} share fewer than 2 rows "
                f"with any of the spaces {np.flatnonzero(group > 0).tolist()}."
            )
        limit = min(sizes) if self.kind == "linear" else max(sizes)
        if self.n_components is not None and self.n_components > limit:
            end = "narrowest" if self.kind == "linear" else "widest"
            raise ValueError(
                f"n_components={self.n_components} must be at most {limit}, the width "
                f"of the {end} space, with kind={self.kind!r}."
            )
        n_components = self.n_components or limit
        if self.kind == "linear":
            consensus, losses = linear_consensus(
                spaces, present, self.shrinkage, n_components
            )
        else:
            with without_warning():  # _find_open_directions looks at all spaces
                consensus, losses = rigid_consensus(
                    spaces, present, self.kind == "similarity", self.max_iter, self.tol
                )
            consensus = consensus[:, :n_components]
        self.consensus_ = consensus
        self.objective_, self.n_iter_ = np.array(losses), len(losses)
        self.n_components_ = self._n_features_out = consensus.shape[1]
        self.aligners_, self._decoders = [], []
        with without_warning():
            for rows, seen in zip(spaces, present.T, strict=True):
                self._fit_maps(rows[seen], consensus[seen])
        self.determined_rank_ = self.n_components_
        if self.kind != "linear":
            self._find_open_directions(spaces, present)
        return self

    def _find_open_directions(self, spaces, present):
        """Set how many directions of each space the others determine, and warn."""
        ranks, open_spaces = [], []
        for k, rows in enumerate(spaces):
            shared, told_by = _shared(present, k)
            told = self._mean([r[shared] for r in spaces], present[shared] & told_by)
            with without_warning():
                aligner = RigidAligner().fit(rows[shared], told)
            ranks.append(aligner.determined_rank_)
            others = max(np.array(self.space_sizes_)[told_by])
            if ranks[k] < min(rows.shape[1], others, self.n_components_):
                open_spaces.append(f"{ranks[k]} of {rows.shape[1]} in space {k}")
        self.determined_rank_ = min(ranks)
        if open_spaces:
            warnings.warn(
                "The rows that spaces share determine only so many directions: "
                f"{', '.join(open_spaces)}. The others are turned as little as "
                "possible, which is a guess; add rows.",
                UserWarning,
                stacklevel=6,
            )

    def add_space(self, X, *, consensus=None):
        """Add a space, without a change to the consensus or to other maps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_k)
            The training rows of `fit` in the new space, NaN where missing.
        consensus : array-like of shape (n_samples, n_components), default=None
            Consensus of the rows of `X`, such as `transform` gives it, where they are
            not the training rows.

        Returns
        -------
        self : object
            The new space has the number ``len(aligners_) - 1``.

        Raises
        ------
        ValueError
            If `X` does not have as many rows as the consensus, a row is NaN in part,
            or fewer than two rows are there.
        """
        check_is_fitted(self)
        if consensus is None:
            consensus = self.consensus_
        else:
            consensus = check_target(consensus, self.n_components_)
        names = column_names(X)
        X = check_array(X, dtype=FLOATS, ensure_all_finite="allow-nan")
        if len(X) != len(consensus):
            raise ValueError(
                f"X has {len(X)} rows, but the consensus has {len(consensus)}."
            )
        seen = _rows_present(X, len(self.aligners_))
        if seen.sum() < 2:
            raise ValueError(f"X has {seen.sum()} rows; at least 2 are needed.")
        self.space_sizes_ = [*self.space_sizes_, X.shape[1]]
        self._space_names = [*self._space_names, names]
        # New lists: others may still hold the old ones.
        self.aligners_, self._decoders = [*self.aligners_], [*self._decoders]
        self._fit_maps(X[seen].astype(np.float64), consensus[seen].astype(np.float64))
        return self

    def transform(self, X):
        """Carry rows to the consensus: the mean over the spaces that have the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The spaces of `fit` side by side, NaN where a space does not have a row.

        Returns
        -------
        consensus : ndarray of shape (n_samples, n_components)
            The rows in the consensus.

        Raises
        ------
        ValueError
            If the width changed since `fit`, a value is infinite, or a row is NaN in a
            part of a space or missing from all.
        """
        check_is_fitted(self)
        return self._mean(*self._split(self._check_rows(X)))

    def inverse_transform(self, X):
        """Carry rows of the consensus to all spaces of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Rows of the consensus.

        Returns
        -------
        X_spaces : ndarray of shape (n_samples, n_features)
            The spaces side by side.
        """
        check_is_fitted(self)
        spaces = range(self._n_joint)
        return np.hstack([self.from_consensus(X, space) for space in spaces])

    def to_consensus(self, X, space):
        """Carry rows of one space to the consensus.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_k)
            Rows of the space.
        space : int
            Number of the space, from 0.

        Returns
        -------
        consensus : ndarray of shape (n_samples, n_components)
            The rows in the consensus.

        Raises
        ------
        ValueError
            If there is no such space, `X` has another width than it, or a value is
            not finite.
        """
        self._check_space(space)
        compare_names(self, column_names(X), self._space_names[space], "X")
        X = check_array(X, dtype=FLOATS)
        if X.shape[1] != (width := self.space_sizes_[space]):
            raise ValueError(
                f"X has {X.shape[1]} columns, but space {space} has {width}."
            )
        return self.aligners_[space].predict(X)

    def from_consensus(self, X, space):
        """Carry rows of the consensus to one space.

        The inverse of `to_consensus` for "orthogonal" and "similarity"; for "linear"
        it is the regression of the space on the consensus, with the same `shrinkage`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Rows of the consensus.
        space : int
            Number of the space, from 0.

        Returns
        -------
        X_space : ndarray of shape (n_samples, n_features_k)
            The rows in the space.

        Raises
        ------
        ValueError
            If there is no such space, `X` has another width than the consensus, or a
            value is not finite.
        """
        self._check_space(space)
        X = check_target(X, self.n_components_)
        if self.kind == "linear":
            return self._decoders[space].predict(X)
        return self.aligners_[space].inverse_transform(X)

    def translate(self, X, source, target):
        """Carry rows of one space to another, through the consensus.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_source)
            Rows of the source space.
        source, target : int
            Numbers of the spaces, from 0.

        Returns
        -------
        X_translated : ndarray of shape (n_samples, n_features_target)
            The rows in the target space.

        Raises
        ------
        ValueError
            As in `to_consensus` and `from_consensus`.
        """
        return self.from_consensus(self.to_consensus(X, source), target)

    def space_scores(self, X, sample_weight=None):
        """R2 of each space of `fit`, as told by all others through the consensus.

        A space is left out of its own prediction, not of the consensus of the training
        rows: score rows that were not trained on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The spaces side by side, NaN where a space does not have a row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.

        Returns
        -------
        scores : ndarray of shape (n_spaces,)
            At most 1; over the rows that the space and any other have, columns
            weighted by their variance. A single space is told by itself.

        Raises
        ------
        ValueError
            As in `transform`, or if a space shares fewer than two rows with the others.
        """
        check_is_fitted(self)
        X = self._check_rows(X)
        weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        spaces, present = self._split(X)
        scores = np.empty(len(spaces))
        for k, rows in enumerate(spaces):
            shared, told_by = _shared(present, k)
            if shared.sum() < 2:
                raise ValueError(
                    f"Space {k} shares {shared.sum()} rows with the others; at least "
                    "2 are needed for a score."
                )
            told = self._mean([r[shared] for r in spaces], present[shared] & told_by)
            scores[k] = r2_score(
                rows[shared],
                self.from_consensus(told, k),
                sample_weight=weight[shared],
                multioutput="variance_weighted",
            )
        return scores

    def score(self, X, y=None, sample_weight=None):
        """Mean over the spaces of `space_scores`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The spaces side by side, NaN where a space does not have a row.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.

        Returns
        -------
        score : float
            At most 1.
        """
        return float(self.space_scores(X, sample_weight).mean())

    def _check_rows(self, X, reset=False):
        return validate_data(
            self,
            X,
            dtype=FLOATS,
            reset=reset,
            ensure_min_samples=2 if reset else 1,
            ensure_all_finite="allow-nan",
        )

    def _check_sizes(self, n_features):
        if self.space_sizes is None:
            return [n_features]
        sizes = np.asarray(self.space_sizes)
        if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or sizes.min(initial=1) < 1:
            raise ValueError(
                f"space_sizes={self.space_sizes} must be positive whole numbers."
            )
        if sizes.sum() != n_features:
            raise ValueError(
                f"space_sizes={self.space_sizes} sum to {sizes.sum()}, but X has "
                f"{n_features} columns."
            )
        return sizes.tolist()

    def _check_space(self, space):
        check_is_fitted(self)
        if not is_whole(space) or space not in range(len(self.aligners_)):
            raise ValueError(
                f"space={space} must be one of 0 to {len(self.aligners_) - 1}."
            )

    def _split(self, X):
        """Return the spaces of `fit`, and which rows each has (n_samples, n_spaces)."""
        edges = np.cumsum(self.space_sizes_[: self._n_joint])[:-1]
        spaces = np.split(X, edges, axis=1)
        present = np.column_stack([_rows_present(X, k) for k, X in enumerate(spaces)])
        if not (anywhere := present.any(axis=1)).all():
            raise ValueError(
                f"{np.sum(~anywhere)} rows are NaN in all spaces, the first of them "
                f"row {anywhere.argmin()}."
            )
        return spaces, present

    def _mean(self, spaces, present):
        """Return the mean of the mapped rows that are `present`."""
        total = np.zeros((len(present), self.n_components_), dtype=spaces[0].dtype)
        for k, (rows, seen) in enumerate(zip(spaces, present.T, strict=True)):
            if seen.any():
                total[seen] += self.aligners_[k].predict(rows[seen])
        return total / present.sum(axis=1, dtype=total.dtype)[:, None]

    def _fit_maps(self, rows, consensus):
        """Append the maps between a space and the consensus."""
        if self.kind == "linear":
            aligner = LinearAligner(alpha=relative_ridge(self.shrinkage, rows))
            decoder = LinearAligner(alpha=relative_ridge(self.shrinkage, consensus))
            self._decoders.append(decoder.fit(consensus, rows))
        else:
            aligner = RigidAligner(scaling=self.kind == "similarity")
        self.aligners_.append(aligner.fit(rows, consensus))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Rows that a space does not have; one space alone has them all.
        tags.input_tags.allow_nan = self.space_sizes is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
