"""Generalised Procrustes analysis of many spaces."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._arrays import (
    arrive,
    as_dtype,
    check_library,
    converted,
    floats,
    namespace,
    settle,
    take_rows,
)
from skalign._atomic import AtomicMixin
from skalign._dask import is_dask, lazy, make_lazy, one_sample
from skalign._determined import without_warning
from skalign._layers import affine, layers_of
from skalign._r2 import r2
from skalign._validation import (
    Interval,
    check_target,
    check_weight,
    column_names,
    compare_names,
    is_whole,
)
from skalign.moments import Spectrum, moments_of_dask, relative_ridge
from skalign.paired import LinearAligner, RigidAligner
from skalign.spaces._blocks import (
    block_sizes,
    check_linked,
    check_new_space,
    join_blocks,
    mapped_mean,
    shared_samples,
    split_blocks,
)
from skalign.spaces._consensus import (
    check_rigid_only,
    count_components,
    linear_consensus,
    rigid_consensus,
    shared_ranks,
)


@make_lazy
class GeneralizedProcrustes(
    AtomicMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Align many spaces of the same samples with one consensus.

    Minimises, over the maps :math:`f_k` and the consensus :math:`z`, the loss

    .. math::

        \sum_{i,k} w_{ik} \lVert f_k(x_{ik}) - z_i \rVert^2,

    where :math:`w_{ik}` is 1 if space k has sample i and 0 if it is missing [1]_ [2]_.
    Through the consensus any space can be compared with, or translated to, any other,
    with m maps instead of the m (m - 1) between all pairs. Further spaces can be added
    without changing the others. Appropriate for three or more spaces, also with missing
    samples, that share most of their structure. Read more in the
    :ref:`User Guide <many_spaces>`.

    Parameters
    ----------
    space_sizes : array-like of shape (n_spaces,), default=None
        Numbers of features of the spaces, which are the column blocks of `X`. None
        treats `X` as a single space.

    kind : {"orthogonal", "similarity", "linear"}, default="orthogonal"
        Class of the maps from the spaces to the consensus. "orthogonal" is a rotation
        and a translation, "similarity" adds one scale for each space, and "linear" is
        any affine map.

    n_components : int, default=None
        Number of dimensions of the consensus, its leading principal axes. None uses the
        maximum: the largest number of features of a space or, for "linear", the
        smallest one, limited by the rank of the data.

    shrinkage : float, default=0.01
        Ridge penalty of the maps for "linear", as a share of the mean eigenvalue of the
        Gram matrix of a space. Must not be negative. With 0, a space with no more
        samples than features fits any consensus perfectly.

    max_iter : int, default=100
        Maximum number of iterations; ignored for "linear".

    tol : float, default=1e-6
        Tolerance: stop when the loss decreases by no more than this.

    trim : float, default=0.0
        Share, from 0 to below 1, of the samples of all spaces that are treated as
        missing at every iteration: those farthest from the consensus, except that each
        sample stays in one space. Must be 0 for "linear". The initial maps use all
        samples, so that many strays may lead to a local minimum.

    allow_reflection : bool, default=True
        Whether maps of spaces as wide as the consensus may be reflections. Must be True
        for "linear".

    Attributes
    ----------
    consensus_ : ndarray of shape (n_samples, n_components) or None
        Centred consensus of the training samples, in its principal axes. None if these
        were of Dask, whose consensus `transform` returns lazily.

    aligners_ : list of RigidAligner or LinearAligner
        Map of each space to the consensus, added spaces last.

    inlier_mask_ : ndarray of bool of shape (n_samples, n_spaces) or None
        Samples of each space of `fit` that are neither missing nor left out. None if
        these were of Dask, where none are.

    space_sizes_ : list of int
        Numbers of features of the spaces, added spaces last.

    n_components_ : int
        Number of dimensions of the consensus.

    determined_rank_ : int
        Smallest number, over the spaces, of directions that are determined by the
        samples shared with other spaces; `n_components_` for "linear". A warning lists
        spaces for which it is below their number of features (or that of the other
        spaces or of the consensus, if smaller), as with few samples; their maps rotate
        the other directions as little as possible, see :class:`RigidAligner`.

    objective_ : ndarray of shape (`n_iter_`,)
        Loss at each iteration, as a share of the sum of squares of all spaces, from 0
        to 1. Does not increase.

    n_iter_ : int
        Number of iterations; 1 for "linear".

    n_features_in_ : int
        Number of columns of `X` in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all are strings.

    See Also
    --------
    RigidAligner, LinearAligner : Align two spaces.

    Notes
    -----
    The loss alternates between least squares for the maps and for the consensus, so
    that it does not increase; the iterations may end in a local minimum. For spaces
    with fewer features than the consensus, rotations are matrices with orthonormal
    rows.

    To exclude the trivial solution of zero scales, "similarity" fixes the weighted sum
    of squares of the consensus to that of the spaces, which gives the scales of [3]_ up
    to a common factor. "linear" requires uncorrelated columns of the consensus with
    mean square one, which is generalised canonical correlation analysis [4]_ and is
    solved by a single SVD. In both cases the maps, and their mean in `transform`,
    shrink directions in which the spaces disagree.

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
        "trim": [Interval(Real, 0, 1, closed="left")],
        "allow_reflection": ["boolean"],
    }

    def __init__(
        self,
        space_sizes: ArrayLike | None = None,
        *,
        kind: Literal["orthogonal", "similarity", "linear"] = "orthogonal",
        n_components: int | None = None,
        shrinkage: float = 0.01,
        max_iter: int = 100,
        tol: float = 1e-6,
        trim: float = 0.0,
        allow_reflection: bool = True,
    ) -> None:
        self.space_sizes = space_sizes
        self.kind = kind
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.max_iter = max_iter
        self.tol = tol
        self.trim = trim
        self.allow_reflection = allow_reflection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit the consensus, and a map from each space to it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spaces as column blocks of sizes `space_sizes`. A sample that is missing
            from a space is NaN in all its columns. Samples of Dask must not be missing;
            only their sums are collected, and axes of the consensus may differ in sign
            from a fit in memory.
        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `space_sizes` does not sum to the number of columns, a sample is NaN in
            part of a space or missing from all spaces, a value is infinite, a space has
            or shares with others fewer than two samples (also after trimming), squares
            overflow or underflow, `n_components` or `trim` is too large, or "linear" is
            combined with `trim` or without reflections.
        """
        if of_dask := is_dask(X):
            X = self._sample_of(X)
        X = self._check_rows(arrive(X, "X", stays=True), reset=True)
        sizes = block_sizes(self.space_sizes, X.shape[1])
        names = [None] * len(sizes)
        if hasattr(self, "feature_names_in_"):
            names = np.split(self.feature_names_in_, np.cumsum(sizes)[:-1])
        self._fit(X, sizes, names)
        if of_dask:
            self.consensus_ = self.inlier_mask_ = None
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_spaces(self, spaces: Sequence[Any]) -> Self:
        """Fit to a list of spaces; equivalent to `fit` with column blocks.

        Parameters
        ----------
        spaces : sequence of array-like of shape (n_samples, n_features_k)
            The same samples, row by row, in each space, NaN if missing. `space_sizes`
            must be None or match their numbers of features.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the lengths differ, or as in `fit`.
        """
        X, sizes, names = join_blocks(spaces, self.space_sizes)
        X = self._check_rows(X, reset=True)
        if not [of_space for of_space in names if of_space is None]:
            self.feature_names_in_ = np.concatenate(names)
        return self._fit(X, sizes, names)

    def _sample_of(self, X):
        """Return few samples with the mean and covariance of those of Dask.

        Without missing samples, the maps depend on nothing else.
        """
        made = one_sample(X)
        block_sizes(self.space_sizes, made.shape[1])
        if self.trim:
            raise ValueError(
                f"trim={self.trim} needs all samples at once; for samples of Dask it "
                "must be 0."
            )
        moments = moments_of_dask(X)
        if moments.n_samples < 2:
            raise ValueError("X has 1 sample; at least 2 are needed.")
        rows = Spectrum.from_moments(moments, ddof=0).sample()
        return (
            rows
            if isinstance(made, np.ndarray)
            else type(made)(rows, columns=made.columns)
        )

    def _fit(self, X, sizes, names):
        self.space_sizes_, self._space_names, self._n_joint = sizes, names, len(sizes)
        spaces, present = split_blocks(as_dtype(X, floats(X)[0]), sizes)
        check_linked(spaces, present)
        check_rigid_only(self.kind, self.trim, self.allow_reflection)
        n_components = count_components(self.n_components, self.kind, sizes)
        if self.kind == "linear":
            consensus, losses = linear_consensus(
                spaces, present, self.shrinkage, n_components
            )
        else:
            with without_warning():  # shared_ranks looks at all spaces
                consensus, losses, present = rigid_consensus(
                    spaces, present, self._rigid(), self.max_iter, self.tol, self.trim
                )
            check_linked(spaces, present)
            consensus = consensus[:, :n_components]
        self.consensus_, self.inlier_mask_ = consensus, present
        self.objective_, self.n_iter_ = np.array(losses), len(losses)
        self.n_components_ = self._n_features_out = consensus.shape[1]
        self.aligners_, self._decoders = [], []
        with without_warning():
            for rows, seen in zip(spaces, present.T, strict=True):
                self._fit_maps(take_rows(rows, seen), take_rows(consensus, seen))
        self.determined_rank_ = self.n_components_
        if self.kind != "linear":
            self.determined_rank_ = min(
                shared_ranks(spaces, present, self._mean_of_others, self.n_components_)
            )
        return settle(self, X)

    def add_space(self, X: ArrayLike, *, consensus: ArrayLike | None = None) -> Self:
        """Add a space, without changing the consensus or other maps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_k)
            Training samples of `fit` in the new space, NaN if missing.
        consensus : array-like of shape (n_samples, n_components), default=None
            Consensus of the samples of `X`, as returned by `transform`. None uses the
            consensus of the training samples.

        Returns
        -------
        self : object
            Fitted estimator; the new space has the number ``len(aligners_) - 1``.

        Raises
        ------
        ValueError
            If `X` does not have as many samples as the consensus, a sample is partly
            NaN, or fewer than two samples are not missing.
        """
        names = column_names(X)
        X = self._check_place(X, "add_space")
        if consensus is None:
            if self.consensus_ is None:
                raise ValueError(
                    "The samples of fit were of Dask: pass the consensus of X, as "
                    "returned by transform."
                )
            consensus = self.consensus_
        else:
            consensus = self._check_place(consensus, "add_space", "consensus")
            consensus = check_target(consensus, self.n_components_)
        X, seen = check_new_space(X, consensus.shape[0], len(self.aligners_))
        self.space_sizes_ = [*self.space_sizes_, X.shape[1]]
        self._space_names = [*self._space_names, names]
        # New lists: others may still hold the old ones.
        self.aligners_, self._decoders = [*self.aligners_], [*self._decoders]
        wide = floats(X)[0]
        self._fit_maps(
            *(as_dtype(take_rows(rows, seen), wide) for rows in (X, consensus))
        )
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Map samples to the consensus: the mean over the spaces that have the sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spaces of `fit` as column blocks, NaN for missing samples.

        Returns
        -------
        consensus : ndarray of shape (n_samples, n_components)
            Samples in the consensus.

        Raises
        ------
        ValueError
            If the number of columns differs from `fit`, a value is infinite, or a
            sample is NaN in part of a space or missing from all spaces.
        """
        X = self._check_rows(self._check_place(X, "transform"))
        return mapped_mean(
            self.aligners_, *split_blocks(X, self.space_sizes_[: self._n_joint])
        )

    def _layers(self):
        maps = [layers_of(a)[0] for a in self.aligners_[: self._n_joint]]
        shift = np.concatenate([part.shift for part in maps])
        coef = np.concatenate([part.coef for part in maps]) / len(maps)
        return (affine(shift, coef, np.mean([part.offset for part in maps], axis=0)),)

    @lazy
    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Map samples from the consensus to all spaces of `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Samples in the consensus.

        Returns
        -------
        X_spaces : ndarray of shape (n_samples, n_features)
            Spaces as column blocks.
        """
        X = self._check_place(X, "inverse_transform")
        spaces = [self.from_consensus(X, space) for space in range(self._n_joint)]
        return namespace(*spaces).concat(spaces, axis=1)

    @lazy
    def to_consensus(self, X: ArrayLike, space: int) -> np.ndarray:
        """Map samples from one space to the consensus.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_k)
            Samples in the space.
        space : int
            Number of the space, from 0.

        Returns
        -------
        consensus : ndarray of shape (n_samples, n_components)
            Samples in the consensus.

        Raises
        ------
        ValueError
            If there is no such space, `X` has another number of features, or a value is
            not finite.
        """
        self._check_space(space)
        compare_names(self, column_names(X), self._space_names[space], "X")
        X = self._check_place(X, "to_consensus")
        X = check_array(X, dtype=floats(X))
        if X.shape[1] != (width := self.space_sizes_[space]):
            raise ValueError(
                f"X has {X.shape[1]} columns, but space {space} has {width}."
            )
        return self.aligners_[space].predict(X)

    @lazy
    def from_consensus(self, X: ArrayLike, space: int) -> np.ndarray:
        """Map samples from the consensus to one space.

        This is the inverse of `to_consensus` for "orthogonal" and "similarity", and for
        "linear" the ridge regression of the space on the consensus, with the same
        `shrinkage`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Samples in the consensus.
        space : int
            Number of the space, from 0.

        Returns
        -------
        X_space : ndarray of shape (n_samples, n_features_k)
            Samples in the space.

        Raises
        ------
        ValueError
            If there is no such space, `X` differs from the consensus in its number of
            dimensions, or a value is not finite.
        """
        self._check_space(space)
        X = check_target(self._check_place(X, "from_consensus"), self.n_components_)
        if self.kind == "linear":
            return self._decoders[space].predict(X)
        return self.aligners_[space].inverse_transform(X)

    @lazy
    def translate(self, X: ArrayLike, source: int, target: int) -> np.ndarray:
        """Map samples from one space to another, through the consensus.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_source)
            Samples in the source space.
        source, target : int
            Numbers of the spaces, from 0.

        Returns
        -------
        X_translated : ndarray of shape (n_samples, n_features_target)
            Samples in the target space.

        Raises
        ------
        ValueError
            As in `to_consensus` and `from_consensus`.
        """
        return self.from_consensus(self.to_consensus(X, source), target)

    def space_scores(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> np.ndarray:
        """R2 of the prediction of each space of `fit` from all others.

        Each space is predicted from the mean of the other spaces in the consensus. The
        consensus itself was fitted to all spaces, so use samples that were not used for
        training.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spaces as column blocks, NaN for missing samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative.

        Returns
        -------
        scores : ndarray of shape (n_spaces,)
            R2 of each space, at most 1, over the samples it shares with any other
            space, with features weighted by their variance. A single space is predicted
            from itself.

        Raises
        ------
        ValueError
            As in `transform`, or if a space shares fewer than two samples with the
            others.
        """
        X = self._check_rows(self._check_place(X, "score"))
        weight = check_weight(sample_weight, X)
        spaces, present = split_blocks(X, self.space_sizes_[: self._n_joint])
        scores = np.empty(len(spaces))
        for k, rows in enumerate(spaces):
            shared, _, told = self._mean_of_others(spaces, present, k)
            if (n_shared := told.shape[0]) < 2:
                raise ValueError(
                    f"Space {k} shares {n_shared} samples with the others; at least 2 "
                    "are needed for a score."
                )
            scores[k] = r2(
                take_rows(rows, shared),
                self.from_consensus(told, k),
                sample_weight=None if weight is None else weight[shared],
                multioutput="variance_weighted",
            )
        return scores

    def score(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean of `space_scores` over the spaces.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Spaces as column blocks, NaN for missing samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative.

        Returns
        -------
        score : float
            Mean R2, at most 1.
        """
        return float(self.space_scores(X, sample_weight).mean())

    def _check_place(self, rows, method, name="X"):
        """Check that samples are where the maps are, and that there are maps."""
        check_is_fitted(self)
        check_library(self, rows, "_placed", method)
        return arrive(rows, name, stays=True)

    @property
    def _placed(self):
        return self.aligners_[0]._placed

    def __sklearn_array_api_convert__(self, converter):
        return converted(self, converter)

    def _check_rows(self, X, reset=False):
        return validate_data(
            self,
            X,
            dtype=floats(X),
            reset=reset,
            ensure_min_samples=2 if reset else 1,
            ensure_all_finite="allow-nan",
        )

    def _check_space(self, space):
        check_is_fitted(self)
        if not is_whole(space) or space not in range(len(self.aligners_)):
            raise ValueError(
                f"space={space} must be one of 0 to {len(self.aligners_) - 1}."
            )

    def _mean_of_others(self, spaces, present, k):
        """Masks of shared samples and of other spaces, and the mean in these."""
        shared, others = shared_samples(present, k)
        rows = [take_rows(space, shared) for space in spaces]
        told = mapped_mean(self.aligners_, rows, present[shared] & others)
        return shared, others, told

    def _fit_maps(self, rows, consensus):
        """Append the maps between a space and the consensus."""
        if self.kind == "linear":
            aligner = LinearAligner(alpha=relative_ridge(self.shrinkage, rows))
            decoder = LinearAligner(alpha=relative_ridge(self.shrinkage, consensus))
            self._decoders.append(decoder.fit(consensus, rows))
        else:
            aligner = self._rigid()
        self.aligners_.append(aligner.fit(rows, consensus))

    def _rigid(self):
        return RigidAligner(
            scaling=self.kind == "similarity", allow_reflection=self.allow_reflection
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Missing samples are NaN; a single space has no missing samples.
        tags.input_tags.allow_nan = self.space_sizes is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags
