"""Scorers by name."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from sklearn import metrics

from skalign.metrics._adaptation_scorers import (
    CircularValidationScorer,
    ImportanceWeightedScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodScorer,
    SourceScorer,
)
from skalign.metrics._domain_scorers import (
    MeanDomainScorer,
    WorstDomainScorer,
    WorstFoundDomainScorer,
)
from skalign.metrics._gaussian_wasserstein import gaussian_wasserstein_distance
from skalign.metrics._mmd import mmd
from skalign.metrics._retrieval import retrieval_accuracy
from skalign.metrics._scorers import make_distance_scorer, make_similarity_scorer
from skalign.metrics._sliced_wasserstein import sliced_wasserstein_distance
from skalign.metrics._wasserstein import wasserstein_distance

# As in scikit-learn, "neg_" precedes the name of a distance.
_SCORERS = {
    "circular_validation": CircularValidationScorer(),
    "importance_weighted": ImportanceWeightedScorer(),
    "mean_domain": MeanDomainScorer(),
    "neg_gaussian_wasserstein_distance": make_distance_scorer(
        gaussian_wasserstein_distance
    ),
    "neg_mmd": make_distance_scorer(mmd, gamma="target"),
    "neg_sliced_wasserstein_distance": make_distance_scorer(
        sliced_wasserstein_distance, random_state=0
    ),
    "neg_wasserstein_distance": make_distance_scorer(wasserstein_distance),
    "prediction_entropy": PredictionEntropyScorer(),
    "retrieval_accuracy": make_similarity_scorer(retrieval_accuracy),
    "soft_neighborhood": SoftNeighborhoodScorer(),
    "source": SourceScorer(),
    "worst_domain": WorstDomainScorer(),
    "worst_found_domain": WorstFoundDomainScorer(),
}


def get_scorer(scoring: str | Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return the scorer of a name, of skalign or of scikit-learn.

    Scorers of skalign have their default parameters. To use others, create the scorer
    from its class or by :func:`make_distance_scorer`. Read more in the
    :ref:`User Guide <scorers>`.

    Parameters
    ----------
    scoring : str, callable or None
        One of the names returned by :func:`get_scorer_names`. A callable and None are
        returned as they are.

    Returns
    -------
    scorer : callable or None
        ``scorer(estimator, X, y)``; greater is better. Pass it as `scoring` to
        scikit-learn's searches.

    Raises
    ------
    ValueError
        If no scorer has this name. The message lists the most similar names.
    TypeError
        If `scoring` is of another type.

    See Also
    --------
    get_scorer_names : Names of all scorers.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skalign import LinearAligner
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.metrics import get_scorer
    >>> X, y = make_paired_spaces(random_state=0, return_X_y=True)
    >>> scorer = get_scorer("retrieval_accuracy")
    >>> search = GridSearchCV(LinearAligner(), {"alpha": [0.1, 1e4]}, scoring=scorer)
    >>> search.fit(X, y).best_params_
    {'alpha': 0.1}
    """
    if scoring is None or callable(scoring):
        return scoring
    if not isinstance(scoring, str):
        raise TypeError(f"scoring must be a str, a callable or None; got {scoring!r}.")
    if scoring in _SCORERS:
        return _SCORERS[scoring]
    names = get_scorer_names()
    if scoring in names:
        return metrics.get_scorer(scoring)
    near = get_close_matches(scoring.removesuffix("_scorer"), names, cutoff=0.5)
    near = f"Similar names are {', '.join(map(repr, near))}. " if near else ""
    raise ValueError(
        f"{scoring!r} is not the name of a scorer. {near}"
        "skalign.metrics.get_scorer_names() returns all names."
    )


def get_scorer_names() -> list[str]:
    """Return the names of all scorers of skalign and scikit-learn.

    Returns
    -------
    names : list of str
        Names that :func:`get_scorer` accepts, sorted.

    See Also
    --------
    get_scorer : Scorer of a name.

    Examples
    --------
    >>> from skalign.metrics import get_scorer_names
    >>> {"neg_mmd", "worst_domain", "accuracy"} <= {*get_scorer_names()}
    True
    """
    return sorted({*_SCORERS, *metrics.get_scorer_names()})
