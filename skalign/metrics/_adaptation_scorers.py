"""Scores of an adapted pipeline that need no label of the target domain.

A pipeline takes rows for target rows unless `sample_domain` says otherwise, and
cross-validation scores on source folds. So these scorers request `X_target` and
`sample_domain`, and send each row by the way of its own domain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr, softmax
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import _safe_indexing, check_consistent_length, gen_batches
from sklearn.utils._param_validation import HasMethods, validate_parameter_constraints
from sklearn.utils.validation import _num_samples

from skalign._labels import (
    as_written,
    check_domain,
    check_no_gaps,
    check_source,
    check_two_domains,
)
from skalign._parameters import Interval
from skalign._routing import MetadataRequestMixin, best_of, consumed

_BLOCK_ROWS = 1024


class _Rows(NamedTuple):
    """Rows of one domain, as the caller gave them."""

    X: Any
    y: Any
    sample_domain: Any

    def ask(self, estimator, method):
        """Call a method of a fitted estimator on the rows, with their domain."""
        check_has(estimator, method)
        metadata = consumed(estimator, method, sample_domain=self.sample_domain)
        return getattr(estimator, method)(self.X, **metadata)

    def adapted(self, estimator):
        """Carry the rows to where a fitted pipeline compares its domains."""
        if hasattr(estimator, "steps") and hasattr(estimator, "predict"):
            estimator = estimator[:-1]
        return np.asarray(self.ask(estimator, "transform"))

    def take(self, kept):
        """Return some of the rows, as a mask says."""
        kept = np.flatnonzero(kept)
        y = None if self.y is None else as_written(_safe_indexing(self.y, kept))
        domain = check_domain(self.sample_domain)[kept]
        return _Rows(_safe_indexing(self.X, kept), y, domain)


def check_has(estimator, method):
    """Refuse to score what lacks a method that the score is made of."""
    if not hasattr(estimator, method):
        raise TypeError(
            f"The score needs an estimator with {method}; got {estimator!r}."
        )


def split_domains(X, y, X_target, sample_domain):
    """Return the source rows and the target rows that a scorer was given."""
    check_consistent_length(X, y)
    X_target, is_source = check_two_domains(X, X_target, sample_domain)
    if sample_domain is None:
        sample_domain = np.zeros(len(is_source), dtype=int)
    rows = _Rows(X, y, sample_domain)
    if X_target is None:
        return rows.take(is_source), rows.take(~is_source)
    target_domain = np.full(_num_samples(X_target), -1)
    return rows.take(is_source), _Rows(X_target, None, target_domain)


def adapted_domains(estimator, X, X_target, sample_domain):
    """Return source and target rows as a fitted pipeline, or search, carries them."""
    source, target = split_domains(X, None, X_target, sample_domain)
    estimator = best_of(estimator)
    return source.adapted(estimator), target.adapted(estimator)


class RoutedScorer(MetadataRequestMixin):
    """A scorer that asks for domains."""

    _requested = ("score", ("X_target", "sample_domain"))
    _parameter_constraints = {
        "metric": [callable, None],
        "discriminator": [HasMethods(["fit", "predict_proba"]), None],
        "diversity": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
    }

    def __post_init__(self):
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), type(self).__name__
        )

    def _accept_sample_weight(self):
        # Asked of every scorer by scikit-learn's searches.
        return False


class _AdaptationScorer(RoutedScorer):
    """Tells the two domains apart; a subclass says what is done with them."""

    def __call__(self, estimator, X, y=None, *, X_target=None, sample_domain=None):
        """Score a fitted pipeline; greater is better.

        Parameters
        ----------
        estimator : estimator
            A fitted pipeline with an adapter in it, or a search over such.
        X : array-like of shape (n_samples, n_features)
            Source rows; with `sample_domain`, rows of both domains.
        y : array-like of shape (n_samples,), default=None
            What is to be predicted; never looked at in target rows.
        X_target : array-like of shape (n_target_samples, n_features_target), or a \
                tuple of one such, default=None
            Target rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row of `X`: a number >= 0 for a source, < 0 for a target.

        Returns
        -------
        score : float
            The score.
        """
        estimator = best_of(estimator)
        return float(self._score(estimator, X, y, X_target, sample_domain))


@dataclass(frozen=True)
class SourceScorer(_AdaptationScorer):
    """Score of held-out source rows, carried as source rows.

    What a stock scorer means to say: it carries the source rows of a fold as if they
    were target rows. Sees nothing of the target. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        ``metric(y_true, y_pred)``, greater is better. None takes the accuracy of a
        classifier and R2 of a regressor.

    See Also
    --------
    ImportanceWeightedScorer : Source rows that look like target rows count for more.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skalign.metrics import SourceScorer
    >>> X, y = [[0.0], [1.0], [2.0]], [1, 1, -1]
    >>> model = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    >>> SourceScorer()(model, X, y, sample_domain=[0, 0, -1])
    1.0
    """

    metric: Callable | None = None

    def _score(self, estimator, X, y, X_target, sample_domain):
        if sample_domain is None:
            sample_domain = np.zeros(_num_samples(X), dtype=int)
        check_consistent_length(X, y)
        rows = _Rows(X, y, sample_domain)
        source = rows.take(check_source(sample_domain, X))
        return _metric_of(self, estimator)(source.y, source.ask(estimator, "predict"))


@dataclass(frozen=True)
class ImportanceWeightedScorer(_AdaptationScorer):
    """Score of held-out source rows, weighted to stand for target rows.

    Adapted source rows count as many times as they are denser among target rows than
    among source rows [1]_. The ratio of densities is the odds of a classifier that
    tells the domains apart, fitted out of fold. Right where the adapted domains
    differ in how often rows occur, not in what their label is, and overlap. Read more
    in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        ``metric(y_true, y_pred, sample_weight=...)``, greater is better. None takes
        the accuracy of a classifier and R2 of a regressor.
    discriminator : classifier, default=None
        Tells adapted source rows from adapted target rows by `predict_proba`. None
        takes logistic regression on standardised rows.

    References
    ----------
    .. [1] M. Sugiyama, M. Krauledat and K.-R. Müller, "Covariate shift adaptation by
       importance weighted cross validation", JMLR 8, 2007, pp. 985-1005.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skalign.metrics import ImportanceWeightedScorer, SourceScorer
    >>> rng = np.random.default_rng(0)
    >>> X, X_target = rng.uniform(-1, 1, (200, 1)), rng.uniform(0, 1, (200, 1))
    >>> y = np.where(X.ravel() > 0, 1, rng.integers(0, 2, 200))  # left half: noise
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> print(f"{SourceScorer()(model, X, y):.2f}")
    0.81
    >>> print(f"{ImportanceWeightedScorer()(model, X, y, X_target=X_target):.2f}")
    0.96
    """

    metric: Callable | None = None
    discriminator: Any = None

    def _score(self, estimator, X, y, X_target, sample_domain):
        source, target = split_domains(X, y, X_target, sample_domain)
        weights = self._weights(source.adapted(estimator), target.adapted(estimator))
        predicted = source.ask(estimator, "predict")
        metric = _metric_of(self, estimator)
        return metric(source.y, predicted, sample_weight=weights)

    def _weights(self, source, target):
        """Estimate how much denser target rows are at each source row, to a factor."""
        discriminator = self.discriminator
        if discriminator is None:
            # Domains can be told apart all but surely; lbfgs does not converge then.
            model = LogisticRegression(solver="newton-cholesky")
            discriminator = make_pipeline(StandardScaler(), model)
        is_target = np.repeat([0, 1], [len(source), len(target)])
        proba = cross_val_predict(
            discriminator,
            np.concatenate([source, target]),
            is_target,
            cv=StratifiedKFold(shuffle=True, random_state=0),
            method="predict_proba",
        )[: len(source)]
        return proba[:, 1] / np.maximum(proba[:, 0], np.finfo(proba.dtype).eps)


@dataclass(frozen=True)
class CircularValidationScorer(_AdaptationScorer):
    """Score of source rows after a way to the target and back.

    The pipeline labels the target rows; a clone of it learns from these labels, with
    the domains exchanged, and predicts the source rows [1]_ [2]_. Costs one fit. Read
    more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        ``metric(y_true, y_pred)``, greater is better. None takes the accuracy of a
        classifier and R2 of a regressor.

    Notes
    -----
    If all target rows get one class, that class is what the way back predicts. Every
    step of the pipeline has to be fitted anew: with a
    :class:`~sklearn.frozen.FrozenEstimator` in it, there is no way back.

    References
    ----------
    .. [1] L. Bruzzone and M. Marconcini, "Domain adaptation problems: a DASVM
       classification technique and a circular validation strategy", IEEE TPAMI 32(5),
       2010, pp. 770-787.
    .. [2] E. Zhong, W. Fan, Q. Yang, O. Verscheure and J. Ren, "Cross validation
       framework to choose amongst models and datasets for transfer learning",
       ECML PKDD 2010, pp. 547-562.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skalign.metrics import CircularValidationScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> model, scorer = LogisticRegression().fit(X, y), CircularValidationScorer()
    >>> scorer(model, X, y, X_target=[[0.2], [1.2], [2.2], [3.2]])
    1.0
    >>> scorer(model, X, y, X_target=[[9.0], [10.0], [11.0], [12.0]])  # all one class
    0.5
    """

    metric: Callable | None = None

    def _score(self, estimator, X, y, X_target, sample_domain):
        source, target = split_domains(X, y, X_target, sample_domain)
        labels = target.ask(estimator, "predict")
        metric = _metric_of(self, estimator)
        if is_classifier(estimator) and len(np.unique(labels)) == 1:
            return metric(source.y, np.repeat(labels[:1], len(source.sample_domain)))
        back = clone(estimator)
        if X_target is None:
            domain = -1 - check_domain(sample_domain)
            metadata = consumed(back, "fit", sample_domain=domain)
            back.fit(X, _exchange(y, labels, domain >= 0), **metadata)
        else:
            metadata = consumed(back, "fit", X_target=(source.X,))
            back.fit(target.X, labels, **metadata)
        source = source._replace(sample_domain=-1 - source.sample_domain)
        return metric(source.y, source.ask(back, "predict"))


@dataclass(frozen=True)
class PredictionEntropyScorer(_AdaptationScorer):
    """How certain the pipeline is of its predictions for target rows.

    Minus the mean entropy of the predicted class probabilities [1]_, plus `diversity`
    times the entropy of their mean. A model that is certain and wrong, as one that
    gives all rows one class, scores best without the latter. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    diversity : float, default=0.0
        Weight of the entropy of the mean prediction, not negative. With 1 the score
        is the mutual information of row and class [2]_, known as InfoMax.

    References
    ----------
    .. [1] P. Morerio, J. Cavazza and V. Murino, "Minimal-entropy correlation alignment
       for unsupervised deep domain adaptation", ICLR 2018.
    .. [2] Y. Shi and F. Sha, "Information-theoretical learning of discriminative
       clusters for unsupervised domain adaptation", ICML 2012.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skalign.metrics import PredictionEntropyScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> model = LogisticRegression().fit(X, y)
    >>> scorer = PredictionEntropyScorer()
    >>> print(f"{scorer(model, X, y, X_target=[[0.5], [2.5]]):.2f}")
    -0.59
    >>> print(f"{scorer(model, X, y, X_target=[[9.5], [9.9]]):.2f}")  # all one class
    -0.00
    """

    diversity: float = 0.0

    def _score(self, estimator, X, y, X_target, sample_domain):
        _, target = split_domains(X, y, X_target, sample_domain)
        proba = np.asarray(target.ask(estimator, "predict_proba"), dtype=np.float64)
        certainty = -entr(proba).sum(axis=1).mean()
        return certainty + self.diversity * entr(proba.mean(axis=0)).sum()


@dataclass(frozen=True)
class SoftNeighborhoodScorer(_AdaptationScorer):
    """How many neighbours the predictions for target rows have.

    Each row gives the others a share by the softmax of the cosine similarity of their
    predicted class probabilities; the score is the mean entropy of the shares [1]_,
    from 0 (one neighbour each) to ``log(n_target_samples - 1)``. A pipeline that gives
    all rows one prediction scores best. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    temperature : float, default=0.05
        Similarities are divided by it; positive.

    References
    ----------
    .. [1] K. Saito, D. Kim, P. Teterwak, S. Sclaroff, T. Darrell and K. Saenko, "Tune
       it the right way: unsupervised validation of domain adaptation via soft
       neighborhood density", ICCV 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skalign.metrics import SoftNeighborhoodScorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> model = LogisticRegression(C=100).fit(X, y)
    >>> scorer = SoftNeighborhoodScorer()
    >>> X_target = [[0.0], [0.1], [0.2], [2.8], [2.9], [3.0]]  # two neighbours each
    >>> print(f"{scorer(model, X, y, X_target=X_target):.2f}")
    0.69
    """

    temperature: float = 0.05

    def _score(self, estimator, X, y, X_target, sample_domain):
        _, target = split_domains(X, y, X_target, sample_domain)
        proba = normalize(np.asarray(target.ask(estimator, "predict_proba")))
        if len(proba) < 2:
            raise ValueError("There is one target row: it has no neighbour.")
        total = 0.0
        for rows in gen_batches(len(proba), _BLOCK_ROWS):
            shares = proba[rows] @ proba.T / self.temperature
            own = np.arange(rows.start, rows.stop)
            shares[np.arange(len(own)), own] = -np.inf
            total += entr(softmax(shares, axis=1)).sum()
        return total / len(proba)


def _exchange(y, labels, is_target):
    """Give target rows `labels`, and source rows what stood for a missing label."""
    y = as_written(y).copy()
    if y.dtype.kind == "O":
        check_no_gaps(y, -1)
    place_holder = np.unique(y[is_target])
    if len(place_holder) != 1 or np.isin(place_holder, y[~is_target]):
        raise ValueError(
            "y must hold one value in all target rows, which no source row has: what "
            f"stands for a missing label. It holds {place_holder.tolist()[:5]}."
        )
    y[~is_target], y[is_target] = place_holder, labels
    return y


def _metric_of(scorer, estimator):
    check_has(estimator, "predict")
    if scorer.metric is not None:
        return scorer.metric
    return accuracy_score if is_classifier(estimator) else r2_score
