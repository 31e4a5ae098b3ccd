"""Which class of map a set of pairs supports."""

from itertools import product
from numbers import Integral, Real

import numpy as np
from scipy.optimize import nnls
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.preprocessing import StandardScaler
from sklearn.utils import (
    Bunch,
    check_array,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils._param_validation import validate_params
from sklearn.utils.parallel import Parallel, delayed

from skalign._determined import without_warning
from skalign._parameters import Interval
from skalign._rescale import largest_about_mean
from skalign._routing import predicted
from skalign._validation import FLOATS, check_varies
from skalign.model_selection._splits import check_aligners, check_splits, follow
from skalign.moments import check_scale, storage_precision
from skalign.paired import LinearAligner, RigidAligner

MIN_PAIRS = 20
"""Fewest pairs that `alignability` takes."""

_SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training pairs, for the learning curve
_EXPONENTS = np.linspace(0.25, 2, 8)
_HORIZON = 10  # learning curves are not followed beyond so many times the pairs


class _Translation(RegressorMixin, BaseEstimator):
    """The mean of the target less that of the source, added to every row."""

    def fit(self, X, y):
        self.shift_ = (y - X).mean(axis=0)
        return self

    def predict(self, X):
        return X + self.shift_


class _KernelCorrection(RegressorMixin, BaseEstimator):
    """A ridge map, and an RBF kernel ridge of what it leaves.

    Without curvature to be found the correction is shrunk to nothing. Width and
    strength of the kernel are those of the least generalised cross-validation error
    on the training pairs.
    """

    def __init__(self, n_landmarks=256, random_state=None):
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(self, X, y):
        self.linear_ = LinearAligner().fit(X, y)
        self.scaler_ = StandardScaler().fit(X)
        scaled, rest = self.scaler_.transform(X), y - self.linear_.transform(X)
        n_landmarks = min(self.n_landmarks, max(1, len(X) // 2))
        least = np.inf
        for width in (0.1, 1.0):
            kernel = Nystroem(
                gamma=width / X.shape[1],
                n_components=n_landmarks,
                random_state=self.random_state,
            ).fit(scaled)
            correction = LinearAligner().fit(kernel.transform(scaled), rest)
            if (error := correction.alpha_errors_.min()) < least:
                self.kernel_, self.correction_, least = kernel, correction, error
        return self

    def predict(self, X):
        features = self.kernel_.transform(self.scaler_.transform(X))
        return self.linear_.transform(X) + self.correction_.transform(features)


def _classes(n_features, n_targets, seed):
    """Return an estimator for each class of maps, from simple to flexible."""
    narrow = min(n_features, n_targets)
    classes = {"constant": DummyRegressor()}
    if n_features == n_targets:
        classes["translation"] = _Translation()
    classes |= {"rigid": RigidAligner(), "similarity": RigidAligner(scaling=True)}
    if narrow > 1:
        classes["low rank"] = GridSearchCV(
            LinearAligner(),
            {"rank": sorted({max(1, narrow // k) for k in (2, 4, 8, 16)})},
            cv=ShuffleSplit(1, test_size=0.25, random_state=seed),
            scoring="neg_mean_squared_error",
        )
    linear, nonlinear = LinearAligner(), _KernelCorrection(random_state=seed)
    return classes | {"linear": linear, "nonlinear": nonlinear}


def _squared_errors(aligner, X, y, train, test):
    """Squared distance of each mapped test row from its target row."""
    with without_warning():
        aligner = clone(aligner).fit(X[train], y[train])
    return np.sum((predicted(aligner, X[test]) - y[test]) ** 2, axis=1)


def _relative_error(squares, baseline):
    """Return a ratio of sums over rows and its standard error (delta method)."""
    error = squares.sum() / baseline.sum()
    influence = (squares - error * baseline) / baseline.mean()
    return error, np.sqrt(np.sum(influence**2) / (len(squares) * (len(squares) - 1)))


def _fit_curve(sizes, errors):
    """Fit ``limit + slope * size ** -exponent`` by relative least squares.

    Limit and slope are not negative: the curve falls towards what no number of pairs
    removes.
    """
    # Below rounding an error says nothing: a class of map is exact.
    errors, least = np.maximum(errors, np.finfo(errors.dtype).eps), np.inf
    for exponent in _EXPONENTS:
        columns = np.stack([np.ones(len(sizes)), (sizes / sizes[-1]) ** -exponent])
        columns = columns / errors
        lengths = np.linalg.norm(columns, axis=1)  # as old nnls takes less for 0
        unit = (columns / lengths[:, np.newaxis]).T
        weights, misfit = nnls(unit, np.ones(len(sizes)))
        if misfit < least:
            limit, slope = weights / lengths
            found, least = (limit, slope * sizes[-1] ** exponent, exponent), misfit
    return found


def _follow_curve(sizes, errors, standard_error):
    """Forecast the error with twice the pairs, and how many pairs are enough."""
    limit, slope, exponent = _fit_curve(sizes, errors)
    doubled = min(limit + slope * (2 * sizes[-1]) ** -exponent, errors[-1])
    enough = (slope / standard_error) ** (1 / exponent)
    return doubled, np.ceil(enough) if enough <= _HORIZON * sizes[-1] else np.inf


def _verdict(result, confidence):
    at, best = result.names.index(result.name), result.names.index(result.best)
    n_train = result.train_sizes[-1]
    low, high = result.intervals[at]
    said = (
        f"The pairs support the class '{result.name}': relative error "
        f"{result.errors[at]:.3g} ({confidence:.0%} interval {low:.3g} to {high:.3g}) "
        f"from {n_train:,} pairs"
    )
    if result.intervals[best, 1] >= 1:
        return f"{said}. No map is seen to predict the target better than its mean."
    if at == best:
        said += ", the least of all classes."
    else:
        said += (
            f", within one standard error of the least, {result.errors[best]:.3g} by "
            f"'{result.best}'."
        )
    said += f" Twice the pairs would bring it to about {result.doubled_errors[at]:.3g}"
    enough = result.enough_pairs[at]
    if enough <= n_train:
        return f"{said}: it has converged to within one standard error."
    if np.isinf(enough):
        return f"{said}, and {_HORIZON} times as many would still help."
    return f"{said}; beyond {float(f'{enough:.2g}'):,.0f}, more would hardly be seen."


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "aligners": [dict, None],
        "cv": ["cv_object"],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "max_samples": [Interval(Integral, MIN_PAIRS, None, closed="left"), None],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "random_state": ["random_state"],
        "progress": [callable],
    },
    prefer_skip_nested_validation=True,
)
def alignability(
    X,
    y,
    *,
    aligners=None,
    cv=5,
    confidence=0.95,
    max_samples=5000,
    n_jobs=None,
    random_state=0,
    progress=iter,
):
    """Tell which class of map the pairs support, and what more pairs would bring.

    Every class is fitted on the training pairs of each split and judged on test pairs
    that it never saw; what a class has to choose (strength, rank, kernel width) it
    chooses within the training pairs. The class named is the simplest whose error is
    within one standard error of the best [1]_; where the interval of the best reaches
    1, the error of no map at all, the simplest class that does no worse than that.
    Read more in the :ref:`User Guide <alignability>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows of the source space.
    y : array-like of shape (n_samples, n_targets)
        The same items, row by row, in the target space.
    aligners : dict of str to estimator, default=None
        Classes to compare, by name, from the simplest to the most flexible; an
        estimator with something to choose is to choose it in `fit`. By default

        - "constant": the mean of the target. If it is named, the pairs support no map;
        - "translation", between spaces of equal width;
        - "rigid" and "similarity": :class:`RigidAligner` without and with a scale;
        - "low rank": :class:`LinearAligner` of the best rank of a half, a quarter, an
          eighth and a sixteenth of the narrower width, unless that is 1;
        - "linear": :class:`LinearAligner`;
        - "nonlinear": the linear map, and an RBF kernel ridge on 256 landmarks
          (Nystroem) for what it leaves.
    cv : int, cross-validation generator or iterable, default=5
        Splits; a number stands for that many shuffled folds. Where rows are tested
        more than once, their errors are averaged.
    confidence : float, default=0.95
        Level of `intervals`, above 0 and below 1, and so of the evidence that a map has
        to bring against "constant".
    max_samples : int or None, default=5000
        Of more pairs, so many are drawn. None takes all.
    n_jobs : int, default=None
        Fits that run at a time; None is 1, unless in a joblib context.
    random_state : int, RandomState instance or None, default=0
        Draws the pairs, shuffles the folds and picks the landmarks.
    progress : callable, default=iter
        Wraps the list of fits that are due, such as ``tqdm.tqdm``.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        With the attributes

        name : str
            The class that the pairs support.
        best : str
            The class with the least error.
        verdict : str
            Both, and what more pairs would bring, in a few sentences.
        names : list of str
            The classes, from the simplest to the most flexible.
        errors : ndarray of shape (n_classes,)
            Relative errors: squared errors on test rows, summed, over those of the
            mean of the training targets. 0 is perfect, 1 no better than "constant".
        standard_errors : ndarray of shape (n_classes,)
            Standard error of each.
        intervals : ndarray of shape (n_classes, 2)
            Confidence interval of each.
        train_sizes : ndarray of shape (n_sizes,)
            Pairs to fit: an eighth, a quarter, a half and all of the training pairs,
            no fewer than 8.
        learning_curves : ndarray of shape (n_classes, n_sizes)
            Relative error at each size; the last column is `errors`.
        doubled_errors : ndarray of shape (n_classes,)
            Forecast of the error with twice the pairs, at most `errors`.
        enough_pairs : ndarray of shape (n_classes,)
            Forecast of the training pairs from which the error stays within one
            standard error of its limit; infinite beyond ten times those in use.
        n_samples : int
            Pairs in use.
        aligners : dict of str to estimator
            The classes as estimators, not fitted.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, there are fewer than 20 pairs, all
        rows of `y` are equal, fourth powers of a column about its mean overflow or
        underflow, `aligners` is empty, or `cv` yields no split or positions that are
        none.

    See Also
    --------
    alignment_report : More metrics, and anchored maps.
    skalign.plotting.AlignabilityDisplay : The learning curves as a figure.

    Notes
    -----
    Each row is a unit: with its squared error e and that of the mean b, the relative
    error is ``sum(e) / sum(b)``, and its standard error that of the mean of
    ``(e - error * b) / mean(b)``. Intervals are normal; they are for the error of maps
    fitted on `train_sizes[-1]` pairs, averaged over the splits [2]_, and take the rows
    to be independent: give `cv` that keeps rows of one origin together if they are not.
    Errors below the precision of the input count as equal.

    The forecast is ``limit + slope * size ** -exponent``, with neither limit nor slope
    negative. It is an extrapolation from four points: trust it for a doubling.

    There are ``4 * n_splits`` fits for each class, and up to 5 within one of "low
    rank". With n = `max_samples` and d the larger width, a fit takes O(n d^2 + d^3) in
    time and O(n d) in memory, however many pairs there are.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen and C. J. Stone, "Classification
       and Regression Trees", Wadsworth, 1984, Sec. 3.4.3.

    .. [2] P. Bayle, A. Bayle, L. Janson and L. Mackey, "Cross-validation confidence
       intervals for test error", NeurIPS 2020.

    Examples
    --------
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.model_selection import alignability
    >>> X, y = make_paired_spaces(200, 6, scale=2.0, noise=0.2, random_state=0,
    ...                           return_X_y=True)
    >>> result = alignability(X, y)
    >>> result.name, result.errors[result.names.index("rigid")].round(2)
    ('similarity', np.float64(0.26))
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    y = check_array(y, dtype=FLOATS, input_name="y")
    check_consistent_length(X, y)
    if len(X) < MIN_PAIRS:
        raise ValueError(f"There must be at least {MIN_PAIRS} pairs; got {len(X)}.")
    eps = max(storage_precision(X).max(), storage_precision(y).max())
    random_state = check_random_state(random_state)
    seed = random_state.randint(2**31 - 1)
    if max_samples is not None and len(X) > max_samples:
        kept = random_state.permutation(len(X))[:max_samples]
        X, y = X[kept], y[kept]
    X, y = X.astype(np.float64), y.astype(np.float64)
    check_varies(y)
    for name, rows in (("X", X), ("y", y)):  # standard errors are of squared squares
        largest = largest_about_mean(rows)
        check_scale(largest, np.float64, name, degree=4, n_terms=rows.size)
    if aligners is None:
        aligners = _classes(X.shape[1], y.shape[1], seed)
    if isinstance(cv, Integral):
        cv = KFold(cv, shuffle=True, random_state=seed)
    check_aligners(aligners)
    splits = [
        (random_state.permutation(train), test) for train, test in check_splits(cv, X)
    ]
    n_train = min(len(train) for train, _ in splits)
    sizes = np.unique([max(8, round(share * n_train)) for share in _SHARES])

    fits = list(product(range(len(aligners)), range(len(sizes)), range(len(splits))))
    estimators = list(aligners.values())
    found = Parallel(n_jobs=n_jobs)(
        delayed(_squared_errors)(
            estimators[i], X, y, splits[k][0][: sizes[j]], splits[k][1]
        )
        for i, j, k in follow(progress, fits)
    )
    squares = np.zeros((len(aligners), len(sizes), len(X)))
    baseline, times = np.zeros(len(X)), np.zeros(len(X))
    for (i, j, k), errors in zip(fits, found, strict=True):
        squares[i, j, splits[k][1]] += errors
    for train, test in splits:
        mean = y[train[: sizes[-1]]].mean(axis=0)
        baseline[test] += np.sum((y[test] - mean) ** 2, axis=1)
        times[test] += 1
    tested = times > 0
    squares, baseline = (
        squares[..., tested] / times[tested],
        baseline[tested] / times[tested],
    )

    curves, standard_errors = np.empty(squares.shape[:2]), np.empty(len(aligners))
    doubled, enough = np.empty(len(aligners)), np.empty(len(aligners))
    for i in range(len(aligners)):
        for j in range(len(sizes)):
            curves[i, j], standard_errors[i] = _relative_error(squares[i, j], baseline)
        doubled[i], enough[i] = _follow_curve(
            sizes, curves[i], max(standard_errors[i], eps)
        )
    errors, names = curves[:, -1], list(aligners)
    best = int(errors.argmin())
    limit = errors[best] + max(standard_errors[best], eps)
    half_width = norm.ppf((1 + confidence) / 2) * standard_errors
    if errors[best] + half_width[best] >= 1:
        limit = max(limit, 1 + eps)  # the best cannot be told from no map
    result = Bunch(
        name=names[int(np.argmax(errors <= limit))],
        best=names[best],
        names=names,
        errors=errors,
        standard_errors=standard_errors,
        intervals=np.column_stack([errors - half_width, errors + half_width]),
        train_sizes=sizes,
        learning_curves=curves,
        doubled_errors=doubled,
        enough_pairs=enough,
        n_samples=len(X),
        aligners=aligners,
    )
    result.verdict = _verdict(result, confidence)
    return result
