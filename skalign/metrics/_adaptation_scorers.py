"""Scorers of pipelines with domain adaptation that need no target labels.

A pipeline treats samples as target samples unless `sample_domain` says otherwise, and
cross-validation scores source folds. These scorers therefore request `X_target` and
`sample_domain`, and pass each sample to the pipeline with its own domain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, softmax
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import _safe_indexing, gen_batches, indexable
from sklearn.utils._param_validation import HasMethods, validate_parameter_constraints
from sklearn.utils.validation import _num_samples

from skalign._labels import (
    as_written,
    check_domain,
    check_no_gaps,
    check_source,
    check_two_domains,
)
from skalign._r2 import r2
from skalign._routing import MetadataRequestMixin, best_of, consumed
from skalign._validation import Interval, check_no_dates

_BLOCK_ROWS = 1024


class _Rows(NamedTuple):
    """Samples of one domain, as passed by the caller."""

    X: Any
    y: Any
    sample_domain: Any

    def ask(self, estimator, method):
        """Call a method of a fitted estimator on the samples, with their domain."""
        check_has(estimator, method)
        check_no_dates(self.X)
        metadata = consumed(estimator, method, sample_domain=self.sample_domain)
        return getattr(estimator, method)(self.X, **metadata)

    def adapted(self, estimator):
        """Transform the samples to where a fitted pipeline compares its domains."""
        if hasattr(estimator, "steps") and hasattr(estimator, "predict"):
            estimator = estimator[:-1]
        return np.asarray(self.ask(estimator, "transform"))

    def take(self, kept):
        """Return the samples selected by a mask."""
        kept = np.flatnonzero(kept)
        y = None if self.y is None else as_written(_safe_indexing(self.y, kept))
        domain = check_domain(self.sample_domain)[kept]
        return _Rows(_safe_indexing(self.X, kept), y, domain)


def check_has(estimator, method):
    """Raise if an estimator lacks a method that the score requires."""
    if not hasattr(estimator, method):
        raise TypeError(
            f"The score needs an estimator with {method}; got {estimator!r}."
        )


def split_domains(X, y, X_target, sample_domain):
    """Return the source and the target samples passed to a scorer."""
    X, y = indexable(X, y)  # samples of some sparse formats cannot be indexed
    X_target, is_source = check_two_domains(X, X_target, sample_domain)
    if sample_domain is None:
        sample_domain = np.zeros(len(is_source), dtype=int)
    rows = _Rows(X, y, sample_domain)
    if X_target is None:
        return rows.take(is_source), rows.take(~is_source)
    target_domain = np.full(_num_samples(X_target), -1)
    return rows.take(is_source), _Rows(X_target, None, target_domain)


def adapted_domains(estimator, X, X_target, sample_domain):
    """Return source and target samples as a fitted pipeline, or search, maps them."""
    source, target = split_domains(X, None, X_target, sample_domain)
    estimator = best_of(estimator)
    return source.adapted(estimator), target.adapted(estimator)


class RoutedScorer(MetadataRequestMixin):
    """Scorer that requests the domains of samples."""

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
        # Called for every scorer by scikit-learn's searches.
        return False


class _AdaptationScorer(RoutedScorer):
    """Base of the scorers of adaptation; a subclass implements `_score`."""

    def __call__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_target: ArrayLike | tuple[Any, ...] | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Score a fitted pipeline; greater is better.

        Parameters
        ----------
        estimator : estimator
            Fitted pipeline with a domain adapter, or a search over such pipelines.
        X : array-like of shape (n_samples, n_features)
            Source samples; with `sample_domain`, samples of both domains.
        y : array-like of shape (n_samples,), default=None
            Target values. Those of target samples are ignored.
        X_target : array-like of shape (n_target_samples, n_features_target), or a \
                tuple of one such, default=None
            Target samples.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample of `X`: a number >= 0 for a source domain, < 0 for a
            target domain.

        Returns
        -------
        score : float
            The score.
        """
        estimator = best_of(estimator)
        return float(self._score(estimator, X, y, X_target, sample_domain))


@dataclass(frozen=True)
class SourceScorer(_AdaptationScorer):
    r"""Score of held-out source samples, mapped as source samples.

    With a fitted pipeline :math:`f` and a metric :math:`m`, the score is

    .. math::

        m\bigl( y_S, f(X_S) \bigr) .

    The usual scorers of scikit-learn would pass the source samples of a fold through
    the pipeline as if they were target samples. The target domain is not used: suits
    selections for which source accuracy is the criterion. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred)``; greater is better. None uses the accuracy of
        a classifier and R2 of a regressor.

    See Also
    --------
    ImportanceWeightedScorer : Score that gives more weight to source samples similar to
        target samples.

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
        rows = _Rows(*indexable(X, y), sample_domain)
        source = rows.take(check_source(sample_domain, X))
        return _metric_of(self, estimator)(source.y, source.ask(estimator, "predict"))


@dataclass(frozen=True)
class ImportanceWeightedScorer(_AdaptationScorer):
    r"""Score of held-out source samples, weighted by their density in the target.

    The metric :math:`m` weights each source sample by the ratio of the densities of the
    adapted target and source samples [1]_,

    .. math::

        m\bigl( y_S, f(X_S); w \bigr), \qquad
        w(x) = \frac{\hat p(\text{target} \mid x)}{\hat p(\text{source} \mid x)} .

    The ratio is estimated by the odds of a classifier of domains, with out-of-fold
    predictions; a constant factor is left out. Suits domains that, once adapted,
    overlap and differ in the density of samples but not in the conditional distribution
    of their labels. Read more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred, sample_weight=...)``; greater is better. None
        uses the accuracy of a classifier and R2 of a regressor.
    discriminator : classifier, default=None
        Classifier of adapted source and target samples, with `predict_proba`. None uses
        logistic regression on standardised features.

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
    >>> y = np.where(X.ravel() > 0, 1, rng.integers(0, 2, 200))  # random if X < 0
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
        """Estimate the density ratio of target to source, up to scale."""
        discriminator = self.discriminator
        if discriminator is None:
            # lbfgs does not converge on nearly separable domains.
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
    r"""Score of source samples predicted from pseudo-labelled target samples.

    The pipeline :math:`f` labels the target samples. A clone of it, :math:`g`, is
    fitted to these labels with the domains exchanged, and predicts the source samples
    [1]_ [2]_:

    .. math::

        m\bigl( y_S, g(X_S) \bigr), \qquad
        g \text{ fitted to } \bigl( X_T, f(X_T) \bigr) .

    Costs one fit. Read more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    metric : callable, default=None
        Metric ``metric(y_true, y_pred)``; greater is better. None uses the accuracy of
        a classifier and R2 of a regressor.

    Notes
    -----
    If all target samples are assigned to a single class, that class is predicted for
    all source samples. Every step of the pipeline has to be refitted, so a
    :class:`~sklearn.frozen.FrozenEstimator` in the pipeline cannot be validated this
    way.

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
    >>> scorer(model, X, y, X_target=[[9.0], [10.0], [11.0], [12.0]])  # a single class
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
    r"""Negative mean entropy of the predictions for target samples.

    With the predicted class probabilities :math:`p_i` of :math:`n` target samples,
    their entropy :math:`H` and :math:`\lambda` = `diversity`, the score is [1]_

    .. math::

        - \frac{1}{n} \sum_{i=1}^{n} H(p_i)
        + \lambda \, H \Bigl( \frac{1}{n} \sum_{i=1}^{n} p_i \Bigr) .

    Without the second term, a model that confidently predicts a single class for all
    samples has the best score. Read more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    diversity : float, default=0.0
        Weight of the entropy of the mean prediction; not negative. With 1 the score is
        the mutual information of sample and class [2]_, known as InfoMax.

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
    >>> print(f"{scorer(model, X, y, X_target=[[9.5], [9.9]]):.2f}")  # a single class
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
    r"""Soft neighbourhood density of the predictions for target samples.

    With the predicted class probabilities :math:`p_i` of :math:`n` target samples and
    :math:`\tau` = `temperature`, the score is [1]_

    .. math::

        - \frac{1}{n} \sum_{i=1}^{n} \sum_{j \ne i} s_{ij} \log s_{ij}, \qquad
        s_{ij} = \frac{\exp(\cos(p_i, p_j) / \tau)}
        {\sum_{l \ne i} \exp(\cos(p_i, p_l) / \tau)} .

    It ranges from 0 (one neighbour for each sample) to ``log(n_target_samples - 1)``. A
    pipeline with equal predictions for all samples has the best score. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    temperature : float, default=0.05
        Temperature of the softmax; positive.

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
            raise ValueError("At least 2 target samples are needed; got 1.")
        total = 0.0
        for rows in gen_batches(len(proba), _BLOCK_ROWS):
            shares = proba[rows] @ proba.T / self.temperature
            own = np.arange(rows.start, rows.stop)
            shares[np.arange(len(own)), own] = -np.inf
            total += entr(softmax(shares, axis=1)).sum()
        return total / len(proba)


def _exchange(y, labels, is_target):
    """Set the labels of target samples, and replace those of source samples."""
    y = as_written(y).copy()
    if y.dtype.kind == "O":
        check_no_gaps(y, -1)
    place_holder = np.unique(y[is_target])
    if len(place_holder) != 1 or np.isin(place_holder, y[~is_target]):
        raise ValueError(
            "y must mark all target samples as unlabelled by one value that no source "
            f"sample has; it holds {place_holder.tolist()[:5]}."
        )
    y[~is_target], y[is_target] = place_holder, labels
    return y


def _metric_of(scorer, estimator):
    check_has(estimator, "predict")
    if scorer.metric is not None:
        return scorer.metric
    return accuracy_score if is_classifier(estimator) else r2
