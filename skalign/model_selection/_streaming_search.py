"""Cross-validated search over the parameters of an aligner, from sums."""

from functools import reduce
from operator import attrgetter
from time import perf_counter
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skalign._arrays import arrive
from skalign._determined import without_warning
from skalign._validation import check_pairs, check_target_names
from skalign.model_selection._anchor_fold import Outcome
from skalign.model_selection._search_results import cv_results
from skalign.model_selection._splits import check_splits
from skalign.moments import Moments, Sums
from skalign.paired import InnerPairedMixin, Shared

_PRODUCTS = ("xx", "xy", "y2")
_LOST = 100.0  # precision lost by a subtraction, above which samples are summed instead


def _mean_r2(errors, held_out):
    squares, varies = held_out.y2, held_out.varies("y")
    # As in r2_score: targets that do not vary score 1 if they are met, else 0.
    r2 = np.where(np.sqrt(errors) <= held_out.rounding("y"), 1.0, 0.0)
    r2[varies] = 1 - errors[varies] / squares[varies]
    return np.mean(r2)


_SCORES = {
    "r2": _mean_r2,
    "neg_mean_squared_error": lambda errors, sums: -np.mean(errors / sums.weight),
    "neg_root_mean_squared_error": lambda errors, sums: (
        -np.mean(np.sqrt(errors / sums.weight))
    ),
}


class StreamingSearchCV(InnerPairedMixin, MetaEstimatorMixin, BaseEstimator):
    """Cross-validated search over the parameters of an aligner, from sums.

    Gives the scores of scikit-learn's `GridSearchCV`, but reads the samples about once
    for all folds and all parameters: the training sums of a split are those of all
    samples without those of its test part, and squared errors of the test part follow
    from its own sums. Strengths of :class:`LinearAligner` share one decomposition per
    split. Read more in the :ref:`User Guide <streaming_search>`.

    Parameters
    ----------
    aligner : object
        Paired aligner that is fitted from sums and has an affine map:
        :class:`LinearAligner` or :class:`RigidAligner`. None is ``LinearAligner()``.

    param_grid : dict or list of dict
        Parameters to compare, as in `GridSearchCV`.

    cv : int, cross-validation generator or iterable, default=None
        Cross-validation strategy, as in `GridSearchCV`.

    scoring : {"r2", "neg_mean_squared_error", "neg_root_mean_squared_error"}, \
            default="r2"
        Score, as in `GridSearchCV`. Other scores do not follow from sums.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        Results with one entry per candidate, named as in `GridSearchCV`. Shared
        computation time is divided among the candidates.

    from_sums_ : ndarray of bool of shape (n_candidates, n_splits)
        False where sums are not accurate enough, so that the aligner was fitted and
        scored on the samples: if the condition number of the system exceeds the limit
        of ``solver="moments"``, or if a squared error is less than ``eps ** (2 / 3)``
        of the variance of its target, for the precision of the input.

    best_estimator_ : object
        Aligner with the best parameters, learned from the sums over all samples, or
        from the samples if sums are not accurate enough.

    aligner_ : object
        The same as `best_estimator_`.

    best_params_ : dict
        Parameters with the best mean score over the splits.

    best_score_ : float
        Mean score of these.

    best_index_ : int
        Index of these in `cv_results_`.

    scorer_ : callable
        Scorer in use.

    n_splits_ : int
        Number of splits.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    LinearAligner : Selects its penalty from one fit, with ``alpha="gcv"``.
    sklearn.model_selection.GridSearchCV : Search over any parameters of any estimator.

    Notes
    -----
    With n samples of d features and t targets, k splits and m candidates, the products
    take O(n d (d + t)), and the candidates O(k d^3 + k m d^2 t). If test parts overlap,
    or the sums of all folds are larger than the samples, products are computed twice.
    If the training part is not the complement of the test part, it is added up for
    each split. "gcv" also searches the samples of each training part for copies.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import LinearAligner, StreamingSearchCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 10))
    >>> y = X @ rng.normal(size=(10, 4)) + 10 * rng.normal(size=(300, 4))
    >>> search = StreamingSearchCV(LinearAligner(), {"alpha": [1.0, 100.0, 1e4]}, cv=10)
    >>> search.fit(X, y).best_params_
    {'alpha': 100.0}
    >>> bool(search.from_sums_.all())
    True
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform"]), None],
        "param_grid": [dict, list],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(_SCORES))],
    }

    def __init__(
        self,
        aligner: Any,
        param_grid: dict[str, Any] | list[dict[str, Any]],
        *,
        cv: Any = None,
        scoring: Literal[
            "r2", "neg_mean_squared_error", "neg_root_mean_squared_error"
        ] = "r2",
    ) -> None:
        self.aligner = aligner
        self.param_grid = param_grid
        self.cv = cv
        self.scoring = scoring

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Score every candidate on every split, and learn the best from all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in fits and scores, not negative.
        **params : dict
            Parameters of `split` of the splitter, such as `groups`. With metadata
            routing enabled, only those are passed that the splitter requests.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, a value is not finite, `cv` yields no split
            or invalid indices, `param_grid` is empty or names no parameter of the
            aligner, or the aligner raises an error.
        TypeError
            If the aligner is not fitted from sums, with some of the parameters, or its
            map is not affine.
        """
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).splitter.split
        return self._fit_with_sums(X, y, sample_weight, **params)

    def _fit_with_sums(self, X, y, sample_weight, shared=None, **params):
        candidates = self._candidates()
        X, y, sample_weight = check_pairs(
            self, X, y, sample_weight=sample_weight, ensure_all_finite=False
        )
        y = y.ravel() if self._y_ndim == 1 else y
        splits = check_splits(self.cv, X, y, **params)
        pairs = _Pairs(X, y, sample_weight, self)
        outcomes, from_sums = [], []
        whole = Shared() if shared is None else shared
        whole.moments, folds = pairs.sums_of_splits(splits, whole.moments)
        for (train, test), held_out in zip(splits, folds, strict=True):
            start = perf_counter()
            rest = Shared(pairs.training_sums(whole.moments, held_out, train, test))
            seconds = (perf_counter() - start) / len(candidates)
            for candidate in candidates:
                outcome, exact = pairs.score(
                    candidate, rest, held_out, train, test, _SCORES[self.scoring]
                )
                outcome.fit_time += seconds
                outcomes.append(outcome)
                from_sums.append(exact)
        shape = len(splits), len(candidates)
        self.from_sums_ = np.reshape(from_sums, shape).T
        by_candidate = [outcomes[i :: len(candidates)] for i in range(len(candidates))]
        self.cv_results_, _ = cv_results(
            by_candidate, list(ParameterGrid(self.param_grid)), np.nan, False
        )
        self.best_index_ = int(self.cv_results_["rank_test_score"].argmin())
        self.best_score_ = self.cv_results_["mean_test_score"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_estimator_ = pairs.fit(candidates[self.best_index_], whole)
        self.scorer_, self.n_splits_ = get_scorer(self.scoring), len(splits)
        return self

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score the best estimator as the search did.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative.

        Returns
        -------
        score : float
        """
        X = self._check_source(X, "score")
        check_target_names(self, y)
        y = np.asarray(arrive(y, "y"))
        return self.scorer_(self.best_estimator_, X, y, sample_weight=sample_weight)

    def get_metadata_routing(self) -> Any:
        """Get the metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
        """
        split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=check_cv(self.cv), method_mapping=split)

    def _candidates(self):
        """Return an aligner, not fitted, for each combination of parameters."""
        candidates = []
        for params in ParameterGrid(self.param_grid):
            candidate = clone(self._unfitted).set_params(**clone(params, safe=False))
            try:
                attrgetter("_streams", "_set_map", "predict")(candidate)
            except AttributeError as error:
                raise TypeError(
                    f"StreamingSearchCV needs a paired aligner that is fitted from "
                    f"sums and has an affine map; got {candidate!r}. Use GridSearchCV."
                ) from error
            candidates.append(candidate)
        return candidates

    @property
    def aligner_(self) -> Any:
        """The same as `best_estimator_`."""
        if not hasattr(self, "best_estimator_"):
            raise AttributeError("StreamingSearchCV is not fitted yet.")
        return self.best_estimator_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "best_estimator_")

    def __sklearn_tags__(self):
        tags = get_tags(self._unfitted)
        tags.array_api_support = self._any_library
        return tags


class _Pairs:
    """Validated pairs, and the fits and scores of candidates on some of them."""

    def __init__(self, X, y, sample_weight, search):
        self._X, self._y, self._weight = X, y, sample_weight
        self._header = {
            "dtype": X.dtype.name,
            "n_features": search.n_features_in_,
            "n_targets": search.n_targets_,
            "y_ndim": search._y_ndim,
        }

    def sums_of_splits(self, splits, whole):
        """Return the sums over all samples and, as an iterable, over each test part.

        `whole` are the first if they are known, else None.
        """
        tests = [test for _, test in splits]
        n = len(self._X)
        small = len(splits) * self._header["n_features"] <= n  # than the samples
        if small and _are_all_once(n, tests):
            folds = [self._sum(test) for test in tests]
            return whole or reduce(Moments.merge, folds), folds
        return whole or self._sum(slice(None)), map(self._sum, tests)

    def training_sums(self, whole, held_out, train, test):
        if _are_all_once(len(self._X), [train, test]):
            rest = whole.subtract(held_out)
            if rest.precision <= _LOST * whole.precision:
                return rest
        return self._sum(train)

    def score(self, candidate, shared, held_out, train, test, score):
        """Return the outcome of a candidate, and whether sums were enough for it."""
        start, outcome = perf_counter(), Outcome()
        with without_warning():
            aligner = self._fit(candidate, shared, train)
        outcome.fit_time = perf_counter() - start
        exact = aligner.moments_ is not None and aligner._sums_suffice
        if exact:
            start = perf_counter()
            coef = aligner.coef_.astype(np.float64, copy=False)
            errors = held_out.squared_errors(coef, aligner.x_mean_, aligner.y_mean_)
            least = np.finfo(self._X.dtype).eps ** (2 / 3) * held_out.y2
            exact = not (held_out.varies("y") & (errors < least)).any()
        if not exact:
            start = perf_counter()
            if candidate._sums_decide:
                with without_warning():
                    aligner = self._fit_samples(candidate, train, None)
            outcome.fit_time += perf_counter() - start
            start = perf_counter()
            errors = self._squared_errors(aligner, test)
        outcome.test_scores = float(score(errors, held_out))
        outcome.score_time = perf_counter() - start
        return outcome, exact

    def fit(self, candidate, whole):
        """Fit on all samples, given what is known of them."""
        return self._fit_samples(candidate, slice(None), whole)

    def _sum(self, rows):
        X, y, weight = self._take(rows)
        y = y.reshape(len(y), -1)
        return Moments.from_arrays(X, y, sample_weight=weight, products=_PRODUCTS)

    def _fit(self, candidate, shared, rows):
        if candidate._sums_decide:
            sums = Sums.of({"pairs": shared.moments}, **self._header)
            return clone(candidate).fit_sums(sums)
        return self._fit_samples(candidate, rows, shared)

    def _fit_samples(self, candidate, rows, shared):
        shared = shared or Shared()
        X, y, weight = shared.once(lambda: self._take(rows), "samples")
        candidate = clone(candidate)
        candidate._validate_params()
        return candidate._fit_with_sums(X, y, weight, shared)

    def _squared_errors(self, aligner, rows):
        X, y, weight = self._take(rows)
        errors = (aligner.predict(X) - y).astype(np.float64).reshape(len(y), -1) ** 2
        return errors.sum(axis=0) if weight is None else weight @ errors

    def _take(self, rows):
        """Return samples and weights; without a copy if they are consecutive."""
        if not isinstance(rows, slice) and np.all(np.diff(rows) == 1):
            rows = slice(rows[0], rows[-1] + 1)
        weight = None if self._weight is None else self._weight[rows]
        return self._X[rows], self._y[rows], weight


def _are_all_once(n_samples, parts):
    """Return whether each of `n_samples` is in exactly one of the parts."""
    counts = np.bincount(np.concatenate(parts), minlength=n_samples)
    return bool(np.all(counts == 1))
