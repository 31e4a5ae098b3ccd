"""Cross-validated search over anchor selectors and numbers of anchors."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from inspect import signature
from itertools import product
from numbers import Integral, Real
from time import perf_counter
from traceback import format_exc
from typing import Any, Literal, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.exceptions import FitFailedWarning
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
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from skalign._aligner import TargetNamesOutMixin
from skalign._atomic import AtomicMixin
from skalign._determined import without_warning
from skalign._labels import as_written, check_labels
from skalign._routing import take_rows
from skalign._validation import (
    FLOATS,
    Interval,
    check_pairs,
    check_same_features,
    check_target_names,
    count_classes,
    is_whole,
)
from skalign.anchors import AnchorSelector, RandomAnchors
from skalign.model_selection._splits import check_splits
from skalign.paired import AnchoredAligner, LinearAligner


@dataclass
class _Outcome:
    """Result of one candidate on one fold; scores are None after an error."""

    fit_time: float = 0.0
    score_time: float = 0.0
    test_scores: dict | float | None = None
    train_scores: dict | float | None = None
    fit_error: str | None = None
    score_error: str | None = None

    def value(self, side, metric, error_score):
        scores = getattr(self, f"{side}_scores")
        score = scores.get(metric) if isinstance(scores, dict) else scores
        return error_score if score is None or isinstance(score, str) else score

    def errors(self):
        scores = self.test_scores if isinstance(self.test_scores, dict) else {}
        of_metrics = (score for score in scores.values() if isinstance(score, str))
        return [*filter(None, [self.score_error]), *of_metrics]


def _choose_anchors(selector, n_anchors, X, labels):
    """Return the anchors for each number, or the exception that was raised."""
    path, possible = [None] * len(n_anchors), []
    for i, n in enumerate(n_anchors):
        try:
            AnchorSelector.count_anchors(n, len(X))
            if hasattr(selector, "select_path"):
                possible.append(i)
            else:
                chosen = clone(selector).set_params(n_anchors=n).select(X, labels)
                path[i] = np.asarray(chosen)
        except Exception as error:
            path[i] = error
    if possible:
        numbers = [n_anchors[i] for i in possible]
        try:
            found = clone(selector).select_path(X, numbers, labels)
        except Exception as error:
            found = [error] * len(possible)
        for i, anchors in zip(possible, found, strict=True):
            path[i] = anchors
    return path


def _fit_or_update(aligner, fitted, X, y, before, anchors, metadata):
    """Fit `aligner` on the anchors, or update the `fitted` one with the new anchors.

    With fewer samples than features, or an ill-conditioned system, sums are too
    inaccurate, and the aligner is fitted anew.
    """
    n_before = len(before)
    if (
        getattr(fitted, "moments_", None) is not None
        and hasattr(fitted, "partial_fit")
        and n_before >= X.shape[1]
        and len(anchors) >= 2 * X.shape[1]  # fewer may be repeated, which sums hide
        and np.array_equal(anchors[:n_before], before)
    ):
        new = anchors[n_before:]
        if len(new):
            fitted.partial_fit(X[new], y[new], **take_rows(metadata, new, len(X)))
        limit = np.finfo(X.dtype).eps ** (-2 / 3)
        if getattr(fitted, "_condition", 1.0) <= limit:
            return fitted
    metadata = take_rows(metadata, anchors, len(X))
    return clone(aligner).fit(X[anchors], y[anchors], **metadata)


def _score(scorer, estimator, X, y, metadata):
    """Return a score, or for several metrics a dict of scores or error texts."""
    scores = scorer(estimator, X, y, **metadata)
    for score in scores.values() if isinstance(scores, dict) else [scores]:
        is_number = np.ndim(score) == 0 and isinstance(np.asarray(score).item(), Real)
        if not (is_number or (isinstance(scores, dict) and isinstance(score, str))):
            raise ValueError(f"scoring must return numbers; got {score!r}.")
    return scores


def _search_fold(
    anchored, n_anchors, X, y, labels, train, test, scorer, fit_params, score_params,
    *, raise_errors, return_train_score,
):  # fmt: skip
    """Fit and score one selector with every number of anchors on one fold."""
    start, n_samples = perf_counter(), len(X)
    fit_params = take_rows(fit_params, train, n_samples)
    test_rows = X[test], y[test], take_rows(score_params, test, n_samples)
    train_rows = X[train], y[train], take_rows(score_params, train, n_samples)
    X, y, _ = check_pairs(anchored, *train_rows[:2])
    y = y.ravel() if anchored._y_ndim == 1 else y
    labels = None if labels is None else labels[train]
    path = _choose_anchors(anchored.selector, n_anchors, X, labels)
    shared_time = (perf_counter() - start) / len(path)

    outcomes = [_Outcome() for _ in path]
    fitted, before = None, np.empty(0, dtype=np.intp)
    for i in sorted(range(len(path)), key=lambda i: np.size(path[i])):
        start, outcome, anchors = perf_counter(), outcomes[i], path[i]
        try:
            if isinstance(anchors, Exception):
                raise anchors
            with without_warning():  # the final fit warns
                fitted = _fit_or_update(
                    anchored.aligner, fitted, X, y, before, anchors, fit_params
                )
        except Exception:
            if raise_errors:
                raise
            outcome.fit_error = format_exc()
            continue
        finally:
            outcome.fit_time = perf_counter() - start + shared_time
        before, start = anchors, perf_counter()
        candidate = copy(anchored)
        candidate.aligner_, candidate.anchor_indices_ = fitted, anchors
        try:
            outcome.test_scores = _score(scorer, candidate, *test_rows)
            outcome.score_time = perf_counter() - start
            if return_train_score:
                outcome.train_scores = _score(scorer, candidate, *train_rows)
        except Exception:
            if raise_errors:
                raise
            outcome.score_error = format_exc()
    return outcomes


def _cv_results(outcomes, params, error_score, return_train_score):
    """Tabulate outcomes of shape (n_candidates, n_splits) as scikit-learn does.

    Returns
    -------
    results : dict of ndarray
    metrics : list of str, or None for a single metric
    """
    results = {}

    def store(name, values, splits=False):
        values = np.array(values, dtype=np.float64)
        if splits:
            for k, column in enumerate(values.T):
                results[f"split{k}_{name}"] = column
        results[f"mean_{name}"] = values.mean(axis=1)
        results[f"std_{name}"] = values.std(axis=1)

    store("fit_time", [[outcome.fit_time for outcome in row] for row in outcomes])
    store("score_time", [[outcome.score_time for outcome in row] for row in outcomes])
    for name in ("selector", "n_anchors"):
        values = [candidate[name] for candidate in params]
        kinds = {type(value) for value in values}
        plain = len(kinds) == 1 and kinds <= {int, float}
        column = np.ma.MaskedArray(np.empty(len(values), dtype=object))
        column[:] = values
        results[f"param_{name}"] = column.astype(kinds.pop()) if plain else column
    results["params"] = params

    flat = [outcome for row in outcomes for outcome in row]
    known = next((o.test_scores for o in flat if o.test_scores is not None), None)
    metrics = list(known) if isinstance(known, dict) else None
    for metric in metrics or ["score"]:
        for side in ("test", "train") if return_train_score else ("test",):
            values = [
                [outcome.value(side, metric, error_score) for outcome in row]
                for row in outcomes
            ]
            store(f"{side}_{metric}", values, splits=True)
            if side == "test":
                means = results[f"mean_test_{metric}"]
                means = np.nan_to_num(means, nan=np.nanmin([*means, 0.0]) - 1)
                ranks = rankdata(-means, method="min").astype(np.int32)
                results[f"rank_test_{metric}"] = ranks
    return results, metrics


def _warn_of_failures(outcomes, error_score):
    """Raise if all fits failed; warn if some fits or scores did."""
    fits = [outcome.fit_error for outcome in outcomes if outcome.fit_error]
    scores = [error for outcome in outcomes for error in outcome.errors()]
    if len(fits) == len(outcomes):
        raise ValueError(f"All {len(fits)} fits failed. The first:\n{fits[0]}")
    if fits:
        warn(
            f"{len(fits)} of {len(outcomes)} fits failed; their scores are set to "
            f"{error_score}. The first:\n{fits[0]}",
            FitFailedWarning,
            stacklevel=4,
        )
    if scores:
        warn(
            f"Scoring failed {len(scores)} times; these scores are set to "
            f"{error_score}. The first:\n{scores[0]}",
            UserWarning,
            stacklevel=4,
        )


def _best_has(method):
    def check(self):
        getattr(getattr(self, "best_estimator_", self._anchored()), method)
        return True

    return check


def _takes_weights(scorer):
    """Return whether a scorer accepts weights, as in scikit-learn's searches."""
    if hasattr(scorer, "_accept_sample_weight"):
        return scorer._accept_sample_weight()
    return "sample_weight" in signature(scorer).parameters


class AnchorSearchCV(
    AtomicMixin,
    TargetNamesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
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
        outcomes = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
            delayed(_search_fold)(
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
        _warn_of_failures([o for fold in outcomes for o in fold], self.error_score)
        by_candidate = [
            fold
            for start in range(0, len(outcomes), len(splits))
            for fold in zip(*outcomes[start : start + len(splits)], strict=True)
        ]
        params = [{"selector": s, "n_anchors": n} for s, n in product(names, n_anchors)]
        results, metrics = _cv_results(
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

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Map source samples with the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.

        Returns
        -------
        X_mapped : ndarray of shape (n_samples, n_features_out)
            Result of `best_estimator_.transform`.
        """
        return self._best("transform").transform(X)

    def transform_target(self, y: ArrayLike) -> np.ndarray:
        """Map target samples to the space of mapped source samples.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features_out)
            Result of `best_estimator_.transform_target`.
        """
        return self._best("transform_target").transform_target(y)

    @available_if(_best_has("predict"))
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict targets with the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.

        Returns
        -------
        y : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `best_estimator_.predict`.
        """
        return self._best("predict").predict(X)

    @available_if(_best_has("predict_std"))
    def predict_std(self, X: ArrayLike, *, include_noise: bool = True) -> np.ndarray:
        """Standard deviations of the predictions of the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        include_noise : bool, default=True
            Whether to include the noise of a new target sample, or only the uncertainty
            of the map.

        Returns
        -------
        std : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `best_estimator_.predict_std`.
        """
        best = self._best("predict_std")
        return best.predict_std(X, include_noise=include_noise)

    @available_if(_best_has("inverse_transform"))
    def inverse_transform(self, y: ArrayLike) -> np.ndarray:
        """Map samples back to the source space with the best estimator.

        Parameters
        ----------
        y : array-like of shape (n_target_samples, n_features_out)
            Samples in the output space of `transform`.

        Returns
        -------
        y_mapped : ndarray of shape (n_target_samples, n_features)
            Result of `best_estimator_.inverse_transform`.
        """
        return self._best("inverse_transform").inverse_transform(y)

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
        best = self._best("score")
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "score", **params).scorer.score
        scores = self.scorer_(best, X, y, **params)
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
                stacklevel=5,
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

    def _best(self, method):
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                f"{method} requires best_estimator_, which is not fitted with "
                f"refit={self.refit!r}."
            )
        return self.best_estimator_

    def _anchored(self, selector=None):
        return AnchoredAligner(self._unfitted, selector)

    def _scorer(self, raise_exc=True):
        return check_scoring(self._unfitted, self.scoring, raise_exc=raise_exc)

    @property
    def _into_target(self):
        return self.best_estimator_._into_target

    @property
    def _names_out(self):
        return self.best_estimator_._names_out

    @property
    def _same_features(self):
        return getattr(self._unfitted, "_same_features", False)

    @property
    def _unfitted(self):
        return LinearAligner() if self.aligner is None else self.aligner

    @property
    def _n_features_out(self):
        return self.best_estimator_._n_features_out

    def __sklearn_tags__(self):
        tags = get_tags(self._anchored(RandomAnchors(random_state=0)))
        keyed = isinstance(self.selectors, dict)
        selectors = self.selectors.values() if keyed else self.selectors
        tags.non_deterministic |= any(
            get_tags(selector).non_deterministic for selector in selectors
        )
        return tags
