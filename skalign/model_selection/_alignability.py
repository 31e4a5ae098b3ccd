"""Cross-validated comparison of classes of maps."""

from collections.abc import Callable
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls
from scipy.stats import norm
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils._param_validation import validate_params
from sklearn.utils.parallel import Parallel

from skalign._determined import without_warning
from skalign._draws import one_seed
from skalign._labels import check_labels
from skalign._r2 import r2
from skalign._rescale import largest_about_mean, power_of, times_power
from skalign._routing import best_of, predicted
from skalign._threads import shared_cores
from skalign._validation import FLOATS, Interval, check_varies
from skalign.metrics import Target, sliced_wasserstein_distance
from skalign.model_selection._comparison import Comparison
from skalign.model_selection._map_classes import map_classes
from skalign.model_selection._splits import check_aligners, check_splits, follow
from skalign.moments import Moments, check_scale, storage_precision
from skalign.paired import Shared

_MIN_PAIRS = 20
_PRODUCTS = ("xx", "xy", "y2")
_GREATER_IS_BETTER = {
    "relative_error": False,
    "r2": True,
    "hits@1": True,
    "mmd": False,
    "sliced_wasserstein": False,
    "accuracy": True,
}
_SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training pairs, for the learning curve
_EXPONENTS = np.linspace(0.25, 2, 8)
_FAR = 1e3  # squared norms, in units of their mean, that cancel in single precision
# A squared error below this share of the squares is lost in the rounding of sums.
_LEAST_SHARE = np.finfo(np.float64).eps ** (2 / 3)
_HORIZON = 10  # learning curves are not followed beyond so many times the pairs


def _fit(aligner, X, y, shared):
    """Fit a clone, from what fits to the same pairs have in common if it can."""
    aligner = clone(aligner)
    if not hasattr(aligner, "_fit_with_sums"):
        return aligner.fit(X, y)
    if shared.moments is None:
        shared.moments = Moments.from_arrays(X, y, products=_PRODUCTS)
    aligner._validate_params()
    return aligner._fit_with_sums(X, y, None, shared)


def _fit_and_judge(aligners, X, y, train, test, held_out, judge):
    """Return squared errors of the test samples and scores of `judge`, by aligner.

    Without a judge, only the sums of the errors are returned, weighted by `held_out`.
    """
    X_train, y_train, X_test, y_test = X[train], y[train], X[test], y[test]
    shared, found = Shared(), []
    for aligner in aligners:
        with without_warning():
            aligner = _fit(aligner, X_train, y_train, shared)
        if judge is None:
            found.append(held_out.total_error(aligner, X_test, y_test))
            continue
        mapped = predicted(aligner, X_test)
        found.append((np.sum((mapped - y_test) ** 2, axis=1), judge(mapped)))
    return found


class _HeldOut:
    """Weights of the test samples of a split, and their sums where these save time."""

    def __init__(self, X, y, weight):
        self._weight, self._moments = weight, None
        if len(X) > X.shape[1]:
            self._moments = Moments.from_arrays(
                X, y, sample_weight=weight, products=_PRODUCTS
            )

    def total_error(self, aligner, X, y):
        """Sum the weighted squared errors of these samples."""
        fitted, moments = best_of(aligner), self._moments
        if moments is not None and hasattr(fitted, "_set_map"):
            errors = moments.squared_errors(
                fitted.coef_, fitted.x_mean_, fitted.y_mean_
            )
            if errors.sum() > _LEAST_SHARE * moments.y2.sum():
                return errors.sum()
        return self._weight @ np.sum((predicted(aligner, X) - y) ** 2, axis=1)


def _squared_norms(rows):
    return np.einsum("ij,ij->i", rows, rows)


class _Judge:
    """Comparison of mapped with target samples by all metrics.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_targets)
        Target samples.
    centre : ndarray of shape (n_targets,)
        Mean of the training targets.
    head : object or None
        Classifier of target samples.
    labels : ndarray of shape (n_samples,) or None
        Classes of the samples.
    seed : int
        Seed of the projections of the sliced distance.
    dtype : dtype
        Precision of the distances between samples.
    """

    def __init__(self, y, centre, *, head, labels, seed, dtype):
        self._centre, self._head, self._labels = centre, head, labels
        self._seed, self._dtype = seed, dtype
        # Squares overflow in some units.
        self._power = power_of(y - centre)
        self._y = self._scaled(y)
        self._farthest = _FAR * np.mean(_squared_norms(self._y))
        self._short = self._shortened(self._y)
        self._target = Target(self._y, self._short.dtype)

    def __call__(self, mapped):
        scores = {}
        if self._head is not None:
            scores["accuracy"] = self._head.score(mapped, self._labels)
        mapped, y = self._scaled(mapped), self._y
        short = self._shortened(mapped)
        sliced = sliced_wasserstein_distance(
            short, self._short, random_state=self._seed
        )
        hits, mmd = self._target.compare(mapped, short.dtype)
        return {
            "relative_error": np.sum((mapped - y) ** 2) / np.sum(y**2),
            "r2": r2(y, mapped),
            "hits@1": hits,
            "mmd": mmd,
            "sliced_wasserstein": float(np.ldexp(sliced, self._power)),
        } | scores

    def _shortened(self, rows):
        """Convert samples to the precision for distances if that loses nothing."""
        if _squared_norms(rows).max() > self._farthest:
            return rows
        return rows.astype(self._dtype, copy=False)

    def _scaled(self, rows):
        return times_power(rows - self._centre, -self._power)


def _relative_error(squares, baseline):
    """Return a ratio of sums over samples and its standard error (delta method)."""
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
        return f"{said}. No map predicts the target better than its mean."
    if at == best:
        said += ", the least of all classes."
    else:
        said += (
            f", within one standard error of the least, {result.errors[best]:.3g} by "
            f"'{result.best}'."
        )
    if result.doubled_errors is None:
        return said
    said += (
        " Twice as many pairs are expected to reduce it to "
        f"{result.doubled_errors[at]:.3g}"
    )
    enough = result.enough_pairs[at]
    if enough <= n_train:
        return f"{said}: it has converged to within one standard error."
    if np.isinf(enough):
        return f"{said}, and {_HORIZON} times as many to reduce it further."
    return (
        f"{said}; beyond about {float(f'{enough:.2g}'):,.0f} pairs, more data brings "
        "no measurable gain."
    )


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "labels": ["array-like", None],
        "aligners": [dict, None],
        "cv": ["cv_object"],
        "learning_curves": ["boolean"],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "max_samples": [Interval(Integral, _MIN_PAIRS, None, closed="left"), None],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "random_state": ["random_state"],
        "progress": [callable],
    },
    prefer_skip_nested_validation=False,
)
def alignability(
    X: ArrayLike,
    y: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    aligners: dict[Any, Any] | None = None,
    cv: Any = 5,
    learning_curves: bool = True,
    confidence_level: float = 0.95,
    max_samples: int | None = 10_000,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = 0,
    progress: Callable[..., Any] = iter,
) -> Any:
    r"""Compare classes of maps by cross-validation, and recommend one.

    Each class is fitted on the training pairs of each split and evaluated on the test
    pairs; its hyperparameters (ridge, rank, kernel width) are chosen within the
    training pairs. With the predictions :math:`\hat y_i` of test samples and the mean
    :math:`\bar y` of the training targets, the relative error of a class is

    .. math::

        \frac{\sum_i \lVert \hat y_i - y_i \rVert^2}
             {\sum_i \lVert \bar y - y_i \rVert^2}.

    The class recommended is the simplest whose relative error is within one standard
    error of the best [1]_. If the confidence interval of the best reaches 1, the error
    of the mean, it is the simplest class that does no worse than the mean. Read more
    in the :ref:`User Guide <alignability>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples in the source space.
    y : array-like of shape (n_samples, n_targets)
        The same samples, row by row, in the target space.
    labels : array-like of shape (n_samples,), default=None
        Class labels of the samples. If given, a logistic regression is trained on the
        target samples of each training part and scored on the mapped source samples of
        the test part.
    aligners : dict of str to estimator, default=None
        Classes to compare by name, from the simplest to the most flexible. None
        compares

        - "constant": the mean of the target. If it is recommended, the pairs support no
          map;
        - "identity" and "translation", for spaces of equal width;
        - "rigid" and "similarity": :class:`~skalign.RigidAligner` without and with a
          scale;
        - "low rank": :class:`~skalign.LinearAligner` of the best rank out of a half, a
          quarter, an eighth and a sixteenth of the narrower width, unless that is 1;
        - "linear": :class:`~skalign.LinearAligner`;
        - "nonlinear": :class:`~skalign.KernelAligner` with at most 256 landmarks.
    cv : int, cross-validation generator or iterable, default=5
        Splits; a number stands for as many shuffled folds. The errors of samples that
        are tested more than once are averaged.
    learning_curves : bool, default=True
        Whether to fit on an eighth, a quarter and a half of the training pairs too, and
        forecast the error with more pairs.
    confidence_level : float, default=0.95
        Level of `intervals`, above 0 and below 1.
    max_samples : int or None, default=10000
        Maximum number of pairs; a random subset is drawn if there are more. None uses
        all.
    n_jobs : int, default=None
        Number of training parts in parallel; None is 1, unless in a joblib context.
    random_state : int, RandomState instance or None, default=0
        Seed of the subset, the folds, the landmarks and the projections of the sliced
        distance.
    progress : callable, default=iter
        Wrapper of the list of training parts, ``4 * n_splits`` with `learning_curves`,
        such as ``tqdm.tqdm``.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        With the attributes below; in a notebook, it is shown as a table with the
        confidence intervals as a figure.

        name : str
            Class that is recommended.
        best : str
            Class with the least relative error.
        verdict : str
            Summary of the recommendation and the forecast in a few sentences.
        names : list of str
            Classes, from the simplest to the most flexible.
        errors : ndarray of shape (n_classes,)
            Relative errors; 0 is perfect, 1 no better than "constant".
        standard_errors : ndarray of shape (n_classes,)
            Standard errors of `errors`.
        intervals : ndarray of shape (n_classes, 2)
            Confidence intervals of `errors`.
        scores : dict of str to ndarray of shape (n_classes, n_splits)
            Values of each metric on the test part of each split: "relative_error";
            "r2", averaged over columns; "hits@1", the share of samples whose own target
            is the nearest of all test targets, by cosine about the mean of the training
            targets; "mmd" (squared, biased, with the kernel width of the target) and
            "sliced_wasserstein" between mapped and target samples; and "accuracy" with
            `labels`.
        greater_is_better : dict of str to bool
            Direction of each metric.
        head_accuracy : ndarray of shape (n_splits,) or None
            Accuracy of the logistic regression on the target samples of the test part.
        train_sizes : ndarray of shape (n_sizes,)
            Numbers of pairs to fit: an eighth, a quarter, a half and all of the
            training pairs, at least 8.
        learning_curves : ndarray of shape (n_classes, n_sizes)
            Relative error at each size; the last column is `errors`.
        doubled_errors : ndarray of shape (n_classes,) or None
            Forecast of the error with twice as many pairs, at most `errors`.
        enough_pairs : ndarray of shape (n_classes,) or None
            Forecast of the number of training pairs from which the error stays within
            one standard error of its limit; infinite beyond ten times the present
            number.
        n_samples : int
            Number of pairs in use.
        n_test : int
            Number of test pairs in the first split.
        aligners : dict of str to estimator
            Classes as estimators, not fitted.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, there are fewer than 20 pairs, all
        samples of `y` are equal, fourth powers of a column about its mean overflow or
        underflow, `labels` are no classes, `aligners` is empty, or `cv` yields no split
        or invalid positions.

    See Also
    --------
    skalign.plotting.AlignabilityDisplay : Plot the learning curves or the scores.

    Notes
    -----
    With the squared error e of each sample and that of the mean b, the relative error
    is ``sum(e) / sum(b)``, and its standard error that of the mean of
    ``(e - error * b) / mean(b)``. Intervals are normal; they hold for the error of maps
    fitted on `train_sizes[-1]` pairs, averaged over the splits [2]_, if samples are
    independent: otherwise pass a `cv` that keeps samples of one origin together.
    Errors below the precision of the input count as equal.

    The forecast is ``limit + slope * size ** -exponent``, with neither limit nor slope
    negative, an extrapolation from four points that is reliable up to a doubling.

    If the rounding errors of `y` are at least those of single precision, "mmd" and
    "sliced_wasserstein" are computed in it.

    There are ``4 * n_splits`` fits for each class, and up to 5 within one of "low
    rank". With n = `max_samples` and d the larger width, a fit takes O(n d^2 + d^3) in
    time and O(n d) in memory, for any number of pairs.

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
    >>> result.name
    'similarity'
    >>> print(result.scores["r2"][result.names.index("rigid")].mean().round(2))
    0.74
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    y = check_array(y, dtype=FLOATS, input_name="y")
    check_consistent_length(X, y, labels)
    if len(X) < _MIN_PAIRS:
        raise ValueError(
            f"At least {_MIN_PAIRS} pairs are needed to recommend a class of map; got "
            f"{len(X)}."
        )
    labels = check_labels(labels, X, "labels")
    x_precision, y_precision = storage_precision(X), storage_precision(y)
    eps = max(x_precision.max(), y_precision.max())
    seed = one_seed(random_state)
    random_state = check_random_state(seed)
    if max_samples is not None and len(X) > max_samples:
        kept = random_state.permutation(len(X))[:max_samples]
        X, y = X[kept], y[kept]
        labels = None if labels is None else labels[kept]
    X, y = X.astype(np.float64), y.astype(np.float64)
    check_varies(y)
    for name, rows in (("X", X), ("y", y)):  # standard errors are of squared squares
        largest = largest_about_mean(rows)
        check_scale(largest, np.float64, name, degree=4, n_terms=rows.size)
    sizes = np.linalg.norm(y, axis=0)
    rounding = np.linalg.norm(y_precision * sizes) / np.linalg.norm(sizes)
    dtype = np.float32 if rounding > np.finfo(np.float32).eps / 2 else np.float64
    if aligners is None:
        aligners = map_classes(X.shape[1], y.shape[1], seed)
    if isinstance(cv, Integral):
        cv = KFold(cv, shuffle=True, random_state=seed)
    check_aligners(aligners)
    splits = [
        (random_state.permutation(train), test)
        for train, test in check_splits(cv, X, y if labels is None else labels)
    ]
    n_train = min(len(train) for train, _ in splits)
    shares = _SHARES if learning_curves else [1]
    sizes = np.unique([max(8, round(share * n_train)) for share in shares])
    judges, head_accuracy = [], None if labels is None else np.empty(len(splits))
    for k, (train, test) in enumerate(splits):
        head = named = None
        if labels is not None:
            named = labels[test]
            head = LogisticRegression(max_iter=1000).fit(y[train], labels[train])
            head_accuracy[k] = head.score(y[test], named)
        centre = y[train].mean(axis=0)
        judges.append(
            _Judge(y[test], centre, head=head, labels=named, seed=seed, dtype=dtype)
        )
    times = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(X))
    held_out = [_HeldOut(X[test], y[test], 1 / times[test]) for _, test in splits]
    last = len(sizes) - 1
    # The largest first, so that no job waits long for another at the end.
    parts = list(product(range(last, -1, -1), range(len(splits))))
    with shared_cores(n_jobs) as delayed:
        found = Parallel(n_jobs=n_jobs)(
            delayed(_fit_and_judge)(
                list(aligners.values()),
                X,
                y,
                splits[k][0][: sizes[j]],
                splits[k][1],
                held_out[k],
                judges[k] if j == last else None,
            )
            for j, k in follow(progress, parts)
        )
    squares, baseline = np.zeros((len(aligners), len(X))), np.zeros(len(X))
    curves = np.zeros((len(aligners), len(sizes)))
    scores = {
        metric: np.empty((len(aligners), len(splits)))
        for metric in _GREATER_IS_BETTER
        if labels is not None or metric != "accuracy"
    }
    for (j, k), outcomes in zip(parts, found, strict=True):
        if j < last:
            curves[:, j] += outcomes
            continue
        for i, (errors, values) in enumerate(outcomes):
            squares[i, splits[k][1]] += errors
            for metric, value in values.items():
                scores[metric][i, k] = value
    for train, test in splits:
        mean = y[train[: sizes[-1]]].mean(axis=0)
        baseline[test] += np.sum((y[test] - mean) ** 2, axis=1)
    tested = times > 0
    squares, baseline = (of[..., tested] / times[tested] for of in (squares, baseline))

    curves /= baseline.sum()
    standard_errors = np.empty(len(aligners))
    doubled, enough = np.empty(len(aligners)), np.empty(len(aligners))
    for i in range(len(aligners)):
        curves[i, last], standard_errors[i] = _relative_error(squares[i], baseline)
        if learning_curves:
            doubled[i], enough[i] = _follow_curve(
                sizes, curves[i], max(standard_errors[i], eps)
            )
    errors, names = curves[:, -1], list(aligners)
    best = int(errors.argmin())
    limit = errors[best] + max(standard_errors[best], eps)
    half_width = norm.ppf((1 + confidence_level) / 2) * standard_errors
    if errors[best] + half_width[best] >= 1:
        limit = max(limit, 1 + eps)  # the mean is as good as the best map
    result = Comparison(
        name=names[int(np.argmax(errors <= limit))],
        best=names[best],
        names=names,
        errors=errors,
        standard_errors=standard_errors,
        intervals=np.column_stack([errors - half_width, errors + half_width]),
        scores=scores,
        greater_is_better={metric: _GREATER_IS_BETTER[metric] for metric in scores},
        head_accuracy=head_accuracy,
        train_sizes=sizes,
        learning_curves=curves,
        doubled_errors=doubled if learning_curves else None,
        enough_pairs=enough if learning_curves else None,
        n_samples=len(X),
        n_test=len(splits[0][1]),
        aligners=aligners,
    )
    result.verdict = _verdict(result, confidence_level)
    return result
