"""Proxy A-distance, from the error of a classifier of domains."""

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, validate_params

from skalign._validation import Interval
from skalign.metrics._validation import WEIGHTED_SPACES, check_mass, check_spaces


@validate_params(
    {
        **WEIGHTED_SPACES,
        "classifier": [HasMethods(["fit", "predict"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def proxy_a_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    classifier: Any = None,
    cv: int = 5,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Proxy A-distance, from the error of a classifier of the two sets.

    With the cross-validated error rates :math:`\epsilon_X` and :math:`\epsilon_Y` of a
    classifier that predicts which set a sample belongs to, the distance is [1]_ [2]_

    .. math::

        \max(0, \; 2 - 4 \epsilon), \qquad
        \epsilon = \tfrac{1}{2} (\epsilon_X + \epsilon_Y) .

    Both sets have the same weight, whatever their sizes. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    classifier : classifier, default=None
        Classifier of the two sets; it is cloned. None uses logistic regression on
        standardised features, with balanced class weights. Differences that the
        classifier cannot represent are not detected.
    cv : int, default=5
        Number of folds of each set.
    X_weight : array-like of shape (n_samples_x,), default=None
        Non-negative sample weights of `X`, normalised to sum to one. None weights all
        samples equally. If weights are given for either set, `sample_weight` is passed
        to the classifier.
    Y_weight : array-like of shape (n_samples_y,), default=None
        Sample weights of `Y`, likewise.
    random_state : int, RandomState instance or None, default=None
        Generator of the folds. Pass an int for the same folds in every call.

    Returns
    -------
    distance : float
        Between 0, if the classifier is no better than chance, and 2, if it makes no
        error.

    Raises
    ------
    ValueError
        If `X` or `Y` is not finite or has fewer samples of positive weight than folds,
        their numbers of features differ, a weight is negative or all weights are zero,
        or `cv` is below 2.
    TypeError
        If weights are given and `classifier` does not support them.

    See Also
    --------
    mmd : Discrepancy without a classifier, which still varies if the sets do not
        overlap.

    References
    ----------
    .. [1] S. Ben-David, J. Blitzer, K. Crammer and F. Pereira, "Analysis of
       representations for domain adaptation", NeurIPS 2006: section 4.
    .. [2] Y. Ganin, E. Ustinova, H. Ajakan, P. Germain, H. Larochelle, F. Laviolette,
       M. Marchand and V. Lempitsky, "Domain-adversarial training of neural networks",
       JMLR 17, 2016: Eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import proxy_a_distance
    >>> X = np.random.default_rng(0).uniform(size=(100, 3))
    >>> proxy_a_distance(X, X + 2)
    2.0
    >>> proxy_a_distance(X, X)
    0.0
    """
    X, Y = check_spaces(X, Y)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    if min(len(X), len(Y)) < cv:
        raise ValueError(
            f"cv={cv} folds need at least as many samples in each set; X has {len(X)} "
            f"and Y has {len(Y)}."
        )
    fit = _fit_logistic if classifier is None else partial(_fit_clone, classifier)
    rows, is_target = np.concatenate([X, Y]), np.repeat([0, 1], [len(X), len(Y)])
    weight = np.concatenate([a * len(X), b * len(Y)])
    weighted = X_weight is not None or Y_weight is not None
    missed = np.empty(len(rows), dtype=bool)
    for train, test in _folds_of_both(len(X), len(Y), cv, random_state):
        keywords = {"sample_weight": weight[train]} if weighted else {}
        fitted = fit(rows[train], is_target[train], **keywords)
        missed[test] = fitted.predict(rows[test]) != is_target[test]
    error = (a @ missed[: len(X)] + b @ missed[len(X) :]) / 2
    return float(max(2 - 4 * error, 0.0))


def _fit_logistic(X, y, sample_weight=None):
    scaler = StandardScaler().fit(X, sample_weight=sample_weight)
    # Nearly separable sets take many iterations.
    model = LogisticRegression(class_weight="balanced", max_iter=10_000)
    model.fit(scaler.transform(X), y, sample_weight=sample_weight)
    return make_pipeline(scaler, model)


def _fit_clone(classifier, X, y, **keywords):
    return clone(classifier).fit(X, y, **keywords)


def _folds_of_both(n, m, n_folds, random_state):
    """Return train and test indices of stacked sets, equal if sets are swapped."""
    seed = check_random_state(random_state).randint(2**31 - 1)
    folds = KFold(n_folds, shuffle=True, random_state=seed)
    first, second = folds.split(np.empty(n)), folds.split(np.empty(m))
    return [
        tuple(
            np.concatenate([x_rows, n + y_rows])
            for x_rows, y_rows in zip(a, b, strict=True)
        )
        for a, b in zip(first, second, strict=True)
    ]
