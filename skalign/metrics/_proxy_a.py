"""Proxy A-distance: how well a classifier tells two sets apart."""

from numbers import Integral

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from skalign.metrics._validation import check_spaces


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "classifier": [HasMethods(["fit", "predict"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def proxy_a_distance(X, Y, *, classifier=None, cv=5, random_state=None):
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
        If a set has fewer rows than there are folds or is not finite, the widths
        differ, or `cv` is below 2.

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
    if min(len(X), len(Y)) < cv:
        raise ValueError(
            f"X has {len(X)} rows and Y has {len(Y)}: cv={cv} folds need as many of "
            "each."
        )
    if classifier is None:
        # Sets that are all but apart take many steps.
        model = LogisticRegression(class_weight="balanced", max_iter=10_000)
        classifier = make_pipeline(StandardScaler(), model)
    is_target = np.repeat([0, 1], [len(X), len(Y)])
    predicted = cross_val_predict(
        classifier,
        np.concatenate([X, Y]),
        is_target,
        cv=_folds_of_both(len(X), len(Y), cv, random_state),
    )
    error = np.mean([np.mean(predicted[is_target == side] != side) for side in (0, 1)])
    return float(max(2 - 4 * error, 0.0))


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
