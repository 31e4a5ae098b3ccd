"""Proxy A-distance: how well a classifier tells two sets apart."""

from functools import partial
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, validate_params

from skalign._parameters import Interval
from skalign.metrics._validation import check_mass, check_spaces


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "classifier": [HasMethods(["fit", "predict"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def proxy_a_distance(
    X,
    Y,
    *,
    classifier=None,
    cv=5,
    X_weight=None,
    Y_weight=None,
    random_state=None,
):
    """Two less four times the error of a classifier that tells two sets apart.

    The error is cross-validated, and that of the two sets counts the same, however many
    rows they have [1]_ [2]_. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    classifier : classifier, default=None
        Learns which set a row is of; not changed. None takes logistic regression on
        standardised rows, with classes of equal weight. What it cannot see, the
        distance is blind to.
    cv : int, default=5
        Number of folds of each set.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly. The classifier is fitted with `sample_weight` if either is given.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.
    random_state : int, RandomState instance or None, default=None
        Deals the rows into folds. An int deals them the same way on every call.

    Returns
    -------
    distance : float
        From 0, where the classifier does no better than chance, to 2, where it makes no
        error.

    Raises
    ------
    ValueError
        If a set has fewer rows of positive weight than there are folds or is not
        finite, the widths differ, a weight is negative or all are zero, or `cv` is
        below 2.
    TypeError
        If weights are given, and the `classifier` takes none.

    See Also
    --------
    mmd : Without a fit, and further on where sets do not overlap.

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
            f"X has {len(X)} rows and Y has {len(Y)}: cv={cv} folds need as many of "
            "each."
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
    # Sets that are all but apart take many steps.
    model = LogisticRegression(class_weight="balanced", max_iter=10_000)
    model.fit(scaler.transform(X), y, sample_weight=sample_weight)
    return make_pipeline(scaler, model)


def _fit_clone(classifier, X, y, **keywords):
    return clone(classifier).fit(X, y, **keywords)


def _folds_of_both(n, m, n_folds, random_state):
    """Return train and test rows of stacked sets, the same when sets change places."""
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
