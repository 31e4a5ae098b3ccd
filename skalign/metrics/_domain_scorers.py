"""Scores of a model on several labelled domains, told apart by `sample_domain`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import _num_samples

from skalign._labels import as_written, check_domain, is_target_domain
from skalign._routing import best_of, consumed
from skalign.metrics._adaptation_scorers import RoutedScorer, _metric_of


class _DomainScorer(RoutedScorer):
    """Scores each domain; a subclass says what is made of the scores."""

    _requested = ("score", ("sample_domain",))

    def __call__(self, estimator, X, y, *, sample_domain=None):
        """Score a fitted model; greater is better.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor, or a search over such.
        X : array-like of shape (n_samples, ...)
            Rows of all domains, in any order.
        y : array-like of shape (n_samples,)
            What is to be predicted.
        sample_domain : array-like of shape (n_samples,)
            Domain of each row: numbers or strings. Numbers < 0 are target rows, which
            have no label and are not scored.

        Returns
        -------
        score : float
            The score.

        Raises
        ------
        ValueError
            If `sample_domain` is missing, of another length than `X`, or holds target
            rows only.
        """
        name = type(self).__name__
        if sample_domain is None:
            raise ValueError(
                f"{name} needs sample_domain, the domain of each row: switch on "
                "sklearn.set_config(enable_metadata_routing=True) and pass it on."
            )
        _num_samples(X)
        domain = check_domain(sample_domain, X)
        check_consistent_length(X, y)
        domains = np.unique(domain)
        domains = domains[~is_target_domain(domains)]
        if len(domains) == 0:
            raise ValueError(f"{name} has target rows only: sample_domain is < 0.")
        estimator = best_of(estimator)
        metric = _metric_of(self, estimator)
        scores = []
        for one in domains:
            rows = np.flatnonzero(domain == one)
            own = consumed(estimator, "predict", sample_domain=domain[rows])
            y_pred = estimator.predict(_safe_indexing(X, rows), **own)
            scores.append(metric(as_written(_safe_indexing(y, rows)), y_pred))
        return float(self._summary(scores))


@dataclass(frozen=True)
class WorstDomainScorer(_DomainScorer):
    """Score on the domain that a model is worst on.

    Read more in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    metric : callable, default=None
        ``metric(y_true, y_pred)``, greater is better. None takes the accuracy of a
        classifier and R2 of a regressor.

    See Also
    --------
    MeanDomainScorer : All domains count the same.

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
    """Mean of the scores on each domain, of however many rows.

    Read more in the :ref:`User Guide <domain_selection>`.

    Parameters
    ----------
    metric : callable, default=None
        ``metric(y_true, y_pred)``, greater is better. None takes the accuracy of a
        classifier and R2 of a regressor.

    See Also
    --------
    WorstDomainScorer : The worst domain counts.

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
