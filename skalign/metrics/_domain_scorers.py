"""Scorers of a model on several labelled domains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from skalign._labels import as_written, check_domain, is_target_domain
from skalign._routing import best_of, consumed
from skalign._validation import check_no_dates
from skalign.metrics._adaptation_scorers import RoutedScorer, _metric_of


def _scores_by_domain(scorer, estimator, X, y, domain, scored, refusal, *, routed):
    """Return the score of each domain; if `routed`, `predict` is given the domains."""
    _num_samples(X)
    check_no_dates(X)
    domain = check_domain(domain, X)
    X, y = indexable(X, y)
    domains = scored(np.unique(domain))
    if len(domains) == 0:
        raise ValueError(refusal)
    estimator = best_of(estimator)
    metric = _metric_of(scorer, estimator)
    scores = []
    for one in domains:
        rows = np.flatnonzero(domain == one)
        given = {"sample_domain": domain[rows]} if routed else {}
        y_pred = estimator.predict(
            _safe_indexing(X, rows), **consumed(estimator, "predict", **given)
        )
        scores.append(metric(as_written(_safe_indexing(y, rows)), y_pred))
    return scores


class _DomainScorer(RoutedScorer):
    """Base of the scorers of domains; a subclass implements `_summary`."""

    _requested = ("score", ("sample_domain",))

    def __call__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Score a fitted model; greater is better.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier or regressor, or a search over such.
        X : array-like of shape (n_samples, ...)
            Samples of all domains, in any order.
        y : array-like of shape (n_samples,)
            Target values.
        sample_domain : array-like of shape (n_samples,)
            Domain of each sample, numbers or strings. Numbers < 0 mark target samples,
            which have no label and are not scored.

        Returns
        -------
        score : float
            The score.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, has a length other than that of `X`, or holds
            target samples only.
        """
        name = type(self).__name__
        if sample_domain is None:
            raise ValueError(
                f"{name} needs sample_domain, the domain of each sample: switch on "
                "sklearn.set_config(enable_metadata_routing=True) and pass it on."
            )
        scores = _scores_by_domain(
            self,
            estimator,
            X,
            y,
            sample_domain,
            lambda domains: domains[~is_target_domain(domains)],
            f"{name} needs source samples; all of sample_domain is < 0.",
            routed=True,
        )
        return float(self._summary(scores))


@dataclass(frozen=True)
class WorstDomainScorer(_DomainScorer):
    r"""Score on the domain with the lowest score.

    With the score :math:`m(y_d, f(X_d))` on each source domain :math:`d`, the score is

    .. math::

        \min_d \, m\bigl( y_d, f(X_d) \bigr) .

    Read more in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred)``; greater is better. None uses the accuracy of
        a classifier and R2 of a regressor.

    See Also
    --------
    MeanDomainScorer : Mean over the domains.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skalign.metrics import WorstDomainScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [1, 1, 1, 1, 0]
    >>> model = DummyClassifier().fit(X, y)  # always 1
    >>> WorstDomainScorer()(model, X, y, sample_domain=["a", "a", "a", "b", "b"])
    0.5
    """

    metric: Callable | None = None

    _summary = staticmethod(np.min)


@dataclass(frozen=True)
class MeanDomainScorer(_DomainScorer):
    r"""Mean of the scores on each domain.

    With the score :math:`m(y_d, f(X_d))` on each of :math:`D` source domains, the score
    is

    .. math::

        \frac{1}{D} \sum_{d=1}^{D} m\bigl( y_d, f(X_d) \bigr) .

    All domains have the same weight, whatever their numbers of samples. Read more in
    the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred)``; greater is better. None uses the accuracy of
        a classifier and R2 of a regressor.

    See Also
    --------
    WorstDomainScorer : Minimum over the domains.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skalign.metrics import MeanDomainScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [1, 1, 1, 1, 0]
    >>> model = DummyClassifier().fit(X, y)  # always 1
    >>> MeanDomainScorer()(model, X, y, sample_domain=["a", "a", "a", "b", "b"])
    0.75
    """

    metric: Callable | None = None

    _summary = staticmethod(np.mean)


@dataclass(frozen=True)
class WorstFoundDomainScorer(RoutedScorer):
    r"""Score on the found domain with the lowest score.

    The score of :class:`WorstDomainScorer`, with domains :math:`e` that were found,
    whatever domains the model is trained on,

    .. math::

        \min_e \, m\bigl( y_e, f(X_e) \bigr) .

    They are passed as `found_domain`, and those that the model is trained on, if any,
    as `sample_domain`. The rule avoids the strongest predictor of the classes. It suits
    searches if this is a shortcut; if it is the cause, use :class:`MeanDomainScorer`.
    Read more in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred)``; greater is better. None uses the accuracy of
        a classifier and R2 of a regressor.

    See Also
    --------
    skalign.domains.partition_domains : Finds the domains.
    skalign.MultiDomainClassifier : Stops by the same rule with
        ``early_stopping="found_domains"``.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skalign.metrics import WorstFoundDomainScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [1, 1, 1, 1, 0]
    >>> model = DummyClassifier().fit(X, y)  # always 1
    >>> WorstFoundDomainScorer()(model, X, y, found_domain=[0, 0, 0, 1, 1])
    0.5
    """

    _requested = ("score", ("found_domain",))

    metric: Callable | None = None

    def __call__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        found_domain: ArrayLike | None = None,
    ) -> float:
        """Score a fitted model; greater is better.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier or regressor, or a search over such.
        X : array-like of shape (n_samples, ...)
            Samples.
        y : array-like of shape (n_samples,)
            Target values.
        found_domain : array-like of shape (n_samples,)
            Domain of each sample, as :func:`~skalign.domains.partition_domains` finds
            it; -1 for a sample in none, which is not scored.

        Returns
        -------
        score : float
            The score.

        Raises
        ------
        ValueError
            If `found_domain` is missing, has a length other than that of `X`, or holds
            no domain.
        """
        if found_domain is None:
            raise ValueError(
                "WorstFoundDomainScorer needs found_domain, such as "
                "partition_domains(X, y).domain: switch on "
                "sklearn.set_config(enable_metadata_routing=True) and pass it on."
            )
        scores = _scores_by_domain(
            self,
            estimator,
            X,
            y,
            found_domain,
            lambda domains: np.setdiff1d(domains, [-1]),
            "found_domain holds no domain: all of it is -1.",
            routed=False,
        )
        return float(min(scores))
