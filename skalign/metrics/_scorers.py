"""Scorers that compare spaces, for searches over aligners."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from numpy.typing import ArrayLike

from skalign._draws import with_fixed_draws
from skalign._routing import transform_target
from skalign.metrics._adaptation_scorers import (
    RoutedScorer,
    adapted_domains,
    check_has,
)


def make_distance_scorer(
    metric: Callable[..., Any], **kwargs: Any
) -> Callable[..., Any]:
    r"""Make a scorer from a distance between mapped source and target samples.

    With a distance :math:`d`, the score of an aligner with the maps :math:`f` of source
    and :math:`g` of target samples is

    .. math::

        - d \bigl( f(X), g(y) \bigr) .

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    metric : callable
        Distance ``metric(X, Y, **kwargs)`` between two sets of samples, such as those
        in `skalign.metrics`.
    **kwargs : dict
        Keyword arguments of `metric`. Parameters that are otherwise estimated from the
        data, such as `gamma`, should be set: else the candidates of a search are
        compared by different measures. Random draws are equal in all calls: a
        `random_state` of None is replaced by 0.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, the negative distance between
        ``estimator.transform(X)`` and ``estimator.transform_target(y)``. For a pipeline
        or a search, the latter is that of the last step or the best estimator; without
        one, target samples are used as they are. Given `X_target` or `sample_domain`,
        which the scorer requests, it compares the two domains after all steps but the
        final predictor of a pipeline with a :class:`~skalign.DomainAdapter`;
        `y` is then ignored.

    Raises
    ------
    TypeError
        If `metric` is not callable, or does not accept these keyword arguments.

    Examples
    --------
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skalign.metrics import make_distance_scorer, wasserstein_distance
    >>> scorer = make_distance_scorer(wasserstein_distance, p=1)
    >>> scorer
    make_distance_scorer(wasserstein_distance, p=1)
    >>> X, y = [[0.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [1.0, 2.0]]
    >>> print(f"{scorer(FunctionTransformer(), X, y):.3f}")
    -2.000
    """
    return SpaceScorer(metric, kwargs, falls=True)


def make_similarity_scorer(
    metric: Callable[..., Any], **kwargs: Any
) -> Callable[..., Any]:
    r"""Make a scorer from a similarity of mapped source and target samples.

    With a similarity :math:`s`, the score of an aligner with the maps :math:`f` of
    source and :math:`g` of target samples is

    .. math::

        s \bigl( f(X), g(y) \bigr) .

    Read more in the :ref:`User Guide <scorers>`.

    Parameters
    ----------
    metric : callable
        Similarity ``metric(X, Y, **kwargs)``, such as `retrieval_accuracy`.
    **kwargs : dict
        Keyword arguments of `metric`, as in `make_distance_scorer`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, the similarity of ``estimator.transform(X)`` and
        ``estimator.transform_target(y)``, as in `make_distance_scorer`.

    Raises
    ------
    TypeError
        If `metric` is not callable, or does not accept these keyword arguments.

    Examples
    --------
    >>> from skalign.metrics import make_similarity_scorer, retrieval_accuracy
    >>> make_similarity_scorer(retrieval_accuracy, k=10, csls=10)
    make_similarity_scorer(retrieval_accuracy, k=10, csls=10)
    """
    return SpaceScorer(metric, kwargs, falls=False)


class SpaceScorer(RoutedScorer):
    """Scorer that compares mapped source with target samples; greater is better."""

    def __init__(
        self, metric: Callable[..., Any], kwargs: dict[str, Any], falls: bool
    ) -> None:
        if not callable(metric):
            raise TypeError(f"metric={metric!r} must be callable.")
        try:
            signature(metric).bind(None, None, **kwargs)
        except (TypeError, ValueError) as error:  # ValueError: functions in C
            raise TypeError(
                f"metric={metric!r} cannot be called with two sets of samples and "
                f"{kwargs}: {error}."
            ) from error
        self._metric = metric
        self._kwargs = kwargs
        self._falls = falls

    def __call__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_target: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Score a fitted aligner, or a pipeline with adaptation."""
        if X_target is None and sample_domain is None:
            check_has(estimator, "transform")
            if y is None:
                raise ValueError("y is None; pass target samples as y or as X_target.")
            spaces = estimator.transform(X), transform_target(estimator, y)
        else:
            spaces = adapted_domains(estimator, X, X_target, sample_domain)
        value = with_fixed_draws(partial(self._metric, **self._kwargs))(*spaces)
        return -value if self._falls else value

    def __repr__(self):
        kind = "distance" if self._falls else "similarity"
        name = getattr(self._metric, "__name__", repr(self._metric))
        keywords = "".join(f", {key}={value!r}" for key, value in self._kwargs.items())
        return f"make_{kind}_scorer({name}{keywords})"
