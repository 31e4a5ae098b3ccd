"""Cross-validated search over anchor selectors and numbers of anchors."""

from collections.abc import Callable
from inspect import signature
from itertools import product
from numbers import Integral, Real
from time import perf_counter
from typing import Any, Literal, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
)
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, get_tags
from sklearn.utils._param_validation import (
    HasMethods,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._labels import as_written, check_labels
from skalign._threads import shared_cores
from skalign._validation import (
    FLOATS,
    Interval,
    check_same_features,
    check_target_names,
    count_classes,
    is_whole,
)
from skalign._warnings import user_level
from skalign.anchors import AnchorSelector, RandomAnchors
from skalign.model_selection._anchor_fold import search_fold
from skalign.model_selection._search_results import cv_results, warn_of_failures
from skalign.model_selection._splits import check_splits
from skalign.paired import AnchoredAligner, InnerPairedMixin


def _takes_weights(scorer):
    """Return whether a scorer accepts weights, as in scikit-learn's searches."""
    if hasattr(scorer, "_accept_sample_weight"):
        return scorer._accept_sample_weight()
    return "sample_weight" in signature(scorer).parameters


class AnchorSearchCV(InnerPairedMixin, MetaEstimatorMixin, BaseEstimator):
    """Cross-validated search over anchor selectors and numbers of anchors.

    Gives the same scores as scikit-learn's `GridSearchCV` over
    :class:`AnchoredAligner`, in less time: each selector runs once per fold for all
    numbers of anchors, and if a larger set of anchors begins with the smaller one, an
    aligner with `partial_fit` is updated instead of fitted anew. The candidate with the
    best mean score over the folds is chosen. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    aligner : object
        Paired aligner, or pipeline with such an aligner as its last step. None is
        ``LinearAligner()``.

    selectors : list or dict of objects
        Selectors to compare: objects of :mod:`skalign.anchors`, or others with a
        parameter `n_anchors` and a method ``select(X, labels=None)``. The keys of a
        dict are used as names in `cv_results_` and `best_params_`.

    n_anchors : array-like of int or float
        Numbers of anchors to compare. A float above 0 and at most 1 is a share of the
        training samples of a fold, and of all samples for `best_estimator_`.

    cv : int, cross-validation generator or iterable, default=None
        Cross-validation strategy, as in `GridSearchCV`.

    scoring : str, callable, list, tuple or dict, default=None
        Metrics, as in `GridSearchCV`; :mod:`skalign.metrics` has scorers for spaces.
        None uses `score` of the aligner, R2.

    n_jobs : int, default=None
        Number of jobs to run in parallel, over folds and selectors.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all samples. For several metrics, the name
        of the metric to choose by. A callable receives `cv_results_` and returns the
        index of the best candidate, for instance the one with the fewest anchors and a
        sufficient score.

    error_score : "raise" or float, default=nan
        Score of a candidate that fails on a fold, which issues a warning. "raise"
        raises the error.

    return_train_score : bool, default=False
        Whether to score also on the training samples of each fold.

    verbose : int, default=0
        Verbosity of joblib.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        Results with one entry per candidate, named as in `GridSearchCV`:
        `param_selector`, `param_n_anchors`, `params`, `split0_test_score` and so on,
        `mean_test_score`, `std_test_score`, `rank_test_score`, `mean_fit_time` and so
        on. Shared computation time is divided among the candidates.

    best_estimator_ : AnchoredAligner
        Best candidate, fitted on all samples; not with ``refit=False``.

    aligner_ : object
        Fitted aligner of `best_estimator_`.

    best_params_ : dict
        `selector` and `n_anchors` of the best candidate.

    best_score_ : float
        Mean score of the best candidate over the folds; not if `refit` is a callable.

    best_index_ : int
        Index of the best candidate in `cv_results_`.

    scorer_ : callable
        Scorer in use.

    n_splits_ : int
        Number of folds.

    n_targets_ : int
        Number of features of the target space.

    n_features_in_ : int
        Number of features of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source features, if all are strings.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target features, if all are strings.

    See Also
    --------
    AnchoredAligner : Aligner fitted on selected anchors.
    sklearn.model_selection.GridSearchCV : Search over any parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import AnchorSearchCV, LinearAligner
    >>> from skalign.anchors import KMeansAnchors, RandomAnchors
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 10))
    >>> y = X @ rng.normal(size=(10, 10)) + rng.normal(size=(300, 10))
    >>> rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
    >>> search = AnchorSearchCV(LinearAligner(), rules, [10, 20, 160]).fit(X, y)
    >>> search.best_params_["n_anchors"]
    160
    >>> search.cv_results_["mean_test_score"].shape
    (6,)
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform"]), None],
        "selectors": [list, tuple, dict],
        "n_anchors": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [
            StrOptions(set(get_scorer_names())),
            callable,
            list,
            tuple,
            dict,
            None,
        ],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "refit": ["boolean", str, callable],
        "error_score": [StrOptions({"raise"}), Real],
        "return_train_score": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        aligner: Any,
        selectors: list[Any] | dict[Any, Any],
        n_anchors: ArrayLike | float,
        *,
        cv: Any = None,
        scoring: str
        | Callable[..., Any]
        | list[Any]
        | tuple[Any, ...]
        | dict[Any, Any]
        | None = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., Any] = True,
        error_score: Literal["raise"] | float = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
    ) -> None:
        self.aligner = aligner
        self.selectors = selectors
        self.n_anchors = n_anchors
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Score every candidate on every fold, and fit the best on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.
        labels : array-like of shape (n_samples,), default=None
            Class labels of the samples, for the selectors.
        **params : dict
            Parameters such as `sample_weight`, passed to `fit` of the aligner, except
            `groups`, which is passed to the splitter. Arrays with one value per sample
            are restricted to the training samples. `sample_weight` is also passed to
            scorers that accept it. With metadata routing enabled, parameters are passed
            to the aligner, the splitter and the scorer as requested.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, a value is not finite, there are no
            selectors or numbers of anchors, a number is out of range, `cv` yields no
            split or invalid indices, `refit` does not name one of several metrics, or
            all fits fail.
        """
        check_target_names(self, y, reset=True)
        n_classes = count_classes(self, y)
        names, selectors, n_anchors = self._candidates()
        if isinstance(self.scoring, list | tuple | dict):
            self._check_refit(list(self.scoring))
        scorer = self._scorer(raise_exc=self.error_score == "raise")
        routed = self._route(labels, params)
        rows = validate_data(
            self,
            X,
            y,
            dtype=FLOATS,
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        check_same_features(self)
        if n_classes:  # the final fit warns of them; those of folds need not
            rows = rows[0], rows[1].astype(np.float64)
        labels = check_labels(labels, rows[0], "labels")
        splits = check_splits(self.cv, *rows, **routed.splitter.split)
        with shared_cores(self.n_jobs) as delayed:
            outcomes = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
                delayed(search_fold)(
                    self._anchored(clone(selector)),
                    n_anchors,
                    *rows,
                    labels,
                    *split,
                    scorer,
                    routed.aligner.fit,
                    routed.scorer.score,
                    raise_errors=self.error_score == "raise",
                    return_train_score=self.return_train_score,
                )
                for selector, split in product(selectors, splits)
            )
        warn_of_failures([o for fold in outcomes for o in fold], self.error_score)
        by_candidate = [
            fold
            for start in range(0, len(outcomes), len(splits))
            for fold in zip(*outcomes[start : start + len(splits)], strict=True)
        ]
        params = [{"selector": s, "n_anchors": n} for s, n in product(names, n_anchors)]
        results, metrics = cv_results(
            by_candidate, params, self.error_score, self.return_train_score
        )
        if metrics:
            self._check_refit(metrics)
        if self.refit or not metrics:
            self._choose_best(results, self.refit if metrics else "score")
        if self.refit:
            chosen = clone(selectors[self.best_index_ // len(n_anchors)])
            chosen.set_params(n_anchors=self.best_params_["n_anchors"])
            start = perf_counter()
            self.best_estimator_ = self._anchored(chosen)._fit(
                X, y, labels, routed.aligner.fit
            )
            self.refit_time_ = perf_counter() - start
        self.n_targets_ = 1 if rows[1].ndim == 1 else rows[1].shape[1]
        self.cv_results_, self.scorer_, self.n_splits_ = (
            results,
            self._scorer(),
            len(splits),
        )
        return self

    def score(self, X: ArrayLike, y: ArrayLike, **params: Any) -> float:
        """Score the best estimator as the search did.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples in the target space.
        **params : dict
            Parameters of the scorer, such as `sample_weight`.

        Returns
        -------
        score : float
            Score; for several metrics, that of the metric named by `refit`.
        """
        check_is_fitted(self)
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "score", **params).scorer.score
        scores = self.scorer_(self._best, X, y, **params)
        return scores[self.refit] if isinstance(scores, dict) else scores

    def get_metadata_routing(self) -> Any:
        """Get the metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
        """
        self._validate_params()  # fit_transform asks for the routing first
        fit = MethodMapping().add(caller="fit", callee="fit")
        scores = MethodMapping().add(caller="score", callee="score")
        scores.add(caller="fit", callee="score")
        split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(aligner=self._unfitted, method_mapping=fit)
        router.add(scorer=self._scorer(), method_mapping=scores)
        return router.add(splitter=check_cv(self.cv), method_mapping=split)

    def _candidates(self):
        """Return the names of selectors, the selectors and the numbers of anchors."""
        if not np.ndim(self.n_anchors):
            raise ValueError(f"n_anchors={self.n_anchors!r} must be a list of numbers.")
        keyed = isinstance(self.selectors, dict)
        selectors = list(self.selectors.values() if keyed else self.selectors)
        names, n_anchors = list(self.selectors), list(self.n_anchors)
        if not selectors or not n_anchors:
            raise ValueError(
                f"Expected at least one selector and one number of anchors; got "
                f"{len(selectors)} and {len(n_anchors)}."
            )
        for selector in selectors:
            if not hasattr(selector, "select"):
                raise ValueError(f"The selector {selector!r} has no method select.")
        allowed = {"n_anchors": AnchorSelector._parameter_constraints["n_anchors"]}
        for n in n_anchors:
            validate_parameter_constraints(allowed, {"n_anchors": n}, "AnchorSearchCV")
        return names, selectors, n_anchors

    def _route(self, labels, params):
        """Return the parameters for the aligner, the scorer and the splitter."""
        if params.get("groups") is not None:
            params["groups"] = as_written(params["groups"])
        if get_config()["enable_metadata_routing"]:
            given = params if labels is None else {**params, "labels": labels}
            return process_routing(self, "fit", **given)
        groups, scored = params.pop("groups", None), {}
        weights = params.get("sample_weight")
        if weights is not None and self._scorer_weighs():
            scored["sample_weight"] = weights
        return Bunch(
            aligner=Bunch(fit=params),
            scorer=Bunch(score=scored),
            splitter=Bunch(split={} if groups is None else {"groups": groups}),
        )

    def _scorer_weighs(self):
        """Return whether any scorer takes `sample_weight`; warn of those without."""
        scorer = self._scorer()
        several = getattr(scorer, "_scorers", {"score": scorer})
        weighs = {name: _takes_weights(one) for name, one in several.items()}
        if plain := [name for name, takes in weighs.items() if not takes]:
            warn(
                f"The scoring {', '.join(plain)} does not support sample_weight: fits "
                "are weighted, its scores are not.",
                UserWarning,
                stacklevel=user_level(),
            )
        return any(weighs.values())

    def _check_refit(self, metrics):
        if self.refit and not callable(self.refit) and self.refit not in metrics:
            raise ValueError(
                f"refit={self.refit!r} must be the name of a metric in {metrics}, a "
                "callable or False."
            )

    def _choose_best(self, results, metric):
        if callable(self.refit):
            self.best_index_ = self.refit(results)
            n_candidates = len(results["params"])
            if not is_whole(self.best_index_) or not (
                0 <= self.best_index_ < n_candidates
            ):
                raise ValueError(
                    f"refit returned {self.best_index_!r}; expected the index of one "
                    f"of {n_candidates} candidates."
                )
        else:
            self.best_index_ = int(results[f"rank_test_{metric}"].argmin())
            self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _anchored(self, selector=None):
        return AnchoredAligner(self._unfitted, selector)

    def _scorer(self, raise_exc=True):
        return check_scoring(self._unfitted, self.scoring, raise_exc=raise_exc)

    @property
    def _best(self):
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "This requires best_estimator_, which is not fitted with "
                f"refit={self.refit!r}."
            )
        return self.best_estimator_

    @property
    def aligner_(self) -> Any:
        """Fitted aligner of `best_estimator_`."""
        return self._best.aligner_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "cv_results_")

    def __sklearn_tags__(self):
        tags = get_tags(self._anchored(RandomAnchors(random_state=0)))
        keyed = isinstance(self.selectors, dict)
        selectors = self.selectors.values() if keyed else self.selectors
        tags.non_deterministic |= any(
            get_tags(selector).non_deterministic for selector in selectors
        )
        return tags
