"""Scores of every number of anchors on one fold of a search."""

from copy import copy
from dataclasses import dataclass
from numbers import Real
from time import perf_counter
from traceback import format_exc

import numpy as np
from sklearn.base import clone

from skalign._determined import without_warning
from skalign._routing import take_rows
from skalign._validation import check_pairs
from skalign.anchors import AnchorSelector


@dataclass
class Outcome:
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
        if getattr(fitted, "_sums_suffice", True):
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


def search_fold(
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

    outcomes = [Outcome() for _ in path]
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
